// The map: basemap and route from the unit, north up or turned with the van; it follows the van until a finger moves it.
import { attribute, el, text } from "./dom.js";
import { Frame, Ground } from "./ground.js";
import { light } from "./light.js";
import { format, moving, say, state } from "./now.js";
import { Paper } from "./paper.js";
import { choose, setting } from "./settings.js";

const MOVED_M = 8; // a heading is taken from where the van was this far back: a receiver's own is noise at a crawl
const ZOOM = { least: 0.012, most: 2.4, step: 1.6 };
const AHEAD_PX = 0.7; // share of the glass in which van and next stop must both lie
const ASK_AGAIN_MS = 60000;

const paper = new Paper(el.ground);
let ground = null;
let without = false; // the unit has said that it keeps no map
let frame = null;
let asked = { ground: -Infinity, route: "" };
let route = null;
let trail = null; // where the heading was last taken
let heading = null; // radians clockwise from north
let hand = { scale: null, at: null, whole: false };
let drawn = "";

const visible = () => el.map.offsetParent !== null;
const here = () => (state?.fix?.lat_e6 == null ? null : [state.fix.lat_e6 / 1e6, state.fix.lon_e6 / 1e6]);

async function askGround() {
  if (ground || performance.now() - asked.ground < ASK_AGAIN_MS) return;
  asked.ground = performance.now();
  try {
    const answer = await fetch("/basemap.geojson");
    const collection = answer.ok ? await answer.json() : { features: [] };
    without = collection.features.length === 0;
    if (without) return paintMap(); // none yet: route and stops are drawn on plain paper, and it is asked for again
    ground = new Ground(collection);
    frame = ground.frame;
    el.credit.dataset.words = collection.attribution ?? "";
  } catch {
    return; // the unit is away
  }
  paintMap();
}

async function askRoute() {
  const wanted = [state.plan?.version, state.next?.stop, state.following.length].join();
  if (asked.route === wanted) return;
  asked.route = wanted;
  try {
    const answer = await fetch("/api/route");
    if (!answer.ok) throw new Error(String(answer.status));
    route = await answer.json();
  } catch {
    asked.route = "";
    return;
  }
  paintMap();
}

// Called with every state; paints only what is seen, and only when it would look different.
export function paintMap() {
  follow();
  if (!state || !visible() || document.hidden) return;
  askGround();
  askRoute();
  paintControls();
  frame ??= here() ? new Frame(...here()) : state.next ? new Frame(state.next.lat_e6 / 1e6, state.next.lon_e6 / 1e6) : null;
  if (!frame) return;
  const world = worldNow();
  const view = viewNow(world);
  const key = JSON.stringify([view, world.van, world.stops, route?.version, Boolean(ground), el.ground.clientWidth, el.ground.clientHeight]);
  if (key === drawn) return;
  drawn = key;
  paper.paint(view, world);
}

function follow() {
  const at = here();
  if (!at) return;
  const local = new Frame(...at);
  const [x, y] = trail ? local.xy(...trail) : [Infinity, 0];
  if (Math.hypot(x, y) < MOVED_M) return;
  if (trail && Math.hypot(x, y) < 2000) heading = Math.atan2(-x, y);
  trail = at;
}

function worldNow() {
  const at = here();
  const xy = (latE6, lonE6) => frame.xy(latE6 / 1e6, lonE6 / 1e6);
  const van = at && { ...point(frame.xy(...at)), heading, fresh: state.fix.state === "ok" };
  const stops = (route?.stops ?? []).filter((stop) => stop.state !== "done").map((stop) => ({ ...point(xy(stop.lat_e6, stop.lon_e6)), word: String(stop.position ?? "↺"), next: stop.stop === state.next?.stop }));
  if (!stops.some((stop) => stop.next) && state.next) stops.push({ ...point(xy(state.next.lat_e6, state.next.lon_e6)), word: String(state.next.position ?? "↺"), next: true });
  stops.sort((a, b) => a.next - b.next);
  const road = (route?.route_e6 ?? []).map(([lat, lon]) => xy(lat, lon));
  const next = stops.find((stop) => stop.next);
  if (road.length > 1) return { ground, van, stops, dashed: false, legs: split(road, van, next) };
  const rest = (route?.stops ?? []).filter((stop) => stop.state !== "done").map((stop) => xy(stop.lat_e6, stop.lon_e6));
  return { ground, van, stops, dashed: true, legs: { now: van && next ? [[van.x, van.y], [next.x, next.y]] : [], after: rest } };
}

const point = ([x, y]) => ({ x, y });

function nearest(road, to, from = 0) {
  let best = from;
  let least = Infinity;
  for (let i = from; i < road.length; i += 1) {
    const d = Math.hypot(road[i][0] - to.x, road[i][1] - to.y);
    if (d < least) [best, least] = [i, d];
  }
  return best;
}

