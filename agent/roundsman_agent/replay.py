"""A recorded drive, driven again: into a daemon, through a real gpsd or over TCP; or through the pipeline alone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from roundsman_agent.clock import Clock
from roundsman_agent.fix import Fix
from roundsman_agent.pipeline import DutyChanged, Input, PipelineConfig, PipelineState, step
from roundsman_agent.replay_feed import Feed, ReplayError, feeding, read_bursts
from roundsman_agent.sampling import Mode
from roundsman_agent.sources import open_source
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timebase import TimeBase
from roundsman_wire.messages import GAP_BEFORE, Crossing, FixGap, FixRow, Visit

RECORDED_SINCE_UTC_MS: Final = 1_554_595_200_000
"""2019-04-07, when GPS weeks last rolled over: a recording may be older than the agent, and its receiver's dates still be sound."""

__all__ = ["Feed", "ReplayError", "Summary", "feeding", "length_m", "read_bursts", "replay"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a drive came to. Lengths never bridge a gap."""

    fixes: int
    rows: int
    rejected: dict[str, int]
    length_m: float
    span_s: float
    visits: tuple[Visit, ...]
    crossings: tuple[Crossing, ...]
    gaps: tuple[FixGap, ...]
    cpu_us_per_fix: float

    def __str__(self) -> str:
        lines = [
            f"{self.fixes} fixes in {self.span_s:.0f} s, {self.length_m / 1000:.2f} km, {self.rows} kept, "
            f"{self.cpu_us_per_fix:.0f} µs of CPU a fix",
            "refused: " + (", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items())) or "none"),
            f"{len(self.gaps)} gaps" + "".join(f"\n  {(g.utc_ms or 0) / 1000 - g.from_utc_ms / 1000:.0f} s, {g.reason}" for g in self.gaps),
            f"{sum(v.phase == 'left' for v in self.visits)} stops ended, {sum(c.event == 'enter' for c in self.crossings)} fences entered",
        ]
        return "\n".join(lines)


async def replay(
    path: Path, *, through_gpsd: bool, speed: float, mode: Mode = "full", run: Callable[[Feed], Awaitable[None]] | None = None
) -> Summary:
    """Drive a recording again.

    Parameters
    ----------
    path : Path
        NMEA sentences as a receiver sent them; anything else between them is stepped over.
    through_gpsd : bool
        Let a real gpsd read them from a pty, as it would read a receiver.
    speed : float
        Times as fast as life; gpsd follows 60 epochs a second. The pipeline alone takes a file as fast as it can.
    mode : Mode
        Sampling of the summary's own pipeline.
    run : callable, optional
        What to feed: it opens `feed.url` in `feed.time_base` and returns once it has dealt with everything after
        `feed.ended`. Without it the pipeline alone is driven.

    Returns
    -------
    Summary
        Of the pipeline, driven by the same recording.

    Raises
    ------
    ReplayError
        Nothing to replay, or no gpsd to replay it through.
    """
    bursts = await asyncio.to_thread(read_bursts, path)
    if run is not None:
        async with feeding(bursts, through_gpsd=through_gpsd, speed=speed) as feed:
            await run(feed)
        return await _drive(f"file://{path.resolve()}", Clock(), mode, None)
    if not through_gpsd:
        return await _drive(f"file://{path.resolve()}", Clock(), mode, None)
    async with feeding(bursts, through_gpsd=True, speed=speed) as feed:
        return await _drive(feed.url, Clock(base=feed.time_base), mode, feed)


async def _drive(url: str, clock: Clock, mode: Mode, feed: Feed | None) -> Summary:
    """Everything that a source says, through the pipeline, on shift."""
    config = PipelineConfig.of(mode, clock.base if feed is not None else TimeBase(origin_utc_ms=RECORDED_SINCE_UTC_MS))
    state, _ = step(PipelineState(), DutyChanged(duty="on", mono_ms=0, utc_ms=None), config)
    rows: list[FixRow] = []
    entries: list[object] = []
    fixes = 0
    began_s = time.process_time()

    def take(item: Input) -> None:
        nonlocal state, fixes
        fixes += isinstance(item, Fix)
        state, out = step(state, item, config)
        rows.extend(o for o in out if isinstance(o, FixRow))
        entries.extend(o for o in out if not isinstance(o, FixRow))

    async def read() -> None:
        async for item in open_source(url, clock):
            take(item)

    reading = asyncio.create_task(read())
    ending = None if feed is None else asyncio.create_task(feed.ended.wait())
    await asyncio.wait({reading} | ({ending} if ending else set()), return_when=asyncio.FIRST_COMPLETED)
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading
    cpu_s = time.process_time() - began_s
    return Summary(
        fixes=fixes,
        rows=len(rows),
        rejected=dict(state.rejected),
        length_m=length_m(rows),
        span_s=(rows[-1].mono_ms - rows[0].mono_ms) / 1000 if rows else 0.0,
        visits=tuple(e for e in entries if isinstance(e, Visit)),
        crossings=tuple(e for e in entries if isinstance(e, Crossing)),
        gaps=tuple(e for e in entries if isinstance(e, FixGap)),
        cpu_us_per_fix=cpu_s * 1e6 / max(fixes, 1),
    )


def length_m(rows: Sequence[FixRow]) -> float:
    """Driven metres between rows; nothing is added for a gap."""
    total_m = 0.0
    for before, row in pairwise(rows):
        if not row.flags & GAP_BEFORE:
            total_m += distance_m(LatLon.from_e6(before.lat_e6, before.lon_e6), LatLon.from_e6(row.lat_e6, row.lon_e6))
    return total_m
