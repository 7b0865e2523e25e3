"""Rows as the documents that the live page gets: one for each van, plan, order and event. Pure.

One encoding is shared by all who listen, whatever they read in: reasons are in English, and in `said` by code and parameters, from
which a page tells them in its own language (`GET /v1/sentences`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from roundsman_hub.dispatch.delivery import NO_ANSWER
from roundsman_hub.domain.sentences import plain

Row = Mapping[str, Any]
Document = dict[str, Any]
_FIRST_SHOWN: Final = 4


def _deg(e6: int | None) -> float | None:
    return None if e6 is None else e6 / 1e6


def vehicle(r: Row) -> Document:
    """A van as it is now."""
    return {
        "vehicle": r["vehicle_id"],
        "name": r["name"],
        "depot": r["depot_id"],
        "driver": r["driver_name"],
        "driver_phone": r["driver_phone"],
        "capacity": r["capacity"],
        "shift_start": r["shift_start"],
        "shift_end": r["shift_end"],
        "online": r["online"],
        "duty": r["duty"],
        "time": r["time"],
        "seen_real_at": r["seen_real_at"],
        "lat_deg": _deg(r["lat_e6"]),
        "lon_deg": _deg(r["lon_e6"]),
        "speed_mps": None if r["speed_cm_s"] is None else r["speed_cm_s"] / 100,
        "heading_deg": None if r["heading_cdeg"] is None else r["heading_cdeg"] / 100,
        "next_stop": r["next_stop"],
        "backlog": r["backlog"],
        "plan_version": r["plan_version"],
        "plan_state": plan_state(r["receipts"]),
    }


def plan_state(receipts: Collection[str]) -> str:
    """How far a plan came, in one word: what the van last said of it, or `sent` while it said nothing."""
    return next((state for state in ("refused", "declined", "accepted", "shown", "in_force", "held") if state in receipts), "sent")


def plan(r: Row, route: list[list[float]]) -> Document:
    """A van's newest plan, stops as they are driven. `own_order`: that is the driver's order. `route`: [lon_deg, lat_deg] pairs by road."""
    return {
        "vehicle": r["vehicle_id"],
        "version": r["version"],
        "issued_at": r["issued_at"],
        "answer_due_real_at": r["issued_real_at"] + NO_ANSWER,
        "valid_until": r["valid_until"],
        "reason": r["reason"],
        "changes": r["changes"],
        "said": plain(r["reason"]),
        "changes_said": [sentence for change in r["changes"] for sentence in plain(change)],
        "stops": [stop["stop"] for stop in r["plan"]["stops"]],
        "own_order": r["own_order"],
        "travel_times": r["plan"].get("travel_times", "great_circle"),
        "route": route,
    }


def order(r: Row) -> Document:
    """An order on the live page: no telephone number, no link."""
    same = (
        "reference",
        "kind",
        "name",
        "address",
        "placed",
        "window_start",
        "window_end",
        "promise_start",
        "promise_end",
        "parcels",
        "service_s",
        "priority",
    )
    more = ("state", "reason", "position", "eta", "eta_low", "eta_high", "eta_basis", "arrived_at", "done_at")
    return {
        "order": r["order_id"],
        "depot": r["depot_id"],
        "lat_deg": _deg(r["lat_e6"]),
        "lon_deg": _deg(r["lon_e6"]),
        "vehicle": r["vehicle_id"],
        **{field: r[field] for field in (*same, *more)},
        **({"said": plain(r["reason"])} if r["reason"] else {}),
    }


def message(r: Row) -> Document:
    """A line between a dispatcher and a driver."""
    same = ("message", "said_by", "text", "about", "at", "state")
    return {"vehicle": r["vehicle_id"], "order": r["order_id"], **{field: r[field] for field in same}}


def report(r: Row) -> Document:
    """What a driver reports, until somebody has seen to it."""
    same = ("report", "topic", "text", "at")
    return {
        "vehicle": r["vehicle_id"],
        "order": r["order_id"],
        "lat_deg": _deg(r["lat_e6"]),
        "lon_deg": _deg(r["lon_e6"]),
        **{field: r[field] for field in same},
    }


def alert(r: Row) -> Document:
    """What the record says that somebody should look at: a crossing, a long stand, a position that was dropped."""
    return {
        "vehicle": r["vehicle_id"],
        "order": r["order_id"],
        "fence": r["fence_id"],
        **{field: r[field] for field in ("alert", "kind", "from_at", "to_at", "detail")},
    }


def event(r: Row) -> Document:
    """One line of what happened: `text` in English; a page that speaks otherwise says it from kind, subjects and `why`."""
    subject = r["subject"]
    is_vehicle = r["kind"] == "plan.issued"
    return {
        "id": r["id"],
        "at": r["at"],
        "kind": r["kind"],
        "vehicle": subject if is_vehicle else None,
        "order": None if is_vehicle else subject,
        "text": _TEXTS[r["kind"]](r),
        "why": r["body"].get("reason") or None,
        **({"said": plain(r["body"]["reason"])} if r["body"].get("reason") else {}),
    }


def _order_name(r: Row) -> str:
    return " ".join(part for part in (r["reference"], r["order_name"]) if part) or str(r["subject"])


def _plan_text(r: Row) -> str:
    changes = list(r["body"].get("changes") or ())
    more = f"; and {len(changes) - _FIRST_SHOWN} more" if len(changes) > _FIRST_SHOWN else ""
    told = f": {'; '.join(changes[:_FIRST_SHOWN])}{more}" if changes else ""
    return f"{r['vehicle_name'] or r['subject']} gets a new plan ({r['body'].get('reason') or 'no reason given'}){told}"


def _created_text(r: Row) -> str:
    urgent = "Urgent " if r["body"].get("priority", 0) >= 8 else "New "
    return f"{urgent}{r['body'].get('kind', 'delivery')} {_order_name(r)}"


def _late(r: Row) -> str:
    late_s = r["body"].get("late_s")
    return "" if late_s is None or late_s < 60 else f", {round(late_s / 60)} min late"


_TEXTS: Final[dict[str, Callable[[Row], str]]] = {
    "plan.issued": _plan_text,
    "order.created": _created_text,
    "order.cancelled": lambda r: f"{_order_name(r)} cancelled",
    "order.changed": lambda r: f"{_order_name(r)} changed",
    "order.pinned": lambda r: f"{_order_name(r)} has its place",
    "stop.arrived": lambda r: f"{r['vehicle_name']} arrived at {_order_name(r)}{_late(r)}",
    "stop.delivered": lambda r: f"{_order_name(r)} done by {r['vehicle_name']}{_late(r)}",
    "stop.failed": lambda r: f"{_order_name(r)} failed: {r['body'].get('reason') or 'no reason given'} ({r['vehicle_name']})",
}
