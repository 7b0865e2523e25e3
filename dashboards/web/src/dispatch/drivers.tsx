/** Drivers: who is at work in which van; and one on a sheet, with duty, hours left, today's visits and what customers said. */

import { useState } from "preact/hooks";
import type { Case } from "./case";
import type { Order, Vehicle } from "./documents";
import { type Fleet, lateMs, orderName, useFleet } from "./fleet";
import { Hours } from "./hours";
import { ImportFile } from "./importdialog";
import { Badge, Empty, Section, type Tone, Trouble, useMore, VanChip } from "./parts";
import { f, t, useReader } from "./reader";
import { go, type Route, to } from "./route";
import { useAsked, useTurn } from "./session";
import { Talk } from "./talk";
import { ChangeTerms, MakeNew } from "./termsform";

interface Driver {
  driver: string;
  name: string;
  phone: string;
  terms: { skills?: string[] };
}
interface Assigned {
  vehicle: string;
  driver: string | null;
}

const DUTY_TONES: Record<Vehicle["duty"], Tone> = { on: "good", break: "info", off: "plain" };
/** Where a driver has several vans, the one that is at work comes first. */
const DUTY_RANK: Record<Vehicle["duty"], number> = { on: 0, break: 1, off: 2 };

/** Which vans are whose, as the fleet's own list has it; the stream names drivers, and two may have one name. */
function useVansOf(fleet: Fleet): (driver: string) => Vehicle[] {
  const { answer } = useAsked<{ items: Assigned[] }>("/v1/vehicles?limit=500", fleet.vansInOrder.map((van) => `${van.vehicle} ${van.driver}`).join());
  const assigned = answer?.items ?? [];
  return (driver) => assigned.filter((one) => one.driver === driver).flatMap((one) => fleet.vehicles.get(one.vehicle) ?? []).sort((a, b) => DUTY_RANK[a.duty] - DUTY_RANK[b.duty]);
}

/** What these vans have ended on this day, or on the shift that began before its midnight. */
function endedBy(fleet: Fleet, vans: readonly Vehicle[]): Order[] {
  const since = new Map(vans.map((van) => [van.vehicle, fleet.workSince(van)]));
  const mine = (order: Order): boolean => order.done_at !== null && order.vehicle !== null && order.done_at >= (since.get(order.vehicle) ?? Infinity);
  return [...fleet.orders.values()].filter(mine).sort((a, b) => b.done_at! - a.done_at!);
}

export function DriversPage({ route }: { route: Route }) {
  useReader();
  const fleet = useFleet("vehicle", "order", "tick");
  const [turn, setTurn] = useState(0);
  const minute = Math.floor(fleet.now / 60_000);
  const { answer, error, loading } = useAsked<{ items: Driver[] }>("/v1/drivers?limit=500", `${minute} ${turn}`);
  const vansOf = useVansOf(fleet);
  const [find, setFind] = useState("");
  const wanted = find.trim().toLowerCase();
  const all = answer?.items ?? [];
  const found = all.filter((one) => !wanted || [one.name, one.phone, ...vansOf(one.driver).map((van) => van.name)].join(" ").toLowerCase().includes(wanted)).sort((a, b) => a.name.localeCompare(b.name));
  const { shown, more } = useMore(found.length);
  const chosen = all.find((one) => one.driver === route.id);
  return (
    <>
      <Section title={t("drivers.title")} count={t("of", { n: found.length, all: all.length })} actions={<span class="actions"><MakeNew owner="driver" path="/v1/drivers" label={t("drivers.new")} after={(id) => { setTurn(turn + 1); go("drivers", id); }} /><ImportFile of="drivers" after={() => setTurn(turn + 1)} /></span>}>
        <div class="tools"><label>{t("find")} <input type="search" value={find} placeholder={t("drivers.find")} onInput={(event) => setFind(event.currentTarget.value)} /></label></div>
        <Trouble>{error}</Trouble>
        {loading && !answer && <p class="pad" role="status">{t("loading")}</p>}
        {answer && found.length === 0 && <Empty>{t(all.length ? "nothing_found" : "drivers.none")}</Empty>}
        {found.length > 0 && (
          <div class="scroll" tabIndex={0} role="region" aria-label={t("drivers.title")}>
            <table class="cards">
              <thead><tr><th scope="col">{t("driver.name")}</th><th scope="col">{t("van.duty")}</th><th scope="col">{t("van.van")}</th><th scope="col">{t("van.left")}</th><th scope="col">{t("drivers.done")}</th><th scope="col">{t("driver.phone")}</th></tr></thead>
              <tbody>{found.slice(0, shown).map((one) => <Row key={one.driver} driver={one} vans={vansOf(one.driver)} fleet={fleet} chosen={one.driver === route.id} />)}</tbody>
            </table>
          </div>
        )}
        {more}
      </Section>
      {route.id && answer && (
        <Section id="sheet" title={chosen?.name ?? t("drivers.unknown")} actions={<span class="actions">{chosen && <ChangeTerms owner="driver" path={`/v1/drivers/${encodeURIComponent(chosen.driver)}`} label={t("terms.change")} title={chosen.name} after={() => setTurn(turn + 1)} />}<button type="button" class="button quiet" onClick={() => go("drivers")}>{t("close")}</button></span>}>
          {chosen ? <Sheet key={chosen.driver} driver={chosen} vans={vansOf(chosen.driver)} fleet={fleet} /> : <Empty>{t("drivers.unknown")}</Empty>}
        </Section>
      )}
    </>
  );
}

