// What follows: the round in driving order, one stop whole, and another order within what the hub allows.
import { tap } from "./actions.js";
import { deliverWithProof } from "./outcomes.js";
import { kindWord } from "./card.js";
import { el, make, text } from "./dom.js";
import { announce } from "./news.js";
import { format, planKey, say, state, title } from "./now.js";
import { named, show } from "./sheet.js";

export function openRound() {
  const stops = [state.next, ...state.following].filter(Boolean);
  const customers = stops.filter((stop) => !stop.call);
  const rows = stops.map((stop) => {
    const late = stop.late_s >= 60 || stop.promise_risk_s > 0;
    const when = make("time", { class: late ? "late" : null }, format.clock(stop.eta_utc_ms));
    const bounds = make("small", { "data-bounds": stop.stop });
    const risk = late ? make("small", { class: "late" }, say("late", Math.ceil(Math.max(stop.late_s, stop.promise_risk_s) / 60))) : null;
    const window = make("small", {}, format.between(stop.window_start_utc_ms, stop.window_end_utc_ms));
    const sign = stop.call ? (stop.call.kind === "load" ? "↺" : "↯") : stop.position;
    const what = stop.call ? make("small", {}, kindWord(stop)) : window;
    const line = (...words) => make("span", { class: "line" }, ...words);
    const parts = [make("b", {}, sign), make("span", {}, line(make("span", {}, title(stop)), " ", when), " ", line(what, " ", risk, " ", bounds))];
    const may = state.reorder.allowed && stop !== stops[0] && !stop.pinned && !stop.call;
    if (!may) return make("li", { class: stop.call ? "row call" : "row" }, ...parts);
    return make("li", {}, make("button", { type: "button", class: "row", onclick: () => openAhead(stop, customers) }, ...parts));
  });
  const wish = state.reorder.suggestion;
  const better = wish ? [named("betterOrder", () => reorder(wish.stops), "act", say("saves", format.span(wish.saves_s)))] : [];
  const none = rows.length ? null : make("p", {}, say("allDone"));
  const known = orderNow();
  const repaint = () => known !== orderNow() && openRound();
  show({ title: say("stops"), content: [none ?? make("ol", {}, ...rows), basis()], tiles: better, parked: true, repaint });
  tellBounds((told) => format.between(told.low_utc_ms, told.high_utc_ms));
}

const basis = () => make("p", { class: "basis" });

// How sure each time is, and by whose roads: the unit counts that when somebody opens a list or a stop, and not before.
async function tellBounds(word) {
  const [bounds, roads] = ["[data-bounds]", ".basis"].map((nodes) => [...el.content.querySelectorAll(nodes)]);
  try {
    const answer = await fetch("/api/arrivals");
    if (!answer.ok) return;
    const told = await answer.json();
    for (const node of bounds) {
      const found = told.items.find((item) => item.stop === node.dataset.bounds);
      text(node, found && found.low_utc_ms < found.high_utc_ms ? word(found) : "");
    }
    for (const node of roads) text(node, told.travel_times === "great_circle" ? say("straightLines") : "");
  } catch {
    // The unit is away: the times stay as they are.
  }
}

// What the list would be made anew for: another plan, another order, a stop that is done.
const orderNow = () => [planKey(), ...[state.next, ...state.following].map((stop) => stop?.stop)].join();

function openAhead(stop, stops) {
  const order = [stop, ...stops.filter((other) => other !== stop)].map((one) => one.stop);
  show({
    title: title(stop),
    content: [make("p", {}, `${kindWord(stop)} · ${stop.name}`), make("p", {}, format.between(stop.window_start_utc_ms, stop.window_end_utc_ms)), there(stop), basis()],
    tiles: [named("goNext", () => reorder(order), "act")],
    parked: true,
    back: openRound,
  });
  tellThere();
}

const there = (stop) => make("p", { "data-bounds": stop.stop });
const tellThere = () => tellBounds((told) => say(told.learned ? "thereAt" : "thereAbout", format.clock(told.eta_utc_ms), format.between(told.low_utc_ms, told.high_utc_ms)));

async function reorder(stops) {
  const answer = await tap("/api/reorder", { stops }, { 422: "orderRefused" });
  if (answer?.ok) announce(say("orderChanged"));
}

// Everything about the next stop: whole instructions, window, promise, each parcel and where it lies.
export function openDetails() {
  const stop = state.next;
  if (!stop) return;
  const line = (words, look) => (words ? make("p", { class: look ?? null }, words) : null);
  const window = format.between(stop.window_start_utc_ms, stop.window_end_utc_ms);
  const promise = format.between(stop.promise_start_utc_ms, stop.promise_end_utc_ms);
  const rows = stop.items.map((item) =>
    make("li", { class: "row" }, make("span", {}, item.name || item.parcel, " ", make("small", {}, [item.name ? item.parcel : "", format.weight(item.weight_g)].filter(Boolean).join(" · "))), make("b", {}, item.place), make("i", {}, item.loaded ? "✓" : "")),
  );
  const content = [
    line(stop.name, "strong"),
    line(stop.address ? stop.address : ""),
    line(stop.instructions, "strong"),
    there(stop),
    basis(),
    line(window ? say("windowIs", window) : ""),
    line(promise ? say("promised", promise) : ""),
    line(stop.contact_free ? say("contactFree") : ""),
    line(stop.proof.length ? say("proofNeeded", stop.proof.map((kind) => say(kind)).join(", ")) : ""),
    line(kindWord(stop), "strong"),
    rows.length ? make("ol", {}, ...rows) : null,
  ].filter(Boolean);
  const phone = stop.phone.replace(/[^\d+]/g, "");
  const call = phone ? [make("a", { class: "tile act", href: `tel:${phone}` }, say("call"), make("small", {}, stop.phone))] : [];
  const proof = stop.phase === "arrived" ? [named("withProof", deliverWithProof, "go")] : [];
  show({ title: say("details"), content, tiles: [...proof, ...call], parked: true, about: stop.stop });
  tellThere();
}
