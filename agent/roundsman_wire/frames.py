"""Bytes ↔ log frame. A frame claims an unbroken range of one lane: header, `gone` ranges, CRC, then the body.

All integers little-endian::

    header   version u8 · lane u8 · body_format u8 · 0 u8 · session u64 · first_seq u32 · last_seq u32 · gone u16 · body_crc u32
    gone     (first u32 · last u32 · reason u8) × gone      numbers of the range that the van no longer holds
    crc      u32, CRC-32 of everything before it
    body     facts, format 1: (length u16 · JSON object) × entries
             track, format 1: runs of (count u16 · mono_ms u64 · utc_ms i64 · lat_e6 i32 · lon_e6 i32), each followed by
                              `count` rows of 12 bytes (`ROW`): differences from the row before, the first from the run's own values

A header that cannot be read gives `WireError` from `decode_header`: nothing is known, so nothing is acknowledged. A body
that cannot be read gives `WireError` from `decode_rows` or `decode_entries`, and the header still says which range it was.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from roundsman_wire import WireError, strict_json
from roundsman_wire.messages import FACTS, LANES, MAX_LAT_E6, MAX_LON_E6, MAX_MS, TRACK, AnyEntry, FixRow, SessionId, UnknownEntry

VERSION: Final = 1
BODY_FORMATS: Final = {FACTS: 1, TRACK: 1}
"""Newest body format of each lane. A decoder for every format ever issued stays for ever."""

MAX_FRAME_BYTES: Final = 65_536
"""Bounds a hub's memory per frame; a minute of 1 Hz fixes is under 800 bytes."""
MAX_ENTRY_BYTES: Final = 8_192
MAX_GONE: Final = 512

_SESSION: Final = re.compile(r"[0-9a-f]{16}\Z")
HEADER: Final = struct.Struct("<BBBBQIIHI")
GONE: Final = struct.Struct("<IIB")
CRC: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<H")
RUN: Final = struct.Struct("<HQqii")
ROW: Final = struct.Struct("<HhhHBBBB")
"""One fix: d_ms u16 · d_lat i16 · d_lon i16 · speed u16 (cm/s, 65535 none) · heading u8 (1.5°, 255 none) · accuracy u8 (5 dm, 255 none)
· satellites u8 · flags u8."""
NO_UTC: Final = -(2**63)
HEADING_STEP_CDEG: Final = 150
ACCURACY_STEP_DM: Final = 5
NO_SPEED: Final = 65_535
NO_BYTE: Final = 255
HEADINGS: Final = frozenset((*range(240), NO_BYTE))

GONE_REASONS: Final = {1: "thinned", 2: "damaged", 3: "privacy", 4: "expired", 5: "undecodable"}
"""Why a number is not held: full disk, store damaged, erased on request, released long ago, not readable at the hub."""


class Gone(NamedTuple):
    """Sequence numbers `first` to `last` that the van no longer holds, and why (`GONE_REASONS`)."""

    first: int
    last: int
    reason: int


class Header(NamedTuple):
    """What a frame claims. `body_at` is where its body begins."""

    session: SessionId
    lane: int
    first_seq: int
    last_seq: int
    gone: tuple[Gone, ...]
    body_format: int
    body_crc: int
    body_at: int

    @property
    def held(self) -> int:
        """How many entries the body must hold."""
        return self.last_seq - self.first_seq + 1 - sum(g.last - g.first + 1 for g in self.gone)

    def held_seqs(self) -> Iterator[int]:
        """Sequence numbers of the body's entries, in order."""
        at = self.first_seq
        for gone in self.gone:
            yield from range(at, gone.first)
            at = gone.last + 1
        yield from range(at, self.last_seq + 1)


# ── encoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


def quantise(row: FixRow) -> FixRow:
    """The row as the wire holds it: the van keeps this, so that hub's bytes = edge's bytes.

    Raises
    ------
    WireError
        An instant or a position that no decoder would accept: found here, before it is in the log for good.
    """
    _check_range(row.mono_ms, row.utc_ms, row.lat_e6, row.lon_e6)
    return FixRow(
        mono_ms=row.mono_ms,
        utc_ms=row.utc_ms,
        lat_e6=row.lat_e6,
        lon_e6=row.lon_e6,
        speed_cm_s=None if row.speed_cm_s is None else min(max(row.speed_cm_s, 0), NO_SPEED - 1),
        heading_cdeg=None if row.heading_cdeg is None else round(row.heading_cdeg / HEADING_STEP_CDEG) % 240 * HEADING_STEP_CDEG,
        accuracy_dm=None
        if row.accuracy_dm is None
        else min(max(round(row.accuracy_dm / ACCURACY_STEP_DM), 0), NO_BYTE - 1) * ACCURACY_STEP_DM,
        satellites=min(max(row.satellites, 0), 255),
        flags=row.flags & 0xFF,
    )


