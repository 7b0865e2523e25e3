/** Another place for an order that has one: an address that is looked for, pointed at on the map, or written, with what a stop there means for the rounds, before it counts. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import { AddressSearch } from "./addresssearch";
import type { Order } from "./documents";
import { fleet, orderName } from "./fleet";
import { canDraw } from "./map";
import { type Candidate, effectText, itemsOf } from "./moves";
import { Act, Dialog, Field, Trouble, VanChip } from "./parts";
import { t } from "./reader";
import { api } from "./session";
import { type Point, SketchMap } from "./sketchmap";

const BEST = 3;
const ASKS_AFTER_MS = 300; // a pin that is dragged is asked about where it rests
const nothing = (): void => {};

/** What a stop at a place, in the order's window, would add to each van's round; the order's own van first. */
const effects = async (order: Order, [lon_deg, lat_deg]: Point): Promise<Candidate[]> => {
  const within_s = Math.round(Math.min(7 * 86_400, Math.max(0, (order.window_end - fleet.now) / 1000)));
  const asked = new URLSearchParams(Object.entries({ lat_deg, lon_deg, depot: order.depot, kind: order.kind, parcels: order.parcels, service_s: order.service_s, within_s }).map(([name, value]) => [name, String(value)]));
  const found = itemsOf(await api.get<Candidate[] | { items: Candidate[] }>(`/v1/candidates?${asked}`));
  const own = found.filter((one) => one.vehicle === order.vehicle);
  return [...own, ...found.filter((one) => one.vehicle !== order.vehicle && one.feasible)].slice(0, BEST);
};

export function AnotherPlaceDialog({ order, close }: { order: Order; close: () => void }) {
  const was: Point | null = order.lat_deg === null || order.lon_deg === null ? null : [order.lon_deg, order.lat_deg];
  const [text, setText] = useState(was ? written(was) : "");
  const [named, name] = useState<{ address: string; at: string } | null>(null);
  const [found, setFound] = useState<Candidate[] | null>(null);
  const [error, setError] = useState("");
  const at = read(text);
  const moved = at !== null && (was === null || written(was) !== written(at));
  const key = at && moved ? written(at) : "";
  useEffect(() => {
    setFound(null);
    setError("");
    if (!key) return;
    let gone = false;
    const asks = setTimeout(() => void effects(order, read(key)!).then((list) => gone || setFound(list), (failure: unknown) => gone || setError(told(failure))), ASKS_AFTER_MS);
    return () => {
      gone = true;
      clearTimeout(asks);
    };
  }, [key]);
  const put = (point: Point): void => setText(written(point));
  const address = named?.at === key && named.address !== order.address ? named.address : null; // of the place as it is: a pin that was dragged on has none
  const pin = (): Promise<unknown> => (at ? api.post(`/v1/orders/${encodeURIComponent(order.order)}/pin`, { lat_deg: at[1], lon_deg: at[0], ...(address ? { address } : {}) }) : Promise.reject(new Error(t("place.not_a_place"))));
  return (
    <Dialog title={t("place.title", { order: orderName(order) })} close={close} wide>
      <p>{order.address}</p>
      <AddressSearch take={(one) => { const point: Point = [one.lon_deg, one.lat_deg]; put(point); name({ address: one.label, at: written(point) }); }} />
      {canDraw() && <div class="place-map"><SketchMap fleet={fleet} fences={[]} sketch={null} points={at ? [at] : []} add={put} drag={(_, to) => put(to)} moved={nothing} label={t("place.map")} /></div>}
      <Field label={t("place.by_hand")} help={t("place.help")}>{(id) => <input id={id} inputMode="text" autocomplete="off" placeholder="60.16999, 24.93838" value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
      <Trouble>{error}</Trouble>
      <div role="status">
        {address && <p>{t("place.address_too", { address })}</p>}
        {key && !found && !error && <p>{t("effect.asking")}</p>}
        {found && <p class="quiet">{t(found.some((one) => one.feasible) ? "place.effect" : "place.nobody")}</p>}
        {found && <ul class="list">{found.map((one) => <li key={one.vehicle}><VanChip vehicle={one.vehicle} link={false} /> <span class={`effect ${effectText(one).tone}`}>{effectText(one).text}</span></li>)}</ul>}
      </div>
      <div class="actions">{(moved || at === null) && <Act act={pin} done={t("place.moved")} tone="primary" after={close}>{t("place.move")}</Act>}</div>
    </Dialog>
  );
}

const written = ([lon_deg, lat_deg]: Point): string => `${lat_deg.toFixed(5)}, ${lon_deg.toFixed(5)}`;

function read(text: string): Point | null {
  const [lat, lon] = text.trim().split(/[\s,;]+/).map(Number);
  return Number.isFinite(lat) && Number.isFinite(lon) && Math.abs(lat!) <= 90 && Math.abs(lon!) <= 180 ? [lon!, lat!] : null;
}
