// The newest word of the unit, and how it is said: every part of the page reads these, only `take` and `respeak` change them.
import { formats } from "./formats.js";
import { teller } from "./reasons.js";
import { setting } from "./settings.js";
import { LANGUAGES, words } from "./words.js";

export let state = null;
export let say = words("en");
export let tell = teller("en");
export let format = formats("en", "", "km", say);
let spoken = "";

export function take(next) {
  state = next;
  respeak();
}

// The display's own choice of a language wins over the unit's.
export function respeak() {
  const chosen = setting("language");
  const wanted = chosen === "auto" ? (state?.language ?? "en") : chosen;
  const language = LANGUAGES[wanted] ? wanted : "en";
  const key = [language, state?.time_zone, state?.distance_unit].join();
  if (key === spoken) return;
  spoken = key;
  say = words(language);
  tell = teller(language);
  format = formats(language, state?.time_zone ?? "", state?.distance_unit ?? "km", say);
  document.documentElement.lang = language;
}

export const title = (stop) => (stop.call ? say(stop.call.kind === "load" ? "toLoad" : "toCharge", stop.call.place) : stop.address || stop.name);
export const moving = () => state?.moving === true;
export const working = () => state?.duty === "on";
export const planKey = () => (state?.plan ? `${state.plan.version} ${state.plan.hash}` : "");
