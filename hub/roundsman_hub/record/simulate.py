"""A recorded day driven again by a planning policy: that day's orders, as they became known, on that day's legs and services.

A leg that was driven takes as long as it took; any other takes what the roads say, times the day's own median of driven to said. A stop
that was served takes as long as it took; any other what was planned. Planners know only what they knew that day: roads and planned times.
"""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from roundsman_core.geo import LatLon
from roundsman_hub.clock import to_ms
from roundsman_hub.planning.engines import Engine
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.problem import Plan as Routes
from roundsman_hub.planning.solve import decide
from roundsman_hub.record.observed import Day, Order, Shift
from roundsman_hub.replan.build import build
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.world import VanFacts, World
from roundsman_hub.roads.network import RoadNetwork
from roundsman_wire.messages import BasedOn, Plan, PlanStop

POLICIES: Final = {
    "as-planned": "the plans of that day, when they were told",
    "static": "each van's first plan of that day, and nothing after it",
    "insertion": "cheapest insertion, whenever an order comes or goes",
    "search": "an engine's search, whenever an order comes or goes; told if it saves enough",
}
ADOPT_CENTS: Final = 300
"""As the planner itself: a search's plan is told only if it saves this much."""
NEXT: Final = 3
"""Churn counts among a driver's next three stops, as the judge of plans does."""
BEFORE_SHIFT: Final = timedelta(minutes=30)
"""The first plan is made so long before the first shift."""
GATHERS: Final = timedelta(minutes=1)
"""Orders that become known only then come together, as an import does: the first plan waits so long after the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a policy came to. late_s : sum over the served. churn : changes among drivers' next three stops. plans : told to vans."""

    policy: str
    orders: int
    served: int
    on_time: int
    late_s: int
    km: float
    churn: int
    plans: int

    @property
    def on_time_share(self) -> float | None:
        """Of the served."""
        return round(self.on_time / self.served, 4) if self.served else None


@dataclass(slots=True, kw_only=True)
class _Van:
    shift: Shift
    route: list[str] = field(default_factory=list)
    out: frozenset[str] | None = None
    """What it left the depot with."""
    at: LatLon
    last: str | None = None
    heading: str | None = None
    busy: bool = False
    told: bool = False
    carried: int = 0


