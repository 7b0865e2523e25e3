/** What needs a person, worst first: read off the fleet as it is now. Pure. */

import type { Message, Order, Report, Vehicle } from "./documents";
import { type Fleet, lateMs } from "./fleet";
import type { Tone } from "./parts";
import { sentence } from "./sentences";

export const EXCEPTION_KINDS = ["report", "late", "silent", "unanswered", "declined", "unassigned", "place", "predicted_late", "off_route", "fence", "broken", "word", "failed"] as const;
export type ExceptionKind = (typeof EXCEPTION_KINDS)[number];

export interface Exception {
  key: string;
  kind: ExceptionKind;
  tone: Tone;
  vehicle: string | null;
  order: Order | null;
  /** Business time at which it began, or is expected. */
  at: number | null;
  /** Milliseconds: how late, or how long silent. */
  size: number;
  text: string;
  report?: Report;
}

/** Expected lateness below this is noise of the estimate. */
export const PREDICTED_MS = 5 * 60_000;
const TONES: Record<ExceptionKind, Tone> = {
  report: "bad", late: "bad", silent: "bad", unanswered: "bad", declined: "bad", unassigned: "bad", place: "warn", predicted_late: "warn", off_route: "warn", fence: "warn", broken: "warn", word: "info", failed: "plain",
};
const FENCE_KINDS = new Set(["fence_enter", "fence_dwell", "fence_speeding", "long_dwell", "position_dropped"]);
/** Served later than this after its promise: it is broken. Less is a clock's and a driver's own minute. */
const BROKEN_MS = 60_000;
/** What is over needs nobody after this long. */
const FRESH_MS = 30 * 60_000;

export function exceptions(fleet: Fleet): Exception[] {
  const found: Exception[] = [];
  const add = (kind: ExceptionKind, id: string, more: Partial<Exception>): void =>
    void found.push({ key: `${kind} ${id}`, kind, tone: TONES[kind], vehicle: null, order: null, at: null, size: 0, text: "", ...more });
  for (const report of fleet.reports.values()) {
    add("report", report.report, { vehicle: report.vehicle, order: (report.order && fleet.orders.get(report.order)) || null, at: report.at, text: report.text, report });
  }
  for (const van of fleet.vehicles.values()) ofVan(fleet, van, add);
  for (const line of openWords(fleet)) add("word", line.message, { vehicle: line.vehicle, at: line.at, text: line.text });
  for (const order of fleet.orders.values()) ofOrder(fleet, order, add);
  const closed = new Set(fleet.fences.filter((fence) => fence.no_entry).map((fence) => fence.fence));
  for (const alert of fleet.alerts.values()) {
    if (!FENCE_KINDS.has(alert.kind) || (alert.to_at !== null && fleet.now - alert.to_at > FRESH_MS)) continue;
    if (alert.kind === "fence_enter" && !closed.has(alert.fence ?? "")) continue; // vans drive in and out of yards all day
    add("fence", alert.alert, { vehicle: alert.vehicle, at: alert.from_at, text: alert.kind, size: alert.detail.speed_mps ?? 0, ...(alert.detail.fence ? { text: `${alert.kind}|${alert.detail.fence}` } : {}) });
  }
  const rank = Object.fromEntries(EXCEPTION_KINDS.map((kind, at) => [kind, at])) as Record<ExceptionKind, number>;
  return found.sort((a, b) => rank[a.kind] - rank[b.kind] || b.size - a.size || (a.at ?? 0) - (b.at ?? 0) || a.key.localeCompare(b.key));
}

type Add = (kind: ExceptionKind, id: string, more: Partial<Exception>) => void;

function ofVan(fleet: Fleet, van: Vehicle, add: Add): void {
  const plan = fleet.plans.get(van.vehicle);
  if (van.duty !== "off" && (!van.online || fleet.stale(van))) add("silent", van.vehicle, { vehicle: van.vehicle, at: fleet.value(van, "time"), size: fleet.silentMs(van) ?? Number.POSITIVE_INFINITY });
  if (van.plan_state === "declined" || van.plan_state === "refused") add("declined", van.vehicle, { vehicle: van.vehicle, at: plan?.issued_at ?? null, text: van.plan_state });
  else if (plan?.said?.some(({ code }) => code === "plan.keeps_order") && fleet.now - plan.issued_at <= FRESH_MS) add("declined", van.vehicle, { vehicle: van.vehicle, at: plan.issued_at, text: "own_order" }); // the planner gives way at once: nobody would see it
  if (fleet.unanswered(van)) add("unanswered", van.vehicle, { vehicle: van.vehicle, at: plan?.issued_at ?? null });
  if (van.astray) add("off_route", van.vehicle, { vehicle: van.vehicle, at: fleet.value(van, "time") });
}

function ofOrder(fleet: Fleet, order: Order, add: Add): void {
  const shared = { vehicle: order.vehicle, order, text: sentence(order.reason, order.said) };
  if (fleet.isForLater(order)) return;
  if (order.state === "unassigned") add("unassigned", order.order, { ...shared, at: order.window_end });
  else if (order.state === "waiting_for_place") add("place", order.order, { ...shared, at: order.window_end });
  else if (order.state === "failed") add("failed", order.order, { ...shared, at: order.done_at });
  else if (order.state === "arrived" || order.state === "delivered") {
    const at = order.arrived_at ?? order.done_at;
    const size = lateMs(order);
    if (at !== null && size >= BROKEN_MS && fleet.now - at <= FRESH_MS) add("broken", order.order, { ...shared, at, size });
  } else if (order.state === "planned" || order.state === "next") {
    const due = order.promise_end ?? order.window_end;
    const size = lateMs(order);
    if (fleet.now > due) add("late", order.order, { ...shared, at: order.eta, size: Math.max(size, fleet.now - due) });
    else if (size >= PREDICTED_MS) add("predicted_late", order.order, { ...shared, at: order.eta, size });
  }
}

/** Drivers' newest words that nobody answered. */
function openWords(fleet: Fleet): Message[] {
  const newest = new Map<string, Message>();
  for (const line of fleet.messages.values()) {
    const before = newest.get(line.vehicle);
    if (line.at !== null && (before?.at ?? -1) < line.at) newest.set(line.vehicle, line);
  }
  return [...newest.values()].filter((line) => line.said_by === "driver" && line.about === null);
}
