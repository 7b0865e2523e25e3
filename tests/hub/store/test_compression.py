"""Compression is turned on where the edition has it; where not, the hub says which edition this is and goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman_hub.store import compression
from roundsman_hub.store.db import Database


def test_plain_postgresql_says_that_it_has_none(make_depot: Callable[[str], Any]) -> None:
    depot = make_depot("plain")
    told = compression.turn_on(depot.db)
    assert (told.on, "plain PostgreSQL" in told.reason) == (False, True)
    assert compression.compress_next(depot.db, depot.now) is False


def test_timescaledb_compresses_or_says_why_not(make_depot: Callable[[str], Any]) -> None:
    """Debian's package is the Apache edition: there, only the telling can be tested. With DATABASE_URL_TIMESCALE naming a server of the
    Community edition, the same test compresses a day, reads it back, and stores a late fix into it."""
    depot = make_depot("timescaledb")
    licence = depot.ask("SELECT current_setting('timescaledb.license') AS name")[0]["name"]
    later = datetime.now(UTC) + timedelta(days=30)
    told = compression.turn_on(depot.db)
    assert compression.turn_on(depot.db) == told, "asking again changes nothing"
    if licence != "timescale":
        assert (told.on, licence in told.reason) == (False, True)
        assert compression.compress_next(depot.db, later) is False
        return
    assert told.on, told.reason
    before = depot.ask("SELECT count(*) AS n, sum(lat_e6::bigint) AS lat FROM log.fixes")
    while compression.compress_next(depot.db, later):
        pass
    assert depot.ask("SELECT count(*) AS n, sum(lat_e6::bigint) AS lat FROM log.fixes") == before
    assert depot.ask("SELECT count(*) AS n FROM timescaledb_information.chunks WHERE NOT is_compressed AND hypertable_name = 'fixes'") == [
        {"n": 0}
    ]
    depot.do("INSERT INTO log.fixes SELECT time, vehicle_id, session_no, 1000, 1, 1, 1, NULL, NULL, NULL, 9, 0 FROM log.fixes LIMIT 1")
    assert depot.ask("SELECT count(*) AS n FROM log.fixes")[0]["n"] == before[0]["n"] + 1


def test_a_server_that_claims_the_edition_and_has_it_not_is_told(make_depot: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is only a word: what counts is whether the server does it."""
    depot = make_depot("timescaledb")
    if depot.ask("SELECT current_setting('timescaledb.license') AS name")[0]["name"] == "timescale":
        pytest.skip("this server has it")

    def none(_: Any) -> str:
        return ""

    monkeypatch.setattr(compression, "unavailable", none)
    told = compression.turn_on(depot.db)
    assert told.on is False
    assert told.reason
    assert isinstance(depot.db, Database)
    assert depot.ask("SELECT count(*) AS n FROM log.fixes")[0]["n"] == 180