class Simulation:
    """One depot's day under one policy."""

    def __init__(
        self, day: Day, depot: str, policy: str, roads: RoadNetwork, engine: Engine | Sequence[Engine] | None, search_s: float
    ) -> None:
        self._day, self._depot, self._policy, self._engine, self._search_s = day, depot, policy, engine, search_s
        self._place = day.depots[depot]
        self._orders = {name: order for name, order in day.orders.items() if order.depot == depot}
        self._matrix = MatrixCache(roads)
        every = [self._place, *(order.facts.position for order in self._orders.values())]
        self._said_s, self._said_m = self._matrix.tables(every, [])
        self._index = {place: at for at, place in enumerate(every)}
        ratios = [
            driven / said
            for (a, b), driven in day.leg_s.items()
            if a in self._orders and b in self._orders and (said := self._said(a, b)[0]) > 0
        ]
        self._pace = statistics.median(ratios) if ratios else 1.0
        self._vans = {van.vehicle: _Van(shift=van, at=self._place) for van in day.vans if van.depot == depot}
        self._known: dict[str, Order] = {}
        self._done: dict[str, datetime] = {}
        self._late_s = self._churn = self._plans = 0
        self._metres = 0
        self._agenda: list[tuple[datetime, int, str, str]] = []
        self._ties = count()

    def run(self) -> Outcome:
        """Drive the day."""
        if self._vans:
            start = min(van.shift.start for van in self._vans.values()) - BEFORE_SHIFT
            self._fill(start)
            while self._agenda:
                now, _, kind, subject = heapq.heappop(self._agenda)
                self._happen(now, kind, subject)
        self._metres += sum(self._said(van.last, None)[1] for van in self._vans.values() if van.last is not None)  # and home
        wanted = [order for order in self._orders.values() if order.cancelled_at is None or order.facts.order_id in self._done]
        return Outcome(
            policy=self._policy,
            orders=len(wanted),
            served=len(self._done),
            on_time=sum(at <= self._orders[order].due_at for order, at in self._done.items()),
            late_s=self._late_s,
            km=round(self._metres / 1000, 1),
            churn=self._churn,
            plans=self._plans,
        )

    def _fill(self, start: datetime) -> None:
        for name, order in self._orders.items():
            self._later(max(order.known_at, start), "known", name)
            for number, (at, _) in enumerate(order.later):
                self._later(max(at, start), "changed", f"{number} {name}")
            if order.cancelled_at is not None:
                self._later(max(order.cancelled_at, start), "cancelled", name)
        if self._policy in ("insertion", "search"):
            first_known = min((order.known_at for order in self._orders.values()), default=start)
            self._later(max(start, first_known + GATHERS), "plan", "")
        else:
            first: set[str] = set()
            for number, told in enumerate(self._day.plans):
                if told.vehicle in self._vans and (self._policy == "as-planned" or told.vehicle not in first):
                    first.add(told.vehicle)
                    self._later(told.at, "told", str(number))
        for vehicle, van in self._vans.items():
            self._later(van.shift.start, "shift", vehicle)

    def _later(self, at: datetime, kind: str, subject: str) -> None:
        heapq.heappush(self._agenda, (at, next(self._ties), kind, subject))

    def _happen(self, now: datetime, kind: str, subject: str) -> None:
        match kind:
            case "known":
                self._known[subject] = replace(self._orders[subject], facts=self._orders[subject].first)
                self._replan(now)
            case "changed":
                number, _, name = subject.partition(" ")
                if name in self._known:
                    self._known[name] = replace(self._orders[name], facts=self._orders[name].later[int(number)][1])
                    self._replan(now)
            case "cancelled":
                self._known.pop(subject, None)
                for van in self._vans.values():
                    if subject in van.route and van.heading != subject:
                        van.route.remove(subject)
                self._replan(now)
            case "plan":
                self._replan(now, first=True)
            case "told":
                told = self._day.plans[int(subject)]
                self._tell(self._vans[told.vehicle], [stop for stop in told.stops if stop in self._orders])
            case "arrived":
                self._arrive(now, subject)
            case "free":
                self._vans[subject].busy, self._vans[subject].heading = False, None
        for vehicle, van in self._vans.items():
            if not van.busy and now >= van.shift.start:
                self._set_out(now, vehicle, van)

    # ── driving ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _set_out(self, now: datetime, vehicle: str, van: _Van) -> None:
        van.route = [stop for stop in van.route if stop not in self._done and stop in self._known]
        if not van.route:
            return
        if van.out is None:
            van.out = frozenset(van.route)
        van.heading, van.busy = van.route[0], True
        self._later(now + timedelta(seconds=self._takes_s(van.last, van.heading)), "arrived", vehicle)
        self._metres += self._said(van.last, van.heading)[1]

    def _arrive(self, now: datetime, vehicle: str) -> None:
        van = self._vans[vehicle]
        stop = van.heading
        assert stop is not None  # it was driving there
        order = self._known.get(stop, self._orders[stop])
        van.at, van.last = order.facts.position, stop
        van.route = [other for other in van.route if other != stop]
        if stop not in self._known:
            self._later(now, "free", vehicle)  # cancelled on the way
            return
        self._done[stop] = now
        self._late_s += max(0, round((now - order.due_at).total_seconds()))
        if order.facts.kind == "pickup":
            van.carried += order.facts.parcels
        service_s = self._day.service_s.get(stop, float(order.facts.service_s))
        self._later(max(now, order.facts.window_start) + timedelta(seconds=service_s), "free", vehicle)

    def _takes_s(self, a: str | None, b: str) -> float:
        driven = self._day.leg_s.get((a, b)) if a is not None else None
        return driven if driven is not None else max(self._said(a, b)[0], 0) * self._pace

    def _said(self, a: str | None, b: str | None) -> tuple[int, int]:
        """Seconds and metres between two orders' places by the roads; None: the depot."""
        at, to = (self._index[self._place if name is None else self._orders[name].facts.position] for name in (a, b))
        return int(self._said_s[at, to]), max(int(self._said_m[at, to]), 0)

    # ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _replan(self, now: datetime, *, first: bool = False) -> None:
        if self._policy not in ("insertion", "search") or not (first or any(van.told for van in self._vans.values())):
            return
        world = self._world(now)
        if not world.orders:
            return
        tables = self._matrix.of(world)
        held = build(world, *tables, may_move=False)
        chosen: Routes = repair(held)
        if self._policy == "search":
            wish = build(world, *tables, may_move=True)
            found = decide(wish, repair(wish), self._search_s, engine=self._engine)
            if not found.verdict.violations and (first or found.gain_cents >= ADOPT_CENTS):
                chosen = found.plan
        for vehicle, van in self._vans.items():
            route = [stop for stop in chosen.routes.get(vehicle, ()) if stop in self._orders]
            if route != van.route or not van.told:
                self._tell(van, route)

    def _tell(self, van: _Van, route: list[str]) -> None:
        route = [stop for stop in route if stop not in self._done]
        if van.heading is not None and van.heading not in self._done:
            route = [van.heading, *(stop for stop in route if stop != van.heading)]  # the stop being driven to stays
        before = [stop for stop in van.route if stop in self._known and stop not in self._done][:NEXT]
        self._churn += sum(1 for at, stop in enumerate(before) if at >= len(route) or route[at] != stop)
        self._plans += 1
        van.route, van.told = route, True

    def _world(self, now: datetime) -> World:
        orders = {name: order.facts for name, order in sorted(self._known.items()) if name not in self._done}
        for van in self._vans.values():
            if van.last is not None and van.busy and van.last in self._done and van.heading == van.last:
                at_stop = self._orders[van.last].facts
                orders[van.last] = replace(at_stop, state="arrived", state_vehicle=van.shift.vehicle, arrived_at=self._done[van.last])
        return World(
            fleet_id=self._day.head.fleet,
            depot_id=self._depot,
            depot=self._place,
            revision=1,
            planned=0,
            reasons=(),
            now=now,
            epoch=1,
            orders=orders,
            done=frozenset(self._done),
            vans={vehicle: self._facts(van) for vehicle, van in self._vans.items()},
            issued=(),
            unassigned={},
            timezone=self._day.head.timezone,
        )

    def _facts(self, van: _Van) -> VanFacts:
        serving = van.heading if van.heading in self._done else None
        route = [*([serving] if serving else []), *van.route]
        return VanFacts(
            vehicle_id=van.shift.vehicle,
            name=van.shift.name,
            driver_id=None,
            capacity=van.shift.capacity,
            carried=van.carried,
            shift_start=van.shift.start,
            shift_end=van.shift.end,
            online=True,
            duty="off" if van.out is None else "on",
            ended=False,
            position=van.at if van.out is not None else None,
            left_with=van.out,
            in_progress=() if serving is None else (serving,),
            driving_to=van.heading,
            newest=_plan(van.shift.vehicle, [self._orders[stop] for stop in route]) if van.told else None,
            refused=False,
            in_force_version=1,
            session=None,
            facts_seq=0,
        )


