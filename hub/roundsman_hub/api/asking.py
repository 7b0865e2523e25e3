"""Doors that ask the planner about the live depot without touching its plan: what if, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field, computed_field

from roundsman_core.geo import LatLon
from roundsman_hub.api.desk import AtDesk, Desk, LiveReader, OrdersReader
from roundsman_hub.api.fleet import known_depot
from roundsman_hub.api.hand import Basis
from roundsman_hub.api.models import LatDeg, LonDeg
from roundsman_hub.api.problems import Problem as Refusal, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.saying import Saying, Sentence, said_of
from roundsman_hub.planning import lateness
from roundsman_hub.planning.answering import Answer, answer
from roundsman_hub.planning.costing import costs
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.insertion import repair
from roundsman_hub.planning.portable import problem_to_json
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.reasoning import explained
from roundsman_hub.planning.soundness import sound
from roundsman_hub.replan.build import build
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.terms import stop_times
from roundsman_hub.replan.world import World
from roundsman_hub.store import orders as order_store
from roundsman_hub.store.rows import row, rows
from roundsman_wire.messages import Plan as ToldPlan

router = APIRouter(prefix="/v1", tags=["planning"], responses=documented(401, 403, 404, 422, 503))
LONGEST_S: Final = 20.0
MOST_VANS: Final = 20


class OtherWindow(Said):
    order: str
    window_start: AwareDatetime
    window_end: AwareDatetime


class Place(Said):
    lat_deg: LatDeg
    lon_deg: LonDeg


class WhatIf(Said):
    """One or more changes to a depot's day, tried out together."""

    depot: str
    more_vans: int = Field(default=0, ge=0, le=MOST_VANS, description="more of the van with the longest shift left")
    windows: Annotated[list[OtherWindow], Field(max_length=1_000)] = Field(default_factory=list)
    depot_at: Place | None = Field(default=None, description="the depot elsewhere")
    seconds: float = Field(default=1.0, ge=0, le=LONGEST_S, allow_inf_nan=False, description="of search, for each of the two plans")


class Outlook(BaseModel):
    """What a plan would be like."""

    cost_cents: int
    parts_cents: dict[str, int]
    vehicles: int
    distance_m: int
    late_s: int
    unassigned: dict[str, str] = Field(description="by order, with the reason")

    @computed_field(description="the sentences of each reason, by code; GET /v1/sentences tells them in other languages")  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def unassigned_said(self) -> dict[str, list[Sentence]]:
        """By order."""
        return {order: said_of(reason) for order, reason in self.unassigned.items()}


class WhatIfAnswer(BaseModel):
    as_it_is: Outlook
    if_so: Outlook
    saves_cents: int = Field(description="negative: it costs more")
    basis: Basis


class GiveWay(BaseModel):
    """A set of constraints that would have to give way."""

    constraints: list[str]
    price_cents: int = Field(description="what the plan would then cost more than it does now")
    vehicle: str
    start: datetime
    searched: bool = Field(description="the price is that of a plan made anew; else of the plan in hand, mended")


class Delay(BaseModel):
    """How much later service starts than in the first plan that had the order, and where the time went: the parts add up exactly."""

    planned_start: datetime
    start: datetime
    later_s: int
    late_departure_s: int
    travel_s: int
    dwell_s: int
    waiting_s: int
    replanning_s: int


class Cost(BaseModel):
    """What serving it costs in the plan as it stands."""

    vehicle: str
    marginal_cents: int = Field(description="what its round would save without it (of a shipment: without both ends)")
    average_cents: int = Field(description="the round's price, shared equally by its stops")


class OrderWhy(Saying):
    order: str
    state: str
    reason: str
    relaxations: list[GiveWay]
    delay: Delay | None
    cost: Cost | None = Field(default=None, description="null where no round has it")
    basis: Basis


