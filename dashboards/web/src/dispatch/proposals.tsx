/** What the planner proposes, with what it would change and save: approve, reject, take back; and how much it may do alone. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { type Fleet, orderName, useFleet } from "./fleet";
import { type Effect, effectText, itemsOf } from "./moves";
import { Act, Badge, Dialog, Empty, Section, Straight, type Tone, Trouble } from "./parts";
import { f, t, tn, useReader } from "./reader";
import { type Sentence, sentence, Told } from "./sentences";
import { api, useAsked, useTurn } from "./session";

interface Change {
  said?: Sentence[];
  order: string;
  what: string;
  vehicle_before: string | null;
  vehicle_after: string | null;
  position_before: number | null;
  position_after: number | null;
  arrival_before_utc: string | null;
  arrival_after_utc: string | null;
  why?: string | null;
}
interface Proposal {
  id: string;
  depot: string;
  at_utc: string;
  reasons: { reason: string; said?: Sentence[] }[];
  state: "waiting" | "adopted" | "rejected" | "superseded";
  diff: { text: string; said?: Sentence[]; changes: Change[]; saves: { cost_cents: number; late_s: number; travel_s: number }; basis?: string | null };
}
type Mode = "automatic" | "ask" | "off";

const TONES: Record<Proposal["state"], Tone> = { waiting: "warn", adopted: "good", rejected: "bad", superseded: "plain" };

export function ProposalsPage() {
  useReader();
  const fleet = useFleet("sites", "plan");
  const [turn, again] = useTurn("proposals");
  const [state, setState] = useState<Proposal["state"] | "all">("waiting");
  const { answer, error, loading } = useAsked<Proposal[] | { items: Proposal[] }>(`/v1/proposals?state=${state}`, turn);
  const found = answer ? itemsOf(answer) : [];
  return (
    <>
      <Section title={t("mode.title")}>{fleet.depots.map((depot) => <DepotMode key={depot.depot} depot={depot.depot} name={depot.name} turn={turn} again={again} />)}</Section>
      <Section title={t("proposals.title")} count={found.length || undefined}>
        <div class="tools"><label>{t("order.state")} <select value={state} onChange={(event) => setState(event.currentTarget.value as typeof state)}>{(["waiting", "adopted", "rejected", "superseded", "all"] as const).map((one) => <option key={one} value={one}>{t(`proposal.${one}`)}</option>)}</select></label></div>
        <Trouble>{error}</Trouble>
        {loading && !answer && <p class="pad" role="status">{t("loading")}</p>}
        {answer && found.length === 0 && <Empty>{t("proposals.none")}</Empty>}
        <ul class="list proposals">{found.map((one) => <Row key={one.id} proposal={one} fleet={fleet} again={again} />)}</ul>
      </Section>
    </>
  );
}

function DepotMode({ depot, name, turn, again }: { depot: string; name: string; turn: number; again: () => void }) {
  const door = `/v1/depots/${encodeURIComponent(depot)}`;
  const { answer, error } = useAsked<{ mode: Mode }>(`${door}/mode`, turn);
  return (
    <div class="mode">
      <b class="grow">{name}</b>
      <div class="filters" role="group" aria-label={`${t("mode.title")}: ${name}`}>
        {(["automatic", "ask", "off"] as const).map((mode) => <Choice key={mode} on={answer?.mode === mode} act={() => api.put(`${door}/mode`, { mode })} after={again}>{t(`mode.${mode}`)}</Choice>)}
      </div>
      <Act act={() => api.post(`${door}/replan`)} done={t("act.replan.done")} after={again}>{t("act.replan")}</Act>
      <Undo door={`${door}/undo`} name={name} after={again} />
      <Trouble>{error}</Trouble>
    </div>
  );
}

/** What the last change was, and what taking it back comes to, before it is. */
function Undo({ door, name, after }: { door: string; name: string; after: () => void }) {
  const [opened, open] = useState(false);
  const close = (): void => open(false);
  return (
    <>
      <button type="button" class="button" onClick={() => open(true)}>{t("act.undo")}</button>
      {opened && <Dialog title={`${t("act.undo")}: ${name}`} close={close}><Undoing door={door} after={() => (close(), after())} /></Dialog>}
    </>
  );
}

