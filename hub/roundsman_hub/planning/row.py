"""One van's route, ready for insertions to be tried quickly: times before each stop, loads to its left and right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from roundsman_hub.planning import rides
from roundsman_hub.planning.bids import UNKNOWN, Bid, Prospect, bids
from roundsman_hub.planning.effort import PLACE_US
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT, begin
from roundsman_hub.planning.problem import CHARGE, Step, is_task
from roundsman_hub.planning.rides import Place
from roundsman_hub.planning.slack import ANY_TIME, IMPOSSIBLE, Slack, SlackInTraffic
from roundsman_hub.planning.walk import Excess, Ground, Walk
from roundsman_hub.planning.work import Loads, Task, TaskId, over


class Row:
    """A route and what a try needs: only the stops after the new one are walked again, and only until a wait swallows the delay.

    That is the quick way, for vans and stops that are `plain`, with traffic by the hour or without. Whatever else a route has (pauses,
    hours, ranges, second trips, shipments) is tried by walking the whole of it.
    """

    def __init__(self, ground: Ground, van: Van, route: Sequence[Step], walk: Walk | None = None) -> None:
        self.ground, self.van, self.route = ground, van, list(route)
        before_us = ground.effort.spent_us
        self.walk = walk = walk or ground.walk(van, self.route)
        self.walk_us = ground.effort.spent_us - before_us
        self.back_s, self.leave_s = walk.back_s, walk.leave_s
        self.lateness_s, self.units, self.visits, self.no_way = walk.lateness_s, walk.units, walk.visits, walk.no_way
        self.first_free = len([task for task in van.frozen if task in ground.tasks])
        self.churn = ground.churn(van.vehicle, self.route)
        # A way that is closed at some hours only: what has no way now may have one later.
        passable = ground.travel[van.profile].steady or not walk.no_way
        self.plain = passable and plain_van(ground, van) and all(is_task(step) and _no_ride(ground.tasks[step]) for step in self.route)
        self._bids: dict[tuple[TaskId, bool, bool], list[Bid]] = {}
        self._tried: tuple[list[Step], Walk] | None = None
        """The last route that was found to be possible: mostly the one that is taken."""
        if self.plain:
            self._prepare(walk)

    def _prepare(self, walk: Walk) -> None:
        ground, van = self.ground, self.van
        self.stops = [ground.stops[van.type][step] for step in self.route]
        self.places = [van.start_place, *(stop.place for stop in self.stops)]
        self.depart_s = [walk.leave_s, *(visit.departure_s for visit in walk.visits)]
        start = ground.sum_of(ground.on_board_of[van.vehicle])
        loaded = ground.sum_of(task for step in self.route if ground.from_depot(task := ground.tasks[step]))
        self.loads = loads = [tuple(map(sum, zip(start, van.carried or ground.nothing, loaded, strict=True)))]
        loads += [visit.load_after for visit in walk.visits]
        self.peak_before, self.peak_after = loads[:], loads[:]
        for i in range(1, len(loads)):
            self.peak_before[i] = tuple(map(max, self.peak_before[i - 1], loads[i]))
        for i in range(len(loads) - 2, -1, -1):
            self.peak_after[i] = tuple(map(max, self.peak_after[i + 1], loads[i]))

    @cached_property
    def prospect(self) -> Prospect:
        """What is known of a route that has to be walked."""
        return Prospect.of(self)

    @cached_property
    def slack(self) -> Slack | SlackInTraffic | None:
        """How much later each stop may begin; None where only walking tells. Made when first asked for: many a row never is."""
        if not self.plain or self.walk.no_way:
            return None
        kind = Slack if self.ground.travel[self.van.profile].steady else SlackInTraffic
        return kind.of(self.ground, self.van, self.stops, self.walk)

    def best(self, task: Task, *, late_allowed: bool = False, loads_matter: bool = True) -> Place | None:
        """Cheapest place for a task, None if it has none on this route. (A shipment's delivery has none: see `best_pair`.)"""
        ground, van = self.ground, self.van
        if self._refuses(task):
            return None
        if self.walked(task):
            return self._best_walked(task, late_allowed=late_allowed, loads_matter=loads_matter)
        low, high = self._span(task)
        limit = ground.limit_load[van.vehicle] if loads_matter else None
        best: Place | None = None
        full = False
        if self.slack is not None and not late_allowed and not (ground.from_depot(task) and task.release_s > self.leave_s):
            best, full = self._best_quick(task, low, high, limit)
            low = high + 1
        for at in range(low, high + 1):
            peak = self.peak_before[at] if task.kind == "delivery" else self.peak_after[at]
            if limit is not None and task.on_board is None and over(peak, task.load, limit):
                full = True
                continue
            units = self._added(task, at, late_allowed=late_allowed)
            if units is not None and (best is None or units < best.units):
                best = Place(units, at)
        if best is None and full and van.reloads:
            return self._best_walked(task, late_allowed=late_allowed, loads_matter=loads_matter)
        return best

    def _best_quick(self, task: Task, low: int, high: int, limit: Loads | None) -> tuple[Place | None, bool]:
        """`best` with everything looked up once. Also whether a place was refused for its load alone."""
        ground, van, slack = self.ground, self.van, self.slack
        assert slack is not None
        assert van.end_place is not None
        ground.effort.spent_us += PLACE_US * max(0, high - low)
        travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
        durations, metres, steady = travel.durations_s, travel.distances_m, travel.steady
        stop, place, count = ground.stops[van.type][task.task], task.place, len(self.stops)
        on_from_here, on_m = durations[place], metres[place]
        peaks = self.peak_before if task.kind == "delivery" else self.peak_after
        weigh = limit is not None and task.on_board is None
        room = [most - new for most, new in zip(limit, task.load, strict=True)] if weigh and limit is not None else []
        fixed = prices.fixed if not self.route and van.rests else 0
        fixed += self.extra_cents(task) * UNITS_PER_CENT
        now_units, mind = prices.time(self.back_s), bool(ground.next_stops.get(van.vehicle))
        idle = not self.route and van.rests
        best: tuple[int, int] | None = None
        full = False
        done_soonest_s = max(stop.earliest_s, stop.windows_s[0][0] if stop.windows_s else stop.earliest_s) + stop.service_s
        closes_s = min(
            max((closes for _, closes in stop.windows_s), default=ANY_TIME),
            ANY_TIME if stop.deadline_s is None else stop.deadline_s,
            ANY_TIME if stop.promise_s is None else stop.promise_s[1],
        )
        for at in range(low, high + 1):
            if self.depart_s[at] > closes_s:
                break
            if at < count and done_soonest_s > slack.latest_s[at] + self.stops[at].parking_s:
                continue
            if weigh and any(peak > most for peak, most in zip(peaks[at], room, strict=True)):
                full = True
                continue
            before = self.places[at]
            after = self.places[at + 1] if at < count else van.end_place
            departs = self.depart_s[at]
            to_s = durations[before][place] if steady else travel.leg_s(before, place, departs)
            if to_s < 0:
                continue
            begins, late = begin(stop, departs + to_s)
            if late or stop.promise_late_s(begins) or stop.too_late_s(begins):
                continue
            done_s = begins + stop.service_from(before)
            on_s = on_from_here[after] if steady else travel.leg_s(place, after, done_s)
            if on_s < 0:
                continue
            back_s = slack.back_s(at, done_s + on_s, before, place)
            if back_s == IMPOSSIBLE:
                continue
            if back_s is None:
                units = self._added(task, at, late_allowed=False)
                if units is None:
                    continue
            else:
                skipped = 0 if idle else max(metres[before][after], 0)
                units = fixed + (metres[before][place] + on_m[after] - skipped) * prices.metre + prices.time(back_s) - now_units
                if mind:
                    units += self.churn_units([*self.route[:at], task.task, *self.route[at:]], at)
            if best is None or units < best[0]:
                best = units, at
        return (None if best is None else Place(*best)), full

    def _span(self, task: Task) -> tuple[int, int]:
        """Between which positions a task may go, by the order that its relations ask for."""
        low, high = self.first_free, len(self.route)
        for relation in self.ground.relations_of.get(task.task, ()):
            if relation.kind == "in_order":
                mine = relation.tasks.index(task.task)
                for index, other in enumerate(relation.tasks):
                    if other in self.route:
                        at = self.route.index(other)
                        low, high = (max(low, at + 1), high) if index < mine else (low, min(high, at))
        return low, high

    def _added(self, task: Task, at: int, *, late_allowed: bool) -> int | None:
        ground, van = self.ground, self.van
        travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
        stop = ground.stops[van.type][task.task]
        before, end = self.places[at], van.end_place
        assert end is not None
        after = self.places[at + 1] if at < len(self.stops) else end
        if ground.from_depot(task) and task.release_s > self.leave_s:
            return self._walked(task, at, late_allowed=late_allowed)  # the whole route starts later: rare
        to_s = travel.leg_s(before, stop.place, self.depart_s[at])
        if to_s < 0:
            return None
        begins, late = begin(stop, self.depart_s[at] + to_s)
        told = stop.promise_late_s(begins)
        if ((late or told) and not late_allowed) or stop.too_late_s(begins):
            return None
        clock, place = begins + stop.service_from(before), stop.place
        on_s = travel.leg_s(place, after, clock)
        if on_s < 0:
            return None
        late_units = late * prices.late + told * prices.promise
        back_s: int | None = None
        if self.slack is not None and not late_allowed:
            found = self.slack.back_s(at, clock + on_s, before, place)
            if found == IMPOSSIBLE:
                return None
            if found is not None:
                return self._paid(task, at, before, after, found)
        for index in range(at, len(self.stops)):
            next_stop, was = self.stops[index], self.visits[index]
            leg_s = travel.leg_s(place, next_stop.place, clock)
            if leg_s < 0 and not travel.steady:
                return None  # that way is closed by then
            begins, late = begin(next_stop, clock + max(leg_s, 0))
            departs = begins + next_stop.service_from(place)
            if departs == was.departure_s and begins == was.start_s:
                back_s = self.back_s  # a wait swallowed the delay: nothing after changes
                break
            told = next_stop.promise_late_s(begins)
            if (late > was.lateness_s or told > was.promise_late_s) and not late_allowed:
                return None
            if next_stop.deadline_s is not None and begins > max(next_stop.deadline_s, was.start_s):
                return None
            # Less than nothing where a detour is the faster way: matrices are like that.
            late_units += (late - was.lateness_s) * prices.late + (told - was.promise_late_s) * prices.promise
            clock, place = departs, next_stop.place
        if back_s is None:
            home_s = travel.leg_s(place, end, clock)
            if home_s < 0 and not travel.steady:
                return None
            back_s = clock + max(home_s, 0)
        if back_s > ground.home_s[van.vehicle]:
            return None
        return self._paid(task, at, before, after, back_s) + late_units

    def _paid(self, task: Task, at: int, before: int, after: int, back_s: int) -> int:
        """What the task adds there, if the van is back then and nothing gets later than it may."""
        ground, van = self.ground, self.van
        prices, distances = ground.prices[van.vehicle], ground.travel[van.profile].distances_m
        skipped = max(distances[before][after], 0) if self.route or not van.rests else 0
        metres = distances[before][task.place] + distances[task.place][after] - skipped
        fixed = prices.fixed if not self.route and van.rests else 0
        extra = self.extra_cents(task) * UNITS_PER_CENT
        added = fixed + metres * prices.metre + prices.time(back_s) - prices.time(self.back_s) + extra
        mind = ground.next_stops.get(van.vehicle, ())
        return added + (self.churn_units([*self.route[:at], task.task, *self.route[at:]], at) if mind else 0)

    def _walked(self, task: Task, at: int, *, late_allowed: bool) -> int | None:
        route = [*self.route[:at], task.task, *self.route[at:]]
        return self.tried(route, at, late_allowed=late_allowed)

    def extra_cents(self, task: Task) -> int:
        """What a stop costs wherever it is on this van's route."""
        return task.reattempt_cents + self.ground.strange_cents(self.van, task)

    def tried(self, route: list[Step], at: int, *, late_allowed: bool, loads_matter: bool = True) -> int | None:
        """What a whole new route adds, None if it breaks what this one does not."""
        ground, van = self.ground, self.van
        if ground.out_of_order(route):
            return None
        walk = ground.walk(van, route)
        allowed = Excess(*map(max, ground.allowed[van.vehicle], self.walk.excess))
        excess = walk.excess if loads_matter else walk.excess._replace(load=0)
        if not excess.within(allowed):
            return None
        if not late_allowed and (walk.lateness_s or walk.promise_late_s):
            was = {visit.task: visit for visit in self.visits}
            for visit in walk.visits:
                old = was.get(visit.task)
                if visit.lateness_s > (old.lateness_s if old else 0) or visit.promise_late_s > (old.promise_late_s if old else 0):
                    return None
        self._tried = route, walk
        return walk.units - self.units + self.churn_units(route, at)

    def bids(self, task: Task, *, late_allowed: bool = False, loads_matter: bool = True) -> list[Bid]:
        """Where walking the route with the task is worth the while, the lowest floor first (see `bids`). Looked up once for a task."""
        known = self._bids.get((task.task, late_allowed, loads_matter))
        if known is None:
            low, high = self._span(task)
            self.ground.effort.spent_us += PLACE_US * max(0, high - low)
            known = bids(self, task, low, high, late_allowed=late_allowed, loads_matter=loads_matter)
            self._bids[task.task, late_allowed, loads_matter] = known
        return known

    def floor(self, task: Task, *, late_allowed: bool) -> int | None:
        """What a task adds to a route at least, in units, where only walking tells; `UNKNOWN` elsewhere, None where it has no place."""
        if not self.walked(task):
            return UNKNOWN
        if self._refuses(task):
            return None
        if self.van.energy and self.ground.problem.chargers:
            return UNKNOWN  # a charge may make room
        found = self.bids(task, late_allowed=late_allowed)
        return found[0].floor if found else None

    def walked(self, task: Task) -> bool:
        """Whether places for the task are found by walking alone."""
        return not self.plain or (self.ground.from_depot(task) and not (self.van.at_depot and task.depot in (None, self.van.depot)))

    def _refuses(self, task: Task) -> bool:
        if self.ground.refusal(self.van, task) or (task.shipment is not None and task.on_board is None):
            return True
        most = self.van.max_tasks
        return most is not None and sum(map(is_task, self.route)) >= max(most, self.first_free)

    def _best_walked(self, task: Task, *, late_allowed: bool, loads_matter: bool) -> Place | None:
        """By walking: the task alone; with a load fetched before it; with a charge somewhere on the way."""
        best: Place | None = None
        effort = self.ground.effort
        for bid in self.bids(task, late_allowed=late_allowed, loads_matter=loads_matter):
            if (best is not None and (bid.floor >= best.units or effort.hasty)) or effort.over:
                break
            new = [bid.fetch, task.task] if bid.fetch else [task.task]
            route = [*self.route[: bid.at], *new, *self.route[bid.at :]]
            units = self.tried(route, bid.at, late_allowed=late_allowed, loads_matter=loads_matter)
            if units is not None and (best is None or units < best.units):
                best = Place(units, bid.at, tuple(route))
        if best is None and self.van.energy and not effort.hasty:
            best = self._best_charged(task, late_allowed=late_allowed, loads_matter=loads_matter)
        return best

    def _best_charged(self, task: Task, *, late_allowed: bool, loads_matter: bool) -> Place | None:
        best: Place | None = None
        low, high = self._span(task)
        for at in range(low, high + 1):
            alone = [*self.route[:at], task.task, *self.route[at:]]
            for charge_at in range(self.first_free, len(alone) + 1):
                for charger in self.ground.problem.chargers:
                    route = [*alone[:charge_at], f"{CHARGE}{charger.charger}", *alone[charge_at:]]
                    units = self.tried(route, min(at, charge_at), late_allowed=late_allowed, loads_matter=loads_matter)
                    if units is not None and (best is None or units < best.units):
                        best = Place(units, at, tuple(route))
        return best

    def best_pair(self, pickup: Task, delivery: Task, *, late_allowed: bool = False) -> Place | None:
        """Cheapest places for both ends of a shipment; None if they have none on this route."""
        return rides.best(self, pickup, delivery, late_allowed=late_allowed)

    def with_(self, task: Task, place: Place) -> Row:
        """The row with the task where `best` or `best_pair` found room."""
        route = list(place.route) if place.route is not None else [*self.route[: place.at], task.task, *self.route[place.at :]]
        return Row(self.ground, self.van, route, self._tried[1] if self._tried is not None and self._tried[0] == route else None)

    def without(self, tasks: set[str]) -> Row:
        """The row without these; a second load or a charge that nothing needs any more goes with them."""
        route = [step for step in self.route if step not in tasks]
        row = Row(self.ground, self.van, route)
        for step in [step for step in route if not is_task(step)]:
            lean = list(row.route)
            lean.remove(step)
            other = Row(self.ground, self.van, lean)
            fine = Excess(*map(max, row.walk.excess, self.ground.allowed[self.van.vehicle]))
            if other.units <= row.units and other.walk.excess.within(fine):
                row = other
        return row

    def churn_units(self, route: Sequence[Step], at: int) -> int:
        """What a new route costs for changing the driver's next stops, if it is as before up to `at`."""
        mind = self.ground.next_stops.get(self.van.vehicle, ())
        if at >= len(mind) and not set(mind) & set(route[at:]):
            return 0
        return (self.ground.churn(self.van.vehicle, route) - self.churn) * self.ground.problem.churn_cents * UNITS_PER_CENT


def plain_van(ground: Ground, van: Van) -> bool:
    """Whether the quick way counts everything that this van's walk does."""
    return (
        not van.breaks
        and van.hours is None
        and van.energy is None
        and van.end_place is not None
        and van.max_distance_m is None
        and not (van.waiting_cents_per_hour or van.idling_cents_per_hour or van.fuel_cents_per_km_per_1000)
        and ground.problem.max_wait_s is None
    )


def _no_ride(task: Task) -> bool:
    """Not the delivery of a shipment with a longest ride, which depends on two stops at once."""
    return task.shipment is None or task.max_ride_s is None or task.on_board is not None
