"""Tomorrow: its plan made by roster the evening before, looked at, and released to the vans in the morning; and what goes in which van.

Until the release nobody but the office sees it, and the living plan leaves that day alone: no vehicle has a shift there yet. The release
moves the shifts and hands the routes to the planner as a dispatcher's approved proposal; from then on the living plan goes on from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import convert

from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.loading import Lies, lies
from roundsman_hub.domain.calendar import day_of
from roundsman_hub.domain.terms import DriverTerms
from roundsman_hub.planning.answering import Answer, answer
from roundsman_hub.planning.problem import is_task
from roundsman_hub.replan import revision
from roundsman_hub.replan.build import build
from roundsman_hub.replan.clocks import after_a_night
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.matrix import MatrixCache
from roundsman_hub.replan.reasons import URGENT_PRIORITY
from roundsman_hub.replan.world import Reason, VanFacts, World
from roundsman_hub.roads import RoadNetwork
from roundsman_hub.store import order_book_store as store, proposal_store
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.rows import Row, journal
from roundsman_wire.messages import Plan

LOADING: Final = timedelta(minutes=30)
"""Vans are loaded before their shift: the plan is made as of then."""
SCANS_SINCE: Final = timedelta(hours=14)
"""A parcel that was scanned into the van the evening before the shift is loaded."""


class NotReady(Exception):
    """The day cannot be planned, approved or released yet; `kind` names why, `next_step` says what to do."""

    def __init__(self, kind: str, text: str, next_step: str) -> None:
        super().__init__(text)
        self.kind, self.next_step = kind, next_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Tomorrow:
    """A day's world: its orders, and the vans of its roster, empty but for what they still have on board."""

    world: World
    shifts: tuple[Row, ...]


def tomorrow(cur: Cursor, depot_id: str, day: date, clock: Clock) -> Tomorrow:
    """What there is to plan for a day.

    Raises
    ------
    NotReady
        Nobody is on its roster.
    """
    shifts = tuple(shift for shift in store.roster(cur, day) if shift["depot_id"] == depot_id)
    if not shifts:
        raise NotReady("no-roster", f"nobody is on the roster of {day}", f"say who drives what with PUT /v1/roster/{day}")
    world = load_world(cur, depot_id, clock)
    assert world is not None  # its vehicles are on the roster
    begins, ends = day_of(ZoneInfo(world.timezone), day)
    now = max(world.now, min(shift["shift_start"] for shift in shifts) - LOADING)
    orders = {
        name: order
        for name, order in world.orders.items()
        if not order.cancelled and order.state is None and order.window_start < ends and order.window_end >= begins
    }
    vans = {shift["vehicle_id"]: _empty(world.vans[shift["vehicle_id"]], shift) for shift in shifts if shift["vehicle_id"] in world.vans}
    return Tomorrow(
        world=replace(world, now=now, orders=orders, done=frozenset(), vans=vans, issued=(), unassigned={}, hands={}), shifts=shifts
    )


def _empty(van: VanFacts, shift: Row) -> VanFacts:
    """The van as it stands before its shift, with the roster's driver: whatever it does today is over, its driver has rested, its battery
    is charged; what was not unloaded still takes room."""
    driver = van.driver if shift["driver_id"] is None else convert(shift["driver_terms"], DriverTerms)
    terms = van.terms
    return replace(
        van,
        driver_id=shift["driver_id"] or van.driver_id,
        driver=driver,
        clocks=after_a_night(driver.hours or terms.hours),
        clocks_driver_id=shift["driver_id"] or van.driver_id,
        range_left_m=terms.range_m if terms.range_as_of is None else terms.full_range_m or terms.range_m,
        reloaded=frozenset(),
        just_made=frozenset(),
        last_done_at=None,
        strange_version=0,
        shift_start=shift["shift_start"],
        shift_end=shift["shift_end"],
        duty="off",
        ended=False,
        position=None,
        left_with=None,
        in_progress=(),
        driving_to=None,
        newest=None,
        refused=False,
        in_force_version=0,
        declined_version=0,
        breaks_taken=0,
        locked=False,
        out="",
        alerts=(),
    )


def search(found: Tomorrow, roads: RoadNetwork, seconds: float) -> tuple[Answer, str]:
    """Plan it, outside any transaction: the night is long. Also gives who gave the travel times."""
    cache = MatrixCache(roads.of_fleet(found.world.fleet_id))
    problem = build(found.world, *cache.of(found.world), may_move=True)
    return answer(problem, budget_s=seconds), cache.network


