/** The time board's geometry: which task stands where on which van's lane, and where a dragged one would come to stand. Pure. */

import { OPEN_STATES, type Order } from "./documents";

export interface Bar {
  order: Order;
  /** When service starts or started, and how long it takes or took. */
  from: number;
  to: number;
  /** When the first plan that had it wanted to be there. */
  planned: number | null;
  open: boolean;
}

export const HOUR_MS = 3_600_000;
const SHORTEST_MS = 2 * 60_000;

/** A van's tasks on its lane, by time; those without a time are not on it. */
export function barsOf(orders: Iterable<Order>, serviceS: (order: Order) => number, planned: ReadonlyMap<string, number>): Bar[] {
  const bars: Bar[] = [];
  for (const order of orders) {
    if (order.state === "cancelled") continue;
    const first = planned.get(order.order) ?? null;
    const from = order.arrived_at ?? order.eta ?? (order.done_at === null ? first : order.done_at - serviceS(order) * 1000);
    if (from === null) continue;
    const to = Math.max(order.done_at ?? from + serviceS(order) * 1000, from + SHORTEST_MS);
    bars.push({ order, from, to, planned: first, open: OPEN_STATES.includes(order.state) });
  }
  return bars.sort((a, b) => a.from - b.from || a.order.order.localeCompare(b.order.order));
}

/** The place in a van's remaining round (from 1) of a task that is dropped at an instant; the task itself does not count. */
export function placeAt(bars: readonly Bar[], at: number, moving: string): number {
  return 1 + bars.filter((bar) => bar.open && bar.order.order !== moving && bar.order.state !== "arrived" && bar.from < at).length;
}

export const xOf = (at: number, from: number, pxPerHour: number): number => ((at - from) / HOUR_MS) * pxPerHour;
export const instantAt = (x: number, from: number, pxPerHour: number): number => from + (x / pxPerHour) * HOUR_MS;

/** Whole hours that the axis names. */
export function hours(from: number, to: number): number[] {
  const found: number[] = [];
  for (let at = Math.ceil(from / HOUR_MS) * HOUR_MS; at <= to; at += HOUR_MS) found.push(at);
  return found;
}
