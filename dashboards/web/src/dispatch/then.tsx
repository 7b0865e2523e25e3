/** What was known at an instant of a day played back: a van's plan as it was, arrivals as they were said, alerts that held. */

import type { Alert } from "./documents";
import { fleet } from "./fleet";
import { Badge, Empty, Section, Trouble, VanChip } from "./parts";
import { f, type Key, t } from "./reader";
import { to } from "./route";
import { type Sentence, Told } from "./sentences";
import { useAsked } from "./session";
import en from "./words/en.json";

export interface ThenStop {
  order: string;
  name: string;
  lat_deg: number;
  lon_deg: number;
  planned_at: string | null;
  came_at: string | null;
  state: string | null;
  /** The name of a call at a depot or charger, by its code; an order has none. */
  said: Sentence[];
}
interface ThenPlan {
  version: number;
  issued_at: string;
  reason: string;
  said?: Sentence[];
  changes: string[];
  stops: ThenStop[];
}
export interface VanThen {
  plans: ThenPlan[];
  said: { order: string; said_at: string; eta: string }[];
}

/** A difference below this was told to nobody. */
const NOTED_S = 120;

/** The plan that was the newest at an instant. */
export const planAt = (then: VanThen | null, at: number): ThenPlan | null => then?.plans.filter((plan) => Date.parse(plan.issued_at) <= at).at(-1) ?? null;

/** The last word about an order's arrival before an instant. */
const saidAt = (then: VanThen, order: string, at: number): number | null => {
  const last = then.said.filter((one) => one.order === order && Date.parse(one.said_at) <= at).at(-1);
  return last ? Date.parse(last.eta) : null;
};

export const useThen = (vehicle: string, from: number, until: number): { answer: VanThen | null; error: string; loading: boolean } =>
  useAsked<VanThen>(vehicle ? `/v1/vehicles/${encodeURIComponent(vehicle)}/then?${new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(until).toISOString() })}` : null);

export function ThenPanel({ vehicle, then, at, error, loading }: { vehicle: string; then: VanThen | null; at: number; error: string; loading: boolean }) {
  const plan = planAt(then, at);
  return (
    <Section title={t("playback.then")}>
      <div class="sheet">
        <Trouble>{error}</Trouble>
        {loading && vehicle && <p role="status">{t("loading")}</p>}
        {!vehicle ? <Empty>{t("playback.then_help")}</Empty> : then && !plan ? <Empty>{t("playback.no_plan")}</Empty> : null}
        {then && plan && (
          <>
            <p><b>{t("playback.plan_of", { at: f.clock(plan.issued_at) })}</b> <span class="quiet"><Told text={plan.reason} said={plan.said} /></span></p>
            <div class="scroll" tabIndex={0} role="region" aria-label={t("van.left")}>
              <table class="cards">
                <thead><tr><th scope="col">{t("order.order")}</th><th scope="col">{t("playback.planned")}</th><th scope="col">{t("playback.said")}</th><th scope="col">{t("playback.came")}</th></tr></thead>
                <tbody>{plan.stops.map((stop) => <StopThen key={stop.order} stop={stop} said={saidAt(then, stop.order, at)} at={at} />)}</tbody>
              </table>
            </div>
          </>
        )}
      </div>
    </Section>
  );
}

function StopThen({ stop, said, at }: { stop: ThenStop; said: number | null; at: number }) {
  const came = stop.came_at === null ? null : Date.parse(stop.came_at);
  const off = came === null || said === null ? 0 : (came - said) / 1000;
  return (
    <tr class={came !== null && came <= at ? "chosen" : ""}>
      <th scope="row">{stop.said.length ? <Told text={stop.name} said={stop.said} /> : <a href={to("orders", stop.order)}>{stop.name}</a>}</th>
      <td data-label={t("playback.planned")}>{f.clock(stop.planned_at)}</td>
      <td data-label={t("playback.said")}>{f.clock(said)}</td>
      <td data-label={t("playback.came")}>{f.clock(came)}{Math.abs(off) >= NOTED_S && <Badge tone={off > 0 ? "warn" : "info"}>{t(off > 0 ? "playback.later" : "playback.earlier", { span: f.span(Math.abs(off)) })}</Badge>}</td>
    </tr>
  );
}

/** An alert as it is asked for: instants as the hub writes them. */
export type AlertThen = Omit<Alert, "from_at" | "to_at"> & { from_at: string; to_at: string | null };

export function AlertsThen({ alerts, at }: { alerts: readonly AlertThen[]; at: number }) {
  const found = alerts.filter((one) => Date.parse(one.from_at) <= at && (one.to_at === null || Date.parse(one.to_at) > at));
  return (
    <Section title={t("playback.alerts")} count={found.length}>
      {found.length === 0 ? <Empty>{t("playback.no_alerts")}</Empty> : (
        <ul class="list">{found.map((one) => <li key={one.alert}><VanChip vehicle={one.vehicle} />{!fleet.vehicles.has(one.vehicle) && one.vehicle} {alertText(one)} <time class="quiet">{f.clock(one.from_at)}{one.to_at && ` – ${f.clock(one.to_at)}`}</time>{one.order && <> <a href={to("orders", one.order)}>{t("order.story")}</a></>}</li>)}</ul>
      )}
    </Section>
  );
}

function alertText(one: AlertThen & { what?: string }): string {
  const [said, story] = [`said.${one.kind}`, `story.alert.${one.kind}`];
  if (said in en && FENCED.has(one.kind)) return t(said as Key, { fence: one.detail.fence ?? "" });
  return story in en ? t(story as Key) : (one.what ?? one.kind.replaceAll("_", " "));
}
const FENCED = new Set(["fence_enter", "fence_dwell", "fence_speeding", "long_dwell", "position_dropped"]);
