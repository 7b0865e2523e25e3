"""`make bench-ingest`: how near ingest comes to `psql \\copy` of the same rows, what it costs, how late it is; what questions take.

On each kind of database there is, in one run: `\\copy` of the rows and the same rows through mosquitto and an ingest worker take turns,
each into an emptied table after a checkpoint. `\\copy` is given the binary format, which costs the server less than psql's default.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from roundsman_hub import bench_ingest_db as stage, bench_ingest_watch as watch
from roundsman_hub.bench_ingest_db import Server, Wires
from roundsman_hub.bench_ingest_questions import questions
from roundsman_hub.bench_ingest_watch import Seen
from roundsman_hub.settings import Endpoint, Settings
from roundsman_hub.store.db import Database

VANS: Final = 500
DAY_FIXES: Final = 28_800
"""Of a van: eight hours at one a second."""
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

    def __init__(self, server: Server, wires: Wires, home: Path, size: Size) -> None:
        self._server, self._wires, self._home, self._size = server, wires, home, size
        self._settings = Settings(
            data_dir=home,
            database_url=server.dsn,
            hub_broker=wires.broker.hub,
            vans_broker=wires.broker.vans,
            api=Endpoint(host=stage.HOST, port=1),
        )
        self._settings.save()
        self._half_of = 0.0

    def rows(self) -> list[Row]:
        """Everything, on this database."""
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
        found = [*self._limits(10, 0.6, 6.0), *self._limits(60, 0.85, 2.0), *self._lags()]
        self._empty()
        return found + [Row(**row) for row in questions(self._settings, self._size.table_rows, say)]

    def _limits(self, per: int, share: float, cpu_us: float) -> list[Row]:
        """Throughput and CPU, at so many fixes a frame."""
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
            others = {}
            for line in ("raw", "paho"):
                with ingest(self._settings, line) as pid:
                    others[line] = self._flood(vans, pid, per, fixes)
        path.unlink()
        limit = statistics.median(flood.fixes_s for flood in floods)
        if per == 10:
            self._half_of = limit
        ratio = statistics.median(flood.fixes_s / copy for flood, copy in zip(floods, copies, strict=True))
        cpu = statistics.median(flood.cpu_us["hub"] for flood in floods)
        return [
            Row(name=f"ratio_{per}", value=ratio, unit="", goal=share, peer=1.0, least=True),
            Row(name=f"fixes_s_{per}", value=limit, unit="/s", peer=statistics.median(copies)),
            Row(name=f"cpu_us_{per}", value=cpu, unit="µs", goal=cpu_us, peer=others["raw"].cpu_us["hub"]),
            Row(name=f"cpu_us_{per}_paho_alone", value=others["paho"].cpu_us["hub"], unit="µs"),
        ]

    def _copy(self, path: Path, fixes: int) -> float:
        self._empty()
        before = self._server.cpu_s()
        seconds = stage.copy_s(self._server.dsn, path)
        used = (self._server.cpu_s() - before) / fixes * 1e6
        say(f"  \\copy            {fixes / seconds:>9,.0f} fixes/s   µs a fix: database {used:.2f}")
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
        say(f"  {per} a frame       {rate:>9,.0f} fixes/s   µs a fix: {words}   (sent again: {told['resent_frames']} frames)")
        return Flood(fixes_s=rate, cpu_us=cpu, resent=told["resent_frames"])

    def _empty(self) -> None:
        with psycopg.connect(self._server.dsn, autocommit=True) as connection:
            connection.execute("TRUNCATE log.fixes, log.watermarks, log.sessions")
            connection.execute("CHECKPOINT")

    def _lags(self) -> list[Row]:
        """From a frame's leaving to its fixes being seen by who asks all the time."""
        found = []
        with ingest(self._settings, "wire"):
            for name, rate, goal in (("lag_light_p99_s", LIGHT_FIXES_S, 0.5), ("lag_half_p99_s", self._half_of / 2, 2.0)):
                self._empty()
                frames = int(rate / 10 * self._size.lag_s / VANS) + 2
                with load(self._wires, vans=VANS, first=0, frames=frames, per=10) as vans, Seen(self._server.dsn).watching() as seen:
                    lags = self._paced(vans, seen, rate / 10)
                say(f"  {rate:,.0f} fixes/s for {self._size.lag_s:g} s: {_lag_text(lags)}")
                found.append(Row(name=name, value=lags["p99"], unit="s", goal=goal))
            self._empty()
            found += self._backlog()
        return found

    def _paced(self, vans: Program, seen: Seen, frames_s: float) -> dict[str, float]:
        seen.wait(vans.ask(do="pace", frames_s=frames_s, seconds=self._size.lag_s)["sent"])
        vans.tell()
        return seen.lags(vans.answer()["left"], 10)

    def _backlog(self) -> list[Row]:
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
        say(f"  a day of {DAY_FIXES:,} fixes: {drained:.2f} s; the others meanwhile: {_lag_text(lags)}")
        return [
            Row(name="backlog_day_s", value=drained, unit="s", goal=20.0),
            Row(name="backlog_others_p99_s", value=lags["p99"], unit="s", goal=0.5),
        ]


def _lag_text(lags: dict[str, float]) -> str:
    return "lag " + ", ".join(f"{name} {value:.3f}" for name, value in lags.items()) + " s"


def say(text: str) -> None:
    """Tell people how far it is."""
    print(text, flush=True)


def main() -> int:
    """Measure on every kind of database there is; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timescaledb-root", type=Path, help="folder that .ci/timescaledb-root prints")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    options = parser.parse_args()
    logging.getLogger("roundsman_hub").setLevel(logging.WARNING)
    size = QUICK if options.quick else FULL
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        kinds: list[Any] = [lambda: stage.plain(home)]
        if options.timescaledb_root:
            kinds.append(lambda: stage.timescaledb(options.timescaledb_root))
        else:
            say("no TimescaleDB here: partitions alone")
        with stage.wires(home) as wires:
            for make in kinds:
                with make() as server:
                    say(f"{server.text}, fsync on, {os.cpu_count()} cores; {VANS} vans through mosquitto")
                    suffix = "" if server.kind == "plain" else "@timescaledb"
                    rows += [Row(**asdict(row) | {"name": row.name + suffix}) for row in Bench(server, wires, home, size).rows()]
    print(f"{'row':<34} {'measured':>12}      {'goal':>10}  {'peer':>10}  holds")
    for row in rows:
        goal = "–" if row.goal is None else f"{'≥' if row.least else '≤'} {row.goal:g}"
        value = "–" if row.value is None else f"{row.value:,.4g}" if row.value < 1000 else f"{row.value:,.0f}"
        peer = "" if row.peer is None else f"{row.peer:,.3g}" if row.peer < 1000 else f"{row.peer:,.0f}"
        print(
            f"{row.name:<34} {value:>12} {row.unit:<4} {goal:>10}  {peer:>10}  {'' if row.holds is None else 'yes' if row.holds else 'NO'}"
        )
    body = [{"name": r.name, "value": r.value, "unit": r.unit, "goal": r.goal, "peer": r.peer, "holds": r.holds} for r in rows]
    print(json.dumps({"bench": "ingest", "rows": body, "short": sum(row.holds is False for row in rows)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
