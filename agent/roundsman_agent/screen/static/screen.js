// The driver's screen: paints the unit's state, sends taps, and says what was painted. No build step, no other parts.
import { sunHeightDeg } from "./sun.js";
import { REASONS, words } from "./words.js";

const DEAD_AFTER_MS = 6000; // the unit speaks every 2 s: three missed words are a dead unit
const NEWS_MS = 12000;
const TAP_TRIES = 4;
const el = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

let state = null;
let heardAt = 0; // performance.now() of the newest state
let say = words("en");
let shownPlan = ""; // version and hash that the unit has been told are painted
let telling = "";
let busy = false;
let newsTimer = 0;
let known = { version: null, stop: null };

// ── listening ─────────────────────────────────────────────────────────────────────────────────────────────────────
function listen() {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => take(JSON.parse(event.data));
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  };
}

function take(next) {
  state = next;
  heardAt = performance.now();
  say = words(state.language);
  document.documentElement.lang = state.language;
  tellNews();
  paint();
  // Two frames later it is on the glass: only then is the plan shown.
  if (state.plan && planKey() !== shownPlan) requestAnimationFrame(() => requestAnimationFrame(tellShown));
}

const planKey = () => `${state.plan.version} ${state.plan.hash}`;

async function tellShown() {
  const key = state.plan && planKey();
  if (!key || key === shownPlan || key === telling || document.body.dataset.unit !== "well") return;
  telling = key;
  try {
    const answer = await post("/api/shown", { version: state.plan.version, hash: state.plan.hash });
    if (answer.ok) shownPlan = key;
  } catch {
    // The unit is away: the next state brings another try.
  } finally {
    telling = "";
  }
}

// ── painting ──────────────────────────────────────────────────────────────────────────────────────────────────────
const text = (node, value) => {
  if (node.textContent !== value) node.textContent = value;
};
const clock = (ms) => new Date(ms).toLocaleTimeString(state.language, { hour: "2-digit", minute: "2-digit", hour12: false });
const span = (s) => (s < 90 ? `${Math.round(s)} s` : s < 5400 ? say("min", Math.round(s / 60)) : `${Math.round(s / 3600)} h`);
const far = (m) => (m == null ? "" : m < 950 ? `${Math.round(m / 10) * 10} m` : `${(m / 1000).toFixed(m < 9950 ? 1 : 0)} km`);
const title = (stop) => stop.address || stop.name;

function paint() {
  const dead = !state || performance.now() - heardAt > DEAD_AFTER_MS;
  document.body.dataset.unit = dead ? "dead" : "well";
  el.alarm.hidden = !dead && !state.plan?.expired;
  el.alarm.className = dead ? "dead" : "";
  text(el.alarm, dead ? say("noUnit") : state.plan?.expired ? say("expired") : "");
  if (!state) return;
  document.body.dataset.light = light();
  paintBar();
  const stop = state.duty === "on" ? state.next : null;
  document.body.dataset.phase = stop ? stop.phase : state.duty;
  if (stop) paintStop(stop);
  else paintIdle();
  paintActions(stop);
}

function paintBar() {
  const online = state.link.state === "online";
  el.link.className = online ? "chip" : "chip bad";
  text(el.link, online ? "​" : say("offline", innerWidth < 400 ? "" : span((state.now_utc_ms - state.link.since_utc_ms) / 1000)));
  const lost = state.duty !== "off" && state.fix.state !== "ok";
  el.gps.className = "chip bad";
  text(el.gps, !lost ? "" : state.fix.state === "none" ? say("noFix") : say("staleFix", span(state.fix.age_s)));
  text(el.count, state.plan && state.next && state.duty !== "off" ? say("of", state.next.position, state.plan.stops_total) : "");
  text(el.age, state.plan && state.duty !== "off" ? say("planAge", span(state.plan.age_s)) : "");
  text(el.clock, clock(state.now_utc_ms));
}

