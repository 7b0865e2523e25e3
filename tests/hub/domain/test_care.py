"""The table of cases and the languages' tables: whole, and alike."""

from __future__ import annotations

import itertools
import string
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.domain.care import BEGINS, PATHS, TABLE, Event, Kind, NotAllowed, ReturnRules, ended, step, why_not
from roundsman_hub.domain.words import LANGUAGES, preferred

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
KINDS: tuple[Kind, ...] = get_args(Kind)
EVENTS: tuple[Event, ...] = get_args(Event)


@given(st.sampled_from(KINDS), st.lists(st.sampled_from(EVENTS), max_size=30))
def test_no_case_gets_lost(kind: Kind, events: list[Event]) -> None:
    """Whatever is tried, a case is in a state that the table and every language know; and what has ended stays ended."""
    state = BEGINS[kind]
    for event in events:
        before = state
        try:
            state = step(kind, state, event)
        except NotAllowed:
            assert event not in TABLE[kind].get(state, {})
        assert not ended(kind, before) or state == before
        assert all(f"state_{state}" in table for table in LANGUAGES.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_that_is_shown_is_a_way_of_the_table(kind: Kind) -> None:
    path = PATHS[kind]
    assert path[0] == BEGINS[kind]
    for here, there in itertools.pairwise(path):
        assert there in TABLE[kind][here].values()


def test_languages_have_the_same_phrases_with_the_same_gaps() -> None:
    english = LANGUAGES["en"]
    for name, table in LANGUAGES.items():
        assert table.keys() == english.keys(), name
        for key, text in table.items():
            gaps = {field for _, field, _, _ in string.Formatter().parse(text) if field}
            assert gaps == {field for _, field, _, _ in string.Formatter().parse(english[key]) if field}, (name, key)


def test_the_language_that_a_browser_asks_for() -> None:
    assert preferred("fr-CH, fr;q=0.9, en;q=0.8") == "fr"
    assert preferred("fi, de;q=0.4, en;q=0.6") == "en"
    assert preferred("xx;q=nonsense, es") == "es"
    assert preferred("") == "en"


def test_what_may_go_back() -> None:
    rules = ReturnRules(days=14, never=("F-",))

    def asked(wanted: list[str], *, state: str = "delivered", days: int = 1) -> str | None:
        return why_not(rules, kind="delivery", state=state, done_at=NOW - timedelta(days=days), now=NOW, wanted=wanted, had=["A", "F-1"])

    assert asked(["A"]) is None
    assert asked(["A"], days=15) == "return_too_late"
    assert asked(["A"], state="failed") == "return_not_delivered"
    assert asked([]) == "return_no_items"
    assert asked(["B"]) == "return_unknown_item"
    assert asked(["A", "F-1"]) == "return_never"
    assert all(word in LANGUAGES["en"] for word in ("return_too_late", "return_never", "return_no_items", "return_unknown_item"))
