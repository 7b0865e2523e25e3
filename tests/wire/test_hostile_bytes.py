"""Any bytes decode or raise `WireError`: nothing else, and nothing is half-decoded."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import example, given, settings, strategies as st

from roundsman_wire import WireError, channels, envelopes, frames, plain
from roundsman_wire.frames import CRC, GONE, HEADER, MAX_ENTRY_BYTES, MAX_FRAME_BYTES, Gone
from roundsman_wire.messages import (
    FACTS,
    TRACK,
    Ack,
    BasedOn,
    Command,
    Config,
    EnvelopeHeader,
    FixRow,
    LaneState,
    Note,
    Now,
    Plan,
    Presence,
    SessionState,
    Visit,
)

SESSION = "00000000000000ab"
many = settings(max_examples=300, deadline=None, database=None)


def sign(_signed: bytes) -> bytes:
    return b"s" * 64


def trust(_key: str, _signature: bytes, _signed: bytes) -> bool:
    return True


def row(at: int) -> FixRow:
    return FixRow(
        mono_ms=at * 1000, utc_ms=at * 1000, lat_e6=at, lon_e6=-at, speed_cm_s=None, heading_cdeg=150, accuracy_dm=10, satellites=9
    )


FACT_ENTRIES = [
    frames.encode_entry(Note(mono_ms=1, topic="disk", text="Straße \\ “voll”")),
    frames.encode_entry(Visit(mono_ms=2, utc_ms=3, visit=1, phase="arrived", stop=None, lat_e6=1, lon_e6=2)),
]
FACTS_FRAME = frames.encode_frame(SESSION, FACTS, 1, 4, frames.pack_entries(FACT_ENTRIES), [Gone(2, 3, 1)])
TRACK_FRAME = frames.encode_frame(SESSION, TRACK, 5, 9, frames.pack_rows([row(1), row(2), row(90), row(91)]), [Gone(7, 7, 2)])
PLAN = envelopes.seal(
    EnvelopeHeader(vehicle="v", kind="plan", epoch=1, version=2, key_id="k"),
    Plan(plan="p", vehicle="v", version=2, issued_utc_ms=3, based_on=BasedOn(session=None, facts_seq=0), stops=(), matrix_s=b"\xff\xff"),
    sign,
)
PLAIN = {
    "now": plain.encode_plain(Now(session=SESSION, order=3, mono_ms=9, utc_ms=None, lat_e6=-1, lon_e6=2)),
    "ack": plain.encode_plain(Ack(epoch=1, session=SESSION, lane=1, through_seq=7, rewind=True)),
    "presence": plain.encode_plain(
        Presence(
            online=True, sessions=(SessionState(session=SESSION, previous=None, lanes=(LaneState(lane=0, first_kept=1, last=2, acked=1),)),)
        )
    ),
}


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid message with a few bytes changed, cut out, doubled or put in."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        data[at : at + length] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[at : at + length]) * 2)))
    return bytes(data)


def sealed_again(frame: bytes) -> bytes:
    """The frame with both of its CRCs made right, so that a mutation gets past them."""
    if len(frame) < HEADER.size + CRC.size:
        return frame
    *fields, gone_count, _ = HEADER.unpack_from(frame)
    head_end = HEADER.size + gone_count * GONE.size
    body = frame[head_end + CRC.size :]
    head = HEADER.pack(*fields, gone_count, zlib.crc32(body)) + frame[HEADER.size : head_end]
    return head + CRC.pack(zlib.crc32(head)) + body


def read_frame(data: bytes) -> None:
    """What a hub does with a frame; whatever is accepted is whole and within its limits."""
    try:
        header = frames.decode_header(data)
    except WireError:
        return
    assert 1 <= header.first_seq <= header.last_seq
    assert 0 <= header.held <= header.last_seq - header.first_seq + 1
    for decode in (frames.decode_rows, frames.decode_entries):
        try:
            entries = decode(header, data)
        except WireError:
            continue
        assert len(entries) == header.held
        for entry in entries:
            if isinstance(entry, FixRow):
                assert frames.quantise(entry) == entry, "a row that the van's own side would not have kept"
            else:
                assert "\0" not in entry.decode()
                frames.parse_entry(entry)


@many
@given(st.one_of(st.binary(max_size=200), mutated(FACTS_FRAME), mutated(TRACK_FRAME)))
@example(b"")
@example(FACTS_FRAME)
@example(TRACK_FRAME)
def test_any_bytes_are_a_frame_or_a_wire_error(data: bytes) -> None:
    read_frame(data)
    read_frame(sealed_again(data))


@many
@given(body=st.binary(max_size=120), lane=st.sampled_from([FACTS, TRACK]), count=st.integers(1, 6), body_format=st.integers(0, 3))
def test_any_body_under_a_valid_header_is_read_whole_or_not_at_all(body: bytes, lane: int, count: int, body_format: int) -> None:
    frame = frames.encode_frame(SESSION, lane, 1, count, body)
    read_frame(frame)
    read_frame(sealed_again(frame[:2] + bytes([body_format]) + frame[3:]))


@many
@given(st.one_of(st.binary(max_size=80), st.text(max_size=60).map(str.encode), *(mutated(entry) for entry in FACT_ENTRIES)))
@example(b"[" * MAX_ENTRY_BYTES)
@example(b'{"kind":"new","mono_ms":1,"later":' + b"[" * 4000 + b"]" * 4000 + b"}")
@example(b'{"kind":"new","mono_ms":1,"later":"\xff"}')
@example(b'{"kind":"new","mono_ms":123456789012345678901234567890}')
def test_any_bytes_are_an_entry_or_a_wire_error(data: bytes) -> None:
    try:
        entry = frames.parse_entry(data)
    except WireError:
        return
    assert 0 <= entry.mono_ms <= 2**53
    data.decode()


@pytest.mark.parametrize("bad", [b'"\xff"', b'"\\u0000"', b'"\\\\\\u0000"', b'"\\ud800"', b'"\x01"', b"NaN"])
def test_text_that_no_database_keeps_is_refused_even_where_it_is_not_understood(bad: bytes) -> None:
    with pytest.raises(WireError):
        frames.parse_entry(b'{"kind":"new","mono_ms":1,"later":' + bad + b"}")
    frames.parse_entry(b'{"kind":"new","mono_ms":1,"later":"\\\\u0000 is six characters"}')


@many
@given(st.one_of(st.binary(max_size=200), mutated(PLAN)))
@example(PLAN)
def test_any_bytes_are_an_envelope_or_a_wire_error(data: bytes) -> None:
    try:
        envelope = envelopes.open_envelope(data, trust)
    except WireError:
        return
    assert isinstance(envelope.payload, envelopes.PAYLOADS[envelope.header.kind])


@many
@given(header=mutated(b'{"vehicle":"v","kind":"plan","epoch":1,"version":2,"key_id":"k"}'), payload=mutated(b'{"version":2,"fences":[]}'))
def test_any_header_and_payload_in_an_envelope_are_read_or_refused(header: bytes, payload: bytes) -> None:
    signed = b"\x01" + len(header).to_bytes(2, "little") + header + zlib.compress(payload)
    with suppress(WireError):
        envelopes.open_envelope(signed + sign(signed), trust)


@pytest.mark.parametrize("channel", PLAIN)
@many
@given(data=st.data())
def test_any_bytes_are_a_plain_message_or_a_wire_error(channel: str, data: st.DataObject) -> None:
    raw = data.draw(st.one_of(st.binary(max_size=100), mutated(PLAIN[channel])))
    try:
        message = plain.decode_plain(channel, raw)
    except WireError:
        return
    assert plain.decode_plain(channel, plain.encode_plain(message)) == message


@many
@given(st.one_of(st.text(max_size=80), st.from_regex(r"rm/1/[0-9a-f]{2}/[A-Za-z0-9_-]{1,8}/(up|down)/[a-z]{2,8}", fullmatch=True)))
@example(channels.topic("v_0123456789ab", "plan"))
@example(channels.topic("v_0123456789ab", "plan") + "\n")
def test_any_text_is_a_topic_or_a_wire_error(text: str) -> None:
    try:
        topic = channels.parse_topic(text)
    except WireError:
        return
    assert channels.topic(topic.vehicle, topic.channel.name) == text


@many
@given(st.text(max_size=70), st.text(max_size=10))
def test_a_topic_is_built_only_from_what_can_be_parsed(vehicle: str, channel: str) -> None:
    for name in (channel, "facts"):
        try:
            text = channels.topic(vehicle, name)
        except WireError:
            continue
        assert channels.parse_topic(text).vehicle == vehicle


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────

TOO_MUCH: dict[str, Callable[[], object]] = {
    "a session with a sign": lambda: frames.encode_frame("+123456789abcdef", TRACK, 1, 1, b""),
    "a session in capitals": lambda: frames.encode_frame("0123456789ABCDEF", TRACK, 1, 1, b""),
    "a lane that is none": lambda: frames.encode_frame(SESSION, 7, 1, 1, b""),
    "a lane that is no byte": lambda: frames.encode_frame(SESSION, 700, 1, 1, b""),
    "a number past the last": lambda: frames.encode_frame(SESSION, TRACK, 1, 2**32, b""),
    "number zero": lambda: frames.encode_frame(SESSION, TRACK, 0, 1, b""),
    "a range backwards": lambda: frames.encode_frame(SESSION, TRACK, 3, 2, b""),
    "gone out of range": lambda: frames.encode_frame(SESSION, TRACK, 1, 3, b"", [Gone(3, 4, 1)]),
    "gone out of order": lambda: frames.encode_frame(SESSION, TRACK, 1, 9, b"", [Gone(5, 6, 1), Gone(6, 7, 1)]),
    "gone without a reason": lambda: frames.encode_frame(SESSION, TRACK, 1, 3, b"", [Gone(1, 1, 0)]),
    "too many gone": lambda: frames.encode_frame(SESSION, TRACK, 1, 2000, b"", [Gone(n, n, 1) for n in range(1, 1027, 2)]),
    "a frame too large": lambda: frames.encode_frame(SESSION, TRACK, 1, 1, bytes(MAX_FRAME_BYTES)),
    "an entry too large": lambda: frames.encode_entry(Note(mono_ms=1, topic="t", text="x" * MAX_ENTRY_BYTES)),
    "an entry with a NUL": lambda: frames.encode_entry(Note(mono_ms=1, topic="t", text="a\0b")),
    "an entry with half a character": lambda: frames.encode_entry(Note(mono_ms=1, topic="t", text="\ud800")),
    "a fix off the globe": lambda: frames.quantise(row(90_000_001)),
    "a row that was not quantised": lambda: frames.pack_rows([msgspec.structs.replace(row(1), satellites=300)]),
    "a presence without end": lambda: plain.encode_plain(Presence(online=True, agent_version="x" * plain.MAX_PLAIN_BYTES)),
    "a plain message on a signed channel": lambda: plain.decode_plain("plan", b"{}"),
    "a payload of another kind": lambda: envelopes.seal(
        EnvelopeHeader(vehicle="v", kind="plan", epoch=1, version=1, key_id="k"), Config(version=1), sign
    ),
    "a payload of another version": lambda: envelopes.seal(
        EnvelopeHeader(vehicle="v", kind="config", epoch=1, version=1, key_id="k"), Config(version=2), sign
    ),
    "a signature too short": lambda: envelopes.seal(
        EnvelopeHeader(vehicle="v", kind="command", epoch=1, version=1, key_id="k"), Command(command="c", verb="locate"), lambda _: b"s"
    ),
    "a header too long": lambda: envelopes.seal(
        EnvelopeHeader(vehicle="v", kind="command", epoch=1, version=1, key_id="k" * 70_000), Command(command="c", verb="locate"), sign
    ),
    "a vehicle with a slash": lambda: channels.topic("v/1", "facts"),
    "a channel that is none": lambda: channels.topic("v", "facto"),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_no_decoder_accepts_is_refused_before_it_is_sent(what: str) -> None:
    with pytest.raises(WireError):
        TOO_MUCH[what]()


def test_a_bomb_stops_at_the_limit() -> None:
    header = b'{"vehicle":"v","kind":"sites","epoch":1,"version":2,"key_id":"k"}'
    signed = b"\x01" + len(header).to_bytes(2, "little") + header + zlib.compress(b" " * 100_000_000, 9)
    with pytest.raises(WireError, match="too large"):
        envelopes.open_envelope(signed + sign(signed), trust)


def test_a_signature_that_does_not_hold_is_refused_before_the_payload_is_looked_at() -> None:
    with pytest.raises(WireError, match="signature does not hold"):
        envelopes.open_envelope(PLAN, lambda _key, _signature, _signed: False)
