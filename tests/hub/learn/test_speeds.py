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


def test_vans_that_stood_in_a_jam_do_not_make_the_network_slow(drives: list[Drive]) -> None:
    stuck = [
        replace(one, legs=tuple(replace(leg, took_s=12 * leg.took_s) for leg in one.legs)) if n % 12 == 0 else one
        for n, one in enumerate(drives)
    ]
    usual, jammed = learn_speeds(drives), learn_speeds(stuck)
    for band in ("morning", "midday"):
        assert jammed.factor("van", band) == pytest.approx(usual.factor("van", band), rel=0.08)
    others = [one for n, one in enumerate(drives) if n % 12]
    assert median_error(others, jammed) < 1.3 * median_error(others, usual)


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


OBSERVED = st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(1, 100), st.floats(1, 300))


@given(st.lists(OBSERVED, min_size=2, max_size=60), st.lists(st.floats(0.5, 2), min_size=5, max_size=5))
def test_a_group_lies_between_its_own_word_and_the_prior(seen: list[tuple[int, int, float, float]], prior: list[float]) -> None:
    """Invariant of shrinkage; a group's own word lies among its days', and a group that nobody saw is its prior."""
    group, day, expected, observed = (np.array(column) for column in zip(*seen, strict=True))
    before = np.array(prior)
    found = ratios(group.astype(np.int64), 5, expected, observed, before, day.astype(np.int64))
    for at in range(5):
        days = [(group == at) & (day == one) for one in set(day[group == at])]
        words = [observed[of_one].sum() / expected[of_one].sum() for of_one in days] if found.weight[at] > 0 else [before[at]]
        assert min(words) * (1 - 1e-9) <= found.own[at] <= max(words) * (1 + 1e-9)
        low, high = sorted((found.own[at], before[at]))
        assert low - 1e-9 <= found.ratio[at] <= high + 1e-9
        assert found.weight[at] <= expected[group == at].sum() * (1 + 1e-9)


def jammed(rng: random.Random, days: int, each: int, jam: float) -> list[tuple[int, int, float, float]]:
    """Street 0 is driven on one day, by so many vans in one jam; the other streets on all days, each day better or worse as a whole."""
    seen = [(0, 0, 30.0, 30.0 * jam * rng.gauss(1, 0.05)) for _ in range(each * days)]
    for street in range(1, 30):
        usual = rng.gauss(1, 0.1)
        for day in range(days):
            that_day = usual * rng.gauss(1, 0.15)
            seen += [(street, day, 30.0, 30.0 * that_day * rng.gauss(1, 0.05)) for _ in range(each)]
    return seen


def test_a_hundred_drives_through_one_jam_are_one_mornings_word() -> None:
    """What they share does not become surer by their number: the street is drawn to its prior about as if one van had told of that day."""
    rng = random.Random(7)
    columns = zip(*jammed(rng, days=10, each=12, jam=1.6), strict=True)
    street, day, expected, observed = (np.array(column) for column in columns)
    found = ratios(street, 30, expected, observed, np.ones(30), day)
    assert found.own[0] == pytest.approx(1.6, rel=0.03)
    assert found.ratio[0] < 1.35  # by drives it would be 1.59
    many_days = found.ratio[1:] - 1
    assert np.abs(many_days).max() > 0.1  # streets that were driven on ten days are still told apart
    assert min(found.weight[1:].tolist()) > 5 * found.weight[0]


def test_where_days_are_alike_every_drive_counts() -> None:
    """Without anything that the drives of a day share they are as good as drives of as many days."""
    rng = random.Random(8)
    usual = [rng.gauss(1, 0.1) for _ in range(30)]
    seen = [(street, day, 30.0, 30.0 * usual[street] * rng.gauss(1, 0.2)) for street in range(30) for day in range(10) for _ in range(12)]
    street, day, expected, observed = (np.array(column) for column in zip(*seen, strict=True))
    found = ratios(street, 30, expected, observed, np.ones(30), day)
    assert min(found.weight.tolist()) > 0.8 * 120 * 30
    assert np.abs(found.ratio - np.array(usual)).max() < 0.06
