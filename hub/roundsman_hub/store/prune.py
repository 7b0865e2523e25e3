"""Old backups go: what is no longer needed to come back to any instant of the last so-many days.

Kept are, of bases, all that were made in those days and the newest one before them (archived WAL is replayed onto it to reach the first
of those days); of dumps, those of these days; and of each, the newest one however old it is. Archived WAL goes up to where the oldest
base that is kept begins, as pg_archivecleanup has it. Without a base no WAL is touched: it may wait for one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from roundsman_hub.store.backup import BackupFailed

_WAL: Final = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?(\.gz)?\Z")
"""Of an archive's files those that may go; the histories of its timelines (`.history`) are small, and
stay. The hub archives them with `.gz`, other programs without."""
_BEGINS: Final = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$", re.MULTILINE)
_DUMP: Final = b"PGDMP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A base or a dump. `made_at`: when it was whole. `begins`: the WAL file that a base begins with; of a dump None."""

    path: Path
    made_at: datetime
    begins: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What may go, or went; `reaches`: the earliest instant that bases and WAL lead back to after it, None without a base."""

    gone: tuple[Path, ...]
    wal_files: int
    total_bytes: int
    kept: tuple[Path, ...]
    reaches: datetime | None


def copies(folder: Path) -> list[Copy]:
    """Bases and dumps that lie in a folder, oldest first; anything else there is none of ours.

    Raises
    ------
    BackupFailed
        No such folder, or it may not be read.
    """
    found = []
    try:
        for path in folder.iterdir():
            if (manifest := path / "backup_manifest").is_file():  # the last thing that is written of a base
                begins = _BEGINS.search((path / "backup_label").read_text())
                if begins is None:
                    raise BackupFailed(f"{path}: its backup_label does not say where it begins; put it elsewhere")
                found.append(Copy(path=path, made_at=_written(manifest), begins=begins[1]))
            elif path.is_file() and path.suffix != ".part":
                with path.open("rb") as file:
                    if file.read(len(_DUMP)) == _DUMP:
                        found.append(Copy(path=path, made_at=_written(path), begins=None))
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None
    return sorted(found, key=lambda copy: (copy.made_at, str(copy.path)))


def prune(folder: Path, keep: timedelta, now: datetime, *, wal: Path | None = None, dry_run: bool = False) -> Pruned:
    """Delete backups of a folder, and archived WAL, that are not needed to come back to an instant after `now - keep`.

    Parameters
    ----------
    keep : timedelta
        Longer than zero.
    now : datetime
        Real time: files and WAL know no other.
    wal : Path, optional
        Folder of archived WAL.
    dry_run : bool
        Only tell.
    """
    if keep <= timedelta(0):
        raise BackupFailed("keep backups for a day at least: the newest is the way back")
    found = copies(folder)
    bases, dumps = ([copy for copy in found if (copy.begins is not None) == physical] for physical in (True, False))
    old_bases, old_dumps = ([copy for copy in kind[:-1] if copy.made_at < now - keep] for kind in (bases, dumps))
    if old_bases and bases[len(old_bases)].made_at > now - keep:
        old_bases.pop()  # WAL is replayed onto it to reach the first of the days
    gone = [*old_bases, *old_dumps]
    kept_bases = [base for base in bases if base not in old_bases]
    old_wal = _wal_before(wal, kept_bases) if wal is not None and kept_bases else []
    total = sum(_bytes(copy.path) for copy in gone) + sum(_bytes(file) for file in old_wal)
    if not dry_run:
        try:
            for file in old_wal:
                file.unlink()
            for copy in gone:
                _delete(copy.path)
        except OSError as error:
            raise BackupFailed(f"{error.filename}: {error.strerror}; the rest goes the next time") from None
    return Pruned(
        gone=tuple(copy.path for copy in gone),
        wal_files=len(old_wal),
        total_bytes=total,
        kept=tuple(copy.path for copy in found if copy not in gone),
        reaches=kept_bases[0].made_at if kept_bases else None,
    )


def _wal_before(wal: Path, bases: Sequence[Copy]) -> list[Path]:
    # A file's name is its timeline and its place: places alone are compared, or what an older timeline still needs would go too early.
    first = min(base.begins[8:] for base in bases if base.begins is not None)
    try:
        return sorted(file for file in wal.iterdir() if _WAL.match(file.name) and file.name[8:24] < first)
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None


def _delete(path: Path) -> None:
    if not path.is_dir():
        path.unlink()
        return
    # What is half deleted is no base any more: without its manifest nobody restores it by mistake.
    (path / "backup_manifest").unlink()
    shutil.rmtree(path)


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _bytes(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
