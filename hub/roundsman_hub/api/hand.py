"""Doors of the dispatcher's hand: move, pin, forbid, lock, take out, hand over, force a plan, take one back, and who decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, Desk, LiveReader, PlansWriter
from roundsman_hub.api.fleet import known_depot, known_vehicle
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.planned import builder, note, open_order, planned_order, van_of_depot, world_of
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.proof_models import Said
from roundsman_hub.api.saying import Saying
from roundsman_hub.replan import preview
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.story import gist
from roundsman_hub.store import hand_store, proposal_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, notify

router = APIRouter(prefix="/v1", tags=["dispatch"], responses=documented(401, 403, 404, 409, 422, 503))
HAND_PRIORITY = 8
"""A dispatcher waits for the answer: planned at once."""


class Mode(Said):
    mode: Literal["automatic", "ask", "off"] = Field(
        description="`automatic`: plans are told as they are found; `ask`: what leaves a choice waits for approval; `off`: only what a"
        " dispatcher does. In every mode vans are told what leaves none: cancellations, what a driver declined, a dispatcher's own moves."
    )


class Move(Said):
    order: str
    vehicle: str
    position: int | None = Field(default=None, ge=1, le=1_000, description="which of the van's remaining stops it becomes; null: the best")


class Break(BaseModel):
    """A promise that would be broken, or broken by more."""

    order: str
    by_s: int


Basis = Annotated[str, Field(description="who gave the travel times: osrm, or great_circle (straight lines × detour)")]


class Effect(Saying):
    """What a move comes to. `breaks` alone does not make it infeasible."""

    says = "reasons"

    feasible: bool
    reasons: list[str]
    position: int | None
    added_s: int
    added_m: int
    cost_cents: int
    breaks: list[Break]
    routes: dict[str, list[str]] = Field(description="by vehicle, those that change")
    basis: Basis


class Assignment(Said):
    vehicle: str | None = Field(default=None, description="only this van; null: any that is not forbidden")
    position: int | None = Field(default=None, ge=1, le=1_000)
    forbid: Annotated[list[str], Field(max_length=200)] = Field(default_factory=list, description="vans that may not have it")


class Lock(Said):
    locked: bool


class Out(Said):
    reason: Literal["broken_down", "driver_sick"] | None = Field(description="null: it is back")


class VehicleHand(BaseModel):
    """What was decided about a vehicle."""

    vehicle: str
    locked: bool
    out: str | None


class Handover(Said):
    """Goods, or work, that a van no longer has although its plan says so."""

    orders: Annotated[list[str], Field(min_length=1, max_length=500)]
    to: str | None = Field(default=None, description="the van that has the goods now; null: they are at the depot, or there are none")
    said: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="who said so, and how: it is kept")


class Asked(BaseModel):
    """The depot's revision: it is planned once `planned` has reached it."""

    depot: str
    revision: int


class Undone(BaseModel):
    """What is taken back."""

    depot: str
    proposal: str
    text: str


class Undoing(Saying):
    """What would be taken back, and what that comes to."""

    says = "text"

    depot: str
    proposal: str
    text: str
    effect: Effect


@router.get("/depots/{depot}/mode")
def get_mode(depot: str, desk: AtDesk, caller: LiveReader) -> Mode:
    """Who decides about the depot's plans."""
    with desk.db.tenant(caller.fleet) as cur:
        return Mode(mode=known_depot(cur, depot)["mode"])


@router.put("/depots/{depot}/mode")
def put_mode(depot: str, mode: Mode, desk: AtDesk, caller: PlansWriter) -> Mode:
    """Let plans be told at once, only after approval, or only by hand. What waited is looked at anew."""
    with desk.db.tenant(caller.fleet) as cur:
        if known_depot(cur, depot)["mode"] != mode.mode:
            hand_store.set_mode(cur, depot, mode.mode)
            proposal_store.supersede(cur, caller.fleet, depot, desk.clock.now(), "the depot's mode changed")
            note(cur, desk, caller.fleet, caller.key_id, "depot.mode", depot, mode.model_dump())
            bump(cur, depot, f"planning is {mode.mode} now", clock=desk.clock, kind="mode", subject=depot)
    return mode