function Undoing({ door, after }: { door: string; after: () => void }) {
  const { answer, error } = useAsked<{ text: string; said?: Sentence[]; effect: Effect }>(door);
  if (error) return <Trouble>{error}</Trouble>;
  if (!answer) return <p role="status">{t("loading")}</p>;
  const { tone, text } = effectText(answer.effect);
  return (
    <>
      <p><Told text={answer.text} said={answer.said} /></p>
      <p class={`effect ${tone}`} role="status">{text}</p>
      <div class="actions"><Act act={() => api.post(door)} done={t("act.undo.done")} tone="primary" after={after}>{t("act.undo")}</Act></div>
    </>
  );
}

function Choice({ on, act, after, children }: { on: boolean; act: () => Promise<unknown>; after: () => void; children: string }) {
  const [error, setError] = useState("");
  return <><button type="button" class="filter" aria-pressed={on} onClick={() => void act().then(after, (failure: unknown) => setError(told(failure)))}>{children}</button><Trouble>{error}</Trouble></>;
}

function Row({ proposal, fleet, again }: { proposal: Proposal; fleet: Fleet; again: () => void }) {
  const { diff } = proposal;
  const door = `/v1/proposals/${encodeURIComponent(proposal.id)}`;
  const van = (id: string | null): string => (id ? (fleet.vehicles.get(id)?.name ?? id) : "–");
  const order = (id: string): string => {
    const found = fleet.orders.get(id);
    return found ? orderName(found) : id;
  };
  const stop = (vehicle: string | null, position: number | null, at: string | null): string => (vehicle ? [van(vehicle), position === null ? "" : t("story.as_stop", { n: position }), at ? f.clock(at) : ""].filter(Boolean).join(" · ") : "–");
  return (
    <li class="proposal">
      <p><Badge tone={TONES[proposal.state]}>{t(`proposal.${proposal.state}`)}</Badge> <time>{f.clock(proposal.at_utc)}</time> <b>{fleet.depots.find((one) => one.depot === proposal.depot)?.name}</b> <span class="quiet">{proposal.reasons.map(({ reason, said }) => sentence(reason, said)).join("; ")}</span></p>
      <p><Told text={diff.text} said={diff.said} /></p>
      <p>{t("proposal.saves", { money: f.money(diff.saves.cost_cents), late: f.span(diff.saves.late_s), travel: f.span(diff.saves.travel_s) })}<Straight basis={diff.basis} /></p>
      <details>
        <summary>{tn("proposal.changes", diff.changes.length)}</summary>
        <div class="scroll short" tabIndex={0} role="region" aria-label={t("proposal.diff")}>
          <table><thead><tr><th scope="col">{t("order.order")}</th><th scope="col">{t("proposal.before")}</th><th scope="col">{t("proposal.after")}</th><th scope="col">{t("import.why")}</th></tr></thead>
            <tbody>{diff.changes.map((change) => <tr key={change.order}><th scope="row">{order(change.order)}</th><td>{stop(change.vehicle_before, change.position_before, change.arrival_before_utc)}</td><td>{stop(change.vehicle_after, change.position_after, change.arrival_after_utc)}</td><td><Told text={change.why ?? change.what} said={change.said} /></td></tr>)}</tbody>
          </table>
        </div>
      </details>
      {proposal.state === "waiting" && <div class="actions"><Act act={() => api.post(`${door}/approve`)} done={t("proposal.adopted")} tone="primary" after={again}>{t("proposal.approve")}</Act><Act act={() => api.post(`${door}/reject`)} done={t("proposal.rejected")} after={again}>{t("proposal.reject")}</Act></div>}
    </li>
  );
}
