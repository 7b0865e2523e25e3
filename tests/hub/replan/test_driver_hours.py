"""Hours of service are a driver's, not a van's: they go along into another van, and who takes a van over has their own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from roundsman_core.hours import RULES
from roundsman_hub.clock import to_ms
from roundsman_hub.domain.terms import HoursTerms
from roundsman_hub.replan.clocks import Spoken, Stand, Word, after_a_night, clocks_of, of_driver
from roundsman_hub.replan.load import load_world
from roundsman_hub.store.rows import new_id

Yard = Any  # the fixture of conftest.py
FULL = {"rule": "eu_561", "to_break_min": 270, "driving_min": 540, "duty_min": 780}
OWN = HoursTerms(rule="eu_561", to_break_min=270, driving_min=540, duty_min=780)
SIX = datetime(2026, 3, 2, 6, tzinfo=UTC)
MIN_MS = 60_000


def driver(yard: Yard, name: str) -> str:
    made: str = new_id("d")
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO drivers (driver_id, fleet_id, name, terms) VALUES (%s, %s, %s, %s)",
            (made, yard.fleet, name, json.dumps({"hours": FULL})),
        )
    return made


def seated(yard: Yard, vehicle: str, who: str) -> None:
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET driver_id = %s WHERE vehicle_id = %s", (who, vehicle))


def said(yard: Yard, vehicle: str, who: str | None, *words: tuple[str, int]) -> None:
    """(word, minutes ago)."""
    for word, ago_min in words:
        with yard.db.transaction() as cur:
            cur.execute(
                "INSERT INTO duties (session_no, seq, vehicle_id, fleet_id, driver_id, duty, at)"
                " SELECT session_no, (SELECT count(*) + 1 FROM duties), vehicle_id, %s, %s, %s, %s FROM log.sessions WHERE vehicle_id = %s",
                (yard.fleet, who, word, yard.clock.now() - timedelta(minutes=ago_min), vehicle),
            )


def left(yard: Yard, vehicle: str) -> tuple[str | None, int]:
    """Whose clocks a van has, and the minutes of driving left on them."""
    with yard.db.transaction() as cur:
        world = load_world(cur, yard.depot, yard.clock)
    assert world is not None
    van = world.vans[vehicle]
    assert van.clocks is not None
    return van.clocks_driver_id, round(van.clocks.driving_s / 60)


def test_a_driver_who_changes_vans_takes_the_clocks_along(yard: Yard) -> None:
    first, second = yard.van("First"), yard.van("Second")
    ada, ben = driver(yard, "Ada"), driver(yard, "Ben")
    seated(yard, first, ada)
    assert left(yard, first) == (ada, 540)
    said(yard, first, ada, ("on", 240), ("off", 120))
    said(yard, second, ada, ("on", 60))
    seated(yard, second, ada)
    seated(yard, first, ben)
    assert left(yard, second) == (ada, 540 - 120 - 60)
    assert left(yard, first) == (ben, 540), "who takes her van over has not driven yet"
    said(yard, first, ben, ("on", 30))
    assert left(yard, first) == (ben, 510)
    assert left(yard, second) == (ada, 360)


def test_the_clocks_are_of_who_sits_there_whoever_is_assigned(yard: Yard) -> None:
    vehicle = yard.van("First")
    ada, ben = driver(yard, "Ada"), driver(yard, "Ben")
    seated(yard, vehicle, ada)
    said(yard, vehicle, ada, ("on", 300))
    said(yard, vehicle, ben, ("on", 50))
    assert left(yard, vehicle) == (ben, 490)
    said(yard, vehicle, None, ("off", 10))
    assert left(yard, vehicle) == (ada, 540 - 250), "her own end with his coming"


@pytest.mark.parametrize(("pause_h", "driving_min"), [(10, 540 - 120 - 60), (11, 540 - 60)])
def test_a_nights_rest_begins_a_new_day(pause_h: int, driving_min: int) -> None:
    evening = to_ms(SIX)
    morning = evening + (2 + pause_h) * 60 * MIN_MS
    words = ((evening, "on"), (evening + 120 * MIN_MS, "off"), (morning, "on"))
    now = datetime.fromtimestamp(morning / 1000, UTC) + timedelta(hours=1)
    clocks = clocks_of(OWN, None, shift_start=SIX, spoken=Spoken(words=words), now=now)
    assert clocks is not None
    assert round(clocks.driving_s / 60) == driving_min


def test_a_day_to_come_begins_with_rested_drivers() -> None:
    read = HoursTerms(rule="us_395", to_break_min=5, driving_min=5, duty_min=5, as_of=SIX)
    assert after_a_night(None) is None
    rested, set_for_the_day = after_a_night(read), after_a_night(HoursTerms(rule="us_395", to_break_min=5, driving_min=6, duty_min=7))
    assert rested is not None
    assert rested.driving_s == RULES["us_395"].driving_s
    assert set_for_the_day is not None
    assert set_for_the_day.driving_s == 6 * 60


TURNS = st.lists(st.tuples(st.integers(5, 200), st.integers(0, 90), st.integers(0, 60), st.sampled_from("xyz")), min_size=1, max_size=6)


@given(TURNS)
def test_a_day_in_many_vans_counts_like_one_in_a_single_van(turns: list[tuple[int, int, int, str]]) -> None:
    """Invariant: turns of (driving, standing, resting) minutes leave the same clocks, in whichever vans; and nobody else's stand counts."""

    def clocks(single: bool) -> object:
        at, words, stands = to_ms(SIX), [], dict[str, list[Stand]]()
        for drive_min, stand_min, rest_min, name in turns:
            van = "x" if single else name
            words.append(Word(at_ms=at, duty="on", vehicle=van, driver="ada"))
            at += drive_min * MIN_MS
            stands.setdefault(van, []).append((at, at + stand_min * MIN_MS))
            at += stand_min * MIN_MS
            words.append(Word(at_ms=at, duty="off", vehicle=van, driver="ada"))
            if not single:
                other = next(one for one in "xyz" if one != van)
                words.append(Word(at_ms=at, duty="on", vehicle=other, driver="ben"))
                stands.setdefault(other, []).append((at - drive_min * MIN_MS, at))
            at += rest_min * MIN_MS
        spoken = of_driver("ada", "x", words, stands)
        assert all(a[0] <= b[0] for a, b in pairwise(spoken.words))
        end = datetime.fromtimestamp(at / 1000, UTC)
        return clocks_of(OWN, None, shift_start=SIX, spoken=spoken, now=end)

    assert clocks(single=False) == clocks(single=True)
