/** The fields of a list of terms, each by its type, filled with what holds now; what the hub says against one stands beside it. */

import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { Refused, told } from "../shared/api";
import { fleet } from "./fleet";
import { Field } from "./parts";
import { t } from "./reader";
import { choiceOf, columnsOf, givenOf, helpOf, labelOf, type Row, rowsOf, type Term, textOf, timesOf } from "./terms";

/** Names of what ids stand for, where the page does not hold them anyway. */
export type People = readonly { driver: string; name: string }[];
export interface Wrong {
  /** By a term's place. */
  at: ReadonlyMap<string, string>;
  /** What is about no field of these. */
  else: string;
}
export const NOTHING_WRONG: Wrong = { at: new Map(), else: "" };

/** What the hub said against a form, sorted to its fields. */
export function wrongOf(terms: readonly Term[], failure: unknown): Wrong {
  const at = new Map<string, string>();
  const others: string[] = [];
  for (const { field, detail } of failure instanceof Refused ? failure.errors : []) {
    const path = field.replace(/^body\.?/, "");
    const term = terms.find(({ where }) => path === where || path.startsWith(`${where}.`));
    if (!term) others.push(path ? `${path}: ${detail}` : detail);
    else at.set(term.where, [at.get(term.where), within(term, path.slice(term.where.length + 1), detail)].filter(Boolean).join(" · "));
  }
  return { at, else: others.join(" · ") || (at.size ? t("terms.wrong") : told(failure)) };
}

/** Of a row: which one, and which of its columns. */
function within(term: Term, rest: string, detail: string): string {
  const parts = rest.split(".").filter(Boolean);
  const column = columnsOf(term).find((one) => parts.includes(one.name));
  const named = parts.filter((part) => part !== column?.name).map((part) => (/^\d+$/.test(part) ? `${Number(part) + 1}.` : part));
  return [...named, column && labelOf(column)].filter(Boolean).join(" ").replace(/(.)$/, "$1: ") + detail;
}

interface Filled {
  terms: readonly Term[];
  held?: Row;
  /** What holds where nothing is said, beside a term's own default. */
  usual?: Row;
  wrong?: Wrong;
  people?: People;
}

export function TermFields({ terms, held = {}, usual = {}, wrong = NOTHING_WRONG, people = [] }: Filled) {
  return <>{terms.map((term) => <One key={term.where} term={term} given={givenOf(term, held)} usual={givenOf(term, usual) ?? term.default} wrong={wrong.at.get(term.where)} people={people} />)}</>;
}

interface Asked {
  term: Term;
  given: unknown;
  usual: unknown;
  wrong: string | undefined;
  people: People;
}

function One({ term, given, usual, wrong, people }: Asked) {
  const label = labelOf(term);
  if (columnsOf(term).length) return <Rows term={term} label={label} given={given} wrong={wrong} />;
  if (term.type === "yes or no") return <Check name={term.where} label={label} on={given === true} wrong={wrong} />;
  if (term.type === "words" && term.choices) return <Group label={label} wrong={wrong}>{term.choices.map((one) => <label key={one} class="check"><input type="checkbox" name={term.where} value={one} defaultChecked={(given as string[] | undefined)?.includes(one) ?? false} /> {choiceOf(term, one)}</label>)}</Group>;
  const ask = (id: string): JSX.Element => (term.of ? <Select id={id} term={term} given={given} options={named(term, given, people)} wrong={wrong} /> : <Input id={id} name={term.where} term={term} given={given} usual={usual} wrong={wrong} required={term.required} />);
  return <Field label={label} help={helpOf(term)} wrong={wrong}>{ask}</Field>;
}

const marked = (id: string, wrong: string | undefined) => (wrong ? ({ "aria-invalid": "true", "aria-describedby": `${id}-wrong` } as const) : {});

function Check({ name, label, on, wrong }: { name: string; label: string; on: boolean; wrong?: string | undefined }) {
  const id = useId();
  return <div><label class="check"><input type="checkbox" name={name} defaultChecked={on} {...marked(id, wrong)} /> {label}</label>{wrong && <small class="wrong" id={`${id}-wrong`}>{wrong}</small>}</div>;
}

