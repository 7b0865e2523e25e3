"""Orders' needs, vehicles' terms and the fleet's rules as the planner's tasks, vans and travel times. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np

from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timeline import first_leg_s
from roundsman_hub.domain.terms import VehicleTerms
from roundsman_hub.planning.problem import (
    CHARGE,
    RELOAD,
    Break,
    Charger,
    Depot,
    Energy,
    Hours,
    Loads,
    Problem,
    Profile,
    Relation,
    Task,
    Van,
)
from roundsman_hub.replan.world import OrderFacts, VanFacts, World
from roundsman_hub.roads.profiles import CAR, PROFILES

NO_LIMIT: Final = 1_000_000_000
"""A capacity that nothing fills."""
USUAL_SERVICE_S: Final = 180
"""What an order has that says nothing of its service: there, what was learned knows better."""
PACE_STEP: Final = 0.1
"""Drivers are told apart by tenths of the usual time of a stop: a finer step would say more than a few hundred stops do."""
HOME_M: Final = 200.0
"""So near to where its round ends a van is home: depots have yards, and positions are a dozen seconds old."""
DAYS: Final = 3
"""For so many days on, the bands of traffic are laid out."""


def measured(world: World) -> bool:
    """Whether weight and volume count beside parcels: some vehicle has a limit of them."""
    return any(van.terms.weight_g is not None or van.terms.volume_ml is not None for van in world.vans.values())


def load_of(order: OrderFacts, *, all_dimensions: bool) -> Loads:
    """(parcels,), or (parcels, grams, millilitres)."""
    return (order.parcels, order.needs.weight_g, order.needs.volume_ml) if all_dimensions else (order.parcels,)


def capacity_of(van: VanFacts, *, all_dimensions: bool) -> Loads:
    """In the dimensions of `load_of`."""
    limits = (NO_LIMIT if most is None else most for most in (van.terms.weight_g, van.terms.volume_ml))
    return (van.capacity, *limits) if all_dimensions else (van.capacity,)


def carried_by(van: VanFacts, *, all_dimensions: bool) -> Loads:
    """In the dimensions of `load_of`."""
    return (van.carried, van.carried_weight_g, van.carried_volume_ml) if all_dimensions else (van.carried,)


def other_places(world: World) -> list[LatLon]:
    """Places beside the depot and the orders: other depots that something has to do with, then chargers."""
    return [world.depots[depot].position for depot in _others(world)] + [
        LatLon(charger.lat_deg, charger.lon_deg) for charger in world.planning.chargers
    ]


def _others(world: World) -> list[str]:
    named = {van.terms.end_depot for van in world.vans.values()} | {one for van in world.vans.values() for one in van.terms.reload_depots}
    named |= {order.needs.goods_at for order in world.orders.values()}
    return [depot for depot in world.depots if depot in named and depot != world.depot_id]


def stop_times(order: OrderFacts, world: World, van: VanFacts | None = None) -> tuple[int, int]:
    """(seconds from the standstill to the start of service, from there until the van leaves), with a van or any: as learned there, where
    the order asks for nothing of its own; else the order's, and what floors and parcels add in this fleet."""
    rules, needs = world.planning, order.needs
    told_s = None if van is None else needs.service_by_type.get(van.terms.type)
    if told_s is not None:
        return needs.parking_s, told_s
    if world.service is not None and _learned(order, world):
        times = world.service.times(order.position, order.parcels, None, _hour(order, world))
        paced_s = round(times.total_s * (1.0 if van is None else _pace(van, world)))
        parking_s = min(round(times.walking_s), paced_s)
        return parking_s, paced_s - parking_s
    return needs.parking_s, order.service_s + needs.floor * rules.floor_s + max(0, order.parcels - 1) * rules.parcel_s


def search_s(order: OrderFacts, world: World) -> int:
    """Seconds of looking for a place to park, at the end of every way to it; 0 where nothing was learned of that, or the order says itself
    what parking takes. With a usual driver: the ways are all vans'."""
    part = None if world.service is None else world.service.parts.get("search")
    if part is None or order.needs.parking_s:
        return 0
    return round(part.seconds(order.position, order.parcels, None, _hour(order, world)))


