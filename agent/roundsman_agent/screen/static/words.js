// Everything that the screen says, by language. English is complete; what another lacks falls back to it.
const EN = {
  online: "", offline: "No network {0}", noUnit: "NO LINK TO UNIT", noFix: "No GPS", staleFix: "GPS {0}",
  expired: "PLAN EXPIRED: CALL DISPATCH", planAge: "plan {0}", of: "{0} of {1}",
  arrived: "Arrived", delivered: "Delivered", collected: "Collected", failed: "Failed…", undo: "Undo",
  start: "Start shift", carryOn: "End break", pause: "Break", end: "End shift", back: "Back",
  offShift: "Off shift", noPosition: "No position is collected.", onBreak: "Break", waitPlan: "Waiting for a plan", allDone: "All stops done",
  toDepot: "Back to the depot. New stops appear here.", stopsWait: "{0} stops", backlog: "{0} entries wait for the network; nothing is lost.",
  by: "by {0}", from: "from {0}", late: "{0} min late", then: "Then {0} {1}", min: "{0} min", urgent: "URGENT", collect: "COLLECT {0}", deliver: "DELIVER {0}",
  planChanged: "Plan changed", nowNext: "Next: {0}", notSaved: "Not saved", tryAgain: "Tap again. {0}", said: "{0}: {1}",
  reasons: ["Nobody there", "Refused", "Damaged", "Wrong address", "Closed"], light: "Day / night: {0}", auto: "auto", day: "day", night: "night",
  stops: "Stops", sure: "End shift now",
};
const DE = {
  offline: "Kein Netz {0}", noUnit: "KEINE VERBINDUNG ZUM GERÄT", noFix: "Kein GPS", expired: "PLAN ABGELAUFEN: ZENTRALE ANRUFEN",
  planAge: "Plan {0}", of: "{0} von {1}", arrived: "Angekommen", delivered: "Zugestellt", collected: "Abgeholt", failed: "Gescheitert…",
  undo: "Zurück­nehmen", start: "Schicht beginnen", carryOn: "Pause beenden", pause: "Pause", end: "Schicht beenden", back: "Zurück",
  offShift: "Keine Schicht", noPosition: "Es wird kein Standort erfasst.", onBreak: "Pause", waitPlan: "Warten auf einen Plan",
  allDone: "Alle Stopps erledigt", toDepot: "Zurück zum Depot. Neue Stopps erscheinen hier.", stopsWait: "{0} Stopps",
  backlog: "{0} Einträge warten auf das Netz; nichts geht verloren.", by: "bis {0}", from: "ab {0}", late: "{0} min zu spät", then: "Dann {0} {1}",
  urgent: "EILT", collect: "ABHOLEN {0}", deliver: "ZUSTELLEN {0}", planChanged: "Plan geändert", nowNext: "Nächster: {0}",
  notSaved: "Nicht gespeichert", tryAgain: "Noch einmal tippen. {0}",
  reasons: ["Niemand da", "Abgelehnt", "Beschädigt", "Falsche Adresse", "Geschlossen"], light: "Tag / Nacht: {0}", day: "Tag", night: "Nacht",
  stops: "Stopps", sure: "Schicht jetzt beenden",
};
const LANGUAGES = { en: EN, de: { ...EN, ...DE } };

// Reasons are logged in English whatever the screen shows: the hub counts them.
export const REASONS = EN.reasons.map((reason) => reason.toLowerCase());

export function words(language) {
  const table = LANGUAGES[language] ?? EN;
  return (key, ...values) => (Array.isArray(table[key]) ? table[key] : table[key].replace(/\{(\d)\}/g, (_, index) => values[index]));
}