function paintStop(stop) {
  const parcels = stop.parcels > 1 ? ` × ${stop.parcels}` : "";
  const tags = [];
  if (stop.priority >= 8) tags.push(["urgent", say("urgent")]);
  tags.push(stop.kind === "pickup" ? ["pickup", say("collect", parcels)] : ["", say("deliver", parcels)]);
  const wanted = tags.map(([kind, word]) => `<span class="${kind}">${word}</span>`).join("");
  if (el.tags.innerHTML !== wanted) el.tags.innerHTML = wanted;
  paintTitle(title(stop));
  const arrived = stop.phase === "arrived";
  text(el.distance, arrived ? "" : far(stop.distance_m));
  text(el.eta, arrived ? "" : clock(stop.eta_utc_ms));
  el.eta.className = stop.late_s > 0 ? "late" : "";
  const opens = stop.window_start_utc_ms && stop.window_start_utc_ms > Math.max(stop.eta_utc_ms, state.now_utc_ms);
  const late = stop.late_s >= 60;
  text(el.window, late ? say("late", Math.ceil(stop.late_s / 60)) : opens ? say("from", clock(stop.window_start_utc_ms)) : stop.window_end_utc_ms ? say("by", clock(stop.window_end_utc_ms)) : "");
  el.window.className = late ? "late" : "";
  text(el.name, stop.address ? stop.name : "");
  text(el.instructions, [stop.instructions, arrived ? stop.phone : ""].filter(Boolean).join(" · "));
  const following = state.following[0];
  text(el.then, following && !arrived ? say("then", clock(following.eta_utc_ms), title(following)) : "");
}

// As large as its longest word allows; only a word that is too long even so is broken.
let titled = "";
function paintTitle(value) {
  const wanted = `${value} ${innerWidth} ${innerHeight} ${document.body.dataset.phase}`;
  if (wanted === titled) return;
  titled = wanted;
  el.address.style.fontSize = "";
  el.address.classList.remove("broken");
  text(el.address, value);
  const full = parseFloat(getComputedStyle(el.address).fontSize);
  const fits = () => el.address.scrollWidth <= el.address.clientWidth && el.address.scrollHeight <= el.address.clientHeight + 4;
  for (const part of [1, 0.9, 0.8, 0.7]) {
    el.address.style.fontSize = `${full * part}px`;
    if (fits()) return;
  }
  el.address.classList.add("broken");
}

function paintIdle() {
  el.tags.innerHTML = "";
  for (const part of [el.distance, el.eta, el.window, el.then]) text(part, "");
  const left = state.next ? 1 + state.following.length : 0;
  if (state.duty === "off") {
    paintTitle(say("offShift"));
    text(el.name, left ? say("stopsWait", left) : say("waitPlan"));
    text(el.instructions, say("noPosition"));
  } else if (state.duty === "break") {
    paintTitle(say("onBreak"));
    text(el.name, state.next ? say("nowNext", title(state.next)) : "");
    text(el.instructions, "");
  } else {
    paintTitle(state.plan ? say("allDone") : say("waitPlan"));
    text(el.name, "");
    text(el.instructions, state.plan ? say("toDepot") : "");
  }
  if (state.backlog > 0 && state.link.state !== "online") text(el.then, say("backlog", state.backlog));
}

function paintActions(stop) {
  const buttons = [];
  const last = state.last_action;
  const left = last ? Math.ceil((last.undo_until_utc_ms - state.now_utc_ms) / 1000) : 0;
  const undo = left > 0 ? ["undo", "", say("undo"), `${outcomeWord(last)}<br>${left} s`] : null;
  if (state.duty === "off") buttons.push(["start", "go", say("start")]);
  else if (state.duty === "break") buttons.push(["start", "go", say("carryOn")]);
  else if (!stop) buttons.push(undo ?? ["end", "", say("end")]);
  else if (stop.phase === "driving") buttons.push(["arrived", "act", say("arrived")], ...(undo ? [undo] : []));
  else buttons.push(["delivered", "go", say(stop.kind === "pickup" ? "collected" : "delivered")], ["failed", "stop", say("failed")]);
  const wanted = buttons.map(([act, look, word, note]) => `<button type="button" data-act="${act}" class="${look}">${word}${note ? `<small>${note}</small>` : ""}</button>`).join("");
  if (el.actions.dataset.wanted === wanted) return;
  // A button that is under a finger must not be replaced while only its countdown changes.
  const same = [...el.actions.children].map((node) => node.dataset.act).join() === buttons.map(([act]) => act).join();
  el.actions.dataset.wanted = wanted;
  if (!same) el.actions.innerHTML = wanted;
  else [...el.actions.children].forEach((node, index) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = wanted;
    const twin = fresh.content.children[index];
    node.className = twin.className;
    if (node.innerHTML !== twin.innerHTML) node.innerHTML = twin.innerHTML;
  });
  for (const node of el.actions.children) node.classList.toggle("busy", busy);
}

const outcomeWord = (last) => say(last.outcome === "failed" ? "failed" : last.outcome).replace("…", "");

