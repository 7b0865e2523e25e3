"""Messages that are neither log nor signed: now, presence, ack. JSON, one struct a channel."""

from __future__ import annotations

from typing import Any, Final, Literal, overload

import msgspec

from roundsman_wire import WireError, strict_json
from roundsman_wire.messages import Ack, Now, Presence

Plain = Now | Presence | Ack
MAX_PLAIN_BYTES: Final = 65_536
"""A presence that names 300 sessions; a van keeps those of 14 days."""

_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "now": msgspec.json.Decoder(Now),
    "presence": msgspec.json.Decoder(Presence),
    "ack": msgspec.json.Decoder(Ack),
}


def encode_plain(message: Plain) -> bytes:
    """Bytes of a message.

    Raises
    ------
    WireError
        Longer than `MAX_PLAIN_BYTES`, or text that cannot be sent.
    """
    data = strict_json.encode(message, type(message).__name__.lower())
    if len(data) > MAX_PLAIN_BYTES:
        raise WireError(f"{type(message).__name__.lower()} of {len(data)} bytes; at most {MAX_PLAIN_BYTES}")
    return data


@overload
def decode_plain(channel: Literal["now"], data: bytes) -> Now: ...
@overload
def decode_plain(channel: Literal["presence"], data: bytes) -> Presence: ...
@overload
def decode_plain(channel: Literal["ack"], data: bytes) -> Ack: ...
@overload
def decode_plain(channel: str, data: bytes) -> Plain: ...
def decode_plain(channel: str, data: bytes) -> Plain:
    """A message of the channel `now`, `presence` or `ack`.

    Raises
    ------
    WireError
        Anything else, or a value outside its field's range.
    """
    decoder = _decoders.get(channel)
    if decoder is None:
        raise WireError(f"channel {channel!r} does not carry plain messages")
    if len(data) > MAX_PLAIN_BYTES:
        raise WireError(f"{channel} of {len(data)} bytes; at most {MAX_PLAIN_BYTES}")
    message: Plain = strict_json.decode(data, decoder, channel)
    return message
