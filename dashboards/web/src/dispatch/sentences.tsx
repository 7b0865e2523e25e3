/** What the hub says (why a plan changed, why nobody comes), told in the reader's language from its codes: `GET /v1/sentences`. */

import type { Api } from "../shared/api";

/** One sentence of the hub's. Code "": a person's own words, in `text`. Names that end in `_said` hold sentences themselves. */
export interface Sentence {
  code: string;
  params: Record<string, string | Sentence[]>;
}

let table: Readonly<Record<string, string>> = {};
const BETWEEN = "; ";

/** Take the words of a language on. English is as the hub sends it: nothing to fetch. */
export async function learn(api: Api, language: string): Promise<void> {
  table = language === "en" ? {} : (await api.get<{ sentences: Record<string, string> }>(`/v1/sentences?language=${language}`)).sentences;
}

const knows = (said: readonly Sentence[] | null | undefined): said is readonly Sentence[] => Boolean(said?.length && said.every(({ code }) => code === "" || code in table));

function tell({ code, params }: Sentence): string {
  if (code === "") return String(params["text"] ?? "");
  return table[code]!.replaceAll(/\{(\w+)\}/g, (gap, name: string) => {
    const value = params[name];
    if (Array.isArray(value)) return knows(value) ? value.map(tell).join(BETWEEN) : gap;
    return value === undefined ? gap : (table[`${name}.${value}`] ?? value);
  });
}

/** A text of the hub's in the reader's language, where it has codes that the page knows; else as it was sent. */
export const sentence = (text: string | null | undefined, said: readonly Sentence[] | null | undefined): string => (knows(said) ? said.map(tell).join(BETWEEN) : (text ?? ""));

/** The same, marked as English for whoever reads it aloud where it is. */
export function Told({ text, said }: { text: string | null | undefined; said: readonly Sentence[] | null | undefined }) {
  const words = sentence(text, said);
  return words ? <span {...(knows(said) ? {} : { lang: "en" })}>{words}</span> : null;
}
