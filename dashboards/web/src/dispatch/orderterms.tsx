/** Everything else that can be said of an order, under a fold: fields drawn from the hub's own list of terms, and read back as the API's body. */

import { useState } from "preact/hooks";
import { Trouble } from "./parts";
import { t } from "./reader";
import { useAsked } from "./session";
import { TermFields, type Wrong } from "./termfields";
import { owned, placeOf, type Row, type Term, valueOf } from "./terms";

/** What the form asks by itself. */
const ABOVE: ReadonlySet<string> = new Set(["reference", "kind", "depot", "name", "phone", "address", "instructions", "window_start", "window_end", "parcels", "service_level"]);

export function useOrderTerms(): { terms: Term[]; error: string } {
  const { answer, error } = useAsked<{ terms: Term[] }>("/v1/terms");
  return { terms: owned(answer?.terms ?? [], "order").filter((term) => !ABOVE.has(term.name)), error };
}

export function OrderTerms({ terms, error, wrong }: { terms: Term[]; error: string; wrong: Wrong }) {
  const [opened, open] = useState(false);
  return (
    <details onToggle={() => open(true)}>
      <summary>{t("order.more")}</summary>
      <Trouble>{error}</Trouble>
      {opened && <div class="form wide"><TermFields terms={terms} wrong={wrong} /></div>}
    </details>
  );
}

/** What was filled in, as a part of the API's body. */
export function saidOf(terms: readonly Term[], values: FormData): Row {
  const body: Row = {};
  for (const term of terms) {
    const value = valueOf(term, values);
    if (value === undefined) continue;
    const [group, name] = placeOf(term);
    if (group) body[group] = { ...(body[group] as Row | undefined), [name]: value };
    else body[name] = value;
  }
  return body;
}
