/** An order's whole story on one page: what it asks for, every event, message and plan change, and why. */

import { useState } from "preact/hooks";
import type { Case } from "./case";
import { Chat } from "./chat";
import { CaseList } from "./customers";
import { type Order } from "./documents";
import { fleet as theFleet, lateMs, useFleet } from "./fleet";
import { LifeSection } from "./life";
import { MoveDialog } from "./move";
import { STATE_TONES } from "./orders";
import { Outbox } from "./outbox";
import { Act, Badge, Empty, Section, Straight, type Tone, Trouble, VanChip } from "./parts";
import { ProofPicture } from "./picture";
import { AnotherPlaceDialog } from "./anotherplace";
import { Asks } from "./asks";
import { BindDialog } from "./bind";
import { PlaceDialog } from "./place";
import { f, type Key, t } from "./reader";
import { to } from "./route";
import { type Sentence, Told } from "./sentences";
import { api, useAsked, useTurn } from "./session";
import { type Item, said } from "./storylines";
import { TalkDialog } from "./talk";
import type { Row } from "./terms";
import { ChangeTerms } from "./termsform";
import en from "./words/en.json";

interface Shown {
  order: string; reference: string; kind: "delivery" | "pickup"; name: string; phone: string; address: string; instructions: string;
  window_start: string; window_end: string; promise_start: string | null; promise_end: string | null; parcels: number; priority: number; contact_free: boolean;
  items: { name?: string; code?: string }[]; state: Order["state"]; reason: string | null; said?: Sentence[]; vehicle: string | null; track_url: string;
  eta: string | null; eta_low: string | null; eta_high: string | null; eta_basis: string | null; arrived_at: string | null; done_at: string | null; risk_late_s: number;
  handover: { received_by: string | null; by_code: boolean; at: string; lat_deg: number | null; lon_deg: number | null } | null;
  proofs: { kind: string; state: "whole" | "pending"; sha256: string; at: string | null }[];
}
/** What a driver said at the door, beside pictures: who took it, whether the code was told, and where the van was at that moment. */
const HandedOver = ({ handover }: { handover: NonNullable<Shown["handover"]> }) => (
  <>
    {handover.received_by && <div><dt>{t("case.received_by")}</dt><dd>{handover.received_by}</dd></div>}
    {handover.by_code && <div><dt>{t("proof.code")}</dt><dd>{t("proof.by_code")}</dd></div>}
    {handover.lat_deg !== null && handover.lon_deg !== null && <div><dt>{t("case.stood_at")}</dt><dd>{handover.lat_deg.toFixed(5)}, {handover.lon_deg.toFixed(5)} ({f.clock(handover.at)})</dd></div>}
  </>
);

interface Story {
  items: Item[];
}
interface Why {
  reason: string;
  said?: Sentence[];
  relaxations: { constraints: string[]; price_cents: number; vehicle: string; start: string }[];
  cost: { vehicle: string; marginal_cents: number; average_cents: number } | null;
  delay: Record<"later_s" | "late_departure_s" | "travel_s" | "dwell_s" | "waiting_s" | "replanning_s", number> | null;
}

