"""From the planner's routes to what is told: which vans get a new plan, and which work waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from roundsman_core.geo import LatLon
from roundsman_hub.clock import to_ms
from roundsman_hub.planning.diff import diff
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.explain import HELD
from roundsman_hub.planning.problem import CHARGE, RELOAD, Plan, PlannedVisit, Problem, Verdict, is_task
from roundsman_hub.planning.walk import Ground
from roundsman_hub.replan.build import LATER, WAITS, ahead, between_vans, on_board, remaining
from roundsman_hub.replan.holds import may_hold, permitted
from roundsman_hub.replan.hour_paces import hour_paces_pct
from roundsman_hub.replan.reasons import Kind
from roundsman_hub.replan.revision import URGENT_PRIORITY
from roundsman_hub.replan.terms import call_s, search_s, stop_times
from roundsman_hub.replan.world import Draft, OrderFacts, Reason, VanFacts, World
from roundsman_wire.messages import Break, PlanStop

FENCE_RADIUS_M: Final = 60
"""A planned stop's fence: addresses lie up to 40 m from where a van can stand, and a fix is within 5 m."""
MATRIX_STOPS: Final = 40
NO_WAY: Final = 65_535
KEPT_REASONS: Final = 3
FIRST: Final = "first plan of the shift"
ENDED: Final = "the shift has ended"
DECLINED: Final = "the driver keeps the order of stops"
TOLD_AGAIN: Final = "the van refused the plan before this one"

TRUE_S: Final = 60
TRUE_SHARE: Final = 0.2
"""A leg of a plan is true within a minute and a fifth: less is what any traffic light does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to issue. Vans that are not in `drafts` keep the plan they have."""

    drafts: tuple[Draft, ...]
    unassigned: dict[str, str]
    verdict: Verdict
    """The judge's word on what is issued: work that waits for a receipt is in no route yet."""


def answer(world: World, problem: Problem, plan: Plan, *, travel_times: str, why: str = "", ground: Ground | None = None) -> Answer:
    """Turn a plan without violations into drafts for the vans it changes.

    Parameters
    ----------
    world, problem
        What the plan was made for.
    plan : Plan
        Its routes may wish a task into a van while another may still hold it: then this round only takes it from that other
        van, and it enters the new one after the receipt.
    travel_times : str
        Name of the road network that the legs come from.
    why : str
        Reason to tell where the world has none of its own (a search's gain).
    ground : Ground, optional
        Of the problem, where the caller has it.
    """
    holders = may_hold(world.issued, world.in_force)
    routes, waiting = permitted(plan.routes, holders)
    later = [order for task in plan.unassigned if _of_a_later_day(world, order := world.orders[task])]
    unassigned = {**plan.unassigned, **{order.order_id: _later(world, order) for order in later}}
    names = {van.vehicle_id: van.name for van in world.vans.values()}
    for task, vans in waiting.items():
        unassigned[task] = _waits(names, vans)
    for task, vans in between_vans(world, holders).items():
        unassigned[task] = _waits(names, vans)
    aboard, of_a_later_day = on_board(world), {order.order_id for order in later}
    for task in plan.unassigned:
        if task in holders and task not in aboard and task not in of_a_later_day:
            unassigned[task] = _waits(
                names, holders[task]
            )  # its van does not manage it, and no other could be asked before that one lets go
    verdict = judge(ground or Ground(problem), Plan(routes=routes, unassigned=unassigned))
    drafts = []
    for van in world.vans.values():
        stops = tuple(_told_stop(world, van, visit, problem) for visit in verdict.routes.get(van.vehicle_id, ()))
        if _same(world, van, stops):
            continue
        drafts.append(
            Draft(
                vehicle_id=van.vehicle_id,
                stops=stops,
                reason=_reason(world, van, why),
                changes=tuple(_changes(world, van, stops)),
                matrix_s=_matrix(problem, stops),
                hour_paces_pct=hour_paces_pct(problem, van.vehicle_id, _places(problem, stops)),
                travel_times=travel_times,
                may_decline=_may_decline(world, van, stops, why),
                breaks=_breaks(problem, verdict, van.vehicle_id),
            )
        )
    return Answer(drafts=tuple(drafts), unassigned=unassigned, verdict=verdict)


def altered(world: World, draft: Draft) -> frozenset[str]:
    """Stops of which a draft tells the driver something else than the plan before."""
    van = world.vans[draft.vehicle_id]
    old = {stop.stop: stop for stop in van.newest.stops} if van.newest else {}
    return frozenset(stop.stop for stop in draft.stops if stop.stop in old and _another(old[stop.stop], stop))


