/** The hub's own list of what can be said of an order, a vehicle, a driver, a depot, the fleet or its units: names, units, and the way between a form and JSON. */

import { choices, f, type Key, t } from "./reader";
import en from "./words/en.json";

export type Owner = "order" | "vehicle" | "driver" | "depot" | "fleet" | "unit";

export interface Term {
  owner: Owner;
  name: string;
  /** Its path in its owner's JSON, as `needs.deadline`. */
  where: string;
  changeable: boolean;
  label: string;
  type: string;
  unit: string | null;
  meaning: string;
  required: boolean;
  default: unknown;
  least: number | null;
  most: number | null;
  choices: string[] | null;
  /** It holds ids of these. */
  of: "depot" | "vehicle" | "driver" | null;
  fields: Term[];
}
/** What a form's row holds, by column. */
export type Row = Record<string, unknown>;

const METRES_A_MILE = 1609.344;
/** A person's number times this is the API's: money for cents, minutes for seconds, kilograms and litres for grams and millilitres. A unit's own settings are small: they stay. */
const SCALES: readonly [RegExp, () => number, () => string][] = [
  [/^cents/, () => 100, () => choices.currency],
  [/^seconds/, () => 60, () => "min"],
  [/^minutes/, () => 1, () => "min"],
  [/^grams/, () => 1000, () => "kg"],
  [/^millilitres/, () => 1000, () => "l"],
  [/^metres$/, () => (choices.miles ? METRES_A_MILE : 1000), () => (choices.miles ? "mi" : "km")],
];
const OF_UNIT: Readonly<Record<string, string>> = { seconds: "s", metres: "m", degrees: "°", "metres a second": "m/s" };
const scaleOf = (term: Term): (typeof SCALES)[number] | undefined => (term.owner === "unit" ? undefined : SCALES.find(([unit]) => unit.test(term.unit ?? "")));
export const timesOf = (term: Term): number => scaleOf(term)?.[1]() ?? 1;
const unitOf = (term: Term): string => (term.owner === "unit" ? OF_UNIT[term.unit ?? ""] : scaleOf(term)?.[2]()) ?? "";

const wordOf = (...keys: string[]): string | undefined => {
  const key = keys.find((one) => one in en);
  return key && t(key as Key);
};
const namedOf = (term: Term): string | undefined => wordOf(`term.${term.owner}.${term.name}`, `term.${term.name}`, ...(term.owner === "order" ? [`order.${term.name}`] : []));

/** A field that is newer than this page is called as the hub calls it, and explained in its words. */
export const labelOf = (term: Term): string => {
  const label = namedOf(term) ?? term.label;
  return unitOf(term) ? `${label} (${unitOf(term)})` : label;
};
export const helpOf = (term: Term): string | undefined => wordOf(`term.${term.name}.help`) ?? (term.type === "words" && !term.of ? t("order.commas") : namedOf(term) ? undefined : term.meaning);
export const choiceOf = (term: Term, value: string): string => wordOf(`choice.${term.name}.${value}`, `proof.${value}`) ?? value;

/** The list as it comes, with each record's fields knowing whose they are. */
export const owned = (terms: readonly Term[], owner: Owner): Term[] => terms.filter((term) => term.owner === owner).map((term) => ({ ...term, fields: term.fields.map((one) => ({ ...one, owner })) }));

const WINDOW = ["from", "to"] as const;
const inRows = (term: Term): boolean => ["list", "windows", "record"].includes(term.type) || (term.type === "table" && term.fields.length > 0);
/** What a term's rows are made of; nothing where it has no rows. */
export function columnsOf(term: Term): Term[] {
  if (!inRows(term)) return [];
  const plainly = { ...term, least: null, most: null, choices: null, of: null, fields: [] };
  if (term.type === "windows") return WINDOW.map((name) => ({ ...plainly, type: "instant", name, label: t(`order.${name}`) }));
  return term.type === "table" ? [{ ...plainly, type: "text", name: "name", unit: null }, ...term.fields] : term.fields;
}
export function rowsOf(term: Term, given: unknown): Row[] {
  if (!given) return [];
  if (term.type === "windows") return (given as [string, string][]).map(([from, to]) => ({ from, to }));
  if (term.type === "table") return Object.entries(given as Record<string, Row[]>).flatMap(([name, rows]) => rows.map((row) => ({ name, ...row })));
  return term.type === "record" ? [given as Row] : (given as Row[]);
}