@router.post("/depots/{depot}/replan", status_code=202, response_model=Asked)
def post_replan(depot: str, once: OnlyOnce, desk: AtDesk, caller: PlansWriter) -> Response:
    """Look for a better plan now: any gain counts, and in mode `off` it is told."""

    def work(cur: Cursor) -> Asked:
        known_depot(cur, depot)
        note(cur, desk, caller.fleet, caller.key_id, "depot.replan", depot, {})
        at = bump(cur, depot, "a dispatcher asked for a better plan", HAND_PRIORITY, clock=desk.clock, kind="asked", subject=depot)
        return Asked(depot=depot, revision=at)

    return once.run(caller, work, status=202)


@router.get("/depots/{depot}/undo")
def preview_undo(depot: str, desk: AtDesk, caller: LiveReader) -> Undoing:
    """What it would mean to take the depot's last plan back. Nobody is told anything."""
    with desk.db.tenant(caller.fleet) as cur:
        known_depot(cur, depot)
        last = proposal_store.last_adopted(cur, depot)
    if last is None:
        raise _nothing_to_undo()
    bans = {order: frozenset({vehicle}) for order, vehicle in _given(last)}
    found = preview.without(world_of(desk, depot), builder(desk), bans, routes=last["before"])
    return Undoing(depot=depot, proposal=last["proposal_id"], text=last["diff"]["text"], effect=_effect(desk, depot, found))


def _nothing_to_undo() -> Problem:
    return Problem(409, "nothing-to-undo", "no plan of this depot was told yet", next_step="GET /v1/proposals shows what was")


def _given(proposal: Row) -> list[tuple[str, str]]:
    """(order, vehicle) that a plan gave to a van."""
    changes = proposal["diff"]["changes"]
    return [(change["order"], change["vehicle_after"]) for change in changes if change["what"] in ("added", "changed_van")]


@router.post("/depots/{depot}/undo", status_code=202, response_model=Undone)
def post_undo(depot: str, once: OnlyOnce, desk: AtDesk, caller: PlansWriter) -> Response:
    """Take the depot's last plan back, as far as vans can still hear of it. What it gave to a van is forbidden to that van from now on
    (see the order's assignment), so no later plan gives it back by itself."""

    def work(cur: Cursor) -> Undone:
        known_depot(cur, depot)
        last = proposal_store.last_adopted(cur, depot)
        gone = last and proposal_store.decide(
            cur, last["proposal_id"], was="adopted", state="rejected", actor=caller.key_id, at=desk.clock.now(), note="taken back"
        )
        if last is None or gone is None:
            raise _nothing_to_undo()
        for order, vehicle in _given(last):
            _forbid(cur, desk, caller, order, vehicle)
        note(cur, desk, caller.fleet, caller.key_id, "plan.undone", depot, {"proposal": last["proposal_id"]})
        text = f"a dispatcher took back: {gist(last['diff']['text'])}"
        bump(cur, depot, text, HAND_PRIORITY, clock=desk.clock, kind="undone", subject=last["proposal_id"])
        return Undone(depot=depot, proposal=last["proposal_id"], text=last["diff"]["text"])

    return once.run(caller, work, status=202)


def _forbid(cur: Cursor, desk: Desk, caller: Caller, order: str, vehicle: str) -> None:
    was = hand_store.assignment(cur, order)
    keep = was is not None and was["vehicle_id"] not in (None, vehicle)
    hand_store.assign(
        cur,
        caller.fleet,
        order,
        vehicle=was["vehicle_id"] if was and keep else None,
        position=was["position"] if was and keep else None,
        before=was["before"] if was and keep else [],
        forbid=[*(was["forbid"] if was else []), vehicle],
        actor=caller.key_id,
        at=desk.clock.now(),
    )


def _effect(desk: Desk, depot: str, found: preview.Effect) -> Effect:
    return Effect(
        feasible=found.feasible,
        reasons=list(found.reasons),
        position=found.position,
        added_s=found.added_s,
        added_m=found.added_m,
        cost_cents=found.cost_cents,
        breaks=[Break(order=one.task, by_s=one.by_s) for one in found.breaks],
        routes={vehicle: list(route) for vehicle, route in found.routes.items()},
        basis=desk.ways.basis(depot),
    )


def _tried(desk: Desk, caller: Caller, move: Move) -> tuple[Row, preview.Effect]:
    with desk.db.tenant(caller.fleet) as cur:
        shown = open_order(cur, move.order, status=422)
        van_of_depot(cur, move.vehicle, shown["depot_id"])
    world = world_of(desk, shown["depot_id"])
    planned_order(world, move.order)
    return shown, preview.effect(world, builder(desk), move.order, move.vehicle, move.position)