def unsettled(world: World) -> list[Reason]:
    """Why this world needs planning although nobody said so: what the vans' logs have changed. Empty: nothing new.

    Looked at whenever derived facts change; cheap, so that a quiet day costs nothing. A reason with a `level` lasts: whoever plans
    because of it remembers that (`proposal_store.claim`).
    """
    aboard = on_board(world)
    planned = {task for van in world.vans.values() for task in remaining(world, van)}
    holders = may_hold(world.issued, world.in_force)
    out = []
    for van in world.vans.values():
        out += _of_van(world, van, aboard)
    for order in world.orders.values():
        told = world.unassigned.get(order.order_id)
        if order.cancelled or order.order_id in planned:
            continue
        name = order.name or order.address or order.order_id
        if told is None:
            out.append(Reason(text=f"{name} has to be planned again", kind="free", subject=order.order_id))
        elif told.startswith((WAITS, HELD)) and not holders.get(order.order_id):
            out.append(Reason(text=f"{name} is free to be planned", kind="free", subject=order.order_id))
    out += [Reason(text=f"{name} failed", kind="failed", subject=action, level=1) for _, name, action in world.failed]
    return out


def _of_van(world: World, van: VanFacts, aboard: Mapping[str, str]) -> list[Reason]:
    left = remaining(world, van)
    about = van.vehicle_id
    if van.ended and left:
        return [Reason(text=f"{van.name} has ended its shift", kind="ended", subject=about)]
    if van.out and left:
        kind: Kind = "breakdown" if van.out == "broken down" else "sick"
        return [Reason(text=f"{van.name} is out: {van.out}", kind=kind, subject=about)]
    if van.strange:
        return [Reason(text=f"{van.name} has a plan that this database does not know", kind="refused", subject=about)]
    if van.refused:
        return [Reason(text=f"{van.name} refused its plan", kind="refused", subject=about)]
    if van.declined:
        return [Reason(text=f"the driver of {van.name} declined its plan", kind="declined", subject=about)]
    if van.left_with is not None and any(
        _from_depot(world.orders[task]) and not van.terms.reload_depots and aboard.get(task) != van.vehicle_id for task in left
    ):
        return [Reason(text=f"{van.name} left without goods of its plan", kind="left_without", subject=about)]
    out = [
        Reason(
            text=f"{van.name} {'stands outside its plan' if kind == 'long_dwell' else 'says nothing'}",
            kind="dwell" if kind == "long_dwell" else "silent",
            subject=alert,
            level=1,
        )
        for kind, alert in van.alerts
        if left
    ]
    if van.clocks is not None and van.newest is not None and left and van.left_with is not None:
        ahead_s = sum(stop.leg_s for stop in van.newest.stops if stop.stop in left[1:])
        if van.clocks.driving_s < ahead_s or van.clocks.duty_s < ahead_s:
            shift = f"{van.shift_start:%Y-%m-%d}"
            out.append(Reason(text=f"the hours of {van.name} end before its round", kind="hours", subject=f"{about}:{shift}", level=1))
    if van.duty == "on" and not van.in_progress and van.driving_to in left[1:]:
        passed = left[: left.index(van.driving_to)]
        names = " and ".join(world.orders[stop].name or stop for stop in passed[:2])
        out.append(Reason(text=f"{van.name} left out {names}", kind="skipped", subject=f"{about}:{','.join(passed)}"[:400], level=1))
    return out


def _waits(names: Mapping[str, str], vans: frozenset[str]) -> str:
    return f"{WAITS}{' and '.join(sorted(names.get(van, van) for van in vans))} confirmed a plan without it"


def _of_a_later_day(world: World, order: OrderFacts) -> bool:
    """Whether no van's shift reaches it because its day is still to come."""
    zone = ZoneInfo(world.timezone)
    reached = any(order.window_start < van.shift_end for van in world.vans.values())
    return not reached and order.window_start.astimezone(zone).date() > world.now.astimezone(zone).date()


def _later(world: World, order: OrderFacts) -> str:
    day = order.window_start.astimezone(ZoneInfo(world.timezone)).date()
    return f"{LATER}{day}, whose plan is made the evening before"


def _from_depot(order: OrderFacts) -> bool:
    return order.kind == "delivery" and order.needs.shipment is None


