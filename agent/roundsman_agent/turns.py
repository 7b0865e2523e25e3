"""Whose turn it is: the order of the plan against what the driver has really visited, left out, or come back to."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from roundsman_agent.places import SAME_DOOR_M, Places, PlannedStop
from roundsman_core.geo import distance_m

SOON: Final = 2
"""Drivers change the order of neighbours, seldom more."""


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """`seen`: stops visited in this shift. `passed`: stops that the driver has left out so far."""

    seen: frozenset[str] = frozenset()
    passed: frozenset[str] = frozenset()

    def following(self, places: Places) -> PlannedStop | None:
        """The stop that the van is on its way to: the first that is neither done nor visited nor left out."""
        first = None
        for stop in places.open:
            if stop.stop not in self.seen:
                if stop.stop not in self.passed:
                    return stop
                first = first or stop
        return first

    def turn(self, places: Places, at: PlannedStop) -> int:
        """How soon it is a stop's turn. 0: the next, the first left out, one visited and not done, a door of these; 1: soon; 2: later."""
        if at.stop in self.seen:
            return 0
        ahead = [stop for stop in places.open if stop.stop not in self.seen]
        left = [stop for stop in ahead if stop.stop not in self.passed]
        if any(distance_m(stop.position, at.position) <= SAME_DOOR_M for stop in (*ahead[:1], *left[:1])):
            return 0
        return 1 if at in left[: 1 + SOON] else 2

    def visited(self, places: Places, *stops: PlannedStop) -> Turns:
        """After a visit. Those that came a little earlier in the plan are left out; an odd one far down says nothing of the others."""
        seen, passed = self.seen.union(stop.stop for stop in stops), self.passed
        left = [stop for stop in places.open if stop.stop not in self.seen and stop.stop not in passed]
        if stops[0] in left[: 1 + SOON]:
            passed = passed.union(stop.stop for stop in left[: left.index(stops[0])])
        return replace(self, seen=seen, passed=passed - seen)

    def left_out(self, stop: str) -> Turns:
        """The van was there and drove on."""
        return replace(self, passed=self.passed | {stop})