function Group({ label, wrong, children }: { label: string; wrong: string | undefined; children: JSX.Element | JSX.Element[] }) {
  const id = useId();
  return <fieldset aria-describedby={wrong ? `${id}-wrong` : undefined}><legend tabIndex={wrong ? -1 : undefined} class={wrong ? "wrong-field" : undefined}>{label}</legend>{wrong && <small class="wrong" id={`${id}-wrong`}>{wrong}</small>}{children}</fieldset>;
}

/** What may be chosen, and what is said already even where the page does not know it. */
function named(term: Term, given: unknown, people: People): [string, string][] {
  const known: [string, string][] = term.of === "vehicle" ? [...fleet.vehicles.values()].map((van) => [van.vehicle, van.name]) : term.of === "driver" ? people.map((one) => [one.driver, one.name]) : fleet.depots.map((depot) => [depot.depot, depot.name]);
  const ids = new Set(known.map(([id]) => id));
  return [...known, ...[given ?? []].flat().filter((id) => !ids.has(id as string)).map((id): [string, string] => [id as string, id as string])];
}

function Select({ id, term, name = term.where, given, options, wrong }: { id: string; term: Term; name?: string; given: unknown; options: [string, string][]; wrong?: string | undefined }) {
  const chosen = [given ?? []].flat();
  const several = term.type === "words";
  return (
    <select id={id} name={name} multiple={several} size={several ? 4 : undefined} required={term.required && !name.includes(`${term.where}.`) && !several} {...marked(id, wrong)}>
      {!several && !(term.required && given) && <option value="">{term.of === "driver" ? t("van.nobody") : ""}</option>}
      {options.map(([value, shown]) => <option key={value} value={value} selected={chosen.includes(value)}>{shown}</option>)}
    </select>
  );
}

function Input({ id, name, term, given, usual, wrong, required = false }: { id: string; name: string; term: Term; given: unknown; usual?: unknown; wrong?: string | undefined; required?: boolean }) {
  const limit = (value: number | null): number | undefined => (value === null ? undefined : value / timesOf(term));
  const common = { id, name, required, defaultValue: textOf(term, given), ...marked(id, wrong) };
  if (term.choices) return <Select id={id} term={{ ...term, required: false }} name={name} given={given} options={term.choices.map((one) => [one, choiceOf(term, one)])} wrong={wrong} />;
  if (term.type === "instant") return <input {...common} type="datetime-local" />;
  if (term.type === "time of day") return <input {...common} type="time" />;
  if (term.type === "integer" || term.type === "number") return <input {...common} type="number" min={limit(term.least)} max={limit(term.most)} step="any" placeholder={textOf(term, usual)} />;
  return <input {...common} maxLength={500} autocomplete="off" placeholder={term.type === "text" ? textOf(term, usual) : undefined} />;
}

/** Windows, breaks, parcels: a row each, and one more on demand; a record has one. */
function Rows({ term, label, given, wrong }: { term: Term; label: string; given: unknown; wrong: string | undefined }) {
  const [rows, set] = useState<(Row | undefined)[]>(() => (rowsOf(term, given).length ? rowsOf(term, given) : [{}]));
  const columns = columnsOf(term);
  return (
    <Group label={label} wrong={wrong}>
      <>
        {rows.map((row, at) => row && (
          <div class="pair" key={at}>
            {columns.map((one) => {
              const name = `${term.where}.${at}.${one.name}`;
              if (one.type === "yes or no") return <Check key={one.name} name={name} label={labelOf(one)} on={row[one.name] === true} />;
              return <Field key={one.name} label={one.name === "name" && term.type === "table" ? t("term.name") : term.type === "windows" ? one.label : labelOf(one)}>{(id) => <Input id={id} name={name} term={one} given={row[one.name]} usual={one.default} />}</Field>;
            })}
            {term.type !== "record" && <button type="button" class="button quiet" aria-label={`${label}: ${t("terms.less")} ${at + 1}`} onClick={() => set(rows.map((other, n) => (n === at ? undefined : other)))}>{t("terms.less")}</button>}
          </div>
        ))}
        {term.type !== "record" && <button type="button" class="button quiet" onClick={() => set([...rows, {}])}>{t("order.one_more")}</button>}
      </>
    </Group>
  );
}
