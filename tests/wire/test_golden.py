"""Golden bytes: what was ever sent is read for ever. Files here are only ever added to; a new format gets new files.

Each `NAME.bin` is what went over the wire, `NAME.json` what it said. `SHA256SUMS` lists them all, so that a change of an
old one stands out.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from roundsman_wire import WireError, channels, envelopes, frames, plain
from roundsman_wire.frames import BODY_FORMATS, Gone
from roundsman_wire.messages import FACTS, TRACK, AnyEntry, FixRow, UnknownEntry

GOLDEN = Path(__file__).with_name("golden")


def named(pattern: str) -> list[str]:
    return sorted(path.stem for path in GOLDEN.glob(f"{pattern}.bin"))


def golden(name: str) -> tuple[bytes, dict[str, Any]]:
    return (GOLDEN / f"{name}.bin").read_bytes(), json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def as_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_no_golden_file_was_changed_or_taken_away() -> None:
    lines = [line.split("  ") for line in (GOLDEN / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in lines}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in GOLDEN.iterdir() if path.name != "SHA256SUMS"}
    assert there == listed


@pytest.mark.parametrize("name", named("frame-*"))
def test_frames(name: str) -> None:
    data, said = golden(name)
    header = frames.decode_header(data)
    fields = ("session", "lane", "first_seq", "last_seq", "body_format")
    assert {field: getattr(header, field) for field in fields} == {field: said[field] for field in fields}
    assert header.gone == tuple(Gone(*gone) for gone in said["gone"])
    if header.lane == TRACK:
        rows = frames.decode_rows(header, data)
        assert rows == msgspec.convert(said["rows"], list[FixRow])
        body = frames.pack_rows(rows)
    else:
        entries = frames.decode_entries(header, data)
        assert [entry.decode() for entry in entries] == said["entries"]
        known = [entry for entry in map(frames.parse_entry, entries) if not isinstance(entry, UnknownEntry)]
        assert as_json(known) == said["known"]
        body = frames.pack_entries(entries)
    if header.body_format == BODY_FORMATS[header.lane]:
        assert frames.encode_frame(header.session, header.lane, header.first_seq, header.last_seq, body, header.gone) == data


@pytest.mark.parametrize("name", named("envelope-*"))
def test_steering_documents(name: str) -> None:
    data, said = golden(name)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said["public_key"]))

    def verify(_key_id: str, signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    opened = envelopes.open_envelope(data, verify)
    assert as_json(opened.header) == said["header"]
    assert as_json(opened.payload) == said["payload"]
    assert opened.hash == envelopes.hash_of(data) == said["hash"]
    for at in range(3, len(data), 7):
        with pytest.raises(WireError):
            envelopes.open_envelope(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], verify)


@pytest.mark.parametrize("name", named("plain-*"))
def test_plain_messages(name: str) -> None:
    data, said = golden(name)
    message = plain.decode_plain(name.split("-")[1], data)
    assert as_json(message) == said
    assert plain.decode_plain(name.split("-")[1], plain.encode_plain(message)) == message


def test_topics() -> None:
    for vehicle, channel, text in json.loads((GOLDEN / "topics-1.json").read_text()):
        assert channels.topic(vehicle, channel) == text
        assert channels.parse_topic(text) == (vehicle, channels.BY_NAME[channel])


def test_every_lane_and_kind_of_message_has_its_golden_bytes() -> None:
    """A format that has no golden bytes is not fixed."""
    lanes = {FACTS: "facts", TRACK: "track"}
    assert {f"frame-{lanes[lane]}-{at}" for lane, newest in BODY_FORMATS.items() for at in range(1, newest + 1)} <= set(named("frame-*"))
    assert {f"envelope-{kind}-1" for kind in envelopes.PAYLOADS} <= set(named("envelope-*"))
    assert {"plain-now-1", "plain-ack-1", "plain-presence-1"} <= set(named("plain-*"))
    told = {entry["kind"] for name in named("frame-facts-*") for entry in golden(name)[1]["known"]}
    assert {str(entry.__struct_config__.tag) for entry in get_args(AnyEntry)} <= told
