"""Steering documents: what the hub signs and a van obeys. One envelope for plan, sites, config and command.

    version u8 = 1 · header length u16 · header JSON · payload JSON, deflated · Ed25519 signature, 64 bytes over everything before

The signature is made and checked by functions that the caller brings: this package depends on msgspec alone.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from roundsman_wire import WireError, strict_json
from roundsman_wire.messages import Command, Config, EnvelopeHeader, Plan, Sites

Payload = Plan | Sites | Config | Command
PAYLOADS: Final[dict[str, type[Payload]]] = {"plan": Plan, "sites": Sites, "config": Config, "command": Command}
SIGNATURE_BYTES: Final = 64
MAX_ENVELOPE_BYTES: Final = 262_144
MAX_HEADER_BYTES: Final = 1_024
MAX_PAYLOAD_BYTES: Final = 1_048_576
"""Inflated size: a bomb stops here."""

_header: Final = msgspec.json.Decoder(EnvelopeHeader)
_payloads: Final[dict[str, msgspec.json.Decoder[Any]]] = {kind: msgspec.json.Decoder(payload) for kind, payload in PAYLOADS.items()}

Sign = Callable[[bytes], bytes]
Verify = Callable[[str, bytes, bytes], bool]
"""(key id, signature, signed bytes) → does it hold? False for an unknown key."""


class Envelope(NamedTuple):
    """An opened steering document. `hash` is its identity in receipts: see `payload_hash`."""

    header: EnvelopeHeader
    payload: Payload
    hash: str


def seal(header: EnvelopeHeader, payload: Payload, sign: Sign) -> bytes:
    """Bytes of a signed steering document.

    Raises
    ------
    WireError
        Header and payload disagree, it is too large, or the signature is not of 64 bytes.
    """
    _check_agree(header, payload)
    head, raw = strict_json.encode(header, "envelope header"), strict_json.encode(payload, header.kind)
    if len(head) > MAX_HEADER_BYTES or len(raw) > MAX_PAYLOAD_BYTES:
        raise WireError(f"{header.kind} with a header of {len(head)} and a payload of {len(raw)} bytes")
    signed = b"\x01" + len(head).to_bytes(2, "little") + head + zlib.compress(raw, 9)
    signature = sign(signed)
    if len(signature) != SIGNATURE_BYTES:
        raise WireError(f"signature of {len(signature)} bytes; Ed25519 gives {SIGNATURE_BYTES}")
    data = signed + signature
    if len(data) > MAX_ENVELOPE_BYTES:
        raise WireError(f"{header.kind} of {len(data)} bytes; at most {MAX_ENVELOPE_BYTES}")
    return data


def open_envelope(data: bytes, verify: Verify) -> Envelope:
    """Check and read a steering document.

    Raises
    ------
    WireError
        Not an envelope, a signature that does not hold, or a payload that is not of its kind, vehicle and version.
    """
    if not 3 + SIGNATURE_BYTES < len(data) <= MAX_ENVELOPE_BYTES:
        raise WireError(f"envelope of {len(data)} bytes")
    if data[0] != 1:
        raise WireError(f"envelope version {data[0]}; this side reads 1")
    signed, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
    payload_at = 3 + int.from_bytes(data[1:3], "little")
    if payload_at > min(len(signed), 3 + MAX_HEADER_BYTES):
        raise WireError("envelope ends inside its header")
    header = strict_json.decode(signed[3:payload_at], _header, "envelope header")
    if not verify(header.key_id, signature, signed):
        raise WireError(f"envelope signature does not hold under key {header.key_id!r}")
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(signed[payload_at:], MAX_PAYLOAD_BYTES + 1)
    except zlib.error as error:
        raise WireError(f"envelope payload: {error}") from None
    if not inflate.eof or inflate.unused_data or len(raw) > MAX_PAYLOAD_BYTES:
        raise WireError("envelope payload is cut short, too large, or followed by something else")
    payload = strict_json.decode(raw, _payloads[header.kind], f"envelope's {header.kind}")
    _check_agree(header, payload)
    return Envelope(header, payload, payload_hash(signed))


def _check_agree(header: EnvelopeHeader, payload: Payload) -> None:
    if type(payload) is not PAYLOADS[header.kind]:
        raise WireError(f"a {type(payload).__name__} in an envelope of kind {header.kind!r}")
    if not isinstance(payload, Command) and payload.version != header.version:
        raise WireError(f"{header.kind} of version {payload.version} in an envelope of version {header.version}")
    if isinstance(payload, Plan) and payload.vehicle != header.vehicle:
        raise WireError(f"plan of {payload.vehicle!r} in an envelope for {header.vehicle!r}")


def payload_hash(signed: bytes) -> str:
    """Identity of a steering document in receipts: SHA-256 of the signed bytes, its first sixteen hex digits.

    The signature is the seal; this tells two documents of one version apart.
    """
    return hashlib.sha256(signed).hexdigest()[:16]


def hash_of(data: bytes) -> str:
    """`payload_hash` of sealed bytes."""
    return payload_hash(data[:-SIGNATURE_BYTES])
