"""What is kept of a track says where the van was at every instant, within the tolerance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roundsman_hub.upkeep.simplify import TOLERANCE_M, errors_m, keep, metres

TRUTH = Path(__file__).parents[4] / "shared" / "data" / "gnss" / "mountain-view" / "MTV.Local1.SPAN.20200206-181434.gga"

steps = st.lists(
    st.tuples(st.integers(1, 60_000), st.integers(-2_000, 2_000), st.integers(-2_000, 2_000)),
    min_size=1,
    max_size=120,
)


@given(steps, st.sampled_from([1.0, 10.0, 100.0]))
@settings(max_examples=150, deadline=None)
def test_no_instant_is_off_by_more_than_the_tolerance(walk: list[tuple[int, int, int]], tolerance_m: float) -> None:
    t_ms, lat, lon = (np.cumsum(np.array(column, np.int64)) for column in zip(*walk, strict=True))
    lat, lon = lat + 59_000_000, lon + 179_999_000  # across the date line, too
    lon = (lon + 180_000_000) % 360_000_000 - 180_000_000
    kept = keep(t_ms, lat, lon, tolerance_m)
    assert kept[0]
    assert kept[-1]
    assert np.max(errors_m(t_ms, *metres(lat, lon), kept)) <= tolerance_m + 1e-6


def test_a_wait_at_a_red_light_is_not_a_slow_drive() -> None:
    """On a straight road the shape alone would keep two points, and play the van back as crawling through its wait."""
    moved_s = np.concatenate([np.arange(100), np.full(90, 99), np.arange(99, 200)])
    t_ms = np.arange(len(moved_s), dtype=np.int64) * 1000
    lat = np.int64(50_000_000) + 90 * moved_s
    kept = keep(t_ms, lat, np.full(len(lat), 10_000_000, np.int64))
    assert int(kept.sum()) <= 6
    at = np.interp(145_000, t_ms[kept], lat[kept])
    assert abs(at - (50_000_000 + 90 * 99)) * 0.11 < TOLERANCE_M


def test_one_fix_is_a_track() -> None:
    one = np.array([5], np.int64)
    assert keep(one, one, one).tolist() == [True]


@pytest.mark.skipif(not TRUTH.exists(), reason="recorded drives are not here (../shared/data/gnss)")
def test_a_real_drive_keeps_its_playback_with_a_few_points() -> None:
    rows = []
    for line in TRUTH.read_text().splitlines():
        if line.startswith("$GPGGA"):
            _, clock, lat, ns, lon, ew, *_ = line.split(",")
            at = datetime(2020, 2, 7, int(clock[:2]), int(clock[2:4]), int(float(clock[4:])), tzinfo=UTC)
            degrees = [
                (int(text[:w]) + float(text[w:]) / 60) * sign
                for text, w, sign in ((lat, 2, 1 if ns == "N" else -1), (lon, 3, 1 if ew == "E" else -1))
            ]
            rows.append((round(at.timestamp() * 1000), round(degrees[0] * 1e6), round(degrees[1] * 1e6)))
    table = np.array(rows, np.int64)
    table = table[np.unique(table[:, 0], return_index=True)[1]]
    kept = keep(table[:, 0], table[:, 1], table[:, 2])
    off_m = errors_m(table[:, 0], *metres(table[:, 1], table[:, 2]), kept)
    print(f"{len(table)} fixes, {int(kept.sum())} kept; off by p50 {np.median(off_m):.1f} m, max {np.max(off_m):.1f} m")
    assert len(table) > 1_500
    assert np.max(off_m) <= TOLERANCE_M
    assert kept.sum() < len(table) / 4
