"""Cursors of pages: where the last one ended, opaque to the client."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from fastapi import Query

from roundsman_hub.api.problems import Problem

Place = TypeVar("Place", bound=tuple[Any, ...])
CursorText = Annotated[str, Query(alias="cursor", description="`next_cursor` of the page before")]


def cursor_of(*parts: datetime | int | str) -> str:
    """A cursor that says these."""
    told = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, first: Place) -> Place:
    """What a cursor says; `first` where there is none yet. Its parts are of the types of those in `first`.

    Raises
    ------
    Problem
        It is not one of this list.
    """
    if not text:
        return first
    try:
        told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(told, list) or len(told) != len(first):
            raise ValueError(f"not {len(first)} parts")
        parts: list[Any] = []
        for part, like in zip(told, first, strict=True):
            kind: type[Any] = type(like)
            if not isinstance(part, str if kind is datetime else kind) or isinstance(part, bool):
                raise ValueError(f"not a {kind.__name__}")
            parts.append(datetime.fromisoformat(part) if kind is datetime else part)
            if kind is datetime and parts[-1].tzinfo is None:
                raise ValueError("an instant without an offset")
        return cast(Place, tuple(parts))
    except (ValueError, binascii.Error):
        raise Problem(422, "bad-cursor", "that cursor is not one of this list", next_step="start again without `cursor`") from None
