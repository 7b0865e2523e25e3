/** The customer's page, kept fresh: the page itself is whole without this script. The hub renders every word; this only swaps parts. */

const POLL_MS = 60_000; // should the line that rings be cut by something on the way
const SPREAD_MS = 800; // many pages are rung at together: they do not all ask in the same instant
const PARTS = ["live", "thread", "cases"] as const;

type Move = (home: [number, number], van: [number, number]) => void;
let map: Promise<Move> | null = null;
let line: EventSource | null = null;
let listensFor = "";
let due = 0;
let leaving = false;

const root = document.documentElement;
const path = location.pathname.replace(/\/$/, "");
const query = new URLSearchParams(location.search);
const zone = query.get("tz") ?? Intl.DateTimeFormat().resolvedOptions().timeZone ?? root.dataset["zone"] ?? "UTC";

function pair(text: string | undefined): [number, number] | null {
  const [lat, lon] = (text ?? "").split(",").map(Number);
  return lat === undefined || lon === undefined || Number.isNaN(lat) || Number.isNaN(lon) ? null : [lon, lat];
}

/** Draw the van where it may be seen; the map's megabyte is loaded only then. */
function draw(): void {
  const box = document.getElementById("map");
  const where = document.getElementById("where");
  const home = pair(where?.dataset["home"]);
  const van = pair(where?.dataset["van"]);
  if (!box) return;
  box.hidden = !home || !van;
  if (!home || !van) return;
  map ??= import("./map").then(({ open }) => open(box));
  void map.then((move) => move(home, van));
}

/** Put fresh parts in their places. A part that somebody is typing in is left alone; text that did not change is not read out again. */
function show(html: string): void {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const id of PARTS) {
    const old = document.getElementById(id);
    const now = fresh.getElementById(id);
    if (!old || !now || old.contains(document.activeElement) || old.innerHTML === now.innerHTML) continue;
    if (id !== "live") {
      old.replaceChildren(...now.childNodes);
      continue;
    }
    const status = now.querySelector("[role=status]");
    const said = old.querySelector("[role=status]");
    if (status && said && status.innerHTML !== said.innerHTML) said.replaceChildren(...status.childNodes); // announced: the region stays
    const steps = now.querySelector("#steps");
    if (steps) old.querySelector("#steps")?.replaceWith(steps);
    old.querySelector("#where")?.remove();
    const where = now.querySelector("#where");
    if (where) old.append(where);
    for (const [name, value] of Object.entries(now.dataset)) old.dataset[name] = value ?? "";
  }
  const at = fresh.getElementById("updated")?.textContent;
  const updated = document.getElementById("updated");
  if (at && updated && updated.textContent !== at) updated.textContent = at;
  document.title = document.getElementById("headline")?.textContent ?? document.title;
}

async function refresh(): Promise<void> {
  try {
    const wanted = new URLSearchParams({ part: "live", lang: root.lang, tz: zone });
    const answer = await fetch(`${path}?${wanted}`, { cache: "no-store" });
    if (answer.ok) {
      const stage = document.getElementById("live")?.dataset["stage"];
      show(await answer.text());
      const now = document.getElementById("live")?.dataset["stage"];
      // Other choices are open now. Not while a link was tapped: loading anew would take the reader back from where they are going.
      if (stage !== now && !leaving && !document.querySelector("details[open]")) location.reload();
    }
  } catch {
    // Offline: what is shown stays, with the time it is from.
  }
  draw();
  listen();
}

function soon(): void {
  if (due || document.hidden) return;
  due = window.setTimeout(() => {
    due = 0;
    void refresh();
  }, Math.random() * SPREAD_MS);
}

/** One line to the hub, opened anew when what there is to hear has changed: a van that may be seen moves every second. */
function listen(): void {
  const state = document.getElementById("live")?.dataset;
  const wanted = `${state?.["stage"]} ${state?.["near"]} ${state?.["planned"]}`;
  if (document.hidden) {
    line?.close();
    line = null;
  } else if (!line || listensFor !== wanted) {
    line?.close();
    line = new EventSource(`${path}/events`);
    line.addEventListener("changed", soon);
    listensFor = wanted;
  }
}

addEventListener("beforeunload", () => (leaving = true));
addEventListener("pageshow", () => (leaving = false));
for (const field of document.querySelectorAll<HTMLInputElement>("input[name=tz]")) field.value = zone;
if (zone !== root.dataset["zone"] && !query.has("tz")) {
  query.set("tz", zone);
  location.replace(`${path}?${query}`); // the page again, in the reader's own time
} else if (document.getElementById("live")) {
  draw();
  listen();
  setInterval(() => {
    if (!document.hidden) void refresh();
  }, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) listen();
    else void refresh();
  });
}
