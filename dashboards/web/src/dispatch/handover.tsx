/** A van does not answer: what it held is given away once somebody records who said that it will not be served, and where the goods are. */

import { useState } from "preact/hooks";
import { fleet, orderName } from "./fleet";
import { Act, Dialog, Empty, Field, Trouble } from "./parts";
import { t } from "./reader";
import { api, useAsked } from "./session";

/** A plan that its van says nothing about (`GET /v1/depots/{depot}/unanswered`): what it has on board, and what others could take. */
interface Unanswered {
  vehicle: string;
  on_board: string[];
  offers: { order: string }[];
}

export function HandoverDialog({ vehicle, close }: { vehicle: string; close: () => void }) {
  const van = fleet.vehicles.get(vehicle);
  const { answer, error, loading } = useAsked<Unanswered[]>(van ? `/v1/depots/${encodeURIComponent(van.depot)}/unanswered` : null);
  const held = answer?.find((one) => one.vehicle === vehicle);
  const orders = held ? [...held.on_board, ...held.offers.map(({ order }) => order)] : [];
  return (
    <Dialog title={`${t("handover.title")}: ${van?.name ?? vehicle}`} close={close}>
      <Trouble>{error}</Trouble>
      {loading && <p role="status">{t("loading")}</p>}
      {answer && orders.length === 0 && <Empty>{t("handover.nothing")}</Empty>}
      {orders.length > 0 && <Handover vehicle={vehicle} orders={orders} close={close} />}
    </Dialog>
  );
}

function Handover({ vehicle, orders, close }: { vehicle: string; orders: readonly string[]; close: () => void }) {
  const [to, setTo] = useState("");
  const [said, setSaid] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(orders));
  const depot = fleet.vehicles.get(vehicle)?.depot;
  const choose = (order: string, on: boolean): void => setChosen(new Set(on ? [...chosen, order] : [...chosen].filter((one) => one !== order)));
  const body = { orders: orders.filter((order) => chosen.has(order)), to: to || null, said };
  return (
    <>
      <ul class="plainlist">{orders.map((order) => {
        const found = fleet.orders.get(order);
        return <li key={order}><label class="check"><input type="checkbox" checked={chosen.has(order)} onChange={(event) => choose(order, event.currentTarget.checked)} /> {found ? orderName(found) : order}</label></li>;
      })}</ul>
      <Field label={t("handover.to")}>{(id) => <select id={id} value={to} onChange={(event) => setTo(event.currentTarget.value)}><option value="">{t("handover.nowhere")}</option>{fleet.vansInOrder.filter((one) => one.vehicle !== vehicle && one.depot === depot).map((one) => <option key={one.vehicle} value={one.vehicle}>{one.name}</option>)}</select>}</Field>
      <Field label={t("handover.said")}>{(id) => <input id={id} required maxLength={500} autocomplete="off" value={said} onInput={(event) => setSaid(event.currentTarget.value)} />}</Field>
      <div class="actions"><Act act={() => api.post(`/v1/vehicles/${encodeURIComponent(vehicle)}/handover`, body)} done={t("handover.done")} tone="primary" after={close}>{t("handover.do")}</Act></div>
    </>
  );
}
