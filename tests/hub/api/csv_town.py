"""A town from CSV files: rules, depots, drivers, vans and orders go in through the API; it is planned, and every plan is tried."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import permutations, product
from typing import Any
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.planning.answering import answer
from roundsman_hub.planning.engines import ruin_engine
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.problem import CHARGE, RELOAD, Plan, Problem, Step
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import build, places
from roundsman_hub.replan.load import load_world
from roundsman_hub.roads import GreatCircle, RoadNetwork

Shop = Any
SEARCH_S = 0.4
"""Three orders: far more than enough for the search that knows everything, where nothing else runs."""
TURNS = 25
"""So often it may go on where a crowded machine gave it less, until it has what trying every plan finds."""
TOWN = LatLon(50.0, 10.0)
Route = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """`vans`, `orders`: rows of columns; places in metres east and north of the depot; instants in minutes from now. `expected`: the
    order references on each van, with the constraint; `without`: the plan once the columns of `drop` are emptied; None: any other."""

    vans: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    expected: Route
    drop: str
    fleet: dict[str, Any] = field(default_factory=dict)
    depot: dict[str, Any] = field(default_factory=dict)
    drivers: dict[str, dict[str, Any]] = field(default_factory=dict)
    without: Route | None = None


def near(name: str, east: int = 1000, north: int = 0, **more: Any) -> dict[str, Any]:
    return {"reference": name, "at": (east, north), **more}


A = {"name": "A"}
B = {"name": "B", "fixed_cents": 6000}
"""A is the cheaper one: without a reason B stays at home."""
OPEN = {"name": "A", "open_end": True}
ON_B: Route = {"B": ["x"]}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What came of a case: its problem, the plan, and the plan by the names that people use."""

    problem: Problem
    plan: Plan
    routes: Route


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a case asks: its problem, and the people's names of vans and orders by their ids."""

    problem: Problem
    vans: dict[str, str]
    orders: dict[str, str]

    def routes(self, plan: Plan) -> Route:
        """A plan by the names that people use."""
        return {
            self.vans[van]: [self.orders.get(step, "@" if step.startswith("@") else step) for step in route]
            for van, route in plan.routes.items()
            if route
        }

    def in_hand(self, routes: Route) -> Problem:
        """The problem once drivers hold these routes."""
        vans, orders = ({name: one for one, name in names.items()} for names in (self.vans, self.orders))
        current = {vans[van]: tuple(orders[step] for step in route) for van, route in routes.items()}
        return replace(self.problem, current=current)


def asked(shop: Shop, case: Case, drop: str = "", roads: RoadNetwork | None = None) -> Asked:
    """The files go in, the world comes out. `drop`: the columns that are left out of all files; `roads`: by default as the crow flies."""
    fleet = _fleet(shop, case.fleet)
    if fleet.keys() - drop.split():
        _sent(shop, "fleets/me", [fleet], drop)
    depots = [{"name": "Quay", "lat_deg": TOWN.lat_deg, "lon_deg": TOWN.lon_deg, **_depot(shop, case.depot)}]
    depots.append({"name": "Hill", "lat_deg": 50.0, "lon_deg": 10.07})
    here, other = _sent(shop, "depots", depots, drop)["depots"]
    ids = {"HERE": here, "OTHER": other}
    if case.drivers:
        drivers = [{"name": name, **terms} for name, terms in case.drivers.items()]
        found = _sent(shop, "drivers", drivers, drop)["drivers"]
        ids |= {f"driver {name}": driver for name, driver in zip(case.drivers, found, strict=True)}
    others: dict[str, dict[str, Any]] = {"shift": {"hours": 8}, "start": {"depot": "HERE"}}
    instead = others.get(drop, {})
    rows = [_van(shop, {**row, **instead}, here, ids) for row in case.vans]
    ids |= dict(zip((row["name"] for row in case.vans), _sent(shop, "vehicles", rows, drop)["vehicles"], strict=True))
    rows = [_order(shop, {**row, "window": (0, 240)} if drop == "window" else row, here, ids) for row in case.orders]
    report = _sent(shop, "orders", rows, drop)
    with shop.db.transaction() as cur:
        world = load_world(cur, here, shop.clock)
    assert world is not None
    work, starts = places(world)
    found = (roads or GreatCircle()).matrix([*work, *starts], [*work, *starts])
    problem = build(world, found.durations_s, found.distances_m, may_move=True)
    names = {ids[row["name"]]: row["name"] for row in case.vans}
    refs = dict(zip(report["orders"], (row["reference"] for row in case.orders), strict=True))
    return Asked(problem=problem, vans=names, orders=refs)


def searched(problem: Problem, *, late: bool = False) -> Plan:
    """The better of the first plan and what the search that knows everything finds. `late`: as of `best_cents`."""
    plan, ground, least = answer(problem, budget_s=0).plan, Ground(problem), best_cents(problem, late=late)
    for seed in range(TURNS):
        found = ruin_engine.solve(problem, plan, SEARCH_S, seed)
        plan = min(plan, found, key=lambda one: (bool(judge(ground, one).violations), judge(ground, one).cost_cents))
        if judge(ground, plan).cost_cents <= least:
            break
    return plan


def planned(shop: Shop, case: Case, drop: str = "") -> Planned:
    """The planner plans a case."""
    case_of = asked(shop, case, drop)
    plan = searched(case_of.problem)
    return Planned(problem=case_of.problem, plan=plan, routes=case_of.routes(plan))


