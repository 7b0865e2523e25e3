"""What a recorded day was really like: who ordered what and when, how long each leg and each stop took. Pure but for reading the file."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.derive.fold import Fact, Progress, Rows, Said, fold, order_state, with_date
from roundsman_hub.record.changes import NONE, History, histories
from roundsman_hub.record.day_file import Head, Line, read, summed
from roundsman_hub.replan.world import OrderFacts
from roundsman_hub.store.chain_store import chain
from roundsman_hub.upkeep.stretches import MOVING_CM_S
from roundsman_wire.frames import parse_entry

LONGEST_LEG: Final = timedelta(hours=3)
"""Between two stops of one round; longer is a break, a depot, or a log with a hole in it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of the day, as it ended. `known_at`: when it was made; `cancelled_at`: when it no longer had to be served.

    first : what it was when it was made. later : from when on it was what, as far as the journal knows.
    """

    facts: OrderFacts
    first: OrderFacts
    later: tuple[tuple[datetime, OrderFacts], ...] = ()
    depot: str
    known_at: datetime
    cancelled_at: datetime | None
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A plan of the day: a van's stops from `at` on."""

    at: datetime
    vehicle: str
    stops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A van of the day."""

    vehicle: str
    name: str
    depot: str
    capacity: int
    start: datetime
    end: datetime


@dataclass(slots=True, kw_only=True)
class Day:
    """A recorded day, and what it was like.

    leg_s : seconds between two orders' places, as driven. service_s : at an order's place, from its window's start or the arrival on.
    served : order → when the van stood there, or it was said to be done. failed : orders that were tried and not delivered.
    """

    head: Head
    depots: dict[str, LatLon] = field(default_factory=dict)
    vans: list[Shift] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    plans: list[Told] = field(default_factory=list)
    leg_s: dict[tuple[str, str], float] = field(default_factory=dict)
    service_s: dict[str, float] = field(default_factory=dict)
    served: dict[str, datetime] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    driven_m: float = 0.0


def load(path: Path) -> Day:
    """Read a day's file and fold its log.

    Raises
    ------
    BadFile
        It is not whole.
    """
    head, lines = read(path)
    day = Day(head=head)
    facts: defaultdict[str, list[Fact]] = defaultdict(list)
    sessions: list[dict[str, Any]] = []
    orders: dict[str, dict[str, Any]] = {}
    journal: list[dict[str, Any]] = []
    for line in lines:
        match line:
            case {"table": "orders", "rows": list(found)}:
                orders |= {row["order_id"]: row for row in found if row["lat_e6"] is not None}
            case {"table": "journal", "rows": list(found)}:
                journal += found
            case {"table": str(name), "rows": list(found)}:
                _table(day, name, found)
            case {"sessions": list(found)}:
                sessions = found
            case {"entries": str(session), "rows": list(found)}:
                facts[session] += [_fact(row) for row in found]
            case {"fixes": str(_), "columns": dict(_)}:
                day.driven_m += _driven_m(line)
    known = histories(journal, orders)
    for name, row in orders.items():
        order = _order(row, known.get(name, NONE))
        if head.since <= order.facts.window_end and order.facts.window_start < head.until:
            day.orders[name] = order
    _observe(day, sessions, facts)
    return day


def _table(day: Day, name: str, found: list[dict[str, Any]]) -> None:
    for row in found:
        match name:
            case "depots":
                day.depots[row["depot_id"]] = LatLon.from_e6(row["lat_e6"], row["lon_e6"])
            case "vehicles":
                start, end = (datetime.fromisoformat(row[column]) for column in ("shift_start", "shift_end"))
                if start < day.head.until and end > day.head.since:
                    told = {"vehicle": row["vehicle_id"], "name": row["name"], "depot": row["depot_id"], "capacity": row["capacity"]}
                    day.vans.append(Shift(**told, start=start, end=end))
            case "plans":
                at = datetime.fromisoformat(row["issued_at"])
                stops = tuple(stop["stop"] for stop in row["plan"].get("stops", ()))
                day.plans.append(Told(at=at, vehicle=row["vehicle_id"], stops=stops))


def _order(row: dict[str, Any], history: History) -> Order:
    at = {name: datetime.fromisoformat(row[name]) for name in ("window_start", "window_end", "created_at")}
    promise_end = None if row["promise_end"] is None else datetime.fromisoformat(row["promise_end"])
    facts = OrderFacts(
        order_id=row["order_id"],
        kind=row["kind"],
        position=LatLon.from_e6(row["lat_e6"], row["lon_e6"]),
        window_start=at["window_start"],
        window_end=at["window_end"],
        promise_start=None,
        promise_end=promise_end,
        service_s=row["service_s"],
        parcels=row["parcels"],
        priority=row["priority"],
        name=row["name"],
        address=row["address"],
        instructions="",
        phone="",
        cancelled=False,
        state=None,
        state_vehicle=None,
        arrived_at=None,
    )
    cancelled_at = None if row["cancelled_at"] is None else datetime.fromisoformat(row["cancelled_at"])
    due_at = promise_end or at["window_end"]
    version = first = replace(facts, **_columns(history.first))
    later: list[tuple[datetime, OrderFacts]] = []
    for change in history.later:
        version = replace(version, **_columns(change.columns))
        later.append((change.at, version))
    return Order(
        facts=facts,
        first=first,
        later=tuple(later),
        depot=row["depot_id"],
        known_at=at["created_at"],
        cancelled_at=cancelled_at,
        due_at=due_at,
    )


def _columns(told: dict[str, Any]) -> dict[str, Any]:
    return {name: datetime.fromisoformat(value) if name.startswith("window") else value for name, value in told.items()}


def _fact(row: list[Any]) -> Fact:
    seq, _, _, time, received, real, body = row
    return Fact(
        seq=seq,
        entry=parse_entry(body.encode()),
        time=None if time is None else _instant(time),
        received_at=_instant(received),
        received_real_at=_instant(real),
    )


def _observe(day: Day, sessions: list[dict[str, Any]], facts: dict[str, list[Fact]]) -> None:
    """Visits and actions of each van in its log's order → legs, services, outcomes."""
    said: defaultdict[str, list[Said]] = defaultdict(list)
    stood: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for vehicle in sorted({told["vehicle"] for told in sessions}):
        own = [(number, told["session"], told["previous"]) for number, told in enumerate(sessions) if told["vehicle"] == vehicle]
        names = {number: session for number, session, _ in own}
        rows = [_folded(facts.get(names[number], [])) for number in chain(own)]
        stands = [visit for found in rows for visit in found.visits.values() if visit.arrived_at is not None]
        stands.sort(key=lambda visit: visit.arrived_at or _EPOCH)
        for visit in stands:
            if visit.order_id is not None and visit.arrived_at is not None:
                stood[visit.order_id].append((vehicle, visit.arrived_at))
                if visit.left_at is not None and (order := day.orders.get(visit.order_id)) is not None:
                    served_s = (visit.left_at - max(visit.arrived_at, order.facts.window_start)).total_seconds()
                    day.service_s[visit.order_id] = max(served_s, 0.0)
        for found in rows:
            for number, order_id in sorted(found.served):
                served = found.visits.get(number)
                if served is not None and served.arrived_at is not None and served.order_id != order_id:
                    stood[order_id].append((vehicle, served.arrived_at))
        for before, after in pairwise(stands):
            if before.order_id in day.orders and after.order_id in day.orders and before.left_at and after.arrived_at:
                leg = after.arrived_at - before.left_at
                if before.order_id != after.order_id and timedelta() < leg <= LONGEST_LEG:
                    day.leg_s[str(before.order_id), str(after.order_id)] = leg.total_seconds()
        for found in rows:
            for row in found.actions:
                said[row.order_id].append(
                    Said(
                        vehicle_id=vehicle,
                        action=row.action,
                        outcome=row.outcome,
                        undoes=row.undoes,
                        reason=row.reason,
                        driver_id=row.driver_id,
                        at=row.at,
                    )
                )
    for name in day.orders:
        state = order_state(said[name], stood[name])
        if state is not None and state.state == "delivered":
            day.served[name] = state.arrived_at or state.at
        elif state is not None and state.state == "failed":
            day.failed.add(name)


def _folded(facts: list[Fact]) -> Rows:
    result = fold(Progress(), facts) or fold(with_date(facts), facts)
    return result[1] if result else Rows()


def _driven_m(line: Line) -> float:
    """Along fixes that follow each other while moving, as `metrics` counts."""
    columns = {name: summed(values) for name, values in line["columns"].items()}
    total = 0.0
    fixes = list(zip(*(columns[name] for name in ("seq", "lat_e6", "lon_e6", "speed_cm_s", "flags")), strict=True))
    for (seq, lat, lon, *_), (next_seq, next_lat, next_lon, speed, flags) in pairwise(fixes):
        if next_seq == (seq or 0) + 1 and not (flags or 0) & 1 and (MOVING_CM_S if speed is None else speed) >= MOVING_CM_S:
            total += distance_m(LatLon.from_e6(lat or 0, lon or 0), LatLon.from_e6(next_lat or 0, next_lon or 0))
    return total


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
