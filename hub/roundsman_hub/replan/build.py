"""From what is known to what is asked: a depot's world becomes a planning problem. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from roundsman_core import calls
from roundsman_core.geo import LatLon
from roundsman_core.timeline import BREAK_S
from roundsman_hub.clock import to_ms
from roundsman_hub.planning.problem import CHARGE, RELOAD, Begun, Problem, Profile, Task, Van, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan import hand
from roundsman_hub.replan.holds import may_hold
from roundsman_hub.replan.terms import (
    call_s,
    capacity_of,
    carried_by,
    load_of,
    measured,
    needs_of,
    other_places,
    paced_types,
    ruled,
    search_s,
    stop_times,
    terms_of,
)
from roundsman_hub.replan.world import OrderFacts, VanFacts, World
from roundsman_wire.messages import PlanStop

LEFT_OUT_CENTS: Final = 100_000
"""Price of leaving an order out; each step of priority adds as much again."""
LEAST_SERVICE_S: Final = 30
"""A stop that takes longer than planned is taken to end this soon."""

WAITS: Final = "waits until "
"""Begins the reason of a task that is between two vans."""
LATER: Final = "is for "
"""And of one that no van's shift reaches yet, because its day is still to come."""

Table = npt.NDArray[np.int32]


def places(world: World) -> tuple[list[LatLon], list[LatLon]]:
    """(places that work is at, the depot first; places that vans start from). The matrices of `build` are in this order."""
    return [world.depot, *(order.position for order in world.orders.values()), *other_places(world)], [
        van.position for van in world.vans.values() if van.position is not None
    ]


def place_of(world: World) -> dict[str, int]:
    """Each order's number among `places`. Orders behind one door are at one place: the second needs no parking."""
    first: dict[LatLon, int] = {}
    return {name: first.setdefault(order.position, at) for at, (name, order) in enumerate(world.orders.items(), start=1)}


def _searched_s(world: World, place: Mapping[str, int]) -> dict[int, int]:
    """Seconds of looking for a place to park, by number of place. Where a van stands, nothing is looked for."""
    standing = {place[task] for van in world.vans.values() for task in van.in_progress if task in place}
    found = {place[name]: search_s(order, world) for name, order in world.orders.items()}
    return {at: seconds for at, seconds in found.items() if seconds and at not in standing}


def with_search(durations_s: Table, searched: Mapping[int, int]) -> Table:
    """Ways that end with looking for a place to park.

    Parameters
    ----------
    durations_s : int32 array, shape (..., n, n)
        Of the drives alone; -1 where there is no way.
    searched : mapping of int to int
        Seconds, by number of place. Who is there already does not look.
    """
    out = durations_s.copy()
    for place, seconds in searched.items():
        column = out[..., place]
        column[column >= 0] += seconds
        out[..., place, place] = durations_s[..., place, place]
    return out


def at_work(van: VanFacts, now: datetime) -> bool:
    """May the van be given work: its shift has not ended, or it is still on the road; and nothing took it out of the day."""
    return not van.ended and not van.out and (van.left_with is not None or now < van.shift_end)


def remaining(world: World, van: VanFacts) -> tuple[str, ...]:
    """What work is left of the newest plan that was issued to a van."""
    return tuple(stop.stop for stop in van.newest.stops if stop.stop in world.orders) if van.newest else ()


def ahead(world: World, van: VanFacts) -> tuple[PlanStop, ...]:
    """Stops of a van's newest plan that are not done, with the calls at depots and chargers that are still to be made."""
    if van.newest is None:
        return ()
    named = calls.distinct(van.newest).stops
    made = calls.still_to_make(named, done=world.done, handed_over=world.handed_over, loaded=van.reloaded, just_made=van.just_made)
    pairs = zip(van.newest.stops, named, strict=True)
    return tuple(stop for stop, own in pairs if (own.stop in made if calls.is_call(stop) else stop.stop not in world.done))


def steps(world: World, van: VanFacts) -> tuple[str, ...]:
    """The route that a van holds: its work, and the loads and charges between."""
    return tuple(stop.stop for stop in ahead(world, van) if stop.stop in world.orders or calls.is_call(stop))


