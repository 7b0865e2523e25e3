"""Old backups go, and never the one that the way back begins with."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_hub.__main__ import main
from roundsman_hub.store.backup import BackupFailed
from roundsman_hub.store.prune import prune

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


def wal(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number >> 8:08X}{number & 255:08X}"


def write(path: Path, text: str | bytes, days_ago: float) -> None:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    at = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (at, at))


def base(folder: Path, name: str, days_ago: float, begins: int) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    write(made / "backup_label", f"START WAL LOCATION: 0/2000028 (file {wal(begins)})\nLABEL: x\n", days_ago)
    write(made / "PG_VERSION", "18", days_ago)
    write(made / "backup_manifest", "{}", days_ago)
    return made


def test_the_base_before_the_days_is_kept_and_its_wal(tmp_path: Path) -> None:
    backups, archive = tmp_path / "b", tmp_path / "wal"
    archive.mkdir()
    for name, days_ago, begins in (("one", 40, 3), ("two", 20, 300), ("three", 8, 500), ("four", 2, 700)):
        base(backups, name, days_ago, begins)
    for number in range(1, 800, 50):
        write(archive / (wal(number) + ".gz" * (number % 100 > 50)), "x", 0)
    for name in (
        f"{wal(1)}.00000028.backup",
        "00000002.history",
        "notes.txt",
        wal(299),
        wal(300),
        wal(900, timeline=2),
        wal(2, timeline=2),
    ):
        write(archive / name, "x", 0)
    write(backups / "readme.txt", "by hand", 900)
    told = prune(backups, timedelta(days=7), NOW, wal=archive, dry_run=True)
    assert (len(list(archive.iterdir())), len(list(backups.iterdir()))) == (23, 5), "only told"
    assert prune(backups, timedelta(days=7), NOW, wal=archive) == told
    assert sorted(path.name for path in backups.iterdir()) == ["four", "readme.txt", "three"]
    assert told.reaches == NOW - timedelta(days=8)
    left = {path.name for path in archive.iterdir()}
    assert min(name[8:24] for name in left if len(name) in (24, 27)) == wal(501)[8:]
    assert {"00000002.history", "notes.txt", wal(900, timeline=2)} <= left
    assert f"{wal(1)}.00000028.backup" not in left
    assert wal(2, timeline=2) not in left
    assert prune(backups, timedelta(days=7), NOW, wal=archive).wal_files == 0


def test_the_newest_stays_however_old_it_is(tmp_path: Path) -> None:
    base(tmp_path, "old", 400, 3)
    base(tmp_path, "older", 500, 2)
    for days_ago in (300, 310):
        write(tmp_path / f"{days_ago}.dump", b"PGDMP\x01\x02", days_ago)
    write(tmp_path / "310.dump.part", b"PGDMP", 310)
    prune(tmp_path, timedelta(days=7), NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["300.dump", "310.dump.part", "old"]


def test_wal_without_a_base_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path / wal(1), "x", 400)
    (tmp_path / "b").mkdir()
    assert prune(tmp_path / "b", timedelta(days=1), NOW, wal=tmp_path).wal_files == 0
    assert (tmp_path / wal(1)).exists()
    with pytest.raises(BackupFailed, match="a day at least"):
        prune(tmp_path / "b", timedelta(0), NOW)
    with pytest.raises(BackupFailed, match="No such file"):
        prune(tmp_path / "none", timedelta(days=1), NOW)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 1_440), min_size=1, max_size=8, unique=True), st.integers(1, 40))
def test_every_instant_that_was_in_reach_of_the_days_stays_in_reach(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int], keep_days: int
) -> None:
    """Invariant: an instant of the last N days that some base is older than still has one after pruning, with all WAL since it."""
    folder = tmp_path_factory.mktemp("bases")
    ages = sorted((age / 24 for age in hours), reverse=True)
    for number, age in enumerate(ages, 1):
        base(folder, f"b{number}", age, 10 * number)
        write(folder / wal(10 * number), "x", age)
    told = prune(folder, timedelta(days=keep_days), NOW, wal=folder)
    kept = [number for number in range(1, len(ages) + 1) if (folder / f"b{number}").exists()]
    assert {path.name for path in told.kept} == {f"b{number}" for number in kept}
    assert all((folder / wal(10 * number)).exists() == (number >= kept[0]) for number in range(1, len(ages) + 1))
    for instant in (keep_days, keep_days / 2, 0):
        before = [number for number, age in enumerate(ages, 1) if age >= instant]
        if before:
            assert before[-1] in kept


def test_the_command_tells_what_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base(tmp_path, "one", 4000, 1)
    base(tmp_path, "two", 3000, 2)
    assert main(["db", "prune-backups", str(tmp_path), "--keep-days", "7", "--dry-run"]) == 0
    assert "would go" in capsys.readouterr().out
    assert main(["db", "prune-backups", str(tmp_path), "--keep-days", "7", "--wal", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["gone"], told["kept"]) == ([str(tmp_path / "one")], [str(tmp_path / "two")])
