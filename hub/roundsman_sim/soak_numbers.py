"""What a soak's vans generate: each fix and fact follows from seed, van and index, so that it can be made again to compare. Pure."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from roundsman_wire import frames
from roundsman_wire.messages import Entry, FixRow, Note

FACT_EVERY: Final = 25
"""Fixes to one fact."""


class Novelty(Entry, frozen=True, kw_only=True, tag="novelty"):
    """An entry of a van that is newer than the hub: no release so far has such a kind."""

    index: int
    nested: dict[str, list[float]]


def fix(seed: int, van: int, index: int, utc_ms: int | None) -> FixRow:
    """The `index`-th fix of a van, as its log holds it.

    Parameters
    ----------
    utc_ms : int or None
        What the van's clock said then; the only value that does not follow from the index. None: it did not know the date.
    """
    a, b, c, d, e = struct.unpack("<IIHHI", hashlib.blake2b(f"{seed}/{van}/{index}".encode(), digest_size=16).digest())
    return frames.quantise(
        FixRow(
            mono_ms=1_000 * index,
            utc_ms=utc_ms,
            # Mostly a drive of small steps, now and then a jump across the world that no packed difference can hold.
            lat_e6=a % 180_000_001 - 90_000_000 if e % 97 == 0 else 47_000_000 + a % 20_000,
            lon_e6=b % 360_000_001 - 180_000_000 if e % 97 == 0 else 9_500_000 + b % 20_000,
            speed_cm_s=None if e % 31 == 0 else c % 5_000,
            heading_cdeg=None if e % 29 == 0 else d % 36_000,
            accuracy_dm=None if e % 37 == 0 else c % 300,
            satellites=d % 30,
            flags=e % 4,
        )
    )


def fact(seed: int, van: int, index: int, utc_ms: int | None, *, novel: bool) -> Entry:
    """The `index`-th fact of a van; `novel`: of a kind that the hub does not know."""
    digest = hashlib.blake2b(f"{seed}/{van}/fact/{index}".encode(), digest_size=24).hexdigest()
    if novel:
        return Novelty(mono_ms=1_000 * index, utc_ms=utc_ms, index=index, nested={digest: [index / 7, -0.0]})
    # Some of them long, with characters of every length.
    return Note(mono_ms=1_000 * index, utc_ms=utc_ms, topic="soak", text=digest * (1 + index % 40) + " ä € 🚚")


def fact_bytes(seed: int, van: int, index: int, utc_ms: int | None, *, novel: bool) -> bytes:
    """The same as the log holds it."""
    return frames.encode_entry(fact(seed, van, index, utc_ms, novel=novel))  # type: ignore[arg-type]  # a newer van's kinds are not in the union
