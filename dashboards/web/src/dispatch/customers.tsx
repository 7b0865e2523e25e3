/** What customers asked for after (or instead of) the delivery: cases by kind and state, one of them with its evidence, and what was written. */

import { useState } from "preact/hooks";
import { type Case, CasePage, CASE_TONES } from "./case";
import { useFleet } from "./fleet";
import { Outbox } from "./outbox";
import { Badge, Empty, Section, Trouble } from "./parts";
import { f, t, useReader } from "./reader";
import { type Route, to } from "./route";
import { useAsked, useTurn } from "./session";

const KINDS = ["return", "dispute", "damage", "complaint", "call", "rating"] as const;
/** States in which somebody at the fleet has something to do or to wait for. */
const UNDER_WAY = ["requested", "approved", "collected", "received", "inspected", "opened", "looked_into", "upheld", "asked", "missed"] as const;
const ENDED = ["refused", "withdrawn", "refunded", "replaced", "declined", "rejected", "resolved", "connected", "noted"] as const;

export function CustomersPage({ route }: { route: Route }) {
  useReader();
  if (route.id) return <CasePage key={route.id} id={route.id} />;
  return (
    <>
      <Cases />
      <Outbox />
    </>
  );
}

function Cases() {
  const [turn] = useTurn("cases");
  const [kind, setKind] = useState("");
  const [state, setState] = useState("under_way");
  const states: readonly string[] = state === "under_way" ? UNDER_WAY : state === "ended" ? ENDED : state ? [state] : [];
  const query = new URLSearchParams([["limit", "500"], ...(kind ? [["kind", kind]] : []), ...states.map((one) => ["state", one])] as string[][]);
  const { answer, error, loading } = useAsked<{ items: Case[] }>(`/v1/cases?${query}`, turn);
  return (
    <Section title={t("cases.title")} count={answer?.items.length}>
      <div class="tools">
        <label>{t("order.kind")} <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}><option value="">{t("all")}</option>{KINDS.map((one) => <option key={one} value={one}>{t(`case.${one}`)}</option>)}</select></label>
        <label>{t("order.state")} <select value={state} onChange={(event) => setState(event.currentTarget.value)}><option value="under_way">{t("cases.under_way")}</option><option value="ended">{t("cases.ended")}</option><option value="">{t("all")}</option>{[...UNDER_WAY, ...ENDED].map((one) => <option key={one} value={one}>{t(`case.state.${one}`)}</option>)}</select></label>
      </div>
      <Trouble>{error}</Trouble>
      {loading && <p class="pad" role="status">{t("loading")}</p>}
      {answer && (answer.items.length === 0 ? <Empty>{t(kind || state ? "cases.none_such" : "cases.none")}</Empty> : <CaseList items={answer.items} />)}
    </Section>
  );
}

export function CaseList({ items }: { items: readonly Case[] }) {
  const fleet = useFleet("order");
  return (
    <ul class="list cases">
      {items.map((one) => {
        const order = fleet.orders.get(one.order);
        return (
          <li key={one.case}>
            <p><a href={to("customers", one.case)}><b>{t(`case.${one.kind}`)}</b> {order ? [order.reference, order.name].filter(Boolean).join(" ") || order.address : one.order}</a> <Badge tone={CASE_TONES[one.state] ?? "plain"}>{t(`case.state.${one.state}`)}</Badge>{one.exchange && <Badge tone="info">{t("case.exchange")}</Badge>}</p>
            {(one.text || one.stars !== null) && <p class="quiet">{[one.stars === null ? "" : t("case.stars", { n: one.stars }), one.text].filter(Boolean).join(" · ")}</p>}
            <small>{t("case.opened_changed", { opened: f.dayClock(one.opened_at), changed: f.dayClock(one.changed_at) })}</small>
          </li>
        );
      })}
    </ul>
  );
}