@router.post("/whatif")
def post_whatif(change: WhatIf, desk: AtDesk, caller: LiveReader) -> WhatIfAnswer:
    """Plan a depot's remaining day twice: as it is, and changed. No van is told anything."""
    world = _world(desk, caller.fleet, change.depot)
    unknown = [window.order for window in change.windows if window.order not in world.orders]
    if unknown:
        raise not_found("order", unknown[0], see="/v1/orders", status=422)
    orders = dict(world.orders)
    for window in change.windows:
        orders[window.order] = replace(orders[window.order], window_start=window.window_start, window_end=window.window_end)
    depot = world.depot if change.depot_at is None else LatLon(change.depot_at.lat_deg, change.depot_at.lon_deg)
    before = _problem(desk, world)
    after = _problem(desk, replace(world, orders=orders, depot=depot))
    at_home = [van for van in after.vans if van.at_depot]
    if change.more_vans and not at_home:
        raise Refusal(422, "no-van-at-depot", "no van is at the depot to be like", next_step="ask before the last van leaves")
    if change.more_vans:
        like = max(at_home, key=lambda van: (van.shift_end_s - van.start_s, van.vehicle))
        more = tuple(replace(like, vehicle=f"{like.vehicle}+{number}", frozen=()) for number in range(1, change.more_vans + 1))
        after = replace(after, vans=(*after.vans, *more))
    found = [answer(problem, budget_s=change.seconds) for problem in (before, after)]
    return WhatIfAnswer(
        as_it_is=_outlook(found[0]),
        if_so=_outlook(found[1]),
        saves_cents=found[0].verdict.cost_cents - found[1].verdict.cost_cents,
        basis=desk.ways.basis(world.depot_id),
    )


