"""Where the minutes went: a stop's delay against an earlier plan, split so that the parts add up to the second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from roundsman_hub.planning.problem import PlannedVisit, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One stop of a round, as planned, driven or expected: the drive there, the wait (pauses included), the time at the door."""

    stop: Step
    travel_s: int
    wait_s: int
    dwell_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round: when it left, and its stops in order."""

    leave_s: int
    legs: tuple[Leg, ...]

    @classmethod
    def of(cls, leave_s: int, visits: Sequence[PlannedVisit]) -> Round:
        """From an evaluated route. Pauses on the way or at the stop count as waiting."""
        legs = []
        clock = leave_s
        for visit in visits:
            legs.append(Leg(stop=visit.task, travel_s=visit.leg_s, wait_s=visit.start_s - clock - visit.leg_s, dwell_s=visit.service_s))
            clock = visit.departure_s
        return cls(leave_s=leave_s, legs=tuple(legs))

    def start_s(self, stop: Step) -> int:
        """When service at a stop starts."""
        clock = self.leave_s
        for leg in self.legs:
            clock += leg.travel_s + leg.wait_s
            if leg.stop == stop:
                return clock
            clock += leg.dwell_s
        raise KeyError(stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A delay's parts, in seconds; negative where time was won. Their sum is exactly the later start."""

    late_departure_s: int
    travel_s: int
    dwell_s: int
    waiting_s: int
    replanning_s: int

    @property
    def total_s(self) -> int:
        """How much later the stop starts."""
        return self.late_departure_s + self.travel_s + self.dwell_s + self.waiting_s + self.replanning_s


def split(was: Round, now: Round, stop: Step) -> Split:
    """Why a stop starts later now than it did in an earlier round.

    A leg that both rounds drive between the same two stops is compared as travel, a stop that both serve before this one as dwell and
    waiting; whatever only one of them has is re-planning.

    Raises
    ------
    KeyError
        One of the rounds does not serve the stop.
    """
    before, after = _until(was, stop), _until(now, stop)
    both = {leg.stop for leg in before} & {leg.stop for leg in after}
    old, new = _by_stop(before), _by_stop(after)
    travel = dwell = waiting = 0
    for name in both:
        (old_from, old_leg), (new_from, new_leg) = old[name], new[name]
        if old_from == new_from:
            travel += new_leg.travel_s - old_leg.travel_s
        waiting += new_leg.wait_s - old_leg.wait_s
        if name != stop:
            dwell += new_leg.dwell_s - old_leg.dwell_s
    departure = now.leave_s - was.leave_s
    total = now.start_s(stop) - was.start_s(stop)
    return Split(
        late_departure_s=departure,
        travel_s=travel,
        dwell_s=dwell,
        waiting_s=waiting,
        replanning_s=total - departure - travel - dwell - waiting,
    )


def _until(round_: Round, stop: Step) -> list[Leg]:
    names = [leg.stop for leg in round_.legs]
    if stop not in names:
        raise KeyError(stop)
    return list(round_.legs[: names.index(stop) + 1])


def _by_stop(legs: Sequence[Leg]) -> dict[Step, tuple[Step, Leg]]:
    return {leg.stop: (legs[at - 1].stop if at else "", leg) for at, leg in enumerate(legs)}