/** A value as its input has it. */
export function textOf(term: Term, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (term.type === "instant") return f.local(Date.parse(value as string));
  if (term.type === "words") return (value as string[]).join(", ");
  const shown = (one: unknown): string => (typeof one === "number" ? String(Number((one / timesOf(term)).toFixed(6))) : String(one));
  return term.type === "table" ? Object.entries(value as object).map(([name, one]) => `${name}: ${shown(one)}`).join(", ") : shown(value);
}

/** What a form says of a term, as JSON; undefined: nothing. */
export function valueOf(term: Term, values: FormData): unknown {
  const some = <T,>(list: T[]): T[] | undefined => (list.length ? list : undefined);
  if (inRows(term)) return ofRows(term, rowsSaid(term, values));
  const all = values.getAll(term.where).map((one) => String(one).trim()).filter(Boolean);
  if (term.type === "words") return some(term.choices || term.of ? all : all.flatMap(between));
  if (!all.length) return undefined;
  if (term.type === "table") return Object.fromEntries(between(all[0]!).map((pair) => pair.split(":")).map(([name, value]) => [name!.trim(), number({ ...term, type: "integer" }, value ?? "")]));
  return plain(term, all[0]!);
}

const between = (text: string): string[] => text.split(",").map((one) => one.trim()).filter(Boolean);

/** The rows in which something was filled in. */
function rowsSaid(term: Term, values: FormData): Row[] {
  const rows = new Map<string, Row>();
  const columns = new Map(columnsOf(term).map((one) => [one.name, one]));
  for (const [field, said] of values) {
    if (!field.startsWith(`${term.where}.`) || !String(said).trim()) continue;
    const [row, name] = field.slice(term.where.length + 1).split(".") as [string, string];
    const column = columns.get(name);
    if (column) rows.set(row, { ...rows.get(row), [name]: plain(column, String(said).trim()) });
  }
  return [...rows.values()];
}

function ofRows(term: Term, rows: Row[]): unknown {
  if (!rows.length) return undefined;
  if (term.type === "record") return rows[0];
  if (term.type === "windows") return rows.map(({ from, to }) => [from ?? "", to ?? ""]);
  if (term.type === "list") return rows;
  const table: Record<string, Row[]> = {};
  for (const { name, ...row } of rows) (table[String(name ?? "")] ??= []).push(row);
  return table;
}

const number = (term: Term, text: string): number => (term.type === "integer" ? Math.round(Number(text) * timesOf(term)) : Number(text) * timesOf(term));

function plain(term: Term, text: string): unknown {
  if (term.type === "yes or no") return true;
  if (term.type === "instant") return new Date(f.instant(text)).toISOString();
  return term.type === "integer" || term.type === "number" ? number(term, text) : text;
}

/** Where a term stands in its owner's JSON: the group that holds it, and its name there. */
export const placeOf = (term: Term): [group: string, name: string] => (term.where.includes(".") ? (term.where.split(".") as [string, string]) : ["", term.where]);
export const givenOf = (term: Term, held: Row): unknown => {
  const [group, name] = placeOf(term);
  return (group ? ((held[group] ?? {}) as Row) : held)[name];
};

/** What was changed since the form was drawn, for a PATCH: what nobody touched stays to the last digit; a group is replaced whole. */
export function changesOf(terms: readonly Term[], held: Row, before: FormData, now: FormData): Row {
  const body: Row = {};
  for (const term of terms) {
    const value = valueOf(term, now);
    if (JSON.stringify(value) === JSON.stringify(valueOf(term, before))) continue;
    const [group, name] = placeOf(term);
    if (group) {
      const { [name]: _, ...others } = (body[group] ?? held[group] ?? {}) as Row;
      body[group] = value === undefined ? others : { ...others, [name]: value };
    } else body[name] = value ?? (term.type === "text" && !term.of ? "" : null);
  }
  if ("lat_deg" in body !== "lon_deg" in body) return { lat_deg: held["lat_deg"], lon_deg: held["lon_deg"], ...body };
  return body;
}
