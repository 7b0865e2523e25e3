"""The rounds of `make bench-ingest`: `\\copy` of the rows and the same rows through mosquitto and an ingest worker take turns, each into an
emptied table after a checkpoint. `\\copy` is given the binary format, which costs the server less than psql's default."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from roundsman_hub import bench_ingest_db as stage, bench_ingest_watch as watch
from roundsman_hub.bench_ingest_db import Server, Wires
from roundsman_hub.bench_ingest_fill import DAY_FIXES
from roundsman_hub.bench_ingest_questions import questions
from roundsman_hub.bench_ingest_watch import Seen
from roundsman_hub.settings import Endpoint, Settings
from roundsman_hub.store.db import Database

VANS: Final = 500
DAY_PER_FRAME: Final = 240
"""What a van puts into a frame when it has a backlog."""
LIGHT_FIXES_S: Final = 500
"""All vans at one fix a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int
    fixes: dict[int, int]
    """By fixes a frame."""
    lag_s: float
    table_rows: int


FULL: Final = Size(rounds=3, fixes={10: 1_200_000, 60: 1_800_000}, lag_s=12.0, table_rows=20_160_000)
QUICK: Final = Size(rounds=1, fixes={10: 200_000, 60: 480_000}, lag_s=8.0, table_rows=2_016_000)
GOALS: Final = {10: (0.6, 6.0), 60: (0.85, 2.0)}
"""By fixes a frame: at least this share of `\\copy`'s speed, at most so many microseconds of the hub's CPU a fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `goal`: at most, or with `least` at least this; None: only told. `peer`: `\\copy`'s, or a line's without paho."""

    name: str
    value: float | None
    unit: str
    goal: float | None = None
    peer: float | None = None
    least: bool = False

    @property
    def holds(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value is not None and (self.value >= self.goal if self.least else self.value <= self.goal)


class Program:
    """A helper program that answers JSON commands."""

    def __init__(self, module: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Tell it what to do; its answer."""
        self.tell(**command)
        return self.answer()

    def tell(self, **command: Any) -> None:
        """Tell it what to do, or without a command that it is enough."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the load program ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def load(wires: Wires, **options: Any) -> Iterator[Program]:
    """Vans with their frames made."""
    program = Program("roundsman_hub.bench_ingest_load", port=wires.load_port, **options)
    try:
        yield program
    finally:
        program.end()


@contextlib.contextmanager
def ingest(settings: Settings, line: str) -> Iterator[int]:
    """An ingest worker that serves all shards, over a kind of line. Gives its process id."""
    command = [sys.executable, "-m", "roundsman_hub.bench_ingest_lines", line, "--data", str(settings.data_dir)]
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE log.ingest_workers")
        process = subprocess.Popen(command, start_new_session=True)
        try:
            deadline = time.monotonic() + 30
            while True:
                row = connection.execute("SELECT coalesce(max(cardinality(shards)), 0) FROM log.ingest_workers").fetchone()
                if row and row[0] == 64:
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the ingest worker did not start")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()
            process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """One round through broker and worker."""

    fixes_s: float
    cpu_us: dict[str, float]
    resent: int


class Bench:
    """The measurements on one database."""

    def __init__(self, server: Server, wires: Wires, home: Path, size: Size, say: Callable[[str], None]) -> None:
        self._server, self._wires, self._home, self._size, self._say = server, wires, home, size, say
        self._settings = Settings(
            data_dir=home,
            database_url=server.dsn,
            hub_broker=wires.broker.hub,
            vans_broker=wires.broker.vans,
            api=Endpoint(host=stage.HOST, port=1),
        )
        self._settings.save()
        self._half_of = 0.0

    def prepare(self) -> None:
        """The fleet of 5,000 vehicles that everything below is about."""
        with Database.connect(self._server.dsn, max_size=1) as db, db.transaction() as cur:
            cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('fl_bench', 'Bench') ON CONFLICT DO NOTHING")
            cur.execute(
                "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) "
                "VALUES ('p_bench', 'fl_bench', 'D', 0, 0) ON CONFLICT DO NOTHING"
            )
            cur.execute(
                "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
                "SELECT 'v_' || lpad(to_hex(n), 12, '0'), 'fl_bench', 'Van', 'p_bench', 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z' "
                "FROM generate_series(0, 4999) AS n ON CONFLICT DO NOTHING"
            )

    def limits(self, per: int) -> Iterator[Row]:
        """Throughput and CPU, at so many fixes a frame."""
        share, cpu_us = GOALS[per]
        count = self._size.fixes[per] // (VANS * per)
        path = self._home / f"{self._server.kind}-{per}.copy"
        with load(self._wires, vans=VANS, first=0, frames=count, per=per) as vans:
            fixes = vans.ask(do="copy", path=str(path))["fixes"]
            path.chmod(0o644)
            copies: list[float] = []
            floods: list[Flood] = []
            for _ in range(self._size.rounds):
                copies.append(self._copy(path, fixes))
                with ingest(self._settings, "wire") as pid:
                    floods.append(self._flood(vans, pid, per, fixes))
            limit = statistics.median(flood.fixes_s for flood in floods)
            if per == 10:
                self._half_of = limit
            ratio = statistics.median(flood.fixes_s / copy for flood, copy in zip(floods, copies, strict=True))
            cpu = statistics.median(flood.cpu_us["hub"] for flood in floods)
            yield Row(name=f"ratio_{per}", value=ratio, unit="", goal=share, peer=1.0, least=True)
            yield Row(name=f"fixes_s_{per}", value=limit, unit="/s", peer=statistics.median(copies))
            others = {}
            for line in ("raw", "paho"):
                with ingest(self._settings, line) as pid:
                    others[line] = self._flood(vans, pid, per, fixes)
        path.unlink()
        yield Row(name=f"cpu_us_{per}", value=cpu, unit="µs", goal=cpu_us, peer=others["raw"].cpu_us["hub"])
        yield Row(name=f"cpu_us_{per}_paho_alone", value=others["paho"].cpu_us["hub"], unit="µs")

    def _copy(self, path: Path, fixes: int) -> float:
        self._empty()
        before = self._server.cpu_s()
        seconds = stage.copy_s(self._server.dsn, path)
        used = (self._server.cpu_s() - before) / fixes * 1e6
        self._say(f"  \\copy            {fixes / seconds:>9,.0f} fixes/s   µs a fix: database {used:.2f}")
        return fixes / seconds

    def _flood(self, vans: Program, pid: int, per: int, fixes: int) -> Flood:
        self._empty()
        pids = {"hub": pid, "mosquitto": self._wires.pid, "vans": vans.process.pid}
        before = {name: stage.cpu_s(number) for name, number in pids.items()} | {"database": self._server.cpu_s()}
        busy, idle = stage.machine_s()
        vans.tell(do="flood")
        done = watch.stored_at(self._server.dsn, fixes)
        busy, idle = (after - before for after, before in zip(stage.machine_s(), (busy, idle), strict=True))
        after = {name: stage.cpu_s(number) for name, number in pids.items()} | {"database": self._server.cpu_s()}
        vans.tell()
        told = vans.answer()
        cpu = {name: (after[name] - before[name]) / told["fixes"] * 1e6 for name in before}
        with psycopg.connect(self._server.dsn) as connection:
            row = connection.execute("SELECT count(*) FROM log.fixes").fetchone()
            if row is None or row[0] != told["fixes"]:
                raise SystemExit(f"{row} fixes are stored of {told['fixes']}")
        words = ", ".join(f"{name} {value:.2f}" for name, value in cpu.items())
        rate = told["fixes"] / (done - told["began"])
        strangers = busy - sum(cpu.values()) * told["fixes"] / 1e6
        words += f"; machine: {idle / (busy + idle):.0%} idle, {strangers / (busy + idle):.0%} other programs and the kernel's own"
        self._say(f"  {per} a frame       {rate:>9,.0f} fixes/s   µs a fix: {words}   (sent again: {told['resent_frames']} frames)")
        return Flood(fixes_s=rate, cpu_us=cpu, resent=told["resent_frames"])

    def _empty(self) -> None:
        with psycopg.connect(self._server.dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE log.fixes, log.watermarks, log.sessions")
            connection.execute("CHECKPOINT")

    def lags(self) -> Iterator[Row]:
        """From a frame's leaving to its fixes being seen by who asks all the time."""
        if not self._half_of:
            self._half_of = self._limit()
        with ingest(self._settings, "wire"):
            for name, rate, goal in (("lag_light_p99_s", LIGHT_FIXES_S, 0.5), ("lag_half_p99_s", self._half_of / 2, 2.0)):
                self._empty()
                frames = int(rate / 10 * self._size.lag_s / VANS) + 2
                with load(self._wires, vans=VANS, first=0, frames=frames, per=10) as vans, Seen(self._server.dsn).watching() as seen:
                    lags = self._paced(vans, seen, rate / 10)
                self._say(f"  {rate:,.0f} fixes/s for {self._size.lag_s:g} s: {_lag_text(lags)}")
                yield Row(name=name, value=lags["p99"], unit="s", goal=goal)
            self._empty()
            yield from self._backlog()

    def questions(self) -> Iterator[Row]:
        """Of a large table."""
        self._empty()
        for row in questions(self._settings, self._size.table_rows, self._say):
            yield Row(**row)

    def _limit(self) -> float:
        """One round of ten fixes a frame, where nobody asked for those rounds: half of what goes through is not known otherwise."""
        fixes = QUICK.fixes[10]
        with load(self._wires, vans=VANS, first=0, frames=fixes // (VANS * 10), per=10) as vans, ingest(self._settings, "wire") as pid:
            return self._flood(vans, pid, 10, fixes).fixes_s

    def _paced(self, vans: Program, seen: Seen, frames_s: float) -> dict[str, float]:
        seen.wait(vans.ask(do="pace", frames_s=frames_s, seconds=self._size.lag_s)["sent"])
        vans.tell()
        return seen.lags(vans.answer()["left"], 10)

    def _backlog(self) -> Iterator[Row]:
        """A van comes home with its whole day while the others drive on."""
        rate = LIGHT_FIXES_S / 10
        with (
            load(self._wires, vans=VANS, first=0, frames=int(rate * self._size.lag_s / VANS) + 2, per=10) as others,
            load(self._wires, vans=1, first=VANS, frames=DAY_FIXES // DAY_PER_FRAME, per=DAY_PER_FRAME) as late,
            Seen(self._server.dsn).watching() as seen,
        ):
            thread = threading.Timer(1.0, late.tell, kwargs={"do": "flood"})
            thread.start()
            lags = self._paced(others, seen, rate)
            thread.join()
            home = f"{VANS:016x}"
            seen.wait({home: DAY_FIXES})
            late.tell()
            drained = (seen.at(home, DAY_FIXES) or 0.0) - late.answer()["began"]
        self._say(f"  a day of {DAY_FIXES:,} fixes: {drained:.2f} s; the others meanwhile: {_lag_text(lags)}")
        yield Row(name="backlog_day_s", value=drained, unit="s", goal=20.0)
        yield Row(name="backlog_others_p99_s", value=lags["p99"], unit="s", goal=0.5)


def _lag_text(lags: dict[str, float]) -> str:
    return "lag " + ", ".join(f"{name} {value:.3f}" for name, value in lags.items()) + " s"
