// The next stop, to be taken in at a glance.
import { attribute, el, make, text } from "./dom.js";
import { format, moving, say, state, title, working } from "./now.js";

// What gives way first where there is no room. "brief" leaves the instructions one line, two at the door: the details have them whole.
const UNDER_WAY = ["then", "places", "brief", "promise", "instructions", "name"];
const AT_THE_DOOR = ["window", "then", "promise", "brief", "places", "instructions", "name"]; // there the window says nothing more
let fitted = "";

export const current = () => (working() ? state.next : null);

export function paintCard() {
  const stop = current();
  attribute(document.body, "data-phase", stop ? (stop.call ? "driving" : stop.phase) : state.duty);
  if (stop) paintStop(stop);
  else paintIdle();
  fit();
}

function paintTags(tags) {
  const key = JSON.stringify(tags);
  if (el.tags.dataset.key === key) return;
  el.tags.dataset.key = key;
  el.tags.replaceChildren(...tags.map(([look, word]) => make("span", { class: look }, word)));
}

// What is to be done at a stop; at a depot or charger on the way: how many parcels, or for how long.
export const kindWord = (stop) => (stop.call ? callWord(stop.call) : taskWord(stop));
const callWord = (call) => (call.kind === "load" ? say("reload", call.parcels) : say("charge", format.span(call.service_s)));
const taskWord = (stop) => say(stop.kind === "pickup" ? "collect" : "deliver", stop.parcels > 1 ? `× ${stop.parcels}` : "").trim();

function paintStop(stop) {
  const arrived = stop.phase === "arrived";
  const tags = [];
  if (stop.priority >= 8) tags.push(["urgent", say("urgent")]);
  tags.push([stop.call ? "call" : stop.kind === "pickup" ? "pickup" : "", kindWord(stop)]);
  if (stop.contact_free) tags.push(["", say("contactFree")]);
  if (stop.pinned) tags.push(["", say("pinned")]);
  paintTags(tags);
  text(el.address, title(stop));
  text(el.distance, arrived ? "" : format.far(stop.distance_m));
  text(el.eta, arrived ? "" : format.clock(stop.eta_utc_ms));
  attribute(el.eta, "class", stop.late_s > 0 ? "late" : "");
  const late = stop.late_s >= 60 && !arrived;
  const opens = stop.window_start_utc_ms && stop.window_start_utc_ms > Math.max(stop.eta_utc_ms, state.now_utc_ms);
  const window = opens ? say("from", format.clock(stop.window_start_utc_ms)) : stop.window_end_utc_ms ? say("by", format.clock(stop.window_end_utc_ms)) : "";
  text(el.window, late ? say("late", Math.ceil(stop.late_s / 60)) : window);
  attribute(el.window, "class", late ? "late" : "");
  const promised = stop.promise_end_utc_ms ? say("promised", format.between(stop.promise_start_utc_ms, stop.promise_end_utc_ms)) : "";
  text(el.promise, stop.promise_risk_s > 0 ? say("promiseRisk", promised, Math.ceil(stop.promise_risk_s / 60)) : promised);
  attribute(el.promise, "class", stop.promise_risk_s > 0 ? "late" : "");
  text(el.name, stop.address && !stop.call ? stop.name : "");
  text(el.instructions, stop.call?.kind === "load" && state.loading ? say("scanParcels") : stop.instructions);
  const places = stop.call ? [] : [...new Set(stop.items.map((item) => item.place).filter(Boolean))];
  text(el.places, places.length ? say("inVan", places.join(", ")) : "");
  text(el.risk, laterRisk());
  const following = state.following[0];
  const then = following && !arrived ? say("then", format.clock(following.eta_utc_ms), title(following)) : "";
  const hours = state.hours ? say("driveLeft", format.span(state.hours.drivable_s)) : ""; // first: a name may be cut off, this not
  text(el.then, [hours, then].filter(Boolean).join(" · "));
  text(el.details, say("details"));
  el.details.hidden = moving();
}

// A promise behind the next stop that will be missed: by how much first, for a name may be cut off.
export function laterRisk() {
  const risky = state.following.filter((stop) => stop.promise_risk_s > 0);
  if (!risky.length) return "";
  const more = risky.length > 1 ? ` +${risky.length - 1}` : "";
  return `${say("late", Math.ceil(risky[0].promise_risk_s / 60))}${more}: ${title(risky[0])}`;
}

function paintIdle() {
  paintTags([]);
  for (const part of [el.risk, el.distance, el.eta, el.window, el.promise, el.places, el.then, el.instructions, el.name]) text(part, "");
  el.details.hidden = true;
  const left = state.next ? 1 + state.following.length : 0;
  if (state.duty === "off") {
    text(el.address, say("offShift"));
    text(el.name, left ? say("stopsWait", left) : say("waitPlan"));
    text(el.instructions, say("noPosition"));
  } else if (state.duty === "break") {
    text(el.address, say("onBreak"));
    text(el.name, state.next ? say("nowNext", title(state.next)) : "");
  } else {
    text(el.address, state.plan ? say("allDone") : say("waitPlan"));
    text(el.instructions, state.plan ? say("toDepot") : "");
  }
  if (state.backlog > 0 && state.link.state !== "online") text(el.then, say("backlog", state.backlog));
}

// The address is as large as its longest word allows; whatever else does not fit gives way whole, not by half a line. Measured only
// when a word or the room has changed: measuring costs a layout.
function fit() {
  const parts = ["address", "tags", "name", "when", "instructions", "places", "risk", "then"].map((part) => el[part].textContent.replace(/\d/g, "0"));
  const wanted = [...parts, innerWidth, innerHeight, document.body.dataset.view, document.body.dataset.phase, el.back.hidden, el.alarm.hidden, el.details.hidden].join("|");
  if (wanted === fitted) return;
  fitted = wanted;
  const arrived = document.body.dataset.phase === "arrived";
  // A promise that will be missed is what the driver must see.
  const yielding = (arrived ? AT_THE_DOOR : UNDER_WAY).filter((part) => part !== "promise" || arrived || el.promise.className !== "late");
  for (const part of AT_THE_DOOR) give(part, false);
  el.address.style.fontSize = "";
  el.address.classList.remove("broken");
  const full = parseFloat(getComputedStyle(el.address).fontSize);
  const whole = () => el.address.scrollWidth <= el.address.clientWidth && el.address.scrollHeight <= el.address.clientHeight + 4;
  const word = [1, 0.9, 0.8, 0.7].find((part) => {
    el.address.style.fontSize = `${full * part}px`;
    return whole();
  });
  if (word === undefined) el.address.classList.add("broken");
  const gone = yielding.filter((part) => tooMuch() && (give(part, true), true));
  // What has made no room by going comes back.
  for (const part of gone.reverse()) {
    give(part, false);
    if (tooMuch()) give(part, true);
  }
}

const tooMuch = () => el.where.scrollHeight > el.where.clientHeight + 1;

function give(part, away) {
  const [node, mark] = part === "brief" ? [el.instructions, "brief"] : [el[part], "away"];
  if (away) node.dataset[mark] = "";
  else delete node.dataset[mark];
}
