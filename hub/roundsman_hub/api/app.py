"""The API's app: every door behind one factory. The root brings the adapters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roundsman_hub.api import (
    afterlife_doors,
    asking,
    case_doors,
    chat_doors,
    closures,
    customer,
    customer_choices,
    deliveries,
    devices,
    etas,
    fences,
    fleet,
    fleet_csv,
    hand,
    history,
    keys_doors,
    live_doors,
    nightly_doors,
    numbers,
    order_book_doors,
    orders,
    pages,
    playback,
    problems,
    proofs,
    proposals,
    range_doors,
    sentence_doors,
    service_doors,
    solving,
    talk,
    term_list,
    tracks,
    unit_doors,
    unit_health,
    way_doors,
    windows,
)
from roundsman_hub.api.desk import AtDesk, Desk
from roundsman_hub.api.problems import ProblemDocument, documented
from roundsman_hub.domain.roles import PERMISSIONS, ROLES
from roundsman_hub.live.broadcast import Broadcaster
from roundsman_hub.live.doorbell import Doorbell, Doorway
from roundsman_hub.live.drawn_plans import DrawnPlans
from roundsman_hub.offers.depot import Depots
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.gather import problems_of
from roundsman_hub.telemetry.vitals import VITALS

if TYPE_CHECKING:
    from roundsman_hub.clock import Clock
    from roundsman_hub.geocode import Geocoder
    from roundsman_hub.roads import RoadNetwork
    from roundsman_hub.settings import Settings
    from roundsman_hub.store.db import Database

VERSION = "1"
MOST_BYTES = 64_000_000
"""Of a request's body, at any door: the largest that one takes is a problem's matrices (40 MB, `solving`)."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A customer's link is a secret in an address: it must not travel on as a referrer.
    "Referrer-Policy": "no-referrer",
    # MapLibre makes its worker from a blob; everything else comes from this hub alone.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline';"
        " connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for header, value in SECURITY_HEADERS.items():
                    headers.setdefault(header, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class BodyLimit:
    """Reads no more than `MOST_BYTES` of a request. Bodies are read before anybody's key is looked at, and are kept in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = MOST_BYTES

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"more than {MOST_BYTES:,} bytes")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)


class Timed:
    """Measures each request by its door's template, not its address: an order's number is no label. Streams are counted, not timed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0
        stream = False

        async def watched(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if not stream:
                route = getattr(scope.get("route"), "path", "other")
                FIGURES.observe("roundsman_http_request_seconds", time.monotonic() - began, route=route, status=str(status or 500))


class Health(BaseModel):
    """Alive; or ready, which says what it reached."""

    status: str


def create_app(settings: Settings, db: Database, clock: Clock, geocoder: Geocoder | None, roads: RoadNetwork) -> FastAPI:
    """The hub's HTTP side: API, live stream, customers' pages, dispatch page.

    Parameters
    ----------
    settings : Settings
        Where the base map's extract and the cache are.
    db : Database
        Shared pool; the caller closes it.
    clock : Clock
        Business time.
    geocoder : Geocoder or None
        None: addresses wait for a person.
    roads : RoadNetwork
        For "is there a road near that place".
    """
    plans = DrawnPlans(live_doors.drawer(roads))
    broadcaster = Broadcaster(db, clock, plans)

    doorbell = Doorbell(db)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        broadcaster.start(asyncio.get_running_loop())
        doorbell.start(asyncio.get_running_loop())
        yield
        broadcaster.stop()
        doorbell.stop()
        await asyncio.to_thread(broadcaster.wait)
        await asyncio.to_thread(doorbell.wait)

    app = FastAPI(
        lifespan=lifespan,
        title="Roundsman",
        version=VERSION,
        description=_description(),
        docs_url=None,  # its pages load scripts from elsewhere; the document itself is at /openapi.json
        redoc_url=None,
    )
    app.state.extract = None if settings.osm is None else (settings.osm, settings.cache_dir)
    app.state.blobs_dir = settings.blobs_dir
    app.state.broadcaster = broadcaster
    app.state.doorbell = doorbell
    app.state.plans = plans
    ways = Matrices(roads)
    app.state.depots = Depots(db, ways, clock)
    FIGURES.source(lambda figures: figures.put("roundsman_sse_listeners", broadcaster.listeners + doorbell.listeners))
    app.state.desk = Desk(db=db, clock=clock, geocoder=geocoder, roads=roads, ways=ways)
    problems.install(app)
    # Level 1: 5,000 vans' positions, 788 kB, shrink to 180 kB in 3 to 11 ms; at the usual level 9 to 142 kB in 60 to 80.
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1)

    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Timed)
    app.add_middleware(Doorway, doorbell=doorbell, whose=customer.whose(db, clock))

    @app.get("/healthz", tags=["health"])
    def healthz() -> Health:
        """The process answers."""
        return Health(status="alive")

    @app.get("/readyz", tags=["health"], responses=documented(503))
    def readyz(desk: AtDesk) -> Health:
        """The database answers, and every role of this hub has what it stands on."""
        with desk.db.transaction() as cur:
            cur.execute("SELECT 1")
        missing = {name: why for name, why in VITALS.problems().items() if VITALS.known} | problems_of(settings.data_dir, but="api")
        if missing:
            raise problems.Problem(
                503,
                "not-ready",
                "; ".join(f"{name}: {why}" for name, why in sorted(missing.items())),
                next_step="`roundsman-hub top` shows the roles; the hub starts again what has died",
                headers={"Retry-After": "2"},
            )
        return Health(status="ready")

    for room in (
        asking,
        term_list,
        fleet_csv,
        fleet,
        fences,
        devices,
        orders,
        afterlife_doors,
        order_book_doors,
        nightly_doors,
        proofs,
        live_doors,
        hand,
        proposals,
        deliveries,
        etas,
        talk,
        playback,
        tracks,
        unit_health,
        unit_doors,
        range_doors,
        way_doors,
        history,
        numbers,
        keys_doors,
        solving,
        closures,
        windows,
        case_doors,
        chat_doors,
        service_doors,
        sentence_doors,
        customer,
        customer_choices,
        pages,
    ):
        app.include_router(room.router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


def _description() -> str:
    table = "\n".join(f"- `{role}`: {'; '.join(PERMISSIONS[p] for p in PERMISSIONS if p in allowed)}" for role, allowed in ROLES.items())
    return (
        "Orders in, plans and arrival times out. Places are WGS84 degrees, instants RFC 3339 with an offset, durations seconds.\n\n"
        "Every error is a problem document (RFC 9457) with a `next_step`. Every POST takes an `Idempotency-Key`: the same key with the"
        " same body happens once and answers alike.\n\nWhat each role of an API key may do:\n" + table
    )


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["ProblemDocument"] = problem
        for path in document["paths"].values():
            for operation in path.values():
                # FastAPI documents its own shape of 422; this API answers with problems.
                operation["responses"].update(_as_problem(operation["responses"]))
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        app.openapi_schema = document
    return app.openapi_schema


def _as_problem(responses: dict[str, Any]) -> dict[str, Any]:
    wrong = {"$ref": "#/components/schemas/HTTPValidationError"}
    found = [status for status, body in responses.items() if body.get("content", {}).get("application/json", {}).get("schema") == wrong]
    return {str(status): body for status, body in documented(*(int(status) for status in found)).items()}
