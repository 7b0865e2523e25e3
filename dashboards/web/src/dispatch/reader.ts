/** Who reads: language, time zone, units, currency and look, kept in this browser; and the words and formats that follow from it. */

import { useEffect, useReducer } from "preact/hooks";
import { sayUnreached } from "../shared/api";
import { Format } from "../shared/format";
import { type Catalogue, chosen, filled, type Values } from "../shared/words";
import { fleet } from "./fleet";
import en from "./words/en.json";

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français" } as const;
export type Language = keyof typeof LANGUAGES;
export type Key = keyof typeof en;
/** Keys that have a form for one and a form for more. */
export type Counted = { [K in Key]: K extends `${infer Stem}.other` ? Stem : never }[Key];

export interface Choices {
  language: Language;
  /** "" is the fleet's own. */
  timeZone: string;
  miles: boolean;
  currency: string;
  theme: "auto" | "light" | "dark";
}

const KEPT = "roundsman-reader";
const CATALOGUES: Record<Language, () => Promise<{ default: Catalogue<Key> }>> = {
  en: () => Promise.resolve({ default: en }),
  de: () => import("./words/de.json"),
  es: () => import("./words/es.json"),
  fr: () => import("./words/fr.json"),
};

const CURRENCY_OF: Readonly<Record<string, string>> = { US: "USD", GB: "GBP", CH: "CHF", SE: "SEK", DK: "DKK", NO: "NOK", PL: "PLN", CZ: "CZK", CA: "CAD", AU: "AUD", JP: "JPY" };

function kept(): Choices {
  const region = navigator.language.split("-")[1] ?? "";
  const language = chosen(Object.keys(LANGUAGES) as Language[], navigator.languages);
  const usual: Choices = { language, timeZone: "", miles: ["US", "GB"].includes(region), currency: CURRENCY_OF[region] ?? "EUR", theme: "auto" };
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Choices>) };
  } catch {
    return usual;
  }
}

export let choices = kept();
export let f = new Format({ ...choices, timeZone: choices.timeZone || "UTC" });
let words: Catalogue<Key> = en;
const listeners = new Set<() => void>();
const darkness = matchMedia("(prefers-color-scheme: dark)");

export const isDark = (): boolean => (choices.theme === "auto" ? darkness.matches : choices.theme === "dark");

let learning = (_language: Language): Promise<void> => Promise.resolve();
/** What else has to be learned when the language changes: the hub's own sentences, once there is a key. */
export function alsoLearn(learn: (language: Language) => Promise<void>): void {
  learning = learn;
}

/** Take the choices on: words, formats, the page's language and look. */
export async function settle(changed: Partial<Choices> = {}): Promise<void> {
  choices = { ...choices, ...changed };
  if (Object.keys(changed).length) localStorage.setItem(KEPT, JSON.stringify(choices));
  words = (await CATALOGUES[choices.language]()).default;
  await learning(choices.language);
  f = new Format({ ...choices, timeZone: choices.timeZone || fleet.fleet.timezone });
  sayUnreached(t("entry.no_hub"));
  document.documentElement.lang = choices.language;
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}
darkness.addEventListener("change", () => void settle());

export const t = (key: Key, values?: Values): string => filled(words[key], values);
export const tn = (key: Counted, n: number, values?: Values): string => filled(words[`${key}.${f.plural.select(n) === "one" ? "one" : "other"}` as Key], { n: f.count(n), ...values });

/** Draw again when the reader chose otherwise; gives a number that changes with each choice. */
export function useReader(): number {
  const [turn, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const listener = (): void => again(0);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return turn;
}
