"""The map of the territory, kept on the unit: fetched from the hub when there is a way, resumed where it broke off, and there without."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Final

import msgspec

from roundsman_agent import AgentError
from roundsman_agent.log_file import write_whole

MAX_BYTES: Final = 256 * 1_048_576
"""Deflated; the streets of a large region are some 20 MB."""
ABOUT_AT_MOST: Final = 65_536


class BadMap(AgentError):
    """What was fetched is no map."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the kept map."""

    etag: str
    bytes: int
    attribution: str
    fetched_utc_ms: int


class Basemap:
    """A folder with `basemap.geojson.gz`, what is known of it, and what is on its way (`basemap.part`)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._about_file = folder / "basemap.geojson.gz", folder / "basemap.json"
        self._part, self._part_etag = folder / "basemap.part", folder / "basemap.part.etag"
        self.about = self._load()

    @property
    def path(self) -> Path | None:
        """The map, gzipped GeoJSON; None: there is none."""
        return self._file if self.about is not None else None

    def begun(self) -> tuple[str, int]:
        """(ETag, bytes) of what is on its way; nothing: ("", 0)."""
        try:
            return self._part_etag.read_text(encoding="utf-8"), self._part.stat().st_size
        except OSError:
            return "", 0

    def begin(self, etag: str) -> None:
        """Another map is on its way: what came of an older one is of no use."""
        self._part.unlink(missing_ok=True)
        write_whole(self._part_etag, etag.encode())
        self._part.touch()

    def add(self, data: bytes) -> None:
        """The next bytes of it."""
        with self._part.open("ab") as file:
            if file.tell() + len(data) > MAX_BYTES:
                raise BadMap(f"the map is larger than {MAX_BYTES} bytes")
            file.write(data)

    def finish(self, utc_ms: int) -> None:
        """It is whole: from now on it is the map.

        Raises
        ------
        BadMap
            It is not gzipped GeoJSON; it is thrown away.
        """
        etag, size = self.begun()
        try:
            attribution = self._attribution()
        except BadMap:
            self.forget_part()
            raise
        self._part.replace(self._file)
        self._part_etag.unlink(missing_ok=True)
        self.about = About(etag=etag, bytes=size, attribution=attribution, fetched_utc_ms=utc_ms)
        write_whole(self._about_file, msgspec.json.encode(self.about))

    def forget_part(self) -> None:
        """Begin anew next time."""
        self._part.unlink(missing_ok=True)
        self._part_etag.unlink(missing_ok=True)

    def _attribution(self) -> str:
        """Whom the map must name; reads it through once, without holding it in memory."""
        try:
            with gzip.open(self._part) as file:
                head = file.read(ABOUT_AT_MOST)
                while file.read(1_048_576):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            raise BadMap(f"the map cannot be unpacked: {error}") from None
        if not head.lstrip().startswith(b"{") or b'"FeatureCollection"' not in head:
            raise BadMap("the map is no GeoJSON")
        _, _, after = head.partition(b'"attribution":')
        try:
            text, _ = json.JSONDecoder().raw_decode(after.decode("utf-8", "ignore").lstrip())
        except ValueError:
            return ""
        return text if isinstance(text, str) else ""

    def _load(self) -> About | None:
        try:
            about = msgspec.json.decode(self._about_file.read_bytes(), type=About)
            return about if self._file.stat().st_size == about.bytes else None
        except (OSError, msgspec.DecodeError):
            return None
