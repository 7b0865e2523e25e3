/** The feed: one stream for all of a browser's pages (SharedWorker), read and unpacked away from the threads that draw.

What changes every second goes to the pages as numbers in one array; other documents go as objects, when they differ. */

import { follow } from "../shared/stream";
import { astrayAfter, type Straying } from "./astray";
import { FIELDS, ID, type Kind, type Plan, type Tick, type Told, WIDTH } from "./documents";

type Raw = Record<string, unknown>;
interface Port {
  postMessage(told: Told): void;
}

const GATHER_MS = 60;
/** What the hub sends in one go arrives in pieces: they are told on once it is quiet, or after this long. */
const LONGEST_MS = 250;
const INSTANTS: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  vehicle: ["shift_start", "shift_end"],
  plan: ["issued_at", "answer_due_real_at", "valid_until"],
  order: ["window_start", "window_end", "promise_start", "promise_end", "eta", "eta_low", "eta_high", "arrived_at", "done_at"],
  event: ["at"],
  message: ["at"],
  report: ["at"],
  alert: ["from_at", "to_at"],
};
const KEPT = ["vehicle", "name", "depot", "driver", "driver_phone", "capacity", "shift_start", "shift_end", "online", "duty", "plan_version", "plan_state"] as const;
const NOTHING = Number.NaN;

class Feed {
  readonly ports = new Set<Port>();
  private readonly stop = new AbortController();
  /** Plans first: whether a van is off its way is judged when its place is taken. */
  private readonly documents: { [K in Kind]: Map<string, Raw> } = { plan: new Map(), vehicle: new Map(), order: new Map(), event: new Map(), message: new Map(), report: new Map(), alert: new Map(), turn: new Map() };
  private readonly rows = new Map<string, number>();
  private moving = new Float64Array(WIDTH * 64);
  private readonly moved = new Set<number>();
  private readonly straying = new Map<string, Straying>();
  private changed: [Kind, unknown][] = [];
  private gone: [Kind, string][] = [];
  private tick: Tick | null = null;
  private anew = false;
  private heard = false;
  private connected = false;
  private timer = 0;
  private since = 0;

  constructor(private readonly key: string) {}

  run(): void {
    follow("/v1/stream", this.key, (events) => this.hear(events), (connected) => this.link(connected), this.stop.signal).catch(() => {
      this.tell({ what: "refused" });
      feeds.delete(this.key);
    });
  }

  join(port: Port): void {
    this.ports.add(port);
    if (!this.heard) return;
    const documents = (Object.keys(this.documents) as Kind[]).flatMap((kind) => [...this.documents[kind].values()].map((document): [Kind, unknown] => [kind, document]));
    port.postMessage({ what: "change", anew: true, documents, gone: [], moved: this.rowsOf(this.rows.values()), tick: this.tick });
    port.postMessage({ what: "link", connected: this.connected });
  }

  leave(port: Port): void {
    this.ports.delete(port);
    if (this.ports.size === 0) {
      this.stop.abort();
      feeds.delete(this.key);
    }
  }

  private link(connected: boolean): void {
    if (connected === this.connected) return;
    this.connected = connected;
    this.tell({ what: "link", connected });
  }

  private hear(events: [string, string][]): void {
    for (const [event, data] of events) {
      const body = JSON.parse(data) as Raw;
      if (event === "tick") this.tick = { now: ms(body["now"])!, real_now: ms(body["real_now"])!, database_away: body["database_away"] as boolean };
      else if (event === "snapshot") this.begin(body);
      else if (event === "gone") this.forget(body["kind"] as Kind, body["id"] as string);
      else if (event in this.documents) this.take(event as Kind, body);
    }
    clearTimeout(this.timer);
    this.since ||= performance.now();
    const left = LONGEST_MS - (performance.now() - this.since);
    this.timer = setTimeout(() => this.flush(), Math.max(0, Math.min(GATHER_MS, left)));
  }

  private begin(body: Raw): void {
    this.changed = [];
    this.gone = [];
    this.anew = this.heard = true;
    for (const kind of Object.keys(this.documents) as Kind[]) {
      this.documents[kind].clear();
      for (const document of (body[kind] as Raw[] | undefined) ?? []) this.take(kind, document);
    }
  }

