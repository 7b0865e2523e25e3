"""A plan as one page of pictures: its routes on the plane, the day of each van, and what is on board. No outside address is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from math import ceil, floor, isfinite
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from roundsman_hub.planning.portable import LATEST_S
from roundsman_hub.planning.problem import Plan, PlannedVisit, Problem, Verdict, is_task
from roundsman_hub.planning.soundness import LONG_S
from roundsman_hub.planning.work import VehicleId

Point = tuple[float, float]
Layout = Mapping[str, Point]
"""Where each step is drawn; a van's start as `>VEHICLE`, its end as `<VEHICLE`."""
COLOURS: Final = ("#1b6ca8", "#c8553d", "#3d8b5f", "#8a5aa8", "#b8860b", "#23827f", "#a83d6e", "#5c6b24", "#4056b5", "#8c4a2f")
SIDE: Final = 640
WIDE: Final = 960
LARGEST_LAYOUT: Final = 2_500
"""Places whose distances are laid out on a plane; with more, only the day and the load are drawn."""
MINUTE_S: Final = 60
TICKS_S: Final = tuple(MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 10_080, 43_200))
"""Steps of an axis of time that people read without counting."""
MOST_TICKS: Final = 12
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1d2430;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}
svg{width:100%;height:auto;box-sizing:border-box;border:1px solid #d5dae1;border-radius:6px}
.long{overflow-x:auto}.long svg{min-width:56rem}
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
text{font:11px system-ui,sans-serif;fill:#1d2430}.faint{fill:#69727f}
@media (prefers-color-scheme:dark){body{background:#14181f;color:#e4e8ee}svg{border-color:#39424f;background:#1a2029}text{fill:#e4e8ee}}
"""


def layout(problem: Problem) -> dict[str, Point]:
    """Places on a plane, so that their distances are kept as well as a plane can (classical scaling, Torgerson 1952).

    A problem has matrices and no coordinates; where the distances are those of a plane, this is that plane, but for turning it.
    """
    n = len(problem.distances_m)
    if not 0 < n <= LARGEST_LAYOUT:
        return {}
    metres = problem.distances_m.astype(float)
    known = metres[metres >= 0]
    metres[metres < 0] = known.max() if known.size else 1.0
    squares = ((metres + metres.T) / 2) ** 2
    centred = -0.5 * (squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean())
    values, vectors = np.linalg.eigh(centred)
    axes = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0.0)) if n > 1 else np.zeros((1, 2))
    at = [(float(x), float(y)) for x, y in axes]
    out = {task.task: at[task.place] for task in problem.tasks}
    out |= {f"@{depot.depot}": at[depot.place] for depot in problem.depots}
    out |= {f"+{charger.charger}": at[charger.place] for charger in problem.chargers}
    for van in problem.vans:
        out[f">{van.vehicle}"] = at[van.start_place]
        if van.end_place is not None:
            out[f"<{van.vehicle}"] = at[van.end_place]
    return out


def undrawable(verdict: Verdict, where: Layout, origin_utc_s: int | None, timezone: str) -> str:
    """What is wrong with a verdict from a file: times of no day, places that are none; "": nothing."""
    visits = [visit for route in verdict.routes.values() for visit in route]
    times = [at for visit in visits for at in (visit.arrival_s, visit.start_s, visit.departure_s)] + list(verdict.back_s.values())
    times += [at for taken in verdict.breaks.values() for rest in taken for at in (rest.start_s, rest.start_s + rest.duration_s)]
    if any(abs(at) > LONG_S for at in times):
        return "it has times beyond 100 days"
    if origin_utc_s is not None and not 0 <= origin_utc_s <= LATEST_S:
        return f"origin_utc_s is {origin_utc_s}"
    if not all(isfinite(x) and isfinite(y) for x, y in where.values()):
        return "a place is nowhere"
    if len({len(visit.load_after) for visit in visits}) > 1:
        return "loads have different dimensions"
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"there is no time zone {timezone}"
    return ""


def page(
    plan: Plan, verdict: Verdict, where: Layout, *, title: str = "Plan", origin_utc_s: int | None = None, timezone: str = "UTC"
) -> str:
    """The whole page. Without `origin_utc_s` times are hours from the plan's beginning."""
    vans = [van for van, route in verdict.routes.items() if route]
    colours = {van: COLOURS[at % len(COLOURS)] for at, van in enumerate(vans)}

    def clock(seconds: float) -> str:
        if origin_utc_s is None:
            minutes = round(seconds / 60)
            return f"{minutes // 60}:{minutes % 60:02d}"
        return datetime.fromtimestamp(origin_utc_s + seconds, UTC).astimezone(ZoneInfo(timezone)).strftime("%H:%M")

    def ticks(first: float, last: float) -> list[float]:
        return round_times(first, last, None if origin_utc_s is None else (origin_utc_s, ZoneInfo(timezone)))

    parts = "".join(f"<tr><td>{escape(name)}<td>{cents / 100:,.2f}" for name, cents in verdict.parts_cents.items() if cents)
    left_out = "".join(f"<tr><td>{escape(task)}<td>{escape(reason)}" for task, reason in plan.unassigned.items())
    stops = sum(is_task(visit.task) for route in verdict.routes.values() for visit in route)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{len(vans)} vans, {stops} stops, {verdict.distance_m / 1000:,.1f} km,"
        f" price {verdict.cost_cents / 100:,.2f}; late {verdict.lateness_s // 60} min in all; {len(plan.unassigned)} left out.</p>"
        + (f"<h2>Routes</h2>{_map(verdict, where, colours)}" if where else "")
        + f"<h2>The day</h2>{_gantt(verdict, vans, colours, clock, ticks)}"
        + f"<h2>Load</h2><div class=long tabindex=0 role=region aria-label='Load'>{_loads(verdict, vans, colours)}</div>"
        + (f"<h2>Price</h2><table>{parts}</table>" if parts else "")
        + (f"<h2>Left out</h2><table>{left_out}</table>" if left_out else "")
        + "</html>\n"
    )


def round_times(first: float, last: float, origin: tuple[int, ZoneInfo] | None) -> list[float]:
    """Times of a plan between two others at which a clock on the wall shows round numbers, as seconds of the plan.

    `origin`: when the plan begins (seconds since 1970) and by whose clock; None: it has no date, and is counted from its beginning.
    """
    step = next((one for one in TICKS_S if (last - first) / one <= MOST_TICKS), TICKS_S[-1])
    if origin is None:
        return [float(at) for at in range(step * ceil(first / step), floor(last) + 1, step)]
    zero, zone = origin
    begins = datetime.fromtimestamp(zero + first, UTC).astimezone(zone).replace(tzinfo=None)
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    out: list[float] = []
    for count in range(floor((begins - midnight).total_seconds() / step), floor((last - first + 2 * 86_400) / step) + 1):
        at = (midnight + timedelta(seconds=count * step)).replace(
            tzinfo=zone
        ).timestamp() - zero  # by the wall's clock, whatever it is set to
        if first <= at <= last and (not out or at > out[-1]):
            out.append(at)
    return out


def _map(verdict: Verdict, where: Layout, colours: Mapping[VehicleId, str]) -> str:
    xs, ys = [x for x, _ in where.values()], [y for _, y in where.values()]
    span = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0

    def at(point: Point) -> Point:
        return 16 + (SIDE - 32) * (point[0] - min(xs)) / span, 16 + (SIDE - 32) * (point[1] - min(ys)) / span

    out = []
    for van, colour in colours.items():
        steps = [f">{van}", *(visit.task for visit in verdict.routes[van]), f"<{van}"]
        line = " ".join(f"{x:.1f},{y:.1f}" for step in steps if step in where for x, y in [at(where[step])])
        out.append(f"<polyline points='{line}' fill=none stroke='{colour}' stroke-width=1.6><title>{escape(van)}</title></polyline>")
        for number, visit in enumerate(verdict.routes[van], 1):
            if visit.task in where:
                x, y = at(where[visit.task])
                ring = " stroke='#d00' stroke-width=2" if visit.lateness_s or visit.promise_late_s else ""
                words = f"<title>{escape(van)} {number}: {escape(visit.task)}</title>"
                if is_task(visit.task):
                    out.append(f"<circle cx={x:.1f} cy={y:.1f} r=4 fill='{colour}'{ring}>{words}</circle>")
                else:
                    out.append(f"<rect x={x - 5:.1f} y={y - 5:.1f} width=10 height=10 fill='{colour}'{ring}>{words}</rect>")
    served = {visit.task for route in verdict.routes.values() for visit in route}
    for step, point in where.items():
        if step.startswith((">", "<")):
            x, y = at(point)
            out.append(f"<rect x={x - 4:.1f} y={y - 4:.1f} width=8 height=8 fill='#222'/>")
        elif is_task(step) and step not in served:
            x, y = at(point)
            out.append(f"<circle cx={x:.1f} cy={y:.1f} r=4 fill=none stroke='#888'><title>{escape(step)}: left out</title></circle>")
    return f"<svg viewBox='0 0 {SIDE} {SIDE}' role=img aria-label='Routes'>{''.join(out)}</svg>"


def _gantt(
    verdict: Verdict,
    vans: Sequence[VehicleId],
    colours: Mapping[VehicleId, str],
    clock: Callable[[float], str],
    ticks: Callable[[float, float], Sequence[float]],
) -> str:
    """A line a van: driving thin, service full, waiting pale, breaks striped dark, late service with a red edge."""
    if not vans:
        return "<p>Nobody drives.</p>"
    first = min(verdict.routes[van][0].arrival_s - verdict.routes[van][0].leg_s for van in vans)
    last = max(verdict.back_s[van] for van in vans)
    scale = (WIDE - 120) / max(1, last - first)

    def x(seconds: float) -> float:
        return 110 + (seconds - first) * scale

    out = []
    for at in ticks(first, last):
        out.append(f"<line x1={x(at):.1f} x2={x(at):.1f} y1=0 y2={26 * len(vans)} stroke='#8885'/>")
        out.append(f"<text class=faint x={x(at):.1f} y={26 * len(vans) + 14} text-anchor=middle>{clock(at)}</text>")
    for row, van in enumerate(vans):
        top, colour = 26 * row, colours[van]
        visits = verdict.routes[van]
        out.append(f"<text x=4 y={top + 17}>{escape(van[:16])}</text>")
        out.append(_bar(x(visits[0].arrival_s - visits[0].leg_s), x(verdict.back_s[van]), top + 11, 3, colour, "driving"))
        for visit in visits:
            if visit.start_s > visit.arrival_s:
                out.append(_bar(x(visit.arrival_s), x(visit.start_s), top + 8, 9, "#b8bfca", f"waits until {clock(visit.start_s)}"))
            late = visit.lateness_s or visit.promise_late_s
            words = f"{visit.task}: {clock(visit.start_s)} to {clock(visit.departure_s)}" + (f", {late // 60} min late" if late else "")
            out.append(_bar(x(visit.start_s), x(visit.departure_s), top + 4, 17, colour, words, edge="#d00" if late else ""))
        for pause in verdict.breaks.get(van, ()):
            words = f"{pause.reason}, {pause.duration_s // 60} min from {clock(pause.start_s)}"
            out.append(_bar(x(pause.start_s), x(pause.start_s + pause.duration_s), top + 6, 13, "#2c313a", words))
    picture = f"<svg viewBox='0 0 {WIDE} {26 * len(vans) + 22}' role=img aria-label='The day of each van'>{''.join(out)}</svg>"
    return f"<div class=long tabindex=0 role=region aria-label='The day'>{picture}</div>"


def _bar(left: float, right: float, top: float, high: float, colour: str, words: str, *, edge: str = "") -> str:
    stroke = f" stroke='{edge}' stroke-width=2" if edge else ""
    wide = max(1.5, right - left)
    return f"<rect x={left:.1f} y={top} width={wide:.1f} height={high} fill='{colour}'{stroke}><title>{escape(words)}</title></rect>"


def _loads(verdict: Verdict, vans: Sequence[VehicleId], colours: Mapping[VehicleId, str]) -> str:
    """What is on board after each stop, first dimension; a picture a van."""
    out = []
    for van in vans:
        visits = verdict.routes[van]
        loads = [_before(visits[0]), *(visit.load_after[0] if visit.load_after else 0 for visit in visits)]
        most = max(1, *loads)
        step = (WIDE - 140) / max(1, len(loads) - 1)
        line = " ".join(f"{110 + at * step:.1f},{58 - 48 * load / most:.1f}" for at, load in enumerate(loads))
        out.append(
            f"<svg viewBox='0 0 {WIDE} 66' role=img aria-label='Load of {escape(van)}'><text x=4 y=34>{escape(van[:16])}</text>"
            f"<text class=faint x=104 y=14 text-anchor=end>{most:,}</text><text class=faint x=104 y=60 text-anchor=end>0</text>"
            f"<polyline points='{line}' fill=none stroke='{colours[van]}' stroke-width=2></polyline></svg>"
        )
    return "".join(out) or "<p>Nothing is carried.</p>"


def _before(first: PlannedVisit) -> int:
    """On board when the first stop is reached, as far as the plan says: never less than after it, unless it is a pickup."""
    return first.load_after[0] if first.load_after else 0
