"""What a soak is played with: a real broker, the whole hub and its database, and vans, each behind a line that can be spoilt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg

from roundsman_hub import broker as hub_broker
from roundsman_hub.broker import free_port
from roundsman_hub.pki import open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_hub.supervise import BrokerKeeper
from roundsman_hub.tether import tethered
from roundsman_sim import SimError
from roundsman_sim.programs import Program
from roundsman_sim.proxy import Proxy
from roundsman_sim.soak_line import HubLine
from roundsman_sim.world import until

Say = Callable[[str], None]

HUB_STARTS_WITHIN_S: Final = 180.0
FLOWS_WITHIN_S: Final = 120.0
"""A fault that is not over by then is a failure of the run, not a slow heal."""
DATABASE_MB: Final = 2_400
VAN_DISK_MB: Final = 24
LOOKS_EVERY_S: Final = 0.05


@dataclass(kw_only=True, eq=False)
class Van:
    """One van's process, and what it has told of its commits."""

    number: int
    vehicle: str
    folder: Path
    link: Proxy
    spec: dict[str, Any]
    process: asyncio.subprocess.Process | None = None
    reader: asyncio.Task[None] | None = None
    orders: dict[str, Any] = field(default_factory=dict)
    committed: tuple[float, str, int] = (0.0, "", 0)
    kept: int = 0
    """Fixes committed so far, as far as it could say so before it was killed."""
    destroyed: list[dict[tuple[str, int], int]] = field(default_factory=list)
    """Each time that an older image was put back: where each lane of it ended. What came after is on no disk any more."""

    @property
    def store(self) -> Path:
        return Path(self.spec["store"])

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def start(self) -> None:
        with (self.folder / "van.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *tethered([sys.executable, "-m", "roundsman_sim.soak_van", str(self.folder / "spec.json")]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self.reader = asyncio.create_task(self._read(self.process))
        self.tell(**self.orders)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError, KeyError):  # a kill may cut a line in the middle
                said = json.loads(line)
                self.committed = said["at"], said["session"], said["track"]
                self.kept += said["kept"]

    def tell(self, **orders: Any) -> None:
        """Give orders; those that last are given again after a restart."""
        self.orders |= {name: value for name, value in orders.items() if name not in ("burst", "poison")}
        if self.process is not None and self.process.stdin is not None and self.process.returncode is None:
            with contextlib.suppress(OSError):
                self.process.stdin.write(json.dumps(orders).encode() + b"\n")

    async def end(self, sig: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(sig)
            try:
                await asyncio.wait_for(self.process.wait(), 20.0)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self.reader is not None:
            await self.reader


@dataclass(kw_only=True, eq=False)
class SoakWorld:
    """Everything that runs, and the faults' handles on it."""

    directory: Path
    seed: int
    say: Say
    rng: random.Random
    vans: list[Van] = field(default_factory=list)
    mounts: list[Path] = field(default_factory=list)
    can_mount: bool = False
    backup: Path | None = None
    _broker: BrokerKeeper | None = None
    _made: hub_broker.Broker | None = None
    line: HubLine | None = None
    hub: Program | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.directory / "hub"

    # ── start and end ───────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, vans: int, *, small_stores: bool) -> None:
        """Bring everything up: the first start of a database takes some seconds."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.can_mount = self._mount(self.data / "postgres", DATABASE_MB)
        pki = open_pki(self.data / "pki", hosts=["127.0.0.1"])
        self._made = hub_broker.prepare(
            self.directory / "broker",
            pki,
            vans=Endpoint(host="127.0.0.1", port=free_port()),
            hub=Endpoint(host="127.0.0.1", port=free_port()),
        )
        self._broker = BrokerKeeper(self._made, self.say)
        self.line = HubLine(self._made.hub.host, self._made.hub.port, random.Random(self.seed))
        await self.line.start()
        await self.start_hub()
        for number in range(vans):
            await self._new_van(number, max_mb=0 if small_stores and number == 0 else 20)

    async def start_hub(self) -> None:
        """`roundsman-hub serve`, at a broker of the soak's own, until its API is ready."""
        assert self._made is not None
        assert self.line is not None
        login = self._made.hub
        url = f"mqtt://{login.username}:{login.password}@127.0.0.1:{self.line.port}"
        options = ["serve", "--data", str(self.data), "--api-port", "0", "--files-port", "0", "--mqtt", url]
        self.hub = Program("hub", ["roundsman_hub", *options], self.directory / "hub.log")
        (self.data / "hub.json").unlink(missing_ok=True)
        await self.hub.start()

        def ready() -> bool:
            assert self.hub is not None
            self.hub.require_alive()
            return self.look() and self.api_serves()

        await until(ready, within_s=HUB_STARTS_WITHIN_S, what="the hub to be ready")

    async def _new_van(self, number: int, *, max_mb: int) -> None:
        vehicle = f"v_50a{number:09x}"
        folder = self.directory / f"van{number}"
        folder.mkdir()
        assert self._made is not None
        link = Proxy(self._made.vans.host, self._made.vans.port)
        await link.start()
        store = folder / "store"
        self._mount(store, VAN_DISK_MB)
        store.mkdir(exist_ok=True)
        pki = open_pki(self.data / "pki", hosts=["127.0.0.1"])
        toml = provision(pki, Unit(vehicle_id=vehicle, broker=Endpoint(host="127.0.0.1", port=link.port)), folder / "unit")
        toml.write_text(toml.read_text().replace(f"port = {link.port}\n", f"port = {link.port}\nkeepalive_s = 5\n", 1))
        with psycopg.connect(self.about["database_url"]) as db:
            fleet = db.execute("SELECT fleet_id FROM fleets LIMIT 1").fetchone()
            assert fleet is not None
            db.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES ('p_soak', %s, 'Depot', 0, 0) ON CONFLICT DO NOTHING",
                fleet,
            )
            db.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "VALUES (%s, %s, %s, 'p_soak', 10, now(), now() + interval '8 hours')",
                (vehicle, *fleet, vehicle),
            )
        spec = {
            "seed": self.seed,
            "van": number,
            "vehicle": vehicle,
            "store": str(store),
            "max_mb": max_mb,
            "agent_toml": str(toml),
            "journal": str(folder / "journal.jsonl"),
            "base_utc_ms": int(time.time() * 1000) - 7_200_000,
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        van = Van(number=number, vehicle=vehicle, folder=folder, link=link, spec=spec)
        self.vans.append(van)
        await van.start()

    def _mount(self, folder: Path, size_mb: int) -> bool:
        """A small disk in memory, where this user may make one."""
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return False
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder], capture_output=True, check=False)
        if done.returncode == 0:
            self.mounts.append(folder)
        return done.returncode == 0

    async def stop(self) -> None:
        """End everything that was started; disks in memory go with what is on them."""
        for van in self.vans:
            await van.end(signal.SIGKILL)
            await van.link.stop()
        if self.hub is not None:
            await self.hub.stop()
        if self.line is not None:
            await self.line.stop()
        if self._broker is not None:
            self._broker.stop()
        for folder in reversed(self.mounts):
            subprocess.run(["umount", "-l", folder], check=False)  # lazy: returns at once

    # ── the broker, kept by the soak ────────────────────────────────────────────────────────────────────────────────

    def kill_broker(self) -> None:
        """kill -9, and its retained messages are gone with it."""
        assert self._broker is not None
        assert self._made is not None
        os.kill(self._broker.pid, signal.SIGKILL)
        (self._made.directory / "mosquitto.db").unlink(missing_ok=True)

    async def revive_broker(self) -> None:
        assert self._broker is not None
        assert self._made is not None
        (self._made.directory / "mosquitto.db").unlink(missing_ok=True)
        await asyncio.to_thread(self._broker.step)

    @property
    def broker_pid(self) -> int:
        assert self._broker is not None
        return self._broker.pid

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> bool:
        """Read hub.json again, where it is."""
        with contextlib.suppress(OSError, ValueError):
            self.about = json.loads((self.data / "hub.json").read_text())
            return True
        return False

    def pid(self, name: str) -> int | None:
        """Process of a role, or of the database."""
        self.look()
        found = self.about.get("pids", {}).get(name)
        return None if found is None else int(found)

    def api_serves(self) -> bool:
        """Whether the API answers, and says that it reaches what it stands on."""
        try:
            return httpx.get(f"{self.about['api_url']}/readyz", timeout=1.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def watermarks(self) -> dict[tuple[str, str], int]:
        """(vehicle, session) → how far its track is stored; empty while the database is away."""
        try:
            with psycopg.connect(self.about["database_url"], connect_timeout=2, options="-c statement_timeout=2000") as db:
                rows = db.execute(
                    "SELECT s.vehicle_id, s.session, w.through_seq FROM log.watermarks w JOIN log.sessions s USING (session_no) "
                    "WHERE lane = 1"
                ).fetchall()
        except psycopg.Error:
            return {}
        return {(vehicle, session): through for vehicle, session, through in rows}

    async def flowing(self, since: float) -> float:
        """Seconds from `since` until a fix that each van committed after it is stored at the hub.

        Raises
        ------
        SimError
            It does not flow again.
        """
        waiting: dict[int, tuple[str, str, int] | None] = dict.fromkeys(range(len(self.vans)))

        async def all_flow() -> bool:
            for number, wanted in list(waiting.items()):
                van = self.vans[number]
                at, session, seq = van.committed
                if wanted is None and at >= since:
                    waiting[number] = van.vehicle, session, seq
            if any(wanted is not None for wanted in waiting.values()):
                stored = await asyncio.to_thread(self.watermarks)
                for number, wanted in list(waiting.items()):
                    if wanted is not None and stored.get(wanted[:2], 0) >= wanted[2]:
                        del waiting[number]
            return not waiting

        await until(all_flow, within_s=FLOWS_WITHIN_S, what="every van's fixes to be stored again", every_s=LOOKS_EVERY_S)
        return time.monotonic() - since

    async def drained(self, within_s: float) -> None:
        """Until everything that the vans committed is stored. They must have stopped generating."""

        async def all_stored() -> bool:
            stored = await asyncio.to_thread(self.watermarks)
            return all(stored.get((van.vehicle, van.committed[1]), 0) >= van.committed[2] for van in self.vans)

        await until(all_stored, within_s=within_s, what="the vans' backlog to be stored", every_s=0.5)

    # ── images ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def take_backup(self) -> None:
        """A dump of the hub's database as it is now."""
        out = self.directory / "older.dump"
        out.unlink(missing_ok=True)
        await self._hub_command("db", "backup", "--out", str(out))
        self.backup = out

    async def restore_backup(self) -> None:
        """Stop the hub, put the older database in its place, start the hub again."""
        assert self.hub is not None
        assert self.backup is not None
        await self.hub.stop()
        await self._hub_command("db", "restore", str(self.backup))
        await self.start_hub()

    async def _hub_command(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *tethered([sys.executable, "-m", "roundsman_hub", *arguments, "--data", str(self.data)]),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 240)
        if process.returncode != 0:
            raise SimError(f"roundsman-hub {' '.join(arguments)}: {said.decode().strip()}")

    def copy_store(self, van: Van, to: Path) -> None:
        """Copy a stopped van's store."""
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        for file in van.store.iterdir():
            if file.is_file() and file.name != "fill":
                shutil.copy2(file, to / file.name)

    def put_store_back(self, van: Van, image: Path) -> None:
        """What the image holds is all that the van has now."""
        for file in van.store.iterdir():
            file.unlink()
        for file in image.iterdir():
            shutil.copy2(file, van.store / file.name)