  private forget(kind: Kind, id: string): void {
    this.documents[kind].delete(id);
    this.gone.push([kind, id]);
  }

  private take(kind: Kind, body: Raw): void {
    for (const field of INSTANTS[kind] ?? []) body[field] = ms(body[field]);
    const id = body[ID[kind]] as string;
    let document = body;
    if (kind === "vehicle") {
      const row = this.move(id, body);
      const before = this.documents.vehicle.get(id);
      const astray = this.astray(id, body, row);
      if (before && before["astray"] === astray && KEPT.every((field) => before[field] === body[field])) return;
      document = { row, astray };
      for (const field of KEPT) document[field] = body[field];
    }
    this.documents[kind].set(id, document);
    this.changed.push([kind, document]);
  }

  private move(id: string, body: Raw): number {
    let row = this.rows.get(id);
    if (row === undefined) {
      row = this.rows.size;
      this.rows.set(id, row);
      if ((row + 1) * WIDTH > this.moving.length) {
        const wider = new Float64Array(this.moving.length * 2);
        wider.set(this.moving);
        this.moving = wider;
      }
    }
    const at = row * WIDTH;
    this.moving[at + FIELDS.lat_deg] = (body["lat_deg"] as number | null) ?? NOTHING;
    this.moving[at + FIELDS.lon_deg] = (body["lon_deg"] as number | null) ?? NOTHING;
    this.moving[at + FIELDS.speed_mps] = (body["speed_mps"] as number | null) ?? NOTHING;
    this.moving[at + FIELDS.heading_deg] = (body["heading_deg"] as number | null) ?? NOTHING;
    this.moving[at + FIELDS.time] = ms(body["time"]) ?? NOTHING;
    this.moving[at + FIELDS.seen_real] = ms(body["seen_real_at"]) ?? NOTHING;
    this.moving[at + FIELDS.backlog] = body["backlog"] as number;
    this.moved.add(row);
    return row;
  }

  private astray(id: string, body: Raw, row: number): boolean {
    const at = row * WIDTH;
    const plan = this.documents.plan.get(id) as unknown as Plan | undefined;
    const seen = { lat_deg: this.moving[at]!, lon_deg: this.moving[at + FIELDS.lon_deg]!, time: this.moving[at + FIELDS.time]!, moving: this.moving[at + FIELDS.speed_mps]! > 1 };
    const straying = astrayAfter(this.straying.get(id), seen, body["duty"] === "on" ? plan : undefined);
    this.straying.set(id, straying);
    return straying.astray;
  }

  private rowsOf(rows: Iterable<number>): Float64Array {
    const wanted = [...rows];
    const told = new Float64Array(wanted.length * (WIDTH + 1));
    wanted.forEach((row, at) => {
      told[at * (WIDTH + 1)] = row;
      told.set(this.moving.subarray(row * WIDTH, (row + 1) * WIDTH), at * (WIDTH + 1) + 1);
    });
    return told;
  }

  private flush(): void {
    this.since = 0;
    this.tell({ what: "change", anew: this.anew, documents: this.changed, gone: this.gone, moved: this.rowsOf(this.moved), tick: this.tick });
    this.changed = [];
    this.gone = [];
    this.moved.clear();
    this.anew = false;
  }

  private tell(told: Told): void {
    for (const port of this.ports) port.postMessage(told);
  }
}

const ms = (at: unknown): number | null => (typeof at === "string" ? Date.parse(at) : null);
const feeds = new Map<string, Feed>();

/** A page says `{open: key}` first, and `{leave: true}` when it goes. */
function serve(port: MessagePort | typeof self): void {
  let feed: Feed | null = null;
  const answers: Port = { postMessage: (told) => port.postMessage(told) };
  port.onmessage = ({ data }: MessageEvent<{ open?: string; leave?: true }>) => {
    feed?.leave(answers);
    feed = null;
    if (data.open === undefined) return;
    feed = feeds.get(data.open) ?? new Feed(data.open);
    if (!feeds.has(data.open)) {
      feeds.set(data.open, feed);
      feed.run();
    }
    feed.join(answers);
  };
}

if ("onconnect" in self) self.onconnect = (event: MessageEvent) => serve(event.ports[0]!);
else serve(self);

