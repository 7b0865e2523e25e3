"""One van's route, walked step by step: times, loads, distance, pauses and price. What the judge and the insertion both count with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

from roundsman_hub.planning import duty
from roundsman_hub.planning.cargo import Cargo, load_up
from roundsman_hub.planning.effort import LABEL_US, ROUTE_US, STEP_US, Effort
from roundsman_hub.planning.fleet import Break, Van
from roundsman_hub.planning.lookups import Lookups, Stop, begin
from roundsman_hub.planning.problem import CHARGE, PlannedBreak, PlannedVisit, Problem, Step
from roundsman_hub.planning.work import Loads, TaskId, VehicleId


class Excess(NamedTuple):
    """By how much a route breaks each rule; all zero: by nothing. Units as in the names."""

    no_way: int = 0
    goods: int = 0
    load: int = 0
    shift_s: int = 0
    deadline_s: int = 0
    wait_s: int = 0
    ride_s: int = 0
    rules_s: int = 0
    range_m: int = 0
    distance_m: int = 0
    tasks: int = 0

    def within(self, allowed: Excess) -> bool:
        """No rule is broken by more than is allowed."""
        return self == allowed or all(mine <= other for mine, other in zip(self, allowed, strict=True))


NONE = Excess()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walked route, and by how much it breaks what rule. `peak`: the most that was ever on board, dimension by dimension.

    `load_metres`: metres times load (first dimension). `stand_s`: seconds on duty in which the van stands. `wrong_goods`: in words.
    """

    visits: tuple[PlannedVisit, ...]
    leave_s: int
    back_s: int
    distance_m: int
    load_metres: int
    wait_s: int
    stand_s: int
    lateness_s: int
    promise_late_s: int
    extra_cents: int
    peak: Loads
    no_way: tuple[tuple[int, int], ...]
    wrong_goods: tuple[str, ...]
    load_at_start: Loads
    breaks: tuple[PlannedBreak, ...]
    excess: Excess
    units: int
    labels: tuple[tuple[duty.Label, ...], ...] = ()
    """Before each stop and before the way home, every way of having paused so far that may be of use; empty: without any pause."""


class Ground(Lookups):
    """A problem, ready to be walked.

    `home_s`, `limit_load`, `allowed`: what no plan can help. A van cannot be back before it has served what is frozen and driven
    home, and cannot have less on board than it has: rules are held against the larger of the rule and that.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.effort = Effort()
        self._limit()

    def _limit(self) -> None:
        self.allowed: dict[VehicleId, Excess] = {}
        self.home_s: dict[VehicleId, int] = {}
        self.limit_load: dict[VehicleId, Loads] = {}
        self.unavoidable = {}
        for van in self.problem.vans:
            least = self.walk(van, [task for task in van.frozen if task in self.tasks])
            self.unavoidable[van.vehicle] = frozenset(least.no_way)
            self.allowed[van.vehicle] = least.excess._replace(no_way=0)
            self.home_s[van.vehicle] = max(van.shift_end_s + van.overtime_s, least.back_s)
            self.limit_load[van.vehicle] = tuple(map(max, van.capacity, least.peak))

    def closing(self, promises_of: Collection[TaskId]) -> Ground:
        """The same ground where late has no price but is forbidden: past every window, and past every promise but these tasks'."""
        other = copy(self)
        other.stops = {kind: {step: _closing(stop, promises_of) for step, stop in stops.items()} for kind, stops in self.stops.items()}
        other._limit()
        return other

    def walk(self, van: Van, route: Sequence[Step]) -> Walk:
        """Walk a route from `van.start_place` to `van.end_place`; every step of it must be known.

        A leg without a way costs no time here, and is told in `no_way`.
        """
        self.effort.spent_us += ROUTE_US + STEP_US * len(route)
        cargo = load_up(self, van, route)
        stops = self.steps_of(van, route)
        if not van.breaks and van.hours is None:
            return _timed(self, van, route, stops, cargo, (), 0)
        if van.hours is not None and _without_pauses(self, van, stops, cargo):
            return _timed(self, van, route, stops, cargo, (), 0)
        label, labels, driven = _best_pauses(self, van, stops, cargo)
        self.effort.spent_us += LABEL_US * driven
        return _timed(self, van, route, stops, cargo, duty.trail(label), label.bad, labels)


