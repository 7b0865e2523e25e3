"""Which believed fixes the log keeps."""

from __future__ import annotations

from collections.abc import Callable

from roundsman_agent.sampling import Mode, Policy, Sample, keeps
from roundsman_core.geo import LatLon

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
