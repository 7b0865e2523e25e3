/** One line of an order's story in the reader's words: what happened, in which colour, and its details. */

import type { Tone } from "./parts";
import { f, type Key, t } from "./reader";
import { type Sentence, sentence } from "./sentences";
import en from "./words/en.json";

export interface Item {
  at: string;
  kind: string;
  vehicle: string | null;
  body: Record<string, unknown>;
  said?: Sentence[];
}
interface Said {
  tone: Tone;
  what: string;
  more: string;
}
type Stated = Record<string, unknown> | null;

const TONES: readonly (readonly [RegExp, Tone])[] = [[/failed|declined|alert|cancel|refused|damaged/, "bad"], [/corrected|dropped|nearby/, "warn"], [/delivered/, "good"], [/visit|arrived/, "info"]];

/** The word of the first key that there is; a newer hub's thing is called as the hub calls it. */
const wordOf = (name: string, ...keys: string[]): string => {
  const key = keys.find((one) => one in en);
  return key ? t(key as Key) : name.replaceAll(/[._]/g, " ");
};

export function said({ kind, body, said: reason }: Item): Said {
  const what = kind.startsWith("case.") && kind !== "case.moved" ? `${wordOf(kind, kind)}: ${t("case.did.open")}` : wordOf(kind, `story.${kind}`, kind);
  const tone = TONES.find(([pattern]) => pattern.test(kind))?.[1] ?? "plain";
  const text = (name: string): string => (typeof body[name] === "string" ? body[name] : "");
  const more = [kind === "plan.issued" ? t("story.as_stop", { n: String(body["position"] ?? "?") }) : "", sentence(text("reason"), reason), causeOf(text("cause")), detailsOf(kind, body)].filter(Boolean).join(" · ");
  return { tone, what, more };
}

/** Why something was corrected, in the reader's words and time. */
const causeOf = (text: string): string => text.split("; ").map(oneCause).join("; ");
const LATE_LOG = /^the van's log of (.+) arrived at (.+)$/;
function oneCause(text: string): string {
  if (`cause.${text}` in en) return t(`cause.${text}` as Key);
  const [, of, at] = LATE_LOG.exec(text) ?? [];
  const clock = (utc: string): string => f.dayClock(`${utc.replace(" UTC", "Z").replace(" ", "T")}`);
  return of && at ? t("cause.late_log", { of: of.split(" to ").map(clock).join(" – "), at: clock(at) }) : text;
}

function detailsOf(kind: string, body: Item["body"]): string {
  switch (kind) {
    case "order.changed": return Object.entries(body).filter(([name]) => !HIDDEN.has(name)).map(([name, value]) => fieldOf(name, value)).join(", ");
    case "order.redirected": return String(body["address"] ?? "");
    case "order.window_chosen": return span(body["window_start"], body["window_end"]);
    case "visit.nearby": return t("story.until", { at: clockOf(body["left_at"]) });
    case "case.moved": return wordOf(String(body["event"]), `case.did.${String(body["event"])}`);
    case "corrected.order": case "corrected.visit": case "corrected.alert": return `${statedOf(kind, body["was"] as Stated)} → ${statedOf(kind, body["now"] as Stated)}`;
    default: return "";
  }
}

const HIDDEN = new Set(["actor", "reason", "cause", "position", "version"]);
const FIELDS: Readonly<Record<string, Key>> = { window_start: "order.from", window_end: "order.to" };
/** A field of an order as it is called in its form; a list or what is kept from the journal only by its name. */
function fieldOf(name: string, value: unknown): string {
  const word = wordOf(name, FIELDS[name] ?? "", `term.order.${name}`, `term.${name}`, `order.${name}`);
  if (value === null || typeof value === "object" || typeof value === "boolean" || value === "changed") return word;
  return `${word}: ${/^\d{4}-\d\d-\d\dT/.test(String(value)) ? f.clock(String(value)) : String(value)}`;
}

const clockOf = (at: unknown): string => (typeof at === "string" ? f.clock(at) : "–");
const span = (from: unknown, to: unknown): string => `${clockOf(from)} – ${clockOf(to)}`;
/** What was shown, or is known now, in one look. */
function statedOf(kind: string, stated: Stated): string {
  if (!stated) return "–";
  if (kind === "corrected.order") return `${wordOf(String(stated["state"]), `state.${String(stated["state"])}`)} ${clockOf(stated["at"])}`;
  if (kind === "corrected.visit") return span(stated["arrived_at"], stated["left_at"]);
  return `${wordOf(String(stated["kind"]), `story.alert.${String(stated["kind"])}`)} ${span(stated["from_at"], stated["to_at"])}`;
}
