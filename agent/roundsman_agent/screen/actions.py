"""The driver's taps on a stop: arrived, delivered, and everything that can go otherwise; with proofs, and undone within a minute."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roundsman_agent.board import DONE
from roundsman_agent.depot_calls import EVENTS
from roundsman_agent.screen.http import Hash, Id, Text, answer, problem, read
from roundsman_agent.screen.state import UNDO_S
from roundsman_agent.unit import Unit
from roundsman_core import calls
from roundsman_wire.messages import CHARGE, RELOAD, Action, DepotCall, PlanStop, Proof

NEEDS_REASON: Final = frozenset({"failed", "partial", "refused", "damaged"})
NEEDS_PROOF: Final = frozenset({"delivered", "partial"})
"""Outcomes in which something was handed over."""

"""How a call ends, by what its name begins with."""


class ProofRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Something that was put with PUT /api/blobs before."""

    kind: Literal["photo", "signature"]
    sha256: Hash


class ActionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A tap. `action` is drawn by the page, so that a repeated request is one tap."""

    stop: Text
    outcome: Literal["arrived", "delivered", "partial", "refused", "damaged", "failed"]
    reason: Text | None = None
    action: Id | None = None
    parcels: Annotated[list[Text], msgspec.Meta(max_length=100)] = []
    proofs: Annotated[list[ProofRequest], msgspec.Meta(max_length=8)] = []
    code: Text | None = None
    received_by: Text | None = None
    note: Text | None = None
    without_proof: Text | None = None


class CallRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A call at a depot or charger is over. `action` is drawn by the page, as a tap's; it is undone like one."""

    stop: Text
    event: Literal["loaded", "charged"]
    action: Id | None = None


class Refused(Exception):
    """The tap cannot be taken; `response` says why."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(title)
        self.response = problem(status, title, detail)


class Taps:
    """The routes of taps."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def act(self, request: Request) -> Response:
        """Log a tap, unless this very one is logged already or the stop's state does not allow it."""
        said = await read(request, ActionRequest)
        if said.outcome in NEEDS_REASON and not (said.reason or "").strip():
            return problem(422, f"A {said.outcome} stop needs a reason", "Send `reason`, for example `nobody there`.")
        action_id = said.action or uuid.uuid4().hex
        try:
            await self._unit.log_for_driver(lambda: self._made(action_id, said))
        except Refused as refused:
            return refused.response
        undo_until = (self._unit.board.actions[action_id].utc_ms or 0) + 1000 * UNDO_S
        return answer({"action": action_id, "undo_until_utc_ms": undo_until})

    async def call(self, request: Request) -> Response:
        """Log that a call at a depot or charger is over, unless this very tap is logged already."""
        said = await read(request, CallRequest)
        call_id = said.action or uuid.uuid4().hex
        try:
            await self._unit.log_for_driver(lambda: self._called(call_id, said))
        except Refused as refused:
            return refused.response
        undo_until = (self._unit.board.calls[call_id][0].utc_ms or 0) + 1000 * UNDO_S
        return answer({"action": call_id, "undo_until_utc_ms": undo_until})

    async def undo(self, request: Request) -> Response:
        """Take a tap back, within its window; again: the same answer."""
        action_id = request.path_params["action"]
        try:
            await self._unit.log_for_driver(lambda: self._undone(action_id))
        except Refused as refused:
            return refused.response
        return answer({"action": action_id, "undone": True})

    def _known(self, action_id: str) -> Action | DepotCall | None:
        board = self._unit.board
        return board.actions.get(action_id) or board.calls.get(action_id, (None,))[0]

    def _made(self, action_id: str, said: ActionRequest) -> Action | None:
        unit = self._unit
        known = self._known(action_id)
        if known is not None:
            if not isinstance(known, Action) or (known.stop, known.outcome) != (said.stop, said.outcome):
                raise Refused(409, "This action id is used", "Draw a new id for another tap.")
            return None
        if unit.board.duty == "off":
            raise Refused(409, "Off shift", "Begin the shift first: POST /api/duty with duty `on`.")
        if said.stop.startswith((RELOAD, CHARGE)):
            raise Refused(422, "A call at a depot or charger", "POST /api/calls when it is over.")
        before = unit.board.said(said.stop)
        if before is not None and before.outcome in DONE:
            raise Refused(409, f"This stop is {before.outcome} already", f"Undo action {before.action} first, if it was a mistake.")
        stop = next((stop for stop in (unit.plan.stops if unit.plan else ()) if stop.stop == said.stop), None)
        if stop is None:
            raise Refused(404, "No such stop in the plan in force", "Read /api/screen: the plan may have changed.")
        self._check_expired(stop, begun=before is not None and before.outcome == "arrived")
        proofs = self._proofs(said.proofs)
        _check_parcels(stop, said)
        _check_code(stop, said)
        _check_proofs(stop, said, proofs)
        here = unit.here()
        words = [said.note or "", f"without proof: {said.without_proof}" if said.without_proof else ""]
        return Action(
            **unit.instant(),
            action=action_id,
            stop=said.stop,
            tasks=stop.tasks,
            outcome=said.outcome,
            reason=said.reason if said.outcome in NEEDS_REASON else None,
            driver=unit.board.driver,
            lat_e6=None if here is None else here.lat_e6,
            lon_e6=None if here is None else here.lon_e6,
            parcels=tuple(said.parcels),
            proofs=proofs,
            code=said.code,
            received_by=said.received_by,
            note="; ".join(word for word in words if word) or None,
        )

    def _called(self, call_id: str, said: CallRequest) -> DepotCall | None:
        """The driver has loaded everything that the plan delivers from there, or has charged."""
        unit = self._unit
        plan = unit.plan
        known = self._known(call_id)
        if known is not None:
            if not isinstance(known, DepotCall) or (known.stop, known.event) != (calls.place_of(said.stop), said.event):
                raise Refused(409, "This action id is used", "Draw a new id for another tap.")
            return None
        if unit.board.duty == "off":
            raise Refused(409, "Off shift", "Begin the shift first: POST /api/duty with duty `on`.")
        call = next((stop for stop in unit.remaining() if stop.stop == said.stop and calls.is_call(stop)), None)
        if plan is None or call is None:
            raise Refused(404, "No such call left in the plan in force", "Read /api/screen: it may be over, or the plan may have changed.")
        wanted = EVENTS[call.stop[0]]
        if said.event != wanted:
            raise Refused(422, "That is another kind of call", f"Send event `{wanted}` when it is over.")
        return unit.rounds.depot_calls.made(plan, call, call_id)

    def _check_expired(self, stop: PlanStop, *, begun: bool) -> None:
        """Work of an expired plan is not begun: the hub has given it to another van by now. What is on board, or begun, is ended."""
        until = self._unit.inbox.plan_valid_until_utc_ms
        plan = self._unit.plan
        on_board = stop.kind == "delivery" and plan is not None and not self._unit.board.left_behind(plan, stop)
        if begun or on_board or until is None or self._unit.clock.utc_ms() <= until:
            return
        raise Refused(
            409, "The plan has expired", "Call the dispatcher: another van may have this stop. Parcels on board can be delivered."
        )

    def _proofs(self, said: Sequence[ProofRequest]) -> tuple[Proof, ...]:
        return proofs_of(self._unit, said)

    def _undone(self, action_id: str) -> Action | DepotCall | None:
        unit = self._unit
        known = self._known(action_id)
        if known is None:
            raise Refused(404, "No such action", "Read `last_action` of /api/screen.")
        if action_id in unit.board.undone:
            return None
        if unit.clock.utc_ms() > (known.utc_ms or 0) + 1000 * UNDO_S:
            raise Refused(409, "Too late to undo", "The customer may have been told: call the dispatcher.")
        undo_id = f"undo-{action_id}"[:64]
        if isinstance(known, DepotCall):
            return DepotCall(
                **unit.instant(), call=undo_id, stop=known.stop, event="undo", plan_version=known.plan_version, undoes=action_id,
                driver=unit.board.driver,
            )  # fmt: skip
        return Action(
            **unit.instant(),
            action=undo_id,
            stop=known.stop,
            tasks=known.tasks,
            outcome="undo",
            undoes=action_id,
            driver=unit.board.driver,
        )


