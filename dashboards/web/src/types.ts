/** What the live stream tells (see `roundsman_hub/live/documents.py`). Instants are RFC 3339 texts. */

export type OrderState = "new" | "waiting_for_place" | "unassigned" | "planned" | "next" | "arrived" | "delivered" | "failed" | "cancelled";

export interface Vehicle {
  vehicle: string;
  name: string;
  depot: string;
  driver: string | null;
  driver_phone: string | null;
  online: boolean;
  duty: "on" | "break" | "off";
  time: string | null;
  seen_real_at: string | null;
  lat_deg: number | null;
  lon_deg: number | null;
  speed_mps: number | null;
  heading_deg: number | null;
  backlog: number;
  plan_version: number | null;
  plan_state: "sent" | "held" | "in_force" | "shown" | "accepted" | "declined" | "refused";
}

export interface Plan {
  vehicle: string;
  version: number;
  issued_at: string;
  reason: string;
  changes: string[];
  stops: string[];
  own_order: boolean;
  travel_times: string;
  route: [number, number][];
}

export interface Order {
  order: string;
  reference: string;
  kind: "delivery" | "pickup";
  name: string;
  address: string;
  lat_deg: number | null;
  lon_deg: number | null;
  window_end: string;
  promise_start: string | null;
  promise_end: string | null;
  parcels: number;
  priority: number;
  state: OrderState;
  reason: string | null;
  vehicle: string | null;
  position: number | null;
  eta: string | null;
  done_at: string | null;
}

export interface Message {
  message: string;
  vehicle: string;
  said_by: "dispatch" | "driver";
  text: string;
  order: string | null;
  about: string | null;
  at: string | null;
  state: "waiting" | "sent" | "shown" | "answered" | "expired" | "said";
}

export interface Report {
  report: string;
  vehicle: string;
  topic: "breakdown" | "accident" | "road_closed" | "delay" | "help" | "other";
  text: string;
  order: string | null;
  at: string | null;
}

export interface Happened {
  id: string;
  at: string;
  kind: string;
  vehicle: string | null;
  order: string | null;
  text: string;
}

export interface Place {
  name: string;
  lat_deg: number;
  lon_deg: number;
}

export interface Fence {
  fence: string;
  name: string;
  circle: { lat_deg: number; lon_deg: number; radius_m: number } | null;
  rings_deg: [number, number][][] | null;
}

export interface Live {
  now: string;
  fleet: { name: string; timezone: string };
  depots: (Place & { depot: string })[];
  fences: Fence[];
}

export interface Tick {
  now: string;
  real_now: string;
  database_away: boolean;
}
