"""When the hub tells a van what is committed: facts at once, fixes together. An ack costs as much on the wire as twenty fixes.

A van is told of its fixes when `is_owed` says so, or when they have waited for `ACK_WAIT_S`; at once when it may not know how it stands:
of the first frame after its presence, in a new session or epoch, of a frame that holds anything that was there already, of one that left
a gap. (A van that has lost patience sends again from its last ack, with all that it wrote since: seldom the same frame twice.) What is
held back is only a number, so nothing can be lost: a later ack says more, a presence is answered in any case, and a hub that ends leaves
a van that loses patience and sends again. The van counts by the same rule (`is_owed`), and so knows how long it has to be patient.

Pure: the clock is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from roundsman_wire.messages import TRACK, Ack

ACK_FRAMES: Final = 5
"""Frames of one lane that one ack answers: at one fix a frame, 220 bytes a fix on the wire instead of 380."""
ACK_ENTRIES: Final = 240
"""A frame as full as this, or so many in several, come out of a backlog: there the next frame waits for the ack."""
ACK_WAIT_S: Final = 45.0
"""Real seconds. Five frames of a van that writes every ten seconds, four of one that writes every fourteen; a frame whose loss nothing
shows is sent again after so long."""
ACK_EARLY_S: Final = 8.0
"""What would be overdue before a slow van's next frame is told with this one: now the van is awake, and an ack alone would wake it."""


def is_owed(frames: int, entries: int) -> bool:
    """Whether so many committed frames, of so many entries, are acknowledged without waiting for more."""
    return frames >= ACK_FRAMES or entries >= ACK_ENTRIES


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    ack: Ack
    frames: int
    since_s: float


class Pace:
    """What each vehicle was told of its fixes, and what is held back."""

    def __init__(self) -> None:
        self._told: dict[str, Ack] = {}
        self._held: dict[str, _Held] = {}  # by `since_s`: a vehicle keeps its place until it is told

    def committed(self, vehicle: str, ack: Ack, frames: int, entries: int, now_s: float) -> list[Ack]:
        """The acks to send now that this one may be sent.

        Parameters
        ----------
        ack : Ack
            What is committed of a lane.
        frames : int
            How many frames it answers, at least 1.
        entries : int
            How many entries these frames claim together, those that were there already among them.
        now_s : float
            Monotonic, seconds.
        """
        if ack.lane != TRACK:
            return [ack]
        told, held = self._told.get(vehicle), self._held.get(vehicle)
        if ack.rewind:
            self.forget(vehicle)
            return [ack]
        if told is None or (told.session, told.epoch) != (ack.session, ack.epoch):
            other = [held.ack] if held is not None and held.ack.session != ack.session else []
            return [*other, self._tell(vehicle, ack)]
        frames += 0 if held is None else held.frames
        known = told if held is None else held.ack
        came_twice = entries > ack.through_seq - known.through_seq
        soon_overdue = held is not None and now_s - held.since_s >= ACK_WAIT_S - ACK_EARLY_S
        if came_twice or soon_overdue or is_owed(frames, ack.through_seq - told.through_seq):
            return [self._tell(vehicle, ack)]
        self._held[vehicle] = _Held(ack=ack, frames=frames, since_s=now_s if held is None else held.since_s)
        return []

    def overdue(self, now_s: float) -> list[tuple[str, Ack]]:
        """Vehicles and acks that have waited long enough."""
        due: list[tuple[str, Ack]] = []
        for vehicle, held in self._held.items():
            if now_s - held.since_s < ACK_WAIT_S:
                break
            due.append((vehicle, held.ack))
        for vehicle, ack in due:
            self._tell(vehicle, ack)
        return due

    def forget(self, vehicle: str) -> None:
        """It is told everything (an answer to its presence, a rewind): its next frame is answered at once."""
        self._told.pop(vehicle, None)
        self._held.pop(vehicle, None)

    def _tell(self, vehicle: str, ack: Ack) -> Ack:
        self._told[vehicle] = ack
        self._held.pop(vehicle, None)
        return ack
