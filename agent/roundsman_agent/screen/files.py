"""Large things on the screen: photos and signatures in, the map and the route out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from roundsman_agent.basemap import Basemap
from roundsman_agent.blobs import MAX_BYTES, BadBlob, NoRoom
from roundsman_agent.screen.http import answer, body_of, problem
from roundsman_agent.unit import Unit
from roundsman_agent.work import Work
from roundsman_core import calls
from roundsman_wire.messages import Plan

NO_MAP: Final = b'{"type":"FeatureCollection","attribution":"","features":[]}'


class Files:
    """The routes of blobs, map and route."""

    def __init__(self, unit: Unit, basemap: Basemap | None) -> None:
        self._unit, self._basemap = unit, basemap

    async def put_blob(self, request: Request) -> Response:
        """Keep a photo or a signature on the unit's disk; it travels to the hub later."""
        if request.query_params.get("kind") not in ("photo", "signature"):
            return problem(422, "What is it?", "Add ?kind=photo or ?kind=signature.")
        if self._unit.blobs is None:
            return problem(503, "No place for photos", "This unit keeps no files.")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        data = await body_of(request, MAX_BYTES)
        try:
            blob = await asyncio.to_thread(self._unit.blobs.put, data, media_type)
        except BadBlob as error:
            return problem(422, "Not a proof", f"{error}.")
        except NoRoom as error:
            return problem(507, "The unit's disk is full", f"{error}. Go on without it: send `without_proof` with this as the reason.")
        return answer({"sha256": blob.sha256, "bytes": blob.bytes, "media_type": blob.media_type})

    async def route(self, _: Request) -> Response:
        """The road to drive, and every stop of the plan on it."""
        plan = self._unit.plan
        if plan is None:
            return answer({"version": 0, "route_e6": [], "stops": [], "depot": None})
        return answer(route_of(self._unit, plan, self._unit.work()))

    async def basemap_file(self, request: Request) -> Response:
        """The kept map, as the hub made it; an empty one while there is none."""
        path: Path | None = None if self._basemap is None else self._basemap.path
        if path is None:
            return Response(NO_MAP, media_type="application/geo+json", headers={"cache-control": "no-cache"})
        return FileResponse(path, media_type="application/geo+json", headers={"content-encoding": "gzip", "cache-control": "no-cache"})

    async def basemap(self, _: Request) -> Response:
        """Whether there is a map, and of when."""
        about = None if self._basemap is None else self._basemap.about
        if about is None:
            return answer({"there": False, "bytes": 0, "attribution": "", "fetched_utc_ms": None})
        return answer({"there": True, "bytes": about.bytes, "attribution": about.attribution, "fetched_utc_ms": about.fetched_utc_ms})


def route_of(unit: Unit, plan: Plan, work: Work) -> dict[str, Any]:
    """The route as the page draws it: pairs of [lat_e6, lon_e6]."""
    done = len(unit.board.done_this_shift())
    customers = (stop.stop for stop in work.stops if not calls.is_call(stop))
    positions = {stop: number for number, stop in enumerate(customers, start=done + 1)}
    to_make = {stop.stop for stop in work.stops}
    return {
        "version": plan.version,
        # The hub's road is drawn in the hub's order: in the driver's own it would lead astray.
        "route_e6": [] if unit.board.order is not None and unit.board.order.plan_version == plan.version else unpacked(plan.route_e6),
        "stops": [
            {
                "stop": stop.stop,
                "position": positions.get(stop.stop),
                "lat_e6": stop.lat_e6,
                "lon_e6": stop.lon_e6,
                "state": "done" if calls.is_call(stop) and stop.stop not in to_make else unit.board.phase(stop.stop),
            }
            for stop in plan.stops
        ],
        "depot": None if work.depot is None else [work.depot.lat_e6, work.depot.lon_e6],
    }


def unpacked(route_e6: tuple[int, ...]) -> list[list[int]]:
    """A plan's differences as places again."""
    out: list[list[int]] = []
    lat = lon = 0
    for d_lat, d_lon in zip(route_e6[::2], route_e6[1::2], strict=False):
        lat, lon = lat + d_lat, lon + d_lon
        out.append([lat, lon])
    return out
