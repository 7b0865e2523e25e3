/** What the hub says (why a plan changed, why nobody comes), told in the reader's language from its codes: `GET /v1/sentences`. */

import type { Api } from "../shared/api";
import { fleet } from "./fleet";
import { f } from "./reader";

/** One sentence of the hub's. Code "": a person's own words, in `text`. Names that end in `_said` hold sentences themselves. */
export interface Sentence {
  code: string;
  params: Record<string, string | Sentence[]>;
}

let table: Readonly<Record<string, string>> = {};
const BETWEEN = "; ";

/** Take the words of a language on; English too, because amounts, times and distances in it are the reader's. */
export async function learn(api: Api, language: string): Promise<void> {
  table = (await api.get<{ sentences: Record<string, string> }>(`/v1/sentences?language=${language}`)).sentences;
}

const knows = (said: readonly Sentence[] | null | undefined): said is readonly Sentence[] => Boolean(said?.length && said.every(({ code }) => code === "" || code in table));

/** Amounts of money: whole units and hundredths, without a currency. */
const MONEY = new Set(["amount", "cost", "worth"]);
const CLOCK = /^\d\d:\d\d$/;
const NUMBER = /^-?\d+(\.\d+)?$/;
const M_OF: Readonly<Record<string, number>> = { km: 1000, m: 1 };

/** A gap's value as the reader has it: their currency, their time zone (the hub writes times of day in the fleet's). */
function filledIn(name: string, value: string): string {
  if (MONEY.has(name) && NUMBER.test(value)) return f.money(Number(value) * 100);
  return CLOCK.test(value) ? f.clockOf(value, fleet.fleet.timezone, fleet.now) : (table[`${name}.${value}`] ?? value);
}

function tell({ code, params }: Sentence): string {
  if (code === "") return String(params["text"] ?? "");
  return table[code]!.replaceAll(/\{(\w+)\}( k?m\b)?/g, (gap, name: string, unit = "") => {
    const value = params[name];
    if (Array.isArray(value)) return knows(value) ? value.map(tell).join(BETWEEN) + unit : gap;
    if (value === undefined) return gap;
    return unit && NUMBER.test(value) ? f.distance(Number(value) * M_OF[unit.trim()]!) : filledIn(name, value) + unit;
  });
}

/** A text of the hub's in the reader's language, where it has codes that the page knows; else as it was sent. */
export const sentence = (text: string | null | undefined, said: readonly Sentence[] | null | undefined): string => (knows(said) ? said.map(tell).join(BETWEEN) : (text ?? ""));

/** The same, marked as English for whoever reads it aloud where it is. */
export function Told({ text, said }: { text: string | null | undefined; said: readonly Sentence[] | null | undefined }) {
  const words = sentence(text, said);
  return words ? <span {...(knows(said) ? {} : { lang: "en" })}>{words}</span> : null;
}