def pack_rows(rows: Sequence[FixRow]) -> bytes:
    """Body of a track frame, format 1.

    Parameters
    ----------
    rows : sequence of FixRow
        As `quantise` gives them, in log order.

    Raises
    ------
    WireError
        A row that `quantise` would not have given.
    """
    try:
        return _pack_rows(rows)
    except struct.error as error:
        raise WireError(f"row out of range: {error}") from None


def _pack_rows(rows: Sequence[FixRow]) -> bytes:
    out = bytearray()
    run: list[bytes] = []
    start = before = None
    for row in rows:
        if before is None or start is None or not _continues(before, row) or len(run) == 65_535:
            if start is not None:
                out += _run_header(start, len(run)) + b"".join(run)
            start, run, before = row, [], row
        run.append(
            ROW.pack(
                row.mono_ms - before.mono_ms,
                row.lat_e6 - before.lat_e6,
                row.lon_e6 - before.lon_e6,
                NO_SPEED if row.speed_cm_s is None else row.speed_cm_s,
                NO_BYTE if row.heading_cdeg is None else row.heading_cdeg // HEADING_STEP_CDEG,
                NO_BYTE if row.accuracy_dm is None else row.accuracy_dm // ACCURACY_STEP_DM,
                row.satellites,
                row.flags,
            )
        )
        before = row
    if start is not None:
        out += _run_header(start, len(run)) + b"".join(run)
    return bytes(out)


def _run_header(start: FixRow, count: int) -> bytes:
    return RUN.pack(count, start.mono_ms, NO_UTC if start.utc_ms is None else start.utc_ms, start.lat_e6, start.lon_e6)


def _continues(before: FixRow, row: FixRow) -> bool:
    if (before.utc_ms is None) != (row.utc_ms is None):
        return False
    if before.utc_ms is not None and row.utc_ms is not None and row.utc_ms - before.utc_ms != row.mono_ms - before.mono_ms:
        return False
    return (
        0 <= row.mono_ms - before.mono_ms <= 65_535
        and -32_768 <= row.lat_e6 - before.lat_e6 <= 32_767
        and -32_768 <= row.lon_e6 - before.lon_e6 <= 32_767
    )


def encode_entry(entry: AnyEntry) -> bytes:
    """One fact as its JSON bytes: what the van keeps, sends, and the hub stores.

    Raises
    ------
    WireError
        Longer than `MAX_ENTRY_BYTES`, or text that cannot be kept (a NUL, half a surrogate pair).
    """
    data = strict_json.encode(entry, "entry")
    if len(data) > MAX_ENTRY_BYTES:
        raise WireError(f"entry of {len(data)} bytes; at most {MAX_ENTRY_BYTES}")
    return data


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Body of a facts frame, format 1, from entries as `encode_entry` gives them."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def encode_frame(session: SessionId, lane: int, first_seq: int, last_seq: int, body: bytes, gone: Sequence[Gone] = ()) -> bytes:
    """A frame of bytes. The body must hold every number of the range that is not in `gone`.

    Raises
    ------
    WireError
        A range, session or size that no decoder would accept.
    """
    number, body_format = _session_int(session), BODY_FORMATS.get(lane, 0)
    try:
        head = HEADER.pack(VERSION, lane, body_format, 0, number, first_seq, last_seq, len(gone), zlib.crc32(body))
        head += b"".join(GONE.pack(*g) for g in gone)
    except struct.error as error:
        raise WireError(f"frame of lane {lane}, {first_seq} to {last_seq}, {len(gone)} gone ranges: {error}") from None
    data = head + CRC.pack(zlib.crc32(head)) + body
    decode_header(data)
    return data


def _session_int(session: SessionId) -> int:
    if not _SESSION.match(session):
        raise WireError(f"session {session!r} is not sixteen lower-case hex digits")
    return int(session, 16)


def _check_range(mono_ms: int, utc_ms: int | None, lat_e6: int, lon_e6: int) -> None:
    instants = 0 <= mono_ms <= MAX_MS and (utc_ms is None or 0 <= utc_ms <= MAX_MS)
    if not (instants and abs(lat_e6) <= MAX_LAT_E6 and abs(lon_e6) <= MAX_LON_E6):
        raise WireError(f"fix out of range: mono_ms {mono_ms}, utc_ms {utc_ms}, lat_e6 {lat_e6}, lon_e6 {lon_e6}")


# ── decoding ────────────────────────────────────────────────────────────────────────────────────────────────────────


