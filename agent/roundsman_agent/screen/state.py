"""What the driver's screen shows, as one JSON object. Computed from the unit and the clock; nothing is kept here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from roundsman_agent.board import Board
from roundsman_agent.pipeline import Position
from roundsman_agent.work import Work
from roundsman_core import calls, timeline
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timeline import Arrival
from roundsman_wire.messages import RELOAD, DepotCall, Parcel, Plan, PlanStop

UNDO_S: Final = 60
"""Business seconds in which a tap can be taken back; after that the customer may have been told."""
FRESH_S: Final = 5.0
"""A receiver speaks every second; a position older than this is marked."""
FRESH_REAL_S: Final = 2.0
"""In a pretend world, whose time runs fast, a busy machine makes every position look old."""
FOLLOWING: Final = 40
NEAR_M: Final = 150.0
"""The driver looks for the door now, not for the way."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the screen's state is computed from."""

    now_utc_ms: int
    mono_ms: int
    factor: float
    vehicle: str
    language: str
    online: bool
    link_since_utc_ms: int
    link_reason: str
    board: Board
    position: Position | None
    plan: Plan | None
    plan_hash: str
    valid_until_utc_ms: int | None
    backlog: int
    work: Work


def screen(view: View) -> dict[str, Any]:
    """The state that the page paints and simulated drivers follow."""
    work, stops, times = view.work, view.work.stops, view.work.times
    positions = _positions(view, stops)
    return {
        "now_utc_ms": view.now_utc_ms,
        "vehicle": view.vehicle,
        "language": work.language or view.language,
        "time_zone": work.time_zone,
        "distance_unit": work.distance_unit,
        "link": {"state": "online" if view.online else "offline", "since_utc_ms": view.link_since_utc_ms, "reason": view.link_reason},
        "fix": _fix(view.position, view.mono_ms, view.factor),
        "moving": work.moving,
        "duty": view.board.duty,
        "driver": view.board.driver,
        "plan": None if view.plan is None else _plan(view, view.plan, sum(position is not None for position in positions)),
        "next": _next(view, stops[0], times[0], positions[0]) if stops else None,
        "following": [
            _following(view, stop, time, position)
            for stop, time, position in zip(stops[1:FOLLOWING], times[1:FOLLOWING], positions[1:FOLLOWING], strict=True)
        ],
        "offer": _offer(work),
        "notice": None
        if work.notice is None
        else {
            "version": work.notice.version,
            "changes": list(work.notice.changes),
            "reason": work.notice.reason,
            "changes_said": work.notice.changes_said,
            "reason_said": work.notice.reason_said,
            "since_utc_ms": work.notice.since_utc_ms,
        },
        "loading": _loading(view),
        "risks": [
            {"stop": stop.stop, "name": stop.name, "late_s": view.board.risks[stop.stop]} for stop in stops if stop.stop in view.board.risks
        ],
        "reorder": _reorder(view),
        "messages": [
            {"message": m.command.command, "text": m.command.text, "stop": m.command.stop, "utc_ms": m.utc_ms, "answered": m.answered}
            for m in work.messages
        ],
        "blobs_waiting": work.blobs_waiting,
        "hours": None
        if work.clocks is None
        else {
            "rule": work.clocks.rule,
            "to_break_s": work.clocks.to_break_s,
            "driving_s": work.clocks.driving_s,
            "duty_s": work.clocks.duty_s,
            "drivable_s": work.clocks.drivable_s,
        },
        "last_action": _last_action(view),
        "backlog": view.backlog,
    }


def moved(shown: Mapping[str, Any], position: Position | None, *, now_utc_ms: int, mono_ms: int, factor: float) -> dict[str, Any]:
    """What is different when nothing but the position and the time has changed since `shown`: a tenth of the work, once a second."""
    following, at = shown["next"], _fresh(position, mono_ms, factor)
    return {
        "now_utc_ms": now_utc_ms,
        "fix": _fix(position, mono_ms, factor),
        "next": None if following is None else _distance(at, following["lat_e6"], following["lon_e6"]),
    }


