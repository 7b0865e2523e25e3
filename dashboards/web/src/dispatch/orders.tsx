/** All orders: found, filtered, chosen together; one of them with its whole story. */

import { useState } from "preact/hooks";
import { told } from "../shared/api";
import { ORDER_STATES, type Order, type OrderState } from "./documents";
import { type Fleet, fleet as theFleet, lateMs, orderName, useFleet } from "./fleet";
import { ImportDialog } from "./importdialog";
import { NewOrderDialog } from "./neworder";
import { type Tone, Badge, Empty, Section, Trouble, useMore, VanChip } from "./parts";
import { f, t, tn, useReader } from "./reader";
import { type Route, to } from "./route";
import { Told } from "./sentences";
import { api, say } from "./session";
import { StoryPage } from "./story";

export const STATE_TONES: Record<OrderState, Tone> = {
  new: "plain", waiting_for_place: "warn", unassigned: "bad", planned: "plain", next: "info", arrived: "info", delivered: "good", failed: "bad", cancelled: "plain",
};

interface Filter {
  find: string;
  state: OrderState | "" | "late" | "later";
  van: string;
}

function matching(fleet: Fleet, orders: Iterable<Order>, filter: Filter): Order[] {
  const wanted = filter.find.trim().toLowerCase();
  const found: Order[] = [];
  for (const order of orders) {
    const later = fleet.isForLater(order);
    if (filter.state === "late" ? lateMs(order) < 60_000 : filter.state === "later" ? !later : filter.state && (later || order.state !== filter.state)) continue;
    if (filter.van && order.vehicle !== filter.van) continue;
    if (wanted && !`${order.reference} ${order.name} ${order.address} ${order.order}`.toLowerCase().includes(wanted)) continue;
    found.push(order);
  }
  const start = (order: Order): number => order.promise_start ?? order.window_start;
  return found.sort((a, b) => start(a) - start(b) || a.order.localeCompare(b.order));
}

export function OrdersPage({ route }: { route: Route }) {
  useReader();
  if (route.id) return <StoryPage order={route.id} />;
  return <OrderList />;
}

function OrderList() {
  const fleet = useFleet("order", "vehicle");
  const [filter, setFilter] = useState<Filter>({ find: "", state: "", van: "" });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [dialog, setDialog] = useState<"import" | "new" | null>(null);
  const found = matching(fleet, fleet.orders.values(), filter);
  const { shown, more } = useMore(found.length);
  const chosenHere = found.filter((order) => chosen.has(order.order));
  const choose = (order: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(order);
    else next.delete(order);
    setChosen(next);
  };
  const set = (change: Partial<Filter>): void => setFilter({ ...filter, ...change });
  return (
    <Section title={t("orders.title")} count={t("of", { n: f.count(found.length), all: f.count(fleet.orders.size) })} actions={<span class="actions"><button type="button" class="button primary" onClick={() => setDialog("new")}>{t("orders.new")}</button><button type="button" class="button" onClick={() => setDialog("import")}>{t("orders.import")}</button></span>}>
      <div class="tools">
        <label>{t("find")} <input type="search" value={filter.find} placeholder={t("orders.find")} onInput={(event) => set({ find: event.currentTarget.value })} /></label>
        <label>{t("order.state")} <select value={filter.state} onChange={(event) => set({ state: event.currentTarget.value as Filter["state"] })}><option value="">{t("all")}</option><option value="late">{t("orders.late")}</option><option value="later">{t("orders.later")}</option>{ORDER_STATES.map((state) => <option key={state} value={state}>{t(`state.${state}`)}</option>)}</select></label>
        <label>{t("van.van")} <select value={filter.van} onChange={(event) => set({ van: event.currentTarget.value })}><option value="">{t("all")}</option>{fleet.vansInOrder.map((van) => <option key={van.vehicle} value={van.vehicle}>{van.name}</option>)}</select></label>
      </div>
      {chosenHere.length > 0 && <Bulk orders={chosenHere} done={() => setChosen(new Set())} />}
      {found.length === 0 ? <Empty>{fleet.orders.size ? t("nothing_found") : t("orders.none")}</Empty> : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t("orders.title")}>
          <table class="cards">
            <thead><tr>
              <th scope="col" class="pick"><input type="checkbox" aria-label={t("orders.choose_all")} checked={chosenHere.length === found.length} onChange={(event) => setChosen(event.currentTarget.checked ? new Set(found.map((order) => order.order)) : new Set())} /></th>
              <th scope="col">{t("order.order")}</th><th scope="col">{t("order.state")}</th><th scope="col">{t("order.promised")}</th><th scope="col">{t("order.expected")}</th><th scope="col">{t("van.van")}</th>
            </tr></thead>
            <tbody>{found.slice(0, shown).map((order) => <OrderRow key={order.order} order={order} chosen={chosen.has(order.order)} choose={choose} />)}</tbody>
          </table>
        </div>
      )}
      {more}
      {dialog === "import" && <ImportDialog of="orders" close={() => setDialog(null)} />}
      {dialog === "new" && <NewOrderDialog close={() => setDialog(null)} />}
    </Section>
  );
}

