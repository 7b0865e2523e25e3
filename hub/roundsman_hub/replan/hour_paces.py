"""What another hour makes of a round's drives, for a van that is late and has no network to ask. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from roundsman_hub.planning.problem import Problem

HOURS: Final = 24
HOUR_S: Final = 3_600
WHOLE_PCT: Final = 100


def hour_paces_pct(problem: Problem, vehicle: str, places: Sequence[int]) -> tuple[int, ...]:
    """Lengths of the round's own drives by hour UTC, in percent of the tables that hold at any hour; empty: all hours are alike.

    One number an hour for the whole round, from the sum over its ways: of a plan of forty stops it is a hundredth of the bytes, where
    tables of each band would be as much again each.

    Parameters
    ----------
    places : sequence of int
        The depot and the stops, in driving order. Their ways there and back to the depot count.
    """
    van = next((van for van in problem.vans if van.vehicle == vehicle), None)
    profile = None if van is None else problem.profiles.get(van.profile)
    if profile is None or len(profile.band_starts_s) < 2:
        return ()
    ways = [(a, b) for a, b in pairwise([*places, places[0]]) if a != b and problem.durations_s[a, b] > 0]
    usual_s = sum(int(problem.durations_s[a, b]) for a, b in ways)
    if not usual_s:
        return ()
    by_band = []
    for table in profile.durations_s:
        driven = [(int(table[a, b]), int(problem.durations_s[a, b])) for a, b in ways if table[a, b] >= 0]
        usual = sum(one for _, one in driven)
        by_band.append(max(1, round(WHOLE_PCT * sum(one for one, _ in driven) / usual)) if usual else WHOLE_PCT)
    first = problem.origin_utc_s // HOUR_S
    found = [WHOLE_PCT] * HOURS
    for hour in range(first, first + HOURS):
        # The middle of the hour: the plan begins inside its first one, and bands turn at full hours of the fleet's own zone.
        at_s = hour * HOUR_S + HOUR_S // 2 - problem.origin_utc_s
        found[hour % HOURS] = by_band[max(bisect_right(profile.band_starts_s, at_s) - 1, 0)]
    return () if len(set(found)) == 1 else tuple(found)