def _fix(at: Position | None, mono_ms: int, factor: float) -> dict[str, Any]:
    if at is None:
        return {"state": "none", "lat_e6": None, "lon_e6": None, "speed_cm_s": None, "age_s": None}
    age_s = max(mono_ms - at.mono_ms, 0) / 1000
    return {
        "state": "stale" if _fresh(at, mono_ms, factor) is None else "ok",
        "lat_e6": at.position.lat_e6,
        "lon_e6": at.position.lon_e6,
        "speed_cm_s": None if at.speed_mps is None else round(at.speed_mps * 100),
        "age_s": round(age_s, 1),
    }


def _fresh(at: Position | None, mono_ms: int, factor: float) -> Position | None:
    """Where the van is; None where only older places are known: how far it is from there would be told as if it stood there still."""
    return at if at is not None and mono_ms - at.mono_ms <= 1000 * max(FRESH_S, FRESH_REAL_S * factor) else None


def _distance(at: Position | None, lat_e6: int, lon_e6: int) -> dict[str, Any]:
    """How far it is by road, as the ETA beside it is; and whether the driver looks for the door."""
    if at is None:
        return {"distance_m": None, "near": False}
    straight_m = distance_m(at.position, LatLon.from_e6(lat_e6, lon_e6))
    return {"distance_m": round(straight_m * timeline.DETOUR), "near": straight_m <= NEAR_M}


