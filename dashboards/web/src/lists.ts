/** The page's lists, drawn from the state. A row is touched only when its own text changed, so focus and reading place stay. */

import { colourOf, events, lateMin, messages, orderName, orders, plans, reports, stopsLeft, vansInOrder, vehicles } from "./state";
import type { Message, Order, Report, Vehicle } from "./types";

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
export const esc = (text: string): string => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign]!);

export const STATE_WORDS: Record<string, string> = {
  new: "new", waiting_for_place: "waits for a place", unassigned: "unassigned", planned: "planned", next: "next",
  arrived: "at the door", delivered: "done", failed: "failed", cancelled: "cancelled",
};
const PLAN_WORDS: Record<string, string> = {
  sent: "sent, not yet confirmed", held: "on the van, not yet in force", in_force: "in force", shown: "seen on the screen", accepted: "accepted by the driver", declined: "declined", refused: "refused by the van",
};

const TOPIC_WORDS: Record<Report["topic"], string> = {
  breakdown: "breakdown", accident: "accident", road_closed: "road closed", delay: "delay", help: "needs help", other: "reports",
};

export interface Time {
  clock: (at: string | null) => string;
  /** Real seconds since the hub heard of a van; null: never. */
  silentS: (van: Vehicle) => number | null;
  stale: (van: Vehicle) => boolean;
}

export function fill(parent: HTMLElement, rows: { key: string; html: string; className?: string }[], tag: "li" | "tr", empty = ""): void {
  const wanted = rows.length || !empty ? rows : [{ key: "empty", html: esc(empty), className: "empty" }];
  const kept = new Map([...parent.children].map((child) => [(child as HTMLElement).dataset["key"] ?? "", child as HTMLElement]));
  wanted.forEach((row, at) => {
    const element = kept.get(row.key) ?? document.createElement(tag);
    kept.delete(row.key);
    if (element.dataset["html"] !== row.html) {
      element.innerHTML = row.html;
      element.dataset["html"] = row.html;
    }
    element.dataset["key"] = row.key;
    element.className = row.className ?? "";
    if (parent.children[at] !== element) parent.insertBefore(element, parent.children[at] ?? null);
  });
  for (const element of kept.values()) element.remove();
}

const chip = (vehicle: string): string => {
  const van = vehicles.get(vehicle);
  return van ? `<span class="chip" style="--van:${colourOf(vehicle)}">${esc(van.name)}</span>` : "";
};
const silence = (s: number): string => (s < 90 ? `${Math.round(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`);
const late = (order: Order): string => (lateMin(order) > 0 ? ` <strong class="late">${lateMin(order)} min late</strong>` : "");

export function drawVans(list: HTMLElement, selected: string | null, time: Time): void {
  const rows = vansInOrder().map((van) => {
    const left = stopsLeft(van.vehicle);
    const next = left[0];
    const open = van.vehicle === selected;
    const silent = time.silentS(van);
    const link = van.duty === "off" && !van.online ? "off shift" : van.online && !time.stale(van) ? "online" : `no word for ${silent === null ? "ever" : silence(silent)}`;
    const speed = van.duty === "on" && van.speed_mps !== null && !time.stale(van) ? ` · ${Math.round(van.speed_mps * 3.6)} km/h` : "";
    const plan = plans.get(van.vehicle);
    const backlog = van.backlog > 50 ? ` · catching up (${van.backlog})` : "";
    let html = `<button type="button" class="row" aria-expanded="${open}" data-vehicle="${esc(van.vehicle)}">${chip(van.vehicle)}<span class="grow"><b>${esc(van.driver ?? "no driver")}</b> · ${van.duty === "break" ? "on a break · " : ""}<span class="${link.startsWith("no word") ? "late" : ""}">${link}</span>${speed}${backlog}<br>`;
    html += next ? `${left.length} left · ${next.state === "arrived" ? "at" : "to"} ${esc(orderName(next))} · ${time.clock(next.eta)}${late(next)}` : "nothing left to do";
    html += "</span></button>";
    if (plan) {
      const change = plan.changes[0] ? ` — ${esc(plan.changes[0])}${plan.changes.length > 1 ? ` (+${plan.changes.length - 1})` : ""}` : "";
      html += `<p class="plan">Plan of ${time.clock(plan.issued_at)}, ${PLAN_WORDS[van.plan_state]}${plan.own_order ? ", in the driver's own order" : ""}: ${esc(plan.reason || "no reason given")}${open ? "" : change}</p>`;
      if (open) {
        if (plan.changes.length) html += `<ul class="changes">${plan.changes.map((text) => `<li>${esc(text)}</li>`).join("")}</ul>`;
        html += `<ol class="stops">${left.map((order) => `<li><span>${esc(orderName(order))}<small>${esc(order.address)}${order.kind === "pickup" ? " · collect" : ""}</small></span><span>${time.clock(order.eta)}${late(order)}<small>by ${time.clock(order.promise_end)}</small></span></li>`).join("")}</ol>`;
      }
    }
    return { key: van.vehicle, html, className: open ? "open" : "" };
  });
  fill(list, rows, "li", "No vehicles yet: make them with POST /v1/vehicles.");
}

