/** The time board: each van's day on a lane, planned against actual, a line at now; a task is dragged, or carried by keys, to another van. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Order, Vehicle } from "./documents";
import { type Fleet, fleet as theFleet, lateMs, orderName, useFleet } from "./fleet";
import { type Bar, barsOf, HOUR_MS, hours, instantAt, placeAt, xOf } from "./lanes";
import { useLift } from "./lift";
import { MoveDialog } from "./move";
import { Empty, Section, useMore, VanChip } from "./parts";
import { f, t, useReader } from "./reader";
import { to } from "./route";
import { useAsked } from "./session";
import { WhatIf } from "./whatif";

const ZOOMS = [60, 110, 200, 400, 800] as const;
/** Left out when nobody chose: what the page has beside the lanes. */
const BESIDE_PX = 400;
/** What a bar needs for a number in it: its frame, and a digit. */
const [FRAME_PX, DIGIT_PX] = [5, 7];
const SHORTEST_PX = 14;
/** Height of a lane in pixels; the style sheet has the same. */
export const LANE_PX = 48;
const ASK_AGAIN_MS = 60_000;

interface Lane {
  van: Vehicle;
  bars: Bar[];
}

interface First {
  items: { order: string; at: string }[];
}

function lanesOf(fleet: Fleet, vans: readonly Vehicle[], planned: ReadonlyMap<string, number>): Lane[] {
  const byVan = new Map<string, Order[]>(vans.map((van) => [van.vehicle, []]));
  for (const order of fleet.orders.values()) if (order.vehicle) byVan.get(order.vehicle)?.push(order);
  return vans.map((van) => ({ van, bars: barsOf(byVan.get(van.vehicle)!, (order) => order.service_s, planned) }));
}

export function BoardPage() {
  useReader();
  const fleet = useFleet("order", "vehicle", "tick");
  const [find, setFind] = useState("");
  const [chosen, setZoom] = useState<number | null>(null);
  const minute = Math.floor(fleet.now / ASK_AGAIN_MS);
  const first = useAsked<First>("/v1/first-arrivals", minute);
  const planned = useMemo(() => new Map(first.answer?.items.map((one) => [one.order, Date.parse(one.at)])), [first.answer]);
  const wanted = find.trim().toLowerCase();
  const vans = fleet.vansInOrder.filter((van) => !wanted || `${van.name} ${van.driver ?? ""}`.toLowerCase().includes(wanted));
  const { shown, more } = useMore(vans.length, 40);
  const lanes = lanesOf(fleet, vans.slice(0, shown), planned);
  const usual = useRef<number | null>(null); // once: nothing is drawn larger or smaller under a hand because the day got longer
  if (lanes.length) usual.current ??= usualZoom(lanes, fleet.now);
  const zoom = chosen ?? usual.current ?? 1;
  return (
    <Section title={t("board.title")} count={t("of", { n: vans.length, all: fleet.vehicles.size })} actions={<WhatIf />}>
      <div class="tools">
        <label>{t("find")} <input type="search" value={find} placeholder={t("vans.find")} onInput={(event) => setFind(event.currentTarget.value)} /></label>
        <span class="actions"><button type="button" class="button" aria-disabled={zoom === 0} aria-label={t("board.wider")} onClick={() => setZoom(Math.max(0, zoom - 1))}>−</button><button type="button" class="button" aria-disabled={zoom === ZOOMS.length - 1} aria-label={t("board.nearer")} onClick={() => setZoom(Math.min(ZOOMS.length - 1, zoom + 1))}>+</button></span>
        <ul class="legend" aria-label={t("map.legend")}><li><i class="key bar-planned" />{t("board.planned")}</li><li><i class="key bar-open" />{t("board.expected")}</li><li><i class="key bar-done" />{t("board.actual")}</li><li><i class="key bar-late" />{t("board.late")}</li></ul>
      </div>
      {lanes.length === 0 ? <Empty>{fleet.vehicles.size ? t("nothing_found") : t("vans.none")}</Empty> : <Grid lanes={lanes} now={fleet.now} pxPerHour={ZOOMS[zoom]!} />}
      {more}
    </Section>
  );
}

/** The nearest look at which the whole day is in sight, on a wall screen nearer than on a desk. */
function usualZoom(lanes: readonly Lane[], now: number): number {
  const [from, until] = spanOf(lanes, now);
  const fits = ZOOMS.findLastIndex((px) => px * ((until - from) / HOUR_MS) <= innerWidth - BESIDE_PX);
  return Math.max(1, fits);
}

/** From an hour before the first thing on it to an hour after the last. */
function spanOf(lanes: readonly Lane[], now: number): [number, number] {
  let [from, until] = [now, now];
  for (const { van, bars } of lanes) {
    if (van.shift_end > now - 12 * HOUR_MS && van.shift_start < now + 24 * HOUR_MS) [from, until] = [Math.min(from, van.shift_start), Math.max(until, van.shift_end)];
    for (const bar of bars) [from, until] = [Math.min(from, bar.from, bar.planned ?? bar.from), Math.max(until, bar.to)];
  }
  const longest = 36 * HOUR_MS;
  return [Math.floor(Math.max(from, now - longest) / HOUR_MS) * HOUR_MS, Math.ceil(Math.min(until, now + longest) / HOUR_MS) * HOUR_MS];
}

