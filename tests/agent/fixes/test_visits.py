"""Where the van stops, and since when."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

from hypothesis import given, settings, strategies as st

from roundsman_agent import places, visits
from roundsman_agent.evidence import Engine, Rules, chosen
from roundsman_agent.halts import Moment
from roundsman_agent.places import PlannedStop
from roundsman_agent.visits import Visits
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Config, Visit

Place = Callable[[float, float], LatLon]
Step = tuple[float, float, float]
"""Second, metres east, speed."""
STOP_M = 1_000.0


def told(
    steps: Iterable[Step],
    stops: Sequence[PlannedStop],
    place: Place,
    state: Visits | None = None,
    *,
    engine: Engine | None = None,
    rules: Rules | None = None,
) -> tuple[Visits, list[Visit]]:
    state, out, known = state or Visits(), [], places.index(stops)
    for t_s, east_m, speed_mps in steps:
        now = Moment(mono_ms=round(t_s * 1000), utc_ms=1_760_000_000_000 + round(t_s * 1000), position=place(east_m, 0))
        state, phases = visits.step(state, now, speed_mps, known, engine=engine, rules=rules or Rules())
        out += phases
    return state, out


def brief(phases: Iterable[Visit]) -> list[tuple[str, str | None, int]]:
    return [(v.phase, v.stop, v.mono_ms // 1000) for v in phases if v.phase != "approaching"]


def story(phases: Iterable[Visit]) -> list[tuple[int, str, str | None]]:
    return [(v.visit, v.phase, v.stop) for v in phases]


def drive(start_s: float, from_m: float, to_m: float, speed_mps: float = 10.0) -> list[Step]:
    count = int(abs(to_m - from_m) / speed_mps)
    sign = 1 if to_m > from_m else -1
    return [(start_s + i, from_m + sign * speed_mps * i, speed_mps) for i in range(count)]


def stand(start_s: float, at_m: float, seconds: int) -> list[Step]:
    return [(start_s + i, at_m, 0.0) for i in range(seconds)]


def stop_at(place: Place, name: str = "o_1", at_m: float = STOP_M, *, done: bool = False, radius_m: float = 60) -> PlannedStop:
    return PlannedStop(stop=name, position=place(at_m, 0), radius_m=radius_m, done=done)


# ── the story ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_delivery_is_told_from_its_approach_to_its_end_under_one_number(place: Place) -> None:
    steps = [*drive(0, 0, STOP_M), *stand(100, STOP_M, 90), *drive(190, STOP_M, 1_900)]
    _, phases = told(steps, [stop_at(place)], place)
    assert story(phases) == [(1, "approaching", "o_1"), (1, "arrived", "o_1"), (1, "serving", "o_1"), (1, "left", "o_1")]
    assert [v.mono_ms // 1000 for v in phases] == [70, 100, 160, 190], "arrival at the first slow fix, departure at the first fast one"
    assert phases[1].utc_ms == 1_760_000_100_000
    assert [v.dwell_s for v in phases] == [0, 20, 60, 90]
    assert phases[1].confidence < phases[3].confidence, "surer with time"


def test_the_shifts_end_closes_the_visit(place: Place) -> None:
    state, _ = told(stand(0, 0, 200), [], place)
    state, phases = visits.end(state, Moment(mono_ms=300_000, utc_ms=None, position=place(0, 0)))
    assert [(v.phase, v.dwell_s) for v in phases] == [("left", 300)]
    assert state == Visits(told=1)


def test_a_silent_receiver_at_the_ramp_does_not_end_the_visit(place: Place) -> None:
    steps = [*stand(0, 0, 30), *stand(900, 5, 30), *drive(930, 5, 400)]
    assert brief(told(steps, [stop_at(place, at_m=0)], place)[1]) == [("arrived", "o_1", 0), ("serving", "o_1", 900), ("left", "o_1", 930)]


def test_slow_before_a_tunnel_and_slow_behind_it_are_two_halts(place: Place) -> None:
    assert told([*stand(0, 0, 20), *stand(300, 2_000, 20)], [], place)[1] == []


# ── what is no stop ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_traffic_light_is_no_stop(place: Place) -> None:
    steps = [*drive(0, 0, 500), *stand(50, 500, 90), *drive(140, 500, 1_000)]
    assert told(steps, [], place)[1] == []


def test_a_red_beside_a_door_whose_turn_it_is_not_is_no_visit_of_it(place: Place) -> None:
    """Every stop of the plan is driven by sooner or later, and some of them have a crossing in their fence."""
    plan = [stop_at(place, f"o_{n}", 5_000 + 100 * n) for n in range(5)] + [stop_at(place, "o_9", 500)]
    steps = [*drive(0, 0, 500), *stand(50, 500, 65), *drive(115, 500, 1_000)]
    assert told(steps, plan, place)[1] == []


def test_a_drive_by_is_no_visit(place: Place) -> None:
    assert brief(told(drive(0, 0, 2_000, 8.0), [stop_at(place)], place)[1]) == []


def test_a_queue_past_the_door_is_no_visit(place: Place) -> None:
    """Halts of fifteen seconds, a car's length apart: none of them is long enough, and they do not add up."""
    steps, t_s, at_m = drive(0, 0, 950), 95.0, 950.0
    for _ in range(12):
        steps += stand(t_s, at_m, 15)
        steps += [(t_s + 15 + i, at_m + 3.0 * i, 3.0) for i in range(4)]
        t_s, at_m = t_s + 19, at_m + 12
    assert brief(told([*steps, *drive(t_s, at_m, 2_500)], [stop_at(place)], place)[1]) == []


