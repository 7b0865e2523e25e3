"""Space that is held so that other programs cannot take it, and that is given up for facts when the disk is full.

The store's own limit (`store.max_mb`) does not help when somebody else's files fill the disk: then not even a DELETE works.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 4 * 1_048_576
"""A thousand commits of a driver's actions, each a page or two: days of work without a free byte on the disk."""
SPARE_BYTES: Final = 4 * BALLAST_BYTES
"""Held only where so much is free: the last space of a disk is better used than held."""


class Ballast:
    """A file of zeros beside the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.hold()

    def hold(self) -> None:
        """Take the space, if it is there: at the start, and again when there is room."""
        with suppress(OSError):  # no room now; perhaps later
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < SPARE_BYTES:
                return
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size < BALLAST_BYTES:
                    os.posix_fallocate(handle, 0, BALLAST_BYTES)
            except OSError:
                os.ftruncate(handle, 0)
            finally:
                os.close(handle)

    def give(self) -> bool:
        """Give it up. False: there was nothing to give."""
        try:
            held = self._path.stat().st_size
            os.truncate(self._path, 0)
        except OSError:
            return False
        return held > 0