def _told_stop(world: World, van: VanFacts, visit: PlannedVisit, problem: Problem) -> PlanStop:
    return _stop(world, van, visit, problem) if is_task(visit.task) else _depot_stop(world, visit, problem)


def _depot_stop(world: World, visit: PlannedVisit, problem: Problem) -> PlanStop:
    """A second load at a depot, or a charge: a stop without tasks."""
    named = visit.task[1:]
    if visit.task.startswith(RELOAD):
        position, words = world.depots[named].position, f"Load again: {world.depots[named].name}"
    else:
        charger = next(one for one in world.planning.chargers if one.name == named)
        position, words = LatLon(charger.lat_deg, charger.lon_deg), f"Charge: {named}"
    return PlanStop(
        stop=visit.task,
        tasks=(),
        kind="depot",
        lat_e6=position.lat_e6,
        lon_e6=position.lon_e6,
        fence_radius_m=FENCE_RADIUS_M,
        leg_s=visit.leg_s,
        leg_m=visit.leg_m,
        service_s=call_s(world, visit.task),  # in all, also of one that has begun: the van knows since when it stands there
        arrival_utc_ms=1000 * (problem.origin_utc_s + visit.arrival_s),
        name=words,
        parcels=0,
    )


def _breaks(problem: Problem, verdict: Verdict, vehicle: str) -> tuple[Break, ...]:
    """The pauses of a route, as the plan tells them; a window only where the schedule has one."""
    van = next((van for van in problem.vans if van.vehicle == vehicle), None)
    out = []
    for pause in verdict.breaks.get(vehicle, ()):
        due = next((b for b in van.breaks if b.reason == pause.reason and b.duration_s == pause.duration_s), None) if van else None
        first, last = (due.earliest_s, due.latest_s) if due else (pause.start_s, pause.start_s)
        zero = problem.origin_utc_s
        out.append(
            Break(
                duration_s=pause.duration_s,
                start_utc_ms=1000 * (zero + pause.start_s),
                window_start_utc_ms=1000 * (zero + first),
                window_end_utc_ms=1000 * (zero + last),
                after_stops=pause.after,
                reason=pause.reason,
            )
        )
    return tuple(out)


def _stop(world: World, van: VanFacts, visit: PlannedVisit, problem: Problem) -> PlanStop:
    order = world.orders[visit.task]
    parking_s, service_s = stop_times(order, world, van)
    # Of a stop in progress the plan says how long it lasts in all, as before the van stood there.
    stop_s = parking_s + service_s if order.order_id in van.in_progress else visit.service_s
    parking_s = parking_s if stop_s >= parking_s + service_s else 0  # the van stands there already, from the stop before
    opens, closes = _window(order, problem.origin_utc_s + visit.start_s + parking_s)
    return PlanStop(
        stop=order.order_id,
        tasks=(order.order_id,),
        kind=order.kind,
        lat_e6=order.position.lat_e6,
        lon_e6=order.position.lon_e6,
        fence_radius_m=FENCE_RADIUS_M,
        leg_s=visit.leg_s,
        leg_m=visit.leg_m,
        service_s=stop_s,
        parking_s=parking_s,
        search_s=0 if order.order_id in van.in_progress else min(search_s(order, world), visit.leg_s),
        arrival_utc_ms=1000 * (problem.origin_utc_s + visit.arrival_s),
        window_start_utc_ms=to_ms(opens),
        window_end_utc_ms=to_ms(closes),
        promise_start_utc_ms=to_ms(order.promise_start) if order.promise_start else None,
        promise_end_utc_ms=to_ms(order.promise_end) if order.promise_end else None,
        name=order.name,
        address=order.address,
        instructions=order.instructions,
        phone=order.phone,
        parcels=order.parcels,
        priority=order.priority,
        items=order.items,
        proof=order.proof,
        code_sha256=order.code_sha256,
        contact_free=order.contact_free,
        pinned=order.priority >= URGENT_PRIORITY,
    )


def _window(order: OrderFacts, start_utc_s: int) -> tuple[datetime, datetime]:
    """Of several windows, the one that service starts in; else the last."""
    windows = sorted(((order.window_start, order.window_end), *order.needs.more_windows))
    return next((window for window in windows if start_utc_s <= window[1].timestamp()), windows[-1])


