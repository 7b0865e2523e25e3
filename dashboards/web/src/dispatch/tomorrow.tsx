/** A day to come: who drives, its plan as draft, approved, released, and what goes into each van, for paper. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { Act, Badge, Empty, Field, Section, Straight, type Tone, Trouble, VanChip } from "./parts";
import { type Fleet, orderName, useFleet } from "./fleet";
import { f, t, tn, useReader } from "./reader";
import { to } from "./route";
import { type Sentence, Told } from "./sentences";
import { api, useAsked, useTurn } from "./session";

interface Plan {
  state: "draft" | "approved" | "released";
  routes: Record<string, { order: string; arrival: string }[]>;
  unassigned: Record<string, string>;
  unassigned_said: Record<string, Sentence[]>;
  cost_cents: number;
  basis: string | null;
  made_at: string;
}
interface Shift {
  vehicle: string;
  vehicle_name: string;
  driver: string | null;
  driver_name: string | null;
  shift_start: string;
  shift_end: string;
}
interface Load {
  vehicle: string;
  parcels: number;
  to_scan: number;
  items: { load: number; place: string; order: string; reference: string; name: string; address: string; parcels: number; items: { parcel: string; name: string; loaded_at: string | null }[]; loaded: boolean; in_other_van: string[] }[];
}
const TONES: Record<Plan["state"], Tone> = { draft: "warn", approved: "info", released: "good" };
/** Real seconds that the hub searches for a draft. */
const SEARCH_S = 5;
/** Of the loading list, while it is looked at: parcels are scanned one after another. */
const SCANS_AGAIN_MS = 15_000;

