/** What came back with a van is taken out of it at the depot, all at once: asked first, for nobody can put it back in by a button. */

import { useState } from "preact/hooks";
import { orderName, useFleet } from "./fleet";
import { Act, Dialog, Trouble } from "./parts";
import { t, tn } from "./reader";
import { to } from "./route";
import { api, useAsked } from "./session";

/** `/v1/vehicles/{vehicle}/came-back`. */
interface CameBack {
  orders: string[];
  parcels: number;
}

export function Unload({ vehicle, name }: { vehicle: string; name: string }) {
  const fleet = useFleet("order");
  const [turn, setTurn] = useState(0);
  const [asks, setAsks] = useState(false);
  const door = `/v1/vehicles/${encodeURIComponent(vehicle)}`;
  // What fails, or is called off, comes back; what was decided of it since may take it out again.
  const ended = [...fleet.orders.values()].filter((order) => order.state === "failed" || order.state === "cancelled").map(({ order }) => order).join();
  const { answer, error } = useAsked<CameBack>(`${door}/came-back`, `${turn} ${ended} ${asks}`);
  const close = (): void => {
    setAsks(false);
    setTurn(turn + 1);
  };
  const nameOf = (order: string): string => {
    const found = fleet.orders.get(order);
    return found ? orderName(found) : order;
  };
  return (
    <>
      <Trouble>{error}</Trouble>
      {answer && answer.parcels > 0 && <button type="button" class="button" onClick={() => setAsks(true)}>{t("unload.ask", { parcels: tn("loading_list.parcels", answer.parcels) })}</button>}
      {asks && answer && (
        <Dialog title={t("unload.title", { van: name })} close={close}>
          <p>{t("unload.effect", { parcels: tn("loading_list.parcels", answer.parcels) })}</p>
          <ul class="plainlist">{answer.orders.map((order) => <li key={order}><a href={to("orders", order)}>{nameOf(order)}</a></li>)}</ul>
          <p class="effect warn">{t("unload.for_good")}</p>
          <div class="actions"><Act act={() => api.post(`${door}/unloaded`)} done={t("unload.done", { van: name })} tone="primary" after={close}>{t("unload.do")}</Act></div>
        </Dialog>
      )}
    </>
  );
}
