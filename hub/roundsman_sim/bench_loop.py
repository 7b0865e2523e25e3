"""`make bench-loop`: how fast an urgent order reaches the right screen, what an agent costs per fix, that no fix is lost or doubled."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from roundsman_sim import audit, bench_peers, demo, events, genesis, orders
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.settings import DemoSettings
from roundsman_sim.van import Van
from roundsman_sim.world import Say, World, until

URGENT_ORDERS: Final = 20
URGENT_EVERY_S: Final = 3.0
QUIET_S: Final = 60.0
"""Costs of a fix are measured while no plan changes: six commits and some ten frames of each van."""
VANS: Final = 4
ORDERS: Final = 40
LIFE: Final = 1.0
"""Costs are measured at life's own pace: one fix a second, commits and frames as often as on a road."""
MEDIAN_GOAL_S: Final = 2.0
WORST_GOAL_S: Final = 5.0
CPU_GOAL_US: Final = 20_000.0
"""2 % of one core at 1 Hz; a Pi's core is about a quarter of a desktop's, so that is under a tenth of it."""
RESIDENT_GOAL_MB: Final = 100.0
"""A fifth of the smallest Pi's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What the agents have used so far, all vans together."""

    cpu_s: float
    written_bytes: int
    wire_bytes: int
    fixes: int

    @classmethod
    def read(cls, vans: list[Van]) -> Meter:
        """Now."""
        cpu_s, written = 0.0, 0
        for van in vans:
            process = psutil.Process(van.agent.pid)
            times = process.cpu_times()
            cpu_s += times.user + times.system
            written += process.io_counters().write_bytes
        wire = sum(sum(van.link.passed_bytes.values()) for van in vans)
        return cls(cpu_s=cpu_s, written_bytes=written, wire_bytes=wire, fixes=sum(len(van.epochs_utc_ms) for van in vans))


async def main(settings: DemoSettings, say: Say) -> int:
    """Measure and print; the exit code is 0 whatever holds: the last line says it."""
    settings = replace(settings, vans=VANS, orders=ORDERS, factor=LIFE, headless=True)
    directory = Path(tempfile.mkdtemp(prefix="roundsman-bench-"))
    try:
        async with genesis.world(settings, directory, say) as made:
            rows = await _measure(made)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(table(rows))
    print(last_line("loop", rows), flush=True)
    return 0


async def _measure(made: World) -> list[Row]:
    made.say("peers: the same fixes by JSON over MQTT, by a row a commit in SQLite, and the bare way of an order")
    peers = await bench_peers.measure(made)
    day = await demo.plan_the_day(made)
    drivers = demo.set_out(made, day)
    away = lambda: all(van.driver.on_duty or not van.screen.stops for van in made.vans)  # noqa: E731
    await until(away, within_s=60, what="the vans to set out")
    working = [van for van in made.vans if van.driver.on_duty]
    made.say(f"{len(working)} vans drive and serve for {QUIET_S:g} s: what a fix costs")
    before = Meter.read(working)
    await asyncio.sleep(QUIET_S)
    after = Meter.read(working)
    seconds, lost = await _urgent_orders(made)
    resident_mb = _resident_mb(working)
    await demo.cancel(drivers)
    await demo.drain(made)
    for van in made.vans:
        await van.agent.stop()
    fixes = await made.ask(audit.fixes, made.vans)
    count = max(after.fixes - before.fixes, 1)
    return [
        Row(
            "urgent_to_screen_median_s",
            round(statistics.median(seconds), 3) if seconds else None,
            "s",
            MEDIAN_GOAL_S,
            peers.way_s,
            "HTTP + MQTT, bare",
        ),
        Row("urgent_to_screen_worst_s", round(max(seconds), 3) if seconds else None, "s", WORST_GOAL_S),
        Row("urgent_lost", lost, "", 0),
        Row("agent_cpu_per_fix_us", round((after.cpu_s - before.cpu_s) / count * 1e6), "µs", CPU_GOAL_US, peers.parse_us, "pynmea2 alone"),
        Row(
            "agent_resident_mb", round(resident_mb, 1), "MB", RESIDENT_GOAL_MB, peers.bare_python_mb, "python with paho, pynmea2, starlette"
        ),
        Row(
            "disk_bytes_per_fix",
            round((after.written_bytes - before.written_bytes) / count),
            "B",
            peers.disk_bytes,
            peers.disk_bytes,
            "a row a commit",
        ),
        Row(
            "wire_bytes_per_fix",
            round((after.wire_bytes - before.wire_bytes) / count, 1),
            "B",
            peers.wire_bytes,
            peers.wire_bytes,
            "a JSON fix a message",
        ),
        Row("fixes_made", fixes.made, ""),
        Row("fixes_missing", fixes.missing, "", 0),
        Row("fixes_twice", fixes.twice, "", 0),
    ]


async def _urgent_orders(made: World) -> tuple[list[float], int]:
    """Real seconds of each urgent order, and how many reached nobody."""
    seconds: list[float] = []
    lost = 0
    for number in range(1, URGENT_ORDERS + 1):
        body = orders.urgent(made.rng, made.rng.choice(made.homes), made.clock.now(), number, made.settings.round_s * 0.9)
        way = await events.order_to_screen(made, body)
        if way is None:
            lost += 1
        else:
            seconds.append(way.back_s)
        made.say(f"urgent {number}/{URGENT_ORDERS}: {way or 'on nobody’s screen'}")
        await asyncio.sleep(URGENT_EVERY_S)
    return seconds, lost


def _resident_mb(vans: list[Van]) -> float:
    return float(max(psutil.Process(van.agent.pid).memory_info().rss for van in vans) / 1e6)