def _closing(stop: Stop, promises_of: Collection[TaskId]) -> Stop:
    if stop.task is None:
        return stop
    ends = [stop.deadline_s] if stop.deadline_s is not None else []
    if stop.windows_s:
        ends.append(max(closes for _, closes in stop.windows_s))
    if stop.promise_s is not None and stop.task.task not in promises_of:
        ends.append(stop.promise_s[1])
    return stop._replace(deadline_s=min(ends, default=None))


def _without_pauses(ground: Lookups, van: Van, stops: Sequence[Stop], cargo: Cargo) -> bool:
    """Whether driving on keeps every rule: then no pause can be of use, as long as waiting has neither price nor limit."""
    prices = ground.prices[van.vehicle]
    if prices.waiting or prices.idling or ground.problem.max_wait_s is not None:
        return False
    travel, label, place, due_s = ground.travel[van.profile], duty.first(van, van.start_s), van.start_place, duty.UNBOUND
    if van.breaks:
        due_s = min(due.latest_s for due in van.breaks)
    for index, stop in enumerate(stops):
        label = _until(label, cargo.ready_s[index], 0)
        leg_s = max(travel.leg_s(place, stop.place, label.clock_s), 0)
        if leg_s > label.to_break_s:
            return False
        label = _served(ground, van, stop, duty.driven(van, label, leg_s, index), place, 0)
        if label.bad or label.clock_s > due_s:
            return False
        place = stop.place
    if van.end_place is not None and (stops or not van.rests):
        label = _until(label, cargo.ready_s[len(stops)], 0)
        leg_s = max(travel.leg_s(place, van.end_place, label.clock_s), 0)
        if leg_s > label.to_break_s:
            return False
        label = duty.driven(van, label, leg_s, len(stops))
    return not label.bad and label.clock_s <= due_s


def _best_pauses(
    ground: Lookups, van: Van, stops: Sequence[Stop], cargo: Cargo
) -> tuple[duty.Label, tuple[tuple[duty.Label, ...], ...], int]:
    """The cheapest way to keep the driver's pauses (`bad`: by how many seconds it still breaks the rules), `Walk.labels`, and how many
    labels were looked at.

    Where travel times are the same all day, and waiting has neither price nor limit, a rest is as good after a leg as before it, and
    leaves more to drive (in traffic it mostly is): it is looked at before one only while the van waits there anyway, for its load or for a
    break. So is a scheduled break that may still be taken after the leg.
    """
    travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
    idling, waiting = prices.idling, prices.waiting + prices.idling
    priced = waiting > 0 or ground.problem.max_wait_s is not None
    patient = priced or (not travel.steady and van.hours is None)
    near_s = duty.NEAR_S if van.hours is not None and not travel.steady else 0
    labels = [duty.first(van, van.start_s)]
    place = van.start_place
    homeward = [None] if van.end_place is not None and (stops or not van.rests) else []
    seen: list[tuple[duty.Label, ...]] = []
    looked = 0
    for index, stop in enumerate([*stops, *homeward]):
        seen.append(tuple(labels))
        ready_s = cargo.ready_s[index]
        to = stop.place if stop is not None else van.end_place
        assert to is not None
        after: list[duty.Label] = []
        for standing in labels:
            waited = _until(standing, ready_s, idling)
            choices = [standing, waited] if waited is not standing else [standing]
            either = patient or waited is not standing
            way_s = 0 if either else max(travel.leg_s(place, to, standing.clock_s), 0)
            if van.hours is not None and standing.clock_s + way_s > van.start_s + van.hours.duty_s - duty.LONGEST_S:
                either = True  # a rest past the end of duty breaks no rule, driving does
            early = either or way_s > standing.to_break_s
            if standing.breaks < len(van.breaks):
                due = van.breaks[standing.breaks]
                early = early or _sooner_here(due, standing.clock_s, way_s)
                either = either or standing.clock_s < due.earliest_s
            if either or early:
                paused = [
                    label
                    for choice in choices
                    for label in duty.pauses(van, choice, index, "leaving", idling, due=early, rest=either, every=patient)
                ]
                choices = duty.pruned(paused, waiting, near_s)
            for label in choices:
                leaving = _until(label, ready_s, idling)
                leg_s = max(travel.leg_s(place, to, leaving.clock_s), 0)
                arrived = duty.driven(van, leaving, leg_s, index)
                there = duty.pauses(van, arrived, index, "arriving", waiting, rest=stop is not None, every=patient)
                after += there if stop is None else (_served(ground, van, stop, rested, place, waiting) for rested in there)
        looked += len(after)
        labels = duty.pruned(after, waiting, near_s)
        place = to

    def price(label: duty.Label) -> tuple[int, int]:
        over_s = max(0, label.clock_s - van.shift_end_s - van.overtime_s)
        return label.bad + over_s, label.units + prices.time(label.clock_s)

    ended = [label._replace(bad=label.bad + duty.missing(van, label, label.clock_s)) for label in labels]
    if not homeward:
        seen.append(tuple(labels))
    return min(ended, key=price), tuple(seen), looked


