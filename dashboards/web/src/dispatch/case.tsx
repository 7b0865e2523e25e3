/** One case: what the customer says, what the van's log says of the visit, the way so far, and the steps that the hub's table allows now. */

import { useState } from "preact/hooks";
import { Chat } from "./chat";
import { useFleet } from "./fleet";
import { Act, Badge, Empty, Field, Section, type Tone, Trouble } from "./parts";
import { CasePicture, ProofPicture } from "./picture";
import { f, type Key, t } from "./reader";
import { to } from "./route";
import { api, useAsked, useTurn } from "./session";

export type CaseKind = "return" | "dispute" | "damage" | "complaint" | "call" | "rating";
export type CaseState =
  | "requested" | "approved" | "refused" | "withdrawn" | "collected" | "received" | "inspected" | "refunded" | "replaced" | "declined"
  | "opened" | "looked_into" | "upheld" | "rejected" | "resolved" | "asked" | "connected" | "missed" | "noted";
type Event = "open" | "approve" | "refuse" | "withdraw" | "collected" | "not_collected" | "received" | "inspected" | "refund" | "replace" | "decline" | "look_into" | "uphold" | "reject" | "resolve" | "connected" | "missed";

export interface Case {
  case: string; order: string; kind: CaseKind; state: CaseState; can: Event[]; reason: string; text: string; items: string[]; stars: number | null;
  exchange: boolean; pickup: string | null; delivery: string | null; refund_cents: number | null; answer: string; opened_at: string; changed_at: string;
  evidence: { state?: string; said_at?: string; reason?: string | null; driver?: string | null; arrived_at?: string | null; left_at?: string | null; lat_e6?: number | null; lon_e6?: number | null; proofs?: string[]; received_by?: string | null };
}
interface CaseShown extends Case {
  steps: { event: Event; state: CaseState; actor: string; note: string; at: string }[];
  photos: string[];
}

export const CASE_TONES: Partial<Record<CaseState, Tone>> = { requested: "warn", opened: "warn", asked: "warn", missed: "bad", looked_into: "info", approved: "info", collected: "info", received: "info", inspected: "info", upheld: "warn", refunded: "good", replaced: "good", resolved: "good", connected: "good" };
/** What the customer and the van's log say; nobody presses it here. */
const NOT_BY_HAND: ReadonlySet<Event> = new Set(["withdraw", "collected", "not_collected"]);
const DANGER: ReadonlySet<Event> = new Set(["refuse", "reject", "decline"]);

export function CasePage({ id }: { id: string }) {
  const fleet = useFleet("order");
  const [turn, again] = useTurn("cases");
  const door = `/v1/cases/${encodeURIComponent(id)}`;
  const { answer: found, error, loading } = useAsked<CaseShown>(door, turn);
  const back = <a class="button quiet" href={to("customers")}>{t("cases.all")}</a>;
  if (!found) return <Section title={t("cases.title")} actions={back}><Trouble>{error}</Trouble>{loading && <p class="pad" role="status">{t("loading")}</p>}</Section>;
  const order = fleet.orders.get(found.order);
  const name = order ? [order.reference, order.name].filter(Boolean).join(" ") || order.address : found.order;
  const reason = `case.reason.${found.reason}`;
  const waits = found.can.filter((event) => event === "collected" || event === "withdraw");
  return (
    <>
      <Section title={`${t(`case.${found.kind}`)} · ${name}`} actions={back}>
        <div class="sheet">
          <p><Badge tone={CASE_TONES[found.state] ?? "plain"}>{t(`case.state.${found.state}`)}</Badge>{found.exchange && <Badge tone="info">{t("case.exchange")}</Badge>} <a href={to("orders", found.order)}>{t("case.order")}</a>{found.pickup && <> · <a href={to("orders", found.pickup)}>{t("case.pickup")}</a></>}{found.delivery && <> · <a href={to("orders", found.delivery)}>{t("case.delivery")}</a></>}</p>
          {found.text && <blockquote>{found.text}</blockquote>}
          <dl class="facts">
            {found.reason && <div><dt>{t("case.reason")}</dt><dd>{reasonIsKnown(reason) ? t(reason) : found.reason}</dd></div>}
            {found.items.length > 0 && <div><dt>{t("case.items")}</dt><dd>{found.items.join(", ")}</dd></div>}
            {found.stars !== null && <div><dt>{t("case.rating")}</dt><dd>{t("case.stars", { n: found.stars })}</dd></div>}
            {found.answer && <div><dt>{t("case.answer")}</dt><dd>{found.answer}</dd></div>}
            {found.refund_cents !== null && <div><dt>{t("case.refund")}</dt><dd>{f.money(found.refund_cents)}</dd></div>}
            <div><dt>{t("case.opened")}</dt><dd>{f.dayClock(found.opened_at)}</dd></div>
          </dl>
          <Steps key={found.state} found={found} door={door} again={again} />
          {waits.map((event) => <p key={event} class="quiet">{t(event === "collected" ? "case.by_log" : "case.by_customer")}</p>)}
        </div>
      </Section>
      <Section title={t("case.evidence")}><Evidence found={found} door={door} /></Section>
      <Section title={t("case.way")} count={found.steps.length}>
        <ol class="story">{found.steps.map((step, at) => <li key={at} class={CASE_TONES[step.state] ?? "plain"}><time>{f.dayClock(step.at)}</time><p><b>{t(`case.did.${step.event}`)}</b> → {t(`case.state.${step.state}`)}<span class="quiet">{[step.actor === "customer" ? t("chat.customer") : step.actor, step.note].filter(Boolean).join(" · ")}</span></p></li>)}</ol>
      </Section>
      <Section title={t("chat.title")}><Chat order={found.order} open={order !== undefined && !["delivered", "failed", "cancelled"].includes(order.state)} /></Section>
    </>
  );
}

