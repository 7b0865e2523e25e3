"""A night's figures are read back from what was written down, whatever they were; what is not known stays as it was written."""

from __future__ import annotations

from hypothesis import given, strategies as st

from roundsman_hub.learn.keep import Numbers, PartNumbers
from roundsman_hub.learn.service import PARTS
from roundsman_hub.nightly.findings import of_learning, of_plan

COUNTS = st.integers(0, 10**6)
ERRORS = st.floats(1e-6, 1e6)


@given(train=COUNTS, held_out=COUNTS, days=COUNTS, error=ERRORS, before=ERRORS)
def test_numbers_of_a_table_are_read_back_as_they_were_written(train: int, held_out: int, days: int, error: float, before: float) -> None:
    """By the very sentence that learning writes: whoever changes it sees this fail."""
    numbers = Numbers(train=train, held_out=held_out, days_held_out=days, error=error, error_in_force=before)
    parts = [PartNumbers(part=name, usual_s=error, told=held_out, error_s=before, alike_s=error) for name in PARTS]
    end = "table 7 is in force" if numbers.better else "not published: what is in force is as good"
    apart = "\n".join(f"service of fl_a: part {part.text}" for part in parts)
    stops_say = f"service of fl_a: walking and service apart: {numbers.text}\n{apart}\nservice of fl_a: {end}"
    says = f"speeds: {numbers.text}\nspeeds: {end}\n{stops_say}"
    streets, stops = of_learning(says)
    for what, found in (("speeds", streets), ("service", stops)):
        assert (found.what, found.learned_from, found.held_out, found.days_held_out) == (what, train, held_out, days)
        assert found.error is not None
        assert found.error_in_force is not None
        assert abs(found.error - error) <= error * 1e-3
        assert abs(found.error_in_force - before) <= before * 1e-3
        assert found.adopted == numbers.better
    assert [part.part for part in stops.parts] == [*PARTS]
    for part in stops.parts:
        assert part.told == held_out
        assert abs(part.usual_s - error) <= 0.5
        assert abs(part.error_s - before) <= 0.051
    assert streets.parts == ()


def test_each_table_has_its_own_end() -> None:
    one = Numbers(train=60, held_out=20, days_held_out=2, error=0.1, error_in_force=0.2).text
    for before in ("parking", "walking"):  # as it was called once: nights of then are still shown
        stops = f"service of fl_a: {before} and service in one: {one}\nservice of fl_a: table 2 is in force"
        says = f"speeds: nothing was learned: 3 to learn from\n{stops}"
        assert [(found.what, found.adopted) for found in of_learning(says)] == [("speeds", None), ("service", True)]


@given(st.text(max_size=200))
def test_nothing_that_was_said_is_lost(says: str) -> None:
    """Tracebacks and old sentences too."""
    assert "\n".join(found.text for found in of_learning(says)) == "\n".join(filter(None, says.splitlines()))
    assert [found.text for found in of_plan(says)] == ([says] if says else [])
