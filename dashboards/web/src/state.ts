/** The fleet as this page knows it: documents by id, replaced whole as they come. */

import type { Happened, Message, Order, Plan, Report, Vehicle } from "./types";

export const vehicles = new Map<string, Vehicle>();
export const plans = new Map<string, Plan>();
export const orders = new Map<string, Order>();
export const events = new Map<string, Happened>();
export const messages = new Map<string, Message>();
export const reports = new Map<string, Report>();

const kinds = {
  vehicle: { all: vehicles as Map<string, unknown>, id: "vehicle" },
  plan: { all: plans as Map<string, unknown>, id: "vehicle" },
  order: { all: orders as Map<string, unknown>, id: "order" },
  event: { all: events as Map<string, unknown>, id: "id" },
  message: { all: messages as Map<string, unknown>, id: "message" },
  report: { all: reports as Map<string, unknown>, id: "report" },
} as const;
type Kind = keyof typeof kinds;

/** Take an event of the stream in; gives what kinds of document it changed. */
export function hear(event: string, data: string): Kind[] {
  const body = JSON.parse(data) as Record<string, unknown>;
  if (event === "snapshot") {
    for (const [kind, { all, id }] of Object.entries(kinds)) {
      all.clear();
      for (const document of body[kind] as Record<string, string>[]) all.set(document[id]!, document);
    }
    return Object.keys(kinds) as Kind[];
  }
  if (event === "gone") {
    const kind = body["kind"] as Kind;
    kinds[kind].all.delete(body["id"] as string);
    return [kind];
  }
  if (event in kinds) {
    const { all, id } = kinds[event as Kind];
    all.set(body[id] as string, body);
    return [event as Kind];
  }
  return [];
}

/** A van's stops that are left, in the plan's order. */
export function stopsLeft(vehicle: string): Order[] {
  return [...orders.values()]
    .filter((order) => order.vehicle === vehicle && ["planned", "next", "arrived"].includes(order.state))
    .sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
}

export function vansInOrder(): Vehicle[] {
  return [...vehicles.values()].sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** Told apart on light and dark ground, and by people who do not see red and green alike (after Okabe and Ito 2008, darkened). */
const COLOURS = ["#0b62a4", "#b3470f", "#0a7a55", "#a23b7d", "#6a5acd", "#8a6500", "#00798c", "#c0392b", "#4d6b1f", "#7a4a2b"];

export function colourOf(vehicle: string): string {
  return COLOURS[vansInOrder().findIndex((van) => van.vehicle === vehicle) % COLOURS.length] ?? "#555555";
}

export const orderName = (order: Order): string => [order.reference, order.name].filter(Boolean).join(" ") || order.address || order.order;

/** Minutes past the promise that an order is expected, or was done; 0 where it is in time. */
export function lateMin(order: Order): number {
  const at = order.done_at ?? order.eta;
  const end = order.promise_end ?? order.window_end;
  return at && end ? Math.max(0, Math.round((Date.parse(at) - Date.parse(end)) / 60_000)) : 0;
}
