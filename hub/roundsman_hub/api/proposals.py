"""Doors for what changed in plans, or would: every change with its story, and a dispatcher's word on those that wait."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, LiveReader, PlansWriter
from roundsman_hub.api.hand import HAND_PRIORITY
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.planned import note
from roundsman_hub.api.problems import Problem, documented, not_found
from roundsman_hub.api.saying import Saying
from roundsman_hub.replan.reasons import REASONS, table
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.story import What
from roundsman_hub.store import proposal_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/v1", tags=["dispatch"], responses=documented(401, 403, 404, 409, 422, 503))
State = Literal["waiting", "adopted", "rejected", "superseded"]


class Change(Saying):
    """What a plan does to one order. Positions count from 1."""

    says = "why"

    order: str
    what: What
    vehicle_before: str | None
    vehicle_after: str | None
    position_before: int | None
    position_after: int | None
    arrival_before_utc: datetime | None
    arrival_after_utc: datetime | None
    why: str


class Saves(BaseModel):
    """Against the plan before, by the judge; negative: it takes more. Work that no van takes has no price here."""

    cost_cents: int = 0
    late_s: int = 0
    travel_s: int = 0


class Diff(Saying):
    says = "text"

    text: str
    changes: list[Change]
    saves: Saves
    basis: str | None = Field(None, description="who gave the travel times: osrm, or great_circle (straight lines × detour)")


class Reason(Saying):
    reason: str
    kind: str = Field(description="a row of GET /v1/reasons")
    subject: str


class Proposal(BaseModel):
    """A change of a depot's plans. `versions`: the plans that vans were told it with."""

    id: str
    depot: str
    at_utc: datetime
    state: State
    reasons: list[Reason]
    diff: Diff
    versions: dict[str, int]
    decided_utc: datetime | None
    actor: str | None = Field(description="the key of who decided; null: the planner did")
    note: str


class ReasonRow(BaseModel):
    """A reason to plan anew."""

    kind: str
    threshold: str
    least_gain_cents: int = Field(description="what a search's plan has to save before it is told because of this")
    choice: bool = Field(description="whether it waits for approval where the depot's mode says so")
    meaning: str


@router.get("/reasons", description=f"Why plans change: the table that the planner runs on.\n\n{table()}")
def get_reasons(_caller: LiveReader) -> list[ReasonRow]:
    return [
        ReasonRow(kind=t.kind, threshold=t.threshold, least_gain_cents=t.least_gain_cents, choice=t.choice, meaning=t.meaning)
        for t in REASONS
    ]


@router.get("/proposals")
def get_proposals(
    desk: AtDesk,
    caller: LiveReader,
    depot: str | None = None,
    state: Literal["waiting", "adopted", "rejected", "superseded", "all"] = "all",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[Proposal]:
    """Changes of plans, newest first: those that wait for somebody, those that vans were told, and those that came to nothing."""
    with desk.db.tenant(caller.fleet) as cur:
        found = proposal_store.page(cur, depot=depot, state=None if state == "all" else state, limit=limit)
    return [_out(r) for r in found]


@router.get("/proposals/{proposal}")
def get_proposal(proposal: str, desk: AtDesk, caller: LiveReader) -> Proposal:
    """One change."""
    with desk.db.tenant(caller.fleet) as cur:
        found = proposal_store.one(cur, proposal)
    if found is None:
        raise not_found("proposal", proposal, see="/v1/proposals")
    return _out(found)


@router.post("/proposals/{proposal}/approve", response_model=Proposal)
def approve(proposal: str, once: OnlyOnce, desk: AtDesk, caller: PlansWriter) -> Response:
    """Let it be told to the vans, as far as it still holds in the world as it is by now."""
    return once.run(caller, lambda cur: _decide(cur, desk, caller.fleet, caller.key_id, proposal, approved=True))


@router.post("/proposals/{proposal}/reject", response_model=Proposal)
def reject(proposal: str, once: OnlyOnce, desk: AtDesk, caller: PlansWriter) -> Response:
    """Leave plans as they are. The same change is not proposed again within the hour."""
    return once.run(caller, lambda cur: _decide(cur, desk, caller.fleet, caller.key_id, proposal, approved=False))


def _decide(cur: Cursor, desk: AtDesk, fleet: str, actor: str, proposal: str, *, approved: bool) -> Proposal:
    was = proposal_store.one(cur, proposal)
    if was is None:
        raise not_found("proposal", proposal, see="/v1/proposals")
    state: State = "adopted" if approved else "rejected"
    found = proposal_store.decide(cur, proposal, was="waiting", state=state, actor=actor, at=desk.clock.now())
    if found is None:
        raise Problem(
            409,
            "proposal-decided",
            f"proposal {proposal} is {was['state']} already",
            next_step="GET /v1/proposals?state=waiting shows what waits now",
        )
    note(cur, desk, fleet, actor, f"proposal.{'approved' if approved else 'rejected'}", proposal, {"depot": found["depot_id"]})
    if approved:
        bump(cur, found["depot_id"], "a dispatcher approved it", HAND_PRIORITY, clock=desk.clock, kind="approved", subject=proposal)
    return _out(found)


def _out(r: Row) -> Proposal:
    return Proposal(
        id=r["proposal_id"],
        depot=r["depot_id"],
        at_utc=r["at"],
        state=r["state"],
        reasons=[Reason(reason=one["reason"], kind=one.get("kind", "fleet"), subject=one.get("subject", "")) for one in r["reasons"]],
        diff=Diff.model_validate(r["diff"]),
        versions=r["versions"],
        decided_utc=r["decided_at"],
        actor=r["actor"],
        note=r["note"],
    )
