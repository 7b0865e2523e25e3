"""The fold is pure: the same facts give the same rows however they are cut, and what was undone does not hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.derive.fold import Fact, Progress, Rows, Said, fits, fold, order_state, with_date
from roundsman_wire.messages import Action, AnyEntry, Clock, Duty, FixGap, Outcome, Receipt, UnknownEntry, Visit

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
EIGHT_MS = 1_772_438_400_000


def fact(seq: int, entry: AnyEntry | UnknownEntry) -> Fact:
    time = None if entry.utc_ms is None else datetime.fromtimestamp(entry.utc_ms / 1000, UTC)
    return Fact(seq=seq, entry=entry, time=time, received_at=EIGHT + timedelta(hours=5), received_real_at=EIGHT)


def at(minute: float) -> int:
    return EIGHT_MS + round(minute * 60_000)


def visit(seq: int, number: int, phase: Literal["arrived", "left"], minute: float, stop: str | None = "o_1") -> Fact:
    entry = Visit(mono_ms=seq, utc_ms=at(minute), visit=number, phase=phase, stop=stop, lat_e6=1, lon_e6=2)
    return fact(seq, entry)


def everything(facts: list[Fact]) -> Rows:
    result = fold(Progress(), facts)
    assert result is not None
    return result[1]


def test_a_visit_is_put_together_from_its_phases() -> None:
    [row] = everything([visit(1, 7, "arrived", 1), visit(2, 7, "left", 5)]).visits.values()
    assert (row.order_id, row.arrived_at, row.left_at) == ("o_1", EIGHT + timedelta(minutes=1), EIGHT + timedelta(minutes=5))


@pytest.mark.parametrize(("near", "meant"), [("o_2", "o_2"), ("@north", None), ("+fast", None), (None, None)])
def test_a_standstill_at_a_neighbours_keeps_whose_door_was_meant(near: str | None, meant: str | None) -> None:
    stood = Visit(mono_ms=1, utc_ms=at(1), visit=7, phase="arrived", stop=None, lat_e6=1, lon_e6=2, near=near)
    told = [fact(1, stood), visit(2, 7, "left", 5, stop=None)]
    [row] = everything(told).visits.values()
    assert (row.order_id, row.meant_order_id) == (None, meant)


def test_facts_from_before_the_date_was_known_are_dated_by_the_clock_entry() -> None:
    duty = fact(1, Duty(mono_ms=10_000, duty="on", driver=None))
    clock = fact(2, Clock(mono_ms=70_000, utc_ms=at(1), source="gnss"))
    first = fold(Progress(), [duty])
    assert first is not None
    assert first[1].duties[0].at is None
    assert fold(first[0], [clock]) is None, "what was guessed must be derived again"
    again = fold(with_date([duty, clock]), [duty, clock])
    assert again is not None
    assert again[1].duties[0].at == EIGHT


def test_facts_after_a_clock_entry_need_no_date_of_their_own() -> None:
    clock = fact(1, Clock(mono_ms=0, utc_ms=EIGHT_MS, source="gnss"))
    receipt = fact(2, Receipt(mono_ms=60_000, plan_version=3, plan_hash="h", state="held"))
    assert everything([clock, receipt]).receipts[0].at == EIGHT + timedelta(minutes=1)


def test_a_gap_that_ends_before_it_begins_says_nothing() -> None:
    assert everything([fact(1, FixGap(mono_ms=1, utc_ms=at(1), from_utc_ms=at(2), reason="silent"))]).gaps == []


def test_an_unknown_kind_says_nothing_and_stops_nothing() -> None:
    rows = everything([fact(1, UnknownEntry(kind="telepathy", mono_ms=1)), visit(2, 1, "arrived", 3)])
    assert list(rows.visits) == [1]


def test_what_the_tables_cannot_hold_is_stepped_over() -> None:
    huge = Visit(mono_ms=1, utc_ms=at(1), visit=2**40, phase="arrived", stop=None, lat_e6=1, lon_e6=1)
    nul = Action(mono_ms=1, utc_ms=at(1), action="a", stop="o_1", tasks=(), outcome="failed", reason="no\x00body")
    assert not fits(huge)
    assert not fits(nul)
    rows = everything([fact(1, huge), fact(2, nul)])
    assert (rows.visits, rows.actions) == ({}, [])


def say(action: str, outcome: Outcome, minute: float, *, van: str = "v_a", undoes: str | None = None) -> Said:
    when = EIGHT + timedelta(minutes=minute)
    return Said(vehicle_id=van, action=action, outcome=outcome, undoes=undoes, reason=None, driver_id=None, at=when)


def test_a_completed_stop_wins_over_an_arrival_that_is_told_later() -> None:
    state = order_state([say("a1", "delivered", 5), say("a2", "arrived", 6)], [])
    assert state is not None
    assert (state.state, state.action) == ("delivered", "a1")


def test_an_undone_action_does_not_hold() -> None:
    words = [say("a1", "arrived", 1), say("a2", "failed", 2), say("a3", "undo", 2.5, undoes="a2")]
    state = order_state(words, [])
    assert state is not None
    assert (state.state, state.action) == ("arrived", "a1")
    assert order_state([*words, say("a4", "undo", 3, undoes="a1")], []) is None


def test_an_undo_that_overtakes_what_it_undoes_still_counts() -> None:
    """Invariant 9: late data gives what timely data would have given."""
    assert order_state([say("a2", "undo", 2, undoes="a1"), say("a1", "delivered", 1)], []) is None


def test_a_visits_own_time_is_nearer_the_truth_than_a_finger() -> None:
    stood = [
        ("v_a", EIGHT),
        ("v_a", EIGHT + timedelta(minutes=3)),
        ("v_b", EIGHT + timedelta(minutes=4)),
        ("v_a", EIGHT + timedelta(minutes=9)),
    ]
    state = order_state([say("a1", "arrived", 4), say("a2", "delivered", 6)], stood)
    assert state is not None
    assert state.arrived_at == EIGHT + timedelta(minutes=3)
    by_finger = order_state([say("a1", "arrived", 4), say("a2", "delivered", 6)], [])
    assert by_finger is not None
    assert by_finger.arrived_at == EIGHT + timedelta(minutes=4)


instants, minutes = st.integers(0, 10**6), st.integers(at(0), at(60))
entries = st.one_of(
    st.builds(
        Visit,
        mono_ms=instants,
        utc_ms=minutes,
        visit=st.integers(1, 3),
        phase=st.sampled_from(["arrived", "left"]),
        stop=st.sampled_from(["o_1", "o_2"]),
        lat_e6=st.integers(0, 9),
        lon_e6=st.integers(0, 9),
    ),
    st.builds(Duty, mono_ms=instants, utc_ms=minutes, duty=st.sampled_from(["on", "off"]), driver=st.none()),
    st.builds(Clock, mono_ms=instants, utc_ms=minutes, source=st.just("gnss")),
    st.builds(Receipt, mono_ms=instants, plan_version=st.integers(1, 9), plan_hash=st.just("h"), state=st.just("held")),
)


@given(st.lists(entries, max_size=12), st.lists(st.integers(0, 12), max_size=3))
def test_however_the_facts_are_cut_the_rows_are_the_same(drawn: list[AnyEntry], cuts: list[int]) -> None:
    facts = [fact(seq, entry) for seq, entry in enumerate(drawn, 1)]
    start = with_date(facts)
    whole = fold(start, facts)
    assert whole is not None
    progress, duties, receipts = start, [], []
    edges = sorted({0, len(facts), *(min(cut, len(facts)) for cut in cuts)})
    for first, last in pairwise(edges):
        part = fold(progress, facts[first:last])
        assert part is not None
        progress = part[0]
        duties += part[1].duties
        receipts += part[1].receipts
    assert progress == whole[0]
    assert (duties, receipts) == (whole[1].duties, whole[1].receipts)
