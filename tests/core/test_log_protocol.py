"""The log protocol: invariants 1, 2, 3 and 11 in every run of the model, and each of its rules in one short story.

A model that cannot fail proves nothing: `test_a_broken_rule_is_noticed` breaks one rule at a time.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from roundsman_core import lanes
from roundsman_core.lanes import MAX_WINDOW, STALLS_TO_SINGLE, STEADY_WINDOW, Duplicate, Gap, SendLane, Take
from roundsman_wire.messages import FACTS, TRACK, Ack, LaneState, Presence, SessionState

SEARCH = settings(max_examples=150, stateful_step_count=50, deadline=None, database=None)
BROKEN = (
    "a release is never taken back",
    "a gap is taken",
    "presence is not answered",
    "no compare-and-set",
    "hubs answer from memory",
    "numbers are reused",
    "gone is not named",
)
SESSION = "00000000000000aa"


def test_van_and_hub_agree_after_every_fault(log_protocol: type[RuleBasedStateMachine]) -> None:
    """Invariants 1, 2, 3 and 11."""
    run_state_machine_as_test(log_protocol, settings=SEARCH)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rule_is_noticed(log_protocol: type[RuleBasedStateMachine], broken: str) -> None:
    machine = seed(0)(type("Broken", (log_protocol,), {"broken": broken}))
    search = settings(SEARCH, max_examples=2000, phases=[Phase.generate], print_blob=False, report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=search)


@pytest.mark.parametrize("broken", ["", "epochs are ignored"])
def test_an_old_ack_after_a_restore_is_noticed_if_epochs_are_ignored(log_protocol: Any, broken: str) -> None:
    model = type("Told", (log_protocol,), {"broken": broken})()
    model.drive_on(4, TRACK, 1, 0)
    model.restore_the_database(True)
    model.reconnect(False)
    model.round_trip(0)
    model.released_at_the_van_is_committed_at_the_hub()
    model.hear(model.past_down[2])
    with pytest.raises(AssertionError, match="released 4") if broken else nullcontext():
        model.released_at_the_van_is_committed_at_the_hub()


@pytest.mark.parametrize("broken", ["", "acks leave before COMMIT"])
def test_a_hub_that_dies_before_commit_is_noticed_if_its_ack_has_left(log_protocol: Any, broken: str) -> None:
    model = type("Told", (log_protocol,), {"broken": broken})()
    model.write(TRACK, 4)
    model.send(1)
    model.arrive_at_a_hub(0, 2, 0, True)
    model.arrive_at_the_van(0, len(model.down))
    with pytest.raises(AssertionError, match="never committed") if broken else nullcontext():
        model.released_at_the_van_is_committed_at_the_hub()


def lane(**fields: int) -> SendLane:
    return SendLane(session=SESSION, lane=TRACK, **fields)


def ack(through_seq: int, *, epoch: int = 1, rewind: bool = False) -> Ack:
    return Ack(epoch=epoch, session=SESSION, lane=TRACK, through_seq=through_seq, rewind=rewind)


def test_only_committed_entries_are_sent_and_no_more_than_the_window() -> None:
    van = lane(window=2)
    assert lanes.next_range(van, 10, 0) is None
    van = lanes.committed(van, 25)
    assert lanes.next_range(van, 10, 0) == (1, 10)
    van = lanes.sent(van, 10)
    assert lanes.next_range(van, 10, 1) == (11, 20)
    van = lanes.sent(van, 20)
    assert lanes.next_range(van, 10, 2) is None
    van, _ = lanes.acked(van, 1, ack(10))
    assert (van.acked, van.window) == (10, STEADY_WINDOW)
    assert lanes.next_range(van, 10, 1) == (21, 25)


def test_the_window_grows_with_each_ack_and_falls_to_one_frame_without() -> None:
    van = lane(last=100)
    for through in range(1, 40):
        van, _ = lanes.acked(lanes.sent(van, through), 1, ack(through))
    assert van.window == MAX_WINDOW
    van = lanes.no_progress(lanes.sent(van, 80))
    assert (van.window, van.sent, van.acked) == (1, 39, 39)


def test_a_lane_that_stands_still_goes_on_entry_by_entry_until_it_moves() -> None:
    van = lane(last=100)
    for _ in range(STALLS_TO_SINGLE):
        van = lanes.no_progress(van)
    assert lanes.next_range(van, 50, 0) == (1, 1)
    van, _ = lanes.acked(lanes.sent(van, 1), 1, ack(1))
    assert lanes.next_range(van, 50, 0) == (2, 51)


def test_a_lost_frame_is_sent_again_without_waiting_for_a_time_out() -> None:
    van = lane(acked=10, sent=30, last=30, window=4, epoch=1)
    assert lanes.follow(10, 21, 30) == Gap()
    van, _ = lanes.acked(van, 1, ack(10, rewind=True))
    assert lanes.next_range(van, 20, 0) == (11, 30)


def test_acks_only_move_forward_within_an_epoch() -> None:
    van, epoch = lanes.acked(lane(acked=20, sent=20, last=20, epoch=3), 3, ack(5, epoch=3))
    assert (van.acked, epoch) == (20, 3)


def test_an_ack_from_before_the_restore_is_ignored() -> None:
    before = lane(acked=5, sent=5, last=20, epoch=3)
    assert lanes.acked(before, 3, ack(20, epoch=2)) == (before, 3)


def test_a_restored_hub_takes_a_release_back_even_if_another_lane_told_of_the_epoch_first() -> None:
    van, epoch = lanes.acked(lane(acked=20, sent=20, last=20, epoch=1), 2, ack(5, epoch=2))
    assert (van.acked, van.sent, epoch) == (5, 5, 2)


def test_a_rolled_back_van_believes_no_more_than_it_has() -> None:
    van, _ = lanes.acked(lane(last=5), 0, ack(20))
    assert (van.acked, van.sent) == (5, 5)


def test_an_ack_of_another_lane_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="given to lane"):
        lanes.acked(SendLane(session=SESSION, lane=FACTS), 0, ack(1))


@pytest.mark.parametrize("fields", [{"acked": 2, "sent": 1, "last": 3}, {"sent": 2, "last": 1}, {"window": 0}, {"acked": -1}])
def test_a_lane_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        lane(**fields)


def test_the_hub_takes_what_follows_and_nothing_else() -> None:
    assert lanes.follow(0, 1, 4) == Take(first=1, last=4)
    assert lanes.follow(4, 3, 6) == Take(first=5, last=6)
    assert lanes.follow(4, 1, 4) == Duplicate()
    assert lanes.follow(4, 6, 9) == Gap()


def presence(acked: int, *, epoch: int, online: bool = True) -> Presence:
    kept = (LaneState(lane=FACTS, first_kept=1, last=3, acked=0), LaneState(lane=TRACK, first_kept=1, last=20, acked=acked))
    return Presence(online=online, epoch=epoch, sessions=(SessionState(session=SESSION, previous=None, lanes=kept),))


def test_each_presence_is_answered_for_every_lane_named() -> None:
    epoch, acks = lanes.answer_presence(4, {(SESSION, TRACK): 9}, presence(7, epoch=4))
    assert epoch == 4
    assert [(a.lane, a.through_seq, a.rewind, a.epoch) for a in acks] == [(FACTS, 0, False, 4), (TRACK, 9, False, 4)]


def test_a_van_that_knows_more_than_the_hub_raises_the_epoch_once_for_the_whole_fleet() -> None:
    epoch, acks = lanes.answer_presence(4, {(SESSION, TRACK): 9}, presence(15, epoch=4))
    assert epoch == 5
    assert [(a.through_seq, a.rewind, a.epoch) for a in acks] == [(0, False, 5), (9, True, 5)]
    assert lanes.answer_presence(epoch, {}, presence(15, epoch=4))[0] == 5


def test_a_van_that_saw_a_higher_epoch_is_not_left_behind_it() -> None:
    assert lanes.answer_presence(2, {(SESSION, TRACK): 20}, presence(15, epoch=6))[0] == 7


def test_a_last_will_asks_for_nothing() -> None:
    assert lanes.answer_presence(2, {}, presence(15, epoch=6, online=False)) == (2, [])
