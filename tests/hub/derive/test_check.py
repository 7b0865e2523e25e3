"""`roundsman-hub derive --check`: derivation is a fold that can be run again, and says where the tables differ from it."""

from __future__ import annotations

import argparse
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.derive import check
from roundsman_hub.derive.vehicle import Vehicle
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store import log_store
from roundsman_hub.store.db import Database
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, AnyEntry, Duty, Visit

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
EIGHT_MS = 1_772_438_400_000
numbers = itertools.count(0x7000)


@pytest.fixture
def van(plain_database: Database) -> Vehicle:
    """A van that stood somewhere from one minute past eight to five past, derived."""
    number = next(numbers)
    vehicle = Vehicle(vehicle_id=f"v_{number:012x}", fleet_id=f"fl_{number}")
    entries: list[AnyEntry] = [
        Duty(mono_ms=0, utc_ms=EIGHT_MS, duty="on", driver=None),
        Visit(mono_ms=60_000, utc_ms=EIGHT_MS + 60_000, visit=1, phase="arrived", stop=None, lat_e6=1, lon_e6=2),
        Visit(mono_ms=300_000, utc_ms=EIGHT_MS + 300_000, visit=1, phase="left", stop=None, lat_e6=1, lon_e6=2),
    ]
    with plain_database.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (vehicle.fleet_id,))
        cur.execute(
            "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (f"p_{number}", vehicle.fleet_id)
        )
        cur.execute(
            "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
            "VALUES (%s, %s, 'Van', %s, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z')",
            (vehicle.vehicle_id, vehicle.fleet_id, f"p_{number}"),
        )
        [session_no] = log_store.session_numbers(cur, [(vehicle.vehicle_id, f"{number:016x}")]).values()
        cur.execute("INSERT INTO log.watermarks VALUES (%s, %s, %s)", (session_no, FACTS, len(entries)))
        cur.executemany(
            "INSERT INTO log.entries (vehicle_id, session_no, seq, kind, mono_ms, time, received_at, received_real_at, body) "
            "VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s, %s, %s)",
            [
                (
                    vehicle.vehicle_id,
                    session_no,
                    seq,
                    str(entry.__struct_config__.tag),
                    entry.mono_ms,
                    entry.utc_ms,
                    EIGHT,
                    EIGHT,
                    frames.encode_entry(entry).decode(),
                )
                for seq, entry in enumerate(entries, 1)
            ],
        )
    catch_up(plain_database, Clock())
    return vehicle


def damage(db: Database, vehicle: Vehicle) -> None:
    with db.transaction() as cur:
        cur.execute("UPDATE visits SET left_at = left_at + interval '1 minute' WHERE vehicle_id = %s", (vehicle.vehicle_id,))


def test_nothing_differs_where_nothing_was_touched(plain_database: Database, van: Vehicle) -> None:
    found = check.check(plain_database, van, BEGINNING, END, EIGHT)
    assert (found.sessions, found.rows, found.differences) == (1, 2, ())


def test_a_damaged_row_is_shown_and_left_alone_by_a_check(plain_database: Database, van: Vehicle) -> None:
    damage(plain_database, van)
    for _ in range(2):
        found = check.check(plain_database, van, BEGINNING, END, EIGHT)
        assert [(d.table, d.stored is None, d.derived is None) for d in found.differences] == [
            ("visits", False, True),
            ("visits", True, False),
        ]
    outside = check.check(plain_database, van, datetime(2026, 3, 3, tzinfo=UTC), END, EIGHT)
    assert (outside.sessions, outside.differences) == (0, ()), "another day is not looked at"


def test_without_check_the_row_is_put_right_and_its_correction_told(plain_database: Database, van: Vehicle) -> None:
    damage(plain_database, van)
    assert check.check(plain_database, van, BEGINNING, END, EIGHT, write=True).differences
    assert check.check(plain_database, van, BEGINNING, END, EIGHT).differences == ()
    with plain_database.transaction() as cur:
        told = cur.execute("SELECT noun, cause FROM corrections WHERE vehicle_id = %s AND noun = 'visit'", (van.vehicle_id,)).fetchall()
    assert told == [{"noun": "visit", "cause": check.AGAIN}]


def test_the_command_says_so_by_its_exit_code(
    plain_database: Database, van: Vehicle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Endpoint(host="127.0.0.1", port=0)
    login = BrokerLogin(host="127.0.0.1", port=0, username="", password="")
    settings = Settings(data_dir=tmp_path, database_url=plain_database.dsn, hub_broker=login, vans_broker=here, api=here)

    def run(*, json: bool, vehicle: str = van.vehicle_id) -> int:
        return check.main(settings, argparse.Namespace(vehicle=vehicle, since=None, until=None, check=True, json=json))

    assert run(json=False) == 0
    assert capsys.readouterr().out == f"{van.vehicle_id}: 1 session derived again, 3 rows: no difference\n"
    damage(plain_database, van)
    assert run(json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["checked"], len(told["vehicles"][0]["differences"])) == (True, 2)
    with pytest.raises(HubError, match="no vehicle"):
        run(json=False, vehicle="v_none")
