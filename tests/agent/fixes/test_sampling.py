"""Which believed fixes the log keeps."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_agent.sampling import Mode, Policy, Sample, chosen, keeps, nearness, tells
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.messages import Config

Place = Callable[[float, float], LatLon]


def kept(samples: list[Sample], mode: Mode) -> list[int]:
    """Seconds that are kept."""
    newest, out = None, []
    for now in samples:
        if keeps(Policy(mode=mode), newest, now):
            newest = now
            out.append(now.mono_ms // 1000)
    return out


def straight(place: Place, seconds: int, speed_mps: float, *, anchored: bool = False) -> list[Sample]:
    return [
        Sample(mono_ms=t * 1000, position=place(0, speed_mps * t), speed_mps=speed_mps, heading_deg=0.0, anchored=anchored)
        for t in range(seconds)
    ]


def test_full_keeps_everything(place: Place) -> None:
    assert kept(straight(place, 60, 10.0), "full") == list(range(60))


def test_evidence_keeps_every_ten_seconds_or_hundred_metres(place: Place) -> None:
    assert kept(straight(place, 31, 5.0), "evidence") == [0, 10, 20, 30]
    assert kept(straight(place, 21, 25.1), "evidence") == [0, 4, 8, 12, 16, 20]


def test_evidence_keeps_a_corner(place: Place) -> None:
    ahead = straight(place, 4, 8.0)
    turned = Sample(mono_ms=4_000, position=place(4, 28), speed_mps=8.0, heading_deg=40.0, anchored=False)
    assert kept([*ahead, turned], "evidence") == [0, 4]


def test_a_heading_at_walking_pace_is_noise(place: Place) -> None:
    wild = [Sample(mono_ms=t * 1000, position=place(0, 0), speed_mps=0.4, heading_deg=t * 97.0 % 360, anchored=False) for t in range(10)]
    assert kept(wild, "evidence") == [0]


def test_sparse_keeps_what_dead_reckoning_would_miss(place: Place) -> None:
    ahead = straight(place, 50, 10.0)
    assert kept(ahead, "sparse") == [0]
    stopped = [Sample(mono_ms=(50 + t) * 1000, position=place(0, 493), speed_mps=0.0, heading_deg=0.0, anchored=False) for t in range(8)]
    assert kept([*ahead, *stopped], "sparse") == [0, 53]


def test_a_standing_van_says_once_a_minute_that_its_unit_lives(place: Place) -> None:
    assert kept(straight(place, 200, 0.0, anchored=True), "evidence") == [0, 60, 120, 180]


def test_start_and_end_of_a_standstill_are_kept(place: Place) -> None:
    moving, standing = straight(place, 3, 1.0), straight(place, 6, 0.0, anchored=True)[3:]
    assert kept(moving + standing, "sparse") == [0, 3]


def test_evidence_keeps_a_van_that_brakes(place: Place) -> None:
    ahead = straight(place, 4, 12.0)
    braking = [
        Sample(mono_ms=(4 + t) * 1000, position=place(0, 44 + 5 * t), speed_mps=9.0 - 3 * t, heading_deg=0.0, anchored=False)
        for t in range(3)
    ]
    assert kept([*ahead, *braking], "evidence") == [0, 5]


def test_near_a_planned_stop_the_track_is_denser(place: Place) -> None:
    now = straight(place, 4, 8.0)
    assert [keeps(Policy(), now[0], at, near_stop=True) for at in now[1:]] == [False, True, True]
    assert not any(keeps(Policy(), now[0], at) for at in now[1:])


def test_the_hub_sets_what_it_names_and_nothing_else() -> None:
    unit = Policy(mode="full", every_m=80.0)
    assert chosen(unit, None) == unit
    assert chosen(unit, Config(version=1)) == unit
    wished = chosen(
        unit,
        Config(version=2, sampling="evidence", evidence_s=5.0, evidence_deg=7.0, near_stop_m=60.0, live_error_m=8.0, parked_every_s=300.0),
    )
    assert wished == Policy(
        mode="evidence", every_ms=5_000, every_m=80.0, turn_deg=7.0, near_stop_m=60.0, live_error_m=8.0, parked_every_ms=300_000
    )


@pytest.mark.parametrize("nonsense", [0.0, -5.0, math.inf, math.nan])
def test_a_wish_that_makes_no_sense_changes_nothing(nonsense: float) -> None:
    assert chosen(Policy(), Config(version=1, evidence_s=nonsense, evidence_m=nonsense, live_error_m=nonsense)) == Policy()


def test_the_marker_is_told_when_the_van_turns_stops_or_starts_and_not_before(place: Place) -> None:
    ahead = straight(place, 50, 10.0)
    assert [t for t, now in enumerate(ahead) if tells(Policy(), None if t == 0 else ahead[0], now)] == [0]
    stopped = Sample(mono_ms=4_000, position=place(0, 39), speed_mps=0.2, heading_deg=None, anchored=False)
    assert tells(Policy(), ahead[3], stopped)
    aside = Sample(mono_ms=8_000, position=place(30, 50), speed_mps=10.0, heading_deg=90.0, anchored=False)
    assert tells(Policy(), ahead[3], aside)
    assert not tells(Policy(live_error_m=80.0), ahead[3], aside)


def test_a_parked_vans_marker_is_told_once_a_minute(place: Place) -> None:
    parked = straight(place, 130, 0.0, anchored=True)
    told, when = None, []
    for now in parked:
        if tells(Policy(), told, now):
            told = now
            when.append(now.mono_ms // 1000)
    assert when == [0, 60, 120]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900)), max_size=6),
    st.lists(st.tuples(st.floats(-40, 40), st.floats(-40, 40)), max_size=60),
)
def test_whether_a_stop_is_near_is_known_without_looking_at_each_stop_each_time(
    stops: list[tuple[float, float]], moves: list[tuple[float, float]]
) -> None:
    """Invariant: the remembered answer is the one that looking would give (within the metre by which two ways of measuring differ)."""
    frame = LocalFrame(LatLon(60.17, 24.94))
    places = [frame.to_latlon(*stop) for stop in stops]
    known, east_m, north_m = None, 0.0, 0.0
    for e_m, n_m in moves:
        east_m, north_m = east_m + e_m, north_m + n_m
        at = frame.to_latlon(east_m, north_m)
        known, near = nearness(known, at, places, 100.0)
        nearest_m = min((distance_m(at, stop) for stop in places), default=math.inf)
        assert near == (nearest_m <= 100.0) or abs(nearest_m - 100.0) < 3.0
