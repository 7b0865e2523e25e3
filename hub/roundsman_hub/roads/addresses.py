"""Which OSRM server answers for a kind of vehicle and a band: those of one URL, or those that the role `traffic` has in service."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from roundsman_hub.roads.profiles import CAR

SERVED_FILE: Final = "roads.json"
"""In the hub's folder: what the role `traffic` has in service, for all other roles."""
PLACEHOLDER: Final = "{profile}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, whose pace it has, and of which version that is. `factor`: all its times count so many times. `fleet`: only this fleet
    finds its streets like that; "": every fleet that has closed nothing there."""

    url: str
    profile: str = CAR
    band: str = ""
    version: str = ""
    factor: float = 1.0
    fleet: str = ""


class Addresses(Protocol):
    """Finds servers."""

    def find(self, profile: str, band: str, fleet: str) -> Address:
        """The server that fits best: the kind and the band; the kind at all hours; cars in that band; cars. The fleet's own first."""
        ...

    def bands(self, profile: str, fleet: str) -> frozenset[str]:
        """Bands that have a server of their own for this kind of vehicle (or for the one that stands in for it)."""
        ...


class OneUrl:
    """A server that somebody else runs. With `{profile}` in its URL, one for each kind of vehicle."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def find(self, profile: str, band: str, fleet: str) -> Address:
        """See `Addresses.find`."""
        if PLACEHOLDER in self._url:
            url = self._url.replace(PLACEHOLDER, profile)
            return Address(url=url, profile=profile, version=url)
        return Address(url=self._url, version=self._url)

    def bands(self, profile: str, fleet: str) -> frozenset[str]:
        """See `Addresses.bands`: such a server has one pace."""
        return frozenset()


class Served:
    """What is in service by the file that the role `traffic` writes; where it has nothing, the hub's own server for cars."""

    def __init__(self, file: Path, base_url: str) -> None:
        self._file, self._base = file, Address(url=base_url.rstrip("/"), version="base")
        self._seen: tuple[int, int] | None = None
        self._table: dict[tuple[str, str, str], Address] = {}

    def find(self, profile: str, band: str, fleet: str) -> Address:
        """See `Addresses.find`."""
        table = self._read()
        for kind, hours in ((profile, band), (profile, ""), (CAR, band), (CAR, "")):
            for whose in (fleet, ""):
                if (kind, hours, whose) in table:
                    return table[kind, hours, whose]
        return self._base

    def bands(self, profile: str, fleet: str) -> frozenset[str]:
        """See `Addresses.bands`."""
        table = [(kind, band) for kind, band, whose in self._read() if whose in ("", fleet)]
        kind = profile if any(known == profile for known, _ in table) else CAR
        return frozenset(band for known, band in table if known == kind and band)

    def _read(self) -> dict[tuple[str, str, str], Address]:
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                rows = json.loads(self._file.read_bytes())
                self._table = {(row["profile"], row["band"], row["fleet"]): Address(**row) for row in rows}
                self._seen = seen
        except FileNotFoundError:
            self._table, self._seen = {}, None
        return self._table


def write_served(file: Path, addresses: list[Address]) -> None:
    """Tell all roles at once what is in service."""
    rows = [asdict(one) for one in addresses]
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(rows, indent=1) + "\n")
    os.replace(beside, file)
