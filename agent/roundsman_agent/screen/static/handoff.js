// Guidance is the driver's own navigation app's: one tap hands it the stop.
import { setting } from "./settings.js";

const degrees = (e6) => (e6 / 1e6).toFixed(6);

const LINKS = {
  geo: (at, name) => `geo:${at}?q=${at}(${encodeURIComponent(name)})`,
  google: (at) => `google.navigation:q=${at}`,
  apple: (at) => `maps://?dirflg=d&daddr=${at}`,
  waze: (at) => `waze://?navigate=yes&ll=${at}`,
};

export function link(stop) {
  const make = LINKS[setting("drive")];
  return make ? make(`${degrees(stop.lat_e6)},${degrees(stop.lon_e6)}`, stop.address || stop.name) : null;
}
