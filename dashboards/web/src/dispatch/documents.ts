/** What the live stream tells (see `roundsman_hub/live/documents.py`), as the page keeps it: instants as milliseconds since 1970. */

import type { Sentence } from "./sentences";

export type OrderState = "new" | "waiting_for_place" | "unassigned" | "planned" | "next" | "arrived" | "delivered" | "failed" | "cancelled";
export const ORDER_STATES: readonly OrderState[] = ["new", "waiting_for_place", "unassigned", "planned", "next", "arrived", "delivered", "failed", "cancelled"];
export const OPEN_STATES: readonly OrderState[] = ["planned", "next", "arrived"];

export type PlanState = "sent" | "held" | "in_force" | "shown" | "accepted" | "declined" | "refused";

/** A van without what changes every second: that is in `Moving`, in row `row`. */
export interface Vehicle {
  vehicle: string;
  name: string;
  depot: string;
  driver: string | null;
  driver_phone: string | null;
  capacity: number;
  shift_start: number;
  shift_end: number;
  online: boolean;
  duty: "on" | "break" | "off";
  plan_version: number | null;
  plan_state: PlanState;
  row: number;
  /** Away from its plan's way for a minute or longer. */
  astray: boolean;
}

export interface Plan {
  vehicle: string;
  version: number;
  issued_at: number;
  /** When somebody should look, if its van says nothing of it: by the hub's real clock. */
  answer_due_real_at: number;
  valid_until: number | null;
  reason: string;
  said?: Sentence[];
  changes: string[];
  changes_said?: Sentence[];
  stops: string[];
  own_order: boolean;
  travel_times: string;
  route: [number, number][];
}

export interface Order {
  order: string;
  depot: string;
  reference: string;
  kind: "delivery" | "pickup";
  name: string;
  address: string;
  lat_deg: number | null;
  lon_deg: number | null;
  window_start: number;
  window_end: number;
  promise_start: number | null;
  promise_end: number | null;
  parcels: number;
  service_s: number;
  priority: number;
  state: OrderState;
  reason: string | null;
  said?: Sentence[];
  vehicle: string | null;
  position: number | null;
  eta: number | null;
  eta_low: number | null;
  eta_high: number | null;
  eta_basis: string | null;
  arrived_at: number | null;
  done_at: number | null;
}

export interface Message {
  message: string;
  vehicle: string;
  said_by: "dispatch" | "driver";
  text: string;
  order: string | null;
  about: string | null;
  at: number | null;
  state: "waiting" | "sent" | "shown" | "answered" | "expired" | "said";
}

export interface Report {
  report: string;
  vehicle: string;
  topic: "breakdown" | "accident" | "road_closed" | "delay" | "help" | "other";
  text: string;
  order: string | null;
  at: number | null;
}

/** What the record says that somebody should look at. */
export interface Alert {
  alert: string;
  kind: string;
  vehicle: string;
  order: string | null;
  fence: string | null;
  from_at: number;
  to_at: number | null;
  detail: { fence?: string; speed_mps?: number | null };
}

export interface Happened {
  id: string;
  at: number;
  kind: string;
  vehicle: string | null;
  order: string | null;
  text: string;
  /** The reason that was given, in whoever's words. */
  why: string | null;
  said?: Sentence[];
}

/** How far something is that is asked for, not streamed: when its mark changes, there is something to read again. */
export interface Turn {
  turn: "cases" | "chat" | "nights" | "notices" | "proposals" | "sites";
  mark: string;
}

export interface Tick {
  now: number;
  real_now: number;
  database_away: boolean;
}

export interface Depot {
  depot: string;
  name: string;
  lat_deg: number;
  lon_deg: number;
}

export interface Fence {
  fence: string;
  name: string;
  circle: { lat_deg: number; lon_deg: number; radius_m: number } | null;
  rings_deg: [number, number][][] | null;
  dwell_s: number | null;
  speed_limit_mps: number | null;
  /** Hours of the week at which it counts, in `time_zone`; null: always. */
  active?: WeekHours[] | null;
  time_zone?: string;
  /** Nobody may be there: who enters it breaks it. */
  no_entry?: boolean;
}

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];
export interface WeekHours {
  days: Day[];
  start: string;
  end: string;
}

export interface Kinds {
  vehicle: Vehicle;
  plan: Plan;
  order: Order;
  event: Happened;
  message: Message;
  report: Report;
  alert: Alert;
  turn: Turn;
}
export type Kind = keyof Kinds;
export const ID: { readonly [K in Kind]: keyof Kinds[K] } = { vehicle: "vehicle", plan: "vehicle", order: "order", event: "id", message: "message", report: "report", alert: "alert", turn: "turn" };

/** One van's row in `Moving`: latitude, longitude, speed, heading, its fix's time, when it was heard of (real time), its backlog. */
export const FIELDS = { lat_deg: 0, lon_deg: 1, speed_mps: 2, heading_deg: 3, time: 4, seen_real: 5, backlog: 6 } as const;
export const WIDTH = 7;

/** What the feed's worker tells a page. `moved`: rows of `WIDTH` after their row's number; NaN where something is not known. */
export type Told =
  | { what: "change"; anew: boolean; documents: [Kind, unknown][]; gone: [Kind, string][]; moved: Float64Array; tick: Tick | null }
  | { what: "link"; connected: boolean }
  | { what: "refused" };
