"""Photos and signatures on the unit's own disk, named by their content: written first, told in a fact, and sent when there is a way.

FOLDER/<sha256>.<ending>   whole, and not at the hub yet
FOLDER/<sha256>.sent       its size and type: the hub has it whole
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundsman_agent import AgentError
from roundsman_agent.log_file import write_whole

MAX_BYTES: Final = 8 * 1_048_576
"""A photo of a phone's camera is 2 to 5 MB."""
KEEP_FREE_MB: Final = 64
"""The log comes first: with less room than this on the disk no photo is taken."""
KEEP_SENT_S: Final = 14 * 86_400
"""As long as released entries are kept: an action that is tapped late may still name it."""
ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/svg+xml": "svg"}
MEDIA_TYPES: Final = {ending: media_type for media_type, ending in ENDINGS.items()}
BEGINS: Final = {"image/jpeg": (b"\xff\xd8\xff",), "image/png": (b"\x89PNG\r\n\x1a\n",), "image/svg+xml": (b"<svg", b"<?xml")}


class BadBlob(AgentError):
    """Not something that can be a proof."""


class NoRoom(AgentError):
    """The disk is too full for another photo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One of them. `path` is None once the hub has it: then the unit does not."""

    sha256: str
    bytes: int
    media_type: str
    path: Path | None


class Blobs:
    """The folder of one unit. Survives power cuts: a file is there whole, or not at all.

    Parameters
    ----------
    free_mb : callable, optional
        Megabytes that are free on the disk of a folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        free_mb: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free // 1_048_576,
    ) -> None:
        self._folder, self._free_mb = folder, free_mb
        folder.mkdir(parents=True, exist_ok=True)
        self._waiting = {blob.sha256: blob for blob in self._found()}
        old = time.time() - KEEP_SENT_S
        for part in folder.glob("*.new"):
            part.unlink()  # a power cut in the middle of writing: nobody was told of it
        for mark in folder.glob("*.sent"):
            if mark.stat().st_mtime < old:
                mark.unlink()

    @property
    def waiting(self) -> int:
        """How many the hub does not have yet."""
        return len(self._waiting)

    def oldest(self) -> Blob | None:
        """The one that waits longest."""
        return next(iter(self._waiting.values()), None)

    def put(self, data: bytes, media_type: str) -> Blob:
        """Keep these bytes; on return they survive a power cut. The same bytes again are the same blob.

        Raises
        ------
        BadBlob
            Empty, too large, or not of its type.
        NoRoom
            The disk is too full.
        """
        begins = BEGINS.get(media_type)
        if begins is None:
            raise BadBlob(f"{media_type or 'nothing'} is none of {', '.join(ENDINGS)}")
        if len(data) > MAX_BYTES:
            raise BadBlob(f"{len(data)} bytes; at most {MAX_BYTES}")
        if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(begins):
            raise BadBlob(f"these bytes are no {media_type}")
        sha256 = hashlib.sha256(data).hexdigest()
        known = self.get(sha256)
        if known is not None:
            return known
        if self._free_mb(self._folder) < KEEP_FREE_MB:
            raise NoRoom(f"less than {KEEP_FREE_MB} MB are free on the unit's disk")
        path = self._folder / f"{sha256}.{ENDINGS[media_type]}"
        try:
            write_whole(path, data)
        except OSError as error:
            raise NoRoom(f"the photo could not be written: {error.strerror}") from None
        self._waiting[sha256] = Blob(sha256=sha256, bytes=len(data), media_type=media_type, path=path)
        return self._waiting[sha256]

    def get(self, sha256: str) -> Blob | None:
        """The blob of that name, if the unit has it or has sent it."""
        if sha256 in self._waiting:
            return self._waiting[sha256]
        mark = self._folder / f"{sha256}.sent"
        try:
            size, media_type = mark.read_text(encoding="ascii").split(" ")
            return Blob(sha256=sha256, bytes=int(size), media_type=media_type, path=None)
        except (OSError, ValueError):
            return None

    def sent(self, blob: Blob) -> None:
        """The hub has it whole, and has checked it."""
        write_whole(self._folder / f"{blob.sha256}.sent", f"{blob.bytes} {blob.media_type}".encode())
        if blob.path is not None:
            blob.path.unlink(missing_ok=True)
        self._waiting.pop(blob.sha256, None)

    def lost(self, blob: Blob) -> None:
        """Its file was damaged on this disk: it cannot be what its name says any more."""
        if blob.path is not None:
            blob.path.unlink(missing_ok=True)
        self._waiting.pop(blob.sha256, None)

    def later(self, blob: Blob) -> None:
        """The hub will not have this one for now: let the others go first."""
        if self._waiting.pop(blob.sha256, None) is not None:
            self._waiting[blob.sha256] = blob

    def _found(self) -> Iterator[Blob]:
        files = [path for path in self._folder.iterdir() if path.suffix[1:] in MEDIA_TYPES and len(path.stem) == 64]
        for path in sorted(files, key=lambda path: path.stat().st_mtime):
            yield Blob(sha256=path.stem, bytes=path.stat().st_size, media_type=MEDIA_TYPES[path.suffix[1:]], path=path)
