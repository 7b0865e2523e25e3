"""Addresses as people type them, brought to one form: case, accents, abbreviations, and where the house number stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

ABBREVIATIONS: Final = {
    "st": "street", "str": "strasse", "ave": "avenue", "av": "avenue", "rd": "road", "blvd": "boulevard", "dr": "drive", "ln": "lane",
    "ct": "court", "pl": "place", "sq": "square", "hwy": "highway", "pkwy": "parkway", "ter": "terrace", "cir": "circle",
    "n": "north", "s": "south", "e": "east", "w": "west", "ne": "northeast", "nw": "northwest", "se": "southeast", "sw": "southwest",
    "sankt": "street", "saint": "street",
}  # fmt: skip
"""Both sides are rewritten alike, so a wrong expansion ("St. Johns Lane") still meets itself."""
MAX_RANGE: Final = 40
"""A range of house numbers wider than this is a typing error."""

_NUMBER = re.compile(r"(\d{1,5})[\s-]*([a-z])?(?:\s+(1/2))?'?\Z")
_RANGE = re.compile(r"(\d{1,5})\s*[-–—]\s*(\d{1,5})\Z")
_HALF = re.compile(r"\b1/2\b|½")
_TOKEN_NUMBER = re.compile(r"(\d{1,5})([a-z])?\Z")


class Reading(NamedTuple):
    """One way to read an address: `street` as a key, `number` folded ("12b"), and the words that are neither."""

    street: str
    number: str
    rest: tuple[str, ...]


def fold(text: str) -> str:
    """Lower case, without accents and signs, single spaces: "Städtle-Weg 3a" becomes "stadtle weg 3a"."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    plain = plain.replace("ø", "o").replace("ł", "l").replace("đ", "d").replace("æ", "ae").replace("’", "").replace("'", "")
    return " ".join(re.sub(r"[^0-9a-z/\u0370-\U0010ffff]+", " ", plain).replace("/", " ").split())


def street_key(street: str) -> str:
    """What streets are compared by: folded, written out, without spaces ("Josef-Murr Weg" is "josefmurrweg")."""
    words = [ABBREVIATIONS.get(word, word) for word in fold(street).split()]
    return "".join(f"{word[:-3]}strasse" if word.endswith("str") and len(word) > 3 else word for word in words)


def address_key(text: str) -> str:
    """What a corrected pin is remembered by: the same for every way of writing an address that differs in case, signs and abbreviations."""
    return "".join(street_key(word) for word in fold(text).split())


def numbers_of(tag: str) -> tuple[str, ...]:
    """House numbers of a map's tag, folded: "24-26" gives 24, 26; "76, 76a" both; floors and remarks are left out."""
    out: dict[str, None] = {}
    for part in re.split(r"[;,]", tag.casefold()):
        part = part.strip()
        if match := _RANGE.match(part):
            first, last = sorted(map(int, match.groups()))
            if last - first <= MAX_RANGE:
                step = 2 if (last - first) % 2 == 0 else 1
                out |= dict.fromkeys(str(number) for number in range(first, last + 1, step))
        elif match := _NUMBER.match(part):
            number, letter, half = match.groups()
            out[f"{number}{letter or ''}{' 1/2' if half else ''}"] = None
    return tuple(out)


def readings(text: str) -> Iterator[Reading]:
    """Ways to read an address, the likeliest first: number after the street, then before it; more words of street first.

    Parameters
    ----------
    text : str
        As somebody typed it, in any of "Kaivokatu 1 B 12, 00100 Helsinki" and "615 N Wolfe St., Baltimore".
    """
    words = fold(_HALF.sub(" half ", text)).split()
    spots = [at for at, word in enumerate(words) if _TOKEN_NUMBER.match(word)]
    for at in spots:
        number, used = _number(words, at)
        for start in range(at):
            yield Reading(street_key(" ".join(words[start:at])), number, (*words[:start], *words[at + used :]))
    for at in spots:
        number, used = _number(words, at)
        for end in range(len(words), at + used, -1):
            yield Reading(street_key(" ".join(words[at + used : end])), number, (*words[:at], *words[end:]))
        if used > 1:  # "12 E Main Street": the letter belongs to the street
            for end in range(len(words), at + 1, -1):
                yield Reading(street_key(" ".join(words[at + 1 : end])), words[at], (*words[:at], *words[end:]))


def _number(words: list[str], at: int) -> tuple[str, int]:
    """The number at a word, with a letter or a half that follows; and how many words that takes."""
    following = words[at + 1] if at + 1 < len(words) else ""
    if following == "half":
        return f"{words[at]} 1/2", 2
    if words[at].isdigit() and len(following) == 1 and following.isalpha():
        return words[at] + following, 2
    return words[at], 1
