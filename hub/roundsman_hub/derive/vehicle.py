"""Derives one vehicle, in one transaction: its sessions' facts, what they say of orders and plans, its alerts, and what that corrects.

Incremental where the van only goes on with its day; from a session's first fact where what was derived no longer holds; and in every
case with the same result as if the whole log had been there from the start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from roundsman_hub.derive import alerts, trace
from roundsman_hub.derive.fold import RULES, Fact, Progress, Rows, fold, with_date
from roundsman_hub.derive.trace import Correction, News
from roundsman_hub.store import alert_store, derived_store
from roundsman_hub.store.db import Cursor, Notice
from roundsman_hub.store.derived_store import Behind, PlanWord

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """Whose log it is."""

    vehicle_id: str
    fleet_id: str


@dataclass(slots=True, kw_only=True)
class Derived:
    """What a step did: whom to tell, and which sessions the tables would not take, with the reason."""

    notices: list[Notice] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Touched:
    """What a step reached."""

    orders: set[str] = field(default_factory=set)
    words: set[PlanWord] = field(default_factory=set)
    receipts: bool = False
    duties: bool = False
    visits: bool = False
    alerts: bool = False
    since: datetime | None = None
    whole: bool = False
    """A session was begun anew: anything of the vehicle may have changed."""


def bring_up(cur: Cursor, vehicle: Vehicle, sessions: Sequence[Behind], horizon: datetime, *, anew: str | None = None) -> Derived:
    """Bring a vehicle's derived rows up to its log.

    Parameters
    ----------
    sessions : sequence of Behind
        Those with news, in the vehicle's order; may be empty where only their order changed.
    horizon : datetime
        How far business time has come.
    anew : str, optional
        Throw away what was derived of them first, for this reason.
    """
    derived_store.lock(cur, vehicle.vehicle_id)
    done, touched, news = Derived(), _Touched(), News()
    moved, folded = derived_store.moves(cur, vehicle.vehicle_id)
    visits_before = derived_store.visits_of(cur, [session.session_no for session in sessions])
    for session in sessions:
        try:
            with cur.connection.transaction():
                _session(cur, session, touched, news, anew=anew)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            done.refused[session.session_no] = str(error)
    if moved != folded:
        news.causes.append(trace.CHAIN)
        orders, words = derived_store.spoken_of(cur, derived_store.sessions_of(cur, vehicle.vehicle_id))
        touched.orders |= orders
        touched.words |= words
        touched.duties = touched.whole = True
        derived_store.save_moves(cur, vehicle.vehicle_id, moved)
    visits_after = derived_store.visits_of(cur, [session.session_no for session in sessions])
    for key, was in visits_before.items():  # news for the order that it was at, though the newest word may name another, or none
        if was["order"] is not None and visits_after.get(key) != was:
            touched.orders.add(was["order"])
    for key, orders in derived_store.served_of(cur, [session.session_no for session in sessions]).items():
        if visits_after.get(key) != visits_before.get(key):
            touched.orders |= orders
    derived_store.refold_receipts(cur, vehicle.vehicle_id, touched.words)
    if touched.duties:
        derived_store.show_duty(cur, vehicle.vehicle_id)
    changed = derived_store.refold_orders(cur, touched.orders)
    corrections = [found for order in changed if (found := trace.of_order(order.order_id, order.was, order.now, news)) is not None]
    corrections += [
        found
        for key, was in visits_before.items()
        if (found := trace.of_visit(vehicle.vehicle_id, key, was, visits_after.get(key), news)) is not None
    ]
    if touched.alerts or touched.whole:
        told, found_wrong = _alerts(cur, vehicle, None if touched.whole else touched.since, horizon, news)
        done.notices += told
        corrections += found_wrong
    alert_store.add_corrections(cur, vehicle.fleet_id, corrections, horizon)
    done.notices += order_alerts(cur, touched.orders, horizon, news)
    done.notices += [Notice(topic="order", fleet_id=order.fleet_id, subject=order.order_id) for order in changed]
    if touched.receipts or touched.words:
        done.notices.append(Notice(topic="plan", fleet_id=vehicle.fleet_id, subject=vehicle.vehicle_id))
    if touched.duties or touched.visits:
        done.notices.append(Notice(topic="vehicle", fleet_id=vehicle.fleet_id, subject=vehicle.vehicle_id))
    return done


def refold_alerts(cur: Cursor, vehicle: Vehicle, horizon: datetime) -> list[Notice]:
    """Read a vehicle's alerts off its day again, because time has passed."""
    derived_store.lock(cur, vehicle.vehicle_id)
    notices, corrections = _alerts(cur, vehicle, horizon, horizon, News())
    alert_store.add_corrections(cur, vehicle.fleet_id, corrections, horizon)
    return notices