@router.get(
    "/depots/{depot}/problem",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "format `roundsman-problem/1`"}},
)
def get_problem(depot: str, desk: AtDesk, caller: LiveReader) -> Response:
    """A depot's remaining day as a file, to be sent to somebody and solved there (`roundsman-hub solve FILE`, `POST /v1/solve`).

    It has ids, times, loads, prices and travel times, the plan that vans hold (`current`) among them; no names, addresses or coordinates.
    """
    problem = _problem(desk, world := _world(desk, caller.fleet, depot))
    name = f"problem-{depot}-{world.now:%Y%m%dT%H%M%SZ}.json"
    return Response(
        problem_to_json(problem), media_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.get("/orders/{order}/why")
def get_why(
    order: str,
    desk: AtDesk,
    caller: OrdersReader,
    resolve_s: Annotated[
        float, Query(ge=0, le=LONGEST_S, allow_inf_nan=False, description="seconds of search: prices by planning all anew, while they last")
    ] = 0.0,
) -> OrderWhy:
    """Why an order has no van or is late: what would have to give way for it, at what price; where its delay came from; what it costs."""
    with desk.db.tenant(caller.fleet) as cur:
        shown = order_store.shown(cur, order_id=order)
        if shown is None:
            raise not_found("order", order, see="/v1/orders")
    world = _world(desk, caller.fleet, shown["depot_id"])
    whole = sound(_problem(desk, world))
    reason, relaxations = shown["reason"] or "", list[GiveWay]()
    plan = repair(whole.problem)
    if order in whole.tasks:
        reason = whole.tasks[order]
    elif any(task.task == order for task in whole.problem.tasks):
        told = explained(whole.problem, plan, order, resolve_s=resolve_s)
        reason = told.reason
        relaxations = [
            GiveWay(
                constraints=list(one.constraints),
                price_cents=one.price_cents,
                vehicle=one.vehicle,
                start=_at(world, one.start_s),
                searched=one.searched,
            )
            for one in told.relaxations
        ]
    return OrderWhy(
        order=order,
        state=shown["state"],
        reason=reason,
        relaxations=relaxations,
        delay=_delay(desk, world, whole.problem, order),
        cost=_cost(whole.problem, plan, order),
        basis=desk.ways.basis(world.depot_id),
    )


def _cost(problem: Problem, plan: Plan, order: str) -> Cost | None:
    for vehicle, route in plan.routes.items():
        if order in route:
            found = costs(problem, Plan(routes={vehicle: route}, unassigned={}))[order]
            return Cost(vehicle=vehicle, marginal_cents=found.marginal_cents, average_cents=found.average_cents)
    return None


def _world(desk: Desk, fleet: str, depot: str) -> World:
    with desk.db.tenant(fleet) as cur:
        known_depot(cur, depot)
    with desk.db.transaction() as cur:  # the planner's own view: it reads the vans' logs
        cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        world = load_world(cur, depot, desk.clock)
    assert world is not None
    return world


def _problem(desk: Desk, world: World) -> Problem:
    return build(world, *desk.ways.of(world), may_move=True)


def _outlook(found: Answer) -> Outlook:
    verdict = found.verdict
    return Outlook(
        cost_cents=verdict.cost_cents,
        parts_cents=verdict.parts_cents,
        vehicles=found.vehicles,
        distance_m=verdict.distance_m,
        late_s=verdict.lateness_s,
        unassigned=found.plan.unassigned,
    )


def _at(world: World, seconds: int) -> datetime:
    return datetime.fromtimestamp(int(world.now.timestamp()) + seconds, world.now.tzinfo)


def _delay(desk: Desk, world: World, problem: Problem, order: str) -> Delay | None:
    """Against the first plan of the van that has it now; None where no plan had it, or none has it now."""
    with desk.db.transaction() as cur:
        holder = row(cur, "SELECT vehicle_id FROM plan_tasks WHERE order_id = %s ORDER BY version DESC LIMIT 1", (order,))
        if holder is None or holder["vehicle_id"] not in world.vans:
            return None
        vehicle = holder["vehicle_id"]
        first = row(
            cur,
            "SELECT p.plan FROM plan_tasks t JOIN plans p USING (vehicle_id, version) WHERE t.order_id = %s"
            " ORDER BY p.issued_at, p.version LIMIT 1",
            (order,),
        )
        done = rows(
            cur,
            "SELECT s.order_id, coalesce(s.arrived_at, s.at) AS arrived, s.at, o.window_start"
            " FROM order_states s JOIN orders o USING (order_id)"
            " WHERE s.vehicle_id = %s AND s.state IN ('delivered', 'failed') AND s.at >= %s ORDER BY 2",
            (vehicle, world.vans[vehicle].shift_start),
        )
    assert first is not None
    was = _told_round(msgspec.convert(first["plan"], ToldPlan))
    legs, clock = [], was.leave_s
    for r in done:
        arrived, left = int(r["arrived"].timestamp()), int(r["at"].timestamp())
        wait = max(0, min(int(r["window_start"].timestamp()), left) - arrived)
        legs.append(lateness.Leg(stop=r["order_id"], travel_s=arrived - clock, wait_s=wait, dwell_s=left - arrived - wait))
        clock = left
    visits = evaluate(problem, repair(problem)).routes.get(vehicle, ())
    leave = was.leave_s
    for visit in visits:
        arrived, start = problem.origin_utc_s + visit.arrival_s, problem.origin_utc_s + visit.start_s
        if not legs:
            leave = clock = arrived - visit.leg_s
        legs.append(lateness.Leg(stop=visit.task, travel_s=arrived - clock, wait_s=start - arrived, dwell_s=visit.service_s))
        clock = problem.origin_utc_s + visit.departure_s
    now = lateness.Round(leave_s=leave, legs=tuple(legs))
    if order not in {leg.stop for leg in was.legs} or order not in {leg.stop for leg in legs}:
        return None
    parts = lateness.split(was, now, order)
    parking_s = stop_times(world.orders[order], world, world.vans[vehicle])[0] if order in world.orders else 0
    return Delay(
        planned_start=datetime.fromtimestamp(was.start_s(order) + parking_s, world.now.tzinfo),
        start=datetime.fromtimestamp(now.start_s(order) + parking_s, world.now.tzinfo),
        later_s=parts.total_s,
        **msgspec.to_builtins(parts),
    )


def _told_round(plan: ToldPlan) -> lateness.Round:
    """A plan as it was told, in seconds since 1970."""
    legs = []
    leave = clock = plan.stops[0].arrival_utc_ms // 1000 - plan.stops[0].leg_s
    for stop in plan.stops:
        arrived = stop.arrival_utc_ms // 1000
        start = max(arrived, (stop.window_start_utc_ms or 0) // 1000 - stop.parking_s)  # to the planner a stop begins with its parking
        legs.append(lateness.Leg(stop=stop.stop, travel_s=stop.leg_s, wait_s=start - clock - stop.leg_s, dwell_s=stop.service_s))
        clock = start + stop.service_s
    return lateness.Round(leave_s=leave, legs=tuple(legs))
