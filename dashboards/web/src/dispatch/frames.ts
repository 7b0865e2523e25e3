/** A day as frames: where each van was, step by step, read from `GET /v1/playback` line by line. Pure. */

/** Latitude, longitude, heading; NaN where a van was not seen yet. */
export const FRAME_WIDTH = 3;

export interface Frames {
  vans: string[];
  at: number[];
  /** One array a frame, a row a van: where it was seen last. */
  places: Float32Array[];
}

type Line = { at: string; vans: [string, number, number, number | null, number | null, string, boolean][] } | { end: true; next_cursor: string | null };

/** Frames from the lines' text, each van staying where it was until it is seen again. */
export function framesOf(text: string): Frames {
  const lines = text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Line);
  const rows = new Map<string, number>();
  for (const line of lines) if ("at" in line) for (const [van] of line.vans) if (!rows.has(van)) rows.set(van, rows.size);
  const frames: Frames = { vans: [...rows.keys()], at: [], places: [] };
  let last = new Float32Array(rows.size * FRAME_WIDTH).fill(Number.NaN);
  for (const line of lines) {
    if (!("at" in line)) continue;
    const places = last.slice();
    for (const [van, lat, lon, , heading] of line.vans) places.set([lat, lon, heading ?? Number.NaN], rows.get(van)! * FRAME_WIDTH);
    frames.at.push(Date.parse(line.at));
    frames.places.push(places);
    last = places;
  }
  return frames;
}

/** The last frame at or before an instant; -1 before the first. */
export function frameAt(frames: Frames, at: number): number {
  let [low, high] = [0, frames.at.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames.at[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
