"""Which standing areas the van is in."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from roundsman_agent import fences, hours
from roundsman_agent.fences import At, Membership, Sites
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.messages import ActiveHours, Crossing, Fence, Sites as SitesMessage

Place = Callable[[float, float], LatLon]
FRAME = LocalFrame(LatLon(60.17, 24.94))


def circle(name: str, east_m: float, north_m: float, radius_m: float, dwell_s: int | None = None, limit_cm_s: int | None = None) -> Fence:
    at = FRAME.to_latlon(east_m, north_m)
    return Fence(
        fence=name, name=name, rings_e6=(((at.lat_e6, at.lon_e6),),), radius_m=radius_m, dwell_s=dwell_s, speed_limit_cm_s=limit_cm_s
    )


def ring(*corners: tuple[float, float]) -> tuple[tuple[int, int], ...]:
    return tuple((at.lat_e6, at.lon_e6) for at in (FRAME.to_latlon(*corner) for corner in corners))


def square(east_m: float, north_m: float, half_m: float) -> tuple[tuple[int, int], ...]:
    e, n, h = east_m, north_m, half_m
    return ring((e - h, n - h), (e + h, n - h), (e + h, n + h), (e - h, n + h))


def sites(*these: Fence) -> Sites:
    found, wrong = fences.index(SitesMessage(version=7, fences=these))
    assert not wrong
    return found


def walk(
    path: Iterable[tuple[float, float, float]],
    where: Sites,
    state: Membership | None = None,
    *,
    speed_mps: float | None = None,
    unbroken: bool = True,
) -> tuple[Membership, list[Crossing]]:
    state, out = state or Membership(), []
    for t_s, east_m, north_m in path:
        now = At(mono_ms=round(t_s * 1000), utc_ms=None, position=FRAME.to_latlon(east_m, north_m), speed_mps=speed_mps, unbroken=unbroken)
        state, crossings = fences.step(state, now, where)
        out += crossings
    return state, out


def run(path: Iterable[tuple[float, float, float]], where: Sites, speed_mps: float | None = None, unbroken: bool = True) -> list[Crossing]:
    return walk(path, where, speed_mps=speed_mps, unbroken=unbroken)[1]


def brief(crossings: Iterable[Crossing]) -> list[tuple[str, str, int]]:
    return [(c.event, c.fence, c.mono_ms // 1000) for c in crossings]


def test_through_a_fence_in_at_the_line_out_at_the_first_fix_beyond_the_band() -> None:
    crossings = run([(t, -205 + 10.0 * t, 0) for t in range(45)], sites(circle("yard", 0, 0, 100)))
    assert brief(crossings) == [("enter", "yard", 11), ("exit", "yard", 33)]
    assert {c.sites_version for c in crossings} == {7}


def test_a_parked_van_does_not_leave_and_enter_all_night() -> None:
    """Invariant: no crossing without movement; drift of a parked receiver reaches 20 m (p95), and further now and then."""
    noise = random.Random(11)
    drift = [(float(t), 98 + noise.gauss(0, 8), noise.gauss(0, 8)) for t in range(2_000)]
    assert brief(run(drift, sites(circle("yard", 0, 0, 100)))) in ([("enter", "yard", 0)], [("enter", "yard", 1)], [("enter", "yard", 2)])


def test_a_jump_out_and_back_is_no_exit() -> None:
    path = [(float(t), 0.0, 0.0) for t in range(10)]
    path[4] = (4.0, 300.0, 0.0)
    path[5] = (5.0, 310.0, 0.0)
    assert brief(run(path, sites(circle("yard", 0, 0, 100)))) == [("enter", "yard", 0)]


def test_a_hole_is_outside() -> None:
    ringed = Fence(fence="zone", name="zone", rings_e6=(square(0, 0, 300), square(0, 0, 100)))
    path = [(float(t), 405 - 10.0 * t, 0.0) for t in range(82)]
    assert brief(run(path, sites(ringed))) == [("enter", "zone", 11), ("exit", "zone", 33), ("enter", "zone", 51), ("exit", "zone", 73)]


def test_a_fence_between_two_fixes_is_inferred_and_says_so() -> None:
    """A gate of 20 m at 25 m/s: no fix sees it, the way between two does."""
    crossings = run([(t, -37.5 + 25.0 * t, 0) for t in range(6)], sites(circle("gate", 0, 0, 10)))
    assert [(c.event, c.inferred) for c in crossings] == [("enter", True), ("exit", True)]
    entered, left = (distance_m(LatLon.from_e6(c.lat_e6, c.lon_e6), FRAME.to_latlon(0, 0)) for c in crossings)
    assert abs(entered - 10) < 1
    assert abs(left - 10) < 1
    assert crossings[0].mono_ms < crossings[1].mono_ms


def test_nothing_is_inferred_across_a_gap() -> None:
    assert run([(t, -37.5 + 25.0 * t, 0) for t in range(6)], sites(circle("gate", 0, 0, 10)), unbroken=False) == []


def test_dwelling_is_told_once() -> None:
    crossings = run([(t, 0.0, 0.0) for t in range(0, 1200, 10)], sites(circle("dock", 0, 0, 50, dwell_s=600)))
    assert brief(crossings) == [("enter", "dock", 0), ("dwell", "dock", 600)]


def test_speeding_is_told_once_an_episode_and_not_for_one_fix() -> None:
    school = sites(circle("school", 0, 0, 5_000, limit_cm_s=830))
    state, out = Membership(), []
    for t, speed_mps in enumerate([8.0, 9.0, 8.0, 9.0, 9.0, 9.0, 9.0, 8.0, 8.0, 9.0, 9.0, 9.0]):
        now = At(mono_ms=t * 1000, utc_ms=None, position=FRAME.to_latlon(t * 9.0, 0), speed_mps=speed_mps)
        state, crossings = fences.step(state, now, school)
        out += crossings
    assert [(c.event, c.mono_ms) for c in out] == [("enter", 0), ("speeding", 5_000), ("speeding", 11_000)]


def test_a_fence_that_is_taken_away_is_forgotten_without_an_exit() -> None:
    state, first = walk([(0, 0, 0), (1, 0, 0)], sites(circle("old", 0, 0, 50)))
    state, crossings = walk([(2, 0, 0), (3, 0, 0)], sites(circle("new", 0, 0, 50)), state.elsewhere())
    assert brief(first) == [("enter", "old", 0)]
    assert brief(crossings) == [("enter", "new", 2)]
    assert set(state.inside) == {"new"}


def test_a_new_version_of_the_fences_makes_no_crossing_of_its_own() -> None:
    """The hub pushes fences while the van stands in two of them, drives in a third, and is on its way out of a fourth."""
    old = sites(*(circle(f"f{n}", 0, 0, 60 + 40 * n) for n in range(4)))
    state, first = walk([(t, 0, 0) for t in range(5)], old)
    assert len(first) == 4
    new, wrong = fences.index(SitesMessage(version=8, fences=(*(s.fence for s in reversed(old.spots)), circle("far", 900, 0, 50))))
    assert not wrong
    state, crossings = walk([(5, 82, 0), (6, 84, 0)], new, state.elsewhere())
    assert crossings == []
    _, crossings = walk([(7, 90, 0)], old, state.elsewhere())
    assert brief(crossings) == [("exit", "f0", 5)], "the count of fixes outside went on through both versions"


# ── beside a fence ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_road_along_a_fence_crosses_nothing() -> None:
    """Seven metres beside the line, wandering two metres over it now and then."""
    noise = random.Random(5)
    path = [(float(t), -600 + 12.0 * t, 100 + 7 + noise.gauss(0, 4)) for t in range(100)]
    wide = Fence(fence="yard", name="yard", rings_e6=(ring((-500, -100), (500, -100), (500, 100), (-500, 100)),))
    assert run(path, sites(wide), speed_mps=12.0) == []


def test_parked_beside_a_fence_crosses_nothing() -> None:
    noise = random.Random(6)
    assert run([(float(t), 112 + noise.gauss(0, 5), noise.gauss(0, 5)) for t in range(3_000)], sites(circle("yard", 0, 0, 100))) == []


def test_parked_at_the_very_edge_is_inside_after_a_minute() -> None:
    assert brief(run([(float(t), 95, 0) for t in range(90)], sites(circle("yard", 0, 0, 100)))) == [("enter", "yard", 0)]


def test_a_fence_narrower_than_the_core_can_be_entered() -> None:
    gate = Fence(fence="gate", name="gate", rings_e6=(ring((-3, -40), (3, -40), (3, 40), (-3, 40)),))
    assert brief(run([(float(t), 0.0, 30.0 - t) for t in range(9)], sites(gate))) == [("enter", "gate", 0)]


def timed(path: Iterable[tuple[float, float, float]], where: Sites) -> list[Crossing]:
    """One second after another: (metres north of the line, speed)."""
    state, out = Membership(), list[Crossing]()
    for t, (east_m, north_m, speed_mps) in enumerate(path):
        state, told = fences.step(
            state, At(mono_ms=t * 1000, utc_ms=None, position=FRAME.to_latlon(east_m, north_m), speed_mps=speed_mps), where
        )
        out += told
    return out


YARD = Fence(fence="yard", name="yard", rings_e6=(ring((-300, 0), (300, 0), (300, 200), (-300, 200)),))


def test_a_place_that_drifts_into_a_yard_enters_nothing_and_nothing_when_the_van_drives_off() -> None:
    """Between high houses a reflection pulls the place of a van that parks twelve metres beside a yard 30 m over its line, for minutes."""
    parked = [(0.0, min(-12.0 + 2.0 * t, 18.0), 0.2 if t % 7 else 0.6) for t in range(240)]
    off = [(1.5 * t * t / 2, 18.0 - 30.0 * (1 - 0.85**t), 1.5 * t) for t in range(1, 9)]
    on = [(48.0 + 12.0 * t, -8.0 - 4.0 * (1 - 0.85**t), 12.0) for t in range(1, 10)]
    assert timed([(0.0, -12.0, 0.1), *parked, *off, *on], sites(YARD)) == []


def test_who_brakes_over_the_line_drifts_and_drives_in_has_entered() -> None:
    braking = [(0.0, -20.0, 8.0), (0.0, -12.0, 7.0), (0.0, -6.0, 5.0), (0.0, -1.0, 4.0), (0.0, 2.0, 2.0), (0.0, 3.0, 0.1)]
    stands = [(0.0, 3.0 + 5.0 * math.sin(t / 12), 0.1) for t in range(40)]
    inwards = [(0.0, 4.0 + 4.0 * t, 4.0) for t in range(12)]
    assert [c.event for c in timed([*braking, *stands, *inwards], sites(YARD))] == ["enter"]


def test_a_van_that_creeps_over_the_line_enters() -> None:
    assert [c.event for c in timed([(0.0, -15.0 + 0.7 * t, 0.7) for t in range(70)], sites(YARD))] == ["enter"]


# ── hours ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def at_night(zone: str = "Europe/Berlin", days: int = 127, start_min: int = 22 * 60, end_min: int = 6 * 60) -> Fence:
    hours = ActiveHours(days=days, start_min=start_min, end_min=end_min)
    return structs.replace(circle("quiet", 0, 0, 100), active=(hours,), time_zone=zone)


def holds(fence: Fence, *, at: str) -> bool:
    found = hours.of(fence)
    assert found is not None
    return found.hold(round(datetime.fromisoformat(at).timestamp() * 1000))


@pytest.mark.parametrize(
    ("at", "inside"),
    [
        ("2026-03-28T21:30:00+01:00", False),
        ("2026-03-28T22:00:00+01:00", True),
        ("2026-03-29T01:59:00+01:00", True),  # the night that summer time begins: an hour shorter
        ("2026-03-29T05:59:00+02:00", True),
        ("2026-03-29T06:00:00+02:00", False),
        ("2026-10-25T02:30:00+02:00", True),  # the night that it ends: half past two comes twice
        ("2026-10-25T02:30:00+01:00", True),
        ("2026-10-25T05:59:00+01:00", True),
        ("2026-10-25T06:00:00+01:00", False),
    ],
)
def test_hours_are_on_the_local_wall_clock_when_it_changes_too(at: str, inside: bool) -> None:
    assert holds(at_night(), at=at) is inside


def test_hours_past_midnight_belong_to_the_day_they_begin_on() -> None:
    friday = at_night(days=1 << 4)
    assert holds(friday, at="2026-06-05T23:00:00+02:00")
    assert holds(friday, at="2026-06-06T05:00:00+02:00"), "Saturday morning is still Friday's night"
    assert not holds(friday, at="2026-06-06T23:00:00+02:00")
    assert not holds(friday, at="2026-06-05T05:00:00+02:00")
    assert not holds(at_night("America/New_York"), at="2026-06-06T01:00:00+02:00"), "whose clock"


def test_where_hours_begin_and_end_the_van_enters_and_leaves_on_the_spot() -> None:
    start = datetime.fromisoformat("2026-06-05T21:59:30+02:00")
    state, out = Membership(), []
    for second in range(0, 8 * 3600 + 60, 10):
        utc_ms = round((start + timedelta(seconds=second)).timestamp() * 1000)
        state, told = fences.step(state, At(mono_ms=second * 1000, utc_ms=utc_ms, position=FRAME.to_latlon(0, 0)), sites(at_night()))
        out += told
    assert [(c.event, datetime.fromtimestamp((c.utc_ms or 0) / 1000, start.tzinfo).strftime("%H:%M:%S")) for c in out] == [
        ("enter", "22:00:00"),
        ("exit", "06:00:00"),
    ]


def test_without_a_date_hours_neither_begin_nor_end() -> None:
    assert run([(float(t), 0, 0) for t in range(30)], sites(at_night())) == []


def test_hours_on_no_clock_are_named() -> None:
    wrong = [at_night("Mars/Olympus"), at_night(start_min=1_500), at_night(days=0)]
    _, said = fences.index(SitesMessage(version=1, fences=tuple(wrong)))
    assert [text.split(": ")[1] for text in said] == [
        "no time zone 'Mars/Olympus'",
        "its hours are on no clock",
        "its hours are on no clock",
    ]


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_three_thousand_fences_are_crossed_as_each_alone_would_be() -> None:
    pick = random.Random(8)
    many = [circle(f"f{n}", pick.uniform(-4_000, 4_000), pick.uniform(-4_000, 4_000), pick.uniform(20, 150)) for n in range(3_000)]
    path = [(float(t), -3_000 + 11.0 * t, 400 * math.sin(t / 60)) for t in range(500)]
    together = run(path, sites(*many), speed_mps=11.0)
    assert len(together) > 50
    crossed = {c.fence for c in together}
    apart = [
        c for fence in many if fence.fence in crossed for c in run(path, sites(many[0], fence), speed_mps=11.0) if c.fence == fence.fence
    ]
    key = [(c.fence, c.event, c.mono_ms) for c in together]
    assert sorted(key) == sorted((c.fence, c.event, c.mono_ms) for c in apart)


def test_a_fence_that_is_none_is_named_and_the_others_serve() -> None:
    broken = Fence(fence="f_1", name="two corners", rings_e6=(ring((0, 0), (5, 5)),))
    nowhere = Fence(fence="f_2", name="off the globe", rings_e6=(((99_000_000, 0), (0, 0), (1, 1)),))
    empty = Fence(fence="f_3", name="nothing", rings_e6=())
    found, wrong = fences.index(SitesMessage(version=1, fences=(empty, broken, nowhere, circle("good", 0, 0, 50))))
    assert [text.split(":")[0] for text in wrong] == ["fence f_3 (nothing)", "fence f_1 (two corners)", "fence f_2 (off the globe)"]
    assert brief(run([(0, 0, 0), (1, 0, 0)], found)) == [("enter", "good", 0)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-400, 400), st.floats(-400, 400)), max_size=60), st.integers(0, 2**16))
def test_the_quiet_disc_changes_no_answer(path: list[tuple[float, float]], seed: int) -> None:
    """Invariant: not asking where nothing can be is the same as asking everywhere."""
    pick = random.Random(seed)
    where = sites(*(circle(f"f{i}", pick.uniform(-400, 400), pick.uniform(-400, 400), pick.uniform(10, 60)) for i in range(4)))
    lazy = eager = Membership()
    for t, (east_m, north_m) in enumerate(path):
        now = At(mono_ms=t * 1000, utc_ms=None, position=FRAME.to_latlon(east_m, north_m))
        lazy, told = fences.step(lazy, now, where)
        eager, all_told = fences.step(eager.elsewhere(), now, where)
        assert told == all_told


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-200, 200), st.floats(-200, 200)), max_size=80))
def test_enter_and_exit_alternate(path: list[tuple[float, float]]) -> None:
    """Invariant: who enters has been outside, who exits has been inside, for every fence."""
    where = sites(circle("a", 0, 0, 60), circle("b", 50, 0, 60), Fence(fence="c", name="c", rings_e6=(square(-60, 0, 50),)))
    crossings = run([(t, e, n) for t, (e, n) in enumerate(path)], where)
    for name in "abc":
        events = [c.event for c in crossings if c.fence == name]
        assert events == (["enter", "exit"] * len(events))[: len(events)]
