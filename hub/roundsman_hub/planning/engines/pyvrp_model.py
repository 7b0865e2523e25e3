"""A problem as PyVRP sees it, and PyVRP's answer as a plan.

How a fleet on the road becomes PyVRP's problem:

- a frozen prefix is walked beforehand; the van starts where and when it ends;
- who may serve what is a matter of roads: vans with the same rights share a profile, in which forbidden places lie behind `FAR`;
- a van that has left must come home with or without work: a required stop at its own start keeps idling from being free;
- goods on board are ordinary deliveries (loaded at the start) that only their van can reach. Those that the warm plan serves must be
  served; those that it cannot serve stay on board, as load: so loads are exact at every step;
- several windows are a group of clients of which one is visited; vans that differ in nothing are one type, which searches faster;
- an end anywhere is a place that is next to all others; a most of tasks is one more dimension of load;
- a kind of vehicle that is slower at the door has longer ways from it; traffic is the mean of the bands that a shift meets;
- prices are the judge's own, brought to the size that PyVRP's penalties are made for (`COST_PER_S`);
- a plan that is told already is kept where another is not cheaper by the price of changing it: ways between stops that are not
  neighbours in it are that much longer (`Translation._steady`); the judge prices the drivers' next stops alone;
- what is late in the warm plan may stay as late, and no later: PyVRP has no soft windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.engines.ready import OPEN_END_S, Ready
from roundsman_hub.planning.lookups import UNITS_PER_CENT, UNITS_PER_METRE, UNITS_PER_SECOND
from roundsman_hub.planning.problem import RELOAD, Plan, Step, Task, TaskId, Van, VehicleId
from roundsman_hub.planning.travel import mean_s, profile_of
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Loads

FAR: Final = 10_000_000
"""Seconds and metres to a place that a van may not go to: past every shift's end, and dearer than leaving any order out."""
COST_PER_S: Final = 200
"""Largest price of a second or metre that PyVRP is given; the judge's own units (15,000 a second) are past what its penalties reach."""
FEW_LEFT_OUT: Final = 0.1
"""Up to this share of the work is squeezed in."""
Matrix = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A visit that PyVRP may plan: one of a task's windows, or a van's own start (`task` None)."""

    task: Task | None
    place: int
    opens_s: int
    closes_s: int
    owner: VehicleId | None = None


class Translation:
    """The translation, both ways. Clients, shipments, vans and profiles in the order that PyVRP numbers them."""

    def __init__(self, ground: Ground, vans: list[Van], warm: Plan) -> None:
        self.ground, self.vans, self.ready = ground, vans, Ready(ground, vans, warm)
        self.frozen, self.shipments = self.ready.frozen, self.ready.shipments
        self.start_place, self.start_s = self.ready.start_place, self.ready.start_s
        self.clients = [
            # Open at the start alone: later it would be a place to pass through, where the direct way is longer or missing.
            Client(task=None, place=place, opens_s=0, closes_s=OPEN_END_S if van.at_depot else max(start_s, 0), owner=van.vehicle)
            for van, place, start_s in zip(vans, self.start_place, self.start_s, strict=True)
            if self.ready.must_drive(van)
        ]
        self.clients += [
            Client(task=task, place=task.place, opens_s=opens, closes_s=closes)
            for task in self.ready.tasks
            for opens, closes in self.ready.openings(task)
        ]
        self.depots = sorted({place for van, at in zip(vans, self.start_place, strict=True) for place in (at, _end(van, at))})
        self.reloads = [depot for depot in ground.problem.depots if any(depot.depot in van.reloads for van in vans)]
        self.counted = any(van.max_tasks is not None for van in vans)
        self._rights()
        self.types = self._types()
        self.unit = self._unit()

    def _hull(self, task: Task) -> tuple[int, int]:
        """First opening and last closing of a shipment's end: PyVRP takes one window there."""
        openings = self.ready.openings(task)
        if not openings:
            return FAR - 1, FAR - 1
        return min(opens for opens, _ in openings), max(closes for _, closes in openings)

    def _rights(self) -> None:
        """Forbidden visits of each profile (clients, then shipments), and each van's profile."""
        self.profiles: list[tuple[Van, frozenset[int]]] = []
        self.profile_of: list[int] = []
        known: dict[object, int] = {}
        general: dict[object, frozenset[int]] = {}
        own = [at for at, client in enumerate(self.clients) if self._is_personal(client)]
        others = [at for at, client in enumerate(self.clients) if not self._is_personal(client)]
        first = len(self.clients)
        for van in self.vans:
            kind = (van.skills, van.type, van.at_depot, van.depot, van.end_depot, van.reloads, van.reachable)
            if kind not in general or not van.reachable:
                general[kind] = frozenset(at for at in others if self._forbidden(van, self.clients[at]))
            forbidden = general[kind] | {at for at in own if self._forbidden(van, self.clients[at])}
            forbidden |= {first + at for at, pair in enumerate(self.shipments) if any(self.ground.refusal(van, end) for end in pair)}
            start_s = van.start_s // 3600 if van.profile and not self.ground.travel[van.profile].steady else 0
            key = (van.profile, van.type, start_s, forbidden)
            if key not in known:
                known[key] = len(self.profiles)
                self.profiles.append((van, forbidden))
            self.profile_of.append(known[key])

    @staticmethod
    def _is_personal(client: Client) -> bool:
        task = client.task
        return (
            task is None or task.shipment is not None or not (task.on_board is None and task.may_be_held_by is None and task.vans is None)
        )

    def _forbidden(self, van: Van, client: Client) -> bool:
        return client.owner != van.vehicle if client.task is None else self.ready.forbidden(van, client.task)

    def _types(self) -> list[list[int]]:
        """Vans (by number) that differ in nothing, together."""
        alike: dict[object, list[int]] = {}
        for number, van in enumerate(self.vans):
            same = (van.start_place, van.end_place, van.start_s, van.shift_end_s, van.overtime_s, van.capacity, van.carried)
            limits = (van.max_tasks, van.max_distance_m, van.reloads, self.profile_of[number])
            prices = (van.setting_out_cents, van.cents_per_hour, van.overtime_cents_per_hour, van.cents_per_km)
            alike.setdefault(number if self.ready.must_drive(van) else (same, limits, prices), []).append(number)
        return list(alike.values())

    def _unit(self) -> int:
        """How many of the judge's units are one of PyVRP's: the largest that loses nothing, or one that rounds a little."""
        per_s = [van.cents_per_hour * UNITS_PER_SECOND for van in self.vans]
        per_m = [van.cents_per_km * UNITS_PER_METRE for van in self.vans]
        exact = math.gcd(*per_s, *per_m, UNITS_PER_CENT) or 1
        return exact * max(1, max([*per_s, *per_m], default=0) // (exact * COST_PER_S))

    def squeeze(self, seconds: tuple[int, int]) -> tuple[float, float]:
        """Prices of a unit of load and of a second too many, worth so many seconds of work; of metres, where time costs nothing."""
        per_s = max(van.cents_per_hour for van in self.vans) * UNITS_PER_SECOND
        per_s = per_s or max(van.cents_per_km for van in self.vans) * UNITS_PER_METRE
        return seconds[0] * per_s / self.unit, seconds[1] * per_s / self.unit

    def leaves_out(self, plan: Plan) -> bool:
        """Whether the plan serves most, but not all of what may be planned here: what is left has to be squeezed in."""
        served = {step for route in plan.routes.values() for step in route}
        asked = [client.task.task for client in self.clients if client.task is not None]
        asked += [pickup.task for pickup, _ in self.shipments]
        missing = sum(task not in served for task in asked)
        return 0 < missing <= len(asked) * FEW_LEFT_OUT

    # ── to PyVRP ────────────────────────────────────────────────────────────────────────────────────────────────────

    def data(self, pyvrp: Any) -> Any:
        """PyVRP's problem. Locations: depots (starts and ends), the end that is anywhere, depots to reload at, clients, shipments' ends."""
        ends = [end for pair in self.shipments for end in pair]
        places = [*self.depots, self.depots[0], *(depot.place for depot in self.reloads)]
        self.base = len(places)
        places += [*(client.place for client in self.clients), *(end.place for end in ends)]
        tables = [self._tables(van, forbidden, np.array(places)) for van, forbidden in self.profiles]
        windows_of: dict[TaskId, list[int]] = {}
        for index, client in enumerate(self.clients):
            if client.task is not None:
                windows_of.setdefault(client.task.task, []).append(index)
        groups = [indices for indices in windows_of.values() if len(indices) > 1]
        group_of = {index: number for number, indices in enumerate(groups) for index in indices}
        depots = [pyvrp.Depot(at) for at in range(len(self.depots) + 1)]
        depots += [self._reload(pyvrp, at) for at in range(len(self.reloads))]
        return pyvrp.ProblemData(
            [pyvrp.Location(0, 0) for _ in places],
            [self._client(pyvrp, index, group_of.get(index)) for index in range(len(self.clients))],
            depots,
            [self._vehicle(pyvrp, numbers[0], len(numbers)) for numbers in self.types],
            [metres for metres, _ in tables],
            [seconds for _, seconds in tables],
            [pyvrp.ClientGroup(indices, required=self._aboard(indices[0])) for indices in groups],
            [self._shipment(pyvrp, at, *pair) for at, pair in enumerate(self.shipments)],
        )

    def _tables(self, van: Van, forbidden: frozenset[int], places: npt.NDArray[np.int64]) -> tuple[Matrix, Matrix]:
        """Metres and seconds over PyVRP's locations, in the eyes of one profile."""
        closed = np.zeros(len(places), dtype=bool)
        first = len(self.clients)
        for at in forbidden:
            if at < first:
                closed[self.base + at] = True
            else:
                closed[self.base + 2 * at - first : self.base + 2 * at - first + 2] = True
        profile = profile_of(self.ground.problem, van)
        metres = _matrix(profile.distances_m, places, closed)
        seconds = _matrix(mean_s(profile, van.start_s, van.shift_end_s), places, closed)
        for at, client in enumerate(self.clients):
            if client.task is not None and (client.task.service_by_type or client.task.parking_by_type):
                longer = client.task.stay_with(van.type) - client.task.stay_with(None)
                seconds[self.base + at, :] += longer
        self._steady(metres)
        for table in (metres, seconds):
            table[:, len(self.depots)] = 0
            np.fill_diagonal(table, 0)
        return metres, seconds

    def _steady(self, metres: Matrix) -> None:
        """Two stops of the plan in hand that are not neighbours in it are farther apart, by what a change is to be worth (churn).

        PyVRP knows no price of changing a plan: so it keeps to the stops as they are told, where another way is not cheaper by that.
        """
        problem = self.ground.problem
        dearest = max((van.cents_per_km for van in self.vans), default=0)
        if not (problem.churn_cents and dearest and problem.current) or any(van.max_distance_m is not None for van in self.vans):
            return
        at: dict[Step, list[int]] = {}
        for index, client in enumerate(self.clients):
            if client.task is not None:
                at.setdefault(client.task.task, []).append(self.base + index)
        told = [[step for step in route if step in at] for route in problem.current.values()]
        inside = [index for route in told for step in route for index in at[step]]
        more = np.zeros_like(metres)
        more[np.ix_(inside, inside)] = 1000 * problem.churn_cents // dearest
        for route in told:
            for before, after in pairwise(route):
                more[np.ix_(at[before], at[after])] = 0
        metres += more

    def _loads(self, load: Loads, count: int) -> list[int]:
        return [*load, count] if self.counted else list(load)

    def _reload(self, pyvrp: Any, at: int) -> Any:
        depot = self.reloads[at]
        opens = min((window[0] for window in depot.windows_s), default=0)
        closes = max((window[1] for window in depot.windows_s), default=OPEN_END_S)
        return pyvrp.Depot(len(self.depots) + 1 + at, max(opens, 0), max(closes, opens, 0), depot.reload_s)

    def _client(self, pyvrp: Any, index: int, group: int | None) -> Any:
        client, location, nothing = self.clients[index], self.base + index, self.ground.nothing
        task = client.task
        times = {"tw_early": client.opens_s, "tw_late": client.closes_s}
        if task is None:
            return pyvrp.Client(location, self._loads(nothing, 0), self._loads(nothing, 0), required=True, **times)
        brings = task.kind == "delivery"
        aboard = self._aboard(index)
        return pyvrp.Client(
            location,
            self._loads(task.load if brings else nothing, 1),
            self._loads(nothing if brings else task.load, 0),
            service_duration=task.stay_with(None),
            release_time=max(task.release_s, 0) if self.ground.from_depot(task) else 0,
            prize=max(task.left_out_cents - task.reattempt_cents, 0) * UNITS_PER_CENT // self.unit,
            required=group is None and aboard,
            group=group,
            **times,
        )

    def _shipment(self, pyvrp: Any, at: int, pickup: Task, delivery: Task) -> Any:
        location = self.base + len(self.clients) + 2 * at
        (opens, closes), (late_opens, late_closes) = self._hull(pickup), self._hull(delivery)
        cents = pickup.left_out_cents + delivery.left_out_cents - pickup.reattempt_cents - delivery.reattempt_cents
        return pyvrp.Shipment(
            location,
            location + 1,
            pickup_tw_early=opens,
            pickup_tw_late=closes,
            pickup_service_duration=pickup.stay_with(None),
            delivery_tw_early=late_opens,
            delivery_tw_late=late_closes,
            delivery_service_duration=delivery.stay_with(None),
            amount=self._loads(pickup.load, 0),
            prize=max(cents, 0) * UNITS_PER_CENT // self.unit,
            required=False,
        )

    def _aboard(self, index: int) -> bool:
        task = self.clients[index].task
        return task is not None and self.ready.aboard(task)

    def _vehicle(self, pyvrp: Any, index: int, available: int) -> Any:
        van, start_s = self.vans[index], max(self.start_s[index], 0)
        waits = any(t.release_s > start_s for t in self.ground.problem.tasks if self.ground.from_depot(t))
        home_s = max(self.ground.home_s[van.vehicle], start_s)
        limits = {}
        if van.max_distance_m is not None:
            limits["max_distance"] = max(van.max_distance_m - self.ready.driven_m[index], 0)
        if van.overtime_s and van.overtime_cents_per_hour:
            limits["shift_duration"] = max(van.shift_end_s - start_s, 0)
            limits["max_overtime"] = max(home_s - max(van.shift_end_s, start_s), 0)
            limits["unit_overtime_cost"] = round(van.overtime_cents_per_hour * UNITS_PER_SECOND / self.unit)
        most = (van.max_tasks or 1 << 30) - (len(self.frozen[van.vehicle]) if van.max_tasks else 0)
        return pyvrp.VehicleType(
            available,
            capacity=self._loads(self.ground.limit_load[van.vehicle], max(most, 0)),
            start_depot=self.depots.index(self.start_place[index]),
            end_depot=len(self.depots) if van.end_place is None else self.depots.index(van.end_place),
            fixed_cost=0 if self.ready.must_drive(van) else van.setting_out_cents * UNITS_PER_CENT // self.unit,
            tw_early=start_s,
            tw_late=home_s,
            start_late=None if waits and van.at_depot else start_s,
            unit_distance_cost=round(van.cents_per_km * UNITS_PER_METRE / self.unit),
            unit_duration_cost=round(van.cents_per_hour * UNITS_PER_SECOND / self.unit),
            profile=self.profile_of[index],
            initial_load=self._loads(self.ready.load[index], 0),
            reload_depots=[len(self.depots) + 1 + at for at, depot in enumerate(self.reloads) if depot.depot in van.reloads],
            name=van.vehicle,
            **limits,
        )

    def routes_of(self, pyvrp: Any, data: Any, plan: Plan) -> list[Any]:
        """A plan as PyVRP's routes: of several windows the one that the plan uses."""
        kinds, make = pyvrp.ActivityType, pyvrp.Activity
        type_of = {number: index for index, numbers in enumerate(self.types) for number in numbers}
        options_of: dict[TaskId, list[int]] = {}
        for at, client in enumerate(self.clients):
            options_of.setdefault(client.task.task if client.task else f"@{client.owner}", []).append(at)
        ends = {end.task: (at, side) for at, pair in enumerate(self.shipments) for end, side in zip(pair, ("p", "d"), strict=True)}
        reload_at = {f"{RELOAD}{depot.depot}": len(self.depots) + 1 + at for at, depot in enumerate(self.reloads)}
        routes = []
        for number, van in enumerate(self.vans):
            visits = [make(kinds.CLIENT, at) for at in options_of.get(f"@{van.vehicle}", ())]
            route = [step for step in plan.routes.get(van.vehicle, ()) if step in self.ground.stops[van.type]]
            for visit in self.ground.walk(van, route).visits:
                if visit.task in ends:
                    at, side = ends[visit.task]
                    visits.append(make(kinds.PICKUP if side == "p" else kinds.DELIVERY, at))
                elif visit.task in reload_at and visits:
                    visits.append(make(kinds.DEPOT, reload_at[visit.task]))
                else:
                    options = options_of.get(visit.task, [])
                    open_ones = [i for i in options if visit.start_s <= self.clients[i].closes_s]
                    visits += [make(kinds.CLIENT, at) for at in (open_ones or options)[:1]]
            if any(not activity.is_depot() for activity in visits):
                while visits[-1].is_depot():
                    visits.pop()
                routes.append(pyvrp.Route(data, visits, type_of[number]))
        return routes

    # ── and back ────────────────────────────────────────────────────────────────────────────────────────────────────

    def plan_of(self, solution: Any, warm: Plan) -> Plan:
        """PyVRP's answer as a plan. What it leaves out keeps the warm plan's reason, or says that other work is worth more."""
        routes: dict[VehicleId, tuple[Step, ...]] = {van.vehicle: self.frozen[van.vehicle] for van in self.vans}
        free = [[self.vans[number].vehicle for number in numbers] for numbers in self.types]
        for route in solution.routes():
            steps = tuple(step for activity in list(route)[1:-1] if (step := self._step(activity)) is not None)
            known = set(steps)
            alike = free[route.vehicle_type()]
            vehicle = max(alike, key=lambda v: len(known.intersection(warm.routes.get(v, ()))))  # the van that knows most of it
            alike.remove(vehicle)
            routes[vehicle] = (*routes[vehicle], *steps)
        served = {task for route in routes.values() for task in route}
        return Plan(routes=routes, unassigned=self.ready.left_out(served, warm))

    def _step(self, activity: Any) -> Step | None:
        if activity.is_depot():
            return f"{RELOAD}{self.reloads[activity.idx - len(self.depots) - 1].depot}"
        if activity.is_client():
            task = self.clients[activity.idx].task
            return None if task is None else task.task
        pickup, delivery = self.shipments[activity.idx]
        step: Step = pickup.task if activity.is_pickup() else delivery.task
        return step


def _end(van: Van, start_place: int) -> int:
    return start_place if van.end_place is None else van.end_place


def _matrix(values: npt.NDArray[np.int32], places: npt.NDArray[np.int64], closed: npt.NDArray[np.bool_]) -> Matrix:
    """Matrix over PyVRP's locations; no way and closed places are `FAR`."""
    out: Matrix = values[np.ix_(places, places)].astype(np.int64)
    out[out < 0] = FAR
    out[places[:, None] == places[None, :]] = 0  # whatever the roads say of a place and itself
    out[closed, :] = FAR
    out[:, closed] = FAR
    np.fill_diagonal(out, 0)
    return out
