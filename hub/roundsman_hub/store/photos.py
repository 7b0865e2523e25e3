"""Photos and signatures in a backup: files named by their content, in a folder beside the dumps, so that each is there once.

FOLDER/monday.dump            what `backup.dump` wrote
FOLDER/photos/ab/abcd…        every photo that some dump of this folder may speak of
FOLDER/photos/gone/abcd…      of them those that the hub has deleted since; they go with the backups that knew them (`prune`)
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from roundsman_hub.store.db import Cursor

FOLDER: Final = "photos"
GONE: Final = "gone"
_NAME: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied, and its bytes; `there`: as many were there before; `spoilt`: not what their names say, so left out."""

    files: int
    total_bytes: int
    there: int
    spoilt: tuple[str, ...] = ()


def whole(folder: Path) -> Iterator[Path]:
    """The whole photos of a folder; none where there is no folder."""
    for shelf in sorted(folder.glob("[0-9a-f][0-9a-f]")):
        yield from (path for path in sorted(shelf.iterdir()) if _NAME.match(path.name))


def keep(blobs: Path, backups: Path) -> Copied:
    """Copy what is new of a hub's photos beside its backups. After the dump: then every photo that the dump knows is there."""
    target = backups / FOLDER
    here = {path.name: path for path in whole(blobs)}
    files = total = there = 0
    for name, path in here.items():
        if (copy := target / name[:2] / name).exists():
            there += 1
        else:
            total += _copy(path, copy)
            files += 1
    for path in list(whole(target)):
        if path.name not in here:
            (target / GONE).mkdir(exist_ok=True)
            os.utime(path)  # when it was first missed: `forget` counts from then
            path.replace(target / GONE / path.name)
    return Copied(files=files, total_bytes=total, there=there)


def put_back(backups: Path, blobs: Path) -> Copied:
    """Copy a backup's photos to a hub that lacks them, each checked against its name."""
    source = backups / FOLDER
    gone = source / GONE
    known = carry(source, blobs, [path.name for path in whole(source)])
    files, total = known.files, known.total_bytes
    for path in sorted(gone.glob("*")):  # an older dump may speak of them
        if _NAME.match(path.name) and not (place := blobs / path.name[:2] / path.name).exists():
            total += _copy(path, place)
            files += 1
    return Copied(files=files, total_bytes=total, there=known.there, spoilt=known.spoilt)


def of_day(cur: Cursor, fleet: str, since: datetime, until: datetime) -> list[str]:
    """Names of the whole photos that facts of a stretch of time speak of."""
    cur.execute(
        "SELECT DISTINCT p.sha256 FROM proofs p JOIN blobs b USING (fleet_id, sha256) "
        "WHERE p.fleet_id = %s AND p.at >= %s AND p.at < %s ORDER BY 1",
        (fleet, since, until),
    )
    return [row["sha256"] for row in cur]


def carry(source: Path, target: Path, names: Iterable[str]) -> Copied:
    """Copy some photos from one such folder (`blobs`, or `photos` beside a day's file) to another, each checked against its name."""
    files = total = there = 0
    spoilt = []
    for name in names:
        path, place = source / name[:2] / name, target / name[:2] / name
        if place.exists():
            there += 1
        elif not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != name:
            spoilt.append(name)
        else:
            total += _copy(path, place)
            files += 1
    return Copied(files=files, total_bytes=total, there=there, spoilt=tuple(spoilt))


def adopt(cur: Cursor, fleet: str, names: Iterable[str], now: datetime) -> int:
    """Photos that are in a hub's folder now, and that its facts speak of, are whole. Returns how many."""
    cur.execute(
        "INSERT INTO blobs (fleet_id, sha256, vehicle_id, bytes, media_type, whole_at) "
        "SELECT DISTINCT ON (fleet_id, sha256) fleet_id, sha256, vehicle_id, bytes, media_type, %s FROM proofs "
        "WHERE fleet_id = %s AND sha256 = ANY(%s) ON CONFLICT DO NOTHING",
        (now, fleet, list(names)),
    )
    return cur.rowcount


def forget(backups: Path, before_s: float, *, dry_run: bool) -> tuple[int, int]:
    """Photos that the hub deleted before an instant (seconds since 1970) go from the backups, too. Files and bytes."""
    old = [path for path in (backups / FOLDER / GONE).glob("*") if path.stat().st_mtime < before_s]
    total = sum(path.stat().st_size for path in old)
    for path in old if not dry_run else ():
        path.unlink()
    return len(old), total


def _copy(path: Path, to: Path) -> int:
    """Whole or not at all, and on the disk."""
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(to.name + ".part")
    shutil.copy2(path, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.chmod(0o600)
    part.replace(to)
    return to.stat().st_size
