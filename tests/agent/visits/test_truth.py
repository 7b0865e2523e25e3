"""Visits and fences against truth: rounds of an independent generator, and a recorded drive labelled by hand."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from roundsman_core.geo import LatLon, distance_m
from roundsman_sim import bench_visits
from roundsman_sim.bench_visits import Score
from roundsman_sim.visit_drives import drive


def test_two_rounds_are_told_as_they_were() -> None:
    """One in the open, one between high houses; all of them in `make bench-agent`."""
    score, plain = Score(), Score()
    for seed in (1_000, 1_003):
        bench_visits.count_round(score, drive(seed, stops=8), plain)
    assert score.true >= 16
    assert score.found >= score.true - 1
    assert score.false <= 1
    assert sorted(score.arrival_s)[len(score.arrival_s) // 2] <= 10
    assert sorted(score.departure_s)[len(score.departure_s) // 2] <= 10
    assert score.false_crossings == score.fences_missed == 0
    assert plain.true == score.true
    assert plain.found >= plain.true / 2, "a peer that finds nothing is none"


def test_the_recorded_drives_stops_are_found_and_its_lights_are_none() -> None:
    score = bench_visits.recorded_drive()
    if score is None:
        pytest.skip("the recorded drive is not here (../shared/data/gnss)")
    assert (score.true, score.found, score.false, score.false_crossings) == (4, 4, 0, 0)
    assert max(score.arrival_s) <= 10
    assert max(score.departure_s) <= 10


GNSS = Path(__file__).parents[4] / "shared" / "data" / "gnss" / "mountain-view"
SURVEYED, RECORDED = "MTV.Local1.SPAN.20200206-181434.gga", "MTV.Local1.ublox-F9K.20200206-181434.nmea"


def places(file: Path) -> dict[int, LatLon]:
    """Where GGA sentences say that the receiver was, by second of the day."""
    out = {}
    for line in file.read_text(errors="replace").splitlines():
        fields = line.split(",")
        if fields[0][3:] == "GGA" and fields[2] and fields[6] != "0":
            lat = int(fields[2][:2]) + float(fields[2][2:]) / 60
            lon = int(fields[4][:3]) + float(fields[4][3:]) / 60
            second = int(fields[1][:2]) * 3600 + int(fields[1][2:4]) * 60 + round(float(fields[1][4:]))
            out[second] = LatLon(lat if fields[3] == "N" else -lat, lon if fields[5] == "E" else -lon)
    return out


def test_the_labels_are_those_of_a_survey_grade_unit_on_the_same_drive() -> None:
    """An inertial unit in the same car, good to centimetres, moved less than half a metre a second just when the labels say that it stood.

    One stop ends with three metres of creeping (8 s), and the unit's file ends 26 s before the drive does.
    """
    if not (GNSS / SURVEYED).exists():
        pytest.skip("the recorded drive is not here (../shared/data/gnss)")
    surveyed, first = places(GNSS / SURVEYED), min(places(GNSS / RECORDED))
    stood: list[list[int]] = []
    for before, now in itertools.pairwise(sorted(surveyed)):
        if distance_m(surveyed[before], surveyed[now]) < 0.5:
            if not stood or stood[-1][1] != before - first:
                stood.append([before - first, now - first])
            stood[-1][1] = now - first
    ends = max(surveyed) - first
    labels = tomllib.loads((Path(__file__).parent / "standstills.toml").read_text(encoding="utf-8"))["standstill"]
    for label in labels:
        begun, over = next(one for one in stood if one[0] < label["to_s"] and one[1] > label["from_s"])
        assert max(begun, 0) == pytest.approx(label["from_s"], abs=2)
        assert over == pytest.approx(min(label["to_s"], ends), abs=8 if label["from_s"] == 1556 else 2)
    long = [one for one in stood if one[1] - one[0] >= 8 and one[1] > 0]
    assert len(long) == len(labels) == 13
