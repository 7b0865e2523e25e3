"""Chunks of the track lane as the outbox keeps them: packed rows of a commit, and the numbers among them that are gone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roundsman_wire import WireError, frames
from roundsman_wire.frames import MAX_GONE, Gone
from roundsman_wire.messages import TRACK, FixRow

THIN_TO: Final = 10
"""Of ten fixes one is kept: 10 s at 1 Hz still tells which road was driven (cross-track p95 3 m measured for evidence sampling)."""
THINNED_CHUNK: Final = 2_000
"""Numbers in a thinned chunk: joined chunks share their overhead, and one of these still fits a frame."""
THINNED: Final = 1
DAMAGED: Final = 2
_ANY_SESSION: Final = "0" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Numbers `first` to `last` of a track lane. `thinned`: 0 whole, 1 thinned, 2 all gone."""

    first: int
    last: int
    thinned: int
    gone: tuple[Gone, ...]
    body: bytes


def pack_gone(gone: Sequence[Gone]) -> bytes:
    """Gone ranges as bytes, as a frame's header holds them."""
    return b"".join(frames.GONE.pack(*item) for item in gone)


def unpack_gone(data: bytes) -> tuple[Gone, ...]:
    """Reverse of `pack_gone`."""
    return tuple(Gone(*item) for item in frames.GONE.iter_unpack(data))


def rows_of(chunk: Chunk) -> list[tuple[int, FixRow]]:
    """(number, fix) of everything that the chunk still holds.

    Raises
    ------
    WireError
        The packed bytes are damaged.
    """
    data = frames.encode_frame(_ANY_SESSION, TRACK, chunk.first, chunk.last, chunk.body, chunk.gone)
    header = frames.decode_header(data)
    return list(zip(header.held_seqs(), frames.decode_rows(header, data), strict=True))


def gone_between(held: Sequence[int], first: int, last: int, reason: int) -> tuple[Gone, ...]:
    """The numbers of `first` to `last` that are not in `held`, as ranges with one reason."""
    out, at = [], first
    for number in (*held, last + 1):
        if number > at:
            out.append(Gone(at, number - 1, reason))
        at = number + 1
    return tuple(out)


def thin(run: Sequence[Chunk]) -> list[Chunk]:
    """Neighbouring chunks with one fix in `THIN_TO` left, joined into few."""
    out: list[Chunk] = []
    at = 0
    while at < len(run):
        end = at + 1
        while end < len(run) and run[end].last - run[at].first < THINNED_CHUNK:
            end += 1
        part = run[at:end]
        first, last = part[0].first, part[-1].last
        kept = [item for chunk in part for item in _readable(chunk)][::THIN_TO]
        gone = gone_between([number for number, _ in kept], first, last, THINNED)
        out.append(Chunk(first=first, last=last, thinned=1, gone=gone, body=frames.pack_rows([row for _, row in kept])))
        at = end
    return out


def drop(run: Sequence[Chunk]) -> list[Chunk]:
    """Neighbouring chunks as one that holds nothing."""
    first, last = run[0].first, run[-1].last
    return [Chunk(first=first, last=last, thinned=2, gone=(Gone(first, last, THINNED),), body=b"")]


def _readable(chunk: Chunk) -> list[tuple[int, FixRow]]:
    try:
        return rows_of(chunk)
    except WireError:
        return []


def part(found: Sequence[Chunk], first: int, last: int, missing: int) -> tuple[tuple[Gone, ...], bytes, int]:
    """Gone ranges, packed rows and the last number of a frame from `first` on, out of the chunks that touch it.

    It ends before `last` when it would hold more gone ranges than a frame may. Numbers of no chunk are gone for the
    reason `missing`; those of a chunk that cannot be read are damaged.
    """
    rows: list[FixRow] = []
    gone: list[Gone] = []
    at = first

    def skip(to: int, reason: int) -> None:
        nonlocal at
        if to < at:
            return
        if gone and gone[-1].last == at - 1 and gone[-1].reason == reason:
            gone[-1] = Gone(gone[-1].first, to, reason)
        else:
            gone.append(Gone(at, to, reason))
        at = to + 1

    for chunk in found:
        skip(min(chunk.first - 1, last), missing)
        try:
            held = [(number, row) for number, row in rows_of(chunk) if at <= number <= last]
            reasons = [item for item in chunk.gone if item.last >= at and item.first <= last]
        except WireError:
            held, reasons = [], [Gone(chunk.first, chunk.last, DAMAGED)]
        for number, row in held:
            while reasons and reasons[0].first < number:
                skip(reasons[0].last, reasons.pop(0).reason)
            if len(gone) >= MAX_GONE - 2:
                return tuple(gone), frames.pack_rows(rows), at - 1
            rows.append(row)
            at = number + 1
        for item in reasons:
            skip(min(item.last, last), item.reason)
    skip(last, missing)
    return tuple(gone), frames.pack_rows(rows), last


def expire(gone: Sequence[Gone], first_kept: int, reason: int) -> tuple[Gone, ...]:
    """Ranges below the oldest number that is kept were released long ago: say so, instead of the reason found."""
    out: list[Gone] = []
    for item in gone:
        if item.first < first_kept:
            out.append(Gone(item.first, min(item.last, first_kept - 1), reason))
        if item.last >= first_kept:
            out.append(Gone(max(item.first, first_kept), item.last, item.reason))
    return tuple(out)
