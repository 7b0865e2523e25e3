"""The driver's screen over HTTP: the page, its state as JSON and as a stream of events, and the driver's taps.

Every tap is idempotent (the page names it) and is on the disk before it is answered. Errors are RFC 9457 problems.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from roundsman_agent import AgentError
from roundsman_agent.board import DONE
from roundsman_agent.outbox import StoreFull
from roundsman_agent.screen.state import UNDO_S
from roundsman_agent.unit import Unit
from roundsman_wire.messages import Action

STATIC: Final = Path(__file__).parent / "static"
EVENT_EVERY_S: Final = 2.0
"""The page takes three of these without a word for a dead unit."""
EVENT_SPACING_S: Final = 0.1
POSITION_EVENTS_S: Final = 1.0
"""A moving position is drawn once a second; everything else at once."""
MAX_BODY_BYTES: Final = 16_384
ActionId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Text = Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")]


class ShownRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The page has painted this plan."""

    version: int
    hash: str


class ActionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """A tap. `action` is drawn by the page, so that a repeated request is one tap."""

    stop: Text
    outcome: Literal["arrived", "delivered", "failed"]
    reason: Text | None = None
    action: ActionId | None = None


class DutyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Shift start, break, shift end."""

    duty: Literal["on", "break", "off"]
    driver: Text | None = None


class Seen(NamedTuple):
    """How far a listener has looked. Taken *before* the state is read: what changes while it is sent wakes the listener at once."""

    event: asyncio.Event
    moves: int


class Changes:
    """Wakes everyone who waits for a change of the state; a position alone wakes nobody sooner than the clock does."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._moves = 0
        self.ended = False

    def seen(self) -> Seen:
        """Everything until now."""
        return Seen(self._event, self._moves)

    def end(self) -> None:
        """No more changes: streams come to their end."""
        self.ended = True
        self.tell(True)

    def tell(self, more_than_position: bool) -> None:
        """Something changed."""
        if more_than_position:
            self._event.set()
            self._event = asyncio.Event()
        else:
            self._moves += 1

    async def after(self, seen: Seen) -> None:
        """Until something is new to who has seen that, or until it is time to say the same again."""
        for patience_s in (POSITION_EVENTS_S, EVENT_EVERY_S - POSITION_EVENTS_S):
            try:
                await asyncio.wait_for(seen.event.wait(), patience_s)
                return
            except TimeoutError:
                if self._moves != seen.moves:
                    return


