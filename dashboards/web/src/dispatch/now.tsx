/** Now: what needs a person first, then the map, then what happened. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { ExceptionList } from "./exceptionlist";
import { exceptions } from "./exceptions";
import type { Happened } from "./documents";
import { type Fleet, lateMs, orderName, useFleet } from "./fleet";
import { MapView } from "./mapview";
import { Empty, Section } from "./parts";
import { f, type Key, t, useReader } from "./reader";
import { go, type Route, to } from "./route";
import { sentence } from "./sentences";
import { VanSheet } from "./vansheet";
import en from "./words/en.json";

export function NowPage({ route }: { route: Route }) {
  useReader();
  const fleet = useFleet("vehicle", "order", "plan", "report", "message", "alert", "tick", "link");
  const found = exceptions(fleet);
  const { late, alarmed } = useMarks(found);
  return (
    <>
      <Numbers fleet={fleet} />
      <Section id="attention" title={t("attention.title")} count={found.length || undefined}><ExceptionList found={found} /></Section>
      <section class="card map-card" aria-label={t("map.title")}><MapView selected={route.id} late={late} alarmed={alarmed} /></section>
      {route.id ? (
        <Section id="sheet" title={fleet.vehicles.get(route.id)?.name ?? t("vans.unknown")} actions={<button type="button" class="button quiet" onClick={() => go("now")}>{t("close")}</button>}>
          <VanSheet vehicle={route.id} brief />
        </Section>
      ) : (
        <Events />
      )}
    </>
  );
}

/** Which vans to colour; the same sets as long as nothing changed, so that the map is not told again. */
function useMarks(found: ReturnType<typeof exceptions>): { late: ReadonlySet<string>; alarmed: ReadonlySet<string> } {
  const of = (...kinds: string[]): string => [...new Set(found.filter((one) => one.vehicle && kinds.includes(one.kind)).map((one) => one.vehicle!))].sort().join();
  const late = of("late", "predicted_late", "off_route");
  const alarmed = of("report", "declined");
  return useMemo(() => ({ late: new Set(late.split(",")), alarmed: new Set(alarmed.split(",")) }), [late, alarmed]);
}

function Numbers({ fleet }: { fleet: Fleet }) {
  const [numbers, set] = useState<[Key, string][]>([]);
  useEffect(() => {
    const count = (): void => set(numbersOf(fleet));
    count();
    return fleet.listen((parts) => (parts.has("order") || parts.has("vehicle")) && count());
  }, [fleet]);
  return <dl class="numbers">{numbers.map(([key, value]) => <div key={key}><dt>{t(key)}</dt><dd>{value}</dd></div>)}</dl>;
}

function numbersOf(fleet: Fleet): [Key, string][] {
  const n: Record<string, number> = {};
  let [inTime, later] = [0, 0];
  for (const order of fleet.orders.values()) {
    if (fleet.isForLater(order)) {
      later++;
      continue;
    }
    n[order.state] = (n[order.state] ?? 0) + 1;
    if (order.state === "delivered" && lateMs(order) < 60_000) inTime++;
  }
  const of = (...states: string[]): number => states.reduce((sum, state) => sum + (n[state] ?? 0), 0);
  const onDuty = [...fleet.vehicles.values()].filter((van) => van.duty !== "off").length;
  return [
    ["numbers.done", t("of", { n: f.count(of("delivered")), all: f.count(fleet.orders.size - later - of("cancelled")) })],
    ["numbers.in_time", of("delivered") ? f.percent(inTime / of("delivered")) : "–"],
    ["numbers.under_way", f.count(of("planned", "next", "arrived"))],
    ["numbers.failed", f.count(of("failed"))],
    ["numbers.without_van", f.count(of("new", "unassigned", "waiting_for_place"))],
    ...(later ? [["numbers.later", f.count(later)] as [Key, string]] : []),
    ["numbers.on_duty", t("of", { n: f.count(onDuty), all: f.count(fleet.vehicles.size) })],
  ];
}

/** An event in the reader's words; a kind that has none yet as the hub tells it. */
function saidOf(event: Happened, fleet: Fleet): string {
  const key = `event.${event.kind}`;
  if (!(key in en)) return event.text;
  const order = event.order ? fleet.orders.get(event.order) : undefined;
  const van = fleet.vehicles.get(event.vehicle ?? order?.vehicle ?? "")?.name ?? "–";
  return [t(key as Key, { van, order: order ? orderName(order) : (event.order ?? "") }), sentence(event.why, event.said)].filter(Boolean).join(": ");
}

function Events() {
  const fleet = useFleet("event", "vehicle", "order");
  const newest = [...fleet.events.values()].sort((a, b) => b.at - a.at || b.id.localeCompare(a.id)).slice(0, 60);
  return (
    <Section id="events" title={t("events.title")}>
      {newest.length === 0 ? <Empty>{t("events.none")}</Empty> : (
        <ol class="list" tabIndex={0} aria-label={t("events.title")}>
          {newest.map((event) => (
            <li key={event.id} class={event.kind.replace(".", "-")}>
              <p><time>{f.clock(event.at)}</time> {saidOf(event, fleet)}{event.order && <> <a href={to("orders", event.order)}>{t("order.story")}</a></>}</p>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}

