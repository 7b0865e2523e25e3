/** What a plan costs and has to keep, fleet-wide: the planner's own list of terms; prices in the reader's currency, waits in minutes. */

import { useEffect, useState } from "preact/hooks";
import { Act, Field, Trouble } from "./parts";
import { choices, type Key, t } from "./reader";
import { api, useAsked } from "./session";
import en from "./words/en.json";

interface Term {
  owner: string;
  name: string;
  label: string;
  type: string;
  unit: string | null;
  meaning: string;
  default: number | null;
  least: number | null;
}

/** A person's number times this is the API's: cents are shown as money, long times as minutes. */
const timesOf = (term: Term): number => (/cents/.test(term.name) ? 100 : term.name.endsWith("_wait_s") ? 60 : 1);
const unitOf = (term: Term): string => (timesOf(term) === 100 ? choices.currency : timesOf(term) === 60 ? "min" : (term.unit ?? ""));

export function PlanningTerms() {
  const [turn, setTurn] = useState(0);
  const { answer, error, loading } = useAsked<{ planning: Record<string, unknown> }>("/v1/fleets/me", turn);
  const listed = useAsked<{ terms: Term[] }>("/v1/terms");
  const [values, set] = useState<Record<string, string>>({});
  const terms = (listed.answer?.terms ?? []).filter((term) => term.owner === "fleet" && (term.type === "integer" || term.type === "number"));
  useEffect(() => {
    if (answer) set(Object.fromEntries(terms.map((term) => [term.name, typeof answer.planning[term.name] === "number" ? String((answer.planning[term.name] as number) / timesOf(term)) : ""])));
  }, [answer, listed.answer]);
  const save = (): Promise<unknown> => {
    const wanted = Object.fromEntries(terms.map((term) => [term.name, values[term.name] ? Math.round(Number(values[term.name]) * timesOf(term)) : term.default]));
    return api.patch("/v1/fleets/me", { planning: { ...answer?.planning, ...wanted } });
  };
  return (
    <div class="form wide">
      <Trouble>{error || listed.error}</Trouble>
      {(loading || listed.loading) && <p role="status">{t("loading")}</p>}
      {terms.map((term) => {
        const key = `term.${term.name}`;
        const label = key in en ? t(key as Key) : term.label;
        return (
          <Field key={term.name} label={unitOf(term) ? `${label} (${unitOf(term)})` : label} help={key in en ? undefined : term.meaning}>
            {(id) => <input id={id} type="number" min={term.least === null ? undefined : term.least / timesOf(term)} step="any" value={values[term.name] ?? ""} onInput={(event) => set({ ...values, [term.name]: event.currentTarget.value })} />}
          </Field>
        );
      })}
      <div class="actions"><Act act={save} done={t("settings.kept")} tone="primary" after={() => setTurn(turn + 1)}>{t("settings.save")}</Act></div>
    </div>
  );
}