def _hour(order: OrderFacts, world: World) -> int:
    return max(order.window_start, world.now).astimezone(ZoneInfo(world.timezone)).hour


def _learned(order: OrderFacts, world: World) -> bool:
    """Whether the fleet's own days say how long the stop takes."""
    return world.service is not None and order.service_s == USUAL_SERVICE_S and not order.needs.parking_s


def _pace(van: VanFacts, world: World) -> float:
    """How many times as long its driver's stops take, in steps: every step is a type of vehicle of its own to the engines."""
    known = 1.0 if world.service is None else world.service.pace(van.driver_id)
    return round(round(known / PACE_STEP) * PACE_STEP, 1)


def _type_of(van: VanFacts, world: World) -> str:
    """The van's type as the planner is told it: with its driver's pace, where that is learned and not the usual one."""
    pace = _pace(van, world)
    return van.terms.type if pace == 1 else f"{van.terms.type} at {pace:.1f} times the usual stop"


def _service_by_type(order: OrderFacts, world: World, paced: Mapping[str, VanFacts]) -> tuple[tuple[str, int], ...]:
    """What the order says of kinds of vehicle; else, where its stop was learned, what drivers of another pace than the usual one take."""
    told = order.needs.service_by_type
    known = {name: van for name, van in paced.items() if van.terms.type in told or _learned(order, world)}
    return tuple(sorted({**told, **{name: stop_times(order, world, van)[1] for name, van in known.items()}}.items()))


def paced_types(world: World) -> dict[str, VanFacts]:
    """The types of vehicle that a driver's learned pace makes, each with a van of it."""
    if world.service is None:
        return {}
    return {name: van for van in world.vans.values() if (name := _type_of(van, world)) != van.terms.type}


def needs_of(task: Task, order: OrderFacts, world: World, paced: Mapping[str, VanFacts]) -> Task:
    """The task with everything that its order asks for. `paced`: of `paced_types`."""
    needs = order.needs
    zero = int(world.now.timestamp())
    parking_s = stop_times(order, world)[0] if task.windows_s else 0
    windows = sorted((*task.windows_s, *((_s(a, zero), _s(b, zero)) for a, b in needs.more_windows))) if task.windows_s else ()
    promise = None
    if order.promise_start is not None and order.promise_end is not None:
        told = (_s(order.promise_start, zero), _s(order.promise_end, zero))
        # What the customer was told counts where it is not just the window, and was not left behind when the window moved.
        if task.windows_s and told != task.windows_s[0] and any(told[0] <= closes and opens <= told[1] for opens, closes in windows):
            promise = told
    collected = order.kind == "delivery" and order.collected_by is not None
    vans = frozenset(needs.vehicles) if needs.vehicles else None
    # To the planner a stop begins with its parking, and what an order says is when service starts: so much earlier the van has to stand.
    return replace(
        task,
        windows_s=tuple((opens - parking_s, closes - parking_s) for opens, closes in windows),
        promise_s=None if promise is None else (promise[0] - parking_s, promise[1] - parking_s),
        deadline_s=None if needs.deadline is None or not task.windows_s else _s(needs.deadline, zero) - parking_s,
        release_s=0 if needs.release is None else max(0, _s(needs.release, zero)),
        left_out_cents=task.left_out_cents if needs.left_out_cents is None else needs.left_out_cents * (2 if task.on_board else 1),
        reattempt_cents=needs.reattempt_cents,
        parking_s=parking_s,
        service_by_type=_service_by_type(order, world, paced) if task.windows_s else (),
        skills=frozenset(needs.skills),
        vehicle_types=frozenset((*needs.vehicle_types, *(name for name, van in paced.items() if van.terms.type in needs.vehicle_types)))
        or None,
        vans=vans,
        depot=needs.goods_at,
        shipment=None if collected else needs.shipment,
        max_ride_s=needs.max_ride_s,
        territory=needs.territory,
    )


