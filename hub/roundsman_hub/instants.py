"""Instants as people write and read them: RFC 3339, always with an offset. Pure."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Final

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""No log reaches beyond these two."""


def instant(text: str) -> datetime:
    """An aware instant from RFC 3339 text, for argparse."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an instant such as 2026-03-02T08:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} says no offset: add Z for UTC")
    return at


def written(at: datetime) -> str:
    """An instant in UTC, to the millisecond."""
    at = at.astimezone(UTC)
    rounded = at + timedelta(microseconds=500) - timedelta(microseconds=(at.microsecond + 500) % 1000)
    return rounded.isoformat(timespec="milliseconds").replace("+00:00", "Z")
