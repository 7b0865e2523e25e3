// What this display was told by hand. The unit's own settings (language, units, time zone) come with its state.
export const CHOICES = {
  light: ["auto", "day", "night"],
  language: ["auto", "en", "de", "es", "fr"],
  turn: ["heading", "north"],
  drive: ["geo", "google", "apple", "waze", "none"],
};

// Telephones know geo: links, but Apple's know only Apple's; a unit without a telephone's screen has no such program.
const agent = navigator.userAgent;
const DEFAULTS = { light: "auto", language: "auto", turn: "heading", drive: /iPhone|iPad/.test(agent) ? "apple" : /Android/.test(agent) ? "geo" : "none" };

export function setting(name) {
  const chosen = localStorage.getItem(name);
  return CHOICES[name].includes(chosen) ? chosen : DEFAULTS[name];
}

export function choose(name, value) {
  localStorage.setItem(name, value);
}
