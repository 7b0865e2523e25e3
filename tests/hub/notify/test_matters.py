"""What is worth telling: each stage once, a changed time only when it matters, quiet hours kept."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from roundsman_hub.notify.matters import BAND, MOST_CHANGES, PAUSE, Is, Kind, Told, not_before, worth_telling

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def at(eta_min: float, *, now_min: float = 0, stage: str = "planned", driving: bool = True, promise_min: float = 600) -> Is:
    eta = NOON + timedelta(minutes=eta_min)
    return Is(
        stage=stage,
        driving=driving,
        eta=eta,
        low=eta - 15 * MINUTE,
        high=eta + 15 * MINUTE,
        promise_start=NOON + timedelta(minutes=promise_min - 60),
        promise_end=NOON + timedelta(minutes=promise_min),
        now=NOON + timedelta(minutes=now_min),
    )


def told_of(course: list[Is]) -> list[Kind]:
    told, said = Told(), []
    for now in course:
        kind, told = worth_telling(told, now)
        if kind is not None:
            said.append(kind)
    return said


def test_a_round_as_its_customer_hears_it() -> None:
    course = [
        at(120, driving=False),
        at(120),
        at(125, now_min=30),
        at(160, now_min=60),
        at(161, now_min=65),
        at(160, now_min=140, stage="next"),
        at(160, now_min=150, stage="next"),
        at(160, now_min=161, stage="here"),
        at(160, now_min=165, stage="done"),
        at(160, now_min=166, stage="done"),
    ]
    assert told_of(course) == ["on_the_way", "changed", "next", "done"]


def test_a_promise_that_breaks_is_told_without_waiting() -> None:
    assert told_of([at(60, promise_min=90), at(88, now_min=5, promise_min=90)]) == ["on_the_way"], "the promise still holds"
    assert told_of([at(60, promise_min=90), at(100, now_min=5, promise_min=90)]) == ["on_the_way", "changed"]


def test_a_promise_that_breaks_is_told_before_the_driver_is_at_work_once_and_not_a_day_ahead() -> None:
    morning = [at(500, driving=False, promise_min=400), at(500, now_min=290, driving=False, promise_min=400)]
    assert told_of(morning[:1]) == [], "it may still be planned otherwise"
    assert told_of([*morning, at(510, now_min=350, driving=False, promise_min=400)]) == ["changed"]
    assert told_of([*morning, at(500, now_min=400, promise_min=400)]) == ["changed", "on_the_way"]


def test_a_promise_that_breaks_by_less_than_the_band_is_told() -> None:
    """Told until 13:15 of a promise until 13:20; then expected at 13:24, which is inside the band."""
    assert told_of([at(60, promise_min=80), *(at(84, now_min=now, promise_min=80) for now in (5, 6))]) == ["on_the_way", "changed"]


def test_whom_no_van_has_any_more_hears_so_and_then_the_new_time() -> None:
    gone = replace(at(0, stage="taken"), eta=None, low=None, high=None, unsure=True)
    course = [at(60), gone, gone, at(130, now_min=70), at(131, now_min=75), gone]
    assert told_of(course) == ["on_the_way", "unsure", "changed", "unsure"]


@given(st.lists(st.floats(-24.9, 24.9), max_size=12))
def test_a_time_that_swings_inside_its_band_says_nothing(swings: list[float]) -> None:
    """The range is 15 minutes to both sides, and the band 10 more."""
    course = [at(300), *(at(300 + swing, now_min=21 * n) for n, swing in enumerate(swings, 1))]
    assert told_of(course) == ["on_the_way"]


@given(st.lists(st.tuples(st.floats(-200, 200), st.integers(0, 30)), max_size=60))
def test_however_wild_the_times_are_few_words_are_made_of_them(course: list[tuple[float, int]]) -> None:
    now, told, spoken = 0, Told(), []
    for eta, pause in course:
        now += pause
        kind, told = worth_telling(told, at(400 + eta, now_min=now, promise_min=2_000))
        if kind == "changed":
            spoken.append(now)
            assert told.low is not None
    assert len(spoken) <= MOST_CHANGES
    assert all(later - sooner >= PAUSE / MINUTE for sooner, later in itertools.pairwise(spoken))
    assert timedelta(0) < BAND


@given(st.sampled_from(["planned", "next", "here", "done", "failed"]), st.lists(st.sampled_from(["planned", "next", "here", "done"])))
def test_no_stage_is_told_twice(first: str, rest: list[str]) -> None:
    said = [kind for kind in told_of([at(60, stage=stage) for stage in (first, *rest)]) if kind != "changed"]
    assert len(said) == len(set(said))


def test_quiet_hours() -> None:
    night, zone = (time(21), time(8)), ZoneInfo("Europe/Helsinki")
    late = datetime(2026, 3, 2, 20, 30, tzinfo=UTC)  # 22:30 there
    assert not_before("done", late, night, zone) == datetime(2026, 3, 3, 8, tzinfo=zone)
    assert not_before("next", late, night, zone) == late, "whose turn it is wants to know"
    assert not_before("changed", late, night, zone) is None, "in the morning it would be stale"
    assert not_before("done", NOON, night, zone) == NOON
    assert not_before("changed", late, None, zone) == late
    early = datetime(2026, 3, 2, 4, tzinfo=UTC)
    assert not_before("case", early, night, zone) == datetime(2026, 3, 2, 8, tzinfo=zone)
