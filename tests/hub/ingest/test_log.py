"""The van's log arrives whole: each entry once or in `log.gaps`, and nothing is acknowledged that is not committed."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from roundsman_core.lanes import MAX_WINDOW
from roundsman_core.pacing import Pace
from roundsman_hub.clock import Clock
from roundsman_hub.ingest import worker
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store.db import Database, DatabaseAway
from roundsman_wire import channels, frames
from roundsman_wire.messages import FACTS, MAX_MS, TRACK, Ack, FixRow, Health, SessionStarted


def spoilt(message: Message) -> Message:
    """The same frame with its last byte changed in transit: the header holds, the body does not."""
    return Message(topic=message.topic, payload=message.payload[:-1] + bytes([message.payload[-1] ^ 0xFF]))


def test_fixes_are_stored_as_the_van_kept_them(hub: Any, van: Any) -> None:
    """Invariant 2: the hub's bytes are the edge's bytes."""
    no_speed = van.fix(2, speed_cm_s=None, heading_cdeg=None, accuracy_dm=None)
    jump = van.fix(3, mono_ms=500_000, utc_ms=None, lat_e6=-33_000_000, lon_e6=151_000_000, flags=1)
    late = van.fix(4, mono_ms=501_000, utc_ms=32_503_680_000_000)
    rows = [van.fix(1), no_speed, jump, late]
    [ack] = hub.hear(van.track(1, 4, rows=rows))
    assert ack == Ack(epoch=ack.epoch, session=van.session, lane=TRACK, through_seq=4)
    columns = "seq, mono_ms, {}, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags"
    timed = columns.format("(extract(epoch FROM time) * 1000)::bigint")
    found = hub.rows(f"SELECT {timed} FROM log.fixes WHERE vehicle_id = %s", van.vehicle)
    found += hub.rows(f"SELECT {columns.format('utc_ms')} FROM log.fixes_untimed WHERE vehicle_id = %s", van.vehicle)
    assert sorted(found, key=lambda row: int(row[0])) == [(seq, *msgspec.structs.astuple(row)) for seq, row in enumerate(rows, 1)]


def test_a_wrong_date_waits_in_the_side_table(hub: Any, van: Any) -> None:
    """One bad date must not be the latest position for a year."""
    hub.hear(van.track(1, 3, rows=[van.fix(1), van.fix(2, utc_ms=None), van.fix(3, mono_ms=9_000, utc_ms=MAX_MS)]))
    assert hub.stored(van) == [1]
    assert hub.rows("SELECT seq FROM log.fixes_untimed WHERE vehicle_id = %s ORDER BY 1", van.vehicle) == [(2,), (3,)]


def test_a_frame_that_comes_twice_is_stored_once_and_acknowledged_twice(hub: Any, van: Any) -> None:
    frame = van.track(1, 10)
    first, second = hub.hear(frame), hub.hear(frame)
    assert first == second
    assert first[0].through_seq == 10
    assert hub.stored(van) == list(range(1, 11))


def test_a_frame_that_overlaps_gives_only_what_is_new(hub: Any, van: Any) -> None:
    hub.hear(van.track(1, 6))
    [ack] = hub.hear(van.track(4, 9))
    assert ack.through_seq == 9
    assert hub.stored(van) == list(range(1, 10))


def test_a_lost_frame_is_asked_for_again_once(hub: Any, van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window full of frames behind it comes in less than the second is here."""
    monkeypatch.setattr(worker, "REWIND_AGAIN_S", 600.0)
    hub.hear(van.track(1, 5))
    [ack] = hub.hear(van.track(8, 9))
    assert (ack.through_seq, ack.rewind) == (5, True)
    for first in range(10, 10 + MAX_WINDOW):
        assert hub.hear(van.track(first, first)) == []
    [ack] = hub.hear(van.track(6, 12))
    assert (ack.through_seq, ack.rewind) == (12, False)
    assert hub.stored(van) == list(range(1, 13))


def test_frames_of_one_batch_that_overtook_each_other_ask_again(hub: Any, van: Any) -> None:
    [ack] = hub.hear(van.track(1, 5), van.track(11, 15), van.track(6, 10))
    assert (ack.through_seq, ack.rewind) == (10, False)
    [ack] = hub.hear(van.track(11, 15))
    assert hub.stored(van) == list(range(1, 16))


def test_what_the_van_no_longer_holds_is_written_down(hub: Any, van: Any) -> None:
    [ack] = hub.hear(van.track(1, 9, gone=[frames.Gone(2, 3, 1), frames.Gone(6, 9, 2)]))
    assert ack.through_seq == 9
    assert hub.stored(van) == [1, 4, 5]
    gaps = hub.rows(
        "SELECT first_seq, last_seq, reason FROM log.gaps JOIN log.sessions USING (session_no) WHERE vehicle_id = %s ORDER BY 1",
        van.vehicle,
    )
    assert gaps == [(2, 3, "thinned"), (6, 9, "damaged")]