def test_a_queue_that_creeps_below_walking_pace_is_no_stop(place: Place) -> None:
    assert told([(float(t), 0.7 * t, 0.7) for t in range(400)], [], place)[1] == []


def test_idling_is_no_stop_where_the_key_is_known_to_be_on(place: Place) -> None:
    waits = [*stand(0, 0, 200), *drive(200, 0, 500)]
    assert told(waits, [], place, engine="on")[1] == []
    assert brief(told(waits, [], place)[1]) == [("arrived", None, 0), ("left", None, 200)], "without a line nobody can tell"


def test_the_key_turned_off_makes_a_stop_at_once(place: Place) -> None:
    _, phases = told(stand(0, 0, 25), [], place, engine="off")
    assert [(v.phase, v.engine, v.dwell_s) for v in phases] == [("arrived", "off", 20)]
    _, phases = told(stand(0, 0, 12), [stop_at(place, at_m=0)], place, engine="off")
    assert story(phases) == [(1, "arrived", "o_1"), (1, "serving", "o_1")]


def test_a_line_that_says_off_on_the_road_is_not_believed(place: Place) -> None:
    assert told(drive(0, 0, 3_000), [], place, engine="off")[1] == []


# ── drift ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_drift_across_the_fences_edge_ends_no_visit(place: Place) -> None:
    """Parked drift stays within the band of 20 m (p95 of four real receivers)."""
    noise = random.Random(3)
    parked = [(float(t), 28 + noise.uniform(-15, 15), 0.2) for t in range(600)]
    phases = told(parked, [stop_at(place, at_m=0, radius_m=30)], place)[1]
    assert [v.phase for v in phases] == ["arrived", "serving"]


def test_speeds_that_reflections_make_up_do_not_cut_a_halt(place: Place) -> None:
    """An arrival is told where it was, not after the last wrong speed."""
    parked = [(float(t), 0.0, 1.4 if t % 9 == 5 else 0.1) for t in range(100)]
    assert brief(told(parked, [stop_at(place, at_m=0)], place)[1])[0] == ("arrived", "o_1", 0)


def test_a_shunt_in_the_yard_ends_no_visit(place: Place) -> None:
    steps = [*stand(0, 0, 62), (62, 3, 3.0), (63, 6, 3.0), *stand(64, 8, 60), *drive(124, 8, 900)]
    assert brief(told(steps, [stop_at(place, at_m=0)], place)[1]) == [("arrived", "o_1", 0), ("serving", "o_1", 60), ("left", "o_1", 124)]


# ── which stop ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_light_before_the_door_is_put_right_when_the_van_parks(place: Place) -> None:
    """`arrived` again under the same number: the hub takes the last word."""
    steps = [*drive(0, 0, 950), *stand(95, 950, 40), *drive(135, 950, 1_000, 5.0), *stand(145, 1_000, 50), *drive(195, 1_000, 1_500)]
    _, phases = told(steps, [stop_at(place)], place)
    assert brief(phases) == [("arrived", "o_1", 95), ("arrived", "o_1", 145), ("left", "o_1", 195)]
    assert len({v.visit for v in phases}) == 1


def test_a_light_behind_the_door_does_not_make_the_departure_late(place: Place) -> None:
    steps = [*drive(0, 0, 1_000), *stand(100, 1_000, 60), *drive(160, 1_000, 1_050, 5.0), *stand(170, 1_050, 40), *drive(210, 1_050, 1_500)]
    assert brief(told(steps, [stop_at(place)], place)[1])[-1] == ("left", "o_1", 160)


