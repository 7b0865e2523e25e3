"""Acks of fixes go out together: few of them, none too late, and at once where a van may not know how it stands."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from roundsman_core import lanes
from roundsman_core.lanes import SendLane
from roundsman_core.pacing import ACK_ENTRIES, ACK_FRAMES, ACK_WAIT_S, Pace
from roundsman_wire.messages import FACTS, TRACK, Ack

VAN = "v_0123456789ab"
SESSION, OTHER = "00000000000000aa", "00000000000000bb"


def ack(through_seq: int, *, lane: int = TRACK, epoch: int = 1, session: str = SESSION, rewind: bool = False) -> Ack:
    return Ack(epoch=epoch, session=session, lane=lane, through_seq=through_seq, rewind=rewind)


@pytest.fixture
def pace() -> Pace:
    """Of a hub that has told the van of its first fix."""
    made = Pace()
    assert made.committed(VAN, ack(1), 1, 1, 0.0) == [ack(1)]
    return made


def told(pace: Pace, *acks: Ack, at_s: float = 0.0, entries: int = 1) -> list[Ack]:
    return [due for one in acks for due in pace.committed(VAN, one, 1, entries, at_s)]


def test_five_frames_of_fixes_get_one_ack(pace: Pace) -> None:
    assert told(pace, *(ack(n) for n in range(2, 2 + 3 * ACK_FRAMES))) == [ack(1 + n * ACK_FRAMES) for n in (1, 2, 3)]


def test_facts_are_acknowledged_at_once(pace: Pace) -> None:
    assert told(pace, ack(1, lane=FACTS), ack(2, lane=FACTS)) == [ack(1, lane=FACTS), ack(2, lane=FACTS)]


def test_a_backlog_is_acknowledged_frame_by_frame(pace: Pace) -> None:
    full = [ack(1 + n * ACK_ENTRIES) for n in (1, 2, 3)]
    assert told(pace, *full, entries=ACK_ENTRIES) == full


def test_what_waits_longest_is_told_first_and_nothing_waits_too_long(pace: Pace) -> None:
    pace.committed("v_other", ack(1), 1, 1, 0.0)
    assert told(pace, ack(2), at_s=1.0) + pace.committed("v_other", ack(2), 1, 1, 2.0) + told(pace, ack(3), at_s=3.0) == []
    assert pace.overdue(ACK_WAIT_S + 0.5) == []
    assert pace.overdue(ACK_WAIT_S + 1.0) == [(VAN, ack(3))]
    assert pace.overdue(ACK_WAIT_S + 2.0) == [("v_other", ack(2))]
    assert pace.overdue(ACK_WAIT_S * 9) == []


@pytest.mark.parametrize(
    "unsure",
    [ack(3), ack(3, rewind=True), ack(4, epoch=2), ack(2, epoch=2)],
    ids=["a frame that came twice", "a gap", "the epoch rose", "the epoch rose, and less is here"],
)
def test_a_van_that_may_not_know_how_it_stands_is_told_at_once(pace: Pace, unsure: Ack) -> None:
    assert told(pace, ack(3)) == []
    assert told(pace, unsure) == [unsure]
    assert pace.overdue(1e9) == []


def test_a_van_that_lost_patience_is_told_of_the_first_frame_that_it_sends_again(pace: Pace) -> None:
    """Its ack was lost on the way, and it has written more meanwhile: what it sends again is no frame that the hub has had as a whole.
    Its window is one frame now, so nothing else would come that is owed an ack: it would wait for time-outs until frames hold one entry."""
    van = lanes.committed(SendLane(session=SESSION, lane=TRACK, acked=1, sent=1, last=1, epoch=1, window=lanes.STEADY_WINDOW), 6)
    lost = [due for n in range(2, 7) for due in told(pace, ack(n))]
    assert lost == [ack(6)]
    van = lanes.committed(lanes.no_progress(lanes.sent(van, 6)), 9)
    again = lanes.next_range(van, ACK_ENTRIES, 0)
    assert again == (2, 9)
    verdict = lanes.follow(6, *again)
    assert verdict == lanes.Take(first=7, last=9)
    [heard] = told(pace, ack(9), entries=8)
    van, _ = lanes.acked(lanes.sent(van, 9), 1, heard)
    assert (van.acked, van.stalls, van.window) == (9, 0, lanes.STEADY_WINDOW)


def test_frames_that_are_stored_together_are_told_of_at_once_if_one_of_them_came_again(pace: Pace) -> None:
    assert pace.committed(VAN, ack(4), 2, 3, 0.0) == []
    assert pace.committed(VAN, ack(6), 2, 3, 0.0) == [ack(6)], "number 5, and again from 5 to 6"


def test_after_a_presence_and_after_a_rewind_the_first_frame_is_answered_at_once(pace: Pace) -> None:
    assert told(pace, ack(2)) == []
    pace.forget(VAN)
    assert told(pace, ack(3)) == [ack(3)]
    assert told(pace, ack(3, rewind=True), ack(4)) == [ack(3, rewind=True), ack(4)]


def test_a_new_session_does_not_make_the_old_ones_ack_forgotten(pace: Pace) -> None:
    assert told(pace, ack(2), ack(1, session=OTHER)) == [ack(2), ack(1, session=OTHER)]


@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0.0, 60.0), st.integers(1, 4)), min_size=1, max_size=60))
def test_a_van_is_never_held_up_and_never_told_too_much(course: list[tuple[int, float, int]]) -> None:
    """Whatever the van writes, and however many of its frames the hub commits together: between two acks no more time passes than
    promised, and in the steady state the window has room for the next frame."""
    pace, van, committed, epoch, now_s, waits_since_s, frames = Pace(), SendLane(session=SESSION, lane=TRACK), 0, 0, 0.0, 0.0, 0
    for entries, pause_s, together in course:
        now_s, before = now_s + pause_s, committed
        said = [due for _, due in pace.overdue(now_s)]
        waits_since_s = waits_since_s if frames else now_s
        for _ in range(together):
            van = lanes.committed(van, van.last + entries)
            while claimed := lanes.next_range(van, ACK_ENTRIES, frames):
                van, committed, frames = lanes.sent(van, claimed[1]), claimed[1], frames + 1
        said += pace.committed(VAN, ack(committed), together, committed - before, now_s)
        for due in said:
            assert due.through_seq <= committed
            van, epoch = lanes.acked(van, epoch, due)
        if said:
            waits_since_s, frames = now_s, 0 if van.acked == van.sent else 1
        assert van.acked == van.sent or now_s - waits_since_s <= ACK_WAIT_S + pause_s
        assert lanes.next_range(lanes.committed(van, van.last + 1), ACK_ENTRIES, frames) is not None
