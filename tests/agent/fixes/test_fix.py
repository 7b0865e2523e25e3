"""A fix as it is kept, and its place on the session's clock."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings, strategies as st

from roundsman_agent.fix import Fix, Timing, align, to_row
from roundsman_agent.times import GnssMs, MonoMs
from roundsman_core.geo import LatLon
from roundsman_wire.frames import quantise

Make = Callable[..., Fix]


def test_a_kept_fix_is_what_the_wire_holds(make_fix: Make) -> None:
    """Invariant 2: hub's bytes = edge's bytes."""
    row = to_row(make_fix(1, speed_mps=12.345, heading_deg=359.9, accuracy_m=0.74, satellites=300))
    assert row == quantise(row)
    assert row.speed_cm_s == 1234
    assert row.heading_cdeg == 0
    assert row.accuracy_dm == 5
    assert row.satellites == 255


def test_unknown_stays_unknown(make_fix: Make) -> None:
    row = to_row(make_fix(1, speed_mps=None, accuracy_m=None))
    assert (row.speed_cm_s, row.heading_cdeg, row.accuracy_dm) == (None, None, None)


def test_jitter_of_delivery_leaves_no_mark_on_the_times(make_fix: Make) -> None:
    """A run of fixes keeps `utc − mono` constant, so that its rows pack tightly."""
    timing, first, told = align(Timing(), make_fix(0, mono_ms=1_000))
    assert told
    offsets = set()
    for t, late_ms in enumerate([3, 90, 0, 240, 12, 200], start=1):
        timing, fix, told = align(timing, make_fix(t, mono_ms=1_000 + t * 1000 + late_ms))
        assert not told
        assert fix.utc_ms is not None
        offsets.add(fix.utc_ms - fix.mono_ms)
    assert first.utc_ms is not None
    assert offsets == {first.utc_ms - first.mono_ms}


def test_one_delivery_that_was_stuck_moves_no_clock(make_fix: Make) -> None:
    timing, _, _ = align(Timing(), make_fix(0, mono_ms=0))
    for t, late_ms in [(1, 4_000), (2, 3_000), (3, 2_000), (4, 1_000), (5, 0)]:
        timing, fix, told = align(timing, make_fix(t, mono_ms=t * 1000 + late_ms))
        assert not told
        assert fix.mono_ms == t * 1000


def test_an_offset_learned_from_a_late_first_fix_is_corrected_and_told(make_fix: Make) -> None:
    timing, _, _ = align(Timing(), make_fix(0, mono_ms=2_000))
    told = []
    for t in range(1, 5):
        timing, fix, changed = align(timing, make_fix(t, mono_ms=t * 1000))
        told.append(changed)
    assert told == [False, True, False, False]
    assert fix.mono_ms == 4_000


def test_a_clock_that_has_moved_for_good_is_told_once(make_fix: Make) -> None:
    timing, _, _ = align(Timing(), make_fix(0))
    changes = [0.0]
    for t in range(1, 40):
        timing, _, changed = align(timing, make_fix(t, mono_ms=t * 1000 + 600))
        if changed:
            changes.append(t)
    assert changes == [0.0, 10]


def test_a_fix_without_a_date_gets_the_one_the_session_knows(make_fix: Make) -> None:
    timing, first, _ = align(Timing(), make_fix(0, mono_ms=50))
    _, fix, told = align(timing, make_fix(1, mono_ms=1_050, utc_ms=None))
    assert not told
    assert first.utc_ms is not None
    assert fix.utc_ms == first.utc_ms + 1_000


def test_before_any_date_is_known_none_is_invented(make_fix: Make) -> None:
    _, fix, told = align(Timing(), make_fix(3, utc_ms=None))
    assert (fix.utc_ms, fix.mono_ms, told) == (None, 3_000, False)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 3_000)), max_size=60))
def test_aligned_fixes_agree_with_the_offset_that_was_told_last(steps: list[tuple[int, int]]) -> None:
    """Invariant: whoever knows the newest `Clock` entry can turn a fix's `mono_ms` into its UTC."""
    timing, utc_ms = Timing(), 1_760_000_000_000
    offset = None
    for passed_ms, late_ms in steps:
        utc_ms += passed_ms
        arrival_ms = utc_ms - 1_759_999_000_000 + late_ms
        timing, fix, told = align(timing, Fix(mono_ms=MonoMs(arrival_ms), utc_ms=GnssMs(utc_ms), position=LatLon(60, 24)))
        assert fix.utc_ms is not None
        if told:
            offset = fix.utc_ms - fix.mono_ms
        assert fix.utc_ms - fix.mono_ms == offset
