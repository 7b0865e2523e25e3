"""The driver's screen over HTTP: the page, its state as JSON and as a stream of events, and the driver's taps.

Every tap is idempotent (the page names it) and is on the disk before it is answered. Errors are RFC 9457 problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from roundsman_agent.basemap import Basemap
from roundsman_agent.outbox import StoreFull
from roundsman_agent.screen.actions import Taps
from roundsman_agent.screen.arrivals import arrivals
from roundsman_agent.screen.files import Files
from roundsman_agent.screen.http import BadRequest, Text, answer, problem, read
from roundsman_agent.screen.says import Says
from roundsman_agent.screen.steering import Steering
from roundsman_agent.screen.stream import Changes, Shown, Stream
from roundsman_agent.unit import Unit

STATIC: Final = Path(__file__).parent / "static"


class DutyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Shift start, break, shift end."""

    duty: Literal["on", "break", "off"]
    driver: Text | None = None


def application(
    unit: Unit,
    *,
    state: Callable[[], Mapping[str, Any]],
    streamed: Callable[[], Shown],
    status: Callable[[], Mapping[str, Any]],
    changes: Changes,
    basemap: Basemap | None = None,
) -> Starlette:
    """The screen of one unit.

    Parameters
    ----------
    state, status : callable
        What the screen shows, and what a technician is told, as JSON objects.
    streamed : callable
        The state again and again, for its stream.
    changes : Changes
        Told of every change by the unit.
    basemap : Basemap, optional
        The map that is kept on the unit.
    """

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def screen(_: Request) -> Response:
        return answer(state())

    async def tell_arrivals(_: Request) -> Response:
        return answer(arrivals(unit))

    async def tell_status(_: Request) -> Response:
        return answer(status())

    async def duty(request: Request) -> Response:
        said = await read(request, DutyRequest)
        await unit.set_duty(said.duty, said.driver)
        return answer({"duty": unit.board.duty, "driver": unit.board.driver})

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return problem(
                error.status_code,
                str(error.detail),
                "; ".join(f"{route.path} {', '.join(sorted(route.methods or ()))}" for route in routes),
            )
        if isinstance(error, BadRequest):
            return problem(422, "Not what this path takes", str(error))
        return problem(507, "The unit's store is full", f"{error}. Nothing was recorded: tell the dispatcher by phone.")

    taps, steering, says, files = Taps(unit), Steering(unit), Says(unit), Files(unit, basemap)
    routes = [
        Route("/", page),
        Route("/api/screen", screen),
        Route("/api/arrivals", tell_arrivals),
        Route("/api/status", tell_status),
        Route("/api/events", Stream(streamed, changes), methods=["GET"]),
        Route("/api/shown", steering.shown, methods=["POST"]),
        Route("/api/actions", taps.act, methods=["POST"]),
        Route("/api/calls", taps.call, methods=["POST"]),
        Route("/api/actions/{action}/undo", taps.undo, methods=["POST"]),
        Route("/api/duty", duty, methods=["POST"]),
        Route("/api/offers/{version:int}", steering.offer, methods=["POST"]),
        Route("/api/notices/{version:int}", steering.notice, methods=["POST"]),
        Route("/api/reorder", steering.reorder, methods=["POST"]),
        Route("/api/scans", says.scan, methods=["POST"]),
        Route("/api/reports", says.report, methods=["POST"]),
        Route("/api/messages", says.message, methods=["POST"]),
        Route("/api/blobs", files.put_blob, methods=["PUT"]),
        Route("/api/route", files.route),
        Route("/api/basemap", files.basemap),
        Route("/basemap.geojson", files.basemap_file),
        Route("/basemap.geojson.gz", files.basemap_file),
    ]
    return Starlette(
        routes=[*routes, Mount("/static", StaticFiles(directory=STATIC))],
        exception_handlers={HTTPException: refused, BadRequest: refused, StoreFull: refused},
    )