def make(db: Database, roads: RoadNetwork, clock: Clock, *, fleet_id: str, depot_id: str, day: date, seconds: float, actor: str) -> Row:
    """Make a draft of a day's plan, in the place of the one before; gives it.

    Raises
    ------
    NotReady
        No roster, nothing to plan, or released already.
    """
    with db.tenant(fleet_id) as cur:
        _not_released(store.day_plan(cur, depot_id, day), day)
    with db.transaction() as cur:
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = tomorrow(cur, depot_id, day, clock)
    if not found.world.orders:
        raise NotReady(
            "nothing-to-plan", f"no order has its window on {day}", "orders come with POST /v1/orders; GET /v1/orders lists them"
        )
    done, basis = search(found, roads, seconds)
    with db.tenant(fleet_id) as cur:
        _not_released(store.day_plan(cur, depot_id, day), day)
        routes = _routes(done, found.world)
        columns: dict[str, Any] = {
            "routes": routes,
            "unassigned": dict(done.plan.unassigned),
            "cost_cents": done.verdict.cost_cents,
            "note": done.note,
            "basis": basis,
            "made_at": clock.now(),
            "made_by": actor,
        }
        store.save_day_plan(cur, fleet_id, depot_id, day, columns)
        body = {"orders": sum(len(route) for route in routes.values()), "unassigned": len(done.plan.unassigned)}
        journal(cur, fleet_id=fleet_id, at=clock.now(), kind="day.planned", subject=f"{depot_id} {day}", actor=actor, body=body)
        made = store.day_plan(cur, depot_id, day)
    assert made is not None
    return made


def _routes(done: Answer, world: World) -> dict[str, list[dict[str, Any]]]:
    zero = int(world.now.timestamp())
    routes = {}
    for vehicle, visits in done.verdict.routes.items():
        steps = [(visit.task, world.orders[visit.task].kind if is_task(visit.task) else "depot") for visit in visits]
        routes[vehicle] = [
            {
                "order": visit.task,
                "arrival": datetime.fromtimestamp(zero + visit.arrival_s, tz=world.now.tzinfo).isoformat(),
                "load": lie.load,
                "place": lie.number,
            }
            for visit, lie in zip(visits, lies(steps), strict=True)
            if is_task(visit.task)
        ]
    return routes


def _not_released(plan: Row | None, day: date) -> None:
    if plan is not None and plan["state"] == "released":
        raise NotReady(
            "already-released", f"the plan of {day} is with the vans", "the living plan goes on from it: POST /v1/depots/{depot}/replan"
        )


def approve(cur: Cursor, *, fleet_id: str, depot_id: str, day: date, actor: str, clock: Clock) -> Row:
    """Say that a draft is good.

    Raises
    ------
    NotReady
        There is none, or it is released.
    """
    plan = _there(cur, depot_id, day)
    _not_released(plan, day)
    store.approve(cur, depot_id, day, by=actor, at=clock.now())
    journal(cur, fleet_id=fleet_id, at=clock.now(), kind="day.approved", subject=f"{depot_id} {day}", actor=actor, body={})
    return _there(cur, depot_id, day)


def release(cur: Cursor, *, fleet_id: str, depot_id: str, day: date, actor: str, clock: Clock) -> Row:
    """Give an approved plan to the vans: shifts and drivers as the roster says, and the routes as they were approved.

    Raises
    ------
    NotReady
        It was not approved, is released, the day is over, or a van is still out on another shift.
    """
    plan = _there(cur, depot_id, day)
    _not_released(plan, day)
    if plan["state"] != "approved":
        raise NotReady("not-approved", f"the plan of {day} is a draft", f"look at it, then POST /v1/days/{day}/plan/approve")
    shifts = [shift for shift in store.roster(cur, day) if shift["depot_id"] == depot_id]
    _may_begin(cur, shifts, day, clock)
    store.take_shifts(cur, fleet_id, shifts)
    text = f"the plan of {day} is released"
    proposal = proposal_store.add(
        cur,
        fleet=fleet_id,
        depot=depot_id,
        at=clock.now(),
        state="adopted",
        reasons=(Reason(text=text, priority=URGENT_PRIORITY, kind="approved"),),
        diff={"text": text, "changes": [], "saves": {}},
        before={},
        after={vehicle: [stop["order"] for stop in route] for vehicle, route in plan["routes"].items()},
        versions={},
        actor=actor,
    )
    revision.bump(cur, depot_id, text, URGENT_PRIORITY, clock=clock, kind="approved", subject=proposal)
    store.released(cur, depot_id, day, by=actor, at=clock.now(), proposal=proposal)
    journal(
        cur, fleet_id=fleet_id, at=clock.now(), kind="day.released", subject=f"{depot_id} {day}", actor=actor, body={"proposal": proposal}
    )
    return _there(cur, depot_id, day)


