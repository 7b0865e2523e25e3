/** Exceptions as a list: what it is, how bad, and the next thing to do about it, on the row itself. */

import { useState } from "preact/hooks";
import { AWAY_M } from "./astray";
import type { Order } from "./documents";
import { EXCEPTION_KINDS, type Exception, type ExceptionKind } from "./exceptions";
import { fleet, orderName } from "./fleet";
import { HandoverDialog } from "./handover";
import { MoveDialog } from "./move";
import { Act, Badge, Empty, useMore, VanChip } from "./parts";
import { PlaceDialog } from "./place";
import { f, t } from "./reader";
import { to } from "./route";
import { api } from "./session";
import { TalkDialog } from "./talk";

type Opened = { what: "move" | "place"; order: Order } | { what: "talk"; vehicle: string; order: string | null } | { what: "handover"; vehicle: string } | null;

export function ExceptionList({ found }: { found: readonly Exception[] }) {
  const [kind, setKind] = useState<ExceptionKind | null>(null);
  const [opened, open] = useState<Opened>(null);
  const counts = EXCEPTION_KINDS.map((one) => [one, found.filter((exception) => exception.kind === one).length] as const).filter(([, n]) => n > 0);
  const wanted = kind && counts.some(([one]) => one === kind) ? found.filter((one) => one.kind === kind) : found;
  const { shown, more } = useMore(wanted.length, 60);
  if (found.length === 0) return <Empty>{t("attention.none")}</Empty>;
  return (
    <>
      <div class="filters" role="group" aria-label={t("attention.filter")}>
        <button type="button" class="filter" aria-pressed={kind === null} onClick={() => setKind(null)}>{t("all")} <b>{found.length}</b></button>
        {counts.map(([one, n]) => <button type="button" key={one} class="filter" aria-pressed={kind === one} onClick={() => setKind(one)}>{t(`exception.${one}`)} <b>{n}</b></button>)}
      </div>
      <ul class="list exceptions" tabIndex={0} aria-label={t("attention.title")}>
        {wanted.slice(0, shown).map((exception) => <Row key={exception.key} exception={exception} open={open} />)}
      </ul>
      {more}
      {opened?.what === "move" && <MoveDialog order={opened.order} close={() => open(null)} />}
      {opened?.what === "place" && <PlaceDialog order={opened.order} close={() => open(null)} />}
      {opened?.what === "handover" && <HandoverDialog vehicle={opened.vehicle} close={() => open(null)} />}
      {opened?.what === "talk" && <TalkDialog vehicle={opened.vehicle} order={opened.order} close={() => open(null)} />}
    </>
  );
}

function Row({ exception, open }: { exception: Exception; open: (opened: Opened) => void }) {
  const { kind, tone, vehicle, order } = exception;
  const van = vehicle ? fleet.vehicles.get(vehicle) : undefined;
  const talk = van && <button type="button" class="button" onClick={() => open({ what: "talk", vehicle: van.vehicle, order: order?.order ?? null })}>{t("act.message")}</button>;
  const story = order && <a class="button" href={to("orders", order.order)}>{t("order.story")}</a>;
  const move = order && <button type="button" class="button primary" onClick={() => open({ what: "move", order })}>{t(order.vehicle ? "act.move" : "act.find_van")}</button>;
  const call = van?.driver_phone && <a class="button" href={`tel:${van.driver_phone}`}>{t("act.call")}</a>;
  const replan = van && <Act act={() => api.post(`/v1/depots/${encodeURIComponent(van.depot)}/replan`)} done={t("act.replan.done")} tone={kind === "declined" ? "primary" : ""}>{t("act.replan")}</Act>;
  const actions: Record<ExceptionKind, preact.ComponentChildren> = {
    report: <>{exception.report && <Act act={() => api.post(`/v1/reports/${encodeURIComponent(exception.report!.report)}/settle`)} done={t("act.settle.done")} tone="primary">{t("act.settle")}</Act>}{talk}{call}{van && <a class="button" href={to("vans", van.vehicle)}>{t("act.open_van")}</a>}</>,
    late: <>{move}{talk}{story}</>,
    predicted_late: <>{move}{talk}{story}</>,
    silent: <>{call}{talk}{van && <a class="button" href={to("now", van.vehicle)}>{t("act.last_seen")}</a>}</>,
    unanswered: <>{call}{talk}<button type="button" class="button primary" onClick={() => open({ what: "handover", vehicle: vehicle! })}>{t("handover.title")}</button></>,
    declined: <>{replan}{talk}{van && <a class="button" href={to("vans", van.vehicle)}>{t("act.open_van")}</a>}</>,
    unassigned: <>{move}{story}</>,
    place: <>{order && <button type="button" class="button primary" onClick={() => open({ what: "place", order })}>{t("act.place")}</button>}{story}</>,
    off_route: <>{talk}{van && <a class="button" href={to("now", van.vehicle)}>{t("act.show_on_map")}</a>}</>,
    fence: <>{talk}{van && <a class="button" href={to("now", van.vehicle)}>{t("act.show_on_map")}</a>}</>,
    broken: <>{order && <a class="button primary" href={to("orders", order.order)}>{t("act.to_customer")}</a>}{talk}</>,
    word: <>{talk}</>,
    failed: <>{story}{talk}</>,
  };
  return (
    <li class={`exception ${tone}`}>
      <p class="exception-head"><Badge tone={tone}>{t(`exception.${kind}`)}</Badge><VanChip vehicle={vehicle} />{order && <b class="name">{orderName(order)}</b>}<span class="when">{exception.at === null ? "" : f.clock(exception.at)}</span></p>
      <p class="exception-text">{said(exception)}</p>
      <div class="actions">{actions[kind]}</div>
    </li>
  );
}

/** The exception in a sentence. */
function said({ kind, size, text, order, at, report }: Exception): string {
  const late = f.span(size / 1000);
  switch (kind) {
    case "report": return [t(`topic.${report!.topic}`), text].filter(Boolean).join(": ");
    case "late": return t("said.late", { late, due: f.clock(order!.promise_end ?? order!.window_end), at: f.clock(at) });
    case "predicted_late": return t("said.predicted_late", { late, due: f.clock(order!.promise_end ?? order!.window_end), at: f.clock(at) });
    case "silent": return Number.isFinite(size) ? t("said.silent", { late }) : t("said.silent_ever");
    case "unanswered": return t("van.unanswered");
    case "declined": return t(`said.${text as "declined" | "own_order" | "refused"}`);
    case "unassigned": return t("said.unassigned", { reason: text || "–" });
    case "place": return t("said.place", { address: order!.address || text });
    case "off_route": return t("said.off_route", { far: f.distance(AWAY_M) });
    case "fence": {
      const [what, fence = ""] = text.split("|");
      return t(`said.${what as "fence_enter" | "fence_dwell" | "fence_speeding" | "long_dwell" | "position_dropped"}`, { fence });
    }
    case "broken": return t("said.broken", { late, due: f.clock(order!.promise_end ?? order!.window_end) });
    case "word": return text;
    case "failed": return t("said.failed", { reason: text || "–" });
  }
}