def _sooner_here(due: Break, clock_s: int, way_s: int) -> bool:
    """Whether a break before the leg ends it sooner than one after it: it would be too late then, or fall in a gap between two windows."""
    here_s, there_s = due.begins_s(clock_s), due.begins_s(clock_s + way_s)
    return here_s is not None and (there_s is None or here_s + way_s < there_s)


def _until(label: duty.Label, ready_s: int, units_per_s: int) -> duty.Label:
    """Standing until what is loaded is there."""
    if label.clock_s >= ready_s:
        return label
    return label._replace(units=label.units + (ready_s - label.clock_s) * units_per_s, clock_s=ready_s)


def _served(ground: Lookups, van: Van, stop: Stop, label: duty.Label, before: int, waiting_units: int) -> duty.Label:
    """After a stop's service."""
    start_s, late_s = begin(stop, label.clock_s)
    told_late_s = stop.promise_late_s(start_s)
    wait_s, service_s = start_s - label.clock_s, stop.service_from(before)
    prices = ground.prices[van.vehicle]
    units = label.units + wait_s * waiting_units + service_s * prices.idling + late_s * prices.late + told_late_s * prices.promise
    bad = label.bad + stop.too_late_s(start_s) + ground.too_long_s(wait_s)
    # Made anew, and not by `_replace`, which takes five times as long: nothing here happens as often.
    label = duty.Label(bad, start_s + service_s, units, *label[3:])
    return duty.stood(van, label, wait_s + service_s)


