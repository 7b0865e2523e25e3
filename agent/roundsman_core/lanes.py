"""The log protocol's rules, for both ends: how a lane of a van's log is sent, followed, acknowledged and healed.

A van's log is sessions (one start of the agent each) × lanes × numbers 1, 2, 3 …. The van sends unbroken ranges from its
own disk. The hub takes only what follows its watermark, and acknowledges after COMMIT
(`pacing`: how soon). Five rules make this heal from everything:

1. An ack *releases* (the van may delete when space needs it); it is believed forward only, within its epoch.
2. A frame that leaves a gap is not taken: the hub answers with its watermark and `rewind`, and the van sends again from there.
3. The *epoch* rises when the hub's database is not the continuation of what it was, or a van knows more than the hub. Acks of
   lower epochs are ignored; an ack of a higher one is the truth, even if it takes a release back.
4. A van says what it believes (`Presence`) on every connect, when it sees the epoch rise, and every `PRESENCE_EVERY_S`; the
   hub answers each with an ack for every lane named. So a wrong belief lives no longer than that.
5. A van that starts, starts a new session: a number never names two entries, even on a van rolled back to an old image.

At the hub the watermark moves by compare-and-set in the transaction of the rows. What a hub remembers of it only saves a read
before a `Take`; `Duplicate` and `Gap` are answered from the database, or a hub that outlived a restore repeats its old answer for
ever. An ack carries the epoch that was read together with its watermark.

Everything here is pure; `tests/core/test_log_protocol.py` drives it through all faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from roundsman_core.pacing import ACK_FRAMES
from roundsman_wire.messages import Ack, Presence, SessionId

MIN_WINDOW: Final = 1
STEADY_WINDOW: Final = ACK_FRAMES + 1
"""Once one frame has come through: the hub answers frames of fixes together, and the next one must not wait for that."""
MAX_WINDOW: Final = 16
"""Frames in flight of one lane: a backlog of hours needs few round trips, and a hub that restarts is not flooded."""
STALLS_TO_SINGLE: Final = 3
"""Time-outs in a row after which frames hold one entry each: what the hub cannot read is then found, and what is before it passes."""
PRESENCE_EVERY_S: Final = 300.0
"""Real seconds between presences of a quiet, connected van: bounds how long van and hub can disagree. One costs about 300 bytes."""


# ── the van's side ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class SendLane:
    """One lane of one session, as its van sees it: 0 ≤ acked ≤ sent ≤ last.

    acked : released through this number (committed at the hub, as far as the van knows).
    sent : highest number handed to the link.
    last : highest number committed on the van's own disk.
    window : frames allowed in flight.
    stalls : time-outs in a row without progress; also what the caller's jittered backoff grows with.
    epoch : of the last ack of this very lane. Need not survive a restart: 0 only means that the next ack is taken at its word.
    """

    session: SessionId
    lane: int
    acked: int = 0
    sent: int = 0
    last: int = 0
    window: int = MIN_WINDOW
    stalls: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.acked <= self.sent <= self.last:
            raise ValueError(f"lane {self.lane} of {self.session}: acked {self.acked}, sent {self.sent}, last {self.last}")
        if not MIN_WINDOW <= self.window <= MAX_WINDOW:
            raise ValueError(f"window {self.window} is not in {MIN_WINDOW} to {MAX_WINDOW}")


def committed(state: SendLane, last: int) -> SendLane:
    """The van's disk now holds entries through `last`; only these may be sent."""
    return replace(state, last=last)


def next_range(state: SendLane, max_entries: int, in_flight_frames: int) -> tuple[int, int] | None:
    """The next unbroken range to send, (first, last), or None: nothing new, or the window is full.

    Parameters
    ----------
    max_entries : int
        Most entries a frame may hold here, at least 1.
    in_flight_frames : int
        Frames sent since `acked` whose last number is not acknowledged yet.
    """
    if in_flight_frames >= state.window or state.sent >= state.last:
        return None
    entries = 1 if state.stalls >= STALLS_TO_SINGLE else max_entries
    return state.sent + 1, min(state.sent + entries, state.last)


