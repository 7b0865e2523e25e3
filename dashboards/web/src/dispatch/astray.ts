/** Off route: a moving van that is far from the way its plan was drawn on, for longer than a detour around a closed street. Pure. */

import type { Plan } from "./documents";

/** Wider than a block's detour, narrower than the next quarter. */
export const AWAY_M = 500;
const FOR_MS = 60_000;
const M_PER_DEG = 111_195;

export interface Seen {
  lat_deg: number;
  lon_deg: number;
  /** The fix's own time; NaN where it has none. */
  time: number;
  moving: boolean;
}

export interface Straying {
  astray: boolean;
  /** When it was first seen off its way. */
  since: number | null;
}

const ON_ITS_WAY: Straying = { astray: false, since: null };

/** What is known after one more fix. Where the way is straight lines between stops, no road can be told from a wrong one. */
export function astrayAfter(before: Straying | undefined, seen: Seen, plan: Plan | undefined): Straying {
  if (!plan || plan.stops.length === 0 || plan.route.length < 2 || plan.travel_times === "great_circle" || Number.isNaN(seen.time) || Number.isNaN(seen.lat_deg)) return ON_ITS_WAY;
  if (!seen.moving && before) return before;
  if (awayM(seen, plan.route) <= AWAY_M) return ON_ITS_WAY;
  const since = before?.since ?? seen.time;
  return { astray: seen.time - since >= FOR_MS, since };
}

/** Metres from a place to a line of [lon_deg, lat_deg] pairs, on a plane around the place. */
export function awayM(place: { lat_deg: number; lon_deg: number }, line: readonly (readonly [number, number])[]): number {
  const east = M_PER_DEG * Math.cos((place.lat_deg * Math.PI) / 180);
  let nearest = Number.POSITIVE_INFINITY;
  let [x0, y0] = [0, 0];
  line.forEach(([lon, lat], at) => {
    const [x, y] = [(lon - place.lon_deg) * east, (lat - place.lat_deg) * M_PER_DEG];
    if (at > 0) {
      const [dx, dy] = [x - x0, y - y0];
      const along = Math.max(0, Math.min(1, -(x0 * dx + y0 * dy) / (dx * dx + dy * dy || 1)));
      nearest = Math.min(nearest, Math.hypot(x0 + along * dx, y0 + along * dy));
    }
    [x0, y0] = [x, y];
  });
  return nearest;
}
