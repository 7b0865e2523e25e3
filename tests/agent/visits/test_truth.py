"""Visits and fences against truth: rounds of an independent generator, and a recorded drive labelled by hand."""

from __future__ import annotations

import pytest

from roundsman_sim import bench_visits
from roundsman_sim.bench_visits import Score
from roundsman_sim.visit_drives import drive


def test_two_rounds_are_told_as_they_were() -> None:
    """One in the open, one between high houses; all of them in `make bench-agent`."""
    score = Score()
    for seed in (1_000, 1_003):
        bench_visits.count_round(score, drive(seed, stops=8))
    assert score.true >= 16
    assert score.found >= score.true - 1
    assert score.false <= 1
    assert sorted(score.arrival_s)[len(score.arrival_s) // 2] <= 10
    assert sorted(score.departure_s)[len(score.departure_s) // 2] <= 10
    assert score.false_crossings == score.fences_missed == 0


def test_the_recorded_drives_stops_are_found_and_its_lights_are_none() -> None:
    score = bench_visits.recorded_drive()
    if score is None:
        pytest.skip("the recorded drive is not here (../shared/data/gnss)")
    assert (score.true, score.found, score.false, score.false_crossings) == (4, 4, 0, 0)
    assert max(score.arrival_s) <= 10
    assert max(score.departure_s) <= 10
