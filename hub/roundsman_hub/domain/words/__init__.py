"""What customers read, in their language: one table a language, with the same keys (a test compares them)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_hub.domain.words.de import DE
from roundsman_hub.domain.words.en import EN
from roundsman_hub.domain.words.es import ES
from roundsman_hub.domain.words.fr import FR

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": EN, "de": DE, "es": ES, "fr": FR}
NAMES: Final = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}
M_PER_MILE: Final = 1609.344
M_PER_YARD: Final = 0.9144
NEAR_M: Final = 250.0
"""Nearer than this nobody counts in kilometres or miles."""
_MARKS: Final = {"en": (",", "."), "de": (".", ","), "es": (".", ","), "fr": ("\N{NARROW NO-BREAK SPACE}", ",")}
"""Between thousands, and before the fraction."""
_SIGNS: Final = {"EUR": "€", "GBP": "£", "USD": "$"}
_ORDER: Final = {"en": "{d} {n} {m}", "de": "{d}, {n}. {m}", "es": "{d}, {n} de {m}", "fr": "{d} {n} {m}"}


def preferred(header: str) -> str:
    """The first language of an `Accept-Language` header that is there; English where none is."""
    wanted = []
    for at, part in enumerate(header.split(",")[:20]):
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((-float(weight or 1), at, name[:2].lower()))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(wanted) if name in LANGUAGES), "en")


def units_for(header: str) -> str:
    """Miles where English of Britain or America is read first, kilometres elsewhere."""
    return "mi" if header[:5].lower() in ("en-gb", "en-us") else "km"


class Words:
    """A reader's language, time zone and unit of distance."""

    def __init__(self, language: str, zone: ZoneInfo, units: str = "km") -> None:
        self.language, self.zone, self.units = language if language in LANGUAGES else "en", zone, units
        self._table = LANGUAGES[self.language]

    def __call__(self, key: str, **fields: object) -> str:
        """A phrase, its gaps filled."""
        return self._table[key].format(**fields)

    def has(self, key: str) -> bool:
        """Is there such a phrase?"""
        return key in self._table

    def clock(self, at: datetime) -> str:
        """Hour and minute."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def day(self, at: datetime, now: datetime) -> str:
        """Today, tomorrow, or the day's name and date."""
        local, today = at.astimezone(self.zone), now.astimezone(self.zone).date()
        if local.date() == today:
            return self("today")
        if local.date() == today + timedelta(days=1):
            return self("tomorrow")
        day, month = self("days").split()[local.weekday()], self("months").split()[local.month - 1]
        number = "1er" if self.language == "fr" and local.day == 1 else local.day
        return _ORDER[self.language].format(d=day, n=number, m=month)

    def distance(self, metres: float) -> str:
        """Kilometres or miles, to a tenth; what is less, in tens of metres or yards."""
        if metres < NEAR_M:
            return f"{round(metres / M_PER_YARD, -1):.0f} yd" if self.units == "mi" else f"{round(metres, -1):.0f} m"
        return f"{self._number(metres / M_PER_MILE, 1)} mi" if self.units == "mi" else f"{self._number(metres / 1000, 1)} km"

    def money(self, cents: int, currency: str) -> str:
        """An amount in the fleet's currency, written as the reader's language writes it."""
        amount, sign = self._number(cents / 100, 2), _SIGNS.get(currency)
        if self.language == "en":
            return f"{sign}{amount}" if sign else f"{currency}\N{NO-BREAK SPACE}{amount}"
        return f"{amount}\N{NO-BREAK SPACE}{sign or currency}"

    def _number(self, value: float, digits: int) -> str:
        between, point = _MARKS[self.language]
        return f"{value:,.{digits}f}".translate({ord(","): between, ord("."): point})