def _plan(vehicle: str, route: Sequence[Order]) -> Plan:
    """The plan that a van holds, as far as planning reads it: which stops, in which order."""
    stops = tuple(
        PlanStop(
            stop=order.facts.order_id,
            tasks=(order.facts.order_id,),
            kind=order.facts.kind,
            lat_e6=order.facts.position.lat_e6,
            lon_e6=order.facts.position.lon_e6,
            fence_radius_m=60,
            leg_s=0,
            leg_m=0,
            service_s=order.facts.service_s,
            arrival_utc_ms=to_ms(order.facts.window_start),
        )
        for order in route
    )
    return Plan(plan=f"{vehicle}.1", vehicle=vehicle, version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=stops)


def simulate(
    day: Day, policy: str, roads: RoadNetwork, engine: Engine | Sequence[Engine] | None = None, *, search_s: float = 1.0
) -> Outcome:
    """Drive all depots of a day by one of `POLICIES`."""
    parts = [Simulation(day, depot, policy, roads, engine, search_s).run() for depot in sorted(day.depots)]
    return Outcome(
        policy=policy,
        orders=sum(part.orders for part in parts),
        served=sum(part.served for part in parts),
        on_time=sum(part.on_time for part in parts),
        late_s=sum(part.late_s for part in parts),
        km=round(sum(part.km for part in parts), 1),
        churn=sum(part.churn for part in parts),
        plans=sum(part.plans for part in parts),
    )


def happened(day: Day) -> Outcome:
    """What really came of the day, from its log: to be held against "as-planned", which is the same plans in this simulation."""
    wanted = [name for name, order in day.orders.items() if order.cancelled_at is None or name in day.served]
    late = [round((at - day.orders[name].due_at).total_seconds()) for name, at in day.served.items()]
    churn = 0
    routes: dict[str, list[str]] = {}
    for told in sorted(day.plans, key=lambda plan: plan.at):
        left = [stop for stop in routes.get(told.vehicle, []) if stop not in day.served or day.served[stop] > told.at]
        left = [stop for stop in left if stop in day.orders and ((gone := day.orders[stop].cancelled_at) is None or gone > told.at)][:NEXT]
        now = [stop for stop in told.stops if stop not in day.served or day.served[stop] > told.at]
        churn += sum(1 for at, stop in enumerate(left) if at >= len(now) or now[at] != stop)
        routes[told.vehicle] = list(told.stops)
    return Outcome(
        policy="as it happened",
        orders=len(wanted),
        served=len(day.served),
        on_time=sum(seconds <= 0 for seconds in late),
        late_s=sum(max(0, seconds) for seconds in late),
        km=round(day.driven_m / 1000, 1),
        churn=churn,
        plans=len(day.plans),
    )