/** The day after the fleet's today, by the fleet's own clock: `2026-03-03`. */
const dayAfter = (now: number, timeZone: string): string => {
  const today = new Intl.DateTimeFormat("sv-SE", { timeZone }).format(new Date(now));
  return new Date(Date.parse(`${today}T12:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
};

/** The fleet's clock is known with the first tick, and midnight comes: the day follows, and all else is drawn again only when it does. */
export function TomorrowPage() {
  const fleet = useFleet("tick", "sites");
  const usual = dayAfter(fleet.now, fleet.fleet.timezone);
  return useMemo(() => <DayPage usual={usual} />, [usual]);
}

function DayPage({ usual }: { usual: string }) {
  useReader();
  const fleet = useFleet("sites", "order", "vehicle");
  const [chosen, setChosen] = useState("");
  const [named, setDepot] = useState("");
  const [turn, setTurn] = useState(0);
  const day = chosen || usual;
  const depot = named || (fleet.depots[0]?.depot ?? "");
  const door = `/v1/days/${day}`;
  const of = `?depot=${encodeURIComponent(depot)}`;
  const again = (): void => setTurn((n) => n + 1);
  const [night] = useTurn("nights"); // made, or released, by itself
  const { answer: plan, error, missing, loading } = useAsked<Plan>(depot ? `${door}/plan${of}` : null, `${turn} ${night}`);
  return (
    <>
      <Section title={t("tomorrow.plan")} actions={plan && <Badge tone={TONES[plan.state]}>{t(`tomorrow.${plan.state}`)}</Badge>}>
        <div class="tools">
          <label>{t("days.day")} <input type="date" required value={day} onChange={(event) => setChosen(event.currentTarget.value)} /></label>
          {fleet.depots.length > 1 && <label>{t("settings.depot")} <select value={depot} onChange={(event) => setDepot(event.currentTarget.value)}>{fleet.depots.map((one) => <option key={one.depot} value={one.depot}>{one.name}</option>)}</select></label>}
          <span class="actions">
            {plan?.state !== "released" && <Act act={() => api.post(`${door}/plan${of}&seconds=${SEARCH_S}`)} done={t("tomorrow.made")} after={again} tone={plan ? "" : "primary"}>{t(plan ? "tomorrow.make_again" : "tomorrow.make")}</Act>}
            {plan?.state === "draft" && <Act act={() => api.post(`${door}/plan/approve${of}`)} done={t("tomorrow.is_approved")} after={again} tone="primary">{t("proposal.approve")}</Act>}
            {plan?.state === "approved" && <Act act={() => api.post(`${door}/plan/release${of}`)} done={t("tomorrow.is_released")} after={again} tone="primary">{t("tomorrow.release")}</Act>}
          </span>
        </div>
        {loading && !plan && <p class="pad" role="status">{t("loading")}</p>}
        {missing ? <Empty>{t("tomorrow.none")}</Empty> : <Trouble>{error}</Trouble>}
        {plan && <p class="pad"><Straight basis={plan.basis} /></p>}
        {plan && <Routes plan={plan} fleet={fleet} />}
      </Section>
      <Roster key={day} day={day} depot={depot} changed={again} />
      {plan && <LoadingList path={`${door}/loading-list${of}`} day={day} turn={turn} fleet={fleet} />}
    </>
  );
}

const nameOf = (fleet: Fleet, order: string): string => {
  const found = fleet.orders.get(order);
  return found ? orderName(found) : order;
};

function Routes({ plan, fleet }: { plan: Plan; fleet: Fleet }) {
  const left = Object.entries(plan.unassigned);
  return (
    <>
      <p class="pad">{[tn("tomorrow.orders", Object.values(plan.routes).reduce((sum, stops) => sum + stops.length, 0)), t("tomorrow.cost", { money: f.money(plan.cost_cents) }), t("tomorrow.made_at", { at: f.dayClock(plan.made_at) })].join(" · ")}</p>
      {left.length > 0 && <ul class="list">{left.map(([order, why]) => <li key={order}><Badge tone="bad">{t("exception.unassigned")}</Badge> <a href={to("orders", order)}>{nameOf(fleet, order)}</a> <span class="quiet"><Told text={why} said={plan.unassigned_said[order]} /></span></li>)}</ul>}
      <div class="rounds">
        {Object.entries(plan.routes).map(([vehicle, stops]) => (
          <details key={vehicle}>
            <summary><VanChip vehicle={vehicle} link={false} /> {tn("tomorrow.orders", stops.length)}{stops.length > 0 && ` · ${f.clock(stops[0]!.arrival)} – ${f.clock(stops.at(-1)!.arrival)}`}</summary>
            <ol class="stops">{stops.map((stop) => <li key={stop.order}><time>{f.clock(stop.arrival)}</time><a href={to("orders", stop.order)}>{nameOf(fleet, stop.order)}</a></li>)}</ol>
          </details>
        ))}
      </div>
    </>
  );
}

/** Who drives that day. Saying so replaces the day's roster: those of other depots are kept in it. */
function Roster({ day, depot, changed }: { day: string; depot: string; changed: () => void }) {
  const [turn, setTurn] = useState(0);
  const { answer, error, loading } = useAsked<{ items: Shift[] }>(`/v1/roster/${day}`, turn);
  const vans = useAsked<{ items: { vehicle: string; name: string; depot: string; driver: string | null; shift_start: string; shift_end: string }[] }>("/v1/vehicles?limit=500", turn);
  const [out, setOut] = useState<ReadonlySet<string>>(new Set());
  const [hours, setHours] = useState({ start: "08:00", end: "17:00" });
  const mine = (vans.answer?.items.filter((van) => van.depot === depot) ?? []).sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const here = new Set(mine.map((van) => van.vehicle));
  const local = (at: string): string => new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }).format(new Date(at));
  const zone = useFleet("sites").fleet.timezone;
  const put = (): Promise<unknown> => {
    const others = (answer?.items ?? []).filter((shift) => !here.has(shift.vehicle)).map((shift) => ({ vehicle: shift.vehicle, driver: shift.driver, start: local(shift.shift_start), end: local(shift.shift_end) }));
    const ours = mine.filter((van) => !out.has(van.vehicle)).map((van) => ({ vehicle: van.vehicle, driver: van.driver, ...hours }));
    return api.put(`/v1/roster/${day}`, { items: [...others, ...ours] });
  };
  const shown = (answer?.items ?? []).filter((shift) => here.has(shift.vehicle));
  return (
    <Section title={t("roster.title")} count={answer ? shown.length : undefined}>
      <Trouble>{error || vans.error}</Trouble>
      {loading && <p class="pad" role="status">{t("loading")}</p>}
      {answer && shown.length === 0 && <Empty>{t("roster.none")}</Empty>}
      {shown.length > 0 && <ul class="list">{shown.map((shift) => <li key={shift.vehicle}><b>{shift.vehicle_name}</b> {shift.driver_name ?? t("van.nobody")} · {f.clock(shift.shift_start)} – {f.clock(shift.shift_end)}</li>)}</ul>}
      {answer && vans.answer && (
        <details class="pad"><summary>{t("roster.change")}</summary>
          <div class="form">
            <fieldset><legend>{t("roster.vans")}</legend>{mine.map((van) => <label key={van.vehicle} class="check"><input type="checkbox" checked={!out.has(van.vehicle)} onChange={(event) => { const next = new Set(out); if (event.currentTarget.checked) next.delete(van.vehicle); else next.add(van.vehicle); setOut(next); }} /> {van.name}</label>)}</fieldset>
            <div class="pair">{(["start", "end"] as const).map((end) => <Field key={end} label={t(end === "start" ? "roster.from" : "roster.until", { zone })}>{(id) => <input id={id} type="time" required value={hours[end]} onInput={(event) => setHours({ ...hours, [end]: event.currentTarget.value })} />}</Field>)}</div>
            <div class="actions"><Act act={put} done={t("settings.kept")} tone="primary" after={() => { setTurn(turn + 1); changed(); }}>{t("roster.save")}</Act></div>
          </div>
        </details>
      )}
    </Section>
  );
}

/** The last stop's goods go in first. Printed without the rest of the page. */
function LoadingList({ path, day, turn, fleet }: { path: string; day: string; turn: number; fleet: Fleet }) {
  const [look, lookAgain] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => lookAgain((n) => n + 1), SCANS_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const { answer, error, loading } = useAsked<{ vans: Load[] }>(path, `${turn} ${look}`);
  return (
    <Section id="loading-list" title={`${t("loading_list.title")}, ${f.day(`${day}T12:00:00Z`)}`} actions={answer && answer.vans.length > 0 && <button type="button" class="button" onClick={() => print()}>{t("loading_list.print")}</button>}>
      <Trouble>{error}</Trouble>
      {loading && !answer && <p class="pad" role="status">{t("loading")}</p>}
      {answer && answer.vans.length === 0 && <Empty>{t("loading_list.none")}</Empty>}
      {answer?.vans.map((van) => (
        <div class="load" key={van.vehicle}>
          <h3>{fleet.vehicles.get(van.vehicle)?.name ?? van.vehicle} · {tn("loading_list.parcels", van.parcels)}{van.to_scan > 0 && ` · ${t("loading_list.to_scan", { n: f.count(van.to_scan) })}`}</h3>
          <div class="scroll" tabIndex={0} role="region" aria-label={`${t("loading_list.title")}: ${fleet.vehicles.get(van.vehicle)?.name ?? van.vehicle}`}>
            <table>
              <thead><tr><th scope="col">{t("loading_list.number")}</th><th scope="col">{t("loading_list.place")}</th><th scope="col">{t("order.order")}</th><th scope="col">{t("order.address")}</th><th scope="col">{t("order.parcels")}</th><th scope="col">{t("loading_list.loaded")}</th></tr></thead>
              <tbody>{van.items.map((one, at) => <tr key={one.order}><td>{at + 1}</td><td>{one.place}</td><th scope="row">{[one.reference, one.name].filter(Boolean).join(" ") || one.order}</th><td>{one.address}</td><td>{f.count(one.parcels)}{one.items.length > 0 && <small>{one.items.map((item) => `${item.loaded_at ? "✓ " : ""}${item.parcel}`).join(", ")}</small>}</td><td>{one.in_other_van.length > 0 ? <Badge tone="bad">{t("loading_list.elsewhere")}: {one.in_other_van.map((other) => fleet.vehicles.get(other)?.name ?? other).join(", ")}</Badge> : one.loaded ? "✓" : "☐"}</td></tr>)}</tbody>
            </table>
          </div>
        </div>
      ))}
    </Section>
  );
}
