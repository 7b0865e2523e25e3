"""Hours of service: a driver's clocks run with motion and duty, and start anew with the breaks that the law names."""

from __future__ import annotations

from hypothesis import given, strategies as st

from roundsman_core.hours import MIN, RULES, Activity, Clocks, H, RuleName, counted, fresh, spells, step

NINE_MS = 9 * 3_600_000


def eu(*day: tuple[Activity, int]) -> Clocks:
    return counted(fresh("eu_561"), [(activity, minutes * MIN) for activity, minutes in day])


def us(*day: tuple[Activity, int]) -> Clocks:
    return counted(fresh("us_395"), [(activity, minutes * MIN) for activity, minutes in day])


def test_four_and_a_half_hours_then_a_break_of_45_minutes() -> None:
    """Regulation (EC) 561/2006, art. 7."""
    assert eu(("drive", 270)).to_break_s == 0
    assert eu(("drive", 200), ("rest", 44), ("drive", 10)).to_break_s == 60 * MIN
    assert eu(("drive", 200), ("rest", 45), ("drive", 10)).to_break_s == 260 * MIN
    assert eu(("drive", 200), ("work", 60), ("drive", 10)).to_break_s == 60 * MIN, "unloading is no rest"


def test_a_split_break_is_15_minutes_and_then_30() -> None:
    assert eu(("drive", 100), ("rest", 15), ("drive", 100)).rested_15 is True
    assert eu(("drive", 100), ("rest", 15), ("drive", 100), ("rest", 30)).to_break_s == 270 * MIN
    assert eu(("drive", 100), ("rest", 30), ("drive", 100), ("rest", 15)).to_break_s == 70 * MIN, "the other way round does not count"
    again = eu(("drive", 100), ("rest", 15), ("drive", 100), ("rest", 30), ("drive", 50), ("rest", 30), ("drive", 10))
    assert again.to_break_s == 210 * MIN, "each part counts once"


def test_a_days_driving_and_its_length() -> None:
    """Art. 6: 9 h of driving; art. 8: 11 h of rest within 24 h."""
    day = eu(("drive", 240), ("rest", 45), ("drive", 240), ("work", 60))
    assert (day.driving_s, day.duty_s) == (60 * MIN, 13 * H - 585 * MIN)
    assert day.drivable_s == 30 * MIN
    assert eu(("drive", 240), ("rest", 11 * 60)).drivable_s == 270 * MIN, "a new day"


def test_eight_hours_then_thirty_minutes_without_driving() -> None:
    """49 CFR 395.3(a)(3)(ii): unloading interrupts driving, too."""
    assert us(("drive", 480)).to_break_s == 0
    assert us(("drive", 400), ("work", 30)).to_break_s == 8 * H
    assert us(("drive", 400), ("work", 20), ("rest", 10)).to_break_s == 8 * H
    assert us(("drive", 400), ("work", 29)).to_break_s == 80 * MIN
    assert us(("drive", 60), ("rest", 120)).duty_s == 11 * H, "(a)(2): fourteen hours run on"
    assert us(("drive", 480), ("work", 30), ("drive", 180)).driving_s == 0


def test_what_a_log_tells_is_counted() -> None:
    """Off, on at nine, a stop of ten minutes, a break of twenty, and on."""
    duties = [(NINE_MS, "on"), (NINE_MS + 3_600_000, "break"), (NINE_MS + 4_800_000, "on")]
    stands = [(NINE_MS + 1_200_000, NINE_MS + 1_800_000), (NINE_MS + 6_000_000, None)]
    told = list(spells(NINE_MS - 600_000, NINE_MS + 6_600_000, duties, stands))
    assert told == [("rest", 600), ("drive", 1200), ("work", 600), ("drive", 1800), ("rest", 1200), ("drive", 1200), ("work", 600)]


activities = st.sampled_from(("drive", "work", "rest"))


@given(st.sampled_from(("eu_561", "us_395")), st.lists(st.tuples(activities, st.integers(1, 50_000), st.integers(1, 9)), max_size=12))
def test_clocks_do_not_depend_on_how_often_they_are_looked_at(rule: RuleName, day: list[tuple[Activity, int, int]]) -> None:
    at_once, in_pieces = fresh(rule), fresh(rule)
    for activity, seconds, pieces in day:
        at_once = step(at_once, activity, seconds)
        part = seconds // pieces
        for seconds_of in (*[part] * (pieces - 1), seconds - part * (pieces - 1)):
            in_pieces = step(in_pieces, activity, seconds_of)
        law = RULES[rule]
        assert 0 <= at_once.to_break_s <= law.to_break_s
        assert 0 <= at_once.driving_s <= law.driving_s
        assert 0 <= at_once.duty_s <= law.duty_s
        assert at_once == in_pieces
