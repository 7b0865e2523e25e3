/** Which van should have an order: candidates with what each would cost, best first; one press gives it the order. */

import { useEffect, useState } from "preact/hooks";
import { told } from "../shared/api";
import type { Order } from "./documents";
import { fleet, orderName } from "./fleet";
import { apply, type Candidate, candidates, effectText } from "./moves";
import { Act, Badge, Dialog, Empty, Straight, Trouble, useMore, VanChip } from "./parts";
import { t } from "./reader";

export function MoveDialog({ order, close }: { order: Order; close: () => void }) {
  const [found, set] = useState<Candidate[] | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    let gone = false;
    candidates(order.order).then((list) => gone || set(list), (failure: unknown) => gone || setError(told(failure)));
    return () => void (gone = true);
  }, [order.order]);
  const { shown, more } = useMore(found?.length ?? 0, 12);
  return (
    <Dialog title={t("move.title", { order: orderName(order) })} close={close} wide>
      <p class="quiet">{order.vehicle ? t("move.has", { van: fleet.vehicles.get(order.vehicle)?.name ?? order.vehicle }) : t("move.has_none")}</p>
      <Trouble>{error}</Trouble>
      {!found && !error && <p role="status">{t("loading")}</p>}
      <Straight basis={found?.[0]?.basis} />
      {found?.length === 0 && <Empty>{t("move.none")}</Empty>}
      <ul class="list choices">
        {found?.slice(0, shown).map((one) => {
          const { tone, text } = effectText(one);
          const van = fleet.vehicles.get(one.vehicle);
          const here = one.vehicle === order.vehicle;
          return (
            <li key={one.vehicle} class="choice">
              <span class="grow"><VanChip vehicle={one.vehicle} link={false} /> <span class="quiet">{van?.driver}</span>{here && <Badge>{t("move.here")}</Badge>}<br /><span class={`effect ${tone}`}>{text}</span></span>
              {one.feasible && !here && <Act act={() => apply({ order: order.order, vehicle: one.vehicle, position: one.position })} done={t("move.done", { order: orderName(order), van: van?.name ?? one.vehicle })} tone={tone === "good" ? "primary" : ""} label={t("move.give", { van: van?.name ?? one.vehicle })} after={close}>{t("move.give", { van: van?.name ?? one.vehicle })}</Act>}
            </li>
          );
        })}
      </ul>
      {more}
    </Dialog>
  );
}
