// Day or night: by hand, else by the sun where the van is, else by what the display prefers.
import { el } from "./dom.js";
import { state } from "./now.js";
import { setting } from "./settings.js";
import { sunHeightDeg } from "./sun.js";

const LAMPS_DEG = -4; // with the sun four degrees below the horizon street lamps are on
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

export function light() {
  const chosen = setting("light");
  if (chosen !== "auto") return chosen;
  const at = state?.fix?.lat_e6 == null ? state?.next : state.fix;
  if (at == null || at.lat_e6 == null) return prefersDark.matches ? "night" : "day";
  return sunHeightDeg(state.now_utc_ms, at.lat_e6 / 1e6, at.lon_e6 / 1e6) < LAMPS_DEG ? "night" : "day";
}

export function paintLight() {
  const wanted = light();
  if (document.body.dataset.light === wanted) return;
  document.body.dataset.light = wanted;
  el.theme.content = getComputedStyle(document.body).getPropertyValue("--ground").trim();
}
