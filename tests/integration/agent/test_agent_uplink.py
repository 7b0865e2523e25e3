"""The van's end of the log protocol on a real broker with mutual TLS, through everything that a network and a hub do to it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from roundsman_agent import link, uplink
from roundsman_core.pacing import ACK_FRAMES, Pace
from roundsman_sim.proxy import Proxy
from roundsman_wire.frames import Gone
from roundsman_wire.messages import FACTS, TRACK, Now

VEHICLE = "v_0123456789ab"


def everything_is_there(van: Any, follower: Any) -> bool:
    """Invariant 2: each committed entry is at the hub exactly once, or gone with its reason."""
    book = follower.snapshot()
    for lane in van.outbox.lanes():
        key = lane.session, lane.lane
        gone = {number for item in book.gone.get(key, []) for number in range(item.first, item.last + 1)}
        if set(book.entries.get(key, {})) | gone != set(range(1, lane.last + 1)):
            return False
    return bool(van.backlog == 0 and book.twice == 0)


def test_log_reaches_the_hub_once_and_is_released(make_van: Any, follower: Any, wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "ACK_TIMEOUT_S", 600.0)  # however slow this hub is, nothing is sent again for it

    async def story() -> None:
        async with make_van() as van:
            van.log(facts=150, fixes=3000)
            await wait(lambda: everything_is_there(van, follower), "the log is at the hub")
            assert {topic.rpartition("/")[2] for topic in follower.topics} <= {"facts", "track", "presence"}
            # Windows and topic aliases: 3,000 fixes went in few frames.
            assert van.uplink.frames_sent < 40

    asyncio.run(story())


def test_van_keeps_its_log_when_the_broker_dies(make_van: Any, broker: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        async with make_van() as van:
            van.log(facts=5, fixes=100)
            await wait(lambda: van.backlog == 0, "the first part is acknowledged")
            broker.kill()
            await wait(lambda: not van.link[-1][0], "the van notices")
            sent = van.uplink.frames_sent
            van.log(facts=5, fixes=500)
            tried = len(van.link)
            await wait(lambda: len(van.link) >= tried + 2, "the van tries in vain, and again")
            assert van.uplink.frames_sent == sent, "nothing is published without a connection"
            broker.start()
            await wait(lambda: everything_is_there(van, follower), "the rest is at the hub")

    asyncio.run(story())


def test_half_open_link_is_noticed_and_replaced(make_van: Any, broker: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        proxy = Proxy("127.0.0.1", broker.broker.vans.port)
        await proxy.start()
        async with make_van(port=proxy.port, keepalive_s=1) as van:
            van.log(fixes=50)
            await wait(lambda: van.backlog == 0, "the first part is acknowledged")
            proxy.freeze()
            van.log(facts=3, fixes=50)
            await wait(lambda: not van.link[-1][0], "the van notices that nothing passes")
            proxy.heal()
            await wait(lambda: everything_is_there(van, follower), "all is at the hub")
        await proxy.stop()

    asyncio.run(story())


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # paho leaves the socket of a failed handshake to the collector
def test_network_that_swallows_everything_does_not_hold_up_the_end(
    make_van: Any, broker: Any, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONNECT_TIMEOUT_S", 600.0)  # who waited for the attempt would never end

    def attempted() -> bool:
        return any(thread.name == "dial" for thread in threading.enumerate())

    async def story() -> None:
        proxy = Proxy("127.0.0.1", broker.broker.vans.port)
        await proxy.start()
        proxy.freeze()
        async with make_van(port=proxy.port, keepalive_s=30) as van:
            van.log(facts=1)
            await wait(lambda: proxy._writers and attempted(), "the TLS handshake has begun, and will not be answered")
        assert attempted(), "nobody waited for its end"
        await proxy.stop()
        await wait(lambda: not attempted(), "the attempt is over")
        gc.collect()

    asyncio.run(story())


def test_lost_acks_cost_duplicates_and_nothing_else(make_van: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        follower.lose_acks = True
        async with make_van() as van:
            van.log(facts=10, fixes=1000)
            await wait(lambda: van.uplink.frames_sent > 6, "the van sends again and again")
            assert van.backlog == 1010 + 1, "nothing is released without an ack"
            follower.lose_acks = False
            await wait(lambda: everything_is_there(van, follower), "the log is at the hub, once")

    asyncio.run(story())


def test_a_hub_that_acknowledges_frames_together_is_neither_waited_for_nor_asked_again(
    make_van: Any, follower: Any, wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ack costs as much as twenty fixes: the van goes on without, and is told everything once it rests."""

    async def story() -> None:
        follower.pace = Pace()
        async with make_van() as van:
            await wait(lambda: van.backlog == 0 and follower.presences, "the session's beginning is acknowledged")
            quick_s = uplink.ACK_TIMEOUT_S
            monkeypatch.setattr(uplink, "ACK_TIMEOUT_S", 600.0)  # frames are counted: none is sent again because this machine is slow
            frames, acks, many = follower.frames, follower.acks, 3 * ACK_FRAMES + 3
            for number in range(1, many + 1):
                van.log(fixes=1)
                await wait(lambda number=number: follower.snapshot().through.get((van.outbox.session, TRACK)) == number, "a fix is there")
            await wait(lambda: van.backlog == 2, "the acks of three times five frames and the first")
            assert (follower.frames - frames, follower.acks - acks) == (many, 4)
            monkeypatch.setattr(uplink, "ACK_TIMEOUT_S", quick_s)
            van.uplink.resting = True
            van.log(facts=1)
            await wait(lambda: everything_is_there(van, follower), "all of it is acknowledged")

    asyncio.run(story())