function OrderRow({ order, chosen, choose }: { order: Order; chosen: boolean; choose: (order: string, on: boolean) => void }) {
  const late = lateMs(order);
  const name = orderName(order);
  return (
    <tr class={order.state}>
      <td class="pick"><input type="checkbox" aria-label={t("orders.choose", { order: name })} checked={chosen} onChange={(event) => choose(order.order, event.currentTarget.checked)} /></td>
      <th scope="row"><a href={to("orders", order.order)}>{name}</a>{order.priority >= 8 && <Badge tone="bad">{t("order.urgent")}</Badge>}{order.kind === "pickup" && <Badge tone="info">{t("order.pickup")}</Badge>}<small>{order.address}</small></th>
      <td>{theFleet.isForLater(order) ? <Badge>{t("state.later", { day: f.day(order.window_start) })}</Badge> : <Badge tone={STATE_TONES[order.state]}>{t(`state.${order.state}`)}</Badge>}{order.reason && !theFleet.isForLater(order) && <small><Told text={order.reason} said={order.said} /></small>}</td>
      <td data-label={t("order.promised")}>{f.clock(order.promise_start ?? order.window_start)}–{f.clock(order.promise_end ?? order.window_end)}</td>
      <td data-label={t(order.done_at === null ? "order.expected" : "order.done_at")}>{f.clock(order.done_at ?? order.eta)}{late >= 60_000 && <Badge tone="bad">{t("late_by", { late: f.span(late / 1000) })}</Badge>}</td>
      <td>{order.vehicle ? <VanChip vehicle={order.vehicle} /> : "–"}</td>
    </tr>
  );
}

/** The same thing done to all chosen orders; what was refused is told order by order. */
function Bulk({ orders, done }: { orders: readonly Order[]; done: () => void }) {
  const fleet = useFleet("vehicle");
  const [refused, setRefused] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const each = async (act: (order: Order) => Promise<unknown>, words: (n: number) => string): Promise<void> => {
    setBusy(true);
    const failures: string[] = [];
    for (const order of orders) {
      try {
        await act(order);
      } catch (error) {
        failures.push(`${orderName(order)}: ${told(error)}`);
      }
    }
    setBusy(false);
    setRefused(failures);
    say(words(orders.length - failures.length));
    if (failures.length === 0) done();
  };
  const at = (order: Order): string => `/v1/orders/${encodeURIComponent(order.order)}`;
  const later = (order: Order): Promise<unknown> => api.patch(at(order), { window_end: new Date(order.window_end + 3_600_000).toISOString() });
  return (
    <div class="bulk" role="group" aria-label={t("bulk.title")}>
      <b>{tn("bulk.chosen", orders.length)}</b>
      <button type="button" class="button" aria-disabled={busy} onClick={() => void each((order) => api.patch(at(order), { priority: 9 }), (n) => tn("bulk.urgent_done", n))}>{t("bulk.urgent")}</button>
      <button type="button" class="button" aria-disabled={busy} onClick={() => void each(later, (n) => tn("bulk.later_done", n))}>{t("bulk.later")}</button>
      <label>{t("bulk.assign")} <select value="" disabled={busy} onChange={(event) => { const vehicle = event.currentTarget.value; if (vehicle) void each((order) => api.put(`${at(order)}/assignment`, { vehicle, position: null }), (n) => tn("bulk.assigned", n)); }}><option value="">–</option>{fleet.vansInOrder.map((van) => <option key={van.vehicle} value={van.vehicle}>{van.name}</option>)}</select></label>
      <button type="button" class="button danger" aria-disabled={busy} onClick={() => void each((order) => api.post(`${at(order)}/cancel`), (n) => tn("bulk.cancelled", n))}>{t("bulk.cancel")}</button>
      <button type="button" class="button quiet" onClick={done}>{t("bulk.none")}</button>
      {refused.length > 0 && <Trouble>{refused.slice(0, 5).join(" · ")}{refused.length > 5 ? ` · +${refused.length - 5}` : ""}</Trouble>}
    </div>
  );
}