def _sent(shop: Shop, what: str, rows: list[dict[str, Any]], drop: str) -> dict[str, Any]:
    """A file goes in whole."""
    report: dict[str, Any] = shop.post(f"/v1/{what}:import", content=_csv(rows, drop), headers={"Content-Type": "text/csv"}).json()
    assert (report["imported"], report["bad"]) == (len(rows), []), report
    return report


def _depot(shop: Shop, depot: dict[str, Any]) -> dict[str, Any]:
    if "windows" not in depot:
        return depot
    return {**depot, "windows": "|".join(f"{shop.at(minutes=a)}/{shop.at(minutes=b)}" for a, b in depot["windows"])}


def _fleet(shop: Shop, fleet: dict[str, Any]) -> dict[str, Any]:
    """The fleet's rules as cells; a band of traffic that begins so many minutes from now, by the fleet's own clock."""
    if "chargers" in fleet:
        places = ("/".join(str(one[key]) for key in ("name", "lat_deg", "lon_deg", "charge_s")) for one in fleet["chargers"])
        fleet = {**fleet, "chargers": "|".join(places)}
    if "profiles" not in fleet:
        return fleet
    zone = ZoneInfo(shop.get("/v1/fleets/me").json()["timezone"])

    def clock(start: str | int) -> str:
        return start if isinstance(start, str) else f"{(shop.clock.now() + timedelta(minutes=start)).astimezone(zone):%H:%M}"

    bands = (f"{name}/{clock(band['start'])}/{band['factor']}" for name, some in fleet["profiles"].items() for band in some)
    return {**fleet, "profiles": "|".join(bands)}


def _csv(rows: list[dict[str, Any]], drop: str) -> str:
    columns = [column for column in dict.fromkeys(key for row in rows for key in row) if column not in drop.split()]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _van(shop: Shop, row: dict[str, Any], depot: str, ids: dict[str, str]) -> dict[str, Any]:
    row = dict(row)
    out = {"depot": depot, "capacity": row.pop("capacity", 20), "shift_start": shop.at(), "shift_end": shop.at(hours=row.pop("hours", 8))}
    if "breaks" in row:
        row["breaks"] = "|".join(f"{shop.at(minutes=a)}/{shop.at(minutes=b)}/{s}" for a, b, s in row["breaks"])
    if "hours_of" in row:
        row["hours"] = row.pop("hours_of")
    if f"driver {row['name']}" in ids:
        out["driver"] = ids[f"driver {row['name']}"]
    return out | {key: ids.get(value, value) if isinstance(value, str) else value for key, value in row.items()}


def _order(shop: Shop, row: dict[str, Any], depot: str, ids: dict[str, str]) -> dict[str, Any]:
    row = dict(row)
    at = LocalFrame(TOWN).to_latlon(*row.pop("at"))
    opens, closes = row.pop("window", (0, 240))
    out = {"depot": depot, "lat_deg": at.lat_deg, "lon_deg": at.lon_deg, "address": "there"}
    out |= {"window_start": shop.at(minutes=opens), "window_end": shop.at(minutes=closes), "service_s": 60}
    if "promise" in row:
        out |= dict(zip(("promise_start", "promise_end"), (shop.at(minutes=m) for m in row.pop("promise")), strict=True))
    if "more_windows" in row:
        row["more_windows"] = "|".join(f"{shop.at(minutes=a)}/{shop.at(minutes=b)}" for a, b in row["more_windows"])
    for instant in ("deadline", "release"):
        if instant in row:
            row[instant] = shop.at(minutes=row[instant])
    return (
        out
        | {key: ids.get(value, value) if isinstance(value, str) else value for key, value in row.items() if key != "reference"}
        | {"reference": row["reference"]}
    )


def every_plan(problem: Problem) -> Iterator[Plan]:
    """All plans there are, with a second load or a charge at every place of each route that may have one (at most two of them)."""
    tasks, vans = [task.task for task in problem.tasks], [van.vehicle for van in problem.vans]
    for where in product([*vans, ""], repeat=len(tasks)):
        mine = {van: [task for task, at in zip(tasks, where, strict=True) if at == van] for van in vans}
        for orders in product(*(every_route(problem, van, mine[van]) for van in vans)):
            left = {task: "left out" for task, at in zip(tasks, where, strict=True) if not at}
            yield Plan(routes=dict(zip(vans, orders, strict=True)), unassigned=left)


def every_route(problem: Problem, vehicle: str, tasks: list[str]) -> Iterator[tuple[Step, ...]]:
    """All orders of these tasks on a van."""
    van = next(one for one in problem.vans if one.vehicle == vehicle)
    stops = [f"{RELOAD}{depot}" for depot in van.reloads]
    if van.energy is not None:
        stops += [f"{CHARGE}{charger.charger}" for charger in problem.chargers]
    for order in permutations(tasks):
        yield order
        for stop in stops if order else ():
            for first in range(len(order)):
                yield (*order[:first], stop, *order[first:])
                for second in range(first + 1, len(order)):
                    yield (*order[:first], stop, *order[first:second], stop, *order[second:])


def best_cents(problem: Problem, *, late: bool = False) -> int:
    """The least that any plan costs. `late`: where work in hand may be late at its price."""
    ground = Ground(problem)
    verdicts = (judge(ground, plan) for plan in every_plan(problem))
    return min((verdict.cost_cents for verdict in verdicts if not verdict.violations and (late or not verdict.lateness_s)), default=0)


def is_best(found: Planned) -> None:
    verdict = judge(Ground(found.problem), found.plan)
    assert not verdict.violations
    assert verdict.cost_cents == best_cents(found.problem)