@pytest.mark.usefixtures("follower")
def test_van_that_has_its_ack_is_not_woken_by_the_alarm_for_it(make_van: Any, wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A waking costs what ten fixes' work does."""
    monkeypatch.setattr(uplink, "ACK_TIMEOUT_S", 30.0)

    async def story() -> None:
        async with make_van() as van:
            sleeps_s: list[float] = []
            asked = van.uplink._until_next

            def noted() -> float:
                sleeps_s.append(asked())
                return sleeps_s[-1]

            monkeypatch.setattr(van.uplink, "_until_next", noted)
            await wait(lambda: van.backlog == 0, "the session's beginning is acknowledged")
            van.log(facts=1)
            await wait(lambda: any(sleep_s <= 30.0 for sleep_s in sleeps_s), "it waits for the ack")
            await wait(lambda: van.backlog == 0 and sleeps_s[-1] > 100.0, "it sleeps until it says hello again")

    asyncio.run(story())


def test_restored_hub_has_its_log_again(make_van: Any, follower: Any, wait: Any) -> None:
    """Invariant 11: an ack releases, it does not delete."""

    async def story() -> None:
        async with make_van() as van:
            van.log(facts=5, fixes=300)
            await wait(lambda: van.backlog == 0, "the first part is acknowledged")
            backup = follower.snapshot()
            van.log(facts=5, fixes=300)
            await wait(lambda: van.backlog == 0, "the second part too")
            follower.restore(backup)
            van.log(facts=1)  # leaves a gap at the restored hub, which asks for the rest
            await wait(
                lambda: follower.snapshot().through[van.outbox.session, FACTS] == van.outbox.lanes()[-2].last, "the facts are there again"
            )
            van.uplink.repeat_presence()
            await wait(lambda: everything_is_there(van, follower), "the fixes are there again")
            assert follower.book.epoch > backup.epoch

    asyncio.run(story())


def test_epoch_that_rises_takes_releases_back_and_lower_ones_are_not_heard(make_van: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        async with make_van() as van:
            van.log(facts=4, fixes=200)
            await wait(lambda: van.backlog == 0, "all is acknowledged")
            empty = follower.snapshot()
            empty.epoch, empty.through, empty.entries = 7, {}, {}
            follower.restore(empty)
            follower.say("ack", b'{"epoch":7,"session":"%s","lane":0,"through_seq":0}' % van.outbox.session.encode())
            await wait(lambda: everything_is_there(van, follower), "everything was sent again")
            risen = van.outbox.epoch
            assert risen >= 7
            follower.say("ack", b'{"epoch":3,"session":"%s","lane":1,"through_seq":0,"rewind":true}' % van.outbox.session.encode())
            van.log(facts=1)
            await wait(lambda: everything_is_there(van, follower), "and the old hub's word changed nothing")
            assert van.outbox.epoch == risen

    asyncio.run(story())


def test_session_before_a_restart_is_finished_first(make_van: Any, broker: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        broker.kill()
        async with make_van() as van:
            van.log(facts=3, fixes=100)
            first = van.outbox.session
        broker.start()
        async with make_van() as van:
            assert van.outbox.previous == first
            van.log(facts=3, fixes=100)
            await wait(lambda: everything_is_there(van, follower), "both sessions are at the hub")
            told = follower.presences[-1]
            assert [state.session for state in told.sessions] == [first, van.outbox.session]
        await wait(lambda: not follower.presences[-1].online, "the van says goodbye")

    asyncio.run(story())


def test_live_marker_goes_out_at_most_once_a_second(make_van: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        async with make_van() as van:
            await wait(lambda: van.link and van.link[-1][0], "the link is up")
            van.now = Now(session=van.outbox.session, order=1, mono_ms=5, utc_ms=None, lat_e6=1, lon_e6=2)
            began_s = time.monotonic()
            for _ in range(50):
                van.uplink.moved()
                await asyncio.sleep(0.02)
            most = 1 + (time.monotonic() - began_s) / (uplink.NOW_S[0] - uplink.NOW_JITTER_S)
            await wait(lambda: follower.nows, "a marker is seen")
            assert len(follower.nows) <= most

    asyncio.run(story())


def test_certificate_of_another_van_cannot_speak_for_this_one(make_van: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        async with make_van(certificate_of="v_ffffffffffff") as van:
            van.log(facts=1)
            await wait(lambda: van.uplink.frames_sent > 1, "the van tries")
            assert follower.snapshot().through == {}
            assert van.backlog == 2

    asyncio.run(story())


def test_thinned_numbers_are_claimed_as_gone(make_van: Any, broker: Any, follower: Any, wait: Any) -> None:
    async def story() -> None:
        broker.kill()
        async with make_van() as van:
            van.log(fixes=100)
            van.outbox._fresh = {}
            van.outbox._db.execute("UPDATE track SET thinned = 2, body = x'', gone = ?", (b"\x01\x00\x00\x00\x64\x00\x00\x00\x01",))
            broker.start()
            await wait(lambda: everything_is_there(van, follower), "all is accounted for")
            assert follower.snapshot().gone[van.outbox.session, TRACK] == [Gone(1, 100, 1)]

    asyncio.run(story())