def test_a_body_that_cannot_be_read_is_kept_as_bytes_and_the_van_goes_on(hub: Any, van: Any) -> None:
    """Invariant 3: every number below the watermark is a row or in `log.gaps`."""
    bad = spoilt(van.track(3, 6, gone=[frames.Gone(4, 4, 1)]))
    [ack] = hub.hear(van.track(1, 2), bad, van.track(7, 8))
    assert (ack.through_seq, ack.rewind) == (8, False)
    assert hub.stored(van) == [1, 2, 7, 8]
    gaps = hub.rows(
        "SELECT first_seq, last_seq, reason FROM log.gaps JOIN log.sessions USING (session_no) WHERE vehicle_id = %s ORDER BY 1",
        van.vehicle,
    )
    assert gaps == [(3, 3, "undecodable"), (4, 4, "thinned"), (5, 6, "undecodable")]
    kept = hub.rows("SELECT frame, first_seq, last_seq FROM log.quarantine WHERE topic = %s", bad.topic)
    assert kept == [(bad.payload, 3, 6)]
    assert hub.rows("SELECT count FROM log.alarms WHERE kind = 'body unreadable' AND subject = %s", bad.topic) == [(1,)]


def test_a_header_that_cannot_be_read_is_not_acknowledged(hub: Any, van: Any) -> None:
    good = van.track(1, 2)
    bad = Message(topic=good.topic, payload=b"\xff" + good.payload[1:])
    assert hub.hear(bad) == []
    assert hub.stored(van) == []
    assert hub.rows("SELECT frame, session_no FROM log.quarantine WHERE topic = %s", bad.topic) == [(bad.payload, None)]
    assert [ack.through_seq for ack in hub.hear(bad, good)] == [2]


def test_a_van_that_repeats_rubbish_does_not_fill_the_disk(hub: Any, van: Any) -> None:
    rubbish = Message(topic=channels.topic(van.vehicle, "track"), payload=b"rubbish")
    hub.hear(*[rubbish] * 120)
    assert hub.rows("SELECT count(*) FROM log.quarantine WHERE topic = %s", rubbish.topic) == [(100,)]
    assert hub.rows("SELECT count FROM log.alarms WHERE kind = 'header unreadable' AND subject = %s", van.vehicle) == [(120,)]


def test_an_unknown_vehicle_is_alarmed_not_answered_and_others_go_on(hub: Any, van: Any) -> None:
    stranger = type(van)(vehicle="v_stranger", session="00000000000000aa")
    [ack] = hub.hear(stranger.track(1, 3), van.track(1, 3), stranger.track(4, 5))
    assert ack.session == van.session
    assert hub.stored(stranger) == []
    assert hub.rows("SELECT count FROM log.alarms WHERE kind = 'unknown vehicle' AND subject = 'v_stranger'") == [(2,)]
    hub.rows("DELETE FROM log.alarms WHERE subject = 'v_stranger' RETURNING 1")


def test_a_full_disk_under_the_database_leaves_the_log_with_its_van(hub: Any, van: Any) -> None:
    """As when it is away: the worker waits and tries the batch again, nothing is acknowledged, and nothing is missing afterwards."""
    with hub.db.transaction() as cur:
        cur.execute("CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$")
        cur.execute("CREATE TRIGGER no_room BEFORE INSERT ON log.entries FOR EACH ROW EXECUTE FUNCTION no_room()")
    try:
        with pytest.raises(DatabaseAway, match="disk_full"):
            hub.hear(van.facts(1), van.track(1, 3))
        assert hub.stored(van) == []
        assert hub.said.acks == []
    finally:
        with hub.db.transaction() as cur:
            cur.execute("DROP FUNCTION no_room CASCADE")
    assert sorted((ack.lane, ack.through_seq) for ack in hub.hear(van.facts(1), van.track(1, 3))) == [(0, 1), (1, 3)]
    assert hub.stored(van) == [1, 2, 3]


def test_a_wrong_shard_is_alarmed_and_not_answered(hub: Any, van: Any) -> None:
    good = van.track(1, 3)
    shard = channels.shard_of(van.vehicle)
    wrong = Message(topic=good.topic.replace(f"/{shard}/", f"/{(int(shard, 16) + 1) % 64:02x}/"), payload=good.payload)
    assert hub.hear(wrong) == []
    assert hub.stored(van) == []
    assert hub.rows("SELECT count FROM log.alarms WHERE kind = 'wrong topic' AND subject = %s", wrong.topic) == [(1,)]


def test_a_kind_from_the_future_is_kept_as_received(hub: Any, van: Any) -> None:
    body = b'{"kind":"telepathy","mono_ms":7,"thought":{"deep":[1,2,3]},"utc_ms":1772438400000}'
    [ack] = hub.hear(van.facts(1, body))
    assert ack.through_seq == 1
    assert hub.rows("SELECT kind, body FROM log.entries WHERE vehicle_id = %s", van.vehicle) == [("telepathy", body.decode())]


