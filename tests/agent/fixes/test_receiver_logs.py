"""133 logs of real receivers: every one is read without an exception, and where gpsd's own reading of it (its `.chk`) has a fix, ours
agrees. NMEA goes through our own reader, everything else through a real gpsd.

Quirks among them: rollovers, time running backwards, mixed talkers, binary between the lines, heights without a place, dates of 1999.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from roundsman_agent.fix import Fix
from roundsman_agent.gpsd_source import GpsdStream
from roundsman_agent.nmea import Epoch
from roundsman_agent.pipeline import Output, PipelineConfig, PipelineState
from roundsman_agent.sampling import Policy
from roundsman_agent.sources import epochs_of
from roundsman_core.geo import LatLon, distance_m
from roundsman_wire.messages import FixRow

Drive = Callable[..., tuple[PipelineState, list[Output]]]
FixesOf = Callable[[list[Epoch]], list[Fix]]
FULL = PipelineConfig(policy=Policy(mode="full"))
DAY_MS = 86_400_000
SAME_M = 0.5
"""gpsd smooths nothing, but prints nine digits."""
CYCLE_MS = 1_000
"""garmin48 says a place in GLL one second after the same place in GGA: an instant may be named by either."""
GPSFAKE_S = 90
PAUSES_S = ("0.01", "0.05", "0.1", "0.3")
"""Between two pieces that gpsfake plays: gpsd reads them when the machine has time for it, and pieces that run together are noise to it."""
NEWER_GPSD = {"oncore-m12.log", "quectel-l76k-binary.log", "trimble-res720.log", "u-blox-m8t-time.log"}
"""Their `.chk` was made by a newer gpsd than Debian 12's 3.22, which has no fix of them."""
SAMPLE = 4


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A log, and the fixes in gpsd's reading of it: by time of day (dates may be off by a rollover), and those without a time."""

    name: str
    raw: bytes
    timed: dict[int, list[tuple[LatLon, int]]]
    untimed: list[tuple[LatLon, int]]

    @property
    def all(self) -> list[tuple[LatLon, int]]:
        return [said for many in self.timed.values() for said in many] + self.untimed


@pytest.fixture
def readings(gnss_data: Path) -> list[Reading]:
    held: dict[str, bytes] = {}
    with tarfile.open(gnss_data / "gpsd-receiver-logs.tar.gz") as archive:
        for member in archive:  # once through, in the archive's own order: going back means unpacking anew
            content = archive.extractfile(member)
            held[Path(member.name).name] = b"" if content is None else content.read()
    found = [_reading(name, raw, held[f"{name}.chk"]) for name, raw in sorted(held.items()) if f"{name}.chk" in held]
    assert len(found) == 133
    return found


def _reading(name: str, raw: bytes, check: bytes) -> Reading:
    timed: dict[int, list[tuple[LatLon, int]]] = {}
    untimed: list[tuple[LatLon, int]] = []
    for line in check.split(b"\n"):
        if line.startswith(b'{"class":"TPV"'):
            said = json.loads(line)
            if said.get("mode", 0) >= 2 and "lat" in said:
                fix = LatLon(said["lat"], said["lon"]), said["mode"]
                if "time" in said:
                    timed.setdefault(round(datetime.fromisoformat(said["time"]).timestamp() * 1000) % DAY_MS, []).append(fix)
                else:
                    untimed.append(fix)
    return Reading(name=name, raw=raw, timed=timed, untimed=untimed)


def compare(reading: Reading, epochs: Sequence[Epoch]) -> Counter[str]:
    """How gpsd's fixes of one log and ours stand to each other."""
    counts: Counter[str] = Counter()
    fixes = [epoch for epoch in epochs if epoch.position is not None]
    ours: dict[int, list[Epoch]] = {}
    for epoch in fixes:
        if epoch.utc_ms is not None:
            ours.setdefault(epoch.utc_ms % DAY_MS, []).append(epoch)
    for time_ms, theirs in reading.timed.items():
        there = ours.get(time_ms) or [epoch for ms, many in ours.items() if abs(ms - time_ms) <= CYCLE_MS for epoch in many]
        if not there:
            counts["missing"] += 1
            continue
        pairs = [(epoch, mode) for epoch in there for at, mode in theirs if epoch.position and distance_m(epoch.position, at) < SAME_M]
        counts["same" if any(epoch.mode == mode for epoch, mode in pairs) else "other mode" if pairs else "elsewhere"] += 1
    for at, _ in reading.untimed:
        near = any(epoch.position is not None and distance_m(epoch.position, at) < SAME_M for epoch in fixes)
        counts["same, untimed" if near else "missing, untimed"] += 1
    return counts