function Grid({ lanes: asTheyAre, now, pxPerHour }: { lanes: readonly Lane[]; now: number; pxPerHour: number }) {
  const box = useRef<HTMLDivElement>(null);
  const hand = useRef(false);
  // Nothing moves away under a hand that is on a task: what changed meanwhile is drawn once it lets go.
  const stood = useRef({ lanes: asTheyAre, from: 0, until: 0 });
  if (!hand.current) {
    const [from, until] = spanOf(asTheyAre, now);
    stood.current = { lanes: asTheyAre, from, until };
  }
  const { lanes, from, until } = stood.current;
  const [focused, setFocused] = useState<string | null>(null);
  const [dialog, setDialog] = useState<Order | null>(null);
  const width = xOf(until, from, pxPerHour);
  const lift = useLift({
    laneAt: (x, y) => {
      const row = box.current?.querySelectorAll<HTMLElement>(".lane");
      const found = [...(row ?? [])].findIndex((lane) => {
        const { top, bottom } = lane.getBoundingClientRect();
        return y >= top && y < bottom;
      });
      const lane = lanes[found];
      if (!lane || !row) return null;
      const at = instantAt(x - row[found]!.getBoundingClientRect().left, from, pxPerHour);
      return { vehicle: lane.van.vehicle, at };
    },
    placeAt: (vehicle, at, order) => placeAt(lanes.find((lane) => lane.van.vehicle === vehicle)?.bars ?? [], at, order),
    openOf: (vehicle, order) => (lanes.find((lane) => lane.van.vehicle === vehicle)?.bars ?? []).filter((bar) => bar.open && bar.order.order !== order).length,
    vans: lanes.map((lane) => lane.van.vehicle),
    hand,
    board: box,
  });
  const begins = useRef(from);
  useLayoutEffect(() => {
    // Open at now, once: what is over is to the left.
    if (box.current) box.current.scrollLeft = Math.max(0, xOf(now, from, pxPerHour) - box.current.clientWidth / 3);
    begins.current = from;
  }, [pxPerHour]);
  useLayoutEffect(() => {
    // The day begins earlier or later than a moment ago: what was in sight stays where it is.
    if (box.current) box.current.scrollLeft += xOf(begins.current, from, pxPerHour);
    begins.current = from;
  }, [from]);
  const had = box.current?.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset["order"] : undefined;
  useLayoutEffect(() => {
    // The task that had the focus went to another van's lane: it is another element there.
    if (had && document.activeElement === document.body) box.current?.querySelector<HTMLElement>(`[data-order="${CSS.escape(had)}"]`)?.focus({ preventScroll: true });
  });
  const all = lanes.flatMap((lane) => lane.bars.map((bar) => bar.order.order));
  const tabbable = focused && all.includes(focused) ? focused : (lanes.flatMap((lane) => lane.bars).find((bar) => bar.open)?.order.order ?? all[0]);
  const keys = (event: KeyboardEvent): void => {
    if (lift.key(event)) return;
    const next = neighbour(lanes, tabbable ?? null, event.key);
    if (!next) return;
    event.preventDefault();
    setFocused(next);
    box.current?.querySelector<HTMLElement>(`[data-order="${CSS.escape(next)}"]`)?.focus();
  };
  const chosen = (lift.order && theFleet.orders.get(lift.order)) || (focused && theFleet.orders.get(focused)) || null;
  return (
    <>
      <p class="quiet pad" id="board-help">{t("board.help")}</p>
      <div class="timeboard" ref={box} onKeyDown={keys} role="grid" aria-label={t("board.title")} aria-describedby="board-help" style={{ "--lane": `${LANE_PX}px` }}>
        <div class="axis" role="row">
          <span class="lane-name" role="columnheader">{t("van.van")}</span>
          <span class="hours" role="columnheader" aria-label={t("board.hours")} style={{ width: `${width}px` }}>{hours(from, until).map((at) => <i key={at} style={{ left: `${xOf(at, from, pxPerHour)}px` }}>{f.clock(at)}</i>)}</span>
        </div>
        {lanes.map(({ van, bars }) => (
          <div class={lift.vehicle === van.vehicle ? "lane-row over" : "lane-row"} role="row" key={van.vehicle}>
            <span class="lane-name" role="rowheader"><VanChip vehicle={van.vehicle} /><small>{van.driver}</small></span>
            <div class="lane" role="gridcell" style={{ width: `${width}px`, backgroundSize: `${pxPerHour}px 100%` }}>
              <i class="shift" style={{ left: `${Math.max(0, xOf(van.shift_start, from, pxPerHour))}px`, width: `${Math.max(0, xOf(van.shift_end, from, pxPerHour) - Math.max(0, xOf(van.shift_start, from, pxPerHour)))}px` }} />
              {bars.map((bar) => bar.planned !== null && <i key={`p ${bar.order.order}`} class="planned" style={{ left: `${xOf(bar.planned, from, pxPerHour)}px`, width: `${Math.max(4, xOf(bar.to - bar.from + from, from, pxPerHour))}px` }} />)}
              {bars.map((bar, at) => <Task key={bar.order.order} bar={bar} van={van} left={xOf(bar.from, from, pxPerHour)} width={xOf(bar.to - bar.from + from, from, pxPerHour)} room={at + 1 < bars.length ? xOf(bars[at + 1]!.from - bar.from + from, from, pxPerHour) : width} tabbable={bar.order.order === tabbable} lifted={lift.order === bar.order.order} lift={lift} focus={() => setFocused(bar.order.order)} />)}
            </div>
          </div>
        ))}
        <i class="nowline" style={{ left: `calc(var(--names) + ${xOf(now, from, pxPerHour)}px)` }}><span class="unseen">{t("board.now")}</span></i>
      </div>
      {lift.effect && <p class={`tip ${lift.effect.tone}`} style={lift.at ? { left: `${Math.min(lift.at.x + 14, innerWidth - 260)}px`, top: `${Math.min(lift.at.y + 18, innerHeight - 90)}px` } : {}}>{lift.where}<b>{lift.effect.text}</b></p>}
      <p class="unseen" role="status" aria-live="polite">{lift.effect ? `${lift.where}: ${lift.effect.text}` : ""}</p>
      {chosen && (
        <div class="picked">
          <span class="grow"><b>{orderName(chosen)}</b> <VanChip vehicle={chosen.vehicle} /> <span class="quiet">{t("board.times", { planned: f.clock(lanes.flatMap((lane) => lane.bars).find((bar) => bar.order.order === chosen.order)?.planned ?? null), expected: f.clock(chosen.arrived_at ?? chosen.eta), due: f.clock(chosen.promise_end ?? chosen.window_end) })}</span></span>
          <button type="button" class="button" onClick={() => setDialog(chosen)}>{t("act.move")}</button><a class="button" href={to("orders", chosen.order)}>{t("order.story")}</a>
        </div>
      )}
      {dialog && <MoveDialog order={dialog} close={() => setDialog(null)} />}
    </>
  );
}

