"""Where on a route work is worth trying, when only walking the whole of it tells the price: the most promising first.

A route with pauses, driving-time rules, ranges or second trips is walked for each place that is tried (`Row.tried`), which takes a
hundred times as long as a look at a plain one. So each place is first given a `floor`, which walking it can never undercut, from a
drive without any pause: what such a drive cannot keep, none can; and what a detour takes can only be swallowed by time
in which the van does nothing now. Then places are walked from the lowest floor up, until none that is left can win. Where
driving-time rules meet traffic the judge's breaks are good ones, not the best: there a floor is a very good guess, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from roundsman_hub.planning.duty import DRIVE_S, REST_S, SPLIT_S, Label
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT, Prices, Stop, begin
from roundsman_hub.planning.problem import RELOAD, Step
from roundsman_hub.planning.slack import ANY_TIME
from roundsman_hub.planning.travel import Travel
from roundsman_hub.planning.walk import Excess, Ground, Walk
from roundsman_hub.planning.work import Loads, Task

if TYPE_CHECKING:
    from roundsman_hub.planning.row import Row

UNKNOWN: Final = -(1 << 60)
"""The floor of a place of which nothing is known without walking."""


class Bid(NamedTuple):
    """A place for one task. `floor`: units that it adds at least. `fetch`: the visit to a depot that goes before it, or nothing."""

    floor: int
    at: int
    fetch: Step = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a route that is walked shows without walking.

    soonest_s : for each position, when the van could leave for it if it took no pause.
    latest_s : the latest start of each stop from which a drive without pauses keeps what the walk keeps now.
    latest_if_late_s : the same where work may be late at a price: deadlines and the shift alone.
    swallowed_s : for each position, how much of a delay there could vanish in time in which nothing is done now.
    swallowed_by_stand_s : the same for work that is itself long enough for the driver's rest.
    arrives_s : when it would be at each stop, and back, if it took no pause.
    peak_before, peak_after : the most on board in the same trip, up to a position and from it on.
    goods_after : what is loaded for the stops from a position to the end of its trip.
    """

    stops: Sequence[Stop]
    places: Sequence[int]
    soonest_s: Sequence[int]
    latest_s: Sequence[int]
    latest_if_late_s: Sequence[int]
    home_s: int
    swallowed_s: Sequence[int]
    swallowed_by_stand_s: Sequence[int]
    arrives_s: Sequence[int]
    peak_before: Sequence[Loads]
    peak_after: Sequence[Loads]
    goods_after: Sequence[Loads]
    known: bool
    """False: where being earlier can be worse, or a rule is broken already, there is no floor."""

    @classmethod
    def of(cls, row: Row) -> Prospect:
        """Look at a row whose walk is made."""
        ground, van, walk, route = row.ground, row.van, row.walk, row.route
        travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
        stops = ground.steps_of(van, route)
        places = [van.start_place, *(stop.place for stop in stops)]
        soonest, arrives, driven, served, clock = [van.start_s], [], [0], [0], van.start_s
        for at, (stop, visit) in enumerate(zip(stops, walk.visits, strict=True)):
            leg_s = max(travel.leg_s(places[at], stop.place, clock), 0)
            arrives.append(clock + leg_s)
            clock = begin(stop, clock + leg_s)[0] + visit.service_s
            driven.append(driven[-1] + leg_s)
            served.append(served[-1] + visit.service_s)
            soonest.append(clock)
        stays = van.end_place is None or (not route and van.rests)
        home_leg_s = 0 if stays or van.end_place is None else max(travel.leg_s(places[-1], van.end_place, clock), 0)
        arrives.append(clock + home_leg_s)
        longest_s = max((stop.service_s + stop.parking_s for stop in stops), default=0)

        def nothing_s(at: int, longest_s: int) -> int:
            """The least time of the whole round in which nothing is done, if it is the same up to a position and no stand is longer."""
            busy_s = van.start_s + driven[at] + served[at]
            if not walk.labels:
                return soonest[at] - busy_s
            rest_s = driven[-1] - driven[at] + home_leg_s
            return min(label.clock_s - busy_s + least_pause_s(van, label, rest_s, arrives[-1], longest_s) for label in walk.labels[at])

        now_s = walk.back_s - van.start_s - driven[-1] - served[-1] - home_leg_s

        def swallowed(longest_s: int) -> list[int]:
            return [max(0, now_s - nothing_s(at, longest_s)) if travel.steady else ANY_TIME for at in range(len(places))]

        home_s = van.shift_end_s + van.overtime_s + max(ground.allowed[van.vehicle].shift_s, walk.excess.shift_s)
        latest, if_late = _latest(travel, van, stops, walk, home_s)
        before, after, goods = _by_trip(ground, route, walk, walk.load_at_start)
        broken = Excess(*map(max, walk.excess, ground.allowed[van.vehicle]))
        return cls(
            stops=stops,
            places=places,
            soonest_s=soonest,
            latest_s=latest,
            latest_if_late_s=if_late,
            home_s=home_s,
            swallowed_s=swallowed(longest_s),
            swallowed_by_stand_s=swallowed(ANY_TIME),
            arrives_s=arrives,
            peak_before=before,
            peak_after=after,
            goods_after=goods,
            known=not (walk.no_way or broken.rules_s or broken.deadline_s or broken.wait_s) and not _patient(ground, prices),
        )


