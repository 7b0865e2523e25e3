"""Which fixes are believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from roundsman_agent import gate
from roundsman_agent.fix import Fix
from roundsman_agent.gate import Gate
from roundsman_agent.times import GnssMs, MonoMs
from roundsman_core.geo import LatLon

Make = Callable[..., Fix]


def judge(fixes: Iterable[Fix]) -> list[str]:
    """What became of each: the reason, `anew`, or nothing."""
    state, said = Gate(), []
    for fix in fixes:
        state, judgement = gate.step(state, fix)
        said.append("anew" if judgement.anew else judgement.refused or "")
    return said


def test_a_van_that_drives_is_believed_at_every_fix(make_fix: Make) -> None:
    assert not any(judge(make_fix(t, east_m=14.0 * t, speed_mps=14.0) for t in range(120)))


def test_hard_braking_is_no_jump(make_fix: Make) -> None:
    places = [(0, 0.0, 20.0), (1, 18.0, 12.0), (2, 27.0, 4.0), (3, 29.0, 0.0), (4, 29.0, 0.0)]
    assert not any(judge(make_fix(t, east_m=m, speed_mps=v) for t, m, v in places))


def test_a_single_jump_at_a_claimed_walk_is_refused(make_fix: Make) -> None:
    """A receiver's log shows 200 m at a claimed accuracy of 1.7 m."""
    fixes = [make_fix(t, east_m=1.5 * t, speed_mps=1.5, accuracy_m=1.7) for t in range(10)]
    fixes[5] = make_fix(5, east_m=207.0, speed_mps=1.5, accuracy_m=1.7)
    assert judge(fixes) == ["", "", "", "", "", "jump", "", "", "", ""]


def test_three_that_agree_win_over_the_one_before(make_fix: Make) -> None:
    fixes = [make_fix(0)] + [make_fix(t, east_m=5_000 + 10 * t, speed_mps=10) for t in range(1, 6)]
    assert judge(fixes) == ["", "jump", "jump", "anew", "", ""]


def test_wild_fixes_that_do_not_agree_never_win(make_fix: Make) -> None:
    fixes = [make_fix(0)] + [make_fix(t, east_m=(-1) ** t * 1_000 * t) for t in range(1, 8)] + [make_fix(8)]
    assert judge(fixes) == [""] + ["jump"] * 7 + [""]


def test_a_repeated_instant_is_counted_once(make_fix: Make) -> None:
    """A receiver's last fix, said again by whoever forgot that it fell silent."""
    assert judge([make_fix(0), make_fix(1), make_fix(1, mono_ms=2_000), make_fix(1, mono_ms=3_000), make_fix(4)]) == [
        "",
        "",
        "repeated",
        "repeated",
        "",
    ]


def test_time_that_runs_backwards_is_refused_until_it_stays(make_fix: Make) -> None:
    back = [make_fix(t, utc_ms=1_700_000_000_000 + t * 1000) for t in range(2, 6)]
    assert judge([make_fix(0), make_fix(1), *back]) == ["", "", "backwards", "backwards", "anew", ""]


def test_one_date_in_the_future_freezes_nothing(make_fix: Make) -> None:
    ahead = make_fix(2, utc_ms=1_760_000_002_000 + 1024 * 7 * 86_400_000)
    assert judge([make_fix(0), make_fix(1), ahead, make_fix(3), make_fix(4)]) == ["", "", "leap", "", ""]


def test_a_long_silence_lets_the_van_be_elsewhere(make_fix: Make) -> None:
    assert judge([make_fix(0), make_fix(600, east_m=9_000, speed_mps=15)]) == ["", ""]


def test_null_island_and_hopeless_figures_are_refused(make_fix: Make) -> None:
    nowhere = Fix(mono_ms=MonoMs(0), utc_ms=GnssMs(0), position=LatLon(0.0, 0.0))
    assert judge([nowhere, make_fix(1, accuracy_m=5_000.0), make_fix(2, accuracy_m=729.0)]) == ["zero", "inaccurate", ""]


def test_a_claimed_kilometre_of_error_lets_no_jump_pass(make_fix: Make) -> None:
    assert judge([make_fix(0), make_fix(1, east_m=400, accuracy_m=900.0), make_fix(2)]) == ["", "jump", ""]


def test_what_its_own_source_doubts_is_refused_by_that_name(make_fix: Make) -> None:
    """A receiver's guess through a tunnel would be a line that nobody measured."""
    said = judge(
        [make_fix(0), make_fix(1, doubt="estimated"), make_fix(2, doubt="contradiction"), make_fix(3, doubt="partial"), make_fix(4)]
    )
    assert said == ["", "estimated", "contradiction", "partial", ""]


def test_poor_geometry_too_few_satellites_and_no_vans_speed_are_refused(make_fix: Make) -> None:
    fixes = [
        make_fix(0, satellites=9, hdop=0.8),
        make_fix(1, hdop=60.0),
        make_fix(2, satellites=2),
        make_fix(3, speed_mps=121.0),
        make_fix(4),
    ]
    assert judge(fixes) == ["", "geometry", "satellites", "speed", ""]


def test_a_speed_that_no_van_reaches_in_a_second_is_refused(make_fix: Make) -> None:
    """438 km/h stands in a receiver's log; 100 km/h from a standstill is as wrong."""
    assert judge([make_fix(0), make_fix(1, east_m=1.0, speed_mps=28.0), make_fix(2, east_m=2.0, speed_mps=1.0)]) == ["", "acceleration", ""]
