/** What an order asks for beside its window, its place and its parcels: only what was said, in the reader's words. */

import { fleet } from "./fleet";
import { f, t } from "./reader";
import { useAsked } from "./session";
import { columnsOf, givenOf, labelOf, owned, type Row, rowsOf, type Term, textOf } from "./terms";

/** What the page shows anyway. */
const SHOWN: ReadonlySet<string> = new Set(["reference", "kind", "depot", "name", "phone", "address", "instructions", "window_start", "window_end", "promise_start", "promise_end", "parcels", "priority", "lat_deg", "lon_deg"]);

const plainly = (value: unknown): boolean => value === null || value === undefined || value === false || value === "" || value === 0 || (typeof value === "object" && Object.keys(value as object).length === 0);
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export function Asks({ order }: { order: Row }) {
  const some = ["service_s", "items", "proof", "contact_free"].some((name) => !plainly(order[name])) || Object.values((order["needs"] ?? {}) as Row).some((one) => !plainly(one));
  const { answer } = useAsked<{ terms: Term[] }>(some ? "/v1/terms" : null);
  const said = owned(answer?.terms ?? [], "order").filter((term) => !SHOWN.has(term.name) && !plainly(givenOf(term, order)) && !same(givenOf(term, order), term.default));
  if (!said.length) return null;
  return (
    <>
      <h3>{t("order.asks")}</h3>
      <dl class="facts">{said.map((term) => <div key={term.where}><dt>{labelOf(term)}</dt><dd>{textIn(term, givenOf(term, order))}</dd></div>)}</dl>
    </>
  );
}

function textIn(term: Term, value: unknown): string {
  const columns = columnsOf(term);
  if (columns.length) return rowsOf(term, value).map((row) => columns.filter((one) => !plainly(row[one.name])).map((one) => textIn(one, row[one.name])).join(" – ")).join(" · ");
  if (term.type === "instant") return `${f.day(Date.parse(value as string))} ${f.clock(value as string)}`;
  if (term.type === "yes or no") return t("yes");
  if (term.of) return [value].flat().map((id) => nameOf(term.of, id as string)).join(", ");
  return textOf(term, value);
}

const nameOf = (of: Term["of"], id: string): string => (of === "vehicle" ? fleet.vehicles.get(id)?.name : fleet.depots.find((one) => one.depot === id)?.name) ?? id;