def order_alerts(cur: Cursor, orders: Iterable[str], horizon: datetime, news: News | None = None) -> list[Notice]:
    """Say of these orders whether they are late. `news`: what was learned of them; None: only time has passed, or people decided."""
    wanted = set(orders)
    if not wanted:
        return []
    was = alert_store.known_late(cur, wanted)
    now = {found.alert: found for due in alert_store.dues(cur, wanted) if (found := alerts.late(due, horizon)) is not None}
    notices = []
    for order, fleet in sorted(derived_store.fleets_of_orders(cur, wanted).items()):
        name = f"late:{order}"
        before, after = ({name: found[name]} if name in found else {} for found in (was, now))
        notices += [
            Notice(topic="alert", fleet_id=fleet, subject=alert) for alert in alert_store.replace(cur, fleet, before, after, horizon)
        ]
        if before and (wrong := trace.of_alert(before[name], after.get(name), news or News(), trace.NEWER if news else trace.DECIDED)):
            alert_store.add_corrections(cur, fleet, [wrong], horizon)
    return notices


def _session(cur: Cursor, session: Behind, touched: _Touched, news: News, *, anew: str | None) -> None:
    """Bring one session's own rows up to its watermark."""
    done, progress, rules = derived_store.progress(cur, session)
    through = derived_store.through(cur, session.session_no)
    begun_anew = False
    if progress is None or anew:
        if _forget(cur, session, touched):
            begun_anew = True
            news.causes.append(anew or (trace.RULES_CHANGED if rules is not None and rules != RULES else trace.READ_AFTER_ALL))
        progress, done = Progress(), 0
    facts = derived_store.facts(cur, session.session_no, done, through)
    result = fold(progress, facts)
    if result is None:
        if not session.aged and _forget(cur, session, touched):
            begun_anew = True
            news.causes.append(trace.DATED)
        facts = derived_store.facts(cur, session.session_no, 0, through)  # of an aged one: those that came since
        result = fold(with_date(facts), facts)
    if result is None:
        raise AssertionError("a session that begins with its date cannot guess it")
    progress, rows = result
    derived_store.write(cur, session, rows)
    derived_store.save_progress(cur, session.session_no, through, progress)
    if not begun_anew and (late := trace.late_log(facts)) is not None:
        news.causes.append(late)
    _note(touched, news, rows, facts, begun_anew=begun_anew)


def _forget(cur: Cursor, session: Behind, touched: _Touched) -> bool:
    """True if there was anything to forget."""
    orders, words, any_row = derived_store.forget(cur, session.session_no)
    touched.orders |= orders
    touched.words |= words
    return any_row


def _note(touched: _Touched, news: News, rows: Rows, facts: Sequence[Fact], *, begun_anew: bool) -> None:
    touched.orders |= rows.orders
    touched.words |= {(row.version, row.state) for row in rows.receipts}
    touched.receipts |= bool(rows.receipts) or bool(rows.told)
    touched.duties |= bool(rows.duties) or begun_anew
    touched.visits |= bool(rows.visits)
    touched.whole |= begun_anew
    news.undone |= {row.order_id for row in rows.actions if row.outcome == "undo"}
    times = [fact.time for fact in facts if fact.time is not None]
    if times:
        touched.alerts = True
        touched.since = min([*times, *([touched.since] if touched.since else [])])
    elif facts and (rows.visits or rows.crossings or rows.duties):
        touched.whole = True  # told without a date of their own: dated by the session's clock, to whenever that was


def _alerts(cur: Cursor, vehicle: Vehicle, since: datetime | None, horizon: datetime, news: News) -> tuple[list[Notice], list[Correction]]:
    start = alert_store.stretch_from(cur, vehicle.vehicle_id, since)
    was = alert_store.known(cur, vehicle.vehicle_id, start)
    day = alert_store.vehicle_day(cur, vehicle.vehicle_id, start)
    now = {alert.alert: alert for alert in alerts.vehicle_alerts(day, horizon)}
    corrections = [found for name, alert in was.items() if (found := trace.of_alert(alert, now.get(name), news)) is not None]
    changed = alert_store.replace(cur, vehicle.fleet_id, was, now, horizon)
    return [Notice(topic="alert", fleet_id=vehicle.fleet_id, subject=alert) for alert in changed], corrections
