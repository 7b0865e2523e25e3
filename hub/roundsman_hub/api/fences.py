"""Doors for standing fences: made, changed, taken away and put back. Vans get them at once, or when they are next online."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response

from roundsman_hub.api import models as m
from roundsman_hub.api.desk import AtDesk, FleetReader, FleetWriter
from roundsman_hub.api.fleet import CursorText, Limit, known, known_zone, next_of, no_nulls
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import documented
from roundsman_hub.store import fleet as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 404, 422, 503))
_DAYS: Final[tuple[m.Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _hours_out(hours: dict[str, int]) -> m.FenceHours:
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in (hours["start_min"], hours["end_min"]))
    return m.FenceHours(days=[day for bit, day in enumerate(_DAYS) if hours["days"] >> bit & 1], start=start, end=end)


def _hours_in(times: list[m.FenceHours] | None) -> list[dict[str, int]] | None:
    """Hours as the contract has them: a bit for each day, minutes since local midnight."""
    if times is None:
        return None
    minutes = [[60 * int(text[:2]) + int(text[3:]) for text in (hours.start, hours.end)] for hours in times]
    return [
        {"days": sum(1 << _DAYS.index(day) for day in set(hours.days)), "start_min": start, "end_min": end}
        for hours, (start, end) in zip(times, minutes, strict=True)
    ]


def fence_out(r: Row) -> m.Fence:
    """A fence as it goes over HTTP."""
    rings = [[(lat / 1e6, lon / 1e6) for lat, lon in ring] for ring in r["rings_e6"]]
    circle = None if r["radius_m"] is None else m.Circle(lat_deg=rings[0][0][0], lon_deg=rings[0][0][1], radius_m=r["radius_m"])
    return m.Fence(
        fence=r["fence_id"],
        name=r["name"],
        circle=circle,
        rings_deg=None if circle else rings,
        dwell_s=r["dwell_s"],
        speed_limit_mps=None if r["speed_limit_cm_s"] is None else r["speed_limit_cm_s"] / 100,
        active=None if r["active"] is None else [_hours_out(hours) for hours in r["active"]],
        time_zone=r["time_zone"],
        no_entry=r["no_entry"],
    )


def _shape_in(shape: m.FenceShape) -> dict[str, Any]:
    """A circle or polygon as the database keeps it."""
    rings = [[(shape.circle.lat_deg, shape.circle.lon_deg)]] if shape.circle else shape.rings_deg or []
    rings_e6 = [[(round(lat * 1e6), round(lon * 1e6)) for lat, lon in ring] for ring in rings]
    return {"rings_e6": rings_e6, "radius_m": shape.circle.radius_m if shape.circle else None}


@router.get("/fences")
def get_fences(desk: AtDesk, caller: FleetReader, cursor: CursorText = "", limit: Limit = 100) -> m.Fences:
    """All standing fences."""
    with desk.db.tenant(caller.fleet) as cur:
        found = rows(cur, store.LIST_FENCES, (cursor, limit))
    return m.Fences(items=[fence_out(r) for r in found], next_cursor=next_of(found, limit, "fence_id"))


@router.post("/fences", status_code=201, response_model=m.Fence)
def post_fence(new: m.NewFence, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make a standing fence; vans get it at once, or when they are next online."""

    def work(cur: Cursor) -> m.Fence:
        known_zone(new.time_zone)
        fence_id = store.add_fence(
            cur,
            caller.fleet,
            name=new.name,
            **_shape_in(new),
            dwell_s=new.dwell_s,
            speed_limit_cm_s=None if new.speed_limit_mps is None else round(new.speed_limit_mps * 100),
            active=_hours_in(new.active),
            time_zone=new.time_zone or store.fleet(cur, caller.fleet)["timezone"],
            no_entry=new.no_entry,
        )
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence_id))

    return once.run(caller, work, status=201)


@router.get("/fences/{fence}")
def get_fence(fence: str, desk: AtDesk, caller: FleetReader) -> m.Fence:
    """One fence."""
    with desk.db.tenant(caller.fleet) as cur:
        return fence_out(known_fence(cur, fence))


@router.patch("/fences/{fence}")
def patch_fence(fence: str, change: m.FenceChange, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Change a fence's name or limits. A fence of another shape is another fence: its crossings tell of the old one."""
    with desk.db.tenant(caller.fleet) as cur:
        known_fence(cur, fence)
        changes = no_nulls(change.model_dump(exclude_unset=True), but=frozenset({"dwell_s", "speed_limit_mps", "active"}))
        known_zone(changes.get("time_zone"))
        if "active" in changes:
            changes["active"] = _hours_in(change.active)
        if "speed_limit_mps" in changes:
            limit = changes.pop("speed_limit_mps")
            changes["speed_limit_cm_s"] = None if limit is None else round(limit * 100)
        store.change(cur, "fences", fence, changes)
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence))


@router.delete("/fences/{fence}", status_code=204)
def delete_fence(fence: str, desk: AtDesk, caller: FleetWriter) -> None:
    """Take a fence away. What was crossed stays known."""
    with desk.db.tenant(caller.fleet) as cur:
        known_fence(cur, fence)
        store.change(cur, "fences", fence, {"deleted_at": desk.clock.now()})
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())


@router.put("/fences/{fence}/shape", response_model=m.Fence)
def put_fence_shape(fence: str, shape: m.FenceShape, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Give a fence another shape: it is then another fence, with the old one's name, limits and hours. Says which."""
    with desk.db.tenant(caller.fleet) as cur:
        old = known_fence(cur, fence)
        store.change(cur, "fences", fence, {"deleted_at": desk.clock.now()})
        same = {field: old[field] for field in ("name", "dwell_s", "speed_limit_cm_s", "active", "time_zone", "no_entry")}
        made = store.add_fence(cur, caller.fleet, **same, **_shape_in(shape))
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, made))


@router.post("/fences/{fence}/restore", response_model=m.Fence)
def restore_fence(fence: str, desk: AtDesk, caller: FleetWriter) -> m.Fence:
    """Put a fence that was taken away where it was: the same one, with what was crossed."""
    with desk.db.tenant(caller.fleet) as cur:
        if not store.change(cur, "fences", fence, {"deleted_at": None}):
            known(None, "fence", fence)
        store.fences_changed(cur, caller.fleet, desk.clock.utc_ms())
        return fence_out(known_fence(cur, fence))


def known_fence(cur: Cursor, fence: str) -> Row:
    """The fence, or 404."""
    return known(store.fence(cur, fence), "fence", fence)
