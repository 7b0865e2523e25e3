"""Photos and signatures at the hub: files named by their content, and a row for each that is whole.

    DIR/blobs/ab/abcd…            whole, and checked against its name
    DIR/blobs/parts/VEHICLE-abcd… on its way

A table row is written after the file is on the disk: a proof is "pending" until then, and never "whole" without its bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import notify, row, rows

MAX_BYTES: Final = 8 * 1_048_576
KEEP_FREE_MB: Final = 256
"""The database comes first: with less room than this no photo is taken in; the vans keep theirs."""
PARTS_KEPT_S: Final = 14 * 86_400
MEDIA_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/svg+xml"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """How much of a blob is here."""

    received: int
    whole: bool


class WrongPlace(Exception):
    """Bytes that do not go on where the others ended. `received`: where that is."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received} bytes are here")
        self.received = received


class Spoilt(Exception):
    """All bytes are here, and they are not what their name says: they are thrown away."""


class NoRoom(Exception):
    """The hub's disk is too full for photos."""


class BlobStore:
    """The folder and the table.

    Parameters
    ----------
    free_mb : callable, optional
        Megabytes that are free on the disk of a folder.
    """

    def __init__(
        self,
        db: Database,
        folder: Path,
        *,
        free_mb: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free // 1_048_576,
    ) -> None:
        self._db, self._folder, self._free_mb = db, folder, free_mb
        self._parts = folder / "parts"
        self._parts.mkdir(parents=True, exist_ok=True)
        for part in self._parts.iterdir():
            if part.stat().st_mtime < time.time() - PARTS_KEPT_S:
                part.unlink()

    def fleet_of(self, vehicle: str) -> str | None:
        """The fleet of a vehicle in service; None: there is none such."""
        with self._db.transaction() as cur:
            found = row(cur, "SELECT fleet_id FROM vehicles WHERE vehicle_id = %s AND retired_at IS NULL", (vehicle,))
        return None if found is None else str(found["fleet_id"])

    def received(self, fleet: str, vehicle: str, sha256: str) -> Received:
        """How much of a blob a fleet has from a vehicle."""
        with self._db.transaction() as cur:
            found = row(cur, "SELECT bytes FROM blobs WHERE fleet_id = %s AND sha256 = %s", (fleet, sha256))
        if found is not None:
            return Received(received=found["bytes"], whole=True)
        try:
            return Received(received=self._part(vehicle, sha256).stat().st_size, whole=False)
        except FileNotFoundError:
            return Received(received=0, whole=False)

    def add(self, vehicle: str, sha256: str, at: int, data: bytes) -> int:
        """Append bytes that begin at `at`; gives how many are here now.

        Raises
        ------
        WrongPlace, NoRoom
            Nothing was added.
        """
        part = self._part(vehicle, sha256)
        size = part.stat().st_size if part.exists() else 0
        if size != at:
            raise WrongPlace(size)
        if self._free_mb(self._folder) < KEEP_FREE_MB:
            raise NoRoom
        try:
            with part.open("ab") as file:
                file.write(data)
        except OSError as error:
            with part.open("ab") as file:
                file.truncate(size)
            raise NoRoom from error
        return size + len(data)

    def finish(self, fleet: str, vehicle: str, sha256: str, media_type: str, now: datetime) -> None:
        """All bytes are here: check them, keep them for good, and say so.

        Raises
        ------
        Spoilt
            They are not what their name says.
        """
        part = self._part(vehicle, sha256)
        data = part.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            part.unlink()
            raise Spoilt
        whole = self.path(sha256)
        whole.parent.mkdir(exist_ok=True)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(whole)
        handle = os.open(whole.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        with self._db.transaction() as cur:
            cur.execute(
                "INSERT INTO blobs (fleet_id, sha256, vehicle_id, bytes, media_type, whole_at) VALUES (%s, %s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (fleet, sha256, vehicle, len(data), media_type, now),
            )
            for proved in rows(cur, "SELECT DISTINCT order_id FROM proofs WHERE fleet_id = %s AND sha256 = %s", (fleet, sha256)):
                if proved["order_id"] is not None:
                    notify(cur, "order", fleet, proved["order_id"])

    def path(self, sha256: str) -> Path:
        """Where a whole blob is."""
        return self._folder / sha256[:2] / sha256

    def _part(self, vehicle: str, sha256: str) -> Path:
        return self._parts / f"{vehicle}-{sha256}"
