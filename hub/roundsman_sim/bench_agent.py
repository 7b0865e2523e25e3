"""`make bench-agent`: what the van's program costs in bytes, CPU, memory and disk, and what it withstands."""

from __future__ import annotations

import importlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from roundsman_sim import SimError, bench_agent_wire, bench_peers, power_cuts
from roundsman_sim.bench_agent_unit import FENCES, LAP_S, Rig, Watcher, cpu_ns, rig, rss_bytes, until, written_bytes
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_wire.messages import TRACK

Say = Callable[[str], None]
WATCHED_S: Final = 60.0
SETTLES_S: Final = 60.0
"""A day has one start; what is done for the first time costs several times what it costs later."""
FIRST_FIXES: Final = 5
POWER_CUTS: Final = 20_000
FUZZ_INPUTS: Final = 1_000_000
SEED: Final = 1
DAY_S: Final = 86_400
PARTS: Final = frozenset(("wire", "costs", "power", "visits", "fuzz"))
THROWN_AWAY: Final = "asyncio that throws each fix away, in the same minutes"


def main(say: Say) -> int:
    """Measure and print; the exit code is 0 whatever holds: the last line says it.

    `QUICK=1`: a tenth of the cuts and inputs, a third of the van's lap. `ONLY="wire costs power visits fuzz"`: some of the parts.
    """
    share = 10 if os.environ.get("QUICK") else 1
    only = set(os.environ.get("ONLY", "").split()) or PARTS
    if unknown := only - PARTS:
        raise SimError(f"ONLY: no part is called {' or '.join(sorted(unknown))}; there are {', '.join(sorted(PARTS))}")
    rows: list[Row] = []
    if only & {"wire", "costs"}:
        with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder, rig(Path(folder)) as one:
            rows += _wire(one, say) if "wire" in only else []
            rows += _costs(one, say, LAP_S / (3 if share > 1 else 1)) if "costs" in only else []
    rows += _power(POWER_CUTS // share, say) if "power" in only else []
    rows += _others("bench_visits", "visits against truth", say, SEED) if "visits" in only else []
    inputs = FUZZ_INPUTS // share
    rows += _others("bench_agent_fuzz", f"{inputs} fuzzed inputs", say, inputs, SEED) if "fuzz" in only else []
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


def _costs(one: Rig, say: Say, measured_s: float) -> list[Row]:
    """A unit on its round with gpsd: looked at, not looked at (its screen is served), and without a screen.

    The last two over a whole lap each, so that both pass the same fences.
    """
    say(f"a unit with {FENCES} fences on its round, its screen watched for {WATCHED_S:g} s, then for {measured_s:g} s not")
    unit = one.start(one.unit_file)
    with one.screen() as client:
        until(lambda: _told(client, "plan"), "the plan in the unit")
        client.post("/api/duty", json={"duty": "on"}).raise_for_status()
        until(lambda: (_told(client, "fixes") or {}).get("accepted", 0) > FIRST_FIXES, "the unit's first fixes")
        watcher = Watcher(one.screen_port)
        watched = _a_fix(one, unit, WATCHED_S)
        with_screen = rss_bytes(unit.pid)
        watcher.close()
        unwatched = _a_fix(one, unit, measured_s)
    one.stop(unit)
    say("the same unit started again without a screen: its first entry, its memory")
    starts = [_cold_start_s(one) for _ in range(3)]
    unit = one.start(one.without_screen())
    until(lambda: one.hub.holds(_session(one), TRACK) > FIRST_FIXES, "the first fixes of the unit without a screen")
    no_screen = _a_fix(one, unit, measured_s)
    alone = rss_bytes(unit.pid)
    one.stop(unit)
    row_a_commit = bench_peers.row_a_commit_bytes(one.directory)
    return [
        Row("cpu_us_fix", round(unwatched.cpu_us), "µs", 250, round(unwatched.peer_us), THROWN_AWAY),
        Row("cpu_us_fix_watched", round(watched.cpu_us), "µs", 250, round(watched.peer_us), "the same; a page looks, an event a second"),
        Row("cpu_us_fix_no_screen", round(no_screen.cpu_us), "µs", 250, round(no_screen.peer_us), "the same"),
        Row("rss_mb", round(alone / 1e6, 1), "MB", 64, round(bench_peers.bare_agent_mb(), 1), "its libraries alone"),
        Row("rss_mb_screen", round(with_screen / 1e6, 1), "MB", 80, round(bench_peers.bare_python_mb(), 1), "its libraries alone"),
        Row("disk_mb_day", round(unwatched.written * DAY_S / 1e6, 1), "MB", 150, round(row_a_commit * DAY_S / 1e6, 1), "a row a commit"),
        Row("cold_start_s", round(sorted(starts)[1], 2), "s", 2),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AFix:
    """What a fix costs: the agent's CPU, the bare program's, and bytes on the disk."""

    cpu_us: float
    peer_us: float
    written: float


def _a_fix(one: Rig, unit: subprocess.Popen[bytes], measured_s: float) -> AFix:
    """With the bare program beside: what a waking costs depends on how busy the machine is."""
    time.sleep(SETTLES_S)
    with ThreadPoolExecutor(1, "peer") as beside:
        peer = beside.submit(bench_peers.bare_listener_us, measured_s)
        cpu, written, epochs = cpu_ns(unit.pid), written_bytes(unit.pid), one.line.epochs
        time.sleep(measured_s)
        fixes = one.line.epochs - epochs
        cpu_us, bytes_a_fix = (cpu_ns(unit.pid) - cpu) / 1e3 / fixes, (written_bytes(unit.pid) - written) / fixes
        return AFix(cpu_us=cpu_us, peer_us=peer.result(), written=bytes_a_fix)


def _session(one: Rig) -> str:
    """The newest, as the unit's disk says it."""
    return (one.unit_file.parent / "store" / "session").read_text().strip()


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
        return [Row("power_cuts", None, "", cuts, at_least=True), Row("power_cut_losses", None, "", 0)]
    for example in verdict.examples[:10]:
        say(example)
    return [Row("power_cuts", verdict.cuts, "", cuts, at_least=True), Row("power_cut_losses", verdict.losses + verdict.not_opened, "", 0)]


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
