"""A frame that one release could not read is read by the next: invariant 2 holds across upgrades."""

from __future__ import annotations

from typing import Any

import pytest

from roundsman_hub.clock import Clock
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.ingest import rows, take
from roundsman_hub.ingest.refill import refill
from roundsman_hub.store.audit import audit_tracks
from roundsman_wire import WireError, frames
from roundsman_wire.messages import Duty

GAPS = "SELECT first_seq, last_seq, reason FROM log.gaps JOIN log.sessions USING (session_no) WHERE vehicle_id = %s ORDER BY 1"


def older_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that does not know the body formats in use."""

    def unknown(*_: object) -> Any:
        raise WireError("body format is not known to this side")

    monkeypatch.setattr(take, "decode_entries", unknown)
    monkeypatch.setattr(rows, "body_of", unknown)


def test_what_a_later_release_reads_fills_its_gap(hub: Any, van: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    duty = frames.encode_entry(Duty(mono_ms=1, utc_ms=1_772_438_400_000, duty="on", driver=None))
    with monkeypatch.context() as context:
        older_release(context)
        acks = hub.hear(van.track(1, 9, gone=[frames.Gone(4, 5, 1)]), van.facts(1, duty))
        assert sorted(ack.through_seq for ack in acks) == [1, 9], "the van goes on"
        assert refill(hub.db, Clock()) == 0
    catch_up(hub.db, Clock())
    assert hub.rows("SELECT duty FROM duties WHERE vehicle_id = %s", van.vehicle) == []
    hub.hear(van.facts(2))
    catch_up(hub.db, Clock())

    assert refill(hub.db, Clock()) == 2
    assert refill(hub.db, Clock()) == 0, "each once"
    assert hub.stored(van) == [1, 2, 3, 6, 7, 8, 9]
    assert hub.rows(GAPS, van.vehicle) == [(4, 5, "thinned")]
    with hub.db.transaction() as cur:
        [found] = audit_tracks(cur, [van.vehicle])
    assert (found.missing, found.twice) == (0, 0)
    catch_up(hub.db, Clock())
    assert hub.rows("SELECT duty FROM duties WHERE vehicle_id = %s", van.vehicle) == [("on",)]


def test_what_still_cannot_be_stored_stays_set_aside(hub: Any, van: Any) -> None:
    hub.hear(van.facts(1, b'{"kind":"a\\u0000b","mono_ms":1}'))
    assert refill(hub.db, Clock()) == 0
    assert hub.rows("SELECT reason FROM log.gaps JOIN log.sessions USING (session_no) WHERE vehicle_id = %s", van.vehicle) == [
        ("undecodable",)
    ]
