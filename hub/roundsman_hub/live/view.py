"""One fleet's view: what was last read, and what differs when it is read again. Level-triggered: a notice never carries state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from roundsman_hub.instants import END
from roundsman_hub.live import documents
from roundsman_hub.live.documents import Document
from roundsman_hub.live.drawn_plans import DrawnPlans, Wanted
from roundsman_hub.store import alert_store, live as live_store, orders as order_store, talk_store, turns
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

Key = tuple[str, str]
"""Kind of document, and its id."""

READS: Final[dict[str, frozenset[str]]] = {
    # topic of a notice: what to read again
    "vehicle": frozenset({"vehicles"}),
    "plan": frozenset({"vehicles", "orders", "events", "talk"}),
    "alert": frozenset({"alerts"}),
    "message": frozenset({"talk", "turns"}),
    "order": frozenset({"orders", "events", "turns"}),
    "eta": frozenset({"orders"}),
    "planning": frozenset({"orders"}),
    "outbox": frozenset({"turns"}),
    "proposal": frozenset({"turns"}),
    "sites": frozenset({"turns"}),
    "closed": frozenset({"turns"}),
    "night": frozenset({"turns"}),
}
LINES: Final = 200
"""Lines of talk that the page holds."""
EVERYTHING: Final = frozenset({"vehicles", "orders", "events", "talk", "alerts", "turns"})
_ID: Final = {
    "vehicle": "vehicle", "plan": "vehicle", "order": "order", "event": "id", "message": "message", "report": "report", "alert": "alert",
    "turn": "turn",
}  # fmt: skip
_KINDS: Final = {
    "vehicles": ("vehicle", "plan"), "orders": ("order",), "events": ("event",), "talk": ("message", "report"), "alerts": ("alert",),
    "turns": ("turn",),
}  # fmt: skip


class FleetView:
    """What the listeners of one fleet know: each document's bytes. Not safe for several threads."""

    def __init__(self, plans: DrawnPlans) -> None:
        self._plans = plans
        self._sent: dict[Key, bytes] = {}

    def refresh(self, cur: Cursor, parts: Iterable[str], now: datetime) -> dict[Key, bytes]:
        """Read parts of the view again; gives what differs, as server-sent events. A document that is gone is told as `gone`."""
        changed: dict[Key, bytes] = {}
        for part in sorted(parts):
            found = self._read(cur, part, now)
            for key, document in found.items():
                data = document if isinstance(document, bytes) else msgspec.json.encode(document)
                if self._sent.get(key) != data:
                    self._sent[key] = data
                    changed[key] = sse(key[0], data)
            for key in [key for key in self._sent if key[0] in _KINDS[part] and key not in found]:
                del self._sent[key]
                changed[key] = sse("gone", msgspec.json.encode({"kind": key[0], "id": key[1]}))
        return changed

    def snapshot(self) -> bytes:
        """Everything, as one server-sent event: `{"vehicle": […], "plan": […], "order": […], "event": […], …}`."""
        by_kind: dict[str, list[bytes]] = {kind: [] for kind in _ID}
        for (kind, _), data in self._sent.items():
            by_kind[kind].append(data)
        body = b",".join(b'"%s":[%s]' % (kind.encode(), b",".join(data)) for kind, data in by_kind.items())
        return sse("snapshot", b"{" + body + b"}")

    def _read(self, cur: Cursor, part: str, now: datetime) -> dict[Key, Document | bytes]:
        since = live_store.day_start(cur, now)
        found: list[tuple[str, Document]]
        plans: dict[str, bytes] = {}
        if part == "vehicles":
            vans = live_store.vehicles(cur)
            found = [("vehicle", documents.vehicle(r)) for r in vans]
            wanted = plans_of(cur, vans)
            plans = self._plans.drawn(wanted, live_store.plans(cur, self._plans.unread(wanted)))
        elif part == "orders":
            found = [("order", documents.order(r)) for r in order_store.since(cur, since)]
        elif part == "talk":
            found = talk(cur, since, now)
        elif part == "alerts":
            found = [("alert", documents.alert(r)) for r in alert_store.shown(cur, since, now)]
        elif part == "turns":
            found = [("turn", dict(r)) for r in turns.marks(cur, now)]
        else:
            found = [("event", documents.event(r)) for r in live_store.events(cur, since)]
        return {(kind, document[_ID[kind]]): document for kind, document in found} | {
            ("plan", vehicle): data for vehicle, data in plans.items()
        }


def plans_of(cur: Cursor, vans: Iterable[Row]) -> Wanted:
    """The plans that belong to these vans' rows, and how they are driven."""
    versions = {r["vehicle_id"]: r["plan_version"] for r in vans if r["plan_version"] is not None}
    driven = live_store.driven(cur, versions)
    return {vehicle: (version, driven.get(vehicle, ())) for vehicle, version in versions.items()}


def talk(cur: Cursor, since: datetime, now: datetime) -> list[tuple[str, Document]]:
    """Lines between dispatchers and drivers of the day, and reports that nobody has seen to."""
    lines = talk_store.thread(cur, None, since=since, until=END, now=now, limit=LINES)
    reports = talk_store.reports(cur, None, since=since, until=END, unsettled=True, limit=LINES)
    return [("message", documents.message(r)) for r in lines] + [("report", documents.report(r)) for r in reports]


def sse(event: str, data: bytes) -> bytes:
    """One server-sent event. `data` is JSON, so it has no line breaks of its own."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
