"""Doors for what becomes of an order when its stop failed: where it stands, what can be chosen, what came back, what was returned."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, model_validator

from roundsman_core.geo import LatLon
from roundsman_hub import afterlife
from roundsman_hub.api.desk import AtDesk, OrdersReader, OrdersWriter
from roundsman_hub.api.fence_models import LatDeg, LonDeg
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.domain.afterlife import SAYS, Choice, State
from roundsman_hub.store.db import Cursor

router = APIRouter(prefix="/v1", tags=["orders"], responses=documented(401, 403, 404, 409, 422, 503))
Words = Annotated[str, StringConstraints(max_length=300, strip_whitespace=True, pattern=r"^[^\x00]*$")]


class OtherPlace(Said):
    """A neighbour's door or a locker."""

    lat_deg: LatDeg
    lon_deg: LonDeg
    address: Words
    name: Words = Field(default="", description="the neighbour's name, or the locker's")


class Chosen(Said):
    """What is to become of it."""

    choice: Choice
    window_start: AwareDatetime | None = Field(default=None, description="of the next attempt; `tomorrow` needs a window")
    window_end: AwareDatetime | None = None
    place: OtherPlace | None = Field(default=None, description="`neighbour` and `locker` need one")
    note: Words = Field(default="", description="told to the driver")

    @model_validator(mode="after")
    def _whole_window(self) -> Chosen:
        if (self.window_start is None) != (self.window_end is None):
            raise ValueError("window_start and window_end come together")
        return self


class Turn(BaseModel):
    """What somebody decided or saw."""

    at: datetime
    event: str
    order: str = Field(description="the attempt that it is about")
    next_order: str | None = Field(description="the attempt that followed from it")
    vehicle: str | None
    actor: str


class LifeShown(BaseModel):
    """Where an order stands."""

    order: str = Field(description="as it was first placed")
    attempt: str = Field(description="its newest attempt: an order of its own, with the same customer's link")
    state: State
    says: str
    on_board_of: str | None = Field(description="the van that has the goods; they count against its capacity until they are unloaded")
    failures: int
    most_attempts: int
    choices: list[Choice] = Field(description="what can be chosen now")
    attempts: list[str]
    turns: list[Turn]


class Unloaded(BaseModel):
    """Orders whose goods were taken out of a van."""

    vehicle: str
    orders: list[str]


class CameBack(BaseModel):
    """What `POST …/unloaded` would take out of a van: goods of attempts that ended without a delivery."""

    vehicle: str
    orders: list[str]
    parcels: int


def life_out(found: afterlife.Standing) -> LifeShown:
    """A life as it goes over HTTP."""
    return LifeShown(
        order=found.root,
        attempt=found.attempt,
        state=found.life.state,
        says=SAYS[found.life.state],
        on_board_of=found.life.vehicle,
        failures=found.life.failures,
        most_attempts=found.most_attempts,
        choices=list(found.open),
        attempts=list(found.attempts),
        turns=[
            Turn(
                at=t["at"], event=t["event"], order=t["order_id"], next_order=t["next_order_id"], vehicle=t["vehicle_id"], actor=t["actor"]
            )
            for t in found.turns
        ],
    )


@router.get("/orders/{order}/life")
def get_life(order: str, desk: AtDesk, caller: OrdersReader) -> LifeShown:
    """Where an order stands after all its attempts, and what can be chosen now."""
    with desk.db.tenant(caller.fleet) as cur:
        found = afterlife.standing(cur, order)
        if found is None:
            raise not_found("order", order, see="/v1/orders")
        return life_out(found)


@router.post("/orders/{order}/choice", response_model=LifeShown)
def post_choice(order: str, new: Chosen, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Decide what becomes of it: tried again today or another day, to a neighbour or a locker, to the depot, to its sender, or nothing."""
    window = None if new.window_start is None or new.window_end is None else (new.window_start, new.window_end)
    place = None
    if new.place is not None:
        place = afterlife.Place(at=LatLon(new.place.lat_deg, new.place.lon_deg), address=new.place.address, name=new.place.name)

    def work(cur: Cursor) -> LifeShown:
        try:
            found = afterlife.decide(
                cur, caller.fleet, order, new.choice, actor=caller.key_id, clock=desk.clock, window=window, place=place, note=new.note
            )
        except (KeyError, afterlife.NotAllowed) as error:
            raise _refusal(order, error) from None
        return life_out(found)

    return once.run(caller, work)


@router.post("/orders/{order}/unloaded", response_model=LifeShown)
def post_unloaded(order: str, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Its goods were taken out of the van at the depot: they no longer take room in it."""

    def work(cur: Cursor) -> LifeShown:
        try:
            return life_out(afterlife.unload(cur, caller.fleet, order, actor=caller.key_id, clock=desk.clock))
        except (KeyError, afterlife.NotAllowed) as error:
            raise _refusal(order, error) from None

    return once.run(caller, work)


@router.post("/orders/{order}/handed-back", response_model=LifeShown)
def post_handed_back(order: str, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Its sender has the goods again."""

    def work(cur: Cursor) -> LifeShown:
        try:
            return life_out(afterlife.hand_back(cur, caller.fleet, order, actor=caller.key_id, clock=desk.clock))
        except (KeyError, afterlife.NotAllowed) as error:
            raise _refusal(order, error) from None

    return once.run(caller, work)


@router.get("/vehicles/{vehicle}/came-back")
def get_came_back(vehicle: str, desk: AtDesk, caller: OrdersReader) -> CameBack:
    """What came back with a van and is still in it."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
        found = afterlife.aboard(cur, vehicle)
    return CameBack(vehicle=vehicle, orders=[order for order, _ in found], parcels=sum(parcels for _, parcels in found))


@router.post("/vehicles/{vehicle}/unloaded", response_model=Unloaded)
def post_van_unloaded(vehicle: str, desk: AtDesk, once: OnlyOnce, caller: OrdersWriter) -> Response:
    """Everything that came back with a van was taken out of it."""

    def work(cur: Cursor) -> Unloaded:
        known_vehicle(cur, vehicle)
        return Unloaded(vehicle=vehicle, orders=afterlife.unload_all(cur, caller.fleet, vehicle, actor=caller.key_id, clock=desk.clock))

    return once.run(caller, work)


def _refusal(order: str, error: Exception) -> Problem:
    if isinstance(error, KeyError):
        return not_found("order", order, see="/v1/orders")
    return Problem(409, "not-now", str(error), next_step=f"GET /v1/orders/{order}/life lists what can be chosen now")