export function drawAttention(list: HTMLElement, count: HTMLElement, time: Time): void {
  const rows: { key: string; html: string; rank: number }[] = [];
  for (const van of vansInOrder()) {
    const silent = time.silentS(van);
    if (van.duty !== "off" && (time.stale(van) || !van.online)) rows.push({ key: `silent ${van.vehicle}`, rank: 0, html: `<p>${chip(van.vehicle)} no word for <b>${silent === null ? "ever" : silence(silent)}</b>; its driver keeps the plan it has</p>` });
    if (van.plan_state === "refused" || van.plan_state === "declined") rows.push({ key: `plan ${van.vehicle}`, rank: 1, html: `<p>${chip(van.vehicle)} plan ${PLAN_WORDS[van.plan_state]}</p>` });
  }
  for (const report of reports.values()) {
    const seen = `<button type="button" class="settle" data-report="${esc(report.report)}">Seen to</button>`;
    rows.push({ key: `report ${report.report}`, rank: -1, html: `<p>${chip(report.vehicle)} <b>${TOPIC_WORDS[report.topic]}</b> at ${time.clock(report.at)}${report.text ? `: ${esc(report.text)}` : ""} ${seen}</p>` });
  }
  const newest = new Map<string, Message>();
  for (const line of messages.values()) {
    const before = newest.get(line.vehicle);
    if (line.at && (!before?.at || Date.parse(line.at) > Date.parse(before.at))) newest.set(line.vehicle, line);
  }
  for (const line of newest.values()) {
    if (line.said_by === "driver" && line.about === null) rows.push({ key: `word ${line.message}`, rank: 1, html: `<p>${chip(line.vehicle)} writes: ${esc(line.text)}</p>` });
  }
  for (const order of orders.values()) {
    const name = `<b>${esc(orderName(order))}</b>`;
    if (order.state === "unassigned") rows.push({ key: order.order, rank: 2, html: `<p>${name} has no van: ${esc(order.reason ?? "")}</p>` });
    else if (order.state === "waiting_for_place") rows.push({ key: order.order, rank: 3, html: `<p>${name} waits for a place: ${esc(order.reason ?? order.address)}</p>` });
    else if (order.state === "failed") rows.push({ key: order.order, rank: 5, html: `<p>${name} failed at ${time.clock(order.done_at)}: ${esc(order.reason ?? "no reason given")} ${order.vehicle ? chip(order.vehicle) : ""}</p>` });
    else if (["planned", "next", "arrived"].includes(order.state) && lateMin(order) >= 5) rows.push({ key: order.order, rank: 4, html: `<p>${name} is expected <b>${lateMin(order)} min late</b>, at ${time.clock(order.eta)} ${order.vehicle ? chip(order.vehicle) : ""}</p>` });
  }
  rows.sort((a, b) => a.rank - b.rank);
  count.textContent = rows.length ? String(rows.length) : "";
  fill(list, rows, "li", "Nothing: all vans are heard of, and all work is on its way.");
}

export function drawEvents(list: HTMLElement, time: Time): void {
  const newest = [...events.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at) || b.id.localeCompare(a.id)).slice(0, 60);
  const rows = newest.map((event) => ({ key: event.id, html: `<p><time datetime="${esc(event.at)}">${time.clock(event.at)}</time> ${esc(event.text)}</p>`, className: event.kind.replace(".", "-") }));
  fill(list, rows, "li", "Nothing yet.");
}

export function drawOrders(body: HTMLElement, count: HTMLElement, state: string, find: string, time: Time): void {
  const wanted = find.trim().toLowerCase();
  const found = [...orders.values()].filter(
    (order) => (!state || order.state === state) && (!wanted || `${order.reference} ${order.name} ${order.address}`.toLowerCase().includes(wanted)),
  );
  found.sort((a, b) => Date.parse(a.promise_start ?? a.window_end) - Date.parse(b.promise_start ?? b.window_end) || a.order.localeCompare(b.order));
  count.textContent = found.length === orders.size ? String(orders.size) : `${found.length} of ${orders.size}`;
  const rows = found.map((order) => ({
    key: order.order,
    className: order.state,
    html: `<th scope="row">${esc(orderName(order))}${order.priority >= 8 ? ' <strong class="late">urgent</strong>' : ""}<small>${esc(order.address)}</small></th><td><span class="state">${STATE_WORDS[order.state]}</span>${order.reason ? `<small>${esc(order.reason)}</small>` : ""}</td><td>${time.clock(order.promise_start)}–${time.clock(order.promise_end)}</td><td>${time.clock(order.done_at ?? order.eta)}${late(order)}</td><td>${order.vehicle ? chip(order.vehicle) : "–"}</td>`,
  }));
  fill(body, rows, "tr");
}

export function drawNumbers(box: HTMLElement): void {
  const all = [...orders.values()];
  const n = (...states: string[]): number => all.filter((order) => states.includes(order.state)).length;
  const due = all.filter((order) => order.state === "delivered");
  const onTime = due.length ? `${Math.round((100 * due.filter((order) => lateMin(order) === 0).length) / due.length)} %` : "–";
  const numbers: [string, string | number][] = [
    ["done", `${n("delivered")} of ${all.length - n("cancelled")}`], ["on time", onTime], ["on their way", n("planned", "next", "arrived")],
    ["failed", n("failed")], ["without a van", n("new", "unassigned", "waiting_for_place")],
  ];
  const html = numbers.map(([word, value]) => `<p><b>${value}</b> ${word}</p>`).join("");
  if (box.innerHTML !== html) box.innerHTML = html;
}