@router.post("/moves:preview")
def preview_move(move: Move, desk: AtDesk, caller: LiveReader) -> Effect:
    """What it would mean to give an order to a van. Nobody is told anything."""
    shown, found = _tried(desk, caller, move)
    return _effect(desk, shown["depot_id"], found)


@router.post("/moves", status_code=202, response_model=Effect)
def post_move(move: Move, once: OnlyOnce, desk: AtDesk, caller: PlansWriter) -> Response:
    """Give an order to a van, and keep it there: every later plan does. A van that has it lets it go first."""
    shown, found = _tried(desk, caller, move)
    if not found.feasible:
        raise Problem(409, "move-impossible", "; ".join(found.reasons), next_step="GET /v1/candidates ranks the vans that could take it")

    def work(cur: Cursor) -> Effect:
        _assign(cur, desk, caller, shown, Assignment(vehicle=move.vehicle, position=move.position), found.routes.get(move.vehicle, ()))
        return _effect(desk, shown["depot_id"], found)

    return once.run(caller, work, status=202)


def _assign(cur: Cursor, desk: Desk, caller: Caller, shown: Row, wish: Assignment, route: tuple[str, ...]) -> None:
    order = shown["order_id"]
    before = route[: route.index(order)] if wish.position is not None and order in route else ()
    was = hand_store.assignment(cur, order)
    hand_store.assign(
        cur,
        caller.fleet,
        order,
        vehicle=wish.vehicle,
        position=wish.position,
        before=before,
        forbid=wish.forbid or [one for one in (was["forbid"] if was else []) if one != wish.vehicle],
        actor=caller.key_id,
        at=desk.clock.now(),
    )
    note(cur, desk, caller.fleet, caller.key_id, "order.assigned", order, wish.model_dump())
    what = f"a dispatcher decided who has {shown['name'] or shown['reference'] or order}"
    bump(cur, shown["depot_id"], what, HAND_PRIORITY, clock=desk.clock, kind="hand", subject=order)
    notify(cur, "order", caller.fleet, order)


@router.get("/orders/{order}/assignment")
def get_assignment(order: str, desk: AtDesk, caller: LiveReader) -> Assignment:
    """What a dispatcher decided about an order's van."""
    with desk.db.tenant(caller.fleet) as cur:
        open_order(cur, order)
        found = hand_store.assignment(cur, order)
    return Assignment() if found is None else Assignment(vehicle=found["vehicle_id"], position=found["position"], forbid=found["forbid"])


@router.post("/orders/{order}/assignment:preview")
def preview_assignment(order: str, wish: Assignment, desk: AtDesk, caller: LiveReader) -> Effect:
    """What a pin, a position or what is forbidden would mean. Nobody is told anything."""
    if wish.vehicle is not None:
        shown, found = _tried(desk, caller, Move(order=order, vehicle=wish.vehicle, position=wish.position))
    else:
        with desk.db.tenant(caller.fleet) as cur:
            shown = open_order(cur, order)
            for vehicle in wish.forbid:
                van_of_depot(cur, vehicle, shown["depot_id"])
        world = world_of(desk, shown["depot_id"])
        planned_order(world, order)
        found = preview.without(world, builder(desk), {order: frozenset(wish.forbid)})
    return _effect(desk, shown["depot_id"], found)


@router.put("/orders/{order}/assignment")
def put_assignment(order: str, wish: Assignment, desk: AtDesk, caller: PlansWriter) -> Assignment:
    """Pin an order to a van (and a position there), or forbid it vans. Holds for every later plan, until it is taken away."""
    if wish.vehicle is None and wish.position is not None:
        raise Problem(422, "position-without-vehicle", "a position is one of a van", next_step="send `vehicle` with it")
    if wish.vehicle in wish.forbid:
        raise Problem(422, "forbidden-vehicle", f"{wish.vehicle} is forbidden and wanted", next_step="leave it out of one of the two")
    route: tuple[str, ...] = ()
    if wish.vehicle is not None:
        _, found = _tried(desk, caller, Move(order=order, vehicle=wish.vehicle, position=wish.position))
        if not found.feasible:
            raise Problem(
                409, "move-impossible", "; ".join(found.reasons), next_step="GET /v1/candidates ranks the vans that could take it"
            )
        route = found.routes.get(wish.vehicle, ())
    with desk.db.tenant(caller.fleet) as cur:
        shown = open_order(cur, order)
        for vehicle in wish.forbid:
            van_of_depot(cur, vehicle, shown["depot_id"])
        _assign(cur, desk, caller, shown, wish, route)
    return wish


