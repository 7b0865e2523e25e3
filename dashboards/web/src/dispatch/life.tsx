/** What becomes of an order's goods once a stop failed: where they are, how often it was tried, and what can be decided now. */

import { useState } from "preact/hooks";
import { AddressSearch, type FoundPlace } from "./addresssearch";
import { useFleet } from "./fleet";
import { Act, Badge, Field, Section, type Tone, Trouble, VanChip } from "./parts";
import { f, t } from "./reader";
import { to } from "./route";
import { api, useAsked } from "./session";

const CHOICES = ["today", "tomorrow", "neighbour", "locker", "depot", "sender"] as const;
type Choice = (typeof CHOICES)[number];
type State =
  | "open" | "loaded" | "missed" | "failed" | "again" | "to_neighbour" | "to_locker" | "for_tomorrow" | "to_depot" | "to_sender" | "tomorrow"
  | "at_depot" | "returning" | "delivered" | "with_neighbour" | "in_locker" | "returned" | "cancelled";
interface Life {
  order: string;
  attempt: string;
  state: State;
  on_board_of: string | null;
  failures: number;
  most_attempts: number;
  choices: string[];
  attempts: string[];
}
const DAY_MS = 86_400_000;
/** Nothing has failed there: the order's own page says all of it. */
const USUAL: ReadonlySet<State> = new Set(["open", "loaded", "delivered", "cancelled"]);
const WAITS: ReadonlySet<State> = new Set(["failed", "missed", "at_depot"]);
const toneOf = (state: State): Tone => (WAITS.has(state) ? "bad" : state === "delivered" || state === "with_neighbour" || state === "in_locker" || state === "returned" ? "good" : "info");

export function LifeSection({ order, turn, from, until }: { order: string; turn: string; from: string; until: string }) {
  const fleet = useFleet("vehicle");
  const [done, setDone] = useState(0);
  const door = `/v1/orders/${encodeURIComponent(order)}`;
  const { answer: life, error } = useAsked<Life>(`${door}/life`, `${turn} ${done}`);
  const again = (): void => setDone((n) => n + 1);
  if (!life || (USUAL.has(life.state) && life.failures === 0)) return error ? <Trouble>{error}</Trouble> : null;
  const open = CHOICES.filter((choice) => life.choices.includes(choice));
  return (
    <Section title={t("life.title")} actions={<Badge tone={toneOf(life.state)}>{t(`life.state.${life.state}`)}</Badge>}>
      <div class="sheet">
        <p>{t("life.tried", { n: f.count(life.failures), most: f.count(life.most_attempts) })}{life.on_board_of && <> · {t("life.on_board")} <VanChip vehicle={life.on_board_of} /></>}{life.attempt !== order && <> · <a href={to("orders", life.attempt)}>{t("life.newest")}</a></>}</p>
        {open.length > 0 && <Decide key={`${life.state} ${life.attempt}`} door={door} choices={open} from={Date.parse(from)} until={Date.parse(until)} now={fleet.now} after={again} />}
        {(life.on_board_of || life.state === "returning") && (
          <div class="actions">
            {life.on_board_of && WAITS_FOR_DEPOT.has(life.state) && <Act act={() => api.post(`${door}/unloaded`)} done={t("story.order.unloaded")} after={again}>{t("life.unloaded")}</Act>}
            {life.state === "returning" && <Act act={() => api.post(`${door}/handed-back`)} done={t("story.order.handed_back")} after={again}>{t("life.handed_back")}</Act>}
          </div>
        )}
      </div>
    </Section>
  );
}
const WAITS_FOR_DEPOT: ReadonlySet<State> = new Set(["failed", "again", "to_neighbour", "to_locker", "for_tomorrow", "to_depot", "to_sender"]);

/** One of what the table of its life allows now, with what that needs: a window for another day, a place for a neighbour or a locker. */
function Decide({ door, choices, from, until, now, after }: { door: string; choices: readonly Choice[]; from: number; until: number; now: number; after: () => void }) {
  const [choice, choose] = useState<Choice>(choices[0]!);
  const later = Math.max(1, Math.ceil((now - from) / DAY_MS)) * DAY_MS; // the same hours of the next day
  const [starts, setStarts] = useState(f.local(from + later));
  const [ends, setEnds] = useState(f.local(until + later));
  const [place, setPlace] = useState<FoundPlace | null>(null);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const elsewhere = choice === "neighbour" || choice === "locker";
  const decide = (): Promise<unknown> => {
    if (elsewhere && !place) return Promise.reject(new Error(t("life.place_first")));
    const window = choice === "tomorrow" ? { window_start: new Date(f.instant(starts)).toISOString(), window_end: new Date(f.instant(ends)).toISOString() } : {};
    const at = elsewhere && place ? { place: { lat_deg: place.lat_deg, lon_deg: place.lon_deg, address: place.label, name: name.trim() || t(`life.do.${choice}`) } } : {};
    return api.post(`${door}/choice`, { choice, note: note.trim(), ...window, ...at });
  };
  return (
    <div class="form life">
      <Field label={t("life.what")}>{(id) => <select id={id} value={choice} onChange={(event) => choose(event.currentTarget.value as Choice)}>{choices.map((one) => <option key={one} value={one}>{t(`life.do.${one}`)}</option>)}</select>}</Field>
      {choice === "tomorrow" && <div class="pair"><Field label={t("order.from")}>{(id) => <input id={id} type="datetime-local" required value={starts} onInput={(event) => setStarts(event.currentTarget.value)} />}</Field><Field label={t("order.to")}>{(id) => <input id={id} type="datetime-local" required value={ends} onInput={(event) => setEnds(event.currentTarget.value)} />}</Field></div>}
      {elsewhere && <><AddressSearch take={setPlace} />{place && <p role="status"><b>{place.label}</b></p>}<Field label={t(choice === "neighbour" ? "life.neighbour_name" : "life.locker_name")}>{(id) => <input id={id} maxLength={300} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field></>}
      <Field label={t("life.note")}>{(id) => <input id={id} maxLength={300} autocomplete="off" value={note} onInput={(event) => setNote(event.currentTarget.value)} />}</Field>
      <div class="actions"><Act act={decide} done={t(`story.order.${choice}`)} tone="primary" after={after}>{t("life.decide")}</Act></div>
    </div>
  );
}