def _patient(ground: Ground, prices: Prices) -> bool:
    return bool(prices.waiting or prices.idling) or ground.problem.max_wait_s is not None


def least_pause_s(van: Van, label: Label, driven_s: int, back_s: int, longest_stand_s: int) -> int:
    """Seconds of pauses that are still to come for a driver who drives so much more and is not back earlier, or rules are broken."""
    scheduled_s = sum(due.duration_s for due in van.breaks[label.breaks :] if due.latest_s < back_s)
    hours = van.hours
    if hours is None or driven_s <= label.to_break_s or (hours.rule == "us_395" and longest_stand_s >= REST_S["us_395"]):
        return scheduled_s
    first_s = SPLIT_S[1] if label.half else REST_S[hours.rule]
    more = (driven_s - label.to_break_s - 1) // DRIVE_S[hours.rule]
    return max(scheduled_s, first_s + more * REST_S[hours.rule])


def _latest(travel: Travel, van: Van, stops: Sequence[Stop], walk: Walk, home_s: int) -> tuple[list[int], list[int]]:
    after, limits, out = van.end_place, [home_s, home_s], ([0] * len(stops), [0] * len(stops))
    for at in range(len(stops) - 1, -1, -1):
        stop, visit = stops[at], walk.visits[at]
        closes = max((closes for _, closes in stop.windows_s), default=ANY_TIME)
        told = ANY_TIME if stop.promise_s is None else stop.promise_s[1]
        dead = ANY_TIME if stop.deadline_s is None or walk.excess.deadline_s else max(stop.deadline_s, visit.start_s)
        for which, own in enumerate((min(max(closes, visit.start_s), max(told, visit.start_s), dead), dead)):
            leave_s: int | None = limits[which]
            if after is not None:
                leave_s = travel.leave_by_s(stop.place, after, limits[which])
            limits[which] = out[which][at] = min(own, ANY_TIME if leave_s is None else leave_s - visit.service_s)
        after = stop.place
    return out


def _by_trip(ground: Ground, route: Sequence[Step], walk: Walk, start: Loads) -> tuple[list[Loads], list[Loads], list[Loads]]:
    loads = [start, *(visit.load_after for visit in walk.visits)]
    before, after, goods = loads[:], loads[:], [ground.nothing] * len(loads)
    for at, step in enumerate(route):
        if not step.startswith(RELOAD):
            before[at + 1] = tuple(map(max, before[at], loads[at + 1]))
    for at in range(len(route) - 1, -1, -1):
        task = ground.tasks.get(route[at])
        if not route[at].startswith(RELOAD):
            after[at] = tuple(map(max, after[at + 1], loads[at]))
            goods[at] = goods[at + 1] if task is None or not ground.from_depot(task) else tuple(map(int.__add__, goods[at + 1], task.load))
    return before, after, goods


