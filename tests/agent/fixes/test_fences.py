"""Which standing areas the van is in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from roundsman_agent import fences
from roundsman_agent.fences import At, Membership, Sites
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.messages import Crossing, Fence
from roundsman_wire.messages import Sites as SitesMessage

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


def run(path: Iterable[tuple[float, float, float]], where: Sites, speed_mps: float | None = None, unbroken: bool = True) -> list[Crossing]:
    state, out = Membership(), []
    for t_s, east_m, north_m in path:
        now = At(mono_ms=round(t_s * 1000), utc_ms=None, position=FRAME.to_latlon(east_m, north_m), speed_mps=speed_mps, unbroken=unbroken)
        state, crossings = fences.step(state, now, where)
        out += crossings
    return out


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
    state, _ = fences.step(Membership(), At(mono_ms=0, utc_ms=None, position=FRAME.to_latlon(0, 0)), sites(circle("old", 0, 0, 50)))
    state, crossings = fences.step(
        state.elsewhere(), At(mono_ms=1, utc_ms=None, position=FRAME.to_latlon(0, 0)), sites(circle("new", 0, 0, 50))
    )
    assert brief(crossings) == [("enter", "new", 0)]
    assert set(state.inside) == {"new"}


def test_a_fence_that_is_none_is_named_and_the_others_serve() -> None:
    broken = Fence(fence="f_1", name="two corners", rings_e6=(ring((0, 0), (5, 5)),))
    nowhere = Fence(fence="f_2", name="off the globe", rings_e6=(((99_000_000, 0), (0, 0), (1, 1)),))
    empty = Fence(fence="f_3", name="nothing", rings_e6=())
    found, wrong = fences.index(SitesMessage(version=1, fences=(empty, broken, nowhere, circle("good", 0, 0, 50))))
    assert [text.split(":")[0] for text in wrong] == ["fence f_3 (nothing)", "fence f_1 (two corners)", "fence f_2 (off the globe)"]
    assert brief(run([(0, 0, 0)], found)) == [("enter", "good", 0)]


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
