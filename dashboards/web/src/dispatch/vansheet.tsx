/** One van on a sheet: how it is, how far its plan came, what is left, its driver, what was said, and its last days. */

import { useState } from "preact/hooks";
import { DaysChart } from "./dayschart";
import type { PlanState, Vehicle } from "./documents";
import { lateMs, orderName, useFleet } from "./fleet";
import { Health } from "./health";
import { Hours } from "./hours";
import { Outside } from "./outside";
import { Act, Badge, Empty, Straight, type Tone, Trouble } from "./parts";
import { f, type Key, t, tn } from "./reader";
import { to } from "./route";
import { type Sentence, Told } from "./sentences";
import { api, useAsked } from "./session";
import { Talk } from "./talk";
import { ChangeTerms } from "./termsform";
import { Unload } from "./unload";

interface VehicleTold {
  vehicle: string;
  driver: string | null;
  terms: { skills?: string[] };
}
interface ToldPlan {
  version: number;
  state: PlanState | "expired";
  reason: string | null;
  plan_reason: string | null;
  said?: Sentence[];
  committed_utc: string | null;
  sent_utc: string | null;
  held_utc: string | null;
  shown_utc: string | null;
  in_force_utc: string | null;
  declined_utc: string | null;
  refused_utc: string | null;
  expires_utc: string | null;
}
interface Newest {
  version: number;
  issued_at: string;
  receipts: { state: string; at: string | null; reason: string | null }[];
}

/** A unit tells its health every five minutes; nobody waits as long again to read it. */
const MINUTE_MS = 60_000;

export const PLAN_TONES: Record<PlanState, Tone> = { sent: "warn", held: "warn", in_force: "good", shown: "good", accepted: "good", declined: "bad", refused: "bad" };

export function linkOf(van: Vehicle, fleet: ReturnType<typeof useFleet>): { tone: Tone; text: string } {
  if (van.duty === "off" && !van.online) return { tone: "plain", text: t("van.off") };
  if (van.online && !fleet.stale(van)) return { tone: "good", text: van.duty === "break" ? t("van.break") : van.duty === "off" ? t("van.online_off") : t("van.online") };
  const silent = fleet.silentMs(van);
  return { tone: "bad", text: silent === null ? t("said.silent_ever") : t("said.silent", { late: f.span(silent / 1000) }) };
}

