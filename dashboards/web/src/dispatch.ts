/** The dispatch page: a key, the picture, the stream; and redrawing what changed, at most twice a second. */

import "./dispatch.css";
import { drawAttention, drawEvents, drawNumbers, drawOrders, drawVans, STATE_WORDS, type Time } from "./lists";
import { FleetMap, STALE_S } from "./map";
import { hear, lateMin, orderName, orders, vehicles } from "./state";
import { follow, get, post, Refused } from "./stream";
import { drawTalk, listen } from "./talk";
import type { Live, Tick, Vehicle } from "./types";

const KEY = "roundsman-key";
const REDRAW_MS = 500;
const $ = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

let selected: string | null = null;
let realNow = Date.now();
let realHeard = performance.now();

/** Real time by the hub's clock: this machine's own may be wrong. */
const hubRealNow = (): number => realNow + performance.now() - realHeard;

function timeOf(zone: string): Time {
  const format = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  const silentS = (van: Vehicle): number | null => (van.seen_real_at ? Math.max(0, (hubRealNow() - Date.parse(van.seen_real_at)) / 1000) : null);
  return {
    clock: (at) => (at ? format.format(new Date(at)) : "–"),
    silentS,
    stale: (van) => van.seen_real_at === null || (silentS(van) ?? 0) > STALE_S,
  };
}

async function start(key: string): Promise<void> {
  const live = await get<Live>("/v1/live", key);
  sessionStorage.setItem(KEY, key);
  $("login").hidden = true;
  $("desk").hidden = $("leave").hidden = false;
  $("fleet").textContent = live.fleet.name;
  const time = timeOf(live.fleet.timezone);
  const stop = new AbortController();
  let map: FleetMap | null = null;
  let waiting = false;
  let all = true;

  const title = (id: string): string => {
    const order = orders.get(id)!;
    const late = lateMin(order);
    return `${orderName(order)} · ${STATE_WORDS[order.state]} · ${time.clock(order.done_at ?? order.eta)}${late ? ` (${late} min late)` : ""}`;
  };
  const redraw = (): void => {
    waiting = false;
    drawNumbers($("numbers"));
    drawAttention($("attention"), $("attention-count"), time);
    drawVans($("vans"), selected, time);
    drawTalk(selected, time);
    if (all) {
      drawEvents($("events"), time);
      drawOrders($("orders"), $("orders-count"), $<HTMLSelectElement>("state").value, $<HTMLInputElement>("find").value, time);
      map?.redraw(selected, title);
    }
    all = false;
    map?.forget(new Set(vehicles.keys()));
    for (const van of vehicles.values()) map?.move(van, van.vehicle === selected, time.stale(van), `${van.name}, ${van.driver ?? "no driver"}${time.stale(van) ? ", no word" : ""}`);
  };
  const soon = (everything: boolean): void => {
    all ||= everything;
    if (waiting) return;
    waiting = true;
    setTimeout(redraw, REDRAW_MS);
  };
  const select = (vehicle: string): void => {
    selected = selected === vehicle ? null : vehicle;
    all = true;
    redraw();
    const van = selected ? vehicles.get(selected) : undefined;
    if (van) map?.lookAt(van);
  };

  for (const [state, word] of Object.entries(STATE_WORDS)) $("state").append(new Option(word, state));
  $("state").addEventListener("change", () => soon(true));
  $("find").addEventListener("input", () => soon(true));
  $("vans").addEventListener("click", (event) => {
    const row = (event.target as HTMLElement).closest<HTMLElement>("[data-vehicle]");
    if (row) select(row.dataset["vehicle"]!);
  });
  listen(key, () => selected);
  $("attention").addEventListener("click", (event) => {
    const seen = (event.target as HTMLElement).closest<HTMLButtonElement>("[data-report]");
    if (!seen) return;
    seen.disabled = true;
    post(`/v1/reports/${encodeURIComponent(seen.dataset["report"]!)}/settle`, key).catch((error: unknown) => {
      seen.disabled = false;
      seen.title = String(error);
    });
  });
  $("leave").addEventListener("click", () => {
    stop.abort();
    sessionStorage.removeItem(KEY);
    location.reload();
  });

  void FleetMap.open($("map"), live, select).then((opened) => {
    map = opened;
    document.body.dataset["map"] = "ready";
    soon(true);
  });

  const told = (text: string, bad: boolean): void => {
    if ($("link").textContent !== text) $("link").textContent = text;
    $("link").classList.toggle("bad", bad);
  };
  told("connecting", false);
  try {
    await follow(
      "/v1/stream",
      key,
      (event, data) => {
        if (event === "tick") {
          const tick = JSON.parse(data) as Tick;
          [realNow, realHeard] = [Date.parse(tick.real_now), performance.now()];
          $("clock").textContent = time.clock(tick.now);
          told(tick.database_away ? "database away: this may be old" : "live", tick.database_away);
          soon(false);
        } else {
          soon(hear(event, data).some((kind) => kind !== "vehicle"));
        }
      },
      (connected) => {
        if (!connected) told("no link to the hub: this may be old", true);
      },
      stop.signal,
    );
  } catch (error) {
    sessionStorage.removeItem(KEY);
    ask(error instanceof Refused ? error.message : String(error));
  }
}

function ask(error = ""): void {
  $("desk").hidden = true;
  $("login").hidden = false;
  $("key-error").textContent = error;
  $("key").focus();
}

$<HTMLFormElement>("login").addEventListener("submit", (event) => {
  event.preventDefault();
  void enter($<HTMLInputElement>("key").value.trim());
});

async function enter(key: string): Promise<void> {
  try {
    await start(key);
  } catch (error) {
    if (error instanceof Refused) sessionStorage.removeItem(KEY);
    ask(error instanceof Refused ? error.message : "The hub does not answer. Is it running? Try again in a moment.");
  }
}

const kept = sessionStorage.getItem(KEY);
if (kept) void enter(kept);
else ask();
