"""What waits for a database that stands still is bounded, in messages and in bytes; what is dropped is the newest."""

from __future__ import annotations

import threading

import pytest

from roundsman_hub.ingest.inbox import OVERHEAD_BYTES, Inbox
from roundsman_hub.ingest.mqtt import inbox_of
from roundsman_hub.ingest.packets import Message
from roundsman_wire.channels import CHANNELS, UP, topic


def message(number: int, size: int = 10) -> Message:
    return Message(f"t/{number}", bytes(size))


@pytest.mark.parametrize(("most", "most_bytes"), [(5, 10**9), (10**9, 5 * (10 + OVERHEAD_BYTES))])
def test_a_full_inbox_keeps_the_oldest(most: int, most_bytes: int) -> None:
    inbox = Inbox(most=most, most_bytes=most_bytes)
    inbox.put([message(number) for number in range(4)])
    inbox.put([message(number) for number in range(4, 8)])
    assert (len(inbox), inbox.dropped) == (5, 3)
    assert inbox.collect(0, linger_s=0, most=100, most_bytes=10**9) == [message(number) for number in range(5)]
    inbox.put([message(8)])
    assert inbox.collect(0, linger_s=0, most=100, most_bytes=10**9) == [message(8)]


def test_a_batch_ends_at_its_bounds_and_the_rest_comes_next() -> None:
    inbox = Inbox()
    inbox.put([message(number, 1_000) for number in range(10)])
    assert len(inbox.collect(0, linger_s=0, most=4, most_bytes=10**9)) == 4
    assert len(inbox.collect(0, linger_s=0, most=100, most_bytes=2_500)) == 3
    assert len(inbox.collect(0, linger_s=0, most=100, most_bytes=10**9)) == 3


def test_the_first_message_wakes_who_waits() -> None:
    inbox = Inbox()
    threading.Timer(0.05, inbox.put, ([message(1)],)).start()
    assert inbox.collect(60, linger_s=0, most=10, most_bytes=10**9) == [message(1)]


def test_one_vehicles_messages_stay_in_one_inbox() -> None:
    for number in range(100):
        ups = {inbox_of(topic(f"v_{number:012x}", channel.name), 2) for channel in CHANNELS if channel.direction == UP}
        assert len(ups) == 1
    assert {inbox_of(topic(f"v_{number:012x}", "track"), 2) for number in range(100)} == {0, 1}
    assert inbox_of("$SYS/broker", 2) == 0
