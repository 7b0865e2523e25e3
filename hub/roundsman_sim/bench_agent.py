"""`make bench-agent`: what the van's program costs in bytes, CPU, memory and disk, and what it withstands."""

from __future__ import annotations

import importlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from roundsman_sim import SimError, bench_agent_wire, bench_peers, power_cuts
from roundsman_sim.bench_agent_unit import FENCES, Rig, Watcher, cpu_ns, rig, rss_bytes, until, written_bytes
from roundsman_sim.bench_table import Row, last_line, table

Say = Callable[[str], None]
MEASURED_S: Final = 60.0
"""Six commits and twelve live markers."""
SETTLES_S: Final = 5.0
POWER_CUTS: Final = 20_000
FUZZ_INPUTS: Final = 1_000_000
SEED: Final = 1
DAY_S: Final = 86_400


def main(say: Say) -> int:
    """Measure and print; the exit code is 0 whatever holds: the last line says it. `QUICK=1`: a tenth of the cuts and inputs."""
    share = 10 if os.environ.get("QUICK") else 1
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder, rig(Path(folder)) as one:
        rows += _wire(one, say)
        rows += _costs(one, say)
    rows += _power(POWER_CUTS // share, say)
    rows += _others("bench_visits", "visits against truth", say, SEED)
    rows += _others("bench_agent_fuzz", f"{FUZZ_INPUTS // share} fuzzed inputs", say, FUZZ_INPUTS // share, SEED)
    print(table(rows))
    print(last_line("agent", rows), flush=True)
    return 0


def _wire(one: Rig, say: Say) -> list[Row]:
    say("bytes on the wire: ours, JSON over MQTT, OsmAnd over HTTPS")
    goals = {1: 250, 10: 36, 60: 17}
    try:
        wire = bench_agent_wire.measure(one)
    except SimError as error:
        say(f"not measured: {error}")
        return [Row(f"wire_bytes_{batch}", None, "B", goal) for batch, goal in goals.items()]
    return [
        *(
            Row(f"wire_bytes_{batch}", round(wire.ours[batch], 1), "B", goal, round(wire.json_mqtt[batch], 1), "JSON over MQTT, QoS 1")
            for batch, goal in goals.items()
        ),
        Row("wire_bytes_osmand", round(wire.osmand_http, 1), "B", None, None, "for comparison: a fix a request, the connection kept"),
    ]


def _costs(one: Rig, say: Say) -> list[Row]:
    """A unit on its round with gpsd: looked at, not looked at (its screen is served), and without a screen."""
    say(f"a unit with {FENCES} fences on its round, its screen watched for {MEASURED_S:g} s, then not")
    unit = one.start(one.unit_file)
    with one.screen() as client:
        until(lambda: _told(client, "plan"), "the plan in the unit")
        client.post("/api/duty", json={"duty": "on"}).raise_for_status()
        until(lambda: (_told(client, "fixes") or {}).get("accepted", 0) > SETTLES_S, "the unit's first fixes")
        watcher = Watcher(one.screen_port)
        watched_us, _ = _a_fix(one, unit)
        with_screen = rss_bytes(unit.pid)
        watcher.close()
        cpu_us, written = _a_fix(one, unit)
    one.stop(unit)
    say("the same unit started again without a screen: its first entry, its memory")
    starts = [_cold_start_s(one) for _ in range(3)]
    unit = one.start(one.without_screen())
    alone_us, _ = _a_fix(one, unit)
    alone = rss_bytes(unit.pid)
    one.stop(unit)
    row_a_commit = bench_peers.row_a_commit_bytes(one.directory)
    return [
        Row("cpu_us_fix", round(cpu_us), "µs", 250, round(bench_peers.bare_listener_us()), "asyncio that throws each fix away"),
        Row("cpu_us_fix_watched", round(watched_us), "µs", 250, None, "a page looks, an event a second"),
        Row("cpu_us_fix_no_screen", round(alone_us), "µs", 250),
        Row("rss_mb", round(alone / 1e6, 1), "MB", 64, round(bench_peers.bare_agent_mb(), 1), "its libraries alone"),
        Row("rss_mb_screen", round(with_screen / 1e6, 1), "MB", 80, round(bench_peers.bare_python_mb(), 1), "its libraries alone"),
        Row("disk_mb_day", round(written * DAY_S / 1e6, 1), "MB", 150, round(row_a_commit * DAY_S / 1e6, 1), "a row a commit"),
        Row("cold_start_s", round(sorted(starts)[1], 2), "s", 2),
    ]


def _a_fix(one: Rig, unit: subprocess.Popen[bytes]) -> tuple[float, float]:
    """(µs of CPU, bytes written) a fix, over a minute."""
    time.sleep(SETTLES_S)
    cpu, written, epochs = cpu_ns(unit.pid), written_bytes(unit.pid), one.line.epochs
    time.sleep(MEASURED_S)
    fixes = one.line.epochs - epochs
    return (cpu_ns(unit.pid) - cpu) / 1e3 / fixes, (written_bytes(unit.pid) - written) / fixes


def _cold_start_s(one: Rig) -> float:
    """From the process's start to its first entry on the disk, as the file says it."""
    file = one.unit_file.parent / "store" / "session"
    before = file.read_bytes()
    began_s = time.monotonic()
    unit = one.start(one.without_screen())
    # The session's first entry is committed together with its name, or just after it: the hub has it only then.
    while file.read_bytes() == before or one.hub.newest_session() != file.read_text().strip():
        if time.monotonic() - began_s > 60:
            raise SimError("the unit did not start within 60 s")
        time.sleep(0.01)
    took_s = time.monotonic() - began_s
    one.stop(unit)
    return took_s


def _power(cuts: int, say: Say) -> list[Row]:
    say(f"{cuts} power cuts")
    try:
        verdict = power_cuts.simulate_many(cuts, SEED)
    except SimError as error:
        say(f"not simulated: {error}")
        return [Row("power_cuts", None, ""), Row("power_cut_losses", None, "", 0)]
    for example in verdict.examples[:10]:
        say(example)
    return [Row("power_cuts", verdict.cuts, ""), Row("power_cut_losses", verdict.losses + verdict.not_opened, "", 0)]


def _others(module: str, what: str, say: Say, *arguments: int) -> list[Row]:
    """Rows that another benchmark of the van's program measures."""
    say(what)
    rows: list[Row] = importlib.import_module(f"roundsman_sim.{module}").rows(*arguments)
    return rows


def _told(client: httpx.Client, key: str) -> Any:
    try:
        return client.get("/api/status").json()[key]
    except httpx.TransportError:
        return None