def fetched(world: World, van: VanFacts) -> frozenset[str]:
    """What is on board because its call at a depot is over, whether or not its driver said so: something of that load was handed over."""
    if van.newest is None or van.left_with is None:
        return frozenset()
    left, named = ahead(world, van), calls.distinct(van.newest).stops
    still = {id(stop) for stop in left}
    out: set[str] = set()
    for at, (stop, own) in enumerate(zip(van.newest.stops, named, strict=True)):
        if calls.is_call(own) and own.stop.startswith(RELOAD) and id(stop) not in still:
            out |= {task for one in calls.load_at(van.newest.stops, at) for task in one.tasks}
    return frozenset(out)


def anew(world: World, problem: Problem) -> Problem:
    """The problem without the places of work that was moved since it was planned (another window, promise or address): those are sought
    anew, because where it stands now was chosen for what was true then."""

    def moved(van: VanFacts) -> frozenset[str]:
        return frozenset(stop.stop for stop in (van.newest.stops if van.newest else ()) if _moved(world.orders.get(stop.stop), stop))

    gone = {van.vehicle_id: moved(van) for van in world.vans.values()}
    if not any(gone.values()):
        return problem
    current = {vehicle: tuple(step for step in route if step not in gone[vehicle]) for vehicle, route in problem.current.items()}
    return replace(problem, current=current)


def _moved(order: OrderFacts | None, stop: PlanStop) -> bool:
    if order is None:
        return False
    windows = {(to_ms(opens), to_ms(closes)) for opens, closes in ((order.window_start, order.window_end), *order.needs.more_windows)}
    told = (stop.window_start_utc_ms, stop.window_end_utc_ms)
    if (order.position.lat_e6, order.position.lon_e6) != (stop.lat_e6, stop.lon_e6) or told not in windows:
        return True
    if order.promise_start is None or order.promise_end is None or stop.promise_end_utc_ms is None:
        return False
    return (to_ms(order.promise_start), to_ms(order.promise_end)) != (stop.promise_start_utc_ms, stop.promise_end_utc_ms)


def on_board(world: World) -> dict[str, str]:
    """Undone deliveries that a van left the depot with, or whose goods it has collected, or got by a recorded hand-over."""
    carried = {
        task: van.vehicle_id
        for van in world.vans.values()
        for task in (*(van.left_with or ()), *fetched(world, van))
        if task in world.orders and world.orders[task].kind == "delivery" and world.orders[task].needs.shipment is None
    } | {order.order_id: order.collected_by for order in world.orders.values() if order.collected_by is not None and not order.done}
    return carried | {task: vehicle for task, vehicle in world.handed.items() if task in world.orders and vehicle in world.vans}