def test_next_door_is_a_visit_of_its_own(place: Place) -> None:
    """Two fences that overlap: the van moves 40 m on, and both deliveries are seen."""
    stops = [stop_at(place, "a", 0), stop_at(place, "b", 40)]
    steps = [*stand(0, 0, 50), *drive(50, 0, 40, 5.0), *stand(58, 40, 50), *drive(108, 40, 400)]
    phases = told(steps, stops, place)[1]
    assert brief(phases) == [("arrived", "a", 0), ("left", "a", 50), ("arrived", "b", 58), ("left", "b", 108)]


def test_one_visit_serves_two_orders_in_one_building(place: Place) -> None:
    """One standstill, one number, one arrival and one departure; `serving` names both."""
    stops = [stop_at(place, "b", 3), stop_at(place, "a", 0)]
    steps = [*stand(0, 0, 90), *drive(90, 0, 400)]
    _, phases = told(steps, stops, place)
    assert story(phases) == [(1, "arrived", "b"), (1, "serving", "b"), (1, "serving", "a"), (1, "left", "b")]


def test_a_short_visit_serves_both_as_well(place: Place) -> None:
    _, phases = told([*stand(0, 0, 40), *drive(40, 0, 400)], [stop_at(place, "b", 3), stop_at(place, "a", 0)], place)
    assert story(phases) == [(1, "arrived", "b"), (1, "serving", "b"), (1, "serving", "a"), (1, "left", "b")]


def test_an_order_that_comes_to_the_same_door_joins_the_visit(place: Place) -> None:
    state, first = told(stand(0, 0, 90), [stop_at(place, "b", 3)], place)
    assert story(first) == [(1, "arrived", "b"), (1, "serving", "b")]
    _, second = told(stand(90, 0, 30), [stop_at(place, "a", 0), stop_at(place, "b", 3, done=True)], place, state)
    assert story(second) == [(1, "serving", "a")]


def test_a_neighbour_in_the_plan_is_not_served_by_standing_next_to_it(place: Place) -> None:
    """The first is done; the second is forty metres on, and the van has not moved."""
    state, _ = told(stand(0, 0, 90), [stop_at(place, "a", 0), stop_at(place, "b", 40)], place)
    _, then = told(stand(90, 0, 60), [stop_at(place, "b", 40), stop_at(place, "a", 0, done=True)], place, state)
    assert then == []


def test_a_drivers_word_makes_a_short_stop_a_visit(place: Place) -> None:
    """Eleven seconds at the door, and `delivered` tapped there."""
    state, _ = told([*drive(0, 0, 1_000), *stand(100, 1_000, 8)], [stop_at(place)], place)
    _, phases = told([*stand(108, 1_000, 3), *drive(111, 1_000, 1_500)], [stop_at(place, done=True)], place, state)
    assert brief(phases) == [("arrived", "o_1", 100), ("serving", "o_1", 108), ("left", "o_1", 111)]
    assert phases[0].confidence == 0.99


def test_left_early_and_came_back_are_two_visits_of_the_stop(place: Place) -> None:
    away = [*drive(0, 0, 1_000), *stand(100, 1_000, 40), *drive(140, 1_000, 1_300), *drive(170, 1_300, 1_000)]
    _, phases = told([*away, *stand(200, 1_000, 50), *drive(250, 1_000, 1_500)], [stop_at(place)], place)
    assert brief(phases) == [("arrived", "o_1", 100), ("left", "o_1", 140), ("arrived", "o_1", 200), ("left", "o_1", 250)]
    assert [v.visit for v in phases if v.phase == "arrived"] == [1, 2]


def test_coming_back_to_a_stop_that_is_done_is_a_visit_of_it(place: Place) -> None:
    """A parcel was forgotten: the dispatcher sees where the van is, and why."""
    _, phases = told([*drive(0, 0, 1_000), *stand(100, 1_000, 80)], [stop_at(place, done=True)], place)
    assert brief(phases)[0] == ("arrived", "o_1", 100)


def test_a_stop_at_a_neighbours_is_unplanned_and_says_whose_it_may_be(place: Place) -> None:
    steps = [*drive(0, 0, 890), *stand(89, 890, 150), *drive(239, 890, 2_000)]
    _, phases = told(steps, [stop_at(place)], place)
    at = [v for v in phases if v.phase == "arrived"]
    assert [(v.stop, v.near) for v in at] == [(None, "o_1")]
    assert at[0].visit == 2, "the approach to the stop keeps its own number"


def test_two_minutes_anywhere_are_a_stop(place: Place) -> None:
    _, phases = told([*drive(0, 0, 500), *stand(50, 500, 200), *drive(250, 500, 1_000)], [], place)
    assert brief(phases) == [("arrived", None, 50), ("left", None, 250)]
    assert phases[0].near is None


