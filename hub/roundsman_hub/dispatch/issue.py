"""Issues plans: numbered, signed, with their tasks and their line in the journal, in one transaction that two planners cannot both win."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from psycopg import Cursor
from psycopg.types.json import Jsonb

from roundsman_hub import HubError
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.dispatch.loading import placed
from roundsman_hub.domain import sentences
from roundsman_hub.eta.calibrate import widths
from roundsman_hub.pki import Signer
from roundsman_hub.replan.world import Draft, VanFacts, World
from roundsman_hub.store import eta_store
from roundsman_hub.store.rows import journal, notify, rows
from roundsman_wire.envelopes import hash_of, seal
from roundsman_wire.messages import BasedOn, EnvelopeHeader, HoursLeft, Plan, Reorder, Sentence

VALID_AFTER_SHIFT = timedelta(hours=2)
"""A plan is the current one until the shift ended and a late van had time to finish; then the screen marks it as expired."""
ACTOR = "planner"
OWN_ORDER = Reorder(max_moved=3, max_extra_s=900)
"""What a driver may change by themselves. Three stops: more is another round. A quarter of an hour: a closed road costs as much."""


class Stale(HubError):
    """The depot's work changed, or another planner was quicker: look again, and plan again."""


def next_version(last: int, utc_ms: int) -> int:
    """Version of a new plan: above the last, and never behind the clock, so that a restored hub does not fall behind its vans."""
    return max(last + 1, utc_ms)


def issue(
    cur: Cursor[Any],
    world: World,
    drafts: Sequence[Draft],
    unassigned: Mapping[str, str],
    *,
    signer: Signer,
    clock: Clock,
) -> list[Plan]:
    """Commit plans that were made from `world`, and what no van takes. Publish after COMMIT (see `publisher.py`).

    Compare-and-set: the depot's revision is still the one that was read, and none of its vans got a plan since.

    Returns
    -------
    list of Plan
        As they will be sent.

    Raises
    ------
    Stale
        Nothing was changed.
    """
    claimed = cur.execute(
        "UPDATE planning SET planned = revision, reasons = '[]' WHERE depot_id = %s AND revision = %s AND planned = %s",
        (world.depot_id, world.revision, world.planned),
    )
    if claimed.rowcount != 1:
        raise Stale(f"depot {world.depot_id} is past revision {world.revision}")
    last = {
        r["vehicle_id"]: r["version"]
        for r in rows(
            cur, "SELECT vehicle_id, max(version) AS version FROM plans WHERE vehicle_id = ANY(%s) GROUP BY 1", (list(world.vans),)
        )
    }
    if any(last.get(van.vehicle_id, 0) != (van.newest.version if van.newest else 0) for van in world.vans.values()):
        raise Stale(f"a van of depot {world.depot_id} has a newer plan than the one that was read")
    told = widths(eta_store.calibrations(cur, world.fleet_id)) if drafts else ()
    plans = [_plan(world, draft, next_version(_newest_known(world, draft.vehicle_id, last), clock.utc_ms()), told) for draft in drafts]
    for plan in plans:
        _store(cur, world, plan, signer=signer, clock=clock)
    _tell_unassigned(cur, world, unassigned, clock)
    return plans


def _newest_known(world: World, vehicle: str, last: Mapping[str, int]) -> int:
    """The newest version that the van can have: of a plan here, or of one that only its receipts tell of."""
    return max(last.get(vehicle, 0), world.vans[vehicle].strange_version)


def _plan(world: World, draft: Draft, version: int, eta_widths_pct: tuple[tuple[int, int, int], ...]) -> Plan:
    van = world.vans[draft.vehicle_id]
    return Plan(
        plan=f"{van.vehicle_id}.{version}",
        vehicle=van.vehicle_id,
        version=version,
        issued_utc_ms=to_ms(world.now),
        based_on=BasedOn(session=van.session, facts_seq=van.facts_seq),
        stops=placed(draft.stops, van.newest, gone=van.left_with is not None),
        driver=van.driver_id,
        shift_start_utc_ms=to_ms(van.shift_start),
        shift_end_utc_ms=to_ms(van.shift_end),
        depot_lat_e6=world.depot.lat_e6,
        depot_lon_e6=world.depot.lon_e6,
        matrix_s=draft.matrix_s,
        hour_paces_pct=draft.hour_paces_pct,
        eta_widths_pct=eta_widths_pct,
        travel_times=draft.travel_times,
        reason=draft.reason,
        changes=draft.changes,
        reason_said=_said(draft.reason),
        changes_said=tuple(map(_said, draft.changes)),
        route_e6=draft.route_e6,
        reorder=OWN_ORDER,
        may_decline=draft.may_decline,
        breaks=draft.breaks,
        hours=_hours(van, to_ms(world.now)),
    )


