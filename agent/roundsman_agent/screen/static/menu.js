// Everything that is not the next tap.
import { duty } from "./actions.js";
import { loadingThere, openLoading } from "./loading.js";
import { moving, respeak, say, state } from "./now.js";
import { problem } from "./outcomes.js";
import { openDetails, openRound } from "./round.js";
import { CHOICES, choose, setting } from "./settings.js";
import { close, isOpen, named, show } from "./sheet.js";
import { openMessages, openOffer, openReports } from "./talk.js";

export function toggleMenu(repaint) {
  if (!state) return;
  if (isOpen()) return close();
  const on = state.duty === "on";
  const still = !moving();
  const tiles = [];
  if (state.offer?.safe && still) tiles.push(named("newPlan", openOffer, "act"));
  if (on && state.next && still) tiles.push(named("details", openDetails));
  if (state.duty !== "off" && still) tiles.push(named("stops", openRound));
  if (on && state.next && !state.next.call) tiles.push(named("problem", problem));
  if (on && loadingThere() && still) tiles.push(named("loading", openLoading));
  if (state.duty !== "off" && still) tiles.push(named("messages", openMessages));
  if (state.duty !== "off") tiles.push(named("report", openReports, "stop"));
  if (on) tiles.push(named("pause", () => duty("break")));
  if (state.duty !== "off" && still) tiles.push(named("end", askEnd));
  tiles.push(named("settings", () => openSettings(repaint)));
  show({ title: say("more"), tiles });
}

const askEnd = () => show({ title: say("end"), tiles: [named("endNow", () => duty("off"), "stop")] });

// A tap takes the next choice: no list to scroll, nothing to type.
function openSettings(repaint) {
  const next = (name) => {
    const choices = CHOICES[name];
    choose(name, choices[(choices.indexOf(setting(name)) + 1) % choices.length]);
    respeak();
    repaint();
    openSettings(repaint);
  };
  const tiles = Object.keys(CHOICES).map((name) => named(`setting ${name}`, () => next(name), "", say(`${name} ${setting(name)}`), { stays: true }));
  show({ title: say("settings"), tiles });
}
