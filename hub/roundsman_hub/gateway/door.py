"""Where devices send to: answered when what they said is on the gateway's disk."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.gateway import words
from roundsman_hub.gateway.spool import Spool
from roundsman_hub.gateway.words import Report, Unfit
from roundsman_hub.store.rows import Row
from roundsman_hub.telemetry.figures import FIGURES

MAX_BODY_BYTES: Final = 65_536


@dataclass(slots=True)
class Devices:
    """The devices that are registered, by the hash of their token; read anew every few seconds, and kept while the database is away."""

    known: Mapping[str, Row] | None = None
    phones: Mapping[str, Row] = field(default_factory=dict)
    """Those over MQTT, by vehicle: their user name."""
    listening: bool = False
    """The broker keeps from now on what telephones say: before, none is let in, or its words would be lost."""
    lost: set[str] = field(default_factory=set)
    """Vehicles whose link was lost, until the database has been told."""

    def take(self, found: list[Row]) -> None:
        """Registrations, as the database has them now."""
        self.phones = {device["vehicle_id"]: device for device in found if device["kind"] == "owntracks_mqtt"}
        self.known = {device["token_sha256"]: device for device in found}  # last: who waits for it hears telephones next


class Door:
    """The routes."""

    def __init__(self, devices: Devices, spool: Spool, clock: Clock) -> None:
        self._devices, self._spool, self._clock = devices, spool, clock

    def application(self) -> Starlette:
        """What a server serves."""
        return Starlette(
            routes=[
                Route("/osmand/{token}", self.osmand, methods=["GET", "POST"]),
                Route("/owntracks/{token}", self.owntracks, methods=["POST"]),
            ]
        )

    async def osmand(self, request: Request) -> Response:
        """One position, in the address or in a form; or what Traccar Client has kept, as JSON."""
        device = self._device(request, "osmand")
        if isinstance(device, Response):
            return device
        said = dict(request.query_params)
        if request.method == "POST":
            body = await _body(request)
            if body is None:
                return _refusal(413, "too much")
            if body.lstrip().startswith(b"{"):
                return await self._traccar_client(device, body)
            said |= dict(parse_qsl(body.decode("utf-8", "replace")))
        if said.get("id", said.get("deviceid", device["unique_id"])) != device["unique_id"]:
            return _refusal(403, "this token is another device's: id is not the unique_id it was registered with")
        try:
            report = words.osmand(said, self._clock.utc_ms())
        except Unfit as error:
            return _stepped_over(error)
        await self._keep(device, report)
        return Response(status_code=200)

    async def _traccar_client(self, device: Row, body: bytes) -> Response:
        """One location, or several that a phone without network has kept: what cannot be is stepped over, the others count."""
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            return _refusal(400, "this is not JSON")
        if said.get("device_id", device["unique_id"]) != device["unique_id"]:
            return _refusal(403, "this token is another device's: device_id is not the unique_id it was registered with")
        found = said.get("location")
        answer = Response(status_code=200)
        for location in found if isinstance(found, list) else [found]:
            try:
                await self._keep(device, words.traccar_client(location, self._clock.utc_ms()))
            except Unfit as error:
                answer = _stepped_over(error)
        return answer

    async def owntracks(self, request: Request) -> Response:
        """One message. The answer is a list of messages to the phone: none."""
        device = self._device(request, "owntracks")
        if isinstance(device, Response):
            return device
        body = await _body(request)
        if body is None:
            return _refusal(413, "too much")
        try:
            said: Any = json.loads(body)
        except (ValueError, RecursionError):
            return _refusal(400, "this is not JSON")
        try:
            report = words.owntracks(said, self._clock.utc_ms()) if isinstance(said, dict) else None
        except Unfit as error:
            return _stepped_over(error)
        if report is not None:
            await self._keep(device, report)
        elif isinstance(said, dict):
            pass_over(said)
        return JSONResponse([])

    async def _keep(self, device: Row, report: Report) -> None:
        """Outside the shift nothing is kept."""
        if on_shift(device, report):
            await asyncio.to_thread(self._spool.keep, device["vehicle_id"], device["driver_id"], [report])

    def _device(self, request: Request, kind: str) -> Row | Response:
        if self._devices.known is None:
            return _refusal(503, "the hub's database has not been reached yet: send again")
        device = self._devices.known.get(hashlib.sha256(request.path_params["token"].encode()).hexdigest())
        if device is None or device["kind"] != kind:
            return _refusal(401, "no device of this kind has this token: register it anew")
        return device


def pass_over(said: Mapping[str, Any]) -> str:
    """Count what says no position, by its kind; gives the kind."""
    kind = said.get("_type")
    kind = kind if isinstance(kind, str) and kind in words.PASSED_OVER else "other"
    FIGURES.add("roundsman_gateway_passed_over_total", kind=kind)
    return kind


def on_shift(device: Row, report: Report) -> bool:
    """Whether the hub's shift of that vehicle lets its position be taken."""
    return bool(to_ms(device["shift_start"]) <= report.utc_ms < to_ms(device["shift_end"]))


async def _body(request: Request) -> bytes | None:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY_BYTES:
            return None
    return data


def _stepped_over(error: Unfit) -> Response:
    """Answered well: the device would send the same again for ever."""
    return JSONResponse([], headers={"x-stepped-over": str(error).encode("ascii", "replace").decode()})


def _refusal(status: int, detail: str) -> Response:
    return JSONResponse({"type": "about:blank", "status": status, "title": detail}, status, media_type="application/problem+json")
