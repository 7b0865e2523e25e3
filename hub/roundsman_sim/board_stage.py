"""A stage for the dispatcher's board: the hub's own pages and documents, with as many moving vans as wanted and a stream at any pace.

The real hub says something new of a van once a second. To play an hour of that in ten minutes, or 5,000 vans beside a browser on two
cores, what comes out of the stream is made here; its form and its encoding are the hub's (`live.documents`, `live.view.sse`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from roundsman_core.geo import LatLon
from roundsman_hub.api import pages
from roundsman_hub.broker import free_port
from roundsman_hub.live import documents
from roundsman_hub.live.view import sse
from roundsman_sim import SimError, town, town_file

BEGINS: Final = datetime(2026, 3, 2, 10, tzinfo=UTC)
ORDERS_A_VAN: Final = 2
SPEED_MPS: Final = 9.0
ROUND_M: Final = 400.0
"""Each van drives a circle of this radius: it moves for ever and stays in the town."""
STARTS_WITHIN_S: Final = 20.0


class Stage:
    """Vans, plans and orders of a pretend fleet; `update(second)` is everything that the hub would say that second."""

    def __init__(self, vans: int, place: town.Town, seed: int = 1) -> None:
        rng = random.Random(seed)
        self._homes = [place.place(rng.choice(place.houses).door_m) for _ in range(vans)]
        self._turn = [rng.random() * math.tau for _ in range(vans)]
        self.depot = place.place(place.depot.door_m)
        doors = [place.place(house.door_m) for house in place.houses]
        self._orders = [
            documents.order(_order(van * ORDERS_A_VAN + n, f"v{van}", n + 1, rng.choice(doors)))
            for van in range(vans)
            for n in range(ORDERS_A_VAN)
        ]
        self._plans = [self._plan(van) for van in range(vans)]

    def snapshot(self, second: int) -> bytes:
        """What a newcomer is told."""
        body: dict[str, Any] = {kind: [] for kind in ("event", "message", "report", "turn")}
        body |= {"vehicle": self._vans(second), "plan": self._plans, "order": self._orders}
        return sse("snapshot", msgspec.json.encode(body)) + self._tick(second)

    def update(self, second: int) -> bytes:
        """Every van has moved by a second."""
        return b"".join(sse("vehicle", msgspec.json.encode(van)) for van in self._vans(second)) + self._tick(second)

    def _tick(self, second: int) -> bytes:
        body = {"now": BEGINS + timedelta(seconds=second), "real_now": datetime.now(UTC), "database_away": False}
        return sse("tick", msgspec.json.encode(body))

    def _vans(self, second: int) -> list[documents.Document]:
        now, real = BEGINS + timedelta(seconds=second), datetime.now(UTC)
        found = []
        for van, (home, turn) in enumerate(zip(self._homes, self._turn, strict=True)):
            angle = turn + second * SPEED_MPS / ROUND_M
            at = _around(home, angle)
            found.append(
                documents.vehicle(
                    {
                        "vehicle_id": f"v{van}",
                        "name": f"Van {van}",
                        "depot_id": "d",
                        "driver_name": f"Driver {van}",
                        "driver_phone": "",
                        "capacity": 40,
                        "shift_start": BEGINS - timedelta(hours=2),
                        "shift_end": BEGINS + timedelta(hours=8),
                        "online": True,
                        "duty": "on",
                        "time": now,
                        "seen_real_at": real,
                        "lat_e6": at.lat_e6,
                        "lon_e6": at.lon_e6,
                        "speed_cm_s": round(SPEED_MPS * 100),
                        "heading_cdeg": round(math.degrees(angle + math.pi / 2) % 360 * 100),
                        "next_stop": f"o{van * ORDERS_A_VAN}",
                        "backlog": 0,
                        "plan_version": 1,
                        "receipts": {"in_force": None},
                    }
                )
            )
        return found

    def _plan(self, van: int) -> documents.Document:
        mine = self._orders[van * ORDERS_A_VAN : (van + 1) * ORDERS_A_VAN]
        circle = [_around(self._homes[van], step * math.tau / 12) for step in range(13)]
        row = {
            "vehicle_id": f"v{van}",
            "version": 1,
            "issued_at": BEGINS,
            "issued_real_at": BEGINS,
            "valid_until": None,
            "reason": "the day's first plan",
            "changes": [],
            "own_order": False,
            "plan": {"stops": [{"stop": order["order"]} for order in mine], "travel_times": "osrm"},
        }
        return documents.plan(row, [[round(at.lon_deg, 6), round(at.lat_deg, 6)] for at in circle])


def _around(home: LatLon, angle: float) -> LatLon:
    north = home.lat_deg + ROUND_M * math.cos(angle) / 111_195
    return LatLon(north, home.lon_deg + ROUND_M * math.sin(angle) / 111_195 / math.cos(math.radians(home.lat_deg)))


def _order(number: int, vehicle: str, position: int, at: LatLon) -> dict[str, Any]:
    eta = BEGINS + timedelta(minutes=20 * position)
    instants = {"window_start": BEGINS, "window_end": BEGINS + timedelta(hours=3), "eta": eta, "eta_low": eta, "eta_high": eta}
    return {
        "order_id": f"o{number}",
        "depot_id": "d",
        "lat_e6": at.lat_e6,
        "lon_e6": at.lon_e6,
        "vehicle_id": vehicle,
        "reference": f"S-{number}",
        "kind": "delivery",
        "name": "Kit",
        "address": f"Door {number}",
        "placed": "geocoded",
        "eta_basis": "osrm, calibrated",
        "promise_start": None,
        "promise_end": None,
        "parcels": 1,
        "service_s": 180,
        "priority": 0,
        "state": "next" if position == 1 else "planned",
        "reason": None,
        "position": position,
        "arrived_at": None,
        "done_at": None,
        **instants,
    }


@contextlib.contextmanager
def staged(folder: Path, vans: int, *, every_s: float) -> Iterator[str]:
    """Serve a stage; gives its address. Each update is a second of the vans' time, told every `every_s` seconds."""
    place = town.build(seed=1)
    town_file.write(place, folder / "town.osm.pbf")
    stage = Stage(vans, place)
    app = FastAPI()
    app.state.extract = (folder / "town.osm.pbf", folder)
    app.include_router(pages.router)

    @app.get("/v1/fleets/me")
    def fleet() -> dict[str, Any]:
        return {"fleet": "f", "name": "Stage", "timezone": "Europe/London", "planning": {}}

    @app.get("/v1/depots")
    def depots() -> dict[str, Any]:
        at = stage.depot
        return {"items": [{"depot": "d", "name": "Quay", "lat_deg": at.lat_deg, "lon_deg": at.lon_deg}], "next_cursor": None}

    @app.get("/v1/fences")
    def fences() -> dict[str, Any]:
        circle = {"lat_deg": stage.depot.lat_deg, "lon_deg": stage.depot.lon_deg, "radius_m": 300}
        yard = {"fence": "x", "name": "Yard", "circle": circle, "rings_deg": None, "dwell_s": None, "speed_limit_mps": None}
        return {"items": [yard], "next_cursor": None}

    @app.get("/v1/closures")
    @app.get("/v1/access-zones")
    def nothing() -> dict[str, Any]:
        return {"items": [], "next_cursor": None}

    @app.get("/v1/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(_told(stage, every_s), media_type="text/event-stream")

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=server.run, name="stage")
    thread.start()
    try:
        ends = time.monotonic() + STARTS_WITHIN_S
        while not server.started:
            if time.monotonic() > ends:
                raise SimError("the stage does not come up")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


async def _told(stage: Stage, every_s: float) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(stage.snapshot, 0)
    begun = time.monotonic()
    second = 0
    while True:
        second += 1
        body = await asyncio.to_thread(stage.update, second)
        await asyncio.sleep(max(0.0, begun + second * every_s - time.monotonic()))
        yield body
