"""A first plan for many tasks, in seconds: each goes beside one of its nearest neighbours, if times and loads let it.

Cheapest insertion looks at every place on every route, which no one can wait for from a thousand tasks on. Here a task is tried only
before and after the neighbours that are planned already, and whether it fits is one comparison: each stop knows the latest start
from which the rest of its route is still in time (Savelsbergh 1992). Drivers' pauses are put in roughly, as soon as they are due; what the
judge's own walk then finds wrong is taken out again. Vans and tasks that need more than that are left to the insertion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.duty import DRIVE_S, REST_S
from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import Prices, Stop
from roundsman_hub.planning.row import plain_van
from roundsman_hub.planning.travel import mean_s, profile_of, rows_of
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import Loads, Task, TaskId, VehicleId

NEIGHBOURS: Final = 24
CHUNK: Final = 500
NEVER: Final = 1 << 28
Array = npt.NDArray[Any]
ALWAYS: Final = (-(1 << 28), 1 << 28)
FULL_SCANS: Final = 400
"""How many of the tasks for which no neighbour had room are tried on every route."""


def construct(ground: Ground, routes: Mapping[VehicleId, Sequence[str]], tasks: Sequence[Task]) -> dict[VehicleId, list[str]]:
    """Routes with as many of the tasks as the quick way finds room for.

    Parameters
    ----------
    ground : Ground
        The problem.
    routes : dict of VehicleId to sequence of steps
        Where to begin. Only vans that are plain, at their depot and without a route yet are filled.
    tasks : sequence of Task
        What to plan; those with anything out of the ordinary are stepped over.
    """
    out = {vehicle: list(route) for vehicle, route in routes.items()}
    work = [task for task in tasks if _simple(ground, task)]
    fleet = [van for van in ground.problem.vans if not out.get(van.vehicle) and van.at_depot and _nearly_plain(ground, van)]
    kinds = {(van.profile, van.start_place, van.end_place, van.depot, van.end_depot) for van in fleet}
    if not work or not fleet:
        return out
    for kind in sorted(kinds, key=repr):
        vans = [van for van in fleet if (van.profile, van.start_place, van.end_place, van.depot, van.end_depot) == kind]
        builder = _Builder(ground, vans, work)
        builder.fill()
        for van, route in builder.built():
            exact = ground.travel[van.profile].steady and not (van.breaks or van.hours)
            out[van.vehicle] = route if exact else _allowed(ground, van, route)
        planned = {task for route in out.values() for task in route}
        work = [task for task in work if task.task not in planned]
    return out


def _nearly_plain(ground: Ground, van: Van) -> bool:
    return plain_van(ground, replace(van, breaks=(), hours=None) if van.breaks or van.hours else van)


def _allowed(ground: Ground, van: Van, route: list[TaskId]) -> list[TaskId]:
    """The route without what makes it late, or longer than its driver may work: stop by stop from the end."""
    while route:
        walk = ground.walk(van, route)
        if not walk.lateness_s and walk.excess.within(ground.allowed[van.vehicle]):
            return route
        late = next((at for at, visit in enumerate(walk.visits) if visit.lateness_s), len(route) - 1)
        route = [*route[:late], *route[late + 1 :]]
    return route


def _simple(ground: Ground, task: Task) -> bool:
    return (
        len(task.windows_s) <= 1
        and task.shipment is None
        and task.on_board is None
        and task.may_be_held_by is None
        and task.promise_s is None
        and task.release_s <= 0
        and task.task not in ground.relations_of
    )


def _window(stop: Stop) -> tuple[int, int]:
    opens, closes = stop.windows_s[0] if stop.windows_s else ALWAYS
    return opens, closes if stop.deadline_s is None else min(closes, stop.deadline_s)


def _away(table: Array, places: Array, opens: Array, closes: Array, stay: Array, some: Array, *, every: bool = False) -> Array:
    """Seconds from `some` to each (`every`: from each to `some`, transposed), shape (some, all)."""
    seconds = table[np.ix_(places, places[some])].T if every else table[np.ix_(places[some], places)]
    seconds = np.where(seconds < 0, NEVER, seconds)
    if every:
        waits = opens[some][:, None] - (closes + stay)[None, :] - seconds
        late = (opens + stay)[None, :] + seconds > closes[some][:, None]
    else:
        waits = opens[None, :] - (closes + stay)[some][:, None] - seconds
        late = (opens + stay)[some][:, None] + seconds > closes[None, :]
    found: Array = seconds + np.clip(waits, 0, NEVER) // 5 + np.where(late, NEVER // 4, 0)
    return found


class _Route:
    """A route being filled: what it costs to be in time, stop by stop. Index 0 is the start, the last the end."""

    __slots__ = ("after_s", "latest_s", "load", "nodes", "van")

    def __init__(self, van: Van, load: Loads, nodes: list[int]) -> None:
        self.van, self.load, self.nodes = van, load, nodes
        self.after_s: list[int] = []
        self.latest_s: list[int] = []


class _Builder:
    """Routes of vans that start and end alike. Nodes are numbers of `work`; -1 is the depot."""

    def __init__(self, ground: Ground, vans: Sequence[Van], work: Sequence[Task]) -> None:
        self.ground, self.vans, self.work = ground, list(vans), work
        first = vans[0]
        # Traffic by the hour is the mean of the bands that the shift meets: what is late by the hour is taken out again afterwards.
        travel, self.table = ground.travel[first.profile], mean_s(profile_of(ground.problem, first), first.start_s, first.shift_end_s)
        self.seconds, self.metres = travel.durations_s if travel.steady else rows_of(self.table), travel.distances_m
        self.start, self.end = first.start_place, first.end_place if first.end_place is not None else first.start_place
        self.stops: list[Stop] = [ground.stops[first.type][task.task] for task in work]
        self.place = [stop.place for stop in self.stops]
        self.window = [_window(stop) for stop in self.stops]
        self.stay = [stop.service_s + stop.parking_s for stop in self.stops]
        self.near = self._neighbours()
        self.route_of: list[_Route | None] = [None] * len(work)
        self.routes: list[_Route] = []
        self.prices: Prices = ground.prices[first.vehicle]

    def _neighbours(self) -> list[list[int]]:
        """The nearest of each, by the drive between them in the better direction, and the wait that their windows make sure of."""
        places, stay = np.array(self.place), np.array(self.stay, dtype=np.int32)
        table = self.table
        opens, closes = (np.array([window[side] for window in self.window], dtype=np.int32) for side in (0, 1))
        count = min(NEIGHBOURS, len(places) - 1)
        out: list[list[int]] = []
        for first in range(0, len(places), CHUNK):
            some = np.arange(first, min(first + CHUNK, len(places)))
            away = np.minimum(_away(table, places, opens, closes, stay, some, every=True), _away(table, places, opens, closes, stay, some))
            away[some - first, some] = NEVER
            out += np.argpartition(away, count - 1, axis=1)[:, :count].tolist() if count > 0 else [[]] * len(some)
        return out

    def fill(self) -> None:
        """Everything once, the soonest to close first, the farthest first where nothing closes; then a second look at what had no room."""
        far = [self.seconds[self.start][place] for place in self.place]
        order = sorted(range(len(self.work)), key=lambda node: (self.window[node][1], -far[node]))
        left = [node for node in order if not self._beside_neighbour(node) and not self._new_route(node)]
        for node in left[:FULL_SCANS]:
            self._anywhere(node)

    def built(self) -> list[tuple[Van, list[TaskId]]]:
        """Each van's route."""
        return [(route.van, [self.work[node].task for node in route.nodes]) for route in self.routes]

    def _beside_neighbour(self, node: int) -> bool:
        best: tuple[int, int, _Route] | None = None
        for other in self.near[node]:
            route = self.route_of[other]
            if route is None or not self._fits(route, node):
                continue
            at = route.nodes.index(other)
            for position in (at, at + 1):
                price = self._price(route, node, position)
                if price is not None and (best is None or price < best[0]):
                    best = price, position, route
        return best is not None and self._put(best[2], node, best[1])

    def _anywhere(self, node: int) -> bool:
        found = [
            (price, number, position)
            for number, route in enumerate(self.routes)
            if self._fits(route, node)
            for position in range(len(route.nodes) + 1)
            if (price := self._price(route, node, position)) is not None
        ]
        if not found:
            return False
        _, number, position = min(found)
        return self._put(self.routes[number], node, position)

    def _new_route(self, node: int) -> bool:
        for index, van in enumerate(self.vans):
            if self.ground.refusal(van, self.work[node]) is None:
                route = _Route(van, self.ground.nothing, [])
                if not self._fits(route, node):
                    continue
                self._times(route)
                if self._price(route, node, 0) is None:
                    continue
                if self._put(route, node, 0):
                    del self.vans[index]
                    self.routes.append(route)
                    return True
        return False

    def _fits(self, route: _Route, node: int) -> bool:
        """Load (all that is brought and all that is taken together: never too much) and rights."""
        van, task = route.van, self.work[node]
        if any(on + new > fits for on, new, fits in zip(route.load, task.load, van.capacity, strict=True)):
            return False
        if van.max_tasks is not None and len(route.nodes) >= van.max_tasks:
            return False
        return self.ground.refusal(van, task) is None

    def _price(self, route: _Route, node: int, position: int) -> int | None:
        """What the task adds there, in units; None if somebody would be late."""
        nodes, place = route.nodes, self.place[node]
        before = self.place[nodes[position - 1]] if position else self.start
        after = self.place[nodes[position]] if position < len(nodes) else self.end
        to_s, on_s = self.seconds[before][place], self.seconds[place][after]
        if to_s < 0 or on_s < 0:
            return None
        leaves = route.after_s[position - 1] if position else route.van.start_s
        opens, closes = self.window[node]
        begins = max(leaves + to_s, opens)
        if begins > closes:
            return None
        if begins + self.stay[node] + on_s > route.latest_s[position]:
            return None
        prices, metres = self.prices, self.metres
        skipped_m = metres[before][after] if nodes else 0
        skipped_s = self.seconds[before][after] if nodes else 0
        longer_s = to_s + on_s - skipped_s + (begins - leaves - to_s) // 2
        return (metres[before][place] + metres[place][after] - skipped_m) * prices.metre + longer_s * max(prices.second, 1)

    def _put(self, route: _Route, node: int, position: int) -> bool:
        """Put the task there, unless a pause that moves with it makes somebody late."""
        route.nodes.insert(position, node)
        if not self._times(route):
            del route.nodes[position]
            self._times(route)
            return False
        route.load = tuple(map(int.__add__, route.load, self.work[node].load))
        self.route_of[node] = route
        return True

    def _times(self, route: _Route) -> bool:
        """Walk the route both ways: when each stop is left (a pause that follows it included), and when it must be begun at the latest.

        False where somebody would be late.
        """
        seconds, place, window, stay = self.seconds, self.place, self.window, self.stay
        van, clock, at = route.van, route.van.start_s, self.start
        hours, due, fine = van.hours, list(van.breaks), True
        to_break_s, driving_s = (hours.to_break_s, hours.driving_s) if hours else (NEVER, NEVER)
        route.after_s, pauses = [], []
        for index in range(len(route.nodes) + 1):
            node = route.nodes[index] if index < len(route.nodes) else -1
            to, stays = (place[node], stay[node]) if node >= 0 else (self.end, 0)
            leg_s, pause_s = seconds[at][to], 0
            if due and (clock >= due[0].earliest_s or clock + leg_s + stays > due[0].latest_s):
                begins_s = due[0].begins_s(clock)
                if begins_s is None:
                    fine = False
                pause_s = (0 if begins_s is None else begins_s - clock) + due[0].duration_s
                if hours and due[0].duration_s >= REST_S[hours.rule]:
                    to_break_s = DRIVE_S[hours.rule]
                del due[0]
            if hours and leg_s > to_break_s:
                pause_s, to_break_s = pause_s + REST_S[hours.rule], DRIVE_S[hours.rule]
            to_break_s, driving_s, clock = to_break_s - leg_s, driving_s - leg_s, clock + pause_s
            pauses.append(pause_s)
            if index:
                route.after_s[-1] = clock
            if node < 0:
                break
            opens, closes = window[node]
            clock = max(clock + leg_s, opens)
            fine = fine and clock <= closes
            clock, at = clock + stays, to
            route.after_s.append(clock)
        home_s = self.ground.home_s[van.vehicle] if hours is None else min(self.ground.home_s[van.vehicle], van.start_s + hours.duty_s)
        latest, after = home_s, self.end
        route.latest_s = [latest]
        for index in range(len(route.nodes) - 1, -1, -1):
            node = route.nodes[index]
            latest = min(window[node][1], latest - seconds[place[node]][after] - stay[node] - pauses[index + 1])
            after = place[node]
            route.latest_s.append(latest)
        route.latest_s.reverse()
        return fine and driving_s >= 0 and clock + seconds[at][self.end] <= home_s
