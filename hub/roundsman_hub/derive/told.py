"""What drivers told beyond the outcome of a stop: scans, reports, an order of their own, risks, messages, proofs. Pure: facts to rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from roundsman_wire.messages import Action, AnyEntry, DepotCall, Note, Proof, Reordered, Report, Risk, Said, Scan, UnknownEntry

MAX_INT: Final = 2**31 - 1
MAX_BIGINT: Final = 2**62
MESSAGE_TOPIC: Final = "message "
"""A unit notes under this topic, with the message's id, that a dispatcher's words are on the driver's screen."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRow:
    """One row of one table, without what every row of a session has. `seq` is the fact's own number."""

    table: str
    seq: int
    columns: Mapping[str, Any]


def told(seq: int, entry: AnyEntry | UnknownEntry, at: datetime | None) -> list[ToldRow]:
    """Rows of one fact; none where it is of another kind, or where the tables cannot hold what it says."""
    match entry:
        case Scan():
            found = [_row("scans", seq, at, parcel=entry.parcel, event=entry.event, order_id=entry.stop, place=entry.place,
                          by_what=entry.by, driver_id=entry.driver)]  # fmt: skip
        case Report():
            found = [_row("reports", seq, at, report=entry.report, topic=entry.topic, text=entry.text, order_id=entry.stop,
                          lat_e6=entry.lat_e6, lon_e6=entry.lon_e6, driver_id=entry.driver)]  # fmt: skip
            found += _proofs(seq, at, entry.report, entry.stop, entry.proofs)
        case Reordered():
            stops = json.dumps(entry.stops)
            found = [_row("reorders", seq, at, version=entry.plan_version, stops=stops, by_whom=entry.by, reason=entry.reason)]
        case Risk():
            if _instant(entry.eta_utc_ms) is None or _instant(entry.promise_end_utc_ms) is None:
                return []
            found = [_row("risks", seq, at, order_id=entry.stop, eta=_instant(entry.eta_utc_ms),
                          promise_end=_instant(entry.promise_end_utc_ms), late_s=entry.late_s)]  # fmt: skip
        case DepotCall():
            found = [_row("depot_calls", seq, at, call=entry.call, stop=entry.stop, event=entry.event, version=entry.plan_version,
                          tasks=json.dumps(entry.tasks), undoes=entry.undoes, driver_id=entry.driver)]  # fmt: skip
        case Said():
            found = [_row("driver_words", seq, at, message=entry.message, text=entry.text, about=entry.about, order_id=entry.stop,
                          driver_id=entry.driver)]  # fmt: skip
        case Note(topic=topic) if topic.startswith(MESSAGE_TOPIC):
            found = [_row("messages_shown", seq, at, message=topic.removeprefix(MESSAGE_TOPIC))]
        case Action():
            found = _proofs(seq, at, entry.action, entry.stop, entry.proofs)
        case _:
            return []
    return found if all(_fits(value) for row in found for value in row.columns.values()) else []


def _proofs(seq: int, at: datetime | None, fact: str, order_id: str | None, proofs: tuple[Proof, ...]) -> list[ToldRow]:
    unlike = {proof.sha256: proof for proof in proofs}
    return [
        _row("proofs", seq, at, sha256=p.sha256, order_id=order_id, fact=fact, kind=p.kind, bytes=p.bytes, media_type=p.media_type)
        for p in unlike.values()
    ]


def _row(table: str, seq: int, at: datetime | None, **columns: Any) -> ToldRow:
    return ToldRow(table=table, seq=seq, columns=columns | {"at": at})


def _instant(utc_ms: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=utc_ms)
    except OverflowError:
        return None


def _fits(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and "\\u0000" not in value
    return not isinstance(value, int) or abs(value) <= MAX_BIGINT
