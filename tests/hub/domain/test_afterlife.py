"""A task's life after a failure: the whole table, and what holds on every way through it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.domain.afterlife import (
    ENDED,
    ON_BOARD,
    SAYS,
    TABLE,
    Choice,
    Event,
    Fact,
    Happened,
    Life,
    NotAllowed,
    State,
    choices,
    choose,
    fold,
    step,
)

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
FACTS, CHOICES = get_args(Fact), get_args(Choice)


def story(*events: Event, kind: str = "delivery") -> Life:
    return fold(kind, [Happened(event=event, at=NINE + timedelta(minutes=n), order="o", vehicle="v") for n, event in enumerate(events)])  # type: ignore[arg-type]


def test_every_state_has_its_words_and_its_line_of_the_table() -> None:
    assert set(get_args(State)) == set(SAYS) == set(TABLE)
    assert {after for line in TABLE.values() for after in line.values()} <= set(SAYS)
    assert not ON_BOARD & ENDED


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        (("loaded", "failed", "today", "delivered"), "delivered"),
        (("loaded", "failed", "neighbour", "delivered"), "with_neighbour"),
        (("loaded", "failed", "locker", "delivered"), "in_locker"),
        (("loaded", "failed", "tomorrow", "unloaded", "loaded", "delivered"), "delivered"),
        (("loaded", "failed", "tomorrow", "unloaded"), "tomorrow"),
        (("loaded", "failed", "sender", "unloaded"), "returning"),
        (("loaded", "failed", "depot", "unloaded"), "at_depot"),
        (("loaded", "failed", "sender", "unloaded", "handed_back"), "returned"),
        (("loaded", "failed", "unloaded", "sender", "handed_back"), "returned"),
        (("loaded", "cancel", "unloaded"), "at_depot"),
        (("loaded", "failed", "neighbour", "failed", "depot", "unloaded"), "at_depot"),
    ],
)
def test_the_ways_that_people_know(events: tuple[Event, ...], ends: State) -> None:
    assert story(*events).state == ends


@pytest.mark.parametrize("decided", [(), ("today",), ("neighbour",), ("locker",), ("tomorrow",), ("depot",), ("sender",)])
def test_a_parcel_takes_room_until_it_is_unloaded(decided: tuple[Event, ...]) -> None:
    """Whatever is chosen after a failure, the goods stay in that van until somebody takes them out or hands them over."""
    life = story("loaded", "failed", *decided)
    assert life.on_board
    assert life.vehicle == "v"
    assert not story("loaded", "failed", *decided, "unloaded").on_board
    assert not story("loaded", "failed", *decided, "delivered").on_board


def test_a_door_is_tried_at_most_so_often() -> None:
    twice = story("loaded", "failed", "today", "failed")
    assert "today" in choices(twice, 3)
    thrice = step(step(twice, Happened(event="today", at=NINE, order="o")), Happened(event="failed", at=NINE, order="o", vehicle="v"))
    assert thrice.failures == 3
    assert set(choices(thrice, 3)) == {"neighbour", "locker", "depot", "sender"}
    with pytest.raises(NotAllowed, match="at most 3 times; open now: neighbour"):
        choose(thrice, "tomorrow", 3)


def test_a_neighbour_who_is_out_is_no_attempt_at_the_customers_door() -> None:
    assert story("loaded", "failed", "neighbour", "failed").failures == 1


def test_a_pickup_that_failed_leaves_nothing_on_board() -> None:
    life = story("failed", kind="pickup")
    assert life.state == "missed"
    assert not life.on_board
    assert set(choices(life, 3)) == {"today", "tomorrow", "cancel"}


@given(st.sampled_from(("delivery", "pickup")), st.lists(st.sampled_from((*FACTS, *CHOICES)), max_size=14), st.integers(1, 4))
def test_whatever_happens_the_life_stays_sound(kind: str, events: list[Event], most: int) -> None:
    """Facts never fail; a van is named exactly while goods are on board; what is offered can be chosen; attempts end."""
    life = Life(kind=kind)  # type: ignore[arg-type]
    for event in events:
        if event in CHOICES and event not in choices(life, most):
            with pytest.raises(NotAllowed):
                choose(life, event, most)  # type: ignore[arg-type]
            continue
        before, life = life, step(life, Happened(event=event, at=NINE, order="o", vehicle="v" if event in FACTS else None))
        assert (life.vehicle is not None) == life.on_board
        assert life.failures >= before.failures
        if event in CHOICES and kind == "delivery":
            assert life.state == choose(before, event, most)  # type: ignore[arg-type]
        if before.on_board and not life.on_board:
            assert event in ("unloaded", "delivered")
        if life.kind == "pickup":
            assert not life.on_board
        if life.failures >= most:
            assert not {"today", "tomorrow"} & set(choices(life, most))


@given(st.lists(st.sampled_from(FACTS), max_size=10), st.lists(st.sampled_from(FACTS), max_size=4))
def test_telling_a_fact_twice_changes_nothing_but_the_count_of_failures(facts: list[Event], more: list[Event]) -> None:
    """A log that is derived again tells the same outcome again: the state is that of the newest fact."""
    assert all(step(step(life, one), one).state == step(life, one).state for life in (story(*facts), story(*facts, *more)) for fact in FACTS
               for one in (Happened(event=fact, at=NINE, order="o", vehicle="v"),))  # fmt: skip
