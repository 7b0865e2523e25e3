"""The catalogues of the driver's screen: whole in every language, and everything the page says is in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from roundsman_agent.screen import server
from roundsman_hub.domain import sentences

STATIC = server.STATIC
LANGUAGES = ("en", "de", "es", "fr")
SAME = {"online", "staleFix", "mail", "planAge", "more", "urgent", "photo", "signature", "code", "messages", "report accident", "answer no"}
"""Words that really are the same in English and in another language; names of languages and of programs are the same in all."""


def catalogue(language: str) -> dict[str, str]:
    """A catalogue is JSON behind `export default`."""
    text = (STATIC / "words" / f"{language}.js").read_text(encoding="utf-8").strip()
    return dict(json.loads(text.removeprefix("export default").removesuffix(";")))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_catalogue_is_whole_and_translated(language: str) -> None:
    english, other = catalogue("en"), catalogue(language)
    assert list(other) == list(english)
    for key, words in english.items():
        assert sorted(re.findall(r"\{\d\}", other[key])) == sorted(re.findall(r"\{\d\}", words)), key
        assert other[key].strip()
    same = {key for key, words in english.items() if other[key] == words and not key.startswith(("language ", "drive "))}
    assert same <= SAME


def test_everything_the_page_says_is_in_the_catalogues() -> None:
    english = catalogue("en")
    source = "\n".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    said = set(re.findall(r'\b(?:say|named)\(\s*"([^"]+)"', source)) | set(re.findall(r'\bsay\([^")]*\? "([^"]+)" : "([^"]+)"', source)[0])
    assert said <= set(english)
    lists = re.findall(r"(?:WITHOUT|ANSWERS|NOTES|TOPICS|RECEIVERS) = \[([^\]]+)\]", source)
    lists.append(source[source.index("REASONS = {") : source.index("};", source.index("REASONS = {"))])
    listed = {word for words in lists for word in re.findall(r'"([^"]+)"', words)}
    assert len(listed) > 30
    for word in listed:
        assert any(f"{group} {word}" in english for group in ("reason", "answer", "report", "receiver")), word


def test_no_word_stands_in_the_page_itself() -> None:
    html = re.sub(r"<title>.*?</title>", "", (STATIC / "index.html").read_text(encoding="utf-8"))
    visible = re.sub(r"<[^>]+>", " ", html).split()
    assert set(visible) <= {"+", "−"}


def test_page_knows_no_address_outside_the_unit() -> None:
    for path in [*STATIC.rglob("*.js"), *STATIC.rglob("*.css"), *STATIC.rglob("*.html")]:
        urls = set(re.findall(r"https?://[^\s\"'`]+", path.read_text(encoding="utf-8")))
        assert urls <= {"http://www.w3.org/2000/svg"}, path.name
        assert len(Path(path).read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_hub_says_of_plans_is_told_in_its_own_words(language: str) -> None:
    """One wording on the dispatcher's board and on the driver's screen: the hub's catalogue."""
    text = (STATIC / "reasons" / f"{language}.js").read_text(encoding="utf-8").strip()
    kept = dict(json.loads(text.removeprefix("export default").removesuffix(";")))
    told = ("plan.", "change.", "story.", "unserved.", "kind.", "out.", "mode.", "choice.", "event.")
    assert kept == {code: words for code, words in sentences.LANGUAGES[language].items() if code.startswith(told)}
