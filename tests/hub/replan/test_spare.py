"""Time to spare before windows' ends: who plans to the last minute is late every other time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.problem import Plan, Problem, Task, Van
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.spare import MOST_SHARE, SURER, better_in, spared

HOUR_S = 3_600
instants = st.integers(-4 * HOUR_S, 12 * HOUR_S)


def task(name: str, *windows_s: tuple[int, int], place: int = 1) -> Task:
    return Task(task=name, place=place, kind="pickup", load=(1,), service_s=120, windows_s=windows_s)


def problem(*tasks: Task) -> Problem:
    """One van at the depot; ten minutes lie between any two places."""
    between_s = np.full((3, 3), 600, np.int32)
    np.fill_diagonal(between_s, 0)
    van = Van(vehicle="v", start_place=0, end_place=0, start_s=0, shift_end_s=10 * HOUR_S, capacity=(9,), at_depot=True)
    return Problem(
        origin_utc_s=0,
        tasks=tasks,
        vans=(van,),
        durations_s=between_s,
        distances_m=between_s * 10,
        current={"v": tuple(t.task for t in tasks)},
    )


def last_end_s(of: Problem) -> int:
    return of.tasks[0].windows_s[-1][1]


@given(opens=instants, length_s=st.integers(0, 6 * HOUR_S))
def test_a_window_stays_a_window_and_never_ends_later(opens: int, length_s: int) -> None:
    closes = opens + length_s
    ((told_opens, told_closes),) = spared(problem(task("a", (opens, closes)))).tasks[0].windows_s
    assert told_opens == opens
    assert closes - MOST_SHARE * length_s - 1 <= told_closes <= closes


def test_the_farther_ahead_the_more_time_is_spared() -> None:
    """An arrival next door errs by a parking space, one this afternoon by other stops."""
    spare_s = [closes - last_end_s(spared(problem(task("a", (closes - 6 * HOUR_S, closes))))) for closes in (600, HOUR_S, 4 * HOUR_S)]
    assert spare_s == sorted(set(spare_s))


def test_of_several_windows_only_the_last_is_shorter() -> None:
    """Who misses one waits for the next; there is none after the last."""
    (both,) = (one.windows_s for one in spared(problem(task("a", (0, HOUR_S), (2 * HOUR_S, 3 * HOUR_S)))).tasks)
    assert both[0] == (0, HOUR_S)
    assert both[1][1] < 3 * HOUR_S


def test_a_stop_in_progress_and_a_window_that_is_over_stay_as_they_are() -> None:
    one = problem(task("a"), task("b", (-2 * HOUR_S, -60)))
    assert spared(one).tasks == one.tasks


def test_a_plan_that_is_in_time_by_a_minute_gives_way_to_one_with_time_to_spare() -> None:
    """To the judge of the windows as they are both are in time and cost the same; to the one with time to spare they do not, and the
    driver is told what it is for."""
    one = problem(task("a", (0, 10 * HOUR_S)), task("b", (0, 600 + 120 + 600 + 60), place=2))
    tight, easy = (Plan(routes={"v": route}, unassigned={}) for route in (("a", "b"), ("b", "a")))
    plain, careful = Ground(one), Ground(spared(one))
    assert judge(plain, tight).lateness_s == judge(plain, easy).lateness_s == 0
    assert judge(careful, easy).lateness_s == 0 < judge(careful, tight).lateness_s
    assert better_in(plain, tight, easy) == SURER
    late = Ground(problem(task("a", (0, 10 * HOUR_S)), task("b", (0, 660), place=2)))
    assert "saves" in better_in(late, tight, easy)