@router.delete("/orders/{order}/assignment", status_code=204)
def delete_assignment(order: str, desk: AtDesk, caller: PlansWriter) -> None:
    """Leave the order to the planner again."""
    with desk.db.tenant(caller.fleet) as cur:
        shown = open_order(cur, order)
        if hand_store.unassign(cur, order):
            note(cur, desk, caller.fleet, caller.key_id, "order.unassigned", order, {})
            bump(cur, shown["depot_id"], "a dispatcher let an order go", clock=desk.clock, kind="hand", subject=order)


def _vehicle(cur: Cursor, vehicle: str) -> VehicleHand:
    found = hand_store.vehicle_hand(cur, vehicle)
    return VehicleHand(vehicle=vehicle, locked=found["locked"], out=found["out_reason"])


@router.get("/vehicles/{vehicle}/lock")
def get_lock(vehicle: str, desk: AtDesk, caller: LiveReader) -> VehicleHand:
    """What was decided about a vehicle."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        return _vehicle(cur, vehicle)


@router.put("/vehicles/{vehicle}/lock")
def put_lock(vehicle: str, lock: Lock, desk: AtDesk, caller: PlansWriter) -> VehicleHand:
    """Lock a van's route: nothing enters, leaves or moves until it is unlocked. What is cancelled leaves it all the same."""
    with desk.db.tenant(caller.fleet) as cur:
        van = known_vehicle(cur, vehicle)
        hand_store.set_vehicle(cur, caller.fleet, vehicle, locked=lock.locked, actor=caller.key_id, at=desk.clock.now())
        _decided(cur, desk, caller, van, "vehicle.locked", lock.model_dump(), f"{van['name']} is {'locked' if lock.locked else 'unlocked'}")
        return _vehicle(cur, vehicle)


@router.put("/vehicles/{vehicle}/out")
def put_out(vehicle: str, out: Out, desk: AtDesk, caller: PlansWriter) -> VehicleHand:
    """Take a van out of the day, or back. Its work goes to others once it has confirmed a plan without it; goods on board stay there
    until they are handed over. A driver's report of a breakdown or an accident does the same, until it is settled."""
    with desk.db.tenant(caller.fleet) as cur:
        van = known_vehicle(cur, vehicle)
        hand_store.set_vehicle(cur, caller.fleet, vehicle, out=(out.reason,), actor=caller.key_id, at=desk.clock.now())
        word = "back" if out.reason is None else f"out: {hand_store.OUT_WORDS[out.reason]}"
        kind: Any = "hand" if out.reason is None else "breakdown" if out.reason == "broken_down" else "sick"
        note(cur, desk, caller.fleet, caller.key_id, "vehicle.out", vehicle, out.model_dump())
        bump(cur, van["depot_id"], f"{van['name']} is {word}", HAND_PRIORITY, clock=desk.clock, kind=kind, subject=vehicle)
        notify(cur, "vehicle", caller.fleet, vehicle)
        return _vehicle(cur, vehicle)


@router.post("/vehicles/{vehicle}/handover", status_code=204)
def post_handover(vehicle: str, handover: Handover, desk: AtDesk, caller: PlansWriter) -> None:
    """Record that a van no longer has goods, or work, that its plan gave it: the driver gave them to another, or said that they will not
    be served. The only way for goods on board to move, and for work of a van that does not answer to move before its plan expires."""
    with desk.db.tenant(caller.fleet) as cur:
        van = known_vehicle(cur, vehicle)
        if handover.to is not None:
            van_of_depot(cur, handover.to, van["depot_id"])
        for order in handover.orders:
            open_order(cur, order, status=422)
        hand_store.hand_over(
            cur, caller.fleet, handover.orders, vehicle, to=handover.to, said=handover.said, actor=caller.key_id, at=desk.clock.now()
        )
        _decided(cur, desk, caller, van, "vehicle.handover", handover.model_dump(), f"{van['name']} handed over {len(handover.orders)}")


def _decided(cur: Cursor, desk: Desk, caller: Caller, van: Row, kind: str, body: object, text: str) -> None:
    note(cur, desk, caller.fleet, caller.key_id, kind, van["vehicle_id"], body)
    bump(cur, van["depot_id"], text, HAND_PRIORITY, clock=desk.clock, kind="hand", subject=van["vehicle_id"])
    notify(cur, "vehicle", caller.fleet, van["vehicle_id"])
