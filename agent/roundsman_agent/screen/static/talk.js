// With the dispatcher: messages and canned answers, reports of what the planner cannot see, and plans that ask for the driver's word.
import { tap } from "./actions.js";
import { make } from "./dom.js";
import { action } from "./link.js";
import { announce, unread } from "./news.js";
import { format, moving, say, state, tell } from "./now.js";
import { askPhoto } from "./proofs.js";
import { close, isOpen, named, show } from "./sheet.js";

// Logged in English whatever the screen shows, as reasons are; the catalogue's key is `answer <words>`.
const ANSWERS = ["yes", "no", "on my way", "in 10 minutes", "please call me", "not possible"];
const NOTES = ["please call me", "running late", "finished early", "question about the stop"];
const TOPICS = ["breakdown", "accident", "road_closed", "delay", "help", "other"];

export function openMessages() {
  const about = unread();
  const list = state.messages.slice(-8).reverse().map((message) =>
    make("li", { class: "row" }, make("time", {}, format.clock(message.utc_ms)), make("span", {}, message.text), make("i", {}, message.answered ? "✓" : "")),
  );
  const head = list.length ? make("ol", {}, ...list) : make("p", {}, say("noMessages"));
  const known = state.messages.length;
  const repaint = () => known !== state.messages.length && openMessages();
  show({ title: say("messages"), content: [head], tiles: [named(about ? "reply" : "write", () => openWords(about), "act")], parked: true, repaint });
}

function openWords(about) {
  const tiles = (about ? ANSWERS : NOTES).map((words) => named(`answer ${words}`, () => tellDispatch(words, about)));
  show({ title: say(about ? "reply" : "write"), tiles, parked: true, back: openMessages });
}

async function tellDispatch(text, about) {
  const stop = about?.stop ?? customer();
  const body = { message: action(), text, ...(about ? { about: about.message } : {}), ...(stop ? { stop } : {}) };
  const answer = await tap("/api/messages", body, { 409: "standFirst" });
  if (answer?.ok) announce(say("answered", say(`answer ${text}`)));
}

// The customer's stop that is next, if it is one.
const customer = () => (state.next && !state.next.call ? state.next.stop : null);

export function openReports() {
  const tiles = TOPICS.map((topic) => named(`report ${topic}`, () => report(topic, []), topic === "breakdown" || topic === "accident" ? "stop" : ""));
  show({ title: say("report"), tiles });
}

function report(topic, proofs) {
  const photo = named("photo", () => askPhoto((proof) => report(topic, [...proofs, proof]), () => report(topic, proofs)), proofs.length ? "done" : "act", proofs.length ? `✓ ${proofs.length}` : "");
  const send = async () => {
    const body = { report: action(), topic, text: "", ...(customer() ? { stop: customer() } : {}), ...(proofs.length ? { proofs: proofs.map(({ kind, sha256 }) => ({ kind, sha256 })) } : {}) };
    const answer = await tap("/api/reports", body);
    if (answer?.ok) announce(say(state.link.state === "online" ? "reported" : "reportedLater", say(`report ${topic}`)));
  };
  show({ title: say(`report ${topic}`), tiles: [named("sendReport", send, "go"), ...(moving() ? [] : [photo])], back: openReports });
}

// ── a plan that would change the next stop: asked when the van stands, once ──────────────────────────────────────────
let asked = 0;

// A plan that the driver has put off, or that waits for the van to stand again.
export const postponed = () => Boolean(state.offer) && state.offer.version === asked && state.duty !== "off";

export function offerPlan() {
  const offer = state.offer;
  if (!offer) asked = 0;
  else if (offer.safe && !moving() && offer.version !== asked && !isOpen()) openOffer();
}

export const openWaiting = () => (moving() || !state.offer.safe ? announce(say("standFirst")) : openOffer());

export function openOffer() {
  const offer = state.offer;
  asked = offer.version;
  const answer = (word, more = {}) => tap(`/api/offers/${offer.version}`, { answer: word, ...more });
  const reasons = ["not possible", "too far", "no time", "van full"];
  const refuse = () => show({ title: say("decline"), tiles: reasons.map((why) => named(`reason ${why}`, () => answer("decline", { reason: why }), "stop")), parked: true, back: openOffer });
  const names = (stops) => make("ol", { class: "names" }, ...stops.slice(0, 5).map((stop) => make("li", {}, stop.name)));
  const columns = make("div", { class: "columns" }, make("div", {}, make("h3", {}, say("before")), names(offer.before)), make("div", {}, make("h3", {}, say("after")), names(offer.after)));
  const content = [
    make("p", { class: "strong" }, tell(offer.reason_said, offer.reason)),
    ...offer.changes.map((change, at) => make("p", {}, tell(offer.changes_said[at], change))),
    columns,
  ];
  const decline = offer.may_decline ? [named("decline", refuse, "stop", "", { stays: true })] : [];
  // Another plan, or none: the question is gone with it.
  const repaint = () => state.offer?.version !== offer.version && close();
  show({ title: say("newPlan"), content, tiles: [named("accept", () => answer("accept"), "go"), ...decline], parked: true, last: "later", repaint });
}