export function StoryPage({ order }: { order: string }) {
  const fleet = useFleet("order", "message", "vehicle");
  const live = fleet.orders.get(order);
  const door = `/v1/orders/${encodeURIComponent(order)}`;
  const turn = JSON.stringify(live ?? null);
  const [changed, setChanged] = useState(0);
  const shown = useAsked<Shown>(door, `${turn} ${changed}`);
  const story = useAsked<Story>(`${door}/story`, turn);
  const [dialog, setDialog] = useState<"move" | "bind" | "talk" | "place" | null>(null);
  const found = shown.answer;
  if (!found) return <Section title={t("order.order")}><Trouble>{shown.error}</Trouble>{shown.loading && <p role="status">{t("loading")}</p>}<p class="pad"><a href={to("orders")}>{t("orders.back")}</a></p></Section>;
  const name = [found.reference, found.name].filter(Boolean).join(" ") || found.address;
  const open = !["delivered", "failed", "cancelled"].includes(found.state);
  const late = live ? lateMs(live) : 0;
  return (
    <>
      <Section title={name} actions={<a class="button quiet" href={to("orders")}>{t("orders.back")}</a>}>
        <div class="sheet">
          <p>{live && fleet.isForLater(live) ? <Badge>{t("state.later", { day: f.day(live.window_start) })}</Badge> : <Badge tone={STATE_TONES[found.state]}>{t(`state.${found.state}`)}</Badge>}{found.priority >= 8 && <Badge tone="bad">{t("order.urgent")}</Badge>}{found.kind === "pickup" && <Badge tone="info">{t("order.pickup")}</Badge>}{late >= 60_000 && <Badge tone="bad">{t("late_by", { late: f.span(late / 1000) })}</Badge>} <VanChip vehicle={found.vehicle} /></p>
          {found.reason && !(live && fleet.isForLater(live)) && <p class="trouble"><Told text={found.reason} said={found.said} /></p>}
          <dl class="facts">
            <div><dt>{t("order.address")}</dt><dd>{found.address || "–"}</dd></div>
            <div><dt>{t("order.name")}</dt><dd>{found.name || "–"}{found.phone && <> · <a href={`tel:${found.phone}`}>{found.phone}</a></>}</dd></div>
            <div><dt>{t("order.window")}</dt><dd>{f.dayClock(found.window_start)} – {f.clock(found.window_end)}</dd></div>
            <div><dt>{t("order.promised")}</dt><dd>{found.promise_end ? `${f.clock(found.promise_start)} – ${f.clock(found.promise_end)}` : "–"}</dd></div>
            <div><dt>{found.done_at ? t("order.done_at") : t("order.expected")}</dt><dd>{found.done_at ? f.clock(found.done_at) : found.eta ? `${f.clock(found.eta)} (${f.clock(found.eta_low)} – ${f.clock(found.eta_high)})` : "–"}{!found.done_at && <Straight basis={found.eta_basis} />}</dd></div>
            <div><dt>{t("order.parcels")}</dt><dd>{f.count(found.parcels)}</dd></div>
            {found.instructions && <div><dt>{t("order.instructions")}</dt><dd>{found.instructions}</dd></div>}
            {found.handover && <HandedOver handover={found.handover} />}
            {found.risk_late_s > 0 && <div><dt>{t("order.risk")}</dt><dd class="late">{f.span(found.risk_late_s)}</dd></div>}
          </dl>
          <Asks order={found as unknown as Row} />
          <div class="actions">
            {open && live && (found.state === "waiting_for_place" ? <button type="button" class="button primary" onClick={() => setDialog("place")}>{t("act.place")}</button> : <button type="button" class="button primary" onClick={() => setDialog("move")}>{t(found.vehicle ? "act.move" : "act.find_van")}</button>)}
            {open && live && found.state !== "waiting_for_place" && <button type="button" class="button" onClick={() => setDialog("bind")}>{t("act.bind")}</button>}
            {open && live && found.state !== "waiting_for_place" && <button type="button" class="button" onClick={() => setDialog("place")}>{t("act.place_anew")}</button>}
            {found.vehicle && <button type="button" class="button" onClick={() => setDialog("talk")}>{t("act.message")}</button>}
            <a class="button" href={new URL(found.track_url).pathname} target="_blank" rel="noreferrer">{t("order.customer_page")}</a>
            {open && <ChangeTerms owner="order" path={door} label={t("terms.change")} title={name} after={() => setChanged(changed + 1)} />}
            {open && found.priority < 8 && <Act act={() => api.patch(door, { priority: 9 })} done={t("order.urgent")}>{t("bulk.urgent")}</Act>}
            {open && <Act act={() => api.post(`${door}/cancel`)} done={t("state.cancelled")} tone="danger">{t("bulk.cancel")}</Act>}
          </div>
          {found.proofs.length > 0 && <><h3>{t("order.proofs")}</h3><ul class="plainlist pictures">{found.proofs.map((proof) => <li key={proof.sha256}>{t(`proof.${proof.kind as "photo" | "signature" | "code"}`)} · {f.clock(proof.at)} · {t(proof.state === "whole" ? "proof.whole" : "proof.pending")} <code>{proof.sha256.slice(0, 12)}</code>{proof.state === "whole" && proof.kind !== "code" && <ProofPicture sha256={proof.sha256} kind={proof.kind as "photo" | "signature"} />}</li>)}</ul></>}
          {open && <WhyBox door={door} turn={`${turn} ${changed}`} />}
        </div>
      </Section>
      <LifeSection order={order} turn={turn} from={found.window_start} until={found.window_end} />
      <Section title={t("story.title")} count={story.answer?.items.length}>
        <Trouble>{story.error}</Trouble>
        <Lines order={order} items={story.answer?.items ?? []} />
      </Section>
      <CustomerSide order={order} open={open} />
      {dialog === "move" && live && <MoveDialog order={live} close={() => setDialog(null)} />}
      {dialog === "bind" && live && <BindDialog order={live} close={() => setDialog(null)} />}
      {dialog === "place" && live && (found.state === "waiting_for_place" ? <PlaceDialog order={live} close={() => setDialog(null)} /> : <AnotherPlaceDialog order={live} close={() => setDialog(null)} />)}
      {dialog === "talk" && found.vehicle && <TalkDialog vehicle={found.vehicle} order={order} close={() => setDialog(null)} />}
    </>
  );
}