function Task({ bar, van, left, width, room, tabbable, lifted, lift, focus }: { bar: Bar; van: Vehicle; left: number; width: number; /** Until the next one lies on it. */ room: number; tabbable: boolean; lifted: boolean; lift: ReturnType<typeof useLift>; focus: () => void }) {
  const { order } = bar;
  const late = lateMs(order) >= 60_000;
  const movable = bar.open && order.state !== "arrived";
  const number = order.position !== null && bar.open ? String(order.position) : "";
  const label = [number, orderName(order), van.name, t(`state.${order.state}`), t("board.times", { planned: f.clock(bar.planned), expected: f.clock(bar.from), due: f.clock(order.promise_end ?? order.window_end) }), late ? t("late_by", { late: f.span(lateMs(order) / 1000) }) : ""].filter(Boolean).join(", ");
  return (
    <button
      type="button" data-order={order.order} tabIndex={tabbable ? 0 : -1} aria-label={label} title={label} aria-pressed={lifted}
      class={`task ${order.state} ${late ? "late" : ""} ${movable ? "movable" : ""} ${lifted ? "lifted" : ""}`}
      style={{ left: `${left}px`, width: `${Math.max(SHORTEST_PX, width)}px` }}
      onFocus={focus}
      onPointerDown={(event) => movable && lift.grab(event, order.order)}
      onKeyDown={(event) => {
        if ((event.key === "Enter" || event.key === " ") && !lift.order && movable) {
          event.preventDefault();
          event.stopPropagation();
          lift.take(order.order, van.vehicle);
        }
      }}
    >
      {Math.min(room, Math.max(SHORTEST_PX, width)) >= FRAME_PX + DIGIT_PX * number.length && number}
    </button>
  );
}

/** The task that an arrow key leads to: along the lane, or to the nearest in time on the lane above or below. */
function neighbour(lanes: readonly Lane[], from: string | null, key: string): string | null {
  const row = lanes.findIndex((lane) => lane.bars.some((bar) => bar.order.order === from));
  const lane = lanes[row];
  if (!lane) return null;
  const at = lane.bars.findIndex((bar) => bar.order.order === from);
  if (key === "ArrowRight" || key === "ArrowLeft") return lane.bars[at + (key === "ArrowRight" ? 1 : -1)]?.order.order ?? null;
  if (key === "Home" || key === "End") return lane.bars.at(key === "Home" ? 0 : -1)!.order.order;
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const step = key === "ArrowDown" ? 1 : -1;
  for (let next = row + step; lanes[next]; next += step) {
    const { bars } = lanes[next]!;
    if (bars.length) return bars.reduce((best, bar) => (Math.abs(bar.from - lane.bars[at]!.from) < Math.abs(best.from - lane.bars[at]!.from) ? bar : best)).order.order;
  }
  return null;
}
