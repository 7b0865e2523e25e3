"""MQTT 5 packets that the log travels in, cut out of a stream of bytes and made, without a library. Pure.

Only QoS 0 PUBLISH: a hub hears little else, and it is where a library's time goes. Everything else is left as it came.
"""

from __future__ import annotations

from typing import Final

import msgspec

PUBLISH_QOS_0: Final = 0x30
_QOS_AND_TYPE: Final = 0xF6
"""Of a packet's first byte: type and QoS, without the flags "sent again" and "retained"."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """What came, as it came."""

    topic: str
    payload: bytes
    retained: bool = False
    """Said before this connection heard it: what was said beside it, and not retained, nobody heard."""


class Malformed(ValueError):
    """The stream is not MQTT: the connection is worth nothing any more."""


def split(data: bytes) -> tuple[list[Message], bytes, bytes]:
    """Cut a stream.

    Returns
    -------
    tuple
        Messages of QoS 0, in order; all other whole packets, joined; and the beginning of a packet whose end is still to come.

    Raises
    ------
    Malformed
        A length that MQTT does not have, or a packet shorter than what it must hold.
    """
    found: list[Message] = []
    others: list[bytes] = []
    at, end = 0, len(data)
    try:
        while end - at >= 2:
            head = data[at + 1]
            length, body = (head, at + 2) if head < 128 else _length(data, at + 1, end)
            if body < 0 or body + length > end:
                break
            after = body + length
            if data[at] & _QOS_AND_TYPE == PUBLISH_QOS_0:
                properties = body + 2 + (data[body] << 8 | data[body + 1])
                if data[properties] == 0:
                    payload = properties + 1
                else:
                    skipped, first = _length(data, properties, after)
                    payload = first + skipped
                    if first < 0:
                        raise Malformed("a PUBLISH ends inside its properties")
                if payload > after:
                    raise Malformed("a PUBLISH is shorter than its topic and properties")
                found.append(Message(data[body + 2 : properties].decode(), data[payload:after]))
            else:
                others.append(data[at:after])
            at = after
    except (IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"a PUBLISH that cannot be read: {error}") from None
    return found, b"".join(others), data[at:]


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer, and where what follows begins; -1 where it is not whole yet."""
    value = 0
    for place in range(4):
        if at + place >= end:
            return 0, -1
        byte = data[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise Malformed("a length of more than four bytes")


def publish(topic: str, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0, not retained, without properties."""
    name = topic.encode()
    length = len(name) + len(payload) + 3
    if length < 128:
        head = bytes((PUBLISH_QOS_0, length))
    elif length < 16_384:
        head = bytes((PUBLISH_QOS_0, length & 127 | 128, length >> 7))
    else:
        head = bytes((PUBLISH_QOS_0, length & 127 | 128, length >> 7 & 127 | 128, length >> 14))
    return b"%b%b%b\x00%b" % (head, len(name).to_bytes(2, "big"), name, payload)