const REASONS = ["case.reason.unwanted", "case.reason.wrong_size", "case.reason.wrong_item", "case.reason.damaged", "case.reason.late"] as const;
const reasonIsKnown = (key: string): key is (typeof REASONS)[number] & Key => (REASONS as readonly string[]).includes(key);

/** The steps that may follow, as buttons; a note is kept with the case, an answer is for the customer, an amount goes to the shop's webhook. */
function Steps({ found, door, again }: { found: Case; door: string; again: () => void }) {
  const [note, setNote] = useState("");
  const [answer, setAnswer] = useState("");
  const [amount, setAmount] = useState("");
  const can = found.can.filter((event) => !NOT_BY_HAND.has(event));
  if (can.length === 0) return null;
  const move = (event: Event): Promise<unknown> => {
    const cents = Math.round(Number(amount.replace(",", ".")) * 100);
    if (event === "refund" && amount && !(cents >= 0)) return Promise.reject(new Error(t("case.not_an_amount")));
    return api.post(`${door}/${event}`, { note, answer, ...(event === "refund" && amount ? { refund_cents: cents } : {}) });
  };
  return (
    <div class="next-steps" role="group" aria-label={t("case.next")}>
      <div class="pair">
        <Field label={t("case.note")} help={t("case.note_help")}>{(id) => <input id={id} maxLength={500} autocomplete="off" value={note} onInput={(event) => setNote(event.currentTarget.value)} />}</Field>
        <Field label={t("case.answer")} help={t("case.answer_help")}>{(id) => <input id={id} maxLength={500} autocomplete="off" value={answer} onInput={(event) => setAnswer(event.currentTarget.value)} />}</Field>
        {can.includes("refund") && <Field label={t("case.amount")} help={t("case.amount_help")}>{(id) => <input id={id} inputMode="decimal" autocomplete="off" value={amount} onInput={(event) => setAmount(event.currentTarget.value)} />}</Field>}
      </div>
      <div class="actions">{can.map((event, at) => <Act key={event} act={() => move(event)} done={t("case.moved")} after={again} tone={DANGER.has(event) ? "danger" : at === 0 ? "primary" : ""}>{t(`case.do.${event as "approve"}`)}</Act>)}</div>
    </div>
  );
}

/** As it was frozen into the case when it opened: the van's log, not anybody's word. */
function Evidence({ found, door }: { found: CaseShown; door: string }) {
  const { evidence } = found;
  const known = evidence.said_at || evidence.arrived_at;
  const proofs = evidence.proofs ?? [];
  return (
    <div class="sheet">
      {!known && <Empty>{t("case.no_visit")}</Empty>}
      {known && (
        <dl class="facts">
          <div><dt>{t("case.visit")}</dt><dd>{evidence.arrived_at ? `${f.dayClock(evidence.arrived_at)} – ${f.clock(evidence.left_at)}` : "–"}</dd></div>
          <div><dt>{t("case.driver_said")}</dt><dd>{[evidence.state ? t(`state.${evidence.state as "delivered"}`) : "", f.clock(evidence.said_at), evidence.reason].filter(Boolean).join(", ")}</dd></div>
          {evidence.received_by && <div><dt>{t("case.received_by")}</dt><dd>{evidence.received_by}</dd></div>}
          {evidence.lat_e6 && evidence.lon_e6 ? <div><dt>{t("case.stood_at")}</dt><dd>{(evidence.lat_e6 / 1e6).toFixed(5)}, {(evidence.lon_e6 / 1e6).toFixed(5)}</dd></div> : null}
        </dl>
      )}
      <h3>{t("order.proofs")}</h3>
      {proofs.length === 0 ? <p class="quiet">{t("case.no_proof")}</p> : <ul class="pictures">{proofs.map((sha256) => <li key={sha256}><ProofPicture sha256={sha256} /></li>)}</ul>}
      {found.photos.length > 0 && <><h3>{t("case.photos")}</h3><ul class="pictures">{found.photos.map((address) => <li key={address}><CasePicture path={`${door}/photos/${address.split("/").at(-1)!}`} /></li>)}</ul></>}
    </div>
  );
}
