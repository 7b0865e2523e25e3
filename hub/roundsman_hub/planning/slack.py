"""How much later each stop of a route may begin, so that whether an insertion fits is one comparison (Savelsbergh 1992)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import Stop
from roundsman_hub.planning.walk import Ground, Walk

IMPOSSIBLE: Final = -(1 << 60)
"""Somebody would be later than they may."""
ANY_TIME: Final = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """Of a plain route whose stops have one window at most.

    own_s : the latest start that each stop itself allows, or has already.
    latest_s : the latest start of each stop from which nothing after it gets later than it may (or than it is already).
    waits_s : the waiting at each stop and all after it: a delay shorter than that never reaches the end.
    """

    stops: Sequence[Stop]
    start_s: Sequence[int]
    own_s: Sequence[int]
    latest_s: Sequence[int]
    waits_s: Sequence[int]
    back_now_s: int
    home_s: int

    @classmethod
    def of(cls, ground: Ground, van: Van, stops: Sequence[Stop], walk: Walk) -> Slack | None:
        """None where a stop has several windows: between them a delay may jump."""
        if any(len(stop.windows_s) > 1 for stop in stops):
            return None
        count = len(stops)
        owns, latest, waits = [0] * count, [0] * count, [0] * (count + 1)
        limit, home = ground.home_s[van.vehicle], van.end_place
        assert home is not None
        seconds = ground.travel[van.profile].durations_s
        after = home
        for at in range(count - 1, -1, -1):
            stop, visit = stops[at], walk.visits[at]
            own = owns[at] = min(
                max(stop.windows_s[0][1], visit.start_s) if stop.windows_s else ANY_TIME,
                max(stop.promise_s[1], visit.start_s) if stop.promise_s is not None else ANY_TIME,
                max(stop.deadline_s, visit.start_s) if stop.deadline_s is not None else ANY_TIME,
            )
            limit = latest[at] = min(own, limit - seconds[stop.place][after] - visit.service_s)
            after = stop.place
            waits[at] = waits[at + 1] + visit.wait_s
        starts = [visit.start_s for visit in walk.visits]
        back, home_s = walk.back_s, ground.home_s[van.vehicle]
        return cls(stops=stops, start_s=starts, own_s=owns, latest_s=latest, waits_s=waits, back_now_s=back, home_s=home_s)

    def back_s(self, at: int, arrival_s: int, was_from: int, comes_from: int) -> int | None:
        """When the van is back if it arrives at stop `at` (past the last: at the end) then.

        `was_from`, `comes_from`: the places that it comes from now, and would come from. `IMPOSSIBLE`: somebody would be too late.
        None: not to be told without walking (other parking; sooner than now).
        """
        if at == len(self.stops):
            return arrival_s if arrival_s <= self.home_s else IMPOSSIBLE
        stop = self.stops[at]
        if stop.parking_s and (was_from == stop.place) != (comes_from == stop.place):
            return None
        later_s = arrival_s - self.start_s[at]
        if later_s <= 0:
            # It waits, as now; sooner than now where nothing is waited for.
            return self.back_now_s if self.waits_s[at] > self.waits_s[at + 1] or later_s == 0 else None
        if arrival_s > self.latest_s[at]:
            return IMPOSSIBLE
        return self.back_now_s + max(0, later_s - self.waits_s[at + 1])