/** What the order's customer asked for, said and was written. */
function CustomerSide({ order, open }: { order: string; open: boolean }) {
  const [turn] = useTurn("cases");
  const { answer, error } = useAsked<{ items: Case[] }>(`/v1/cases?order=${encodeURIComponent(order)}`, turn);
  return (
    <>
      <Section title={t("cases.title")} count={answer?.items.length} actions={<a class="button quiet" href={to("customers")}>{t("cases.all")}</a>}><Trouble>{error}</Trouble>{answer && (answer.items.length === 0 ? <Empty>{t("cases.none_of_order")}</Empty> : <CaseList items={answer.items} />)}</Section>
      <Section title={t("chat.title")}><Chat order={order} open={open} /></Section>
      <Outbox order={order} />
    </>
  );
}

/** Constraints that would have to give way, in the reader's words; a newer hub's as it names them. */
const constraints = (names: readonly string[]): string => names.map((name) => (`constraint.${name}` in en ? t(`constraint.${name}` as Key) : name)).join(", ") || t("constraint.none");

/** Why it has no van or is late, in money and minutes: the planner's own answer, asked for on demand, because it plans. */
function WhyBox({ door, turn }: { door: string; turn: string }) {
  const [ask, setAsk] = useState(false);
  const { answer, error, loading } = useAsked<Why>(ask ? `${door}/why` : null, turn);
  // Where it is planned in time, "nothing but the plan in hand" says nothing.
  const ways = (answer?.relaxations ?? []).filter((one) => one.constraints.length > 0 || one.price_cents !== 0);
  if (!ask) return <p><button type="button" class="button" onClick={() => setAsk(true)}>{t("why.ask")}</button></p>;
  return (
    <div class="why" role="status">
      {loading && t("loading")}
      <Trouble>{error}</Trouble>
      {answer?.reason && <p><Told text={answer.reason} said={answer.said} /></p>}
      {answer && !answer.reason && !ways.length && !answer.delay?.later_s && <p>{t("why.nothing")}</p>}
      {ways.length > 0 && <ul class="plainlist">{ways.map((one) => <li key={one.constraints.join()}>{constraints(one.constraints)}: {theFleet.vehicles.has(one.vehicle) && <><VanChip vehicle={one.vehicle} />, </>}{f.clock(one.start)}, {f.money(one.price_cents)}</li>)}</ul>}
      {answer?.delay && <dl class="facts">{(["late_departure_s", "travel_s", "dwell_s", "waiting_s", "replanning_s"] as const).filter((part) => answer.delay![part] !== 0).map((part) => <div key={part}><dt>{t(`why.${part}`)}</dt><dd>{f.span(answer.delay![part])}</dd></div>)}</dl>}
      {answer?.cost && <dl class="facts"><div><dt>{t("why.marginal")}</dt><dd>{f.money(answer.cost.marginal_cents)}</dd></div><div><dt>{t("why.average")}</dt><dd>{f.money(answer.cost.average_cents)}</dd></div></dl>}
    </div>
  );
}

interface Line {
  at: number;
  tone: Tone;
  what: string;
  vehicle: string | null;
  more: string;
}

function Lines({ order, items }: { order: string; items: Story["items"] }) {
  const fleet = useFleet("message");
  const lines: Line[] = items.map((item) => ({ at: Date.parse(item.at), vehicle: item.vehicle ?? (typeof item.body["vehicle"] === "string" ? item.body["vehicle"] : null), ...said(item) }));
  for (const message of fleet.messages.values()) {
    if (message.order !== order || message.at === null) continue;
    lines.push({ at: message.at, tone: "info", what: t(message.said_by === "driver" ? "story.driver_says" : "story.dispatch_says"), vehicle: message.vehicle, more: message.text });
  }
  lines.sort((a, b) => a.at - b.at);
  if (lines.length === 0) return <Empty>{t("events.none")}</Empty>;
  return (
    <ol class="story">
      {lines.map((line, at) => <li key={at} class={line.tone}><time>{f.dayClock(line.at)}</time><p><b>{line.what}</b> <VanChip vehicle={line.vehicle} />{line.more && <span class="quiet">{line.more}</span>}</p></li>)}
    </ol>
  );
}
