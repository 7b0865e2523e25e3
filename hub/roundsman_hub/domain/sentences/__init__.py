"""What the hub says of itself (why a plan changed, why nobody comes, why not, what next), in the reader's language. Pure.

English is how a sentence is kept and sent: in rows, in plans, in journals. This catalogue reads such a sentence back into its code and
its parameters, and tells it in any language; so what was written years ago is told in a language that came later. One folder a language,
one table a theme, with the same codes and the same parameters. The tests go through the sources as a translator's extractor would: a
sentence that they make and that is not here fails, and so does one that is here and that nobody says.

A parameter whose value has a code of its own (`state.failed`) is told in words; one that ends in `_said`, or names a call at a depot or
charger, holds sentences itself. What is not known (a person's own words, another release's) stays as it was said, under the code "".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from roundsman_hub.domain.sentences.de import DE
from roundsman_hub.domain.sentences.en import EN as EN
from roundsman_hub.domain.sentences.es import ES
from roundsman_hub.domain.sentences.fr import FR

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": EN, "de": DE, "es": ES, "fr": FR}
AS_SAID: Final = ""
BETWEEN: Final = "; "
"""Stands between sentences that are told together."""
_GAP: Final = re.compile(r"\{(\w+)\}")
_NESTED: Final = "_said"
CALLS: Final = ("change.reload", "change.charge")
"""How a plan names its calls on the way. A sentence about one of them has that name in it, which is a sentence of its own."""


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence: its code, and what its gaps are filled with, in English."""

    code: str
    params: Mapping[str, str]

    def plain(self) -> dict[str, Any]:
        """As JSON has it; parameters that are sentences themselves are lists of such."""
        params = {name: plain(value) if _is_nested(name, value) else value for name, value in self.params.items()}
        return {"code": self.code, "params": params}


def gaps(template: str) -> tuple[str, ...]:
    """The parameters of a template."""
    return tuple(_GAP.findall(template))


@lru_cache(maxsize=4096)
def read(text: str) -> tuple[Said, ...]:
    """The sentences of an English text, in their order. Nothing is lost: what is not known is there as it was said."""
    words, found, at = text.split(BETWEEN), [], 0
    while at < len(words):
        for end in range(len(words), at, -1):  # a sentence may hold a semicolon itself: the longest that is one
            if (said := _match(BETWEEN.join(words[at:end]))) is not None:
                break
        else:
            said, end = Said(AS_SAID, {"text": words[at]}), at + 1
        found.append(said)
        at = end
    return tuple(found)


def told(text: str, language: str) -> str:
    """An English text of the hub's in a language; a text without any known sentence stays as it is."""
    if language == "en" or language not in LANGUAGES:
        return text
    return BETWEEN.join(_tell(said, LANGUAGES[language]) for said in read(text))


def plain(text: str) -> list[dict[str, Any]]:
    """The sentences of a text as JSON has them."""
    return [said.plain() for said in read(text)] if text else []


def _tell(said: Said, table: Mapping[str, str]) -> str:
    if said.code == AS_SAID:
        return said.params["text"]

    def filled(gap: re.Match[str]) -> str:
        name = gap[1]
        value = said.params[name]
        if _is_nested(name, value):
            return BETWEEN.join(_tell(one, table) for one in read(value))
        return table.get(f"{name}.{value}", value)

    return _GAP.sub(filled, table[said.code])


def _is_nested(name: str, value: str) -> bool:
    """Whether a parameter holds sentences: by its name, or because the stop that it names is a call at a depot or charger."""
    return name.endswith(_NESTED) or (name == "name" and any(_pattern(code).fullmatch(value) for code in CALLS))


def _terms() -> dict[str, list[str]]:
    """Parameters whose values have codes of their own: name to values."""
    names = {name for template in EN.values() for name in gaps(template)}
    found: dict[str, list[str]] = {}
    for code in EN:
        name, _, value = code.partition(".")
        if name in names:
            found.setdefault(name, []).append(value)
    return found


TERMS: Final = _terms()


@cache
def _pattern(code: str) -> re.Pattern[str]:
    template, seen, out = EN[code], set[str](), []
    for at, part in enumerate(_GAP.split(template)):
        if at % 2 == 0:
            out.append(re.escape(part))
        elif part in seen:
            out.append(f"(?P={part})")
        else:
            seen.add(part)
            out.append(f"(?P<{part}>{_inside(part, whole=template.endswith('.'))})")
    return re.compile("".join(out), re.DOTALL)


NARROW: Final = {
    # a field's address in a request, and one complaint of it: whatever has a colon in it is not a field
    "field": r"(?:body|query|path|header|cookie)(?:\.[\w -]+)*",
    "column": r"[a-z_]+",
    "position": r"\d+",  # in a round; else a change that ends in one would take in the price and the reason told after it
    "complaint_said": r"(?:(?!; ).)+?",
}


def _inside(name: str, *, whole: bool) -> str:
    """What a gap may hold. Words of people hold no semicolon that ends a sentence: "A joined; B changed" is two."""
    if name in TERMS:
        return "|".join(map(re.escape, TERMS[name]))
    if name in NARROW:
        return NARROW[name]
    if name.endswith(_NESTED):
        return ".+?" if whole else r"(?:(?!\); ).)+?"
    return r"(?:(?!; ).)+?"


def _words(template: str) -> int:
    return len(_GAP.sub("", template)) + 6 * sum(name in TERMS for name in gaps(template))  # a gap for certain words is nearly a word


_BY_WEIGHT: Final = tuple(
    (code, max(_GAP.sub("\0", EN[code]).split("\0"), key=len))
    for code in sorted((code for code in EN if code.partition(".")[0] not in TERMS), key=lambda code: -_words(EN[code]))
)
"""Codes with their longest piece of fixed words: the one that leaves least to its gaps comes first."""
_HOLDERS: Final = tuple((code, fixed) for code, fixed in _BY_WEIGHT if _NESTED + "}" in EN[code])
"""Those that hold sentences. Where these are known, the holder was said: what it holds may have more words than it has itself."""


def _match(text: str) -> Said | None:
    holders = (said for said in _fitting(text, _HOLDERS) if _holds_what_is_known(said))
    return next(holders, None) or next(_fitting(text, _BY_WEIGHT), None)


def _fitting(text: str, codes: Iterable[tuple[str, str]]) -> Iterator[Said]:
    for code, fixed in codes:
        if fixed in text and (found := _pattern(code).fullmatch(text)) is not None:
            yield Said(code, found.groupdict())


def _holds_what_is_known(said: Said) -> bool:
    held = (read(value) for name, value in said.params.items() if name.endswith(_NESTED))
    return all(one.code != AS_SAID for sentences in held for one in sentences)
