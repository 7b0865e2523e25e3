"""The file of a day: gzip around lines of JSON, each one object; UTF-8. Version 2 (1 had neither pins, addresses
that wait, messages nor settled reports).

    {"format": "roundsman-day", "version": 2, "fleet", "day", "timezone", "since", "until", "horizon", "rules"}    first
    {"table": NAME, "rows": [{column: value, …}, …]}       a fleet's own tables, in the order in which they can be stored; see `TABLES`
    {"sessions": [{"vehicle", "session", "previous"}, …]}  in the order in which the hub heard of them
    {"entries": SESSION, "rows": [[seq, kind, mono_ms, time, received_at, received_real_at, body], …]}   facts, as the van wrote them
    {"fixes": SESSION, "columns": {name: [first, difference, …], …}}   `FIX_COLUMNS`; null where the hub has none
    {"gaps": SESSION, "rows": [[lane, first_seq, last_seq, reason, noted_at], …]}
    {"end": LINES, "sha256", "derived": {table: {"rows", "sha256"}}}    last

Instants of the log are microseconds since 1970; those of tables are RFC 3339, as PostgreSQL writes them. SESSION is a session's id.
`sha256` is of all lines before the last. `derived` is what the recording hub derived of the day (see `store.derived_dump`), for a replay to
be held against.

The file holds addresses and names of customers, what was written to drivers, and where they were. It holds no keys, and its customers'
links are not those of the hub. Photos, where they are wanted, are files beside it, named by their content (`store.photos`).
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from roundsman_hub import HubError

FORMAT: Final = "roundsman-day"
VERSION: Final = 2
READS: Final = (1, 2)
TABLES: Final = (
    *("fleets", "depots", "drivers", "vehicles", "fences", "sites_versions", "pins", "orders", "geocode_queue", "planning", "plans"),
    *("plan_tasks", "unassigned", "messages", "settled_reports", "journal"),
)
FIX_COLUMNS: Final = (*("seq", "mono_ms", "time", "lat_e6", "lon_e6", "speed_cm_s", "heading_cdeg", "accuracy_dm", "satellites", "flags"),)
MAX_LINE_BYTES: Final = 64_000_000
"""A line holds some thousand rows. A file that has longer ones was not made by `record`."""

Line = dict[str, Any]


class BadFile(HubError):
    """Not a day's file, one of a later version, or one that was damaged or cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a file is of. `horizon`: how far business time had come when it was made, for what did not happen."""

    fleet: str
    day: date
    timezone: str
    since: datetime
    until: datetime
    horizon: datetime
    rules: int


class Writer:
    """Writes a day's file under another name, and puts it in its place when it is whole."""

    def __init__(self, path: Path, head: Head) -> None:
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._raw = self._part.open("wb")
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)  # the same day gives the same bytes
        self._hash, self._lines = hashlib.sha256(), 0
        self.line(
            {
                "format": FORMAT,
                "version": VERSION,
                "fleet": head.fleet,
                "day": head.day.isoformat(),
                "timezone": head.timezone,
                **{name: getattr(head, name).astimezone(UTC).isoformat() for name in ("since", "until", "horizon")},
                "rules": head.rules,
            }
        )

    def line(self, body: Line) -> None:
        """Add a line."""
        data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._hash.update(data)
        self._lines += 1
        self._file.write(data)

    def end(self, derived: dict[str, dict[str, Any]]) -> None:
        """The last line; the file is in its place when this returns."""
        self.line({"end": self._lines, "sha256": self._hash.hexdigest(), "derived": derived})
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._part.replace(self._path)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._raw.closed:
            with contextlib.suppress(OSError):  # a full disk is why it goes, perhaps
                self._file.close()
            self._raw.close()
        self._part.unlink(missing_ok=True)


def read(path: Path) -> tuple[Head, Iterator[Line]]:
    """A file's head and its other lines. The last one is given only after everything before it proved whole.

    Raises
    ------
    BadFile
        At once, or while the lines are read.
    """
    lines = _lines(path)
    first = next(lines, {})
    if first.get("format") != FORMAT:
        raise BadFile(f"{path} is no recorded day: make one with roundsman-hub record")
    if first.get("version") not in READS:
        raise BadFile(
            f"{path} is of version {first.get('version')}, this release reads {READS[0]} to {READS[-1]}: use the one that made it"
        )
    try:
        head = Head(
            fleet=str(first["fleet"]),
            day=date.fromisoformat(first["day"]),
            timezone=str(first["timezone"]),
            since=datetime.fromisoformat(first["since"]),
            until=datetime.fromisoformat(first["until"]),
            horizon=datetime.fromisoformat(first["horizon"]),
            rules=int(first["rules"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"{path}: its first line is not one of a recorded day ({error})") from None
    return head, lines


def verify(path: Path) -> Head:
    """Read a file to its end: is it whole?

    Raises
    ------
    BadFile
        It is not.
    """
    head, lines = read(path)
    for _ in lines:
        pass
    return head


def _lines(path: Path) -> Iterator[Line]:
    hashed, count, ended = hashlib.sha256(), 0, False
    try:
        with gzip.open(path, "rb") as file:
            while data := file.readline(MAX_LINE_BYTES):
                if ended or not data.endswith(b"\n"):
                    raise BadFile(f"{path} is damaged at line {count + 1}")
                line = json.loads(data)
                if not isinstance(line, dict):
                    raise BadFile(f"{path} is damaged at line {count + 1}")
                if "end" in line:
                    ended = True
                    if line["end"] != count or line.get("sha256") != hashed.hexdigest():
                        raise BadFile(f"{path} was changed after it was made: its lines do not give the sum in its last one")
                hashed.update(data)
                count += 1
                yield line
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadFile(f"{path} cannot be read: {error}") from None
    if not ended:
        raise BadFile(f"{path} was cut: its last line is missing")


def differences(values: list[int | None]) -> list[int | None]:
    """A column as its first value and the steps from each to the next; what is not there is stepped over."""
    out: list[int | None] = []
    before = 0
    for value in values:
        out.append(None if value is None else value - before)
        before = before if value is None else value
    return out


def summed(steps: list[int | None]) -> list[int | None]:
    """The column that `differences` was made of."""
    out: list[int | None] = []
    at = 0
    for step in steps:
        at += step or 0
        out.append(None if step is None else at)
    return out
