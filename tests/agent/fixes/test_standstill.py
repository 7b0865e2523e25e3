"""When the van stands, and where."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from roundsman_agent import standstill
from roundsman_agent.standstill import MOVING, Standstill
from roundsman_core.geo import LatLon, distance_m

Place = Callable[[float, float], LatLon]


def run(steps: Iterable[tuple[float, LatLon, float]]) -> list[Standstill]:
    state, states = MOVING, []
    for t_s, at, speed_mps in steps:
        state = standstill.step(state, round(t_s * 1000), at, speed_mps)
        states.append(state)
    return states


def test_a_parked_van_stays_at_one_place_while_its_fixes_drift(place: Place) -> None:
    noise = random.Random(5)
    states = run((t, place(noise.gauss(0, 4), noise.gauss(0, 4)), 0.05) for t in range(600))
    anchors = {s.anchor for s in states if s.anchor is not None}
    assert len(anchors) == 1
    assert distance_m(anchors.pop(), place(0, 0)) < 5


def test_it_takes_ten_seconds_to_stand_and_one_fix_to_go(place: Place) -> None:
    states = run([*((t, place(0, 0), 0.0) for t in range(15)), (15, place(1, 0), 1.2)])
    assert [s.anchor is not None for s in states] == [False] * 10 + [True] * 5 + [False]


def test_a_van_that_creeps_in_a_queue_is_let_go(place: Place) -> None:
    standing = [(float(t), place(0, 0), 0.0) for t in range(20)]
    creeping = [(20.0 + t, place(0.6 * t, 0), 0.6) for t in range(20)]
    states = run([*standing, *creeping])
    freed = next(i for i, s in enumerate(states) if i >= 20 and s.anchor is None)
    assert 0.6 * (freed - 20) < 6.0, "the anchor was never more than 6 m wrong"


def test_a_van_that_creeps_slower_than_a_walk_takes_its_anchor_along(place: Place) -> None:
    """A queue at 0.2 m/s: each fix is slow enough to stand, and after two minutes the van is 24 m on."""
    noise = random.Random(8)
    state, worst_m = MOVING, 0.0
    for t in range(140):
        at = place(max(t - 20, 0) * 0.2, 0)
        said = place(max(t - 20, 0) * 0.2 + noise.gauss(0, 0.4), noise.gauss(0, 0.4))
        creeps = t >= 20
        state = standstill.step(state, t * 1000, said, 0.2 if creeps else 0.02, (90 + noise.gauss(0, 20)) % 360)
        worst_m = max(worst_m, distance_m(state.anchor or said, at))
    assert worst_m < 5.0


def test_doppler_noise_of_a_poor_receiver_lets_no_parked_van_go(place: Place) -> None:
    """0.1 m/s (one sigma), whichever way, for half an hour, while the place wanders by 6 m."""
    noise = random.Random(2)
    state, let_go = MOVING, 0
    east_m = north_m = 0.0
    for t in range(1_800):
        east_m, north_m = 0.97 * east_m + noise.gauss(0, 0.7), 0.97 * north_m + noise.gauss(0, 0.7)
        stood = state.anchor is not None
        state = standstill.step(state, t * 1000, place(east_m, north_m), abs(noise.gauss(0, 0.1)), noise.uniform(0, 360))
        let_go += stood and state.anchor is None
    assert let_go == 0


def test_a_van_that_is_carried_away_is_let_go(place: Place) -> None:
    states = run([*((t, place(0, 0), 0.0) for t in range(20)), *((20 + t, place(100 + t, 0), 0.0) for t in range(3))])
    assert [s.anchor is not None for s in states[19:]] == [True, True, True, False]


def test_a_single_wild_fix_moves_no_anchor(place: Place) -> None:
    steps = [(float(t), place(0, 0), 0.0) for t in range(40)]
    steps[25] = (25.0, place(200, 0), 0.0)
    states = run(steps)
    assert all(s.anchor is not None for s in states[10:])
