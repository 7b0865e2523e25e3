"""Fixes of many frames at once: packed rows → columns in one numpy pass → binary COPY. Pure.

One pass over 200 frames costs 0.6 µs a fix; objects made from JSON cost ten times that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_wire import WireError
from roundsman_wire.frames import ACCURACY_STEP_DM, HEADING_STEP_CDEG, NO_BYTE, NO_SPEED, NO_UTC, ROW, RUN, Header, body_of
from roundsman_wire.messages import MAX_MS, TRACK

Ints = npt.NDArray[np.int64]

_ROW: Final = np.dtype(
    [
        ("d_ms", "<u2"),
        ("d_lat", "<i2"),
        ("d_lon", "<i2"),
        ("speed", "<u2"),
        ("heading", "u1"),
        ("accuracy", "u1"),
        ("satellites", "u1"),
        ("flags", "u1"),
    ]
)
NONE: Final = -1
"""Speed, heading or accuracy that is not known."""
_MAX_HEADING: Final = 239
_PG_EPOCH_MS: Final = 946_684_800_000
"""PostgreSQL counts from 2000-01-01."""
COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TAIL: Final = b"\xff\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixes:
    """Columns of fixes, all int64 of one length. `frame` is the index of the frame that each came in.

    utc_ms : `NO_UTC` where the van did not know the date. speed, heading, accuracy : `NONE` where not known.
    """

    frame: Ints
    seq: Ints
    mono_ms: Ints
    utc_ms: Ints
    lat_e6: Ints
    lon_e6: Ints
    speed_cm_s: Ints
    heading_cdeg: Ints
    accuracy_dm: Ints
    satellites: Ints
    flags: Ints

    def __len__(self) -> int:
        return len(self.seq)

    def where(self, mask: npt.NDArray[np.bool_]) -> Fixes:
        """The rows for which `mask` holds."""
        return Fixes(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


def unpack(frames: Sequence[tuple[Header, bytes]]) -> tuple[Fixes, dict[int, WireError]]:
    """Fixes of all readable track frames, and why the others are not readable, by index.

    A frame is read whole or not at all, by the same rules as `frames.decode_rows`.
    """
    refused: dict[int, WireError] = {}
    runs: list[tuple[int, int, int, int, int, int]] = []  # frame, count, mono, utc, lat, lon
    packed: list[memoryview] = []
    pieces: list[tuple[int, int]] = []  # unbroken ranges of numbers: first, how many
    for index, (header, data) in enumerate(frames):
        try:
            found, rows = _runs(header, data)
        except WireError as error:
            refused[index] = error
            continue
        runs += [(index, *run) for run in found]
        packed += rows
        pieces += _pieces(header)
    raw = np.frombuffer(b"".join(packed), _ROW)
    table = np.array(runs, np.int64).reshape(len(runs), 6)
    counts = table[:, 1]
    starts = np.cumsum(counts) - counts

    def summed(column: str, at: int) -> Ints:
        """Differences added up within each run, from the run's own value."""
        total = np.cumsum(raw[column], dtype=np.int64)
        before = np.where(starts > 0, total[starts - 1], 0) if len(total) else total
        return total - np.repeat(before - table[:, at], counts)

    timed = np.repeat(table[:, 3] != NO_UTC, counts)
    mono = summed("d_ms", 2)
    fixes = Fixes(
        frame=np.repeat(table[:, 0], counts),
        seq=_numbers(pieces),
        mono_ms=mono,
        utc_ms=np.where(timed, mono + np.repeat(np.where(table[:, 3] != NO_UTC, table[:, 3] - table[:, 2], 0), counts), NO_UTC),
        lat_e6=summed("d_lat", 4),
        lon_e6=summed("d_lon", 5),
        speed_cm_s=_known(raw["speed"], NO_SPEED, 1),
        heading_cdeg=_known(raw["heading"], NO_BYTE, HEADING_STEP_CDEG),
        accuracy_dm=_known(raw["accuracy"], NO_BYTE, ACCURACY_STEP_DM),
        satellites=raw["satellites"].astype(np.int64),
        flags=raw["flags"].astype(np.int64),
    )
    good = (
        (fixes.mono_ms <= MAX_MS)
        & (~timed | ((fixes.utc_ms >= 0) & (fixes.utc_ms <= MAX_MS)))
        & (np.abs(fixes.lat_e6) <= 90_000_000)
        & (np.abs(fixes.lon_e6) <= 180_000_000)
        & ((raw["heading"] <= _MAX_HEADING) | (raw["heading"] == NO_BYTE))
    )
    if not good.all():
        bad = np.unique(fixes.frame[~good])
        refused |= {int(index): WireError("fix out of range") for index in bad}
        fixes = fixes.where(~np.isin(fixes.frame, bad))
    return fixes, refused