def test_every_log_is_read_and_agrees_with_gpsds_reading(readings: list[Reading], fixes_of: FixesOf, drive: Drive) -> None:
    """Invariants: nothing raises, whatever the bytes; no fix of ours lies elsewhere than gpsd's at that instant; everything is believed or
    counted; rows never run backwards in the session."""
    total: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for reading in readings:
        epochs = list(epochs_of(reading.raw))
        fixes = fixes_of(epochs)
        total["logs"] += 1
        if fixes:
            counts = compare(reading, epochs)
            total += counts
            total["receivers"] += bool(counts["same"])
            for fix in fixes:
                said = [] if fix.utc_ms is None else reading.timed.get(fix.utc_ms % DAY_MS, [])
                assert not said or min(distance_m(fix.position, at) for at, _ in said) < SAME_M, reading.name
        state, out = drive(fixes, config=FULL)
        dated = state.rejected.get("date", 0) + state.rejected.get("rollover", 0)
        assert state.accepted + sum(state.rejected.values()) - dated == len(fixes), reading.name
        rows = [row for row in out if isinstance(row, FixRow)]
        assert len(rows) == state.accepted, reading.name
        assert [row.mono_ms for row in rows] == sorted(row.mono_ms for row in rows), reading.name
        refused.update(state.rejected)
    print(f"\nread by ourselves: {dict(total)}\nrefused or mended by the gate: {dict(refused)}")
    assert total["logs"] == 133
    assert total["receivers"] >= 63
    assert total["elsewhere"] == total["missing"] == 0
    assert total["same"] >= 1_415
    assert total["other mode"] <= 2, "iTrek and sl869: gpsd's first report of a fix, before it has seen the height"
    assert total["same, untimed"] >= 80


def by_gpsd(reading: Reading, folder: Path) -> list[Epoch]:
    """The log through a real gpsd (as gpsfake plays it), its reports through our own reader."""
    log = folder / reading.name
    log.write_bytes(reading.raw)
    found: list[Epoch] = []
    for pause_s in PAUSES_S[: 1 if reading.name in NEWER_GPSD else None]:
        command = ["gpsfake", "-1", "-q", "-b", "-p", "-c", pause_s, str(log)]
        try:
            said = subprocess.run(command, capture_output=True, timeout=GPSFAKE_S, check=False).stdout
        except subprocess.TimeoutExpired:  # gpsfake itself hangs where its gpsd did not get its port
            continue
        stream = GpsdStream(ear=None)  # type: ignore[arg-type]  # only its pure part is used
        found = list(stream.take(said))
        assert stream.bad == 0, reading.name
        last = stream.pause()
        found += [last] if last is not None else []
        if any(epoch.position is not None for epoch in found):
            break
    return found


def through_gpsd(readings: Sequence[Reading], folder: Path) -> Iterator[tuple[Reading, list[Epoch]]]:
    with ThreadPoolExecutor(4) as pool:  # each of them waits for gpsfake's pauses
        yield from zip(readings, pool.map(lambda reading: by_gpsd(reading, folder), readings), strict=True)


def needs_gpsd(readings: Sequence[Reading]) -> list[Reading]:
    """Logs in whose raw bytes our own reader finds no fix, and in which gpsd finds one."""
    return [reading for reading in readings if reading.all and not any(epoch.position for epoch in epochs_of(reading.raw))]


def agree(readings: Sequence[Reading], folder: Path, fixes_of: FixesOf, drive: Drive) -> Counter[str]:
    total: Counter[str] = Counter()
    for reading, epochs in through_gpsd(readings, folder):
        fixes = [epoch for epoch in epochs if epoch.position is not None]
        total["logs"] += 1
        total["logs with a fix"] += bool(fixes)
        for epoch in fixes:
            assert epoch.position is not None
            near = [mode for at, mode in reading.all if distance_m(epoch.position, at) < SAME_M]
            total["same" if epoch.mode in near else "other mode" if near else "elsewhere"] += 1
            total["at the same time of day"] += epoch.utc_ms is not None and epoch.utc_ms % DAY_MS in reading.timed
        drive(fixes_of(epochs), config=FULL)
    print(f"\nthrough gpsd: {dict(total)}")
    return total


@pytest.fixture
def gpsfake() -> None:
    if shutil.which("gpsfake") is None:
        pytest.skip("gpsfake is not installed (Debian: apt-get install gpsd-clients)")


@pytest.mark.timeout(SAMPLE * len(PAUSES_S) * GPSFAKE_S)
@pytest.mark.usefixtures("gpsfake")
def test_a_few_binary_logs_through_a_real_gpsd(readings: list[Reading], tmp_path: Path, fixes_of: FixesOf, drive: Drive) -> None:
    small = [reading for reading in needs_gpsd(readings) if len(reading.raw) < 12_000 and reading.name not in NEWER_GPSD]
    total = agree(random.Random(20261).sample(small, SAMPLE), tmp_path, fixes_of, drive)
    assert total["logs with a fix"] == SAMPLE
    assert total["elsewhere"] == total["other mode"] == 0


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("gpsfake")
def test_every_binary_log_through_a_real_gpsd(readings: list[Reading], tmp_path: Path, fixes_of: FixesOf, drive: Drive) -> None:
    needed = needs_gpsd(readings)
    total = agree(needed, tmp_path, fixes_of, drive)
    assert total["logs with a fix"] >= len(needed) - len(NEWER_GPSD)
    assert total["elsewhere"] == total["other mode"] == 0
    assert total["same"] >= 1_100
