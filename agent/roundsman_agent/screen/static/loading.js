// At the depot: every parcel into the van, last stop first, by scanner, by camera or by hand; and where it lies.
import { attribute, el, make, text } from "./dom.js";
import { call } from "./actions.js";
import { send } from "./link.js";
import { announce, explain, speak } from "./news.js";
import { say, state, working } from "./now.js";
import { scannedAtDoor } from "./outcomes.js";
import { cameraReads, listenToCamera, listenToWedge } from "./scanner.js";
import { close, isOpen, named, show } from "./sheet.js";

let left = null; // the load that the driver has ended: a plan's first, or one of its calls at a depot
let stopCamera = null;
let rows = new Map();
let last = { text: "", look: "" };

const thisLoad = () => `${state.plan?.version} ${state.loading?.call ?? ""}`;

export function offerLoading() {
  const loading = state.loading;
  if (loading && working() && !isOpen() && left !== thisLoad() && loading.loaded < loading.total) openLoading();
}

export const loadingThere = () => Boolean(state.loading);

export function openLoading() {
  const content = [make("p", { id: "scanned", role: "status" }), make("video", { id: "eye", hidden: true, muted: true, playsinline: true }), make("ol", { id: "parcels" })];
  const camera = cameraReads() ? [named("camera", toggleCamera, "act", "", { stays: true })] : [];
  // Under way the last tap also says that the call at the depot is over.
  const depart = state.loading?.call ? named("callLoaded", () => (end(), call("loaded")), "go") : named("depart", end, "go");
  rows = new Map();
  last = { text: say("scanParcels"), look: "" };
  show({ title: "", content, tiles: [depart, ...camera], parked: true, last: state.loading?.call ? "back" : null, repaint: paintLoading, back: end });
}

function end() {
  left = thisLoad();
  stopCamera?.();
  stopCamera = null;
}

function paintLoading() {
  const loading = state.loading;
  if (!loading) return close(); // after a start, before the first fix, every place may be the depot
  text(el.about, say("loaded", loading.loaded, loading.total));
  const line = document.querySelector("#scanned");
  text(line, last.text);
  attribute(line, "class", last.look);
  const list = document.querySelector("#parcels");
  for (const item of loading.items) {
    let row = rows.get(item.parcel);
    if (!row) {
      row = make("button", { type: "button", class: "row", onclick: () => byHand(item.parcel) }, make("b"), make("span"), make("small"), make("i"));
      rows.set(item.parcel, row);
      list.append(make("li", {}, row));
    }
    const [position, name, place, mark] = row.children;
    text(position, item.position);
    text(name, item.name || item.parcel);
    text(place, lies(item));
    text(mark, item.loaded ? "✓" : "");
    attribute(row, "aria-pressed", String(item.loaded));
  }
}

// Never a bare number: beside a stop's, nobody would know which is which.
const lies = (item) => (item?.place ? say("inVan", item.place) : "");

async function byHand(parcel) {
  const item = state.loading?.items.find((one) => one.parcel === parcel);
  await scan(parcel, item?.loaded ? "unloaded" : "loaded", "hand");
}

async function scan(parcel, event, by) {
  const answer = await send("/api/scans", { parcel, event, by });
  if (!answer.ok) return announce(explain(answer), { bad: true });
  const item = [...(state.loading?.items ?? []), ...(state.next?.items ?? [])].find((one) => one.parcel === parcel);
  const name = item?.name || parcel;
  if (!answer.body.known) last = { text: say("scanUnknown", parcel), look: "bad" };
  else if (event === "unloaded") last = { text: say("scanOut", name), look: "" };
  else last = { text: say("scanIn", name, answer.body.position ?? "?", lies(item)).trim(), look: "good" };
  const line = document.querySelector("#scanned");
  if (line) paintLoading();
  else announce(last.text, { bad: last.look === "bad" });
  speak(last.text);
  return answer;
}

// In the depot a scan loads; at a customer's door it hands over.
function onCode(parcel) {
  if (state?.duty !== "on") return;
  if (state.loading) scan(parcel, "loaded", "scan");
  else if (state.next?.phase === "arrived") {
    scannedAtDoor(parcel);
    scan(parcel, "unloaded", "scan");
  }
}

async function toggleCamera() {
  const eye = document.querySelector("#eye");
  if (stopCamera) {
    stopCamera();
    stopCamera = null;
    eye.hidden = true;
    return;
  }
  try {
    eye.hidden = false;
    stopCamera = await listenToCamera(eye, onCode);
  } catch {
    eye.hidden = true;
    announce(say("noCamera"), { bad: true });
  }
}

listenToWedge(onCode);
