"""Steering documents: what the hub signs and a van obeys. One envelope for plan, sites, config and command.

    version u8 = 1 · header length u16 · header JSON · payload JSON, deflated · Ed25519 signature, 64 bytes over everything before

The signature is made and checked by functions that the caller brings: this package depends on msgspec alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from roundsman_wire import WireError
from roundsman_wire.messages import Command, Config, EnvelopeHeader, Plan, Sites

Payload = Plan | Sites | Config | Command
PAYLOADS: Final[dict[str, type[Payload]]] = {"plan": Plan, "sites": Sites, "config": Config, "command": Command}
SIGNATURE_BYTES: Final = 64
MAX_ENVELOPE_BYTES: Final = 262_144
MAX_PAYLOAD_BYTES: Final = 1_048_576
"""Inflated size: a bomb stops here."""

Sign = Callable[[bytes], bytes]
Verify = Callable[[str, bytes, bytes], bool]
"""(key id, signature, signed bytes) → does it hold? False for an unknown key."""


class Envelope(NamedTuple):
    """An opened steering document. `hash` is the CRC-free identity used in receipts: see `payload_hash`."""

    header: EnvelopeHeader
    payload: Payload
    hash: str


def seal(header: EnvelopeHeader, payload: Payload, sign: Sign) -> bytes:
    """Bytes of a signed steering document."""
    head = msgspec.json.encode(header)
    signed = b"\x01" + len(head).to_bytes(2, "little") + head + zlib.compress(msgspec.json.encode(payload), 9)
    data = signed + sign(signed)
    if len(data) > MAX_ENVELOPE_BYTES:
        raise WireError(f"{header.kind} of {len(data)} bytes; at most {MAX_ENVELOPE_BYTES}")
    return data


def open_envelope(data: bytes, verify: Verify) -> Envelope:
    """Check and read a steering document.

    Raises
    ------
    WireError
        Not an envelope, a signature that does not hold, or a payload that is not of its kind.
    """
    if not 3 + SIGNATURE_BYTES < len(data) <= MAX_ENVELOPE_BYTES:
        raise WireError(f"envelope of {len(data)} bytes")
    if data[0] != 1:
        raise WireError(f"envelope version {data[0]}; this side reads 1")
    signed, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    payload_at = 3 + int.from_bytes(data[1:3], "little")
    if payload_at > len(signed):
        raise WireError("envelope ends inside its header")
    try:
        header = msgspec.json.decode(signed[3:payload_at], type=EnvelopeHeader)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"envelope header: {error}") from None
    if not verify(header.key_id, signature, signed):
        raise WireError(f"envelope signature does not hold under key {header.key_id!r}")
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(signed[payload_at:], MAX_PAYLOAD_BYTES)
    except zlib.error as error:
        raise WireError(f"envelope payload: {error}") from None
    if not inflate.eof or inflate.unused_data:
        raise WireError("envelope payload is cut short, too large, or followed by something else")
    try:
        payload = msgspec.json.decode(raw, type=PAYLOADS[header.kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"envelope payload: {error}") from None
    return Envelope(header, payload, payload_hash(signed))


def payload_hash(signed: bytes) -> str:
    """Identity of a steering document in receipts: CRC-32 and Adler-32 of the signed bytes, sixteen hex digits.

    Not a secret and not a seal (that is the signature): it tells two documents of one version apart.
    """
    return f"{zlib.crc32(signed):08x}{zlib.adler32(signed):08x}"


def hash_of(data: bytes) -> str:
    """`payload_hash` of sealed bytes."""
    return payload_hash(data[:-SIGNATURE_BYTES])
