"""How much later each stop of a route may begin, so that whether an insertion fits is one comparison (Savelsbergh 1992)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import Stop
from roundsman_hub.planning.problem import PlannedVisit
from roundsman_hub.planning.travel import Travel
from roundsman_hub.planning.walk import Ground, Walk

IMPOSSIBLE: Final = -(1 << 60)
"""Somebody would be later than they may."""
ANY_TIME: Final = 1 << 60


def _own_s(stop: Stop, visit: PlannedVisit) -> int:
    """The latest start that a stop of one window at most allows, or has already."""
    return min(
        max(stop.windows_s[0][1], visit.start_s) if stop.windows_s else ANY_TIME,
        max(stop.promise_s[1], visit.start_s) if stop.promise_s is not None else ANY_TIME,
        max(stop.deadline_s, visit.start_s) if stop.deadline_s is not None else ANY_TIME,
    )


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
            own = owns[at] = _own_s(stop, visit)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackInTraffic:
    """`Slack` where travel times change by the hour: a delay grows and shrinks on the way.

    Whether an insertion fits is one comparison still, because who leaves earlier never arrives later. When the van is back is
    driven through, over the legs of each band laid out side by side, and only until a wait has swallowed the delay.

    leave_by_s : the latest departure from each stop from which nothing after it gets later than it may (or than it is already).
    legs_s : for each band, the seconds from each stop to the one after it, from the last to the end.
    """

    travel: Travel
    stops: Sequence[Stop]
    places: Sequence[int]
    opens_s: Sequence[int]
    start_s: Sequence[int]
    depart_s: Sequence[int]
    service_s: Sequence[int]
    own_s: Sequence[int]
    latest_s: Sequence[int]
    leave_by_s: Sequence[int]
    legs_s: Sequence[Sequence[int]]
    ends_s: Sequence[int]
    back_now_s: int
    home_s: int

    @classmethod
    def of(cls, ground: Ground, van: Van, stops: Sequence[Stop], walk: Walk) -> SlackInTraffic | None:
        """None where a stop has several windows."""
        if any(len(stop.windows_s) > 1 for stop in stops):
            return None
        travel, visits = ground.travel[van.profile], walk.visits
        assert van.end_place is not None
        places = [*(stop.place for stop in stops), van.end_place]
        owns = [_own_s(stop, visit) for stop, visit in zip(stops, visits, strict=True)]
        latest_starts, leave_by = [ANY_TIME] * len(stops), [ANY_TIME] * len(stops)
        limit = ground.home_s[van.vehicle]
        for at in range(len(stops) - 1, -1, -1):
            latest = travel.leave_by_s(places[at], places[at + 1], limit)
            leave_by[at] = ANY_TIME if latest is None else latest
            limit = latest_starts[at] = min(owns[at], leave_by[at] - visits[at].service_s)
        return cls(
            travel=travel,
            stops=stops,
            places=places,
            opens_s=[max(stop.earliest_s, stop.windows_s[0][0]) if stop.windows_s else stop.earliest_s for stop in stops],
            start_s=[visit.start_s for visit in visits],
            depart_s=[visit.departure_s for visit in visits],
            service_s=[visit.service_s for visit in visits],
            own_s=owns,
            latest_s=latest_starts,
            leave_by_s=leave_by,
            legs_s=[[band[a][b] for a, b in pairwise(places)] for band in travel.bands],
            ends_s=[*travel.starts_s[1:], ANY_TIME],
            back_now_s=walk.back_s,
            home_s=ground.home_s[van.vehicle],
        )

    def back_s(self, at: int, arrival_s: int, was_from: int, comes_from: int) -> int | None:
        """As `Slack.back_s`."""
        count = len(self.stops)
        if at == count:
            return arrival_s if arrival_s <= self.home_s else IMPOSSIBLE
        stop = self.stops[at]
        if stop.parking_s and (was_from == stop.place) != (comes_from == stop.place):
            return None
        start_s = max(arrival_s, self.opens_s[at])
        if start_s <= self.start_s[at]:
            return self.back_now_s if start_s == self.start_s[at] else None
        opens, departs, services, owns, leave_by, ends = (
            self.opens_s,
            self.depart_s,
            self.service_s,
            self.own_s,
            self.leave_by_s,
            self.ends_s,
        )
        if start_s > owns[at] or start_s + services[at] > leave_by[at]:
            return IMPOSSIBLE
        clock = start_s + services[at]
        band = max(bisect_right(self.travel.starts_s, clock) - 1, 0)
        legs = self.legs_s[band]
        while True:
            while clock >= ends[band]:
                band += 1
                legs = self.legs_s[band]
            leg_s = legs[at]
            if clock + leg_s > ends[band]:
                leg_s = self.travel.leg_s(self.places[at], self.places[at + 1], clock)
            if leg_s < 0:
                return IMPOSSIBLE  # that way is closed by then
            clock += leg_s
            at += 1
            if at == count:
                return clock if clock <= self.home_s else IMPOSSIBLE
            if clock < opens[at]:
                clock = opens[at]
            if clock > owns[at]:
                return IMPOSSIBLE
            clock += services[at]
            if clock == departs[at]:
                return self.back_now_s  # a wait swallowed the delay: nothing after changes
