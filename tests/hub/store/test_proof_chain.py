"""Proof of delivery holds together: a changed entry or picture is found, a picture let go after its time breaks nothing."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

import pytest

from roundsman_hub.store import proof_chain, retention
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id, row
from roundsman_hub.upkeep.worker import let_proofs_go

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PICTURE = b"\xff\xd8\xff a photo"
HASH = hashlib.sha256(PICTURE).hexdigest()


@pytest.fixture
def van(plain_database: Database, tmp_path: Path) -> str:
    """A van whose log tells of three hand-overs, the second with a photo that is here."""
    fleet, depot, vehicle = new_id("fl"), new_id("p"), new_id("v")
    with plain_database.transaction() as cur:
        while proof_chain.extend(cur, NOW):  # what other tests left in this database
            pass
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'F')", (fleet,))
        cur.execute("INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (depot, fleet))
        cur.execute(
            "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) VALUES (%s,%s,'V',%s,9,%s,%s)",
            (vehicle, fleet, depot, NOW, NOW + timedelta(hours=8)),
        )
        made = row(
            cur,
            "INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1) RETURNING session_no",
            (vehicle, vehicle[-12:] + "0000"),
        )
        assert made is not None
        for seq in (1, 2, 3):
            order = new_id("o")
            cur.execute(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, address, placed, window_start, window_end, service_s, parcels,"
                " track_token, created_at) VALUES (%s,%s,%s,'delivery','','given',%s,%s,1,1,%s,%s)",
                (order, fleet, depot, NOW, NOW, order, NOW),
            )
            cur.execute(
                "INSERT INTO log.entries VALUES (%s, %s, %s, 'action', 0, %s, %s, %s, %s)",
                (vehicle, made["session_no"], seq, NOW, NOW, NOW, f'{{"stop": "{order}", "lat_e6": 1}}'),
            )
            cur.execute(
                "INSERT INTO actions (session_no, seq, order_id, vehicle_id, fleet_id, action, outcome, at)"
                " VALUES (%s, %s, %s, %s, %s, %s, 'delivered', %s)",
                (made["session_no"], seq, order, vehicle, fleet, f"a{seq}", NOW),
            )
        cur.execute(
            "INSERT INTO proofs VALUES (%s, 2, %s, %s, %s, %s, 'a2', 'photo', %s, 'image/jpeg', %s)",
            (made["session_no"], HASH, vehicle, fleet, order, len(PICTURE), NOW),
        )
        cur.execute("INSERT INTO blobs VALUES (%s, %s, %s, %s, 'image/jpeg', %s)", (fleet, HASH, vehicle, len(PICTURE), NOW))
    (tmp_path / HASH[:2]).mkdir()
    (tmp_path / HASH[:2] / HASH).write_bytes(PICTURE)
    return vehicle


def test_a_chain_is_made_once_and_holds(plain_database: Database, van: str, tmp_path: Path) -> None:
    with plain_database.transaction() as cur:
        assert proof_chain.extend(cur, NOW) == 3
        assert proof_chain.extend(cur, NOW) == 0
        verdict = proof_chain.verify(cur, van, tmp_path)
    assert (verdict.links, verdict.broken, verdict.whole, verdict.spoilt) == (3, [], 1, [])


def test_what_is_changed_afterwards_is_found(plain_database: Database, van: str, tmp_path: Path) -> None:
    with plain_database.transaction() as cur:
        proof_chain.extend(cur, NOW)
        cur.execute("UPDATE log.entries SET body = replace(body, '1}', '2}') WHERE vehicle_id = %s AND seq = 2", (van,))
        (tmp_path / HASH[:2] / HASH).write_bytes(PICTURE + b"!")
        verdict = proof_chain.verify(cur, van, tmp_path)
    assert verdict.broken == [(2, "the log entry was changed")]
    assert verdict.spoilt == [HASH]
    with plain_database.transaction() as cur:
        cur.execute("DELETE FROM proof_chain WHERE vehicle_id = %s AND n = 1", (van,))
        broken = proof_chain.verify(cur, van, tmp_path).broken
    assert broken[0] == (2, "a link before this one is missing")


@pytest.mark.parametrize("at", [0, len(PICTURE) // 2, len(PICTURE) - 1])
@pytest.mark.parametrize("bit", [1, 128])
def test_one_bit_of_a_kept_picture_is_enough(plain_database: Database, van: str, tmp_path: Path, at: int, bit: int) -> None:
    kept = tmp_path / HASH[:2] / HASH
    kept.write_bytes(PICTURE[:at] + bytes([PICTURE[at] ^ bit]) + PICTURE[at + 1 :])
    with plain_database.transaction() as cur:
        proof_chain.extend(cur, NOW)
        verdict = proof_chain.verify(cur, van, tmp_path)
    assert (verdict.broken, verdict.spoilt, verdict.whole) == ([], [HASH], 0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE log.entries SET body = overlay(body PLACING ' ' FROM 2 FOR 1) WHERE vehicle_id = %s AND seq = 1", [1]),
        ("UPDATE log.entries SET body = body || ' ' WHERE vehicle_id = %s AND seq = 3", [3]),
        ("UPDATE proof_chain SET proofs = '[]' WHERE vehicle_id = %s AND n = 2", [2]),
        ("UPDATE proof_chain SET entry_sha256 = overlay(entry_sha256 PLACING 'x' FROM 9) WHERE vehicle_id = %s AND n = 2", [2, 2]),
        ("UPDATE proof_chain SET link = overlay(link PLACING 'x' FROM 64) WHERE vehicle_id = %s AND n = 1", [1, 2]),
        ("DELETE FROM log.entries WHERE vehicle_id = %s AND seq = 2", [2]),
    ],
)
def test_one_character_of_what_is_kept_is_enough(
    plain_database: Database, van: str, tmp_path: Path, change: LiteralString, found: list[int]
) -> None:
    """Of an entry, of the hashes that a link holds, or of a link: the first link that is named is the one that was touched."""
    with plain_database.transaction() as cur:
        proof_chain.extend(cur, NOW)
        assert cur.execute(change, (van,)).rowcount == 1
        verdict = proof_chain.verify(cur, van, tmp_path)
    assert [number for number, _ in verdict.broken] == found


def test_a_picture_goes_after_its_time_and_the_chain_still_holds(plain_database: Database, van: str, tmp_path: Path) -> None:
    with plain_database.transaction() as cur:
        proof_chain.extend(cur, NOW)
        owner = row(cur, "SELECT fleet_id FROM vehicles WHERE vehicle_id = %s", (van,))
        assert owner is not None
        retention.choose(cur, owner["fleet_id"], at=NOW, actor="test", proof_days=30)
        cur.execute("DELETE FROM blobs WHERE fleet_id <> %s", (owner["fleet_id"],))  # a picture that others have stays for them
    assert let_proofs_go(plain_database, tmp_path, NOW + timedelta(days=29)) == 0
    assert let_proofs_go(plain_database, tmp_path, NOW + timedelta(days=31)) == 1
    assert not (tmp_path / HASH[:2] / HASH).exists()
    with plain_database.transaction() as cur:
        verdict = proof_chain.verify(cur, van, tmp_path)
    assert (verdict.broken, verdict.spoilt, verdict.not_here) == ([], [], 1)