// The road from the van to the next stop, and the road after it.
function split(road, van, next) {
  if (!next) return { now: [], after: road };
  const start = van ? nearest(road, van) : 0;
  const end = nearest(road, next, van && nearest(road, next) >= start ? start : 0);
  return end >= start ? { now: road.slice(start, end + 1), after: road.slice(end) } : { now: road.slice(0, end + 1), after: road.slice(end) };
}

function viewNow(world) {
  const [width, height] = [el.ground.clientWidth, el.ground.clientHeight];
  const next = world.stops.find((stop) => stop.next);
  const turned = setting("turn") === "heading" && heading !== null && world.van && !hand.whole && !hand.at;
  const view = { turn: turned ? -Math.round(heading * 60) / 60 : 0, low: turned ? 0.68 : 0.5, light: light() };
  if (hand.whole || !world.van) {
    const all = [...world.stops, ...(world.van ? [world.van] : [])];
    const [xs, ys] = [all.map((p) => p.x), all.map((p) => p.y)];
    const fit = Math.min((width * 0.8) / (Math.max(...xs) - Math.min(...xs) + 1), (height * 0.75) / (Math.max(...ys) - Math.min(...ys) + 1));
    const middle = all.length ? { x: (Math.max(...xs) + Math.min(...xs)) / 2, y: (Math.max(...ys) + Math.min(...ys)) / 2 } : { x: 0, y: 0 };
    return { ...view, ...middle, scale: steps(hand.scale ?? Math.min(fit, 0.5)) };
  }
  const far = next ? Math.hypot(next.x - world.van.x, next.y - world.van.y) : 300;
  const scale = steps(hand.scale ?? (Math.min(width, height) * AHEAD_PX * (turned ? 0.9 : 0.6)) / Math.max(far, 120));
  const at = hand.at ?? world.van;
  return { ...view, x: at.x, y: at.y, scale };
}

// Zoom goes in steps: a scale that crept with every metre would have the streets painted anew each second.
const steps = (scale) => ZOOM.step ** Math.floor(Math.log(Math.min(ZOOM.most, Math.max(ZOOM.least, scale))) / Math.log(ZOOM.step) + 1e-6);

function paintControls() {
  attribute(el.nearer, "aria-label", say("nearer"));
  attribute(el.farther, "aria-label", say("farther"));
  const north = setting("turn") === "north";
  text(el.turn, north ? "N" : "▲");
  attribute(el.turn, "aria-label", say(north ? "northUp" : "headingUp"));
  text(el.whole, hand.whole || hand.at || hand.scale ? "◎" : "⤢");
  attribute(el.whole, "aria-label", say(hand.whole || hand.at || hand.scale ? "followVan" : "wholeRound"));
  text(el.credit, ground ? el.credit.dataset.words : without ? say("noMap") : "");
  const stop = state.next;
  attribute(el.ground, "aria-label", stop ? say("mapSays", format.far(stop.distance_m) || "?", stop.address || stop.name) : say("map"));
}

const zoom = (by) => {
  hand.scale = (hand.scale ?? JSON.parse(drawn || "[{}]")[0].scale ?? 0.3) * by;
  paintMap();
};
el.nearer.onclick = () => zoom(ZOOM.step * 1.01);
el.farther.onclick = () => zoom(1 / ZOOM.step);
el.turn.onclick = () => {
  choose("turn", setting("turn") === "north" ? "heading" : "north");
  paintMap();
};
el.whole.onclick = () => {
  const moved = hand.whole || hand.at || hand.scale;
  hand = { scale: null, at: null, whole: !moved };
  paintMap();
};

// A finger moves the map only while the van stands.
let grip = null;
el.ground.onpointerdown = (event) => {
  if (moving() || !frame || !drawn) return;
  grip = { x: event.clientX, y: event.clientY, view: JSON.parse(drawn)[0] };
  el.ground.setPointerCapture(event.pointerId);
};
el.ground.onpointermove = (event) => {
  if (!grip) return;
  const [dx, dy] = [(event.clientX - grip.x) / grip.view.scale, (event.clientY - grip.y) / grip.view.scale];
  if (Math.hypot(dx, dy) * grip.view.scale < 8) return;
  const [cos, sin] = [Math.cos(-grip.view.turn), Math.sin(-grip.view.turn)];
  hand = { scale: grip.view.scale * 1.001, whole: false, at: { x: grip.view.x - (dx * cos - dy * sin), y: grip.view.y - (dx * sin + dy * cos) } };
  paintMap();
};
el.ground.onpointerup = el.ground.onpointercancel = () => (grip = null);
new ResizeObserver(() => paintMap()).observe(el.ground);
