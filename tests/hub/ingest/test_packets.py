"""A stream of MQTT packets, however the network cuts it, gives the same messages; what is not the log's goes to the library unchanged."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from roundsman_hub.ingest.packets import Malformed, Message, publish, split

messages = st.builds(Message, st.text("rm/1234567890abcdefv_", min_size=1, max_size=60), st.binary(max_size=300))
PINGRESP, SUBACK = b"\xd0\x00", b"\x90\x04\x00\x01\x00\x00"
PRESENCE = b"\x32\x08\x00\x01t\x00\x07\x00ab"
"""A PUBLISH of QoS 1: the library's, because it is to be answered."""


@given(st.lists(messages | st.sampled_from([PINGRESP, SUBACK, PRESENCE]), max_size=12), st.lists(st.integers(1, 400), max_size=20))
@example([Message("t", bytes(20_000)), PINGRESP, Message("t", bytes(16_380))], [1, 1, 1, 1, 20_000])
def test_wherever_it_is_cut_a_stream_gives_the_same(sent: list[Message | bytes], cuts: list[int]) -> None:
    stream = b"".join(publish(item.topic, item.payload) if isinstance(item, Message) else item for item in sent)
    found: list[Message] = []
    others, rest, at = b"", b"", 0
    for size in [*cuts, len(stream)]:
        some, other, rest = split(rest + stream[at : at + size])
        found, others, at = found + some, others + other, at + size
    assert rest == b""
    assert found == [item for item in sent if isinstance(item, Message)]
    assert others == b"".join(item for item in sent if not isinstance(item, Message))


def test_properties_are_stepped_over() -> None:
    expiry = b"\x02\x00\x00\x00\x3c"
    long = b"\x26\x00\x01k\x00\x80" + bytes(128)
    for properties, length in ((expiry, b"\x05"), (long, b"\x86\x01")):
        body = b"\x00\x01t" + length + properties + b"payload"
        size = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
        assert split(b"\x30" + size + body) == ([Message("t", b"payload")], b"", b"")


@pytest.mark.parametrize(
    "stream",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x30\x03\x00\x09t\xd0\x00",  # a topic longer than its packet
        b"\x30\x05\x00\x01t\x09x",  # properties longer than their packet
        b"\x30\x04\x00\x01\xff\x00",  # a topic that is no text
    ],
)
def test_what_is_not_mqtt_ends_the_connection(stream: bytes) -> None:
    with pytest.raises(Malformed):
        split(stream)