export function VanSheet({ vehicle, brief = false }: { vehicle: string; brief?: boolean }) {
  const fleet = useFleet("vehicle", "plan", "order", "tick");
  const [turn, setTurn] = useState(0);
  const van = fleet.vehicles.get(vehicle);
  if (!van) return <Empty>{t("vans.unknown")}</Empty>;
  const plan = fleet.plans.get(vehicle);
  const left = fleet.stopsLeft(vehicle);
  const link = linkOf(van, fleet);
  const speed = fleet.value(van, "speed_mps");
  const door = `/v1/vehicles/${encodeURIComponent(vehicle)}`;
  const backlog = fleet.value(van, "backlog") ?? 0;
  const unheard = !van.online && fleet.silentMs(van) === null;
  return (
    <div class="sheet">
      <dl class="facts">
        <div><dt>{t("van.driver")}</dt><dd>{van.driver ?? t("van.nobody")}{van.driver_phone && <> · <a href={`tel:${van.driver_phone}`}>{van.driver_phone}</a></>}</dd></div>
        <div><dt>{t("van.link")}</dt><dd><Badge tone={link.tone}>{link.text}</Badge>{speed !== null && van.duty === "on" && !fleet.stale(van) && ` ${f.speed(speed)}`}{backlog > 50 && ` · ${t("van.backlog", { n: f.count(backlog) })}`}</dd></div>
        <div><dt>{t("van.shift")}</dt><dd>{f.clock(van.shift_start)} – {f.clock(van.shift_end)}</dd></div>
        <div><dt>{t("van.left")}</dt><dd>{tn("stops", left.length)}</dd></div>
      </dl>
      {unheard && <p class="quiet">{t("van.keys")} <code>roundsman-hub provision {vehicle} --out DIR</code></p>}
      {!brief && !van.online && fleet.silentMs(van) === null && <p class="quiet">{t("van.provision")} <code>roundsman-hub provision {vehicle} --out DIR</code></p>}
      {plan && (
        <div class="plan">
          <p><b>{t("van.plan", { at: f.clock(plan.issued_at) })}</b> <Badge tone={PLAN_TONES[van.plan_state]}>{t(`plan.${van.plan_state}`)}</Badge>{plan.own_order && <Badge tone="info">{t("plan.own_order")}</Badge>}</p>
          {plan.reason && <p class="quiet"><Told text={plan.reason} said={plan.said} /></p>}
          {plan.changes.length > 0 && <ul class="changes">{plan.changes.map((text, at) => <li key={text}><Told text={text} said={plan.changes_said?.length === plan.changes.length ? [plan.changes_said[at]!] : null} /></li>)}</ul>}
          <Straight basis={plan.travel_times} />
          <Delivery vehicle={vehicle} version={plan.version} state={van.plan_state} />
        </div>
      )}
      {left.length === 0 ? <Empty>{t("van.nothing_left")}</Empty> : (
        <ol class="stops" aria-label={t("van.left")}>
          {left.map((order) => {
            const late = lateMs(order);
            return <li key={order.order}><span class="grow"><a href={to("orders", order.order)}>{orderName(order)}</a>{order.kind === "pickup" && <Badge tone="info">{t("order.pickup")}</Badge>}<small>{order.address}</small></span><span class="right">{f.clock(order.eta)}{late >= 60_000 && <Badge tone="bad">{t("late_by", { late: f.span(late / 1000) })}</Badge>}<small>{t("due_by", { at: f.clock(order.promise_end ?? order.window_end) })}</small></span></li>;
          })}
        </ol>
      )}
      <div class="actions">
        {brief && <a class="button" href={to("vans", vehicle)}>{t("act.open_van")}</a>}
        <Act act={() => api.post(`/v1/depots/${encodeURIComponent(van.depot)}/replan`)} done={t("act.replan.done")}>{t("act.replan")}</Act>
        <Hand vehicle={vehicle} />
        <Unload vehicle={vehicle} name={van.name} />
        {!brief && <><ChangeTerms owner="vehicle" path={door} label={t("terms.change")} title={van.name} after={() => setTurn(turn + 1)} /><ChangeTerms owner="unit" path={`${door}/unit-settings`} label={t("terms.unit")} title={van.name} /></>}
      </div>
      <h3>{t("talk.title")}</h3>
      <Talk vehicle={vehicle} />
      {!brief && <Record key={turn} vehicle={vehicle} since={van.shift_start} />}
    </div>
  );
}

interface Decided {
  locked: boolean;
  out: string | null;
}

/** What a dispatcher decided about the van: its round locked, or the van out of the day, and back. */
function Hand({ vehicle }: { vehicle: string }) {
  const [turn, setTurn] = useState(0);
  const door = `/v1/vehicles/${encodeURIComponent(vehicle)}`;
  const { answer } = useAsked<Decided>(`${door}/lock`, turn);
  if (!answer) return null;
  const after = (): void => setTurn(turn + 1);
  const out = (reason: string | null): Promise<unknown> => api.put(`${door}/out`, { reason });
  return (
    <>
      <Act act={() => api.put(`${door}/lock`, { locked: !answer.locked })} done={t(answer.locked ? "act.unlock.done" : "act.lock.done")} after={after}>{t(answer.locked ? "act.unlock" : "act.lock")}</Act>
      {answer.out ? <><Badge tone="bad">{t(answer.out === "driver_sick" ? "van.out_sick" : "van.out_broken")}</Badge><Act act={() => out(null)} done={t("act.back.done")} after={after}>{t("act.back")}</Act></> : (
        <><Act act={() => out("broken_down")} done={t("act.out.done")} after={after} tone="danger">{t("act.out_broken")}</Act><Act act={() => out("driver_sick")} done={t("act.out.done")} after={after} tone="danger">{t("act.out_sick")}</Act></>
      )}
    </>
  );
}

