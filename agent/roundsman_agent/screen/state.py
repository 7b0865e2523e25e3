"""What the driver's screen shows, as one JSON object. Computed from the unit and the clock; nothing is kept here."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from roundsman_agent.board import Board
from roundsman_agent.pipeline import Position
from roundsman_core import timeline
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.timeline import Arrival, StopTime
from roundsman_wire.messages import Plan, PlanStop

UNDO_S: Final = 60
"""Business seconds in which a tap can be taken back; after that the customer may have been told."""
FRESH_S: Final = 5.0
"""A receiver speaks every second; a position older than this is marked."""
FRESH_REAL_S: Final = 2.0
"""In a pretend world, whose time runs fast, a busy machine makes every position look old."""
FOLLOWING: Final = 40


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


def screen(view: View) -> dict[str, Any]:
    """The state that the page paints and simulated drivers follow."""
    stops = [] if view.plan is None else view.board.remaining(view.plan.stops)
    times = expected(view, stops)
    return {
        "now_utc_ms": view.now_utc_ms,
        "vehicle": view.vehicle,
        "language": view.language,
        "link": {"state": "online" if view.online else "offline", "since_utc_ms": view.link_since_utc_ms, "reason": view.link_reason},
        "fix": _fix(view),
        "duty": view.board.duty,
        "driver": view.board.driver,
        "plan": None if view.plan is None else _plan(view, view.plan, len(stops)),
        "next": _next(view, stops[0], times[0]) if stops else None,
        "following": [
            {
                "stop": stop.stop,
                "position": index,
                "name": stop.name,
                "address": stop.address,
                "eta_utc_ms": time.eta_utc_ms,
                "late_s": time.late_s,
            }
            for index, (stop, time) in enumerate(zip(stops[1:FOLLOWING], times[1:FOLLOWING], strict=True), start=_position(view, stops) + 1)
        ],
        "last_action": _last_action(view),
        "backlog": view.backlog,
    }


def expected(view: View, stops: list[PlanStop]) -> list[Arrival]:
    """Arrivals at the remaining stops, by the same timeline as the hub's."""
    if not stops:
        return []
    first = stops[0]
    place = None if view.position is None else view.position.position
    there = LatLon.from_e6(first.lat_e6, first.lon_e6)
    leg_s = first.leg_s if place is None else timeline.first_leg_s(place, there, leg_s=first.leg_s, leg_m=first.leg_m)
    return timeline.arrivals(
        view.now_utc_ms, leg_s, [StopTime.of(stop) for stop in stops], in_progress_since_utc_ms=view.board.arrived_utc_ms(first.stop)
    )


def _fix(view: View) -> dict[str, Any]:
    if view.position is None:
        return {"state": "none", "lat_e6": None, "lon_e6": None, "speed_cm_s": None, "age_s": None}
    at = view.position
    age_s = max(view.mono_ms - at.mono_ms, 0) / 1000
    return {
        "state": "ok" if age_s <= max(FRESH_S, FRESH_REAL_S * view.factor) else "stale",
        "lat_e6": at.position.lat_e6,
        "lon_e6": at.position.lon_e6,
        "speed_cm_s": None if at.speed_mps is None else round(at.speed_mps * 100),
        "age_s": round(age_s, 1),
    }


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


def _position(view: View, stops: list[PlanStop]) -> int:
    """Number of the next stop in the shift, from 1."""
    return len(view.board.done_this_shift()) + (1 if stops else 0)


def _next(view: View, stop: PlanStop, time: Arrival) -> dict[str, Any]:
    place = None if view.position is None else view.position.position
    straight_m = None if place is None else distance_m(place, LatLon.from_e6(stop.lat_e6, stop.lon_e6))
    return {
        "stop": stop.stop,
        "position": _position(view, [stop]),
        "kind": stop.kind,
        "name": stop.name,
        "address": stop.address,
        "instructions": stop.instructions,
        "phone": stop.phone,
        "parcels": stop.parcels,
        "priority": stop.priority,
        "window_start_utc_ms": stop.window_start_utc_ms,
        "window_end_utc_ms": stop.window_end_utc_ms,
        "promise_start_utc_ms": stop.promise_start_utc_ms,
        "promise_end_utc_ms": stop.promise_end_utc_ms,
        "lat_e6": stop.lat_e6,
        "lon_e6": stop.lon_e6,
        # By road, as the ETA beside it is.
        "distance_m": None if straight_m is None else round(straight_m * timeline.DETOUR),
        "eta_utc_ms": time.eta_utc_ms,
        "late_s": time.late_s,
        "phase": "arrived" if view.board.phase(stop.stop) == "arrived" else "driving",
    }


def _last_action(view: View) -> dict[str, Any] | None:
    last = view.board.last_action()
    if last is None:
        return None
    name = next((stop.name for stop in (view.plan.stops if view.plan else ()) if stop.stop == last.stop), "")
    return {
        "action": last.action,
        "stop": last.stop,
        "name": name,
        "outcome": last.outcome,
        "undo_until_utc_ms": (last.utc_ms or 0) + 1000 * UNDO_S,
    }
