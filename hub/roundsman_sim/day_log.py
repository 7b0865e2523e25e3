"""The log of a pretend van: numbered facts and fixes, sent as real frames while there is network, kept until there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from roundsman_hub.clock import to_ms
from roundsman_hub.ingest.packets import Message
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.facts import AnyEntry
from roundsman_wire.messages import FACTS, LANE_NAMES, TRACK, Ack, Clock, FixRow, LaneState, Now, Presence, SessionStarted, SessionState
from roundsman_wire.plain import encode_plain

FRAME_ENTRIES: Final = 400


@dataclass(kw_only=True)
class Lane:
    """One lane: what the hub has not acknowledged yet, from number `first` on; the first `sent` of it are on their way."""

    first: int = 1
    waiting: list[AnyEntry | FixRow] = field(default_factory=list)
    sent: int = 0


class DayLog:
    """One session of a van. What was sent is kept until the hub has it: its database may be too busy to take a frame.

    Parameters
    ----------
    opened : datetime
        The session's start, of which its entries count milliseconds.
    previous : str, optional
        The session before it.
    """

    def __init__(self, vehicle: str, session: str, previous: str | None, opened: datetime) -> None:
        self.vehicle, self.session, self.previous, self.opened = vehicle, session, previous, opened
        self._lanes = {FACTS: Lane(), TRACK: Lane()}
        self._online = False
        at = to_ms(opened)
        self.tell(SessionStarted(mono_ms=0, utc_ms=at, session=session, previous=previous, agent_version="day", row_format=1), opened)
        self.tell(Clock(mono_ms=0, utc_ms=at, source="gnss"), opened)

    def mono_ms(self, at: datetime) -> int:
        """An instant as the session's own clock has it."""
        return max(0, round((at - self.opened).total_seconds() * 1000))

    def tell(self, entry: AnyEntry, at: datetime) -> None:
        """Append a fact of that instant."""
        stamped = type(entry)(
            **{name: getattr(entry, name) for name in entry.__struct_fields__} | {"mono_ms": self.mono_ms(at), "utc_ms": to_ms(at)}
        )
        self._lanes[FACTS].waiting.append(stamped)

    def fix(self, row: FixRow) -> None:
        """Append a fix."""
        self._lanes[TRACK].waiting.append(row)

    def taken(self) -> tuple[list[AnyEntry], list[FixRow]]:
        """What was written since the last time, for another's log: it is this one's no longer, and has no number of it."""
        waiting = [entry for lane in self._lanes.values() for entry in lane.waiting]
        for lane in self._lanes.values():
            lane.waiting.clear()
        return _kinds(waiting)

    def say(self, now: Now | None, *, linked: bool) -> list[Message]:
        """What is sent; nothing without network. `now`: the live marker, while on duty."""
        out: list[Message] = []
        if linked != self._online:
            self._online = linked
            out.append(self._message("presence", encode_plain(self._presence())))
        if not linked:
            return out
        for lane in (FACTS, TRACK):
            out += self._frames(lane)
        if now is not None:
            out.append(self._message("now", encode_plain(now)))
        return out

    def _frames(self, lane: int) -> list[Message]:
        state, out = self._lanes[lane], []
        while part := state.waiting[state.sent : state.sent + FRAME_ENTRIES]:
            facts, fixes = _kinds(part)
            body = frames.pack_entries([frames.encode_entry(fact) for fact in facts]) if lane == FACTS else frames.pack_rows(fixes)
            first, last = state.first + state.sent, state.first + state.sent + len(part) - 1
            out.append(self._message(LANE_NAMES[lane], frames.encode_frame(self.session, lane, first, last, body)))
            state.sent += len(part)
        return out

    def acknowledged(self, ack: Ack) -> None:
        """What the hub says that it has; from there on it wants it again, where it says so."""
        if ack.session != self.session:
            return
        state = self._lanes[ack.lane]
        had = max(0, ack.through_seq + 1 - state.first)
        state.first, state.waiting, state.sent = state.first + had, state.waiting[had:], max(0, state.sent - had)
        if ack.rewind:
            state.sent = 0

    def _message(self, channel: str, payload: bytes) -> Message:
        return Message(topic(self.vehicle, channel), payload)

    def _presence(self) -> Presence:
        if not self._online:
            return Presence(online=False)
        lanes = tuple(
            LaneState(lane=lane, first_kept=state.first, last=state.first + len(state.waiting) - 1, acked=state.first - 1)
            for lane, state in self._lanes.items()
            if state.waiting or state.first > 1
        )
        return Presence(
            online=True, session=self.session, sessions=(SessionState(session=self.session, previous=self.previous, lanes=lanes),)
        )


def _kinds(entries: Sequence[AnyEntry | FixRow]) -> tuple[list[AnyEntry], list[FixRow]]:
    return [one for one in entries if not isinstance(one, FixRow)], [one for one in entries if isinstance(one, FixRow)]