function light() {
  const chosen = localStorage.getItem("light");
  if (chosen) return chosen;
  if (state.fix.lat_e6 == null) return document.body.dataset.light;
  // Four degrees below the horizon street lamps are on.
  return sunHeightDeg(state.now_utc_ms, state.fix.lat_e6 / 1e6, state.fix.lon_e6 / 1e6) < -4 ? "night" : "day";
}

// ── news ──────────────────────────────────────────────────────────────────────────────────────────────────────────
function tellNews() {
  const now = { version: state.plan?.version ?? null, stop: state.next?.stop ?? null };
  const acted = state.last_action && state.now_utc_ms - (state.last_action.undo_until_utc_ms - 60000) < 5000;
  if (known.version !== null && now.version !== known.version && state.duty !== "off") {
    const moved = known.stop !== now.stop && state.next && !acted;
    const what = moved ? say("nowNext", title(state.next)) : (state.plan.changes[0] ?? state.plan.reason);
    announce(what ? say("said", say("planChanged"), what) : say("planChanged"));
  }
  known = now;
}

function announce(words, bad = false) {
  text(el.news, words);
  el.news.className = bad ? "bad" : "";
  el.news.hidden = false;
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => (el.news.hidden = true), NEWS_MS);
}
el.news.onclick = () => (el.news.hidden = true);

// ── taps ──────────────────────────────────────────────────────────────────────────────────────────────────────────
const post = (path, body) => fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const draw = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// The same body is sent until it is answered: the unit knows a repeated tap by its id.
async function send(path, body) {
  if (busy) return;
  busy = true;
  for (const node of el.actions.children) node.classList.add("busy");
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await post(path, body);
        if (!answer.ok) announce(say("said", say("notSaved"), (await answer.json()).detail), true);
        break;
      } catch (error) {
        if (attempt === TAP_TRIES) {
          announce(say("said", say("notSaved"), say("tryAgain", "")), true);
          break;
        }
        await new Promise((done) => setTimeout(done, 400 * attempt));
      }
    }
  } finally {
    busy = false;
    for (const node of el.actions.children) node.classList.remove("busy");
  }
}

const act = (outcome, reason) => send("/api/actions", { stop: state.next.stop, outcome, action: draw(), ...(reason ? { reason } : {}) });
const duty = (value) => send("/api/duty", { duty: value });
const TAPS = {
  arrived: () => act("arrived"),
  delivered: () => act("delivered"),
  failed: () => choose(say("reasons").map((word, index) => [word, () => act("failed", REASONS[index]), "stop"])),
  undo: () => send(`/api/actions/${state.last_action.action}/undo`, {}),
  start: () => duty("on"),
  end: () => duty("off"),
};
el.actions.onclick = (event) => {
  const button = event.target.closest("button");
  if (button && state) TAPS[button.dataset.act]();
};

// ── sheets ────────────────────────────────────────────────────────────────────────────────────────────────────────
function choose(choices, list = []) {
  el.sheet.replaceChildren();
  if (list.length) {
    const stops = document.createElement("ol");
    for (const stop of list) {
      const row = document.createElement("li");
      const [number, place, when] = [document.createElement("b"), document.createElement("span"), document.createElement("time")];
      [number.textContent, place.textContent, when.textContent] = [stop.position, title(stop), clock(stop.eta_utc_ms)];
      if (stop.late_s > 0) when.className = "late";
      row.append(number, place, when);
      stops.append(row);
    }
    el.sheet.append(stops);
  }
  for (const [word, then, look] of [...choices, [say("back"), () => {}, ""]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = look ?? "";
    button.textContent = word;
    button.onclick = () => {
      el.sheet.close();
      then();
    };
    el.sheet.append(button);
  }
  el.sheet.showModal();
}

el.more.onclick = () => {
  if (!state) return;
  const choices = [];
  if (state.duty === "on" && state.next) choices.push([say("failed"), TAPS.failed]);
  if (state.duty === "on") choices.push([say("pause"), () => duty("break")]);
  if (state.duty !== "off") choices.push([say("end"), () => choose([[say("sure"), () => duty("off"), "stop"]])]);
  const chosen = localStorage.getItem("light");
  const next = chosen === null ? "day" : chosen === "day" ? "night" : null;
  choices.push([say("light", say(chosen ?? "auto")), () => {
    if (next) localStorage.setItem("light", next);
    else localStorage.removeItem("light");
    paint();
  }]);
  choose(choices, state.duty === "off" ? [] : state.following);
};

setInterval(paint, 1000);
listen();
