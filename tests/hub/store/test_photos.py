"""Photos in a backup: each once, put back whole, and gone from it once the hub deleted them long enough ago."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.store import photos
from roundsman_hub.store.db import Database


def taken(blobs: Path, data: bytes) -> str:
    """A photo as the hub keeps it."""
    name = hashlib.sha256(data).hexdigest()
    (blobs / name[:2]).mkdir(parents=True, exist_ok=True)
    (blobs / name[:2] / name).write_bytes(data)
    return name


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    """A hub's photos, and one that is still on its way."""
    folder = tmp_path / "hub" / "blobs"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "v_000000000001-abc").write_bytes(b"half")
    return folder


def test_a_second_backup_copies_only_what_is_new(blobs: Path, tmp_path: Path) -> None:
    taken(blobs, b"one")
    assert photos.keep(blobs, tmp_path / "b").files == 1
    taken(blobs, b"two")
    again = photos.keep(blobs, tmp_path / "b")
    assert (again.files, again.there, again.total_bytes) == (1, 1, 3)


def test_a_lost_hub_gets_back_what_is_what_it_says_and_hears_of_what_is_not(blobs: Path, tmp_path: Path) -> None:
    good, bad = taken(blobs, b"good"), taken(blobs, b"bad")
    photos.keep(blobs, tmp_path / "b")
    (tmp_path / "b" / "photos" / bad[:2] / bad).write_bytes(b"rot")
    back = photos.put_back(tmp_path / "b", tmp_path / "new" / "blobs")
    assert (back.files, back.spoilt) == (1, (bad,))
    assert (tmp_path / "new" / "blobs" / good[:2] / good).read_bytes() == b"good"
    assert not (tmp_path / "new" / "blobs" / bad[:2] / bad).exists()
    assert not list((tmp_path / "new").rglob("*.part"))


def test_what_the_hub_deleted_stays_for_older_dumps_and_goes_with_them(blobs: Path, tmp_path: Path) -> None:
    name = taken(blobs, b"door")
    photos.keep(blobs, tmp_path / "b")
    (blobs / name[:2] / name).unlink()
    photos.keep(blobs, tmp_path / "b")
    assert photos.put_back(tmp_path / "b", tmp_path / "older").files == 1
    assert photos.forget(tmp_path / "b", time.time() - 60, dry_run=False) == (0, 0)
    os.utime(tmp_path / "b" / "photos" / "gone" / name, (0, 0))
    assert photos.forget(tmp_path / "b", time.time() - 60, dry_run=True) == (1, 4)
    assert photos.forget(tmp_path / "b", time.time() - 60, dry_run=False) == (1, 4)
    assert photos.put_back(tmp_path / "b", tmp_path / "later").files == 0


def test_one_command_backs_up_the_photos_beside_the_dump(
    make_database: Callable[[str], str], blobs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, dsn = taken(blobs, b"parcel"), make_database("plain")
    out = tmp_path / "backups" / "day.dump"
    out.parent.mkdir()
    assert main(["db", "backup", "--database-url", dsn, "--data", str(tmp_path / "hub"), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"]["files"] == 1
    assert (out.parent / "photos" / name[:2] / name).read_bytes() == b"parcel"
    bare = tmp_path / "bare" / "day.dump"
    bare.parent.mkdir()
    arguments = ["db", "backup", "--database-url", dsn, "--data", str(tmp_path / "hub"), "--out", str(bare), "--no-photos"]
    assert main(arguments) == 0
    assert not (bare.parent / "photos").exists()


def test_a_days_photos_travel_beside_its_file_into_another_hub(make_database: Callable[[str], str], blobs: Path, tmp_path: Path) -> None:
    """Those of the day alone, and only what a fact of the other hub speaks of becomes whole there."""
    today, other_day, pending = taken(blobs, b"today"), taken(blobs, b"yesterday"), "f" * 64
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    fleet, since = "fl_photos", noon.replace(hour=0)
    with Database.connect(make_database("plain"), max_size=1) as db, db.transaction() as cur:
        cur.execute("INSERT INTO fleets VALUES (%s, 'Fleet', 'UTC')", (fleet,))
        cur.execute("INSERT INTO depots VALUES ('p_photos', %s, 'Quay', '', 50000000, 10000000)", (fleet,))
        cur.execute("INSERT INTO vehicles VALUES ('v_0000000000f1', %s, 'Van', 'p_photos', NULL, 9, %s, %s)", (fleet, since, noon))
        for seq, (name, at) in enumerate(((today, noon), (other_day, noon - timedelta(days=1)), (pending, noon)), 1):
            cur.execute(
                "INSERT INTO proofs VALUES (1, %s, %s, 'v_0000000000f1', %s, NULL, 'arrived', 'photo', 5, 'image/jpeg', %s)",
                (seq, name, fleet, at),
            )
        assert photos.adopt(cur, fleet, [today, other_day], noon) == 2
        names = photos.of_day(cur, fleet, since, since + timedelta(days=1))
        assert names == [today], "the pending one is nowhere yet"
        beside, new = tmp_path / "days" / "photos", tmp_path / "new" / "blobs"
        assert photos.carry(blobs, beside, names).files == 1
        assert photos.carry(beside, new, [today, pending]).spoilt == (pending,)
        cur.execute("DELETE FROM blobs WHERE fleet_id = %s", (fleet,))
        assert photos.adopt(cur, fleet, [path.name for path in photos.whole(new)], noon) == 1
        cur.connection.rollback()