def test_a_fact_that_the_database_cannot_hold_is_set_aside_and_stops_nobody(hub: Any, make_van: Callable[[], Any]) -> None:
    """A NUL in a kind passes JSON and not PostgreSQL: the transaction is halved until it stands alone."""
    vans = [make_van() for _ in range(5)]
    poison = vans[2].facts(2, b'{"kind":"a\\u0000b","mono_ms":1}')
    batch = [van.facts(1) for van in vans] + [poison] + [van.facts(3) for van in vans if van is vans[2]]
    hub.hear(*batch)
    for van in vans:
        expected = [(1,), (3,)] if van is vans[2] else [(1,)]
        assert hub.rows("SELECT seq FROM log.entries WHERE vehicle_id = %s ORDER BY 1", van.vehicle) == expected
    assert hub.rows("SELECT frame FROM log.quarantine WHERE topic = %s", poison.topic) == [(poison.payload,)]


def test_text_that_is_not_utf_8_is_set_aside(hub: Any, van: Any) -> None:
    body = b'{"kind":"telepathy","mono_ms":7,"thought":"\xff\xfe"}'
    [ack] = hub.hear(van.facts(1, body), van.facts(2))
    assert ack.through_seq == 2
    assert hub.rows("SELECT seq FROM log.entries WHERE vehicle_id = %s", van.vehicle) == [(2,)]


def test_two_workers_with_the_same_frames_store_them_once(
    database: Database, make_hub: Callable[[Database], Any], make_van: Callable[[], Any]
) -> None:
    """Two hubs that read, then write a watermark stored 6 rows for 3; compare-and-set stores 3."""
    vans = [make_van() for _ in range(6)]
    hubs = [make_hub(database), make_hub(database)]
    start = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(hub: Any, order: list[Any]) -> None:
        try:
            for first in range(1, 60, 5):
                start.wait(100)
                hub.hear(*[message for van in order for message in (van.track(first, first + 4), van.facts(first), van.facts(first + 1))])
        except BaseException as error:
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(hubs[0], vans)), threading.Thread(target=work, args=(hubs[1], vans[::-1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for van in vans:
        assert hubs[0].stored(van) == list(range(1, 61))


def test_a_watermark_that_was_moved_meanwhile_rolls_everything_back(database: Database, hub: Any, van: Any) -> None:
    """The compare-and-set itself, without the lock that usually spares it."""
    from roundsman_hub.store.log_store import LostRace, Move, move

    hub.hear(van.track(1, 5))
    [(number,)] = hub.rows("SELECT session_no FROM log.sessions WHERE session = %s", van.session)
    with pytest.raises(LostRace), database.transaction() as cur:
        move(cur, [Move(session_no=number, lane=TRACK, old=4, new=9)])
    [ack] = hub.hear(van.track(1, 5))
    assert ack.through_seq == 5


def test_sessions_are_ordered_by_their_chain_not_by_arrival(hub: Any, make_van: Callable[[], Any]) -> None:
    van = make_van()
    old, new, newest = (type(van)(vehicle=van.vehicle, session=f"{van.session[:-1]}{letter}") for letter in "abc")
    for session, previous in ((newest, new.session), (new, old.session), (old, None)):
        started = SessionStarted(mono_ms=0, session=session.session, previous=previous, agent_version="1", row_format=1)
        hub.hear(session.facts(1, started))
    order = hub.rows("SELECT session FROM log.sessions WHERE vehicle_id = %s ORDER BY ordinal", van.vehicle)
    assert order == [(old.session,), (new.session,), (newest.session,)]


def test_every_lane_has_its_own_watermark(hub: Any, van: Any) -> None:
    acks = hub.hear(
        van.track(1, 4),
        van.facts(
            1,
            Health(
                mono_ms=1,
                agent_version="1",
                backlog_facts=0,
                backlog_track=0,
                oldest_unsent_s=0,
                disk_free_mb=1,
                rss_mb=1,
                fixes_accepted=4,
            ),
        ),
    )
    assert {(ack.lane, ack.through_seq) for ack in acks} == {(FACTS, 1), (TRACK, 4)}


def test_a_frame_that_holds_less_than_it_claims_is_unreadable(hub: Any, van: Any) -> None:
    rows: list[FixRow] = [van.fix(1), van.fix(2)]
    body = frames.pack_rows(rows)
    short = van.frame(TRACK, 1, 3, body, ())
    assert zlib.crc32(body)
    [ack] = hub.hear(short)
    assert ack.through_seq == 3
    assert hub.stored(van) == []


def test_a_van_that_sends_again_is_answered_at_once_and_one_that_goes_on_is_not(hub: Any, van: Any) -> None:
    """Its ack was lost, so it sends from there, with what it wrote since: of that the hub has the first half."""
    hub.ingest = Ingest(hub.db, Clock(), hub.said, Pace())
    assert [ack.through_seq for ack in hub.hear(van.track(1, 1))] == [1]
    assert hub.hear(van.track(2, 3)) == []
    assert [ack.through_seq for ack in hub.hear(van.track(2, 5))] == [5]
    assert hub.hear(van.track(6, 6), van.track(7, 7)) == []
    assert [ack.through_seq for ack in hub.hear(van.track(8, 8), van.track(8, 9))] == [9], "in one transaction, too"
    assert hub.stored(van) == list(range(1, 10))