def _may_begin(cur: Cursor, shifts: Sequence[Row], day: date, clock: Clock) -> None:
    if not shifts:
        raise NotReady("no-roster", f"nobody is on the roster of {day}", f"say who drives what with PUT /v1/roster/{day}")
    if max(shift["shift_end"] for shift in shifts) <= clock.now():
        raise NotReady("day-is-over", f"every shift of {day} has ended", "plan a day that is still to come")
    names = {shift["vehicle_id"]: shift["vehicle_name"] for shift in shifts}
    cur.execute("SELECT vehicle_id FROM vehicle_now WHERE vehicle_id = ANY(%s) AND duty <> 'off' ORDER BY vehicle_id", (list(names),))
    if out := [names[r["vehicle_id"]] for r in cur.fetchall()]:
        what = f"{', '.join(out)} {'is' if len(out) == 1 else 'are'} still on duty"
        raise NotReady("still-out", what, "release it when their drivers have gone off duty, or take them off the roster")


def loading_list(cur: Cursor, depot_id: str, day: date, clock: Clock) -> dict[str, list[Row]]:
    """What goes into each van, the last stop's goods first, with what was scanned in; collections are not loaded.

    Each order has its `load`, and each parcel the `place` where its driver's screen will say that it lies.

    Raises
    ------
    NotReady
        The day has no plan.
    """
    plan = _there(cur, depot_id, day)
    shifts = {shift["vehicle_id"]: shift for shift in store.roster(cur, day) if shift["depot_id"] == depot_id}
    rounds = {vehicle: [_planned(stop) for stop in route] for vehicle, route in plan["routes"].items()}
    if plan["state"] == "released":
        rounds |= {vehicle: _told(convert(said, Plan)) for vehicle, said in store.told(cur, list(rounds)).items()}
    known = store.goods(cur, [one.order for aboard in rounds.values() for one in aboard])
    since = min((shift["shift_start"] for shift in shifts.values()), default=clock.now()) - SCANS_SINCE
    scans = store.scanned(cur, list(rounds), since)
    return {
        vehicle: [
            _to_load(known[one.order], one, vehicle, scans)
            for one in sorted(aboard, key=lambda one: (one.lies.load, -one.lies.number))
            if one.lies.number and one.order in known
        ]
        for vehicle, aboard in rounds.items()
        if aboard
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aboard:
    """An order in a van: where it lies, and where a told plan says that each parcel does."""

    order: str
    lies: Lies
    told: Mapping[str, str]


def _planned(stop: Row) -> _Aboard:
    return _Aboard(order=stop["order"], lies=Lies(stop["load"], stop["place"]), told={})


def _told(plan: Plan) -> list[_Aboard]:
    where = lies([(stop.stop, stop.kind) for stop in plan.stops])
    return [
        _Aboard(order=task, lies=lie, told={item.parcel: item.place for item in stop.items})
        for stop, lie in zip(plan.stops, where, strict=True)
        for task in stop.tasks
    ]


def _to_load(order: Row, one: _Aboard, vehicle: str, scans: dict[tuple[str, str], Row]) -> Row:
    items = []
    for item in order["items"]:
        scan = scans.get((vehicle, item["parcel"]))
        place = one.told.get(item["parcel"]) or item.get("place") or str(one.lies.number)
        items.append({**item, "place": place, "loaded_at": scan["at"] if scan is not None and scan["event"] == "loaded" else None})
    elsewhere = sorted(
        {
            other
            for (other, parcel), scan in scans.items()
            if other != vehicle and scan["event"] == "loaded" and parcel in {i["parcel"] for i in items}
        }
    )
    return {
        **order,
        "items": items,
        "load": one.lies.load,
        "place": items[0]["place"] if items else str(one.lies.number),
        "loaded": bool(items) and all(item["loaded_at"] for item in items),
        "in_other_van": elsewhere,
    }


def _there(cur: Cursor, depot_id: str, day: date) -> Row:
    plan = store.day_plan(cur, depot_id, day)
    if plan is None:
        raise NotReady("no-plan", f"{day} has no plan yet", f"make one with POST /v1/days/{day}/plan")
    return plan