def proofs_of(unit: Unit, said: Sequence[ProofRequest]) -> tuple[Proof, ...]:
    """What a fact says of photos and signatures that are on the unit's disk."""
    out = []
    for proof in said:
        blob = None if unit.blobs is None else unit.blobs.get(proof.sha256)
        if blob is None:
            raise Refused(422, "No such photo or signature", f"PUT /api/blobs first, then name its sha256; {proof.sha256} is not here.")
        out.append(Proof(kind=proof.kind, sha256=blob.sha256, bytes=blob.bytes, media_type=blob.media_type))
    return tuple(out)


def code_matches(stop: PlanStop, code: str) -> bool:
    """Whether a recipient's code is the right one: checked offline, against the hash that the plan carries."""
    return hashlib.sha256(f"{stop.stop}:{code.strip()}".encode()).hexdigest() == stop.code_sha256


def _check_parcels(stop: PlanStop, said: ActionRequest) -> None:
    strange = sorted(set(said.parcels) - {item.parcel for item in stop.items})
    if strange:
        raise Refused(422, "Not a parcel of this stop", f"{', '.join(strange)}; its parcels are in `items` of /api/screen.")
    if said.outcome == "partial" and stop.items and not said.parcels:
        raise Refused(422, "Which parcels were handed over?", "Send `parcels` with those that were.")


def _check_code(stop: PlanStop, said: ActionRequest) -> None:
    if said.code is not None and stop.code_sha256 is not None and not code_matches(stop, said.code):
        raise Refused(422, "Wrong code", "Ask the recipient again; or send `without_proof` with the reason instead of a code.")


def _check_proofs(stop: PlanStop, said: ActionRequest, proofs: Sequence[Proof]) -> None:
    if said.outcome not in NEEDS_PROOF or (said.without_proof or "").strip():
        return
    there = {proof.kind for proof in proofs} | ({"code"} if said.code and stop.code_sha256 is not None else set())
    missing = [kind for kind in stop.proof if kind not in there]
    if missing:
        raise Refused(422, f"Proof is missing: {', '.join(missing)}", "Add it; or send `without_proof` with the reason.")