const Duty = ({ van }: { van: Vehicle | undefined }) => (van ? <Badge tone={DUTY_TONES[van.duty]}>{t(`duty.${van.duty}`)}</Badge> : <>–</>);

function Row({ driver, vans, fleet, chosen }: { driver: Driver; vans: readonly Vehicle[]; fleet: Fleet; chosen: boolean }) {
  const left = vans.reduce((sum, van) => sum + fleet.stopsLeft(van.vehicle).length, 0);
  const done = endedBy(fleet, vans).filter((order) => order.state === "delivered").length;
  return (
    <tr class={chosen ? "chosen" : ""}>
      <th scope="row"><a href={to("drivers", driver.driver)}>{driver.name}</a></th>
      <td data-label={t("van.duty")}><Duty van={vans[0]} /></td>
      <td data-label={t("van.van")}>{vans.length ? vans.map((van) => <VanChip key={van.vehicle} vehicle={van.vehicle} />) : t("drivers.no_van")}</td>
      <td data-label={t("van.left")}>{f.count(left)}</td>
      <td data-label={t("drivers.done")}>{f.count(done)}</td>
      <td data-label={t("driver.phone")}>{driver.phone ? <a href={`tel:${driver.phone}`}>{driver.phone}</a> : "–"}</td>
    </tr>
  );
}

function Sheet({ driver, vans, fleet }: { driver: Driver; vans: readonly Vehicle[]; fleet: Fleet }) {
  const [turn] = useTurn("cases");
  const ratings = useAsked<{ items: Case[] }>("/v1/cases?kind=rating&limit=500", turn);
  const ended = endedBy(fleet, vans);
  const mine = new Set(ended.map((order) => order.order));
  const stars = (ratings.answer?.items ?? []).flatMap((one) => (mine.has(one.order) && one.stars !== null ? [one.stars] : []));
  const inTime = ended.filter((order) => order.state === "delivered" && lateMs(order) < 60_000).length;
  const done = ended.filter((order) => order.state === "delivered").length;
  const van = vans[0];
  return (
    <div class="sheet">
      <dl class="facts">
        <div><dt>{t("driver.phone")}</dt><dd>{driver.phone ? <a href={`tel:${driver.phone}`}>{driver.phone}</a> : "–"}</dd></div>
        <div><dt>{t("van.duty")}</dt><dd><Duty van={van} /></dd></div>
        <div><dt>{t("van.van")}</dt><dd>{vans.length ? vans.map((one) => <VanChip key={one.vehicle} vehicle={one.vehicle} />) : t("drivers.no_van")}</dd></div>
        {van && <div><dt>{t("van.shift")}</dt><dd>{f.clock(van.shift_start)} – {f.clock(van.shift_end)}</dd></div>}
        <div><dt>{t("driver.skills")}</dt><dd>{driver.terms.skills?.length ? driver.terms.skills.join(", ") : "–"}</dd></div>
        <div><dt>{t("drivers.done")}</dt><dd>{f.count(done)}</dd></div>
        <div><dt>{t("drivers.failed")}</dt><dd>{f.count(ended.length - done)}</dd></div>
        <div><dt>{t("numbers.in_time")}</dt><dd>{done ? f.percent(inTime / done) : "–"}</dd></div>
        <div><dt>{t("drivers.rating")}</dt><dd>{stars.length ? t("drivers.rated", { stars: f.fine(stars.reduce((a, b) => a + b) / stars.length), n: f.count(stars.length) }) : "–"}</dd></div>
      </dl>
      {van && <><h3>{t("drivers.clocks")}</h3><Hours vehicle={van.vehicle} /><h3>{t("talk.title")}</h3><Talk vehicle={van.vehicle} /></>}
      <h3>{t("drivers.visits")}</h3>
      {ended.length === 0 ? <Empty>{t("drivers.no_visits")}</Empty> : (
        <ol class="stops" aria-label={t("drivers.visits")}>{ended.map((order) => <li key={order.order}><span class="grow"><a href={to("orders", order.order)}>{orderName(order)}</a><small>{order.address}</small></span><span class="right">{f.clock(order.arrived_at)} – {f.clock(order.done_at)}<Badge tone={order.state === "delivered" ? "good" : "bad"}>{t(`state.${order.state}`)}</Badge></span></li>)}</ol>
      )}
    </div>
  );
}
