"""Real towns' extracts, where their files are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from roundsman_hub.geocode import AddressBook

DATA = Path(__file__).parents[4] / "shared" / "data" / "osm"


@pytest.fixture(scope="session")
def book() -> Callable[[str], AddressBook]:
    """Function: town → its address book; skips where the extract is not there."""
    books: dict[str, AddressBook] = {}

    def read(town: str) -> AddressBook:
        path = DATA / f"{town}.osm.pbf"
        if not path.is_file():
            pytest.skip(f"no extract {path.name} in {DATA}")
        if town not in books:
            books[town] = AddressBook.from_osm(path)
        return books[town]

    return read
