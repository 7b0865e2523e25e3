// How a stop ends: handed over, with what the stop asks for as proof; or not, or in part, and why.
import { act, outcomeWord } from "./actions.js";
import { make, text } from "./dom.js";
import { say, state } from "./now.js";
import { askCode, askPhoto, askSignature } from "./proofs.js";
import { named, show, tile } from "./sheet.js";

// Reasons are logged in English whatever the screen shows: the hub counts them. The catalogue's key is `reason <words>`.
export const REASONS = {
  failed: ["nobody there", "wrong address", "closed", "no access"],
  refused: ["not ordered", "changed mind", "too late", "wrong goods", "will not pay"],
  damaged: ["crushed", "wet", "opened", "broken", "leaking"],
  partial: ["missing in the van", "some refused", "some damaged", "too heavy", "no room"],
};
const WITHOUT = ["customer declined", "contact-free", "camera broken", "no code known", "safe place"];
const RECEIVERS = ["customer", "household", "neighbour", "reception", "safe place"];

let draft = null; // what was gathered for the stop at hand: kept while the sheets change, gone when the stop does

function drafted() {
  if (draft?.stop !== state.next.stop) draft = { stop: state.next.stop, proofs: [], code: "", receiver: "", scanned: new Set() };
  return draft;
}

// A parcel that was scanned at the door is one that was handed over.
export function scannedAtDoor(parcel) {
  if (state.next?.items.some((item) => item.parcel === parcel)) drafted().scanned.add(parcel);
}

export const proofFor = (kind) => draft?.proofs.filter((proof) => proof.kind === kind).length ?? 0;

function finish(outcome, more = {}) {
  const { proofs, code, receiver } = drafted();
  const body = { ...more };
  if (proofs.length) body.proofs = proofs.map(({ kind, sha256 }) => ({ kind, sha256 }));
  if (code) body.code = code;
  if (receiver) body.received_by = receiver;
  return act(outcome, body, { 422: "wrongCode" }).then((answer) => {
    if (answer?.ok) draft = null;
    else if (answer?.status === 422 && outcome === "delivered") {
      drafted().code = ""; // the code was wrong: it is asked for again, the pictures stay
      gather(outcome);
    }
  });
}

// ── handed over ──────────────────────────────────────────────────────────────────────────────────────────────────────
const missing = (stop) => stop.proof.filter((kind) => (kind === "code" ? !drafted().code : proofFor(kind) === 0));

export function deliver() {
  if (state.next.proof.length && missing(state.next).length) gather("delivered");
  else finish("delivered");
}

export const deliverWithProof = () => gather("delivered");

// What comes when another stop is next is not kept for that one.
function ofThisStop(keep, done) {
  const mine = drafted();
  const still = () => state.next?.stop === mine.stop;
  return [(value) => still() && (keep(mine, value), done()), () => still() && done()];
}

const addProof = (mine, proof) => mine.proofs.push(proof);
const ASK = {
  photo: (done) => askPhoto(...ofThisStop(addProof, done)),
  signature: (done) => askSignature(...ofThisStop(addProof, done)),
  code: (done) => askCode(...ofThisStop((mine, code) => (mine.code = code), done)),
};

function gather(outcome) {
  const stop = state.next;
  const again = () => gather(outcome);
  const wanted = stop.proof.length ? stop.proof : ["photo", "signature"];
  const left = missing(stop);
  const lines = [make("p", {}, left.length ? say("proofNeeded", left.map((kind) => say(kind)).join(", ")) : say("proofWhole"))];
  if (stop.contact_free) lines.push(make("p", { class: "strong" }, say("contactFree")));
  const mark = (kind) => (kind === "code" ? (drafted().code ? "✓" : "") : proofFor(kind) ? `✓ ${proofFor(kind)}` : "");
  const asks = wanted.map((kind) => named(kind, () => ASK[kind](again), mark(kind) ? "done" : "act", mark(kind)));
  const receiver = named("receiver", () => receivers(again), "", drafted().receiver ? say(`receiver ${drafted().receiver}`) : "");
  lines.push(make("div", { class: "tiles" }, ...asks, receiver));
  const done = named(stop.kind === "pickup" ? "collected" : "delivered", () => finish(outcome), "go", "", { off: left.length > 0 });
  const without = left.length ? [named("withoutProof", () => choices(say("withoutProof"), WITHOUT, (reason) => finish(outcome, { without_proof: reason }), again))] : [];
  show({ title: say("proof"), content: lines, tiles: [done, ...without], parked: true, about: stop.stop });
}

function receivers(then) {
  const tiles = RECEIVERS.map((who) => named(`receiver ${who}`, () => ((drafted().receiver = who), then())));
  show({ title: say("receiver"), tiles, parked: true, back: then, about: state.next.stop });
}

function choices(title, reasons, then, back) {
  show({ title, tiles: reasons.map((reason) => named(`reason ${reason}`, () => then(reason))), parked: true, back, about: state.next.stop });
}

// ── not handed over ──────────────────────────────────────────────────────────────────────────────────────────────────
export function problem() {
  const photos = proofFor("photo");
  const ask = () => ASK.photo(problem);
  const tiles = REASONS.failed.map((reason) => named(`reason ${reason}`, () => finish("failed", { reason }), "stop"));
  tiles.push(...["refused", "damaged", "partial"].map((outcome) => tile(`${outcomeWord(outcome)}…`, () => part(outcome), "warn", "", { key: outcome })));
  tiles.push(named("photo", ask, photos ? "done" : "act", photos ? `✓ ${photos}` : ""));
  show({ title: say("problem"), tiles, parked: true, about: state.next.stop });
}

// Which parcels, where there is a choice, and then why. `partial` names those that stay with the customer; the others those that come back.
function part(outcome, ticked = null) {
  const stop = state.next;
  const chosen = ticked ?? new Set(outcome === "partial" ? drafted().scanned : stop.items.map((item) => item.parcel));
  if (stop.items.length < (outcome === "partial" ? 1 : 2)) return because(outcome, chosen, problem);
  const again = () => part(outcome, chosen);
  const count = make("p", { role: "status" });
  const tell = () => text(count, say("parcelsOf", chosen.size, stop.items.length));
  const toggle = (item, box) => {
    if (box.checked) chosen.add(item.parcel);
    else chosen.delete(item.parcel);
    tell();
  };
  const rows = stop.items.map((item) => {
    const box = make("input", { type: "checkbox", checked: chosen.has(item.parcel) });
    box.onchange = () => toggle(item, box);
    return make("label", { class: "row" }, box, make("span", {}, item.name || item.parcel), make("b", {}, item.place));
  });
  tell();
  const asked = make("p", { class: "strong" }, say(outcome === "partial" ? "whichHanded" : "whichBack"));
  const next = named("why", () => because(outcome, chosen, again), "warn");
  show({ title: outcomeWord(outcome), content: [asked, count, ...rows], tiles: [next], parked: true, back: problem, about: stop.stop });
}

function because(outcome, chosen, back) {
  const again = () => because(outcome, chosen, back);
  const reasons = REASONS[outcome].map((reason) => named(`reason ${reason}`, () => finish(outcome, { reason, parcels: [...chosen] }), outcome === "partial" ? "warn" : "stop"));
  const photo = named("photo", () => ASK.photo(again), proofFor("photo") ? "done" : "act", proofFor("photo") ? `✓ ${proofFor("photo")}` : "");
  show({ title: `${outcomeWord(outcome)}. ${say("why")}`, tiles: [...reasons, photo], parked: true, back, about: state.next.stop });
}