def test_a_plan_that_comes_to_where_the_van_stands_makes_it_a_visit_of_that_stop(place: Place) -> None:
    state, first = told(stand(0, 0, 200), [], place)
    assert story(first) == [(1, "arrived", None)]
    _, second = told(stand(200, 0, 30), [stop_at(place, at_m=0)], place, state)
    assert story(second) == [(1, "arrived", "o_1"), (1, "serving", "o_1")]


def test_a_driver_who_swaps_two_neighbours_is_followed(place: Place) -> None:
    plan = [stop_at(place, "a", 1_000), stop_at(place, "b", 1_300), stop_at(place, "c", 3_000)]
    first = [*drive(0, 800, 1_300), *stand(50, 1_300, 90), *drive(140, 1_300, 1_000)]
    phases = told(
        [*first, *stand(170, 1_000, 40), *drive(210, 1_000, 3_000), *stand(410, 3_000, 40), *drive(450, 3_000, 3_500)], plan, place
    )[1]
    assert [(v.stop, v.mono_ms // 1000) for v in phases if v.phase == "arrived"] == [("b", 50), ("a", 170), ("c", 410)]


def test_a_stops_own_area_counts_and_not_a_circle(place: Place) -> None:
    """A yard behind the address: its far gate is 120 m from the point."""
    corners = tuple((p.lat_e6, p.lon_e6) for p in (place(980, -20), place(1_140, -20), place(1_140, 20), place(980, 20)))
    yard = PlannedStop(stop="o_1", position=place(1_000, 0), radius_m=30, rings_e6=(corners,))
    steps = [*drive(0, 0, 1_120), *stand(112, 1_120, 40), *drive(152, 1_120, 2_000)]
    assert brief(told(steps, [yard], place)[1]) == [("arrived", "o_1", 112), ("left", "o_1", 152)]
    nowhere = PlannedStop(stop="o_1", position=place(1_000, 0), radius_m=30, rings_e6=(corners[:2],))
    assert brief(told(steps, [nowhere], place)[1]) == [], "an area that is none leaves the circle"


def test_the_hubs_wishes_are_followed(place: Place) -> None:
    rules = chosen(Config(version=1, stop_planned_s=60.0, stop_unplanned_s=30.0, stop_slow_mps=2.0))
    assert rules == Rules(slow_mps=2.0, planned_ms=60_000, elsewhere_ms=30_000)
    assert chosen(None) == chosen(Config(version=1)) == Rules()
    assert story(told(stand(0, 0, 31), [], place, rules=rules)[1]) == [(1, "arrived", None)]
    assert told(stand(0, 0, 50), [stop_at(place, at_m=0)], place, rules=rules)[1] == []


# ── invariants ──────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(-60, 60), st.sampled_from([0.0, 0.5, 3.0, 12.0])), max_size=150),
    st.booleans(),
    st.sampled_from(["on", "off", None]),
)
def test_each_visit_is_told_in_order(moves: list[tuple[int, float, float]], planned: bool, engine: Engine | None) -> None:
    """Invariant: one number, one story, in order; one visit at a time; no departure before its arrival."""
    place = LocalFrame(LatLon(60.17, 24.94)).to_latlon
    stops = [PlannedStop(stop=f"s{i}", position=place(i * 50.0, 0), radius_m=30) for i in range(4)] if planned else []
    t_s, east_m, steps = 0, 0.0, []
    for passed_s, moved_m, speed_mps in moves:
        t_s, east_m = t_s + passed_s, east_m + moved_m
        steps.append((float(t_s), east_m, speed_mps))
    _, phases = told(steps, stops, place, engine=engine)
    rank = {"approaching": 0, "arrived": 1, "serving": 2, "left": 3}
    numbers = [v.visit for v in phases if v.phase != "approaching"]
    assert numbers == sorted(numbers)
    assert {v.visit for v in phases} == set(range(1, len({v.visit for v in phases}) + 1)), "every number was told"
    for number in set(numbers):
        own = [v for v in phases if v.visit == number]
        story = [v.phase for at, v in enumerate(own) if v.phase != "arrived" or "arrived" not in {w.phase for w in own[:at]}]
        assert story == sorted(story, key=rank.__getitem__), "but that the arrival may be put right later"
        assert sum(v.phase == "left" for v in own) <= 1
        assert own[-1].phase == "left" or number == numbers[-1]
        arrived = [v.mono_ms for v in own if v.phase == "arrived"]
        assert arrived
        assert all(v.mono_ms >= arrived[-1] and v.dwell_s >= 0 for v in own if v.phase == "left")
        assert all(0 < v.confidence <= 1 for v in own)