def _timed(
    ground: Lookups,
    van: Van,
    route: Sequence[Step],
    stops: Sequence[Stop],
    cargo: Cargo,
    pauses: Sequence[tuple[PlannedBreak, duty.Where]],
    broken_s: int,
    labels: tuple[tuple[duty.Label, ...], ...] = (),
) -> Walk:
    """The walk with these pauses."""
    travel = ground.travel[van.profile]
    by_leg: dict[tuple[int, duty.Where], list[PlannedBreak]] = {}
    for pause, where in pauses:
        by_leg.setdefault((pause.after, where), []).append(pause)
    left = van.energy.range_m if van.energy else 0
    leave_s = clock = van.start_s
    place, distance, load_metres, driving, waiting, late, told_late, too_late, waited_over, ride_over, flat_m, pause_s = (
        van.start_place,
        *[0] * 11,
    )
    visits: list[PlannedVisit] = []
    no_way: list[tuple[int, int]] = []
    left_pickup: dict[str, int] = {}
    extra_cents = tasks = 0
    for index, (step, stop) in enumerate(zip(route, stops, strict=True)):
        for pause in by_leg.get((index, "leaving"), ()):
            clock, pause_s = pause.start_s + pause.duration_s, pause_s + pause.duration_s
        clock = max(clock, cargo.ready_s[index])
        leave_s = clock if index == 0 else leave_s
        leg_s, leg_m = travel.leg_s(place, stop.place, clock), travel.distances_m[place][stop.place]
        if leg_s < 0:
            no_way.append((place, stop.place))
            leg_s = leg_m = 0
        on_the_way = sum(pause.duration_s for pause in by_leg.get((index, "way"), ()))
        arrival = ready = clock + leg_s + on_the_way
        here = 0
        for pause in by_leg.get((index, "arriving"), ()):
            ready, here = pause.start_s + pause.duration_s, here + pause.duration_s
        pause_s += on_the_way + here
        start, late_s = begin(stop, ready)
        service_s = stop.service_from(place)
        wait_s, clock = start - arrival - here, start + service_s
        promise_late_s = stop.promise_late_s(start)
        task = stop.task
        if task is not None:
            tasks += 1
            extra_cents += task.reattempt_cents + ground.strange_cents(van, task)
            if task.shipment is not None:
                if task.kind == "pickup":
                    left_pickup[task.shipment] = clock
                elif task.max_ride_s is not None and task.shipment in left_pickup:
                    ride_over += max(0, start - left_pickup[task.shipment] - task.max_ride_s)
        if van.energy:
            left -= leg_m
            flat_m += max(-left, 0)
            left = van.energy.full_m if step.startswith(CHARGE) else max(left, 0)
        distance, driving = distance + leg_m, driving + leg_s
        load_metres += leg_m * cargo.loads[index][0] if cargo.loads[index] else 0
        waiting, late, told_late = waiting + wait_s, late + late_s, told_late + promise_late_s
        too_late, waited_over = too_late + stop.too_late_s(start), waited_over + ground.too_long_s(start - ready)
        place = stop.place
        visits.append(
            PlannedVisit(
                task=step,
                leg_s=leg_s,
                leg_m=leg_m,
                arrival_s=arrival,
                wait_s=wait_s,
                start_s=start,
                service_s=service_s,
                departure_s=clock,
                lateness_s=late_s,
                load_after=cargo.loads[index + 1],
                promise_late_s=promise_late_s,
            )
        )
    if van.end_place is not None and (route or not van.rests):
        for pause in by_leg.get((len(stops), "leaving"), ()):
            clock, pause_s = pause.start_s + pause.duration_s, pause_s + pause.duration_s
        clock = max(clock, cargo.ready_s[len(stops)])
        home_s, home_m = travel.leg_s(place, van.end_place, clock), travel.distances_m[place][van.end_place]
        if home_s < 0:
            no_way.append((place, van.end_place))
            home_s = home_m = 0
        on_the_way = sum(pause.duration_s for pause in by_leg.get((len(stops), "way"), ()))
        clock, driving, distance, pause_s = clock + home_s + on_the_way, driving + home_s, distance + home_m, pause_s + on_the_way
        load_metres += home_m * cargo.loads[-1][0] if cargo.loads[-1] else 0
        if van.energy:
            flat_m += max(home_m - left, 0)
        for pause in by_leg.get((len(stops), "arriving"), ()):
            clock, pause_s = pause.start_s + pause.duration_s, pause_s + pause.duration_s
    back_s = clock if route or not van.rests else van.start_s
    peak_over = sum(max(0, most - fits) for most, fits in zip(cargo.peak, van.capacity, strict=True))
    excess = Excess(
        no_way=sum(pair not in ground.unavoidable.get(van.vehicle, ()) for pair in no_way),
        goods=len(cargo.wrong),
        load=peak_over,
        shift_s=max(0, back_s - van.shift_end_s - van.overtime_s),
        deadline_s=too_late,
        wait_s=waited_over,
        ride_s=ride_over,
        rules_s=max(0, broken_s - too_late - waited_over),
        range_m=flat_m,
        distance_m=max(0, distance - van.max_distance_m) if van.max_distance_m is not None else 0,
        tasks=max(0, tasks - van.max_tasks) if van.max_tasks is not None else 0,
    )
    stand_s = back_s - van.start_s - driving - pause_s
    prices = ground.prices[van.vehicle]
    return Walk(
        visits=tuple(visits),
        leave_s=leave_s,
        back_s=back_s,
        distance_m=distance,
        load_metres=load_metres,
        wait_s=waiting,
        stand_s=stand_s,
        lateness_s=late,
        promise_late_s=told_late,
        extra_cents=extra_cents,
        peak=cargo.peak,
        no_way=tuple(no_way),
        wrong_goods=tuple(cargo.wrong),
        load_at_start=cargo.loads[0],
        breaks=tuple(pause for pause, _ in pauses),
        excess=excess,
        labels=labels,
        units=(prices.fixed if route and van.rests else 0)
        + distance * prices.metre
        + load_metres * van.fuel_cents_per_km_per_1000 * prices.METRE_UNITS // 1000
        + prices.time(back_s)
        + waiting * prices.waiting
        + stand_s * prices.idling
        + late * prices.late
        + told_late * prices.promise
        + extra_cents * prices.CENT_UNITS,
    )
