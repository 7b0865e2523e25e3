/** An address that nobody could place: what the geocoder found, another address that is looked for, or a place given by hand. */

import { useState } from "preact/hooks";
import { AddressSearch } from "./addresssearch";
import type { Order } from "./documents";
import { orderName } from "./fleet";
import { Act, Dialog, Field, Trouble } from "./parts";
import { t } from "./reader";
import { type Sentence, Told } from "./sentences";
import { api, useAsked } from "./session";

interface Waiting {
  order: string;
  address: string;
  reason: string;
  said?: Sentence[];
  candidates: { label: string; lat_deg: number; lon_deg: number }[];
}

export function PlaceDialog({ order, close }: { order: Order; close: () => void }) {
  const { answer, error, loading } = useAsked<{ items: Waiting[] }>("/v1/geocode-queue");
  const waiting = answer?.items.find((one) => one.order === order.order);
  const [place, setPlace] = useState("");
  const [lat, lon] = place.split(/[\s,;]+/).map(Number);
  const pin = (lat_deg: number, lon_deg: number): Promise<unknown> => api.post(`/v1/orders/${encodeURIComponent(order.order)}/pin`, { lat_deg, lon_deg });
  return (
    <Dialog title={t("place.title", { order: orderName(order) })} close={close}>
      <p>{order.address}</p>
      {waiting && <p class="quiet"><Told text={waiting.reason} said={waiting.said} /></p>}
      <Trouble>{error}</Trouble>
      {loading && <p role="status">{t("loading")}</p>}
      <ul class="list choices">
        {waiting?.candidates.map((one) => (
          <li class="choice" key={one.label}><span class="grow">{one.label}<br /><small>{one.lat_deg.toFixed(5)}, {one.lon_deg.toFixed(5)}</small></span><Act act={() => pin(one.lat_deg, one.lon_deg)} done={t("place.done")} after={close} label={`${t("place.take")}: ${one.label}`}>{t("place.take")}</Act></li>
        ))}
      </ul>
      <AddressSearch take={(one) => setPlace(`${one.lat_deg.toFixed(5)}, ${one.lon_deg.toFixed(5)}`)} />
      <Field label={t("place.by_hand")} help={t("place.help")}>{(id) => <input id={id} inputMode="text" autocomplete="off" placeholder="60.16999, 24.93838" value={place} onInput={(event) => setPlace(event.currentTarget.value)} />}</Field>
      <div class="actions"><Act act={() => (Number.isFinite(lat) && Number.isFinite(lon) ? pin(lat!, lon!) : Promise.reject(new Error(t("place.not_a_place"))))} done={t("place.done")} tone="primary" after={close}>{t("act.place")}</Act></div>
    </Dialog>
  );
}
