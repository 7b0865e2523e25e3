"""The API's own door in front of the filled table, for `make bench-ingest`: what a person waits for, HTTP and JSON included."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from roundsman_hub.api import keys
from roundsman_hub.broker import free_port
from roundsman_hub.settings import Endpoint, Settings
from roundsman_hub.store.db import Database

STARTS_WITHIN_S: Final = 60.0
TIMES: Final = 9
MAP_ZOOM: Final = 14
"""A town fills the screen: what the dispatch page asks a track for."""


@contextlib.contextmanager
def door(settings: Settings, fleet: str, folder: Path) -> Iterator[httpx.Client]:
    """An API of its own on this database, and a client with a key of the fleet."""
    here = Endpoint(host="127.0.0.1", port=free_port("127.0.0.1"))
    folder.mkdir(exist_ok=True)
    own = replace(settings, data_dir=folder, api=here)
    own.save()
    with Database.connect(settings.database_url, max_size=1) as db:
        key = keys.create(db, fleet, "viewer", "bench")
    process = subprocess.Popen([sys.executable, "-m", "roundsman_hub", "api", "--data", str(folder)], start_new_session=True)
    try:
        with httpx.Client(base_url=own.api_url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False) as client:
            deadline = time.monotonic() + STARTS_WITHIN_S
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/healthz").status_code == 200:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the API did not start")
                time.sleep(0.05)
            yield client
    finally:
        process.terminate()
        process.wait()


def ask(client: httpx.Client, days: list[tuple[str, datetime]], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Figures of the door: tracks of these vehicles' days, as a map asks and whole, and the picture of all vans."""

    def track(**more: Any) -> float:
        took = []
        for vehicle, day in days:
            params = {"from": day.isoformat(), "to": (day + timedelta(days=1)).isoformat(), **more}
            took.append(_ms(client, f"/v1/vehicles/{vehicle}/track", params))
        return statistics.median(took)

    def again(path: str) -> float:
        return statistics.median(_ms(client, path, {}) for _ in range(TIMES))

    yield {"name": "track_door_ms", "value": track(zoom=MAP_ZOOM), "unit": "ms", "goal": 100.0}
    yield {"name": "track_door_whole_ms", "value": track(), "unit": "ms"}
    yield {"name": "latest_5000_door_ms", "value": again("/v1/positions"), "unit": "ms", "goal": 50.0}
    first_ms = _ms(client, "/v1/live", {})  # draws every plan, which is kept
    say(f"  the picture of all vans, the first time: {first_ms:,.0f} ms")
    yield {"name": "live_5000_door_ms", "value": again("/v1/live"), "unit": "ms"}


def _ms(client: httpx.Client, path: str, params: dict[str, Any]) -> float:
    began = time.monotonic()
    client.get(path, params=params).raise_for_status()
    return 1000 * (time.monotonic() - began)