def _runs(header: Header, data: bytes) -> tuple[list[tuple[int, int, int, int, int]], list[memoryview]]:
    if header.lane != TRACK:
        raise WireError("not a track frame")
    body = memoryview(body_of(header, data))
    runs: list[tuple[int, int, int, int, int]] = []
    rows: list[memoryview] = []
    at, held = 0, 0
    wanted = header.held if header.gone else header.last_seq - header.first_seq + 1
    while at < len(body):
        if len(body) - at < RUN.size:
            raise WireError("track body ends inside a run's head")
        count, mono, utc, lat, lon = RUN.unpack_from(body, at)
        at += RUN.size
        end = at + count * ROW.size
        held += count
        if count == 0 or held > wanted or end > len(body):
            raise WireError(f"run of {count} rows does not fit the frame")
        if mono > MAX_MS or (utc != NO_UTC and abs(utc) > MAX_MS):  # beyond it, the sums below could wrap
            raise WireError(f"run out of range: mono_ms {mono}, utc_ms {utc}")
        runs.append((count, mono, utc, lat, lon))
        rows.append(body[at:end])
        at = end
    if held != wanted:
        raise WireError(f"body holds {held} fixes, its header claims {wanted}")
    return runs, rows


def _pieces(header: Header) -> list[tuple[int, int]]:
    """The header's numbers without those that are gone: (first, how many) of each unbroken range."""
    if not header.gone:
        return [(header.first_seq, header.last_seq - header.first_seq + 1)]
    pieces, at = [], header.first_seq
    for gone in header.gone:
        pieces.append((at, gone.first - at))
        at = gone.last + 1
    return [*pieces, (at, header.last_seq - at + 1)]


def _numbers(pieces: Sequence[tuple[int, int]]) -> Ints:
    table = np.array(pieces, np.int64).reshape(len(pieces), 2)
    counts = table[:, 1]
    ends = np.cumsum(counts)
    before: Ints = np.repeat(table[:, 0] - (ends - counts), counts)
    return before + np.arange(len(before), dtype=np.int64)


def _known(raw: npt.NDArray[Any], none: int, step: int) -> Ints:
    return np.where(raw == none, NONE, raw.astype(np.int64) * step)


# ── binary COPY ─────────────────────────────────────────────────────────────────────────────────────────────────────


def copy_bytes(fixes: Fixes, vehicles: Sequence[str], session_nos: Sequence[int], *, timed: bool) -> bytes:
    """Rows of `log.fixes` (timed) or `log.fixes_untimed` in PostgreSQL's binary COPY format, without head and tail.

    Rows of equal layout (the same fields null, a vehicle id of the same length) are written as one numpy array.

    Parameters
    ----------
    vehicles, session_nos : sequences
        Vehicle id and session number of each frame.
    timed : bool
        Write `time`, the first column of `log.fixes`; otherwise `utc_ms`, which may be null.
    """
    if not len(fixes):
        return b""
    names = np.array([vehicle.encode("ascii") for vehicle in vehicles])
    sessions = np.array(session_nos, np.int64)
    lengths = np.array([len(vehicle) for vehicle in vehicles], np.int64)[fixes.frame]
    nullable = (fixes.speed_cm_s, fixes.heading_cdeg, fixes.accuracy_dm)
    shape = lengths * 16 + sum((column == NONE) * (1 << bit) for bit, column in enumerate(nullable)) + (fixes.utc_ms == NO_UTC) * 8
    out = []
    for value in np.unique(shape):
        some = fixes.where(shape == value)
        width, nulls = int(value) // 16, int(value) % 16
        columns: list[tuple[str, npt.NDArray[Any] | None]] = [
            (f"S{width}", names[some.frame]),
            (">i4", sessions[some.frame]),
            (">i8", some.seq),
            (">i8", some.mono_ms),
            *([] if timed else [(">i8", None if nulls & 8 else some.utc_ms)]),
            (">i4", some.lat_e6),
            (">i4", some.lon_e6),
            (">i4", None if nulls & 1 else some.speed_cm_s),
            (">i4", None if nulls & 2 else some.heading_cdeg),
            (">i4", None if nulls & 4 else some.accuracy_dm),
            (">i2", some.satellites),
            (">i2", some.flags),
        ]
        if timed:
            columns.insert(0, (">i8", (some.utc_ms - _PG_EPOCH_MS) * 1000))
        out.append(_tuples(columns, len(some)))
    return b"".join(out)


def _tuples(columns: Sequence[tuple[str, npt.NDArray[Any] | None]], count: int) -> bytes:
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for at, (kind, values) in enumerate(columns):
        layout.append((f"length{at}", ">i4"))
        if values is not None:
            layout.append((f"value{at}", kind))
    table = np.zeros(count, np.dtype(layout))
    table["fields"] = len(columns)
    for at, (kind, values) in enumerate(columns):
        table[f"length{at}"] = -1 if values is None else np.dtype(kind).itemsize
        if values is not None:
            table[f"value{at}"] = values
    return table.tobytes()
