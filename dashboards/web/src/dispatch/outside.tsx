/** Where a van stood this shift at no stop of its plan: for long, or near the door of an order that may have been meant. */

import { fleet, orderName } from "./fleet";
import { Badge, Empty, Trouble } from "./parts";
import { f, t } from "./reader";
import { to } from "./route";
import { useAsked } from "./session";

/** `/v1/stops-outside-plan`. */
interface Stood {
  meant_order: string | null;
  arrived_at: string;
  left_at: string | null;
  lat_deg: number;
  lon_deg: number;
}

/** A light, a queue, a word with somebody: shorter at nobody's door is nothing to look at. */
const LONG_S = 900;
const SHORTEST_S = 60;

export function Outside({ vehicle, since, again }: { vehicle: string; since: number; again: unknown }) {
  const { answer, error } = useAsked<{ items: Stood[] }>(`/v1/stops-outside-plan?vehicle=${encodeURIComponent(vehicle)}&longer_s=${SHORTEST_S}&limit=500&from=${new Date(since).toISOString()}`, again);
  const lasted = ({ arrived_at, left_at }: Stood): number => ((left_at ? Date.parse(left_at) : fleet.now) - Date.parse(arrived_at)) / 1000;
  const items = answer?.items.filter((one) => one.meant_order !== null || lasted(one) >= LONG_S) ?? [];
  return (
    <>
      <h3>{t("outside.title")}</h3>
      <Trouble>{error}</Trouble>
      {answer && items.length === 0 && <Empty>{t("outside.none")}</Empty>}
      {items.length > 0 && (
        <ol class="stops" aria-label={t("outside.title")}>
          {items.map((one) => <li key={one.arrived_at}><span class="grow">{one.meant_order ? <><Badge tone="warn">{t("outside.meant")}</Badge> <Meant order={one.meant_order} /></> : t("outside.nobodys")}<small>{one.lat_deg.toFixed(5)}, {one.lon_deg.toFixed(5)}</small></span><span class="right">{f.clock(one.arrived_at)} – {f.clock(one.left_at)}<small>{f.span(lasted(one))}</small></span></li>)}
        </ol>
      )}
    </>
  );
}

function Meant({ order }: { order: string }) {
  const found = fleet.orders.get(order);
  return <a href={to("orders", order)}>{found ? orderName(found) : order}</a>;
}
