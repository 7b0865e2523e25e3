"""A recorded drive, against the survey-grade truth of the same drive."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from roundsman_agent import nmea
from roundsman_agent.fix import Fix
from roundsman_agent.nmea import Epoch
from roundsman_agent.pipeline import Output, PipelineConfig, PipelineState, Position
from roundsman_agent.replay import length_m
from roundsman_agent.sampling import Mode, Policy, strayed_m, tells
from roundsman_agent.sources import epochs_of
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.messages import ANCHORED, GAP_BEFORE, FixGap, FixRow, Visit

Drive = Callable[..., tuple[PipelineState, list[Output]]]
RECEIVER = "mountain-view/MTV.Local1.ublox-F9K.20200206-181434.nmea"
TRUTH = "mountain-view/MTV.Local1.SPAN.20200206-181434.gga"
SINCE_UTC_MS = 1_554_595_200_000
"""2019: the recordings are older than the agent."""
FULL = PipelineConfig(policy=Policy(mode="full"), built_utc_ms=SINCE_UTC_MS)
DAY = b"$GPZDA,000000.00,07,02,2020,00,00*63"


@pytest.fixture
def drive_fixes(gnss_data: Path, fixes_of: Callable[[list[Epoch]], list[Fix]]) -> list[Fix]:
    """1,727 s through Mountain View, 1 Hz."""
    return fixes_of(list(epochs_of((gnss_data / RECEIVER).read_bytes())))


@pytest.fixture
def truth(gnss_data: Path) -> dict[int, LatLon]:
    """Where the antenna was at each second, by a survey-grade unit (its GGA; its RMC are damaged and three digits coarser)."""
    places: dict[int, LatLon] = {}
    for line in (gnss_data / TRUTH).read_bytes().split(b"\n"):
        if line.startswith(b"$GPGGA"):
            state, _ = nmea.feed(nmea.Assembly(), DAY)
            state, _ = nmea.feed(state, line)
            _, epoch = nmea.flush(state)
            if epoch is not None and epoch.utc_ms is not None and epoch.position is not None:
                places[epoch.utc_ms] = epoch.position
    return places


def rows_of(out: list[Output]) -> list[FixRow]:
    return [o for o in out if isinstance(o, FixRow)]


def place_of(row: FixRow) -> LatLon:
    return LatLon.from_e6(row.lat_e6, row.lon_e6)


@pytest.mark.parametrize(("mode", "least_rows"), [("full", 1_653), ("evidence", 250), ("sparse", 100)])
def test_what_the_log_keeps_of_a_drive_lies_where_the_van_was(
    mode: Mode, least_rows: int, drive_fixes: list[Fix], truth: dict[int, LatLon], drive: Drive
) -> None:
    """Horizontal error p50 ≤ 1 m, p95 ≤ 2 m, max ≤ 5 m (raw fixes: 0.49 / 0.83 / 1.08), anchors included."""
    state, out = drive(drive_fixes, config=PipelineConfig(policy=Policy(mode=mode), built_utc_ms=SINCE_UTC_MS))
    rows = rows_of(out)
    assert len(rows) >= least_rows
    assert dict(state.rejected) == {}, "a clean receiver is believed"
    errors_m = sorted(distance_m(place_of(r), truth[r.utc_ms]) for r in rows if r.utc_ms in truth)
    assert len(errors_m) > 0.95 * len(rows)
    assert errors_m[len(errors_m) // 2] <= 1.0
    assert errors_m[int(len(errors_m) * 0.95)] <= 2.0
    assert errors_m[-1] <= 5.0


def test_the_drives_length_is_the_truths_over_the_same_unbroken_stretches(
    drive_fixes: list[Fix], truth: dict[int, LatLon], drive: Drive
) -> None:
    _, out = drive(drive_fixes, config=FULL)
    rows = [r for r in rows_of(out) if r.utc_ms in truth]
    true_m = sum(
        distance_m(truth[a.utc_ms], truth[b.utc_ms])
        for a, b in pairwise(rows)
        if not b.flags & GAP_BEFORE and a.utc_ms is not None and b.utc_ms is not None
    )
    assert true_m > 8_000
    assert length_m(rows) == pytest.approx(true_m, rel=0.01)


def test_the_drives_gaps_are_told_as_gaps_and_a_single_missing_epoch_is_none(drive_fixes: list[Fix], drive: Drive) -> None:
    _, out = drive(drive_fixes, config=FULL)
    gaps = [o for o in out if isinstance(o, FixGap)]
    assert [((g.utc_ms or 0) - g.from_utc_ms) // 1000 for g in gaps] == [10, 6, 4, 40, 19]
    assert sum(bool(r.flags & GAP_BEFORE) for r in rows_of(out)) == 6, "and at the first fix of the shift"


def test_a_drive_through_traffic_lights_has_no_false_stops(drive_fixes: list[Fix], drive: Drive) -> None:
    """30 m / 30 s rules make 12 to 37 stops of such a drive. The one real one: it was parked when the recording began."""
    _, out = drive(drive_fixes, config=FULL)
    assert [(v.phase, v.visit) for v in (o for o in out if isinstance(o, Visit))] == [("arrived", 1), ("left", 1)]
    assert any(r.flags & ANCHORED for r in rows_of(out))


# ── kept rows against what they can prove ───────────────────────────────────────────────────────────────────────────


def across_m(rows: list[FixRow], at: Position) -> float:
    """How far a believed position lies from the line that the kept rows draw; no line is drawn over a gap."""
    number = max(bisect_right(rows, at.mono_ms, key=lambda row: row.mono_ms) - 1, 0)
    before = place_of(rows[number])
    if number + 1 == len(rows) or rows[number + 1].flags & GAP_BEFORE or rows[number].mono_ms == at.mono_ms:
        return distance_m(before, at.position)
    frame = LocalFrame(before)
    east_m, north_m = frame.to_m(place_of(rows[number + 1]))
    x_m, y_m = frame.to_m(at.position)
    length = east_m**2 + north_m**2
    part = 0.0 if not length else min(max((x_m * east_m + y_m * north_m) / length, 0.0), 1.0)
    return math.hypot(x_m - part * east_m, y_m - part * north_m)


def every(rows: list[FixRow], seconds: int) -> list[FixRow]:
    """The peer: a fixed interval."""
    kept = rows[:1]
    for row in rows[1:]:
        if row.mono_ms - kept[-1].mono_ms >= seconds * 1000 or row.flags & GAP_BEFORE:
            kept.append(row)
    return kept


def test_evidence_follows_the_van_closer_than_a_fixed_interval_with_fewer_rows(drive_fixes: list[Fix], drive: Drive) -> None:
    """Every believed position lies within 3 m (p95) and 15 m (worst) of the kept line; 5 s fixed: more rows, twice the error."""
    _, out = drive(drive_fixes, config=FULL)
    full, believed = rows_of(out), [o for o in out if isinstance(o, Position)]
    hours = drive_fixes[-1].mono_ms / 3_600_000
    found = {}
    for name, policy in {"evidence": Policy(), "sparse": Policy(mode="sparse")}.items():
        found[name] = rows_of(drive(drive_fixes, config=PipelineConfig(policy=policy, built_utc_ms=SINCE_UTC_MS))[1])
    found |= {"every 5 s": every(full, 5), "every 10 s": every(full, 10)}
    errors = {name: sorted(across_m(rows, at) for at in believed) for name, rows in found.items()}
    for name, off in errors.items():
        p95 = off[int(len(off) * 0.95)]
        print(f"{name:12} {len(found[name]) / hours:5.0f} rows an hour, across the track p95 {p95:5.1f} m, worst {off[-1]:5.1f} m")
    p95_m = {name: off[int(len(off) * 0.95)] for name, off in errors.items()}
    assert len(found["evidence"]) < len(found["every 5 s"])
    assert p95_m["evidence"] <= 3.0
    assert errors["evidence"][-1] <= 15.0
    assert p95_m["evidence"] < p95_m["every 5 s"]
    assert len(found["sparse"]) < len(found["every 10 s"])
    assert errors["sparse"][-1] < errors["every 10 s"][-1]


def test_the_live_marker_is_never_off_by_more_than_was_asked_for(drive_fixes: list[Fix], drive: Drive) -> None:
    """Told by need: fewer than every ten seconds, and right within 15 m; those are off by 30 m and more."""
    _, out = drive(drive_fixes, config=FULL)
    believed = [o for o in out if isinstance(o, Position)]
    told: Position | None = None
    off_m, count = [], 0
    for at in believed:
        if tells(Policy(live_error_m=15.0), told, at):
            told, count = at, count + 1
        assert told is not None
        off_m.append(strayed_m(told, at))
    print(f"live marker: {count / (drive_fixes[-1].mono_ms / 3_600_000):.0f} an hour, worst {max(off_m):.1f} m")
    assert max(off_m) <= 15.0
    assert count < (believed[-1].mono_ms - believed[0].mono_ms) / 10_000