def bids(row: Row, task: Task, low: int, high: int, *, late_allowed: bool, loads_matter: bool) -> list[Bid]:
    """Places for a task between two positions, without those that cannot be: the lowest floor first."""
    ground, van, prospect, walk = row.ground, row.van, row.prospect, row.walk
    fetches: list[Step] = [""]
    if ground.from_depot(task):
        fetches += [f"{RELOAD}{depot}" for depot in sorted(van.reloads) if task.depot in (None, depot)]
    if walk.no_way or ground.unavoidable.get(van.vehicle):  # a way that is missed whatever the route may well be driven once more
        return [Bid(UNKNOWN, at, fetch) for at in range(low, high + 1) for fetch in fetches]
    travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
    durations, metres, steady = travel.durations_s, travel.distances_m, travel.steady
    stop, count, end = ground.stops[van.type][task.task], len(prospect.stops), van.end_place
    latest = prospect.latest_if_late_s if late_allowed else prospect.latest_s
    limit = ground.limit_load[van.vehicle]
    weigh = loads_matter and task.on_board is None and not any(most > fits for most, fits in zip(walk.peak, limit, strict=True))
    peaks = prospect.peak_before if task.kind == "delivery" else prospect.peak_after
    loads_here = van.at_depot and task.depot in (None, van.depot)
    room = [fits - new for fits, new in zip(limit, task.load, strict=True)]
    fixed = (prices.fixed if not row.route and van.rests else 0) + row.extra_cents(task) * UNITS_PER_CENT
    credit = walk.lateness_s * prices.late + walk.promise_late_s * prices.promise
    metres_left = None if van.max_distance_m is None else max(van.max_distance_m - walk.distance_m, 0)
    idle = not row.route and van.rests
    mind = bool(ground.next_stops.get(van.vehicle))
    fuel = van.fuel_cents_per_km_per_1000 * prices.METRE_UNITS
    pauses = bool(van.breaks) or van.hours is not None
    rest_s = ANY_TIME if van.hours is None else REST_S[van.hours.rule]
    trip = 0
    closes_s = ANY_TIME if late_allowed or not stop.windows_s else max(closes for _, closes in stop.windows_s)
    done_soonest_s = max(stop.earliest_s, stop.windows_s[0][0] if stop.windows_s else stop.earliest_s) + stop.service_s
    out: list[Bid] = []
    for at in range(row.first_free):
        trip += row.route[at].startswith(RELOAD)
    for at in range(row.first_free, high + 1):
        if at > row.first_free and row.route[at - 1].startswith(RELOAD):
            trip += 1
        if at < low:
            continue
        if prospect.soonest_s[at] > closes_s:
            break
        if at < count and done_soonest_s > latest[at] + prospect.stops[at].parking_s:
            continue
        before = prospect.places[at]
        after = prospect.places[at + 1] if at < count else end
        for fetch in fetches:
            if weigh and any(on > most for on, most in zip(prospect.goods_after[at] if fetch else peaks[at], room, strict=True)):
                continue
            if not fetch and not trip and ground.from_depot(task) and not loads_here:
                continue
            clock, place, way_m, way_s, stand_s = prospect.soonest_s[at], before, 0, 0, 0
            if fetch:
                depot = ground.step_at(van, fetch, at)
                leg_s = travel.leg_s(place, depot.place, clock)
                if leg_s < 0:
                    continue
                way_m, way_s, stand_s = metres[place][depot.place], leg_s, depot.service_s
                clock, place = begin(depot, clock + leg_s)[0] + depot.service_s, depot.place
            leg_s = travel.leg_s(place, task.place, clock)
            if leg_s < 0 and steady:
                continue
            start_s, late = begin(stop, clock + max(leg_s, 0))
            told = stop.promise_late_s(start_s)
            if ((late or told) and not late_allowed) or (stop.too_late_s(start_s) and prospect.known):
                continue
            service_s = stop.service_from(place)
            clock, way_s, way_m = start_s + service_s, way_s + max(leg_s, 0), way_m + metres[place][task.place]
            skipped_s = skipped_m = 0
            on_s = 0
            if after is not None:
                on_s = travel.leg_s(task.place, after, clock)
                if on_s < 0 and steady:
                    continue
                way_m += metres[task.place][after]
                if not idle:
                    skipped_m, skipped_s = max(metres[before][after], 0), max(durations[before][after], 0)
            way_s += max(on_s, 0)
            swapped_s = 0
            if at < count:
                same = prospect.stops[at].place in (before, task.place)
                swapped_s = prospect.stops[at].parking_s if same else 0
                if clock + on_s > latest[at] + swapped_s:
                    continue
            elif clock + on_s > prospect.home_s:
                continue
            more_m = way_m - skipped_m
            if metres_left is not None and more_m > metres_left:
                continue
            left = at == 0 and van.begun is not None and row.route[:1] == [van.begun.step]  # what has begun is begun anew behind it
            if left or not prospect.known or (fuel and (fetch or task.on_board is not None or more_m < 0)):
                out.append(Bid(UNKNOWN, at, fetch))
                continue
            longer_s = way_s - skipped_s + stand_s + service_s - swapped_s
            if longer_s < 0 or (clock + on_s < prospect.arrives_s[at] and not steady):
                out.append(Bid(UNKNOWN, at, fetch))
                continue
            # A stop on the way is one more place to pause at: the van may even be back sooner.
            swallowed_s = prospect.swallowed_by_stand_s if max(service_s, stand_s) >= rest_s else prospect.swallowed_s
            back_s = max(prospect.arrives_s[-1] - swapped_s, row.back_s + longer_s - swallowed_s[at])
            if not pauses:  # it is back as late as now, but for parking that is not needed twice
                back_s = max(back_s, row.back_s - swapped_s)
            own = late * prices.late + told * prices.promise
            spent = prices.time(back_s) - prices.time(row.back_s) - credit
            floor = fixed + more_m * prices.metre + own + spent
            if mind:
                floor += row.churn_units([*row.route[:at], task.task, *row.route[at:]], at)
            out.append(Bid(floor, at, fetch))
    out.sort()
    return out
