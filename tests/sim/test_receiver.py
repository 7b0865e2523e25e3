"""Receivers are wrong the way real ones are, and say it in sentences that any NMEA reader takes."""

from __future__ import annotations

import itertools
import statistics

import pynmea2
import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, distance_m
from roundsman_sim.receiver import Epoch, Receiver, Truth

NOON_MS = 1_790_000_000_000
PLACE = LatLon(48.0, -20.0)


def listen(seconds: int, speed_mps: float) -> list[Epoch]:
    receiver = Receiver(seed=7)
    return [
        receiver.listen(Truth(utc_ms=NOON_MS + 1000 * second, position=PLACE, speed_mps=speed_mps, heading_deg=90.0))
        for second in range(seconds)
    ]


def errors_m(epochs: list[Epoch]) -> list[float]:
    return [distance_m(epoch.position, PLACE) for epoch in epochs if epoch.position is not None]


def test_moving_receiver_is_a_metre_off_and_its_error_persists() -> None:
    epochs = listen(5_000, speed_mps=10.0)
    assert 0.5 < statistics.median(errors_m(epochs)) < 1.6
    steps = [distance_m(a.position, b.position) for a, b in itertools.pairwise(epochs) if a.position and b.position]
    assert statistics.median(steps) < 0.35, "errors come slowly: two epochs in a row agree far better than either is right"


def test_parked_receiver_drifts_by_metres_but_never_jumps() -> None:
    epochs = listen(7_200, speed_mps=0.0)
    errors = sorted(errors_m(epochs))
    assert errors[len(errors) // 20 * 19] < 12 < max(errors) + 6
    steps = [distance_m(a.position, b.position) for a, b in itertools.pairwise(epochs) if a.position and b.position]
    assert max(steps) < 3.5


def test_receiver_falls_silent_now_and_then_and_says_so() -> None:
    silent = [epoch for epoch in listen(9_000, speed_mps=8.0) if epoch.position is None]
    assert silent
    said = [pynmea2.parse(line, check=True) for line in silent[0].sentences.decode().split()]
    assert [s.status for s in said if s.sentence_type == "RMC"] == ["V"]
    assert [s.gps_qual for s in said if s.sentence_type == "GGA"] == [0]


@given(
    lat_deg=st.floats(-89, 89),
    lon_deg=st.floats(-179.9, 179.9),
    speed_mps=st.floats(0, 40),
    utc_ms=st.integers(1_600_000_000_000, 1_900_000_000_000),
)
def test_sentences_say_what_the_receiver_means(lat_deg: float, lon_deg: float, speed_mps: float, utc_ms: int) -> None:
    at = LatLon(lat_deg, lon_deg)
    epoch = Epoch(utc_ms=utc_ms // 1000 * 1000, position=at, speed_mps=speed_mps, heading_deg=12.5, satellites=9, hdop=0.9, sigma_m=1.0)
    said = {type(m).__name__: m for m in (pynmea2.parse(line, check=True) for line in epoch.sentences.decode().split())}
    for name in ("RMC", "GGA"):
        assert distance_m(LatLon(said[name].latitude, said[name].longitude), at) < 0.01
    assert said["RMC"].datetime.timestamp() * 1000 == pytest.approx(epoch.utc_ms, abs=1)
    assert said["RMC"].spd_over_grnd * 1852 / 3600 == pytest.approx(speed_mps, abs=0.001)
