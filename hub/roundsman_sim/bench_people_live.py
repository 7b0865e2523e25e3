"""Ten thousand open pages at one uvicorn process: what each costs in memory, and how long a ring takes to the last of them."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from roundsman_hub.broker import free_port
from roundsman_hub.store.db import Database, Notice, notify
from roundsman_sim.bench_people_fleet import Fleet

OPENING_AT_ONCE: Final = 60
SETTLES_S: Final = 2.0


def serve(dsn: str, port: int, folder: Path) -> None:
    """The real API, alone in its process."""
    import uvicorn

    from roundsman_hub.api.app import create_app
    from roundsman_hub.clock import Clock
    from roundsman_hub.roads import GreatCircle
    from roundsman_hub.settings import BrokerLogin, Endpoint, Settings

    _many_files()
    here = Endpoint(host="127.0.0.1", port=port)
    login = BrokerLogin(host="127.0.0.1", port=0, username="", password="")
    settings = Settings(data_dir=folder, database_url=dsn, hub_broker=login, vans_broker=here, api=here)
    with Database.connect(dsn, max_size=16) as db:
        app = create_app(settings, db, Clock(), None, GreatCircle())
        uvicorn.run(app, host=here.host, port=port, log_level="error", access_log=False, backlog=4096, timeout_graceful_shutdown=1)


def _many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard == resource.RLIM_INFINITY else min(hard, 65_536), hard))


class Page(asyncio.Protocol):
    """One open page: counts rings and when they came."""

    def __init__(self, path: str, opened: asyncio.Future[None]) -> None:
        self._path, self._opened = path, opened
        self.rang_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """The first bytes open it; `changed` is a ring."""
        if b"event: changed" in data:
            self.rang_at = time.monotonic()
        if not self._opened.done():
            self._opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It should not happen while we measure."""
        if not self._opened.done():
            self._opened.set_exception(exc or ConnectionError("closed"))


@dataclass(frozen=True, kw_only=True)
class Found:
    """Pages that are open at once; what each costs the server; p99 of a ring, from its commit's begin until it is at the page."""

    still_open: int
    each_kb: float
    p99_s: float
    ring_cpu_s: float


async def _measure(db: Database, made: Fleet, port: int, process: psutil.Process, many: int, rounds: int) -> Found:
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(OPENING_AT_ONCE)
    before = process.memory_info().rss
    pages: list[Page] = []

    async def one(number: int) -> None:
        async with gate:
            opened: asyncio.Future[None] = loop.create_future()
            path = f"/t/{made.tokens[number % len(made.tokens)]}/events"
            _, page = await loop.create_connection(lambda: Page(path, opened), "127.0.0.1", port)
            await opened
            pages.append(page)

    await asyncio.gather(*(one(number) for number in range(many)))
    await asyncio.sleep(SETTLES_S)
    each_kb = (process.memory_info().rss - before) / 1024 / many
    waits: list[float] = []
    cpu = process.cpu_times()
    for _ in range(rounds):
        for page in pages:
            page.rang_at = None
        began = time.monotonic()
        await asyncio.to_thread(_change_all, db, made)
        deadline = began + 30
        while any(page.rang_at is None for page in pages) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        waits += [(page.rang_at or deadline) - began for page in pages]
        await asyncio.sleep(0.5)
    still_open = sum(not page.transport.is_closing() for page in pages)
    for page in pages:
        page.transport.abort()
    used = process.cpu_times()
    ring_cpu_s = (used.user + used.system - cpu.user - cpu.system) / rounds
    return Found(still_open=still_open, each_kb=each_kb, p99_s=sorted(waits)[int(0.99 * (len(waits) - 1))], ring_cpu_s=ring_cpu_s)


def _change_all(db: Database, made: Fleet) -> None:
    with db.transaction() as cur:
        notify(cur, *(Notice(topic="order", fleet_id=made.fleet, subject=order) for order in made.orders))


def run(db: Database, made: Fleet, folder: Path, many: int, rounds: int) -> Found:
    """Open so many pages at a process of its own, and ring at all of them, some rounds."""
    _many_files()
    port = free_port()
    served = subprocess.Popen(
        [sys.executable, "-m", "roundsman_sim.bench_people_live", db.dsn, str(port), str(folder)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or served.poll() is not None:
                    raise
                time.sleep(0.1)
        return asyncio.run(_measure(db, made, port, psutil.Process(served.pid), many, rounds))
    finally:
        served.kill()  # it has nothing to keep
        served.wait()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
