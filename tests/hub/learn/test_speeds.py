"""Learned speeds: found again where they were hidden, quiet where little is known, and refused where they are no better."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from roundsman_hub.learn.keep import NotEnough, judged_speeds, speeds_from_bytes, speeds_to_bytes
from roundsman_hub.learn.shrink import ratios
from roundsman_hub.learn.speeds import Drive, Leg, Segment, SpeedTable, learn_now, learn_speeds, median_error, predicted_s

STREETS: list[Segment] = [(n, n + 1) for n in range(60)]


def truth(segment: Segment, band: str) -> float:
    """How many times as long as the network says: hidden from the learner."""
    slow = 1.0 + 0.8 * ((segment[0] * 37) % 11) / 10
    return slow * (1.5 if band == "morning" else 1.0)


def drive(rng: random.Random, day: int, band: str) -> Drive:
    first = rng.randrange(0, 50)
    segments = tuple(STREETS[first : first + 10])
    expected = tuple(rng.uniform(8, 20) for _ in segments)
    luck = rng.gauss(1, 0.05)
    legs = []
    for at in range(0, 10, 2):
        pair, told = segments[at : at + 2], expected[at : at + 2]
        took = sum(s * truth(segment, band) for segment, s in zip(pair, told, strict=True)) * luck * rng.gauss(1, 0.1)
        legs.append(Leg(segments=pair, expected_s=told, metres=tuple(10 * s for s in told), turns_s=0.0, took_s=took))
    return Drive(kind="van", day=f"2026-03-{day:02}", band=band, legs=tuple(legs))


@pytest.fixture(scope="module")
def drives() -> list[Drive]:
    rng = random.Random(1)
    return [drive(rng, day, rng.choice(["morning", "midday"])) for day in range(1, 21) for _ in range(25)]


def test_hidden_speeds_are_found_and_halve_the_error_of_one_pace(drives: list[Drive]) -> None:
    table, numbers = judged_speeds(drives, SpeedTable())
    assert numbers.better
    one_pace = SpeedTable(factors={("van", ""): table.factor("van", "")})
    held_out = [one for one in drives if one.day > "2026-03-14"]
    learned = learn_speeds([one for one in drives if one.day <= "2026-03-14"])
    assert median_error(held_out, learned) < 0.5 * median_error(held_out, one_pace)
    assert table.factor("van", "morning") / table.factor("van", "midday") == pytest.approx(1.5, rel=0.08)
    seen = [segment for segment in STREETS if (segment, "") in table.segments["van"]]
    hidden = np.array([truth(segment, "midday") for segment in seen])
    found = np.array([table.ratio("van", segment, "") for segment in seen])
    assert np.corrcoef(hidden, found)[0, 1] > 0.6  # a drive's time is shared out along its way, so neighbours blur


def test_a_table_that_is_worse_than_the_one_in_force_is_told_so(drives: list[Drive]) -> None:
    good = learn_speeds(drives)
    rng = random.Random(2)
    nonsense = [
        replace(one, legs=tuple(replace(leg, took_s=leg.took_s * rng.uniform(0.3, 3)) for leg in one.legs)) for one in drives[:350]
    ] + drives[350:]
    _, numbers = judged_speeds(nonsense, good)
    assert not numbers.better
    assert "error" in numbers.text


def test_one_day_teaches_nothing(drives: list[Drive]) -> None:
    with pytest.raises(NotEnough, match="1 days"):
        judged_speeds([one for one in drives if one.day == "2026-03-01"], SpeedTable())


def test_another_kind_of_vehicle_learns_nothing_from_vans(drives: list[Drive]) -> None:
    table = learn_speeds(drives)
    assert table.factor("truck", "morning") == 1.0
    assert table.ratio("truck", STREETS[0], "morning") == 1.0


def test_a_table_comes_back_from_its_bytes(drives: list[Drive]) -> None:
    table = learn_speeds(drives[:50])
    back = speeds_from_bytes(speeds_to_bytes(table))
    assert back == table
    assert predicted_s(drives[60], back) == predicted_s(drives[60], table)


def test_the_last_minutes_are_believed_by_as_much_as_was_driven(drives: list[Drive]) -> None:
    table = learn_speeds(drives)
    jam = [replace(one, legs=tuple(replace(leg, took_s=3 * leg.took_s) for leg in one.legs)) for one in drives[:30]]
    assert learn_now([], table).factor == 1.0
    once, often = learn_now(jam[:1], table), learn_now(jam, table)
    assert 1.0 < once.factor < 1.35
    assert 1.8 < often.factor < 3.2


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(1, 100), st.floats(1, 300)), min_size=2, max_size=60),
    st.lists(st.floats(0.5, 2), min_size=5, max_size=5),
)
def test_a_group_lies_between_its_own_word_and_the_prior(seen: list[tuple[int, float, float]], prior: list[float]) -> None:
    """Invariant of shrinkage; and a group that nobody saw is its prior."""
    group, expected, observed = (np.array(column) for column in zip(*seen, strict=True))
    before = np.array(prior)
    found, _ = ratios(group.astype(np.int64), 5, expected, observed, before)
    for at in range(5):
        mine = group == at
        own = observed[mine].sum() / expected[mine].sum() if mine.any() else before[at]
        low, high = sorted((own, before[at]))
        assert low - 1e-9 <= found[at] <= high + 1e-9