def _plan(view: View, plan: Plan, remaining: int) -> dict[str, Any]:
    done = view.board.done_this_shift()
    return {
        "version": plan.version,
        "hash": view.plan_hash,
        "issued_utc_ms": plan.issued_utc_ms,
        "age_s": max(0, (view.now_utc_ms - plan.issued_utc_ms) // 1000),
        "expired": view.valid_until_utc_ms is not None and view.valid_until_utc_ms < view.now_utc_ms,
        "reason": plan.reason,
        "changes": list(plan.changes),
        "stops_total": remaining + len(done),
        "stops_done": len(done),
    }


def _positions(view: View, stops: Sequence[PlanStop]) -> list[int | None]:
    """Numbers of the remaining stops in the shift, from 1. A call at a depot or charger has none: parcels lie by customers' numbers."""
    number, out = len(view.board.done_this_shift()), []
    for stop in stops:
        number += not calls.is_call(stop)
        out.append(None if calls.is_call(stop) else number)
    return out


def _call(view: View, stop: PlanStop) -> dict[str, Any] | None:
    """What is to be done at a depot or charger on the way; None: it is a customer's stop. `parcels` is told in whole numbers even where
    no barcodes are known."""
    if not calls.is_call(stop):
        return None
    place = stop.name.partition(": ")[2] or calls.place_of(stop.stop)[1:]
    if not stop.stop.startswith(RELOAD):
        return {"kind": "charge", "place": place, "service_s": stop.service_s, "parcels": 0}
    goods = _goods(view, stop)
    return {"kind": "load", "place": place, "service_s": stop.service_s, "parcels": sum(one.parcels for one in goods)}


def _goods(view: View, call: PlanStop) -> list[PlanStop]:
    """Deliveries that a call at a depot loads and that are still to be made."""
    stops = view.work.stops
    at = next((at for at, stop in enumerate(stops) if stop.stop == call.stop), None)
    return [] if at is None else list(calls.load_at(stops, at))


def _next(view: View, stop: PlanStop, time: Arrival, position: int | None) -> dict[str, Any]:
    call = _call(view, stop)
    items = stop.items if call is None else tuple(item for one in _goods(view, stop) for item in one.items)
    return {
        "stop": stop.stop,
        "position": position,
        "call": call,
        "kind": stop.kind,
        "name": stop.name,
        "address": stop.address,
        "instructions": stop.instructions,
        "phone": stop.phone,
        "parcels": stop.parcels if call is None else call["parcels"],
        "priority": stop.priority,
        "window_start_utc_ms": stop.window_start_utc_ms,
        "window_end_utc_ms": stop.window_end_utc_ms,
        "promise_start_utc_ms": stop.promise_start_utc_ms,
        "promise_end_utc_ms": stop.promise_end_utc_ms,
        "lat_e6": stop.lat_e6,
        "lon_e6": stop.lon_e6,
        "eta_utc_ms": time.eta_utc_ms,
        "late_s": time.late_s,
        "phase": "arrived" if view.board.phase(stop.stop) == "arrived" else "driving",
        "items": [_item(view.board, item) for item in items],
        "proof": list(stop.proof),
        "has_code": stop.code_sha256 is not None,
        "contact_free": stop.contact_free,
        "pinned": stop.pinned,
        "promise_risk_s": view.board.risks.get(stop.stop, 0),
        "on_map": True,
        **_distance(_fresh(view.position, view.mono_ms, view.factor), stop.lat_e6, stop.lon_e6),
    }


def _following(view: View, stop: PlanStop, time: Arrival, position: int | None) -> dict[str, Any]:
    call = _call(view, stop)
    return {
        "stop": stop.stop,
        "position": position,
        "call": call,
        "kind": stop.kind,
        "name": stop.name,
        "address": stop.address,
        "parcels": stop.parcels if call is None else call["parcels"],
        "window_start_utc_ms": stop.window_start_utc_ms,
        "window_end_utc_ms": stop.window_end_utc_ms,
        "eta_utc_ms": time.eta_utc_ms,
        "late_s": time.late_s,
        "promise_risk_s": view.board.risks.get(stop.stop, 0),
        "pinned": stop.pinned,
    }


def _item(board: Board, item: Parcel) -> dict[str, Any]:
    scan = board.scans.get(item.parcel)
    return {
        "parcel": item.parcel,
        "name": item.name,
        "place": scan.place if scan is not None and scan.place else item.place,
        "weight_g": item.weight_g,
        "loaded": board.loaded(item.parcel),
    }


def _offer(work: Work) -> dict[str, Any] | None:
    offer = work.offer
    if offer is None:
        return None
    names = {stop.stop: stop.name for stop in (*work.stops, *offer.plan.stops)}
    return {
        "version": offer.plan.version,
        "hash": offer.plan_hash,
        "issued_utc_ms": offer.plan.issued_utc_ms,
        "reason": offer.plan.reason,
        "changes": list(offer.plan.changes),
        "reason_said": offer.plan.reason_said,
        "changes_said": offer.plan.changes_said,
        "may_decline": offer.may_decline,
        "safe": offer.safe,
        "next_changes": offer.change.next_changes,
        "before": [{"stop": stop, "name": names[stop]} for stop in offer.change.before],
        "after": [{"stop": stop, "name": names[stop]} for stop in offer.change.after],
    }


def _this_load(left: Sequence[PlanStop]) -> frozenset[str]:
    """Deliveries that are loaded now; the next call at a depot is for the others."""
    found: list[str] = []
    for stop in left:
        if found and calls.is_call(stop) and stop.stop.startswith(RELOAD):
            break
        if stop.kind == "delivery":
            found.append(stop.stop)
    return frozenset(found)


def _loading(view: View) -> dict[str, Any] | None:
    """What has to be in the van now: the last stop's parcels first, for they lie deepest."""
    work = view.work
    if not work.at_depot or work.moving:
        return None
    now = _this_load(work.stops)
    items = [
        _item(view.board, item) | {"stop": stop.stop, "position": position, "name": item.name or stop.name}
        for stop, position in reversed(list(zip(work.stops, _positions(view, work.stops), strict=True)))
        if stop.stop in now
        for item in stop.items
    ]
    if not items:
        return None
    call = work.stops[0].stop if calls.is_call(work.stops[0]) and work.stops[0].stop.startswith(RELOAD) else None
    return {"call": call, "items": items, "loaded": sum(item["loaded"] for item in items), "total": len(items)}


def _reorder(view: View) -> dict[str, Any]:
    limits = None if view.plan is None else view.plan.reorder
    suggestion = view.work.suggestion
    return {
        "allowed": limits is not None and limits.max_moved > 0 and view.board.duty != "off",
        "max_moved": 0 if limits is None else limits.max_moved,
        "suggestion": None
        if suggestion is None
        else {"stops": list(suggestion.stops), "saves_s": suggestion.saves_s, "why": suggestion.why},
    }


def _last_action(view: View) -> dict[str, Any] | None:
    last = view.board.last_action()
    if last is None:
        return None
    stop = next((stop for stop in (view.plan.stops if view.plan else ()) if stop.stop == last.stop), None)
    action, outcome = (last.call, last.event) if isinstance(last, DepotCall) else (last.action, last.outcome)
    return {
        "action": action,
        "stop": last.stop,
        "name": "" if stop is None else stop.name,
        "kind": None if stop is None else stop.kind,
        "outcome": outcome,
        "undo_until_utc_ms": (last.utc_ms or 0) + 1000 * UNDO_S,
    }
