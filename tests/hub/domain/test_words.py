"""Amounts and distances as each language writes them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from roundsman_hub.domain.words import LANGUAGES, Words

ZONE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("language", "euros", "francs", "away"),
    [
        ("en", "€1,234.50", "CHF\xa01,234.50", "2.3 km"),
        ("de", "1.234,50\xa0€", "1.234,50\xa0CHF", "2,3 km"),
        ("es", "1.234,50\xa0€", "1.234,50\xa0CHF", "2,3 km"),
        ("fr", "1\u202f234,50\xa0€", "1\u202f234,50\xa0CHF", "2,3 km"),
    ],
)
def test_money_and_distance_are_written_as_the_reader_writes_them(language: str, euros: str, francs: str, away: str) -> None:
    words = Words(language, ZONE)
    assert (words.money(123_450, "EUR"), words.money(123_450, "CHF")) == (euros, francs)
    assert words.distance(2_340) == away
    assert Words(language, ZONE, "mi").distance(2_340) == away.replace("2.3 km", "1.5 mi").replace("2,3 km", "1,5 mi")


def test_what_is_near_is_told_in_metres_or_yards() -> None:
    assert [Words("de", ZONE).distance(m) for m in (3, 14, 96, 249, 251)] == ["0 m", "10 m", "100 m", "250 m", "0,3 km"]
    assert Words("en", ZONE, "mi").distance(91.44) == "100 yd"


def test_every_language_has_the_same_phrases_with_the_same_gaps() -> None:
    def gaps(text: str) -> list[str]:
        return sorted(part.split("}")[0] for part in text.split("{")[1:])

    for table in LANGUAGES.values():
        assert table.keys() == LANGUAGES["en"].keys()
        assert not [key for key in table if gaps(table[key]) != gaps(LANGUAGES["en"][key])]
