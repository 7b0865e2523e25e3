"""Where the van stops, and since when."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from roundsman_agent import visits
from roundsman_agent.visits import Moment, PlannedStop, Visits
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Visit

Place = Callable[[float, float], LatLon]
Step = tuple[float, float, float]
"""Second, metres east, speed."""


def told(steps: Iterable[Step], stops: Sequence[PlannedStop], place: Place, state: Visits | None = None) -> tuple[Visits, list[Visit]]:
    state, out = state or Visits(), []
    for t_s, east_m, speed_mps in steps:
        now = Moment(mono_ms=round(t_s * 1000), utc_ms=1_760_000_000_000 + round(t_s * 1000), position=place(east_m, 0))
        state, phases = visits.step(state, now, speed_mps, stops)
        out += phases
    return state, out


def brief(phases: Iterable[Visit]) -> list[tuple[str, str | None, int]]:
    return [(v.phase, v.stop, v.mono_ms // 1000) for v in phases]


def drive(start_s: int, from_m: float, to_m: float, speed_mps: float = 10.0) -> list[Step]:
    count = int(abs(to_m - from_m) / speed_mps)
    sign = 1 if to_m > from_m else -1
    return [(start_s + i, from_m + sign * speed_mps * i, speed_mps) for i in range(count)]


def stand(start_s: int, at_m: float, seconds: int) -> list[Step]:
    return [(start_s + i, at_m, 0.0) for i in range(seconds)]


def test_a_delivery_is_an_arrival_at_the_first_slow_fix_and_a_departure_at_the_first_fast_one(place: Place) -> None:
    stop = PlannedStop(stop="o_1", position=place(500, 0), radius_m=40)
    steps = [*drive(0, 0, 500), *stand(50, 500, 90), *drive(140, 500, 900)]
    _, phases = told(steps, [stop], place)
    assert brief(phases) == [("arrived", "o_1", 50), ("left", "o_1", 140)]
    assert phases[1].dwell_s == 90
    assert phases[0].utc_ms == 1_760_000_050_000
    assert phases[0].visit == phases[1].visit == 1


def test_a_traffic_light_is_no_stop(place: Place) -> None:
    steps = [*drive(0, 0, 500), *stand(50, 500, 90), *drive(140, 500, 1_000)]
    assert told(steps, [], place)[1] == []


def test_a_traffic_light_inside_a_stops_fence_is_no_visit_of_it(place: Place) -> None:
    stop = PlannedStop(stop="o_1", position=place(500, 0), radius_m=40)
    steps = [*drive(0, 0, 480), *stand(48, 480, 15), *drive(63, 480, 1_000)]
    assert told(steps, [stop], place)[1] == []


def test_two_minutes_anywhere_are_a_stop(place: Place) -> None:
    steps = [*drive(0, 0, 500), *stand(50, 500, 200), *drive(250, 500, 1_000)]
    assert brief(told(steps, [], place)[1]) == [("arrived", None, 50), ("left", None, 250)]


def test_a_shunt_in_the_yard_ends_no_visit(place: Place) -> None:
    stop = PlannedStop(stop="o_1", position=place(500, 0), radius_m=40)
    steps = [*stand(0, 500, 60), (60, 503, 3.0), (61, 506, 3.0), *stand(62, 508, 60), *drive(122, 508, 900)]
    assert brief(told(steps, [stop], place)[1]) == [("arrived", "o_1", 0), ("left", "o_1", 122)]


def test_drift_across_the_fences_edge_ends_no_visit(place: Place) -> None:
    """Parked drift stays within the band of 20 m (p95 of four real receivers)."""
    noise = random.Random(3)
    stop = PlannedStop(stop="o_1", position=place(500, 0), radius_m=30)
    parked = [(float(t), 528 + noise.uniform(-15, 15), 0.2) for t in range(600)]
    phases = told(parked, [stop], place)[1]
    assert [v.phase for v in phases] == ["arrived"]


def test_next_door_is_a_visit_of_its_own(place: Place) -> None:
    """Two fences that overlap: the van moves 40 m on, and both deliveries are seen."""
    stops = [PlannedStop(stop="a", position=place(0, 0), radius_m=40), PlannedStop(stop="b", position=place(40, 0), radius_m=40)]
    steps = [*stand(0, 0, 60), *drive(60, 0, 40, 5.0), *stand(68, 40, 60), *drive(128, 40, 400)]
    assert brief(told(steps, stops, place)[1]) == [("arrived", "a", 0), ("left", "a", 60), ("arrived", "b", 68), ("left", "b", 128)]


def test_at_one_door_the_plans_order_decides_and_the_next_follows_when_the_first_is_done(place: Place) -> None:
    stops = [PlannedStop(stop="b", position=place(3, 0), radius_m=40), PlannedStop(stop="a", position=place(0, 0), radius_m=40)]
    state, first = told(stand(0, 0, 60), stops, place)
    assert brief(first) == [("arrived", "b", 0)]
    _, second = told(stand(60, 0, 60), stops[1:], place, state)
    assert brief(second) == [("left", "b", 60), ("arrived", "a", 60)]


def test_a_plan_that_comes_to_where_the_van_already_stands_makes_it_a_visit_of_that_stop(place: Place) -> None:
    state, first = told(stand(0, 0, 200), [], place)
    assert brief(first) == [("arrived", None, 0)]
    stop = PlannedStop(stop="o_1", position=place(0, 0), radius_m=40)
    _, second = told(stand(200, 0, 30), [stop], place, state)
    assert brief(second) == [("left", None, 200), ("arrived", "o_1", 200)]


def test_a_silent_receiver_at_the_ramp_does_not_end_the_visit(place: Place) -> None:
    stop = PlannedStop(stop="o_1", position=place(0, 0), radius_m=40)
    steps = [*stand(0, 0, 30), *stand(900, 5, 30), *drive(930, 5, 400)]
    assert brief(told(steps, [stop], place)[1]) == [("arrived", "o_1", 0), ("left", "o_1", 930)]


def test_the_shifts_end_closes_the_visit(place: Place) -> None:
    state, _ = told(stand(0, 0, 200), [], place)
    state, phases = visits.end(state, Moment(mono_ms=300_000, utc_ms=None, position=place(0, 0)))
    assert [(v.phase, v.dwell_s) for v in phases] == [("left", 300)]
    assert state == Visits(told=1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(-60, 60), st.sampled_from([0.0, 0.5, 3.0, 12.0])), max_size=150), st.booleans())
def test_phases_come_in_pairs_in_order_of_time(moves: list[tuple[int, float, float]], planned: bool) -> None:
    """Invariant: arrived and left alternate, visits are numbered without a hole, no departure precedes its arrival."""
    place = LocalFrame(LatLon(60.17, 24.94)).to_latlon
    stops = [PlannedStop(stop=f"s{i}", position=place(i * 50.0, 0), radius_m=30) for i in range(4)] if planned else []
    t_s, east_m, steps = 0, 0.0, []
    for passed_s, moved_m, speed_mps in moves:
        t_s, east_m = t_s + passed_s, east_m + moved_m
        steps.append((float(t_s), east_m, speed_mps))
    _, phases = told(steps, stops, place)
    assert [v.phase for v in phases] == (["arrived", "left"] * len(phases))[: len(phases)]
    assert [v.visit for v in phases] == [i // 2 + 1 for i in range(len(phases))]
    assert [v.mono_ms for v in phases] == sorted(v.mono_ms for v in phases)
