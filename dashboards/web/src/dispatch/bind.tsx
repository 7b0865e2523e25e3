/** What a dispatcher decides about an order's van, for every later plan: which one keeps it, as which stop, and which never get it. Shown before it is done. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import type { Order } from "./documents";
import { fleet, orderName } from "./fleet";
import { candidates, type Effect, effectText, type Move, preview } from "./moves";
import { Act, Dialog, Field, Trouble } from "./parts";
import { f, t } from "./reader";
import { api, useAsked } from "./session";

/** `/v1/orders/{order}/assignment`. */
interface Assignment {
  vehicle: string | null;
  position: number | null;
  forbid: string[];
}

const ASKS_AFTER_MS = 300;
const nameOf = (vehicle: string): string => fleet.vehicles.get(vehicle)?.name ?? vehicle;

export function BindDialog({ order, close }: { order: Order; close: () => void }) {
  const door = `/v1/orders/${encodeURIComponent(order.order)}/assignment`;
  const { answer, error } = useAsked<Assignment>(door);
  return (
    <Dialog title={t("bind.title", { order: orderName(order) })} close={close}>
      <Trouble>{error}</Trouble>
      {answer ? <Binding order={order} door={door} was={answer} close={close} /> : !error && <p role="status">{t("loading")}</p>}
    </Dialog>
  );
}

/** What was decided so far, in a sentence or two. */
function decided({ vehicle, position, forbid }: Assignment): string {
  const kept = vehicle ? t(position ? "bind.pinned_at" : "bind.pinned", { van: nameOf(vehicle), n: f.count(position ?? 0) }) : "";
  const never = forbid.length ? t("bind.never", { vans: forbid.map(nameOf).join(", ") }) : "";
  return [kept, never].filter(Boolean).join(" ") || t("bind.free");
}

function Binding({ order, door, was, close }: { order: Order; door: string; was: Assignment; close: () => void }) {
  const [vehicle, setVehicle] = useState(was.vehicle ?? "");
  const [position, setPosition] = useState(was.position ? String(was.position) : "");
  const [forbid, setForbid] = useState<readonly string[]>(was.forbid);
  const [effect, setEffect] = useState<Effect | null>(null);
  const [error, setError] = useState("");
  const vans = fleet.vansInOrder.filter((van) => van.depot === order.depot);
  const wish: Assignment = { vehicle: vehicle || null, position: vehicle && Number(position) > 0 ? Math.round(Number(position)) : null, forbid: forbid.filter((one) => one !== vehicle) };
  const bound = was.vehicle !== null || was.forbid.length > 0;
  const says = wish.vehicle !== null || wish.forbid.length > 0;
  const key = JSON.stringify(wish);
  const changed = key !== JSON.stringify(was);
  useEffect(() => {
    setEffect(null);
    setError("");
    if (!changed || !says) return;
    const asked = new AbortController();
    const asks = setTimeout(() => void api.post<Effect>(`${door}:preview`, wish, asked.signal).then(setEffect, (failure: unknown) => asked.signal.aborted || setError(told(failure))), ASKS_AFTER_MS);
    return () => {
      clearTimeout(asks);
      asked.abort();
    };
  }, [key]);
  const keep = async (): Promise<void> => {
    if (was.forbid.some((one) => !wish.forbid.includes(one))) await api.remove(door); // a new word adds to what is forbidden, and takes nothing back
    await api.put(door, wish);
  };
  const found = effect && effectText(effect);
  return (
    <>
      <p class="quiet">{decided(was)}</p>
      <div class="pair">
        <Field label={t("bind.van")}>{(id) => <select id={id} value={vehicle} onChange={(event) => setVehicle(event.currentTarget.value)}><option value="">{t("bind.planner")}</option>{vans.map((van) => <option key={van.vehicle} value={van.vehicle}>{van.name}</option>)}</select>}</Field>
        {vehicle && <Field label={t("bind.position")}>{(id) => <input id={id} type="number" min={1} max={500} step={1} value={position} onInput={(event) => setPosition(event.currentTarget.value)} />}</Field>}
      </div>
      <fieldset><legend>{t("bind.forbid")}</legend>
        <ul class="plainlist">{vans.filter((van) => van.vehicle !== vehicle).map((van) => <li key={van.vehicle}><label class="check"><input type="checkbox" checked={forbid.includes(van.vehicle)} onChange={(event) => setForbid(event.currentTarget.checked ? [...forbid, van.vehicle] : forbid.filter((one) => one !== van.vehicle))} /> {van.name}</label></li>)}</ul>
      </fieldset>
      <Trouble>{error}</Trouble>
      <p class={`effect ${found?.tone ?? ""}`} role="status">{found?.text ?? (changed && says && !error ? t("effect.asking") : "")}</p>
      {bound && <Released order={order} />}
      <div class="actions">
        {changed && says && (wish.vehicle === null || effect?.feasible) && effect && <Act act={keep} done={t("bind.kept")} tone="primary" after={close}>{t("bind.keep")}</Act>}
        {bound && <Act act={() => api.remove(door)} done={t("bind.released")} after={close}>{t("bind.release")}</Act>}
      </div>
    </>
  );
}

/** What giving the order back to the planner comes to, before it is done: where it would cost least if nothing had been decided, and what a move there
 * would mean, or what stands against it (its goods may be on board). */
function Released({ order }: { order: Order }) {
  const [best, setBest] = useState<{ move: Move; effect: Effect } | null | undefined>();
  const [error, setError] = useState("");
  useEffect(() => {
    const asked = new AbortController();
    const look = async (): Promise<void> => {
      const found = (await candidates(order.order)).find((one) => one.feasible);
      const move = found && { order: order.order, vehicle: found.vehicle, position: found.position };
      const effect = move && (move.vehicle === order.vehicle ? found : await preview(move, asked.signal));
      if (!asked.signal.aborted) setBest(move && effect ? { move, effect } : null);
    };
    look().catch((failure: unknown) => asked.signal.aborted || setError(told(failure)));
    return () => asked.abort();
  }, [order.order, order.vehicle]);
  return (
    <div class="released">
      <p class="quiet">{t("bind.release_means")}</p>
      <p class="quiet" role="status">{error ? "" : cheapest(order, best)}</p>
      <Trouble>{error}</Trouble>
    </div>
  );
}

/** `best`: undefined while it is asked for, null where no van can have it. */
function cheapest(order: Order, best: { move: Move; effect: Effect } | null | undefined): string {
  if (!best) return t(best === null ? "bind.release_nobody" : "effect.asking");
  const { vehicle, position } = best.move;
  if (vehicle === order.vehicle) return t("bind.release_stays", { van: nameOf(vehicle) });
  const where = position === null ? nameOf(vehicle) : t("effect.where", { van: nameOf(vehicle), n: f.count(position) });
  return t("bind.release_best", { where, effect: effectText(best.effect).text });
}
