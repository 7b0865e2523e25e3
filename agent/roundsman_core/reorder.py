"""The driver's own order of stops: what a van may change by itself, what is worth suggesting, and how a plan reads afterwards.

The hub signs the limits with each plan (`Plan.reorder`). The van refuses what is outside them, and the hub believes only what is
inside: both by the functions here, so they agree without asking each other.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from roundsman_core.geo import LatLon
from roundsman_core.timeline import Legs, expected
from roundsman_wire.messages import Plan, PlanStop

WORTH_S: Final = 300
"""A suggestion has to save this much: a driver who reads it loses half a minute, and the estimate is a few per cent off."""
LOOKED_AT: Final = 8
"""Stops that a suggestion may move: what lies further ahead will be planned again before it is driven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where the van is in its round.

    Attributes
    ----------
    plan : Plan
        In force; its own order is what "moved" is counted from.
    left : frozenset of str
        Its stops that remain, calls at depots and chargers among them where they are known.
    now_utc_ms : int
    place : LatLon or None
    standing_at, since_utc_ms
        The stop in progress, and since when; None: driving.
    """

    plan: Plan
    left: frozenset[str]
    now_utc_ms: int
    place: LatLon | None = None
    standing_at: str | None = None
    since_utc_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An order that is worth telling the driver. `saves_s`: earlier home and less late, together."""

    stops: tuple[str, ...]
    saves_s: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    """How a round would go. `late_s`: after the window's or the promise's end, whichever is later missed; by stop."""

    home_utc_ms: int
    late_s: dict[str, int]


def applied(stops: Iterable[PlanStop], order: Sequence[str]) -> tuple[PlanStop, ...]:
    """Stops in a driver's order. It names what remained when it was given: what it does not name was done by then, and stands in front,
    so that a stop whose tap is undone is the next one again. Calls at depots and chargers stay where they are."""
    at = {stop: number for number, stop in enumerate(order)}
    out: list[PlanStop] = []
    for _, stretch in groupby(stops, key=lambda stop: stop.kind == "depot"):
        out += sorted(stretch, key=lambda stop: at.get(stop.stop, -1))
    return tuple(out)


def moved(planned: Sequence[str], order: Sequence[str]) -> int:
    """How many stops stand elsewhere than planned: the fewest that must be taken out for the others to keep their order."""
    at = {stop: number for number, stop in enumerate(planned)}
    numbers = [at[stop] for stop in order if stop in at]
    tails: list[int] = []  # of the longest rising runs of each length: patience sorting
    for number in numbers:
        place = bisect_left(tails, number)
        tails[place : place + 1] = [number]
    return len(numbers) - len(tails)


def refused_order(plan: Plan, left: frozenset[str], order: Sequence[str], *, standing_at: str | None = None) -> str:
    """Why this order of what is left is outside the limits that need no clock; empty: it is inside. Both sides ask this."""
    if plan.reorder is None:
        return "this plan's order is fixed"
    planned = [stop.stop for stop in plan.stops if stop.stop in left and stop.kind != "depot"]
    if len(order) != len(set(order)) or set(order) != set(planned):
        return "the order must name every remaining stop once, and no other"
    if standing_at is not None and order[0] != standing_at:
        return "the stop in progress comes first"
    if standing_at is not None:
        planned.sort(key=lambda stop: stop != standing_at)
    for stop in plan.stops:
        if stop.pinned and stop.stop in left and planned.index(stop.stop) != list(order).index(stop.stop):
            return f"{stop.name or stop.stop} has its fixed place"
    if standing_at is None and (crossing := _crosses(plan, order)):
        return f"{crossing.name or crossing.stop} comes behind a call at a depot or charger"
    if (count := moved(planned, order)) > plan.reorder.max_moved:
        return f"{count} stops would stand elsewhere than planned; at most {plan.reorder.max_moved} may"
    return ""


def _crosses(plan: Plan, order: Sequence[str]) -> PlanStop | None:
    """A stop that would come before a call at a depot or charger that the plan has in front of it, or the other way round: its goods are
    not on board, or the next ones would have to wait for it. Asked without a look at which calls are over: the hub may not know yet."""
    stretch, number = {}, 0
    for stop in plan.stops:
        number += stop.kind == "depot"
        stretch[stop.stop] = number, stop
    numbers = [stretch[stop] for stop in order]
    return next((later[1] for earlier, later in pairwise(numbers) if later[0] < earlier[0]), None)