/** How far the newest plan came, step by step; older plans below. */
function Delivery({ vehicle, version, state }: { vehicle: string; version: number; state: PlanState }) {
  const { answer } = useAsked<Newest>(`/v1/vehicles/${encodeURIComponent(vehicle)}/plan`, `${version} ${state}`);
  if (!answer) return null;
  const at = Object.fromEntries(answer.receipts.map((receipt) => [receipt.state, receipt.at]));
  const steps = ["held", "in_force", "shown"] as const;
  const no = answer.receipts.find((receipt) => receipt.state === "declined" || receipt.state === "refused");
  return (
    <ol class="steps" aria-label={t("plan.steps")}>
      <li class="past">{t("plan.issued")}<small>{f.clock(answer.issued_at)}</small></li>
      {steps.map((step) => <li key={step} class={step in at ? "past" : ""}>{t(`plan.step.${step}`)}<small>{step in at ? f.clock(at[step]) : "–"}</small></li>)}
      {no && <li class="bad">{t(`plan.${no.state as PlanState}`)}<small>{no.reason ?? f.clock(no.at)}</small></li>}
    </ol>
  );
}

function Record({ vehicle, since }: { vehicle: string; since: number }) {
  const door = `/v1/vehicles/${encodeURIComponent(vehicle)}`;
  const told = useAsked<VehicleTold>(door);
  const plans = useAsked<ToldPlan[] | { items: ToldPlan[] }>(`${door}/plans`);
  const list = plans.answer ? (Array.isArray(plans.answer) ? plans.answer : plans.answer.items) : [];
  const driver = told.answer?.driver ?? null;
  const turn = Math.floor(useFleet("tick").now / MINUTE_MS);
  return (
    <>
      <h3>{t("driver.title")}</h3>
      <DriverFacts driver={driver} skills={told.answer?.terms.skills ?? []} />
      <Hours vehicle={vehicle} />
      <h3>{t("health.title")}</h3>
      <Health vehicle={vehicle} again={turn} />
      <Outside vehicle={vehicle} since={since} again={turn} />
      {list.length > 0 && (
        <>
          <h3>{t("plans.title")}</h3>
          <div class="scroll" tabIndex={0} role="region" aria-label={t("plans.title")}>
            <table><thead><tr><th scope="col">{t("plan.issued")}</th><th scope="col">{t("plan.step.sent")}</th><th scope="col">{t("plan.step.held")}</th><th scope="col">{t("plan.step.in_force")}</th><th scope="col">{t("plan.step.shown")}</th><th scope="col">{t("order.state")}</th></tr></thead>
              <tbody>{list.slice(0, 12).map((plan) => <tr key={plan.version}><th scope="row">{f.clock(plan.committed_utc)}</th><td>{f.clock(plan.sent_utc)}</td><td>{f.clock(plan.held_utc)}</td><td>{f.clock(plan.in_force_utc)}</td><td>{f.clock(plan.shown_utc)}</td><td>{t(`plan.${plan.state}` as Key)} {endedAt(plan) && f.clock(endedAt(plan))}{plan.reason && <small lang="en">{plan.reason}</small>}<small><Told text={plan.plan_reason} said={plan.said} /></small></td></tr>)}</tbody>
            </table>
          </div>
        </>
      )}
      <h3>{t("days.title")}</h3>
      <Trouble>{told.error}</Trouble>
      <DaysChart vehicle={vehicle} />
    </>
  );
}

/** When a plan came to nothing; nothing, where it did not. */
const endedAt = ({ state, declined_utc, refused_utc, expires_utc }: ToldPlan): string | null => (state === "declined" ? declined_utc : state === "refused" ? refused_utc : state === "expired" ? expires_utc : null);

function DriverFacts({ driver, skills }: { driver: string | null; skills: string[] }) {
  const { answer } = useAsked<{ name: string; phone: string; terms: { skills: string[] } }>(driver ? `/v1/drivers/${encodeURIComponent(driver)}` : null);
  if (!driver || !answer) return <Empty>{t("van.nobody")}</Empty>;
  const all = [...answer.terms.skills, ...skills];
  return (
    <dl class="facts">
      <div><dt>{t("driver.name")}</dt><dd><a href={to("drivers", driver)}>{answer.name}</a></dd></div>
      <div><dt>{t("driver.phone")}</dt><dd>{answer.phone ? <a href={`tel:${answer.phone}`}>{answer.phone}</a> : "–"}</dd></div>
      <div><dt>{t("driver.skills")}</dt><dd>{all.length ? all.join(", ") : "–"}</dd></div>
    </dl>
  );
}
