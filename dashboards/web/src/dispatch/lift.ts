/** A task in the hand: carried by pointer or by keys over the lanes, its effect asked of the hub wherever it hovers, and let go.

The board is drawn anew whenever the day changes, and the bar in the hand may then be another van's, or gone. So nothing here hangs on the bar:
the window is listened to, and the board stands still as long as the hand is on a task (`hand`). */

import { useEffect, useRef, useState } from "preact/hooks";
import { told } from "../shared/api";
import { fleet, orderName } from "./fleet";
import { apply, effectText, type Move, preview } from "./moves";
import type { Tone } from "./parts";
import { t } from "./reader";
import { say } from "./session";

/** Long enough that a lane only crossed is not asked about. */
const HOVER_MS = 150;
const DRAG_PX = 4;

interface Lanes {
  laneAt(x: number, y: number): { vehicle: string; at: number } | null;
  placeAt(vehicle: string, at: number, order: string): number;
  openOf(vehicle: string, order: string): number;
  vans: readonly string[];
  /** Whether a hand is on a task: the lanes are then not to move. */
  hand: { current: boolean };
  /** What stays when lanes are drawn anew; the pointer is captured by it. */
  board: { readonly current: HTMLElement | null };
}

interface Held {
  order: string;
  vehicle: string | null;
  position: number | null;
  at: { x: number; y: number } | null;
  effect: { tone: Tone; text: string; feasible: boolean | null } | null;
}

export function useLift(lanes: Lanes) {
  const [held, setHeld] = useState<Held | null>(null);
  const now = useRef<Held | null>(null);
  const asking = useRef<{ timer: number; stop: AbortController | null }>({ timer: 0, stop: null });
  const set = (next: Held | null): void => {
    now.current = next;
    setHeld(next);
  };
  const quiet = (): void => {
    clearTimeout(asking.current.timer);
    asking.current.stop?.abort();
  };
  const carrying = useRef(new AbortController());
  const drop = (): void => {
    quiet();
    carrying.current.abort();
    lanes.hand.current = false;
    set(null);
  };
  useEffect(() => drop, []);

  /** Hover over a van's place: ask what it would do, once it stays there. */
  const hover = (vehicle: string | null, position: number | null, at: Held["at"]): void => {
    const before = now.current;
    if (!before) return;
    if (before.vehicle === vehicle && before.position === position) return set({ ...before, at });
    quiet();
    if (!vehicle) return set({ ...before, vehicle, position, at, effect: null });
    set({ ...before, vehicle, position, at, effect: { tone: "plain", text: t("effect.asking"), feasible: null } });
    asking.current.timer = setTimeout(() => {
      const stop = new AbortController();
      asking.current.stop = stop;
      const move: Move = { order: before.order, vehicle, position };
      preview(move, stop.signal).then(
        (effect) => stop.signal.aborted || (now.current && set({ ...now.current, effect: { ...effectText(effect), feasible: effect.feasible } })),
        (error: unknown) => stop.signal.aborted || (now.current && set({ ...now.current, effect: { tone: "bad", text: told(error), feasible: false } })),
      );
    }, HOVER_MS);
  };

  /** Only what was shown first is done. */
  const letGo = (): void => {
    const task = now.current;
    if (!task?.vehicle) return drop();
    if (!task.effect?.feasible) {
      say(task.effect?.feasible === null ? t("effect.not_known") : (task.effect?.text ?? ""));
      return drop();
    }
    const order = fleet.orders.get(task.order);
    const words = t("move.done", { order: order ? orderName(order) : task.order, van: fleet.vehicles.get(task.vehicle)?.name ?? task.vehicle });
    apply({ order: task.order, vehicle: task.vehicle, position: task.position }).then(() => say(words), (error: unknown) => say(told(error)));
    drop();
  };

  const grab = (event: PointerEvent, order: string): void => {
    if (event.button !== 0 || now.current) return;
    const { pointerId, clientX, clientY } = event;
    (event.currentTarget as HTMLElement).focus({ preventScroll: true }); // not every browser does that for a button
    lanes.hand.current = true;
    carrying.current.abort();
    carrying.current = new AbortController();
    const { signal } = carrying.current;
    const mine = (act: (of: PointerEvent) => void) => (of: PointerEvent) => of.pointerId === pointerId && act(of);
    const move = (to: PointerEvent): void => {
      if (!now.current) {
        if (Math.hypot(to.clientX - clientX, to.clientY - clientY) < DRAG_PX) return;
        lanes.board.current?.setPointerCapture(pointerId); // the pointer may leave the window
        set({ order, vehicle: null, position: null, at: null, effect: null });
      }
      const lane = lanes.laneAt(to.clientX, to.clientY);
      hover(lane?.vehicle ?? null, lane ? lanes.placeAt(lane.vehicle, lane.at, order) : null, { x: to.clientX, y: to.clientY });
    };
    addEventListener("pointermove", mine(move), { signal });
    addEventListener("pointerup", mine(() => (now.current ? letGo : drop)()), { signal });
    addEventListener("pointercancel", mine(drop), { signal });
  };

  const take = (order: string, vehicle: string): void => {
    lanes.hand.current = true;
    set({ order, vehicle: null, position: null, at: null, effect: null });
    hover(vehicle, fleet.orders.get(order)?.position ?? 1, null);
  };

  /** A key while a task is held; gives whether it was meant for it. */
  const key = (event: KeyboardEvent): boolean => {
    const task = now.current;
    if (!task || (task.at && event.key !== "Escape")) return false;
    const at = lanes.vans.indexOf(task.vehicle ?? "");
    const steps: Record<string, () => void> = {
      ArrowDown: () => hover(lanes.vans[Math.min(lanes.vans.length - 1, at + 1)] ?? null, task.position, null),
      ArrowUp: () => hover(lanes.vans[Math.max(0, at - 1)] ?? null, task.position, null),
      ArrowRight: () => hover(task.vehicle, Math.min((task.position ?? 0) + 1, lanes.openOf(task.vehicle ?? "", task.order) + 1), null),
      ArrowLeft: () => hover(task.vehicle, Math.max((task.position ?? 2) - 1, 1), null),
      Enter: letGo,
      " ": letGo,
      Escape: drop,
      Tab: drop,
    };
    const step = steps[event.key];
    if (!step) return false;
    if (event.key !== "Tab") event.preventDefault();
    step();
    return event.key !== "Tab";
  };

  const van = held?.vehicle ? fleet.vehicles.get(held.vehicle)?.name : undefined;
  const where = van ? t("effect.where", { van, n: held?.position ?? "–" }) : "";
  return { order: held?.order ?? null, vehicle: held?.vehicle ?? null, at: held?.at ?? null, effect: held?.effect ?? null, where, grab, take, key };
}
