// The one or two things to press now, and the way back from the last of them.
import { attribute, el, make, text } from "./dom.js";
import { action, busy, send } from "./link.js";
import { say, state } from "./now.js";
import { announce, explain } from "./news.js";

const repaint = { now: () => {} };
export const onBusy = (paint) => (repaint.now = paint);

// One at a time: a thumb that trembles is one tap.
export async function tap(path, body, meant) {
  if (busy()) return null;
  const sending = send(path, body);
  repaint.now();
  const answer = await sending;
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
export const outcomeWord = (outcome) => say(DONE_WORDS[outcome] ?? "delivered");

function undoable() {
  const last = state.last_action;
  const left = last ? Math.ceil((last.undo_until_utc_ms - state.now_utc_ms) / 1000) : 0;
  return left > 0 && state.duty !== "off" ? { word: say("undo"), note: `${outcomeWord(last.outcome)} · ${left} s`, arrived: last.outcome === "arrived" } : null;
}

export function paintActions(stop, mapped) {
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
  keep(buttons);
  // At the door both large places are taken: the way back from a mistaken arrival is a strip below.
  // The state can be here before the answer to the tap that made it: until then a tap on the strip would be dropped.
  const strip = stop?.phase === "arrived" && last?.arrived && !mapped && !busy();
  el.back.hidden = !strip;
  if (strip) text(el.back, `${last.word}: ${last.note}`);
  attribute(el.actions, "aria-label", say("actions"));
}

// A button that is under a finger is not replaced while only its words change.
function keep(buttons) {
  const same = [...el.actions.children].map((node) => node.dataset.act).join() === buttons.map(([name]) => name).join();
  if (!same) {
    const focused = el.actions.contains(document.activeElement);
    el.actions.replaceChildren(...buttons.map(([name]) => make("button", { type: "button", "data-act": name }, make("span"), make("small"))));
    if (focused) el.actions.firstElementChild?.focus();
  }
  buttons.forEach(([, look, word, note], index) => {
    const node = el.actions.children[index];
    attribute(node, "class", busy() ? `${look} busy`.trim() : look);
    text(node.firstElementChild, word);
    text(node.lastElementChild, note ?? "");
  });
}
