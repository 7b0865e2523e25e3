/** Everything else that can be said of an order, under a fold: fields drawn from the hub's own list of terms, and read back as the API's body. */

import { useState } from "preact/hooks";
import { fleet } from "./fleet";
import { Field, Trouble } from "./parts";
import { choices, f, type Key, t } from "./reader";
import { useAsked } from "./session";
import en from "./words/en.json";

export interface OrderTerm {
  owner: string;
  name: string;
  /** Its path in the order's JSON, as `needs.deadline`. */
  where: string;
  label: string;
  type: string;
  unit: string | null;
  meaning: string;
  least: number | null;
  most: number | null;
  choices: string[] | null;
  fields: OrderTerm[];
}

/** What the form asks by itself. */
const ABOVE: ReadonlySet<string> = new Set(["reference", "kind", "depot", "name", "phone", "address", "instructions", "window_start", "window_end", "parcels", "service_level"]);
/** A person's number times this is the API's: money for cents, minutes for seconds, kilograms and litres for grams and millilitres. */
const SCALES: readonly [RegExp, number, () => string][] = [[/_cents$/, 100, () => choices.currency], [/_s$|^service_by_type$/, 60, () => "min"], [/_g$/, 1000, () => "kg"], [/_ml$/, 1000, () => "l"]];
const timesOf = (term: OrderTerm): number => SCALES.find(([ending]) => ending.test(term.name))?.[1] ?? 1;
const unitOf = (term: OrderTerm): string => SCALES.find(([ending]) => ending.test(term.name))?.[2]() ?? "";
const WINDOW = ["from", "to"] as const;

export function useOrderTerms(): { terms: OrderTerm[]; error: string } {
  const { answer, error } = useAsked<{ terms: OrderTerm[] }>("/v1/terms");
  return { terms: (answer?.terms ?? []).filter((term) => term.owner === "order" && !ABOVE.has(term.name)), error };
}

const labelOf = (term: OrderTerm): string => {
  const key = `term.${term.name}`;
  const label = key in en ? t(key as Key) : term.label;
  return unitOf(term) ? `${label} (${unitOf(term)})` : label;
};

export function OrderTerms({ terms, error }: { terms: OrderTerm[]; error: string }) {
  const [opened, open] = useState(false);
  return (
    <details onToggle={() => open(true)}>
      <summary>{t("order.more")}</summary>
      <Trouble>{error}</Trouble>
      {opened && <div class="form wide">{terms.map((term) => <One key={term.where} term={term} />)}</div>}
    </details>
  );
}

/** One term's field, by its type. */
function One({ term }: { term: OrderTerm }) {
  const label = labelOf(term);
  const name = term.where;
  if (term.type === "yes or no") return <label class="check"><input type="checkbox" name={name} /> {label}</label>;
  if (term.type === "list" || term.type === "windows") return <Rows term={term} label={label} />;
  if (term.type === "words" && term.choices) return <fieldset><legend>{label}</legend>{term.choices.map((one) => <label key={one} class="check"><input type="checkbox" name={name} value={one} /> {t(`proof.${one}` as Key)}</label>)}</fieldset>;
  if (term.name === "vehicles") return <Field label={label}>{(id) => <select id={id} name={name} multiple size={4}>{[...fleet.vehicles.values()].map((van) => <option key={van.vehicle} value={van.vehicle}>{van.name}</option>)}</select>}</Field>;
  if (term.name === "goods_at") return <Field label={label}>{(id) => <select id={id} name={name}><option value="" />{fleet.depots.map((depot) => <option key={depot.depot} value={depot.depot}>{depot.name}</option>)}</select>}</Field>;
  return <Field label={label} help={term.type === "words" ? t("order.commas") : term.type === "table" ? t("order.by_type") : undefined}>{(id) => <Input id={id} name={name} term={term} />}</Field>;
}

function Input({ id, name, term, label }: { id?: string; name: string; term: OrderTerm; label?: string }) {
  const limit = (value: number | null): number | undefined => (value === null ? undefined : value / timesOf(term));
  if (term.type === "instant") return <input id={id} name={name} type="datetime-local" aria-label={label} />;
  if (term.type === "integer" || term.type === "number") return <input id={id} name={name} type="number" min={limit(term.least)} max={limit(term.most)} step="any" aria-label={label} />;
  return <input id={id} name={name} maxLength={500} autocomplete="off" aria-label={label} />;
}

/** Windows, or parcels: a row each, and one more on demand. */
function Rows({ term, label }: { term: OrderTerm; label: string }) {
  const [count, set] = useState(1);
  const columns = term.type === "windows" ? WINDOW.map((end) => ({ ...term, type: "instant", name: end, label: t(`order.${end}`) })) : term.fields.map((one) => ({ ...one, label: labelOf(one) }));
  return (
    <fieldset>
      <legend>{label}</legend>
      {Array.from({ length: count }, (_, row) => (
        <div class="pair" key={row}>{columns.map((one) => <Field key={one.name} label={one.label}>{(id) => <Input id={id} name={`${term.where}.${one.name}`} term={one} />}</Field>)}</div>
      ))}
      <button type="button" class="button quiet" onClick={() => set(count + 1)}>{t("order.one_more")}</button>
    </fieldset>
  );
}

/** What was filled in, as a part of the API's body. */
export function saidOf(terms: readonly OrderTerm[], values: FormData): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  const needs: Record<string, unknown> = {};
  for (const term of terms) {
    const value = valueOf(term, values);
    if (value !== undefined) (term.where.startsWith("needs.") ? needs : own)[term.name] = value;
  }
  return Object.keys(needs).length ? { ...own, needs } : own;
}

const number = (term: OrderTerm, text: string): number => (term.type === "integer" || term.type === "table" ? Math.round(Number(text) * timesOf(term)) : Number(text) * timesOf(term));
const instant = (text: string): string => new Date(f.instant(text)).toISOString();

function valueOf(term: OrderTerm, values: FormData): unknown {
  const column = (name: string): string[] => values.getAll(`${term.where}.${name}`).map((one) => String(one).trim());
  const all = values.getAll(term.where).map((one) => String(one).trim()).filter(Boolean);
  const some = <T,>(list: T[]): T[] | undefined => (list.length ? list : undefined);
  if (term.type === "windows") {
    const [from, to] = WINDOW.map(column) as [string[], string[]];
    return some(from.flatMap((opens, row) => (opens && to[row] ? [[instant(opens), instant(to[row]!)]] : [])));
  }
  if (term.type === "list") {
    const [first, ...rest] = term.fields;
    return some(column(first!.name).flatMap((key, row) => (key ? [{ [first!.name]: key, ...Object.fromEntries(rest.flatMap((one) => (column(one.name)[row] ? [[one.name, plain(one, column(one.name)[row]!)]] : []))) }] : [])));
  }
  if (term.type === "words") return some(term.choices || term.name === "vehicles" ? all : all.flatMap((text) => text.split(",").map((one) => one.trim()).filter(Boolean)));
  if (!all.length) return undefined;
  if (term.type === "table") return Object.fromEntries(all[0]!.split(",").map((pair) => pair.split(":")).map(([name, value]) => [name!.trim(), number(term, value ?? "")]));
  return plain(term, all[0]!);
}

function plain(term: OrderTerm, text: string): unknown {
  if (term.type === "yes or no") return true;
  if (term.type === "instant") return instant(text);
  return term.type === "integer" || term.type === "number" ? number(term, text) : text;
}
