"""What a customer's form brings: its fields, its pictures, and the place that its address means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import FormData

from roundsman_core.geo import LatLon
from roundsman_hub.api.customer import Reading
from roundsman_hub.api.desk import Desk
from roundsman_hub.api.places import off_network_m
from roundsman_hub.geocode import Found, address_key
from roundsman_hub.offers.depot import Depots
from roundsman_hub.offers.refused import Refused
from roundsman_hub.store.db import Cursor

PHOTO_BYTES: Final = 4_000_000
MAGIC: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
"""A picture is what its first bytes say, not what its sender says."""


@dataclass(frozen=True, kw_only=True)
class Meant:
    """The place that an address means; `at` is None where it means none, or one of `others`."""

    at: LatLon | None = None
    label: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One form, and everything that carrying it out needs."""

    cur: Cursor
    desk: Desk
    depots: Depots
    reading: Reading
    form: FormData
    photos: tuple[bytes, ...]
    place: Meant

    def text(self, name: str, most: int = 400) -> str:
        """A field's text; empty where it was not sent."""
        value = self.form.get(name, "")
        return "".join(c for c in str(value) if c == "\n" or c.isprintable()).strip()[:most] if isinstance(value, str) else ""

    def needed(self, name: str, most: int = 400) -> str:
        """A field that has to be there."""
        if not (value := self.text(name, most)):
            raise Refused("form", f"{name} is missing")
        return value


def media_type(data: bytes) -> str | None:
    """JPEG or PNG; None: neither."""
    return next((media for magic, media in MAGIC.items() if data.startswith(magic)), None)


def meant(desk: Desk, address: str) -> Meant:
    """Where an address is, if it is one place that a van can come near; else what it may mean. Asks outside any transaction."""
    if desk.geocoder is None or not address:
        return Meant()
    answer = desk.geocoder.find(address)
    if isinstance(answer, Found):
        return Meant() if off_network_m(desk, answer.position) is not None else Meant(at=answer.position, label=address)
    near = [one for one in answer.candidates if off_network_m(desk, one.position) is None]
    same = [one for one in near if address_key(one.label) == address_key(address)]  # pressed among the others of a refusal
    if len(same) == 1:
        return Meant(at=same[0].position, label=same[0].label)
    return Meant(others=tuple(dict.fromkeys(one.label.replace("|", " ") for one in near)))
