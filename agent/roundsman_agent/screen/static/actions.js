// The one or two things to press now, and the way back from the last of them.
import { attribute, el, make, text } from "./dom.js";
import { action, send } from "./link.js";
import { say, state } from "./now.js";
import { announce, explain, hush } from "./news.js";

const SLOW_MS = 700; // a unit answers in a tenth of that; beyond it a driver has to be told that the tap is not yet done
const SETTLE_MS = 500; // a thumb that trembles, or comes down as the plan changes, does not press what has just come under it
const repaint = { now: () => {} };
export const onBusy = (paint) => (repaint.now = paint);

const telling = new Set(); // what is under way or waits for its turn
let turn = Promise.resolve();
const busy = () => telling.size > 0;

// The same thing once: a thumb that trembles is one tap. Another thing is told after it, as it was meant when it was tapped.
export async function tap(path, body, meant) {
  const what = JSON.stringify([path, { ...body, action: null, message: null, report: null }]);
  if (telling.has(what)) return null;
  telling.add(what);
  const slow = setTimeout(() => announce(say("saving"), { stays: true }), SLOW_MS);
  const mine = turn.then(() => send(path, body));
  turn = mine;
  repaint.now();
  const answer = await mine;
  telling.delete(what);
  clearTimeout(slow);
  if (!busy()) hush(say("saving"));
  repaint.now();
  if (!answer.ok) announce(explain(answer, meant), { bad: true });
  return answer;
}

export const act = (outcome, more = {}, meant = {}) => tap("/api/actions", { stop: state.next.stop, outcome, action: action(), ...more }, meant);
// A call at a depot or charger on the way is over: one tap, undone like any other.
export const call = (event) => tap("/api/calls", { stop: state.next.stop, event, action: action() });
export const duty = (value) => tap("/api/duty", { duty: value });
export const undo = () => tap(`/api/actions/${state.last_action.action}/undo`, {});

const DONE_WORDS = { arrived: "arrived", delivered: "delivered", partial: "partial", refused: "refused", damaged: "damaged", failed: "failed", loaded: "callLoaded", charged: "callCharged" };
// At a customer who gives goods to the driver, what was done has other words.
const PICKUP_WORDS = { delivered: "collected", failed: "notCollected" };
export const outcomeWord = (outcome, kind) => say((kind === "pickup" && PICKUP_WORDS[outcome]) || (DONE_WORDS[outcome] ?? "delivered"));
const kinds = {}; // of stops that stood here: a plan that comes within the minute has dropped what is done

function undoable() {
  const last = state.last_action;
  const left = last ? Math.ceil((last.undo_until_utc_ms - state.now_utc_ms) / 1000) : 0;
  return left > 0 && state.duty !== "off" ? { word: say("undo"), note: `${outcomeWord(last.outcome, last.kind ?? kinds[last.stop])} · ${left} s`, arrived: last.outcome === "arrived" } : null;
}

export function paintActions(stop, mapped) {
  if (stop) kinds[stop.stop] = stop.kind;
  const last = undoable();
  const undoButton = last ? ["undo", "", last.word, last.note] : null;
  const buttons = [];
  if (state.duty === "off") buttons.push(["start", "go", say("start")]);
  else if (state.duty === "break") buttons.push(["start", "go", say("carryOn")]);
  else if (!stop) buttons.push(undoButton ?? ["end", "", say("end")]);
  else if (stop.call?.kind === "load") {
    // At the depot there may be parcels to scan; the tap that ends the call is there from the start.
    if (state.loading) buttons.push(["loading", "act", say("loading"), say("loaded", state.loading.loaded, state.loading.total)]);
    buttons.push(["loaded", "go", say("callLoaded")]);
    if (undoButton && buttons.length < 2) buttons.push(undoButton);
  } else if (stop.call) buttons.push(["charged", "go", say("callCharged")], ...(undoButton ? [undoButton] : []));
  else if (stop.phase === "driving") buttons.push(["arrived", "act", say("arrived")], ...(undoButton ? [undoButton] : []));
  else buttons.push(["delivered", "go", say(stop.kind === "pickup" ? "collected" : "delivered")], ["failed", "stop", say("problem")]);
  keep(buttons, stop?.stop);
  // At the door both large places are taken: the way back from a mistaken arrival is a strip below.
  const strip = stop?.phase === "arrived" && last?.arrived && !mapped;
  el.back.hidden = !strip;
  if (strip) text(el.back, `${last.word}: ${last.note}`);
  attribute(el.actions, "aria-label", say("actions"));
}

// A button that is under a finger is not replaced while only its words change; what is new there takes no press at once.
let meant = null;
let settled = 0;
export const settling = () => performance.now() < settled;

function keep(buttons, stop) {
  const same = [...el.actions.children].map((node) => node.dataset.act).join() === buttons.map(([name]) => name).join();
  const now = [...buttons.map(([name]) => name), stop].join();
  if (now !== meant) {
    if (meant !== null) {
      settled = performance.now() + SETTLE_MS;
      setTimeout(repaint.now, SETTLE_MS + 20);
    }
    meant = now;
  }
  if (!same) {
    const focused = el.actions.contains(document.activeElement);
    el.actions.replaceChildren(...buttons.map(([name]) => make("button", { type: "button", "data-act": name }, make("span"), make("small"))));
    if (focused) el.actions.firstElementChild?.focus();
  }
  const waits = busy() ? "busy" : settling() ? "busy new" : "";
  buttons.forEach(([, look, word, note], index) => {
    const node = el.actions.children[index];
    attribute(node, "class", `${look} ${waits}`.trim());
    text(node.firstElementChild, word);
    text(node.lastElementChild, note ?? "");
  });
}