def _told(stop: PlanStop) -> tuple[object, ...]:
    """What a driver is told of a stop, but for its times (see `_another`). Times of travel are not: they change all day, and van and hub
    compute them anew."""
    return (
        stop.stop,
        stop.kind,
        stop.lat_e6,
        stop.lon_e6,
        stop.window_start_utc_ms,
        stop.window_end_utc_ms,
        stop.promise_start_utc_ms,
        stop.promise_end_utc_ms,
        stop.name,
        stop.address,
        stop.instructions,
        stop.phone,
        stop.parcels,
        stop.priority,
        tuple((item.parcel, item.name, item.weight_g) for item in stop.items),  # where they lie follows from the order (`dispatch.loading`)
        stop.proof,
        stop.code_sha256,
        stop.contact_free,
    )


def _another(before: PlanStop, after: PlanStop) -> bool:
    """Whether a driver is told something else of a stop. What was learned of it changes with the hour: that alone is told anew only where
    its time is not true any more."""
    off_s = max(abs(getattr(after, part) - getattr(before, part)) for part in ("service_s", "parking_s", "search_s"))
    return _told(before) != _told(after) or off_s >= max(TRUE_S, TRUE_SHARE * before.service_s)


def _same(world: World, van: VanFacts, stops: tuple[PlanStop, ...]) -> bool:
    """Does the van's newest plan, without the work that is done, already say this?"""
    if van.strange:
        return False
    if van.newest is None:
        return not stops
    if van.refused or van.declined:
        return False
    left = ahead(world, van)
    same = len(left) == len(stops) and not any(_another(*pair) for pair in zip(left, stops, strict=True))
    return same and not _slower(world, left, stops)


def _slower(world: World, before: Sequence[PlanStop], after: Sequence[PlanStop]) -> bool:
    """Streets are closed, open again, or of another pace, and the ways of this plan take so much longer or shorter that its times are not
    true any more: it is told anew although its stops are the same. The first leg is driven already, and says nothing."""
    if not any(reason.kind == "traffic" for reason in world.reasons):
        return False
    legs = zip(before[1:] if len(before) > 1 else before, after[1:] if len(after) > 1 else after, strict=True)
    return any(abs(new.leg_s - old.leg_s) >= max(TRUE_S, TRUE_SHARE * old.leg_s) for old, new in legs)


def _reason(world: World, van: VanFacts, why: str) -> str:
    if van.ended:
        return ENDED
    if van.out:
        return f"out: {van.out}"
    if van.refused:
        return TOLD_AGAIN
    if van.declined:
        return DECLINED
    if van.newest is None:
        return FIRST
    return why or "; ".join(list(dict.fromkeys(reason.text for reason in world.reasons))[-KEPT_REASONS:])


def _may_decline(world: World, van: VanFacts, stops: tuple[PlanStop, ...], why: str) -> bool:
    """A driver may say no to a better order of the same stops: nobody's work depends on it. `why` is a search's, so nothing else asks."""
    if not why or van.newest is None or van.refused or van.declined:
        return False
    before = [stop.stop for stop in ahead(world, van)]
    after = [stop.stop for stop in stops]
    return before != after and set(before) == set(after)


def _changes(world: World, van: VanFacts, stops: tuple[PlanStop, ...]) -> list[str]:
    if van.newest is None:
        return []
    before = [stop for stop in van.newest.stops if stop.stop not in world.done]
    names = {stop.stop: stop.name or stop.address or stop.stop for stop in (*before, *stops)}
    lines = diff([stop.stop for stop in before], [stop.stop for stop in stops], names)
    old = {stop.stop: stop for stop in before}
    return lines + [f"Changed: {names[stop.stop]}" for stop in stops if stop.stop in old and _another(old[stop.stop], stop)]


def _places(problem: Problem, stops: tuple[PlanStop, ...]) -> list[int]:
    """Of the depot and of these stops, as the problem numbers them."""
    place = {task.task: task.place for task in problem.tasks}
    place |= {f"{RELOAD}{depot.depot}": depot.place for depot in problem.depots}
    place |= {f"{CHARGE}{charger.charger}": charger.place for charger in problem.chargers}
    return [0, *(place[stop.stop] for stop in stops)]


def _matrix(problem: Problem, stops: tuple[PlanStop, ...]) -> bytes:
    at = _places(problem, stops)[: MATRIX_STOPS + 1]
    seconds = problem.durations_s[np.ix_(at, at)]
    return bytes(np.where(seconds < 0, NO_WAY, np.minimum(seconds, NO_WAY - 1)).astype("<u2").tobytes())
