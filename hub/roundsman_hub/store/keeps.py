"""Everything that is kept for a time, as one table: the commands, the API and the settings page are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from roundsman_hub.store import personal

FOR_GOOD: Final = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """One thing that is kept. `name`: its column in `retention`; "": nobody can choose. `usual`: what the release keeps, in days."""

    name: str
    what: str
    usual: int | None
    least: int = 2
    most: int = 36_500

    @property
    def may_stay(self) -> bool:
        """May a fleet keep it for good?"""
        return self.usual is FOR_GOOD


KEEPS: Final = (
    # A quarter: complaints and claims are settled on raw fixes. At least two days: a UTC day goes as a whole, and its last hours may be
    # another local day; with less, today's might go.
    Keep(name="raw_days", what="raw fixes", usual=90, most=3_650),
    # Two years: last year's same week can be compared.
    Keep(name="track_days", what="simplified tracks, and where they lie on streets", usual=730),
    Keep(name="", what="a vehicle's day in numbers", usual=FOR_GOOD),
    Keep(name="fact_days", what="the vans' own words: facts of the log, by whole sessions", usual=FOR_GOOD),
    Keep(name="visit_days", what="visits and fence crossings; what became of an order stays", usual=FOR_GOOD),
    # A year: what is disputed is disputed by then.
    Keep(name="proof_days", what="photos and signatures; their hashes stay in the chain of proof", usual=365, least=1),
    *(
        Keep(name=name, what=what, usual=personal.DAYS[name], least=personal.LEAST_DAYS, most=personal.MOST_DAYS)
        for name, what in (
            ("personal_days", "orders' names, phones, addresses and instructions"),
            ("word_days", "chat, messages and cases' words and photos"),
            ("notice_days", "the words and addresses of notices"),
        )
    ),
)
BY_NAME: Final[Mapping[str, Keep]] = {keep.name: keep for keep in KEEPS if keep.name}