def problem(status: int, title: str, detail: str) -> Response:
    """An RFC 9457 problem; `detail` says what to do next."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "title": title, "detail": detail})
    return Response(body, status, media_type="application/problem+json")


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer that nobody caches."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, media_type="application/json")


def application(
    unit: Unit, *, state: Callable[[], Mapping[str, Any]], status: Callable[[], Mapping[str, Any]], changes: Changes
) -> Starlette:
    """The screen of one unit.

    Parameters
    ----------
    state, status : callable
        What the screen shows, and what a technician is told, as JSON objects.
    changes : Changes
        Told of every change by the unit.
    """

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def screen(_: Request) -> Response:
        return answer(state())

    async def tell_status(_: Request) -> Response:
        return answer(status())

    async def events(_: Request) -> Response:
        async def stream() -> AsyncIterator[bytes]:
            while not changes.ended:
                seen = changes.seen()
                yield b"data: " + msgspec.json.encode(state()) + b"\n\n"
                await asyncio.sleep(EVENT_SPACING_S)
                await changes.after(seen)

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def shown(request: Request) -> Response:
        said = await _read(request, ShownRequest)
        if not await unit.shown(said.version, said.hash):
            return problem(409, "Not the plan in force", "Read /api/screen and say what is painted now.")
        return answer({})

    async def act(request: Request) -> Response:
        said = await _read(request, ActionRequest)
        if said.outcome == "failed" and not (said.reason or "").strip():
            return problem(422, "A failed stop needs a reason", "Send `reason`, for example `nobody there`.")
        return await _tap(unit, said)

    async def undo(request: Request) -> Response:
        return await _undo(unit, request.path_params["action"])

    async def duty(request: Request) -> Response:
        said = await _read(request, DutyRequest)
        await unit.set_duty(said.duty, said.driver)
        return answer({"duty": unit.board.duty, "driver": unit.board.driver})

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return problem(
                error.status_code,
                str(error.detail),
                "GET /, /api/screen, /api/events, /api/status; POST /api/shown, /api/actions, /api/duty.",
            )
        if isinstance(error, BadRequest):
            return problem(422, "Not what this path takes", str(error))
        return problem(507, "The unit's store is full", f"{error}. Nothing was recorded: tell the dispatcher by phone.")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/screen", screen),
            Route("/api/status", tell_status),
            Route("/api/events", events),
            Route("/api/shown", shown, methods=["POST"]),
            Route("/api/actions", act, methods=["POST"]),
            Route("/api/actions/{action}/undo", undo, methods=["POST"]),
            Route("/api/duty", duty, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={HTTPException: refused, BadRequest: refused, StoreFull: refused},
    )


S = TypeVar("S", bound=msgspec.Struct)


class BadRequest(AgentError):
    """A body that is not what the path wants."""


async def _read(request: Request, kind: type[S]) -> S:
    # A page of another origin can post plain text here without asking; JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequest("Send content-type application/json.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest(f"At most {MAX_BODY_BYTES} bytes.")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{error}.") from None


async def _tap(unit: Unit, said: ActionRequest) -> Response:
    """Log a tap, unless this very one is logged already or the stop's state does not allow it."""
    action_id = said.action or uuid.uuid4().hex
    refusal: list[Response] = []

    def make() -> Action | None:
        known = unit.board.actions.get(action_id)
        if known is not None:
            if (known.stop, known.outcome) != (said.stop, said.outcome):
                refusal.append(problem(409, "This action id is used", "Draw a new id for another tap."))
            return None
        if unit.board.duty == "off":
            refusal.append(problem(409, "Off shift", "Begin the shift first: POST /api/duty with duty `on`."))
            return None
        stop = next((stop for stop in (unit.plan.stops if unit.plan else ()) if stop.stop == said.stop), None)
        before = unit.board.said(said.stop)
        if before is not None and before.outcome in DONE:
            refusal.append(
                problem(409, f"This stop is {before.outcome} already", f"Undo action {before.action} first, if it was a mistake.")
            )
            return None
        if stop is None:
            refusal.append(problem(404, "No such stop in the plan in force", "Read /api/screen: the plan may have changed."))
            return None
        here = unit.here()
        return Action(
            mono_ms=unit.clock.mono_ms(),
            utc_ms=unit.clock.utc_ms(),
            action=action_id,
            stop=said.stop,
            tasks=stop.tasks,
            outcome=said.outcome,
            reason=said.reason if said.outcome == "failed" else None,
            driver=unit.board.driver,
            lat_e6=None if here is None else here.lat_e6,
            lon_e6=None if here is None else here.lon_e6,
        )

    await unit.log_for_driver(make)
    if refusal:
        return refusal[0]
    return answer({"action": action_id, "undo_until_utc_ms": (unit.board.actions[action_id].utc_ms or 0) + 1000 * UNDO_S})


async def _undo(unit: Unit, action_id: str) -> Response:
    """Take a tap back, within its window; again: the same answer."""
    refusal: list[Response] = []

    def make() -> Action | None:
        known = unit.board.actions.get(action_id)
        if known is None:
            refusal.append(problem(404, "No such action", "Read `last_action` of /api/screen."))
            return None
        if action_id in unit.board.undone:
            return None
        now_utc_ms = unit.clock.utc_ms()
        if now_utc_ms > (known.utc_ms or 0) + 1000 * UNDO_S:
            refusal.append(problem(409, "Too late to undo", "The customer may have been told: call the dispatcher."))
            return None
        return Action(
            mono_ms=unit.clock.mono_ms(),
            utc_ms=now_utc_ms,
            action=f"undo-{action_id}"[:64],
            stop=known.stop,
            tasks=known.tasks,
            outcome="undo",
            undoes=action_id,
            driver=unit.board.driver,
        )

    await unit.log_for_driver(make)
    return refusal[0] if refusal else answer({"action": action_id, "undone": True})
