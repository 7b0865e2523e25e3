// The basemap in memory: lines as flat arrays of metres around the middle of the territory, found by squares of 500 m.
const CELL_M = 500;
const M_PER_DEG = 111_195; // 6,371 km sphere: the shape of streets needs no ellipsoid
export const CLASSES = ["water", "waterway", "path", "service", "minor", "medium", "major"]; // painted in this order

export class Frame {
  constructor(latDeg, lonDeg) {
    this.lat = latDeg;
    this.lon = lonDeg;
    this.shrink = Math.cos((latDeg * Math.PI) / 180);
  }

  // East and south of the frame's middle, in metres: y grows downwards, as on the glass.
  xy(latDeg, lonDeg) {
    return [(lonDeg - this.lon) * M_PER_DEG * this.shrink, (this.lat - latDeg) * M_PER_DEG];
  }
}

export class Ground {
  constructor(collection) {
    const [west, south, east, north] = collection.bbox ?? [0, 0, 0, 0];
    this.frame = new Frame((south + north) / 2, (west + east) / 2);
    this.lines = []; // {kind, points: Float32Array, box, name, label}
    this.cells = new Map();
    for (const feature of collection.features) this.#add(feature);
  }

  #add({ properties, geometry }) {
    const kind = CLASSES.indexOf(properties.class);
    const coordinates = geometry.type === "Polygon" ? geometry.coordinates[0] : geometry.coordinates;
    if (kind < 0 || coordinates.length < 2) return;
    const points = new Float32Array(coordinates.length * 2);
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    coordinates.forEach(([lon, lat], index) => {
      const [x, y] = this.frame.xy(lat, lon);
      points[2 * index] = x;
      points[2 * index + 1] = y;
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    });
    const line = { kind, points, box, area: geometry.type === "Polygon", name: properties.name ?? "" };
    this.lines.push(line);
    for (const key of this.#keys(box)) {
      if (!this.cells.has(key)) this.cells.set(key, []);
      this.cells.get(key).push(line);
    }
  }

  *#keys([left, top, right, bottom]) {
    for (let x = Math.floor(left / CELL_M); x <= Math.floor(right / CELL_M); x += 1) {
      for (let y = Math.floor(top / CELL_M); y <= Math.floor(bottom / CELL_M); y += 1) yield `${x} ${y}`;
    }
  }

  // Lines that may touch a box of metres, each once, in painting order.
  within(box) {
    const wide = (box[2] - box[0]) * (box[3] - box[1]) > 400 * CELL_M * CELL_M;
    const found = wide ? this.lines : [...new Set([...this.#keys(box)].flatMap((key) => this.cells.get(key) ?? []))];
    const touching = found.filter((line) => line.box[0] <= box[2] && line.box[2] >= box[0] && line.box[1] <= box[3] && line.box[3] >= box[1]);
    return touching.sort((a, b) => a.kind - b.kind);
  }
}

// The longest piece of a street inside a box that is straight enough for its name to stand on. Null where there is none.
const STRAIGHT_RAD = 0.12;

export function labelPlace(line, box, shortest) {
  let best = null;
  const p = line.points;
  for (let from = 0; from + 2 < p.length; ) {
    const angle = Math.atan2(p[from + 3] - p[from + 1], p[from + 2] - p[from]);
    let to = from + 2;
    while (to + 2 < p.length && turn(Math.atan2(p[to + 3] - p[to + 1], p[to + 2] - p[to]), angle) < STRAIGHT_RAD) to += 2;
    const piece = clip(p[from], p[from + 1], p[to], p[to + 1], box);
    if (piece && piece.length >= shortest && !(best?.length >= piece.length)) best = { ...piece, angle, name: line.name, kind: line.kind };
    from = to;
  }
  return best;
}

function turn(a, b) {
  const d = Math.abs(a - b) % (2 * Math.PI);
  return d > Math.PI ? 2 * Math.PI - d : d;
}

// The middle and length of what of a straight piece lies in a box.
function clip(x0, y0, x1, y1, [left, top, right, bottom]) {
  let [t0, t1] = [0, 1];
  for (const [d, low, high] of [[x1 - x0, left - x0, right - x0], [y1 - y0, top - y0, bottom - y0]]) {
    if (d === 0 && (low > 0 || high < 0)) return null;
    if (d === 0) continue;
    t0 = Math.max(t0, Math.min(low / d, high / d));
    t1 = Math.min(t1, Math.max(low / d, high / d));
  }
  if (t0 >= t1) return null;
  const middle = (t0 + t1) / 2;
  return { x: x0 + (x1 - x0) * middle, y: y0 + (y1 - y0) * middle, length: Math.hypot(x1 - x0, y1 - y0) * (t1 - t0) };
}