def sent(state: SendLane, through: int) -> SendLane:
    """A frame whose last number is `through` was handed to the link."""
    return replace(state, sent=max(state.sent, through))


def acked(state: SendLane, epoch: int, ack: Ack) -> tuple[SendLane, int]:
    """The lane, and the van's epoch, after an ack of this lane.

    An ack of a lower epoch than the van's is ignored. The lane's first ack of a higher epoch, and any `rewind`, is the truth: the
    release goes back to what the hub has, and sending restarts there (one that arrives late only costs duplicates).
    Otherwise acks move forward only. When the returned epoch is higher than the one given, the caller publishes its
    presence: its other lanes may rest on lost commits.

    Raises
    ------
    ValueError
        The ack is of another lane.
    """
    if (ack.session, ack.lane) != (state.session, state.lane):
        raise ValueError(f"ack of lane {ack.lane} of {ack.session} given to lane {state.lane} of {state.session}")
    if ack.epoch < epoch:
        return state, epoch
    # A van rolled back to an old image holds less of an old session than the hub does.
    through = min(ack.through_seq, state.last)
    heard = replace(state, epoch=ack.epoch)
    if ack.rewind or (ack.epoch > state.epoch and through < state.acked):
        stalls = 0 if through > state.acked else state.stalls
        return replace(heard, acked=through, sent=through, window=MIN_WINDOW, stalls=stalls), ack.epoch
    if through <= state.acked:
        return heard, ack.epoch
    window = min(max(state.window + 1, STEADY_WINDOW), MAX_WINDOW)
    return replace(heard, acked=through, sent=max(state.sent, through), window=window, stalls=0), ack.epoch


def no_progress(state: SendLane) -> SendLane:
    """Nothing was acknowledged for too long: one frame at a time, again from what is acknowledged."""
    return replace(state, sent=state.acked, window=MIN_WINDOW, stalls=state.stalls + 1)


def reconnected(state: SendLane) -> SendLane:
    """A new connection: what was in flight may be lost. One frame at first, because after an outage all vans come at once."""
    return replace(state, sent=state.acked, window=MIN_WINDOW, stalls=0)


# ── the hub's side ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True, slots=True)
class Take:
    """Store numbers `first` to `last`, then move the watermark to `last`. What the frame holds below `first` is already there."""

    first: int
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Duplicate:
    """Everything in the frame is below the watermark. Acknowledge again: the van may have missed it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The frame begins beyond the next number: store nothing, answer with `rewind`."""


def follow(through_seq: int, first_seq: int, last_seq: int) -> Take | Duplicate | Gap:
    """What to do with a frame of `first_seq` to `last_seq` when the watermark is `through_seq` (0: nothing yet)."""
    if last_seq <= through_seq:
        return Duplicate()
    if first_seq > through_seq + 1:
        return Gap()
    return Take(first=through_seq + 1, last=last_seq)


def answer_presence(epoch: int, through: Mapping[tuple[SessionId, int], int], presence: Presence) -> tuple[int, list[Ack]]:
    """The hub's epoch after a presence, and the acks that answer it: one for each lane of each session named.

    Parameters
    ----------
    epoch : int
        The hub's epoch, read together with `through`.
    through : mapping of (session, lane) to int
        The vehicle's watermarks; absent is 0.
    presence : Presence
        What the van believes. Offline ones name no lanes and get no answer.

    Returns
    -------
    tuple
        The epoch, to be committed *before* the acks leave, and the acks. It rises if the van has seen a higher epoch, or
        believes, in this very epoch, more than is here: then this database is not the one that acknowledged it. A belief from a
        lower epoch needs no new one: so one restored database costs one rise, not one for each van.
    """
    if not presence.online:
        return epoch, []
    lanes = [(state.session, lane) for state in presence.sessions for lane in state.lanes]
    behind = {(session, lane.lane): lane.acked > through.get((session, lane.lane), 0) for session, lane in lanes}
    if presence.epoch > epoch or (presence.epoch == epoch and any(behind.values())):
        epoch = presence.epoch + 1
    return epoch, [
        Ack(epoch=epoch, session=session, lane=lane, through_seq=through.get((session, lane), 0), rewind=rewind)
        for (session, lane), rewind in behind.items()
    ]