def between_vans(world: World, holders: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Work that is in no plan until the vans that may still hold it let go, with those vans.

    A task on its way from one van to another, as long as the first can answer: offline, it gets the task back. And a task that
    several may hold, as a restored database can leave it: taken from all of them, it heals itself.
    """
    out = {}
    for order_id in world.orders:
        vans = holders.get(order_id, frozenset())
        moving = world.unassigned.get(order_id, "").startswith(WAITS) and all(world.vans[van].online for van in vans)
        if len(vans) > 1 or (vans and moving):
            out[order_id] = vans
    return out


def frozen(world: World, van: VanFacts, aboard: dict[str, str], holders: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """The stop in progress; else the one being driven to, if it is still this van's."""
    standing = tuple(task for task in van.in_progress if task in world.orders)
    if standing or van.left_with is None or van.duty == "off":
        return standing
    route = steps(world, van)
    if route and not is_task(route[0]):
        return ()  # it drives to a depot or a charger
    left = [task for task in remaining(world, van) if not world.orders[task].cancelled]
    to = van.driving_to if van.driving_to in left else next(iter(left), None)
    if to is None or not holders.get(to, frozenset()) <= {van.vehicle_id}:
        return ()
    if world.orders[to].kind == "delivery" and aboard.get(to) != van.vehicle_id:
        return ()
    return (to,)


def driven_to(world: World) -> dict[str, str]:
    """Vans whose first stop no plan changes, and that stop: of the ways from where they are, it is the only one that a plan can ask for."""
    holders = may_hold(world.issued, world.in_force)
    between, aboard = between_vans(world, holders), on_board(world)
    firsts = {van.vehicle_id: next(iter(frozen(world, van, aboard, holders)), None) for van in world.vans.values()}
    return {
        vehicle: order
        for vehicle, order in firsts.items()
        if order is not None and order not in between and order in remaining(world, world.vans[vehicle])
    }


def held_back(world: World, named: frozenset[str]) -> frozenset[str]:
    """Work that no van has, but for what is `named`: it waits while only what leaves no choice is told."""
    planned = {task for van in world.vans.values() for task in remaining(world, van)}
    return frozenset(world.orders) - planned - named


def build(
    world: World,
    durations_s: Table,
    distances_m: Table,
    roads: Mapping[str, Profile] = MappingProxyType({}),
    *,
    may_move: bool,
    without: frozenset[str] = frozenset(),
) -> Problem:
    """The problem of a depot's remaining work.

    Parameters
    ----------
    world : World
        What is known now.
    durations_s, distances_m : int32 arrays, shape (n, n)
        Between `places(world)`: first work, then starts.
    roads : by kind of vehicle
        Travel times of those that do not drive like a car, and of all whose pace is known by the hour.
    may_move : bool
        Whether a task in one van's plan may be wished into another's. It moves in two steps then (see `holds`), so a
        wish is only allowed where the van can answer: never for one that is offline. False: each stays where it is held,
        unless a dispatcher decided otherwise.
    without : frozenset of order ids
        Work to leave out of the problem.
    """
    origin_utc_s = int(world.now.timestamp())
    holders = may_hold(world.issued, world.in_force)
    between = between_vans(world, holders)
    aboard = on_board(world)
    vans = [van for van in world.vans.values() if at_work(van, world.now)]
    standing = {task: van for van in vans for task in van.in_progress}
    hot = {van.vehicle_id: frozen(world, van, aboard, holders) for van in vans}
    next_of = {task: vehicle for vehicle, tasks in hot.items() for task in tasks}
    cold = {}
    placed = {one.vehicle_id for one in world.hands.values() if one.position is not None}
    for van in vans:
        if not van.locked and van.vehicle_id not in placed:
            cold[van.vehicle_id] = hot[van.vehicle_id]  # a dispatcher fixed nothing of it
            continue
        other = {task for task, vehicle in next_of.items() if vehicle != van.vehicle_id}
        possible = frozenset(
            task
            for task in _possible(world, van, aboard, holders, between)
            if task not in without
            and task not in other
            and hand.may_have(
                world, task, van.vehicle_id, holder=next(iter(holders.get(task, frozenset())), None), on_board=aboard.get(task)
            )
        )
        cold[van.vehicle_id] = hand.fixed_stops(world, van, remaining(world, van), hot[van.vehicle_id], possible)
    frozen_by = {task: vehicle for vehicle, tasks in cold.items() for task in tasks}
    tasks = []
    dims, paced = measured(world), paced_types(world)
    place = place_of(world)
    if searched := _searched_s(world, place):
        durations_s = with_search(durations_s, searched)
        roads = {kind: replace(road, durations_s=with_search(road.durations_s, searched)) for kind, road in roads.items()}
    for order in world.orders.values():
        held = holders.get(order.order_id, frozenset())
        if order.cancelled and order.order_id not in standing:
            continue
        if order.order_id in between or order.order_id in without:
            continue
        holder = next(iter(held), None)
        stays = holder is not None and (not may_move or not world.vans[holder].online)
        task = Task(
            task=order.order_id,
            place=place[order.order_id],
            kind=order.kind,
            load=load_of(order, all_dimensions=dims),
            service_s=_left_s(order, world, standing[order.order_id]) if order.order_id in standing else stop_times(order, world)[1],
            windows_s=() if order.order_id in standing else (_window_s(order, origin_utc_s),),
            left_out_cents=LEFT_OUT_CENTS * (1 + order.priority) * (2 if order.order_id in aboard else 1),
            on_board=aboard.get(order.order_id),
            may_be_held_by=frozen_by.get(order.order_id) or (holder if stays else None),
        )
        task = needs_of(task, order, world, paced)
        tasks.append(hand.limited(task, world, holder=holder, frozen_by=frozen_by.get(order.order_id)))
    known = {task.task for task in tasks}
    anyone_hears = any(van.online for van in vans)
    first_start = 1 + len(world.orders) + len(other_places(world))
    start_place = {
        van.vehicle_id: first_start + index for index, van in enumerate(van for van in world.vans.values() if van.position is not None)
    }
    calls_at = {f"{RELOAD}{depot}" for depot in world.depots} | {f"{CHARGE}{charger.name}" for charger in world.planning.chargers}
    problem = Problem(
        origin_utc_s=origin_utc_s,
        tasks=tuple(tasks),
        vans=tuple(_van(van, world, start_place.get(van.vehicle_id, 0), cold[van.vehicle_id], anyone_hears, roads) for van in vans),
        durations_s=durations_s,
        distances_m=distances_m,
        current={van.vehicle_id: tuple(step for step in steps(world, van) if step in known or step in calls_at) for van in vans},
        timezone=world.timezone,
    )
    return _let_finish(ruled(problem, world, roads), out={van.vehicle_id for van in vans if van.left_with is not None})


def _possible(
    world: World, van: VanFacts, aboard: Mapping[str, str], holders: Mapping[str, frozenset[str]], between: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Work that a van could be bound to: open, held by nobody else, its goods in the van or still to be had."""
    return frozenset(
        order.order_id
        for order in world.orders.values()
        if not order.cancelled
        and order.order_id not in between
        and holders.get(order.order_id, frozenset()) <= {van.vehicle_id}
        and aboard.get(order.order_id, van.vehicle_id) == van.vehicle_id
        and (
            van.left_with is None
            or order.kind == "pickup"
            or order.needs.shipment is not None
            or bool(van.terms.reload_depots)
            or aboard.get(order.order_id) == van.vehicle_id
        )
    )


def _van(van: VanFacts, world: World, start_place: int, first: tuple[str, ...], anyone_hears: bool, roads: Collection[str]) -> Van:
    out = van.left_with is not None
    start_s = (BREAK_S if van.duty == "break" else 0) if out else max(0, round((van.shift_start - world.now).total_seconds()))
    dims = measured(world)
    plain = Van(
        vehicle=van.vehicle_id,
        start_place=start_place if out else 0,
        end_place=0,
        start_s=start_s,
        shift_end_s=round((van.shift_end - world.now).total_seconds()),
        capacity=capacity_of(van, all_dimensions=dims),
        at_depot=not out,
        frozen=first,
        carried=carried_by(van, all_dimensions=dims),
        begun=_begun(world, van),
        # A van without network keeps its work and gets no more while others can be told. Before the shift everyone is offline.
        # And a locked route gets nothing more.
        reachable=not van.locked and (van.online or not out or not anyone_hears),
    )
    return terms_of(plain, van, world, roads)


def _begun(world: World, van: VanFacts) -> Begun | None:
    """What is left of the load or charge at which a van stands, if its plan still has it next."""
    if van.at_call is None or van.in_progress:
        return None
    step, since = van.at_call
    if steps(world, van)[:1] != (step,):
        return None
    stood_s = round((world.now - since).total_seconds())
    return Begun(step=step, left_s=max(LEAST_SERVICE_S, call_s(world, step) - stood_s))


def _let_finish(problem: Problem, out: set[str]) -> Problem:
    """A van on the road that will be home late may finish its round: it gets no later, but it is not stripped of its work either."""
    ground = Ground(problem)
    vans = []
    for van in problem.vans:
        back_s = ground.walk(van, problem.current.get(van.vehicle, ())).back_s if van.vehicle in out else 0
        vans.append(replace(van, shift_end_s=max(van.shift_end_s, back_s - van.overtime_s)))
    return replace(problem, vans=tuple(vans))


def _window_s(order: OrderFacts, origin_utc_s: int) -> tuple[int, int]:
    return int(order.window_start.timestamp()) - origin_utc_s, int(order.window_end.timestamp()) - origin_utc_s


def _left_s(order: OrderFacts, world: World, van: VanFacts) -> int:
    """What is left of a stop in progress: parking, service, and the wait between them where the window is not open yet."""
    parking_s, service_s = stop_times(order, world, van)
    starts = max((order.arrived_at or world.now) + timedelta(seconds=parking_s), order.window_start)
    return max(LEAST_SERVICE_S, round((starts - world.now).total_seconds()) + service_s)
