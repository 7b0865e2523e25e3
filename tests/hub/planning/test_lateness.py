"""A delay's parts add up to it, to the second, whatever happened to the round."""

from __future__ import annotations

from hypothesis import given, strategies as st

from roundsman_hub.planning.lateness import Leg, Round, split

seconds = st.integers(0, 5_000)
legs = st.lists(st.tuples(st.sampled_from("abcdefg"), seconds, seconds, seconds), max_size=6, unique_by=lambda leg: leg[0])


def round_of(leave_s: int, parts: list[tuple[str, int, int, int]]) -> Round:
    return Round(leave_s=leave_s, legs=tuple(Leg(stop=s, travel_s=t, wait_s=w, dwell_s=d) for s, t, w, d in [*parts, ("z", 100, 0, 60)]))


@given(seconds, legs, seconds, legs)
def test_the_parts_of_a_delay_add_up_exactly(
    left: int, was: list[tuple[str, int, int, int]], leaves: int, now: list[tuple[str, int, int, int]]
) -> None:
    before, after = round_of(left, was), round_of(leaves, now)
    assert split(before, after, "z").total_s == after.start_s("z") - before.start_s("z")


def test_each_cause_is_told_apart() -> None:
    was = round_of(0, [("a", 600, 0, 120), ("b", 300, 60, 120)])
    assert split(was, round_of(900, [("a", 600, 0, 120), ("b", 300, 60, 120)]), "z").late_departure_s == 900
    assert split(was, round_of(0, [("a", 650, 0, 120), ("b", 300, 60, 120)]), "z").travel_s == 50
    assert split(was, round_of(0, [("a", 600, 0, 420), ("b", 300, 60, 120)]), "z").dwell_s == 300
    assert split(was, round_of(0, [("a", 600, 0, 120), ("b", 300, 90, 120)]), "z").waiting_s == 30
    put_in = split(was, round_of(0, [("a", 600, 0, 120), ("c", 500, 0, 60), ("b", 300, 60, 120)]), "z")
    assert (put_in.replanning_s, put_in.travel_s) == (860 - 300, 0)
