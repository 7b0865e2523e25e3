"""JSON bytes ↔ structs, strictly: what comes in can be kept as text anywhere, and `WireError` is the only error."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from roundsman_wire import WireError

T = TypeVar("T")

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL (an even number of backslashes before it): no database stores it as text."""


def decode(data: bytes, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """A value from JSON bytes.

    msgspec steps over fields that it does not know without looking at their UTF-8, so that is checked first: facts are
    kept as received, and one bad byte would stop the transaction that stores them.

    Raises
    ------
    WireError
        Not JSON, not UTF-8, nested too deeply, with a NUL in it, or not of the decoder's type.
    """
    try:
        data.decode()
        value = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{what}: {error}") from None
    if _NUL.search(data):
        raise WireError(f"{what}: a NUL in its text")
    return value


def encode(value: msgspec.Struct, what: str) -> bytes:
    """JSON bytes that `decode` accepts.

    Raises
    ------
    WireError
        Text with a NUL or half a surrogate pair, or a number that JSON does not hold.
    """
    try:
        data = msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError) as error:
        raise WireError(f"{what}: {error}") from None
    if _NUL.search(data):
        raise WireError(f"{what}: a NUL in its text")
    return data