def _said(text: str) -> tuple[Sentence, ...]:
    """An English text by codes, for the van to tell in its driver's language."""
    return msgspec.convert(sentences.plain(text), tuple[Sentence, ...])


def _hours(van: VanFacts, utc_ms: int) -> HoursLeft | None:
    clocks = van.clocks
    if clocks is None or clocks.rule == "none":
        return None
    return HoursLeft(
        rule=clocks.rule,
        to_break_s=clocks.to_break_s,
        driving_s=clocks.driving_s,
        duty_s=clocks.duty_s,
        at_utc_ms=utc_ms,
        rested_15=clocks.rested_15,
    )


def _store(cur: Cursor[Any], world: World, plan: Plan, *, signer: Signer, clock: Clock) -> None:
    valid_until = max(world.vans[plan.vehicle].shift_end, world.now) + VALID_AFTER_SHIFT
    header = EnvelopeHeader(
        vehicle=plan.vehicle,
        kind="plan",
        epoch=world.epoch,
        version=plan.version,
        key_id=signer.key_id,
        valid_until_utc_ms=to_ms(valid_until),
    )
    envelope = seal(header, plan, signer.sign)
    cur.execute(
        "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, valid_until, reason, changes, plan, hash, envelope)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s)",
        (
            plan.vehicle,
            plan.version,
            world.fleet_id,
            from_ms(plan.issued_utc_ms),
            clock.real_now(),
            valid_until,
            plan.reason,
            Jsonb(list(plan.changes)),
            msgspec.json.encode(plan).decode(),
            hash_of(envelope),
            envelope,
        ),
    )
    tasks = [(task, position) for position, stop in enumerate(plan.stops, start=1) for task in stop.tasks]
    cur.execute(
        "INSERT INTO plan_tasks (vehicle_id, version, fleet_id, order_id, position)"
        " SELECT %s, %s, %s, * FROM unnest(%s::text[], %s::integer[])",
        (plan.vehicle, plan.version, world.fleet_id, [task for task, _ in tasks], [position for _, position in tasks]),
    )
    journal(
        cur,
        fleet_id=world.fleet_id,
        at=from_ms(plan.issued_utc_ms),
        kind="plan.issued",
        subject=plan.vehicle,
        actor=ACTOR,
        body={"version": plan.version, "reason": plan.reason, "stops": [stop.stop for stop in plan.stops], "changes": list(plan.changes)},
    )
    notify(cur, "plan", world.fleet_id, plan.vehicle)


def _tell_unassigned(cur: Cursor[Any], world: World, unassigned: Mapping[str, str], clock: Clock) -> None:
    """Write down what no van takes, and why; only what differs from what was told so far."""
    gone = [order_id for order_id in world.unassigned if order_id not in unassigned]
    new = {order_id: reason for order_id, reason in unassigned.items() if world.unassigned.get(order_id) != reason}
    if gone:
        cur.execute("DELETE FROM unassigned WHERE order_id = ANY(%s)", (gone,))
    if new:
        cur.execute(
            "INSERT INTO unassigned (order_id, fleet_id, reason, at) SELECT o, %s, r, %s FROM unnest(%s::text[], %s::text[]) AS t (o, r)"
            " ON CONFLICT (order_id) DO UPDATE SET reason = excluded.reason, at = excluded.at",
            (world.fleet_id, clock.now(), list(new), list(new.values())),
        )
    for order_id in (*gone, *new):
        notify(cur, "order", world.fleet_id, order_id)
