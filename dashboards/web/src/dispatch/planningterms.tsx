/** What a plan costs and has to keep, fleet-wide: prices in the reader's currency, times in minutes; only what is a number is set here. */

import { useEffect, useState } from "preact/hooks";
import { Act, Field, Trouble } from "./parts";
import { choices, t } from "./reader";
import { api, useAsked } from "./session";

/** Name in the API, and what a person's number is multiplied by to become the API's. */
const TERMS = [
  ["lateness_cents_per_min", 100], ["promise_cents_per_min", 100], ["fair_cents_per_hour", 100], ["churn_cents", 100], ["max_wait_s", 60], ["floor_s", 1], ["parcel_s", 1],
] as const;
type Term = (typeof TERMS)[number][0];

export function PlanningTerms() {
  const [turn, setTurn] = useState(0);
  const { answer, error } = useAsked<{ planning: Record<string, unknown> }>("/v1/fleets/me", turn);
  const [values, set] = useState<Partial<Record<Term, string>>>({});
  useEffect(() => {
    if (answer) set(Object.fromEntries(TERMS.map(([term, unit]) => [term, typeof answer.planning[term] === "number" ? String((answer.planning[term] as number) / unit) : ""])));
  }, [answer]);
  const save = (): Promise<unknown> => {
    const wanted = Object.fromEntries(TERMS.map(([term, unit]) => [term, values[term] ? Math.round(Number(values[term]) * unit) : term === "max_wait_s" ? null : 0]));
    return api.patch("/v1/fleets/me", { planning: { ...answer?.planning, ...wanted } });
  };
  return (
    <div class="form wide">
      <Trouble>{error}</Trouble>
      {TERMS.map(([term, unit]) => (
        <Field key={term} label={`${t(`term.${term}`)} (${unit === 100 ? choices.currency : unit === 60 ? "min" : "s"})`}>
          {(id) => <input id={id} type="number" min={0} step="any" value={values[term] ?? ""} onInput={(event) => set({ ...values, [term]: event.currentTarget.value })} />}
        </Field>
      ))}
      <div class="actions"><Act act={save} done={t("settings.kept")} tone="primary" after={() => setTurn(turn + 1)}>{t("settings.save")}</Act></div>
    </div>
  );
}