def decode_header(data: bytes) -> Header:
    """Read and check what a frame claims.

    Raises
    ------
    WireError
        Not a frame of this version, or damaged: nothing may be concluded from it.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise WireError(f"frame of {len(data)} bytes; at most {MAX_FRAME_BYTES}")
    if len(data) < HEADER.size + CRC.size:
        raise WireError(f"frame of {len(data)} bytes is shorter than its header")
    version, lane, body_format, zero, session, first, last, gone_count, body_crc = HEADER.unpack_from(data)
    if version != VERSION or zero != 0:
        raise WireError(f"frame version {version}.{zero}; this side reads {VERSION}.0")
    if gone_count > MAX_GONE:
        raise WireError(f"{gone_count} gone ranges; at most {MAX_GONE}")
    body_at = HEADER.size + gone_count * GONE.size + CRC.size
    if len(data) < body_at:
        raise WireError("frame ends inside its gone ranges")
    if CRC.unpack_from(data, body_at - CRC.size)[0] != zlib.crc32(memoryview(data)[: body_at - CRC.size]):
        raise WireError("frame header's CRC does not match")
    if lane not in LANES:
        raise WireError(f"no lane {lane}")
    if not 1 <= first <= last:
        raise WireError(f"range {first} to {last} is not a range")
    gone: list[Gone] = []
    at = first
    for index in range(gone_count):
        item = Gone(*GONE.unpack_from(data, HEADER.size + index * GONE.size))
        if not at <= item.first <= item.last <= last or item.reason not in GONE_REASONS:
            raise WireError(f"gone range {item} is out of order, out of {first} to {last}, or without a reason")
        gone.append(item)
        at = item.last + 1
    return Header(f"{session:016x}", lane, first, last, tuple(gone), body_format, body_crc, body_at)


def body_of(header: Header, data: bytes) -> bytes:
    """The body's bytes, checked against the header's CRC.

    Raises
    ------
    WireError
        The CRC does not match, or the format is newer than this side.
    """
    body = data[header.body_at :]
    if zlib.crc32(body) != header.body_crc:
        raise WireError("frame body's CRC does not match")
    if header.body_format != BODY_FORMATS[header.lane]:
        raise WireError(f"body format {header.body_format} of lane {header.lane} is not known to this side")
    return body


def decode_rows(header: Header, data: bytes) -> list[FixRow]:
    """All fixes of a track frame, or none.

    Raises
    ------
    WireError
        The body is damaged, out of range, or does not hold what the header claims.
    """
    if header.lane != TRACK:
        raise WireError("not a track frame")
    body = body_of(header, data)
    rows: list[FixRow] = []
    at, wanted = 0, header.held
    while at < len(body):
        if len(body) - at < RUN.size:
            raise WireError("track body ends inside a run's head")
        count, mono, utc, lat, lon = RUN.unpack_from(body, at)
        at += RUN.size
        if count == 0 or len(rows) + count > wanted or len(body) - at < count * ROW.size:
            raise WireError(f"run of {count} rows does not fit the frame")
        for d_ms, d_lat, d_lon, speed, heading, accuracy, satellites, flags in ROW.iter_unpack(body[at : at + count * ROW.size]):
            mono, lat, lon = mono + d_ms, lat + d_lat, lon + d_lon
            if utc != NO_UTC:
                utc += d_ms
            _check_range(mono, None if utc == NO_UTC else utc, lat, lon)
            if heading not in HEADINGS:
                raise WireError(f"heading {heading} is out of range")
            rows.append(
                FixRow(
                    mono_ms=mono,
                    utc_ms=None if utc == NO_UTC else utc,
                    lat_e6=lat,
                    lon_e6=lon,
                    speed_cm_s=None if speed == NO_SPEED else speed,
                    heading_cdeg=None if heading == NO_BYTE else heading * HEADING_STEP_CDEG,
                    accuracy_dm=None if accuracy == NO_BYTE else accuracy * ACCURACY_STEP_DM,
                    satellites=satellites,
                    flags=flags,
                )
            )
        at += count * ROW.size
    if len(rows) != wanted:
        raise WireError(f"body holds {len(rows)} fixes, its header claims {wanted}")
    return rows


def decode_entries(header: Header, data: bytes) -> list[bytes]:
    """All facts of a frame as received bytes, each checked to be a JSON object with `kind` and `mono_ms`; or none.

    Raises
    ------
    WireError
        The body is damaged or does not hold what the header claims.
    """
    if header.lane != FACTS:
        raise WireError("not a facts frame")
    body = body_of(header, data)
    entries: list[bytes] = []
    at, wanted = 0, header.held
    while at < len(body):
        if len(body) - at < 2:
            raise WireError("facts body ends inside a length")
        length = int.from_bytes(body[at : at + 2], "little")
        at += 2
        if length > MAX_ENTRY_BYTES or len(body) - at < length or len(entries) == wanted:
            raise WireError(f"entry of {length} bytes does not fit the frame")
        entry = body[at : at + length]
        parse_entry(entry)
        entries.append(entry)
        at += length
    if len(entries) != wanted:
        raise WireError(f"body holds {len(entries)} entries, its header claims {wanted}")
    return entries


_known: msgspec.json.Decoder[AnyEntry] = msgspec.json.Decoder(AnyEntry)
_unknown = msgspec.json.Decoder(UnknownEntry)


def parse_entry(data: bytes) -> AnyEntry | UnknownEntry:
    """A fact from its JSON bytes. A kind from the future, or a known one whose fields this side cannot read, is an `UnknownEntry`.

    Raises
    ------
    WireError
        Not a JSON object with `kind` and `mono_ms`, or an instant outside 0 to 2⁵³ ms.
    """
    envelope = strict_json.decode(data, _unknown, "entry")
    try:
        return _known.decode(data)
    except msgspec.DecodeError:
        return envelope