def kind_of(terms: VehicleTerms) -> str:
    """Which kind of vehicle it is on the roads: its profile, else its type where somebody chose one, else a car."""
    return kind_of_words(terms.profile, terms.type)


def kind_of_words(profile: str, type_: str = "") -> str:
    """The same from the words alone. Every vehicle is of the type van until somebody says otherwise, so that type says nothing."""
    if profile in PROFILES:
        return profile
    return type_ if type_ in PROFILES and type_ != VehicleTerms().type else CAR


def terms_of(van: Van, facts: VanFacts, world: World, roads: Collection[str] = ()) -> Van:
    """The van with everything that its vehicle, its shift and its driver are bound by. `roads`: the kinds that the roads tell apart."""
    terms, zero = facts.terms, int(world.now.timestamp())
    kind = kind_of(terms) if kind_of(terms) in roads else ""
    place = _place_of_depots(world)
    end = None if terms.open_end else place.get(terms.end_depot or world.depot_id, van.end_place)
    breaks = [
        Break(duration_s=pause.duration_s, earliest_s=_s(pause.earliest, zero), latest_s=_s(pause.latest, zero), reason=pause.reason)
        for pause in sorted(terms.breaks, key=lambda pause: pause.earliest)[facts.breaks_taken :]
    ]
    costs: dict[str, Any] = {
        name: getattr(terms, name)
        for name in (
            *("overtime_s", "overtime_cents_per_hour", "max_tasks", "max_distance_m", "fixed_cents", "cents_per_hour", "cents_per_km"),
            *("fuel_cents_per_km_per_1000", "idling_cents_per_hour", "waiting_cents_per_hour"),
        )
    }
    return replace(
        van,
        end_place=end,
        profile=terms.profile if terms.profile in world.planning.profiles else kind,
        skills=frozenset((*terms.skills, *facts.driver.skills)),
        depot=world.depot_id,
        end_depot=None if terms.open_end else terms.end_depot or world.depot_id,
        reloads=frozenset(depot for depot in terms.reload_depots if depot in place),
        breaks=tuple(pause for pause in breaks if pause.latest_s >= van.start_s),
        hours=_hours(facts),
        energy=_energy(facts),
        familiar=tuple(sorted(facts.driver.strange.items())),
        type=_type_of(facts, world),
        again_cents=_again_cents(facts, world) if van.start_s == 0 and not van.at_depot else None,
        **costs,
    )


def _energy(facts: VanFacts) -> Energy | None:
    told_m = facts.terms.range_m
    if told_m is None:
        return None
    return Energy(range_m=told_m if facts.range_left_m is None else facts.range_left_m, full_m=facts.terms.full_range_m or told_m)


def _again_cents(van: VanFacts, world: World) -> int | None:
    """The wage since the van came home with nothing left, if it stands there: whoever lets it set out again pays the driver for waiting."""
    if van.last_done_at is None or van.position is None or van.terms.open_end or van.newest is None or van.in_progress:
        return None
    if any(stop.stop in world.orders for stop in van.newest.stops):
        return None
    other = None if van.terms.end_depot is None else world.depots.get(van.terms.end_depot)
    home = world.depot if other is None else other.position
    if distance_m(van.position, home) > HOME_M:
        return None
    last = van.newest.stops[-1] if van.newest.stops else None
    back_s = 0
    if last is not None:
        at = LatLon.from_e6(last.lat_e6, last.lon_e6)
        back_s = first_leg_s(at, home, leg_s=last.leg_s - last.search_s, leg_m=last.leg_m)
    waited_s = max(0.0, (world.now - van.last_done_at).total_seconds() - back_s)
    return round(van.terms.cents_per_hour * waited_s / 3600)


def _hours(facts: VanFacts) -> Hours | None:
    clocks = facts.clocks
    if clocks is None or clocks.rule == "none":
        return None
    return Hours(
        rule=clocks.rule,
        to_break_s=clocks.to_break_s,
        driving_s=clocks.driving_s,
        duty_s=clocks.duty_s,
        rested_15=clocks.rested_15,
    )