def refused(situation: Situation, order: Sequence[str]) -> str:
    """Why this order is outside the plan's limits; empty: the driver may drive it."""
    plan = situation.plan
    why = refused_order(plan, situation.left, order, standing_at=situation.standing_at)
    if why or plan.reorder is None:
        return why
    stops = {stop.stop: stop for stop in plan.stops}
    as_planned, as_wished = _outlook(situation, _planned(situation)), _outlook(situation, _wished(situation, order))
    for stop in order:
        if as_wished.late_s[stop] and not as_planned.late_s[stop]:
            return f"{stops[stop].name or stop} would be {-(-as_wished.late_s[stop] // 60)} min late"
    extra_s = (as_wished.home_utc_ms - as_planned.home_utc_ms) // 1000
    if extra_s > plan.reorder.max_extra_s:
        return f"the round would take {-(-extra_s // 60)} min longer; at most {plan.reorder.max_extra_s // 60} are allowed"
    return ""


def suggest(situation: Situation, current: Sequence[str]) -> Suggestion | None:
    """A better order inside the limits, by moving one stop at a time; None: nothing is worth a driver's glance.

    Parameters
    ----------
    current : sequence of str
        The order that is driven now.
    """
    plan = situation.plan
    if plan.reorder is None or len(current) < 2:
        return None
    stops = {stop.stop: stop for stop in plan.stops}
    now = _outlook(situation, _wished(situation, current))
    best, best_price = list(current), _price_s(now)
    first = 1 if situation.standing_at is not None else 0
    for _ in range(plan.reorder.max_moved):
        found = None
        for at in range(first, min(len(best), LOOKED_AT)):
            for to in range(first, min(len(best), LOOKED_AT)):
                tried = [stop for stop in best if stop != best[at]]
                tried.insert(to, best[at])
                price = _price_s(_outlook(situation, _wished(situation, tried)))
                if to != at and price < best_price and not refused(situation, tried):
                    found, best_price = tried, price
        if found is None:
            break
        best = found
    saves_s = _price_s(now) - best_price
    if saves_s < WORTH_S:
        return None
    then = _outlook(situation, _wished(situation, best))
    kept = next((stop for stop in best if now.late_s[stop] and not then.late_s[stop]), None)
    why = f"keeps the promise to {stops[kept].name or kept}" if kept is not None else f"saves {saves_s // 60} min"
    return Suggestion(stops=tuple(best), saves_s=saves_s, why=why)


def _planned(situation: Situation) -> list[PlanStop]:
    left = [stop for stop in situation.plan.stops if stop.stop in situation.left]
    return sorted(left, key=lambda stop: stop.stop != situation.standing_at)


def _wished(situation: Situation, order: Sequence[str]) -> list[PlanStop]:
    """What is left in another order, with the calls on the way in their places."""
    left = applied([stop for stop in situation.plan.stops if stop.stop in situation.left], order)
    return sorted(left, key=lambda stop: stop.stop != situation.standing_at)


def _outlook(situation: Situation, stops: Sequence[PlanStop]) -> _Outlook:
    legs = Legs(situation.plan)
    times = expected(
        situation.plan,
        stops,
        now_utc_ms=situation.now_utc_ms,
        place=situation.place,
        legs=legs,
        in_progress_since_utc_ms=situation.since_utc_ms if stops and stops[0].stop == situation.standing_at else None,
    )
    late_s = {}
    for stop, time in zip(stops, times, strict=True):
        ends = [end for end in (stop.window_end_utc_ms, stop.promise_end_utc_ms) if end is not None]
        late_s[stop.stop] = max(0, time.start_utc_ms - min(ends)) // 1000 if ends else 0
    home = times[-1].departure_utc_ms + 1000 * legs.back_s(stops[-1]) if stops else situation.now_utc_ms
    return _Outlook(home_utc_ms=home, late_s=late_s)


def _price_s(outlook: _Outlook) -> int:
    """Coming home, and every second that somebody waits too long."""
    return outlook.home_utc_ms // 1000 + sum(outlook.late_s.values())
