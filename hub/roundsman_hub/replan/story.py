"""What a plan changes, told to people: for whom, from what to what, why, and what it saves. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from roundsman_hub.domain import sentences
from roundsman_hub.planning.diff import stays_in_order
from roundsman_hub.planning.problem import Problem, Verdict, is_task
from roundsman_hub.replan.world import World

What = Literal["added", "removed", "changed_van", "moved", "retimed", "changed"]
RETIMED_S: Final = 300
"""Five minutes: a customer who was told a time notices less hardly."""
SENTENCES: Final = 8
"""More than these nobody reads; the list has them all."""
MORE: Final = re.compile(r"and (\d+) more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a plan does to one order. Positions count from 1 among what is left; instants are UTC."""

    order: str
    what: What
    vehicle_before: str | None
    vehicle_after: str | None
    position_before: int | None
    position_after: int | None
    arrival_before_utc: str | None
    arrival_after_utc: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saves:
    """Against the plan before, by the judge: money without what unserved work and churn are priced at; lateness; driving."""

    cost_cents: int = 0
    late_s: int = 0
    travel_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """A change of a depot's plans. `text` is for people, `changes` for programs."""

    text: str
    changes: tuple[Change, ...] = ()
    saves: Saves = field(default_factory=Saves)
    basis: str | None = None
    """Who gave the travel times; None: it is not about any."""

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "changes": [asdict(change) for change in self.changes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stand:
    vehicle: str
    position: int
    arrival_s: int | None


def tell(
    world: World,
    problem: Problem,
    *,
    before: Verdict,
    after: Verdict,
    routes_before: Mapping[str, Sequence[str]],
    unassigned: Mapping[str, str],
    because: str,
    news: Mapping[str, str],
    altered: frozenset[str] = frozenset(),
) -> Diff:
    """The story of a change.

    Parameters
    ----------
    before, after : Verdict
        The judge's word on both plans.
    routes_before : mapping of vehicle to orders
        What each van had left, vans that are out of the problem included.
    unassigned : mapping of order to reason
        What no van takes afterwards.
    because : str
        The reasons, in a few words.
    news : mapping of order to text
        What was heard of single orders.
    altered : frozenset of order ids
        Orders of which the driver is told something else than before.
    """
    times = {(vehicle, visit.task): visit.arrival_s for vehicle, visits in before.routes.items() for visit in visits}
    was = {
        order: _Stand(vehicle=vehicle, position=at, arrival_s=times.get((vehicle, order)))
        for vehicle, route in routes_before.items()
        for at, order in enumerate((step for step in route if is_task(step)), start=1)
    }
    now = {
        visit.task: _Stand(vehicle=vehicle, position=at, arrival_s=visit.arrival_s)
        for vehicle, visits in after.routes.items()
        for at, visit in enumerate((visit for visit in visits if is_task(visit.task)), start=1)
    }
    stays = _stays(was, now)
    changes = []
    for order in [*now, *(order for order in was if order not in now)]:
        what = _what(was.get(order), now.get(order), moved=order not in stays, altered=order in altered)
        if what is not None:
            why = news.get(order) or (unassigned.get(order, "") if order not in now else "") or because
            changes.append(_change(problem, order, what, was.get(order), now.get(order), why))
    saves = Saves(
        cost_cents=_running_cents(before) - _running_cents(after),
        late_s=before.lateness_s - after.lateness_s,
        travel_s=_travel_s(before) - _travel_s(after),
    )
    return Diff(text=_text(world, changes, saves, because), changes=tuple(changes), saves=saves)


def _what(was: _Stand | None, now: _Stand | None, *, moved: bool, altered: bool) -> What | None:
    if was is None:
        return "added"
    if now is None:
        return "removed"
    if was.vehicle != now.vehicle:
        return "changed_van"
    if moved:
        return "moved"
    if altered:
        return "changed"
    if was.arrival_s is not None and now.arrival_s is not None and abs(was.arrival_s - now.arrival_s) >= RETIMED_S:
        return "retimed"
    return None


def _stays(was: Mapping[str, _Stand], now: Mapping[str, _Stand]) -> set[str]:
    """Orders that keep their van and their place among the others that do."""
    out: set[str] = set()
    for vehicle in {stand.vehicle for stand in now.values()}:
        kept = [order for order, stand in was.items() if stand.vehicle == vehicle and order in now and now[order].vehicle == vehicle]
        kept.sort(key=lambda order: was[order].position)
        positions = stays_in_order([now[order].position for order in kept])
        out.update(order for order in kept if now[order].position in positions)
    return out


def _change(problem: Problem, order: str, what: What, was: _Stand | None, now: _Stand | None, why: str) -> Change:
    return Change(
        order=order,
        what=what,
        vehicle_before=was.vehicle if was else None,
        vehicle_after=now.vehicle if now else None,
        position_before=was.position if was else None,
        position_after=now.position if now else None,
        arrival_before_utc=_instant(problem, was),
        arrival_after_utc=_instant(problem, now),
        why=why,
    )


def _instant(problem: Problem, stand: _Stand | None) -> str | None:
    if stand is None or stand.arrival_s is None:
        return None
    return datetime.fromtimestamp(problem.origin_utc_s + stand.arrival_s, UTC).isoformat()


def _running_cents(verdict: Verdict) -> int:
    return verdict.cost_cents - verdict.unassigned_cents - verdict.churn_cents


def _travel_s(verdict: Verdict) -> int:
    return sum(visit.leg_s for visits in verdict.routes.values() for visit in visits)


def _text(world: World, changes: Sequence[Change], saves: Saves, because: str) -> str:
    zone = ZoneInfo(world.timezone)
    vans = {van.vehicle_id: van.name or van.vehicle_id for van in world.vans.values()}
    names = {stop.stop: stop.name or stop.address for van in world.vans.values() if van.newest for stop in van.newest.stops}
    names |= {order.order_id: order.name or order.address for order in world.orders.values()}

    def clock(instant: str | None) -> str:
        return "" if instant is None else datetime.fromisoformat(instant).astimezone(zone).strftime("%H:%M")

    def sentence(change: Change) -> str:
        name = names.get(change.order) or change.order
        at = f" ({clock(change.arrival_after_utc)})" if change.arrival_after_utc else ""
        van, before = vans.get(change.vehicle_after or "", ""), vans.get(change.vehicle_before or "", "")
        if change.what == "added":
            return f"{name}: new for {van} as stop {change.position_after}{at}"
        if change.what == "removed":
            return f"{name}: taken from {before} ({change.why})"
        if change.what == "changed_van":
            return f"{name}: from {before} to {van}, stop {change.position_after}{at}"
        if change.what == "moved":
            return f"{name}: {van} stop {change.position_before} → {change.position_after}{at}"
        if change.what == "changed":
            return f"{name}: what {van} knows of it changed"
        return f"{name}: {clock(change.arrival_before_utc)} → {clock(change.arrival_after_utc)} ({van})"

    lines = [sentence(change) for change in changes[:SENTENCES]]
    if len(changes) > SENTENCES:
        lines.append(f"and {len(changes) - SENTENCES} more")
    for order, vehicle in world.loosened.items():
        lines.append(f"{names.get(order) or order}: its position in {vans.get(vehicle, vehicle)} cannot be kept, the van can")
    lines = lines or ["only times change"]  # a plan may follow the traffic without moving a stop, by less than is worth a line
    money = f"saves {saves.cost_cents / 100:.2f}" if saves.cost_cents > 0 else f"costs {-saves.cost_cents / 100:.2f} more"
    money = money if saves.cost_cents else "costs the same"
    late_min = round(saves.late_s / 60)
    late = f", {abs(late_min)} min {'less' if late_min > 0 else 'more'} lateness" if late_min else ""
    return "; ".join(lines) + f". It {money}{late}. Why: {because or 'looked at again'}."


def gist(text: str) -> str:
    """What a plan changed in a few words, of its whole text: the first change and how many more, without price and reason.

    It is part of the reason of the next plan, which drivers read at a glance.
    """
    (first, *others) = sentences.read(text)[0].params.get("changes_said", text).split(sentences.BETWEEN)
    more = sum(int(found[1]) if (found := MORE.fullmatch(other)) else 1 for other in others)
    return f"{first}{sentences.BETWEEN}and {more} more" if more else first