def ruled(problem: Problem, world: World, roads: Mapping[str, Profile]) -> Problem:
    """The problem with the fleet's prices, traffic, depots, chargers and relations.

    A profile of the fleet's own says by how much the hours slow the roads' times down; one that only the roads know is theirs as it is.
    """
    rules, place, zero = world.planning, _place_of_depots(world), int(world.now.timestamp())
    first_charger = 1 + len(world.orders) + len(_others(world))
    used = {van.profile for van in problem.vans if van.profile}
    return replace(
        problem,
        profiles={
            name: _traffic(problem, world, name, roads.get(name)) if name in rules.profiles else roads[name] for name in sorted(used)
        },
        depots=tuple(
            Depot(
                depot=depot,
                place=at,
                reload_s=call_s(world, f"{RELOAD}{depot}"),
                windows_s=tuple((_s(a, zero), _s(b, zero)) for a, b in sorted(world.depots[depot].terms.windows)),
            )
            for depot, at in place.items()
            if any(depot in van.reloads for van in problem.vans)
        ),
        chargers=tuple(
            Charger(charger=one.name, place=first_charger + number, charge_s=one.charge_s) for number, one in enumerate(rules.chargers)
        ),
        relations=_relations(problem, world),
        lateness_cents_per_min=rules.lateness_cents_per_min,
        promise_cents_per_min=rules.promise_cents_per_min,
        max_wait_s=rules.max_wait_s,
        fair_cents_per_hour=rules.fair_cents_per_hour,
        churn_cents=rules.churn_cents,
    )


def call_s(world: World, step: str) -> int:
    """How long a load at a depot, or a charge, takes in all; nothing where there is no such place any more."""
    if step.startswith(RELOAD):
        depot = world.depots.get(step.removeprefix(RELOAD))
        return 0 if depot is None else depot.terms.reload_s
    return next((one.charge_s for one in world.planning.chargers if f"{CHARGE}{one.name}" == step), 0)


def _place_of_depots(world: World) -> dict[str, int]:
    """Where each depot is among `build.places`."""
    out = {world.depot_id: 0}
    return out | {depot: 1 + len(world.orders) + number for number, depot in enumerate(_others(world))}


def _relations(problem: Problem, world: World) -> tuple[Relation, ...]:
    groups: dict[tuple[Any, str], list[tuple[int, str]]] = {}
    for task in problem.tasks:
        needs = world.orders[task.task].needs
        for kind, label in (("same_van", needs.same_van), ("different_vans", needs.never_with), ("in_order", needs.in_order)):
            if label is not None:
                groups.setdefault((kind, label), []).append((needs.in_order_number, task.task))
    return tuple(
        Relation(kind=kind, tasks=tuple(task for _, task in sorted(members))) for (kind, _), members in groups.items() if len(members) > 1
    )


def _traffic(problem: Problem, world: World, name: str, road: Profile | None) -> Profile:
    """The roads' times, by time of day; before the first band the roads' own."""
    zone, zero = ZoneInfo(world.timezone), world.now
    day = zero.astimezone(zone).date()
    starts: dict[int, float] = {}
    bands = sorted(world.planning.profiles[name], key=lambda band: band.start)
    for at in range(-1, DAYS):
        for band in bands:
            hour, minute = map(int, band.start.split(":"))
            local = datetime.combine(day + timedelta(days=at), datetime.min.time(), zone).replace(hour=hour, minute=minute)
            starts[round((local - zero).total_seconds())] = band.factor
    before = [s for s in starts if s <= 0]
    kept = {0: starts[max(before)] if before else 1.0} | {s: factor for s, factor in sorted(starts.items()) if s > 0}
    seconds, metres = (problem.durations_s, problem.distances_m) if road is None else (road.durations_s[0], road.distances_m)
    tables: Sequence[Any] = [np.where(seconds < 0, -1, np.rint(seconds * factor)).astype(np.int32) for factor in kept.values()]
    return Profile(durations_s=np.stack(tables), distances_m=metres, band_starts_s=tuple(kept))


def _s(at: datetime, zero_utc_s: int) -> int:
    return int(at.timestamp()) - zero_utc_s
