/** The fleet as this page knows it, fed by the feed's worker; components ask for the kinds that they show. */

import { useEffect, useReducer } from "preact/hooks";
import type { Api } from "../shared/api";
import { type Alert, type Depot, type Fence, FIELDS, type Happened, type Kind, type Kinds, type Message, OPEN_STATES, type Order, type Plan, type Report, ID, type Tick, type Told, type Turn, type Vehicle, type WeekHours, WIDTH } from "./documents";

/** An area that nobody drives through for a while. */
export interface Closure {
  closure: string;
  name: string;
  ring_deg: [number, number][];
  from_utc: string;
  until_utc: string;
  kinds: ("car" | "van" | "truck" | "cargo_bike")[];
  holds: boolean;
}
/** An area that is closed at the same hours of each week. */
export interface Zone extends Omit<Closure, "closure" | "from_utc" | "until_utc"> {
  zone: string;
  hours: WeekHours[];
}
export type Part = Kind | "moved" | "tick" | "link" | "sites";
/** A van that was not heard of for this long (real time) is stale: one that stands, or drives as was foretold, says so once a minute, and in
 * a turn that may come fourteen seconds later. That its link broke is known sooner (`online`). */
export const STALE_MS = 90_000;
const HOUR_MS = 3_600_000;

/** The next midnight of a zone; on days when clocks change too. */
function nextMidnight(at: number, timeZone: string): number {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" });
  const sinceMs = (instant: number): number => {
    const part = Object.fromEntries(clock.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    return ((part["hour"]! * 60 + part["minute"]!) * 60 + part["second"]!) * 1000 + (instant % 1000);
  };
  const about = at - sinceMs(at) + 24 * HOUR_MS;
  const off = sinceMs(about);
  return off > 12 * HOUR_MS ? about + 24 * HOUR_MS - off : about - off;
}

export class Fleet {
  readonly vehicles = new Map<string, Vehicle>();
  readonly plans = new Map<string, Plan>();
  readonly orders = new Map<string, Order>();
  readonly events = new Map<string, Happened>();
  readonly messages = new Map<string, Message>();
  readonly reports = new Map<string, Report>();
  readonly alerts = new Map<string, Alert>();
  readonly turns = new Map<string, Turn>();
  private readonly of: { [K in Kind]: Map<string, Kinds[K]> } = {
    vehicle: this.vehicles, plan: this.plans, order: this.orders, event: this.events, message: this.messages, report: this.reports, alert: this.alerts, turn: this.turns,
  };
  depots: Depot[] = [];
  fences: Fence[] = [];
  closures: Closure[] = [];
  zones: Zone[] = [];
  fleet = { fleet: "", name: "", timezone: "UTC" };
  moving = new Float64Array(WIDTH * 64);
  link: "connecting" | "live" | "away" | "old" = "connecting";
  private tick: Tick | null = null;
  private heardAt = 0;
  private ends: { minute: number; zone: string; at: number; began: number } | null = null;
  private inOrder: Vehicle[] | null = null;
  private left: Map<string, Order[]> | null = null;
  private readonly listeners = new Set<(parts: ReadonlySet<Part>) => void>();
  private waiting = new Set<Part>();

  /** Business time by the hub's clock. Between ticks it stands: it may run faster than life. Nothing is shown before the first (`begun`). */
  get now(): number {
    return this.tick?.now ?? Date.now();
  }

  /** Another key: another hub and another time, perhaps. */
  anew(): void {
    this.tick = null;
  }

  /** Once the hub told what it knows and what time it is. */
  begun(): Promise<void> {
    if (this.tick) return Promise.resolve();
    return new Promise((resolve) => {
      const stop = this.listen(() => {
        if (!this.tick) return;
        stop();
        resolve();
      });
    });
  }

  /** Real time by the hub's clock: this machine's own may be wrong. */
  get realNow(): number {
    return this.tick ? this.tick.real_now + performance.now() - this.heardAt : Date.now();
  }

  async load(api: Api): Promise<void> {
    const [fleet, depots] = await Promise.all([api.get<Fleet["fleet"]>("/v1/fleets/me"), api.all<Depot>("/v1/depots"), this.loadSites(api)]);
    this.fleet = fleet;
    this.depots = depots;
    this.tellSoon("sites");
  }

  /** Fences, closures and access zones: asked for again when the stream tells that one was changed, began or ended (`turns`). */
  async loadSites(api: Api): Promise<void> {
    const [fences, closures, zones] = await Promise.all([api.all<Fence>("/v1/fences"), api.get<{ items: Closure[] }>("/v1/closures"), api.get<{ items: Zone[] }>("/v1/access-zones")]);
    this.fences = fences;
    this.closures = closures.items;
    this.zones = zones.items;
    this.tellSoon("sites");
  }

  hear(told: Told): void {
    if (told.what === "link") {
      this.link = told.connected ? "live" : "old";
      this.tellSoon("link");
    } else if (told.what === "change") {
      if (told.anew) for (const [kind, all] of Object.entries(this.of)) this.clear(kind as Kind, all);
      for (const [kind, document] of told.documents) this.set(kind, document);
      for (const [kind, id] of told.gone) {
        this.of[kind].delete(id);
        this.touched(kind);
      }
      if (told.moved.length) this.move(told.moved);
      if (told.tick) {
        this.tick = told.tick;
        this.heardAt = performance.now();
        const link = told.tick.database_away ? "away" : "live";
        if (link !== this.link) this.tellSoon("link");
        this.link = link;
        this.tellSoon("tick");
      }
    }
  }

  private set(kind: Kind, document: unknown): void {
    (this.of[kind] as Map<string, unknown>).set((document as Record<string, string>)[ID[kind] as string]!, document);
    this.touched(kind);
  }

  private clear(kind: Kind, all: Map<string, unknown>): void {
    all.clear();
    this.touched(kind);
  }

  private touched(kind: Kind): void {
    if (kind === "vehicle") this.inOrder = null;
    if (kind === "order") this.left = null;
    this.tellSoon(kind);
  }

  private move(moved: Float64Array): void {
    for (let at = 0; at < moved.length; at += WIDTH + 1) {
      const row = moved[at]!;
      if ((row + 1) * WIDTH > this.moving.length) {
        const wider = new Float64Array(Math.max(this.moving.length * 2, (row + 1) * WIDTH));
        wider.set(this.moving);
        this.moving = wider;
      }
      for (let field = 0; field < WIDTH; field++) this.moving[row * WIDTH + field] = moved[at + 1 + field]!;
    }
    this.tellSoon("moved");
  }

  /** A moving value of a van; null where it is not known. */
  value(van: Vehicle, field: keyof typeof FIELDS): number | null {
    const value = this.moving[van.row * WIDTH + FIELDS[field]]!;
    return Number.isNaN(value) ? null : value;
  }

  /** Real milliseconds since the hub heard of a van; null: never. */
  silentMs(van: Vehicle): number | null {
    const seen = this.value(van, "seen_real");
    return seen === null ? null : Math.max(0, this.realNow - seen);
  }

  stale(van: Vehicle): boolean {
    const silent = this.silentMs(van);
    return silent === null || silent > STALE_MS;
  }

  /** Whether a van says nothing about its newest plan, though it should have: what it held stays with it. */
  unanswered(van: Vehicle): boolean {
    const plan = this.plans.get(van.vehicle);
    return van.plan_state === "sent" && plan?.version === van.plan_version && this.realNow > plan.answer_due_real_at && !(plan.valid_until !== null && plan.valid_until < this.now);
  }

  /** When the day that is being driven ends: at midnight of the fleet's zone, or with a shift that goes on past it. */
  get dayEnds(): number {
    return this.day.at;
  }

  private get day(): { at: number; began: number } {
    const minute = Math.floor(this.now / 60_000);
    if (this.ends?.minute !== minute || this.ends.zone !== this.fleet.timezone) {
      const midnight = nextMidnight(this.now, this.fleet.timezone);
      let at = midnight;
      for (const van of this.vehicles.values()) if (van.shift_start <= this.now && van.shift_end > at && van.shift_end < midnight + 12 * HOUR_MS) at = van.shift_end;
      this.ends = { minute, zone: this.fleet.timezone, at, began: nextMidnight(this.now - 24 * HOUR_MS, this.fleet.timezone) };
    }
    return this.ends;
  }

  /** Since when a van's work is that of its day: midnight of the fleet's zone, or the start of a shift that went on past it. */
  workSince(van: Vehicle): number {
    const midnight = this.day.began;
    return van.shift_start < midnight && van.shift_end > midnight ? van.shift_start : midnight;
  }

  /** It has no van because its day has not come: no reason to look for one. */
  isForLater(order: Order): boolean {
    return (order.state === "new" || order.state === "unassigned") && order.window_start >= this.dayEnds;
  }

  get vansInOrder(): readonly Vehicle[] {
    const { compare } = new Intl.Collator("en", { numeric: true });
    return (this.inOrder ??= [...this.vehicles.values()].sort((a, b) => compare(a.name, b.name)));
  }

  /** A van's stops that are left, in the plan's order. */
  stopsLeft(vehicle: string): readonly Order[] {
    if (!this.left) {
      this.left = new Map();
      for (const order of this.orders.values()) {
        if (!order.vehicle || !OPEN_STATES.includes(order.state)) continue;
        const list = this.left.get(order.vehicle);
        if (list) list.push(order);
        else this.left.set(order.vehicle, [order]);
      }
      for (const list of this.left.values()) list.sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
    }
    return this.left.get(vehicle) ?? [];
  }

  listen(listener: (parts: ReadonlySet<Part>) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Everything that one message of the feed changed is told in one go, once a frame. */
  private tellSoon(part: Part): void {
    if (this.waiting.size === 0) {
      setTimeout(() => {
        const parts = this.waiting;
        this.waiting = new Set();
        for (const listener of this.listeners) listener(parts);
      });
    }
    this.waiting.add(part);
  }
}

export const fleet = new Fleet();

/** Draw the component again when one of these parts changed. */
export function useFleet(...parts: Part[]): Fleet {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const wanted = parts.join();
  useEffect(() => fleet.listen((changed) => wanted.split(",").some((part) => changed.has(part as Part)) && again(0)), [wanted]);
  return fleet;
}

export const orderName = (order: Order): string => [order.reference, order.name].filter(Boolean).join(" ") || order.address || order.order;

/** Milliseconds past the promise that an order is expected, or was done; 0 where it is in time. */
export function lateMs(order: Order): number {
  const at = order.arrived_at ?? order.done_at ?? order.eta;
  return at === null ? 0 : Math.max(0, at - (order.promise_end ?? order.window_end));
}

/** Told apart on light and dark ground, and by people who do not see red and green alike (after Okabe and Ito 2008, darkened). */
const COLOURS = ["#0b62a4", "#b3470f", "#0a7a55", "#a23b7d", "#6a5acd", "#806000", "#00798c", "#c0392b", "#4d6b1f", "#7a4a2b"];
/** By a van's row, which it keeps: colours stay when other vans come and go. */
export const colourOf = (van: Vehicle | undefined): string => (van ? COLOURS[van.row % COLOURS.length]! : "#555555");
