"""Presence is answered lane by lane; the live marker follows the log's order, not the clock's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from roundsman_hub.ingest import worker
from roundsman_hub.ingest.packets import Message
from roundsman_hub.store.db import Notice, listen, notices
from roundsman_wire import channels
from roundsman_wire.messages import FACTS, TRACK, Ack, LaneState, Now, Presence, SessionState

UTC_MS = 1_772_438_400_000


def said(van: Any, content: Presence | Now) -> Message:
    channel = "presence" if isinstance(content, Presence) else "now"
    return Message(topic=channels.topic(van.vehicle, channel), payload=msgspec.json.encode(content))


def presence(van: Any, *, epoch: int, facts: int, track: int) -> Message:
    lanes = (LaneState(lane=FACTS, first_kept=1, last=99, acked=facts), LaneState(lane=TRACK, first_kept=1, last=99, acked=track))
    return said(
        van,
        Presence(online=True, session=van.session, epoch=epoch, sessions=(SessionState(session=van.session, previous=None, lanes=lanes),)),
    )


def now(van: Any, order: int, **changes: Any) -> Message:
    values: dict[str, Any] = {"mono_ms": order, "utc_ms": UTC_MS + order, "lat_e6": 60_000_000 + order, "lon_e6": 25_000_000}
    return said(van, Now(session=van.session, order=order, **{**values, **changes}))


def epoch(hub: Any) -> int:
    [(value,)] = hub.rows("SELECT epoch FROM log.epoch")
    return int(value)


def test_a_presence_is_answered_for_every_lane_named(hub: Any, van: Any) -> None:
    hub.hear(van.track(1, 5))
    at = epoch(hub)
    acks = hub.hear(presence(van, epoch=at, facts=0, track=3))
    assert acks == [
        Ack(epoch=at, session=van.session, lane=FACTS, through_seq=0),
        Ack(epoch=at, session=van.session, lane=TRACK, through_seq=5),
    ]


def test_a_van_that_knows_more_than_a_restored_hub_raises_the_epoch(hub: Any, van: Any) -> None:
    hub.hear(van.track(1, 5))
    at = epoch(hub)
    facts, track = hub.hear(presence(van, epoch=at, facts=0, track=9))
    assert (facts.epoch, track) == (at + 1, Ack(epoch=at + 1, session=van.session, lane=TRACK, through_seq=5, rewind=True))
    assert epoch(hub) == at + 1
    [ack] = hub.hear(van.track(6, 9))
    assert ack.epoch == at + 1


def test_an_impossible_epoch_is_refused(hub: Any, van: Any) -> None:
    at = epoch(hub)
    assert hub.hear(presence(van, epoch=2**31 - 2, facts=0, track=0)) == []
    assert epoch(hub) == at
    assert hub.rows("SELECT count FROM log.alarms WHERE kind = 'presence unreadable' AND subject = %s", van.vehicle) == [(1,)]


def test_unreadable_words_of_one_van_do_not_stop_another(hub: Any, make_van: Any) -> None:
    broken, well = make_van(), make_van()
    huge = now(broken, 2**62, lat_e6=2**40)
    nul = said(broken, Presence(online=True, session="\x00", sessions=(SessionState(session="\x00", previous=None, lanes=()),)))
    rubbish = Message(topic=channels.topic(broken.vehicle, "now"), payload=b"{")
    hub.hear(huge, nul, rubbish, now(well, 1))
    assert hub.rows("SELECT ord FROM vehicle_now WHERE vehicle_id = %s", well.vehicle) == [(1,)]
    kinds = hub.rows("SELECT kind FROM log.alarms WHERE subject = %s ORDER BY 1", broken.vehicle)
    assert kinds == [("now unreadable",), ("presence unreadable",)]


def test_the_marker_follows_the_logs_order_and_ignores_what_is_late(hub: Any, van: Any) -> None:
    hub.hear(now(van, 10))
    hub.hear(now(van, 9, utc_ms=UTC_MS + 500_000))
    assert hub.rows("SELECT ord, lat_e6 FROM vehicle_now WHERE vehicle_id = %s", van.vehicle) == [(10, 60_000_010)]
    restarted = type(van)(vehicle=van.vehicle, session=f"f{van.session[1:]}")
    again = SessionState(session=restarted.session, previous=van.session, lanes=())
    hub.hear(said(van, Presence(online=True, session=restarted.session, sessions=(again,))))
    hub.hear(now(restarted, 1))
    hub.hear(now(van, 11))
    assert hub.rows("SELECT ord, lat_e6 FROM vehicle_now WHERE vehicle_id = %s", van.vehicle) == [(1, 60_000_001)]


def test_a_lost_van_is_told_as_lost(hub: Any, van: Any) -> None:
    with hub.db.dedicated() as ears:
        listen(ears)
        for message in (presence(van, epoch=epoch(hub), facts=0, track=0), said(van, Presence(online=False))):
            hub.hear(message)
            assert notices(ears, 10) == [Notice(topic="vehicle", fleet_id="fl_ingest", subject=van.vehicle)]
    assert hub.rows("SELECT online FROM vehicle_now WHERE vehicle_id = %s", van.vehicle) == [(False,)]


def test_new_facts_are_told_and_a_marker_at_most_once_a_second(hub: Any, van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them, in less than the second is here; a fact behind each, so that nobody waits for what does not come."""
    monkeypatch.setattr(worker, "MARKERS_EVERY_S", 600.0)
    heard: list[Notice] = []
    with hub.db.dedicated() as ears:
        listen(ears)
        for number in range(1, 4):
            hub.hear(now(van, number))
            hub.hear(van.facts(number))
            while [notice.topic for notice in heard].count("log") < number:
                heard += notices(ears, 5)
    assert [notice.topic for notice in heard if notice.subject == van.vehicle] == ["vehicle", "log", "log", "log"]


def test_a_presence_from_before_the_hub_listened_asks_for_what_nobody_heard(hub: Any, van: Any) -> None:
    """Frames at QoS 0 that followed it went nowhere: the van must not wait out its patience to find that out."""
    hub.hear(van.track(1, 5))
    told = presence(van, epoch=epoch(hub), facts=0, track=5)
    assert [ack.rewind for ack in hub.hear(told)] == [False, False]
    assert [(ack.through_seq, ack.rewind) for ack in hub.hear(msgspec.structs.replace(told, retained=True))] == [(0, True), (5, True)]
