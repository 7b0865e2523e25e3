"""Both ends of a shipment on one route: the cheapest places for the pickup and, after it, for the delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from roundsman_hub.planning.bids import UNKNOWN
from roundsman_hub.planning.effort import PAIR_US, PICKUPS, PLACE_US
from roundsman_hub.planning.lookups import UNITS_PER_CENT, begin
from roundsman_hub.planning.problem import Step
from roundsman_hub.planning.slack import IMPOSSIBLE
from roundsman_hub.planning.work import Task, over

if TYPE_CHECKING:
    from roundsman_hub.planning.row import Row
    from roundsman_hub.planning.walk import Ground


class Place(NamedTuple):
    """Where work would go, and what that adds in units. `route`: the whole new route, where it is more than one step put in."""

    units: int
    at: int
    route: tuple[Step, ...] | None = None


Job = tuple[Task, ...]
"""What goes into one van at once: a task, or both ends of a shipment."""


def job_of(ground: Ground, task: Task) -> Job:
    """The task, with the other end of its shipment if that is to be planned too: pickup first."""
    if task.shipment is None or task.on_board is not None:
        return (task,)
    ends = (ground.pickup_of.get(task.shipment), ground.delivery_of.get(task.shipment))
    return tuple(ground.tasks[end] for end in ends if end is not None)


def place_of(row: Row, job: Job, *, late_allowed: bool) -> Place | None:
    """The cheapest place on a route for a task, or for both ends of a shipment; None if there is none."""
    if len(job) == 2:
        ends = {task.task for task in job}
        relations = row.ground.relations_of.get(job[0].task, ())
        if any(relation.kind == "different_vans" and ends <= set(relation.tasks) for relation in relations):
            return None  # a shipment that no van may carry whole
        return row.best_pair(*job, late_allowed=late_allowed)
    return row.best(job[0], late_allowed=late_allowed)


def best(row: Row, pickup: Task, delivery: Task, *, late_allowed: bool = False) -> Place | None:
    """Cheapest places for both ends of a shipment; None if they have none on this route."""
    ground, van = row.ground, row.van
    if ground.refusal(van, pickup) or ground.refusal(van, delivery):
        return None
    if row.plain and row.slack is not None and not late_allowed and pickup.release_s <= row.leave_s:
        return _quick(row, pickup, delivery)
    best: Place | None = None
    effort = ground.effort
    for floor, first, second in _floors(row, pickup, delivery, late_allowed=late_allowed):
        if (best is not None and (floor >= best.units or effort.hasty)) or effort.over:
            break
        route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
        units = row.tried(route, first, late_allowed=late_allowed)
        if units is not None and (best is None or units < best.units):
            best = Place(units, first, tuple(route))
    return best


def _floors(row: Row, pickup: Task, delivery: Task, *, late_allowed: bool) -> list[tuple[int, int, int]]:
    """(units that it adds at least, position of the pickup, of the delivery) of the places that can be, the lowest first.

    As `bids` for one stop: by a drive without any pause, from the pickup to the stop after the delivery. What such a drive cannot keep,
    none can; and what it takes longer can only be swallowed by time in which the van does nothing now.
    """
    ground, van, prospect, walk = row.ground, row.van, row.prospect, row.walk
    count, end = len(prospect.stops), van.end_place
    latest = prospect.latest_if_late_s if late_allowed else prospect.latest_s
    anywhere = _positions(row, pickup, prospect.places, prospect.soonest_s, latest)
    if not prospect.known or ground.unavoidable.get(van.vehicle) or van.fuel_cents_per_km_per_1000:
        return [(UNKNOWN, first, second) for first in anywhere for second in range(first, count + 1)]
    travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
    leg_of, durations, metres = travel.leg_s, travel.durations_s, travel.distances_m
    up, down = ground.stops[van.type][pickup.task], ground.stops[van.type][delivery.task]
    loads, limit = [walk.load_at_start, *(visit.load_after for visit in walk.visits)], ground.limit_load[van.vehicle]
    weigh = not any(most > fits for most, fits in zip(walk.peak, limit, strict=True))
    metres_left = None if van.max_distance_m is None else max(van.max_distance_m - walk.distance_m, 0)
    idle = not row.route and van.rests
    fixed = prices.fixed if idle else 0
    fixed += (row.extra_cents(pickup) + row.extra_cents(delivery)) * UNITS_PER_CENT
    credit = walk.lateness_s * prices.late + walk.promise_late_s * prices.promise
    pauses = bool(van.breaks) or van.hours is not None
    mind = bool(ground.next_stops.get(van.vehicle))
    out: list[tuple[int, int, int]] = []
    for first in anywhere:
        before = prospect.places[first]
        if weigh and over(loads[first], pickup.load, limit):
            continue
        if first == 0 and van.begun is not None and row.route[:1] == [van.begun.step]:  # which is begun anew behind it
            out += [(UNKNOWN, first, second) for second in range(count + 1)]
            continue
        leg_s = leg_of(before, up.place, prospect.soonest_s[first])
        if leg_s < 0:
            continue
        start_s, late = begin(up, prospect.soonest_s[first] + leg_s)
        told = up.promise_late_s(start_s)
        if ((late or told) and not late_allowed) or up.too_late_s(start_s):
            continue
        own = late * prices.late + told * prices.promise
        clock = start_s + up.service_from(before)
        place, way_m, busy_s, was_m, was_s = up.place, metres[before][up.place], leg_s + up.service_from(before), 0, 0
        sooner = False  # matrices are like that: a detour may be the faster way, and then nothing is known of who is late now
        for second in range(first, count + 1):
            if second > first:  # one stop more between the two ends
                stop, visit = prospect.stops[second - 1], walk.visits[second - 1]
                leg_s = leg_of(place, stop.place, clock)
                start_s = begin(stop, clock + max(leg_s, 0))[0]
                if leg_s < 0 or clock + leg_s > latest[second - 1] + stop.parking_s or (weigh and over(loads[second], pickup.load, limit)):
                    break
                sooner = sooner or clock + leg_s < prospect.arrives_s[second - 1]
                service_s = stop.service_from(place)
                way_m, busy_s = way_m + metres[place][stop.place], busy_s + leg_s + service_s
                from_ = prospect.places[second - 1]
                was_m, was_s = was_m + metres[from_][stop.place], was_s + max(durations[from_][stop.place], 0) + visit.service_s
                clock, place = start_s + service_s, stop.place
            leg_s = leg_of(place, down.place, clock)
            if leg_s < 0:
                continue
            start_s, late = begin(down, clock + leg_s)
            told = down.promise_late_s(start_s)
            if ((late or told) and not late_allowed) or down.too_late_s(start_s):
                continue
            done_s = start_s + down.service_from(place)
            more_m, longer_s = way_m + metres[place][down.place] - was_m, busy_s + leg_s + down.service_from(place) - was_s
            after = prospect.places[second + 1] if second < count else end
            on_s = 0
            if after is not None:
                on_s = leg_of(down.place, after, done_s)
                if on_s < 0:
                    continue
                more_m, longer_s = more_m + metres[down.place][after], longer_s + on_s
                if not idle:
                    more_m -= max(metres[prospect.places[second]][after], 0)
                    longer_s -= max(durations[prospect.places[second]][after], 0)
            if second < count:
                parking_s = prospect.stops[second].parking_s
                if done_s + on_s > latest[second] + parking_s:
                    continue
                spared_s = parking_s if after in (prospect.places[second], down.place) else 0
            else:
                spared_s = 0
                if done_s + on_s > prospect.home_s:
                    continue
            longer_s -= spared_s
            if metres_left is not None and more_m > metres_left:
                continue
            if sooner or longer_s < 0 or more_m < 0 or done_s + on_s - spared_s < prospect.arrives_s[second]:
                out.append((UNKNOWN, first, second))
                continue
            back_s = max(prospect.arrives_s[-1] - spared_s, row.back_s + longer_s - prospect.swallowed_s[first])
            if not pauses:  # it is back as late as now, but for parking that is not needed twice
                back_s = max(back_s, row.back_s - spared_s)
            spent = prices.time(back_s) - prices.time(row.back_s) - credit
            floor = fixed + more_m * prices.metre + own + late * prices.late + told * prices.promise + spent
            if mind:
                route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
                floor += row.churn_units(route, first)
            out.append((floor, first, second))
    out.sort()
    ground.effort.spent_us += PAIR_US[not travel.steady] * len(out)
    return out


def _positions(row: Row, pickup: Task, places: Sequence[int], leaves_s: Sequence[int], latest_s: Sequence[int]) -> Sequence[int]:
    """Where the pickup may go: anywhere, or in haste the smallest detours of those that alone make nobody late.

    places, leaves_s : for each position, where the van is, and when it leaves. latest_s : the latest start of each stop.
    """
    anywhere, end = range(row.first_free, len(places)), row.van.end_place
    if not row.ground.effort.hasty:
        return anywhere
    travel = row.ground.travel[row.van.profile]
    metres, up, there = travel.distances_m, row.ground.stops[row.van.type][pickup.task], pickup.place
    out: list[tuple[int, int]] = []
    for at in anywhere:
        before, after = places[at], places[at + 1] if at + 1 < len(places) else end
        start_s, late = begin(up, leaves_s[at] + travel.leg_s(before, there, leaves_s[at]))
        if late or (at < len(latest_s) and after is not None and start_s + up.service_s + travel.fastest_s(there, after) > latest_s[at]):
            continue
        more_m = 0 if after is None else metres[there][after] - max(metres[before][after], 0)
        out.append((metres[before][there] + more_m, at))
    row.ground.effort.spent_us += PLACE_US * len(anywhere) // 2
    return [at for _, at in sorted(out)[:PICKUPS]]


def _quick(row: Row, pickup: Task, delivery: Task) -> Place | None:
    """`best` in one pass a pickup's position: the stops between the two ends are driven once, the rest of the route not at all."""
    ground, van, slack = row.ground, row.van, row.slack
    travel, prices = ground.travel[van.profile], ground.prices[van.vehicle]
    leg_of, metres, limit = travel.leg_s, travel.distances_m, ground.limit_load[van.vehicle]
    up, down = ground.stops[van.type][pickup.task], ground.stops[van.type][delivery.task]
    end, count = van.end_place, len(row.stops)
    assert slack is not None
    assert end is not None
    extra = sum(task.reattempt_cents + ground.strange_cents(van, task) for task in (pickup, delivery)) * UNITS_PER_CENT
    fixed = prices.fixed if not row.route and van.rests else 0
    pair_us = PAIR_US[not travel.steady]
    best: tuple[int, int, int] | None = None
    for first in _positions(row, pickup, row.places, row.depart_s, slack.latest_s):
        ground.effort.spent_us += pair_us
        before = row.places[first]
        to_s = leg_of(before, up.place, row.depart_s[first])
        if to_s < 0 or over(row.loads[first], pickup.load, limit):
            continue
        start_s, late = begin(up, row.depart_s[first] + to_s)
        if late or up.promise_late_s(start_s) or up.too_late_s(start_s):
            continue
        left_s = clock = start_s + up.service_from(before)
        place, driven_m, late_units = up.place, metres[before][up.place], 0
        for second in range(first, count + 1):
            if second > first:  # one stop more between the two ends
                stop = row.stops[second - 1]
                leg_s = leg_of(place, stop.place, clock)
                start_s, late = begin(stop, clock + leg_s)
                if leg_s < 0 or start_s > slack.own_s[second - 1] or over(row.loads[second], pickup.load, limit):
                    break
                was = row.visits[second - 1]  # no later than it may be; sooner, where parking or a detour saves time
                late_units += (late - was.lateness_s) * prices.late
                late_units += (stop.promise_late_s(start_s) - was.promise_late_s) * prices.promise
                driven_m += metres[place][stop.place]
                clock, place = start_s + stop.service_from(place), stop.place
                ground.effort.spent_us += pair_us
            leg_s = leg_of(place, down.place, clock)
            after = row.places[second + 1] if second < count else end
            if leg_s < 0:
                continue
            start_s, late = begin(down, clock + leg_s)
            if late or down.promise_late_s(start_s) or down.too_late_s(start_s):
                continue
            if delivery.max_ride_s is not None and start_s - left_s > delivery.max_ride_s:
                continue
            done_s = start_s + down.service_from(place)
            on_s = leg_of(down.place, after, done_s)
            if on_s < 0:
                continue
            back_s = slack.back_s(second, done_s + on_s, row.places[second], down.place)
            if back_s == IMPOSSIBLE:
                continue
            if back_s is None:  # parking, or a way that is faster with the detour: rare, and walked
                route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
                units = row.tried(route, first, late_allowed=False)
            else:
                way_m = driven_m + metres[place][down.place] + metres[down.place][after]
                units = fixed + extra + (way_m - _way_m(row, first, second)) * prices.metre
                units += prices.time(back_s) - prices.time(row.back_s) + late_units
                if row.ground.next_stops.get(van.vehicle) or ground.problem.relations:
                    route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
                    if ground.out_of_order(route):
                        continue
                    units += row.churn_units(route, first)
            if units is not None and (best is None or units < best[0]):
                best = units, first, second
    if best is None:
        return None
    units, first, second = best
    route = [*row.route[:first], pickup.task, *row.route[first:second], delivery.task, *row.route[second:]]
    return Place(units, first, tuple(route))


def _way_m(row: Row, first: int, second: int) -> int:
    """Metres that the route drives now from before its step `first` to its step `second`."""
    if not row.route and row.van.rests:
        return 0
    metres, end = row.ground.travel[row.van.profile].distances_m, row.van.end_place
    assert end is not None
    places = [*row.places, end]
    return sum(metres[places[at]][places[at + 1]] for at in range(first, second + 1))
