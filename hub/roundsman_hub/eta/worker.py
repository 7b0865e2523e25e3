"""Tells arrival times again whenever a van moved, did something or got another plan: at most once a second for each van."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, LiteralString
from zoneinfo import ZoneInfo

import msgspec
from psycopg import Cursor

from roundsman_core import calls
from roundsman_core.geo import LatLon
from roundsman_core.timeline import BREAK_S, first_leg_s
from roundsman_core.widths import Widths, horizon_of
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.eta.calibrate import widths
from roundsman_hub.eta.compute import CALIBRATED, UNCALIBRATED, Eta, etas
from roundsman_hub.replan.reasons import BY_KIND, Kind
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.terms import kind_of_words
from roundsman_hub.roads import GreatCircle, RoadNetwork, RoadsError
from roundsman_hub.roads.bands import band_at
from roundsman_hub.store import eta_store, proposal_store, told_store
from roundsman_hub.store.db import Database, Notice, is_away, listen, notices
from roundsman_hub.store.rows import Row, notify, rows
from roundsman_wire.messages import Plan, PlanStop

log = logging.getLogger(__name__)

AT_MOST_EVERY_S: Final = 1.0
LOOKS_ANYWAY_S: Final = 15.0
"""A van that says nothing (no network, a long stop) still gets later: its times are told anew this often."""
AGAIN_AFTER_S: Final = 1.0
WORTH_TELLING_MS: Final = 5_000
WIDTH_WORTH_TELLING_MS: Final = 30_000
"""A time that stays the same gets surer as it comes nearer."""
LATE_PRIORITY: Final = 4
SAID_AGAIN_MS: Final = 60_000
SAID_AGAIN_SHARE: Final = 0.05
"""The history keeps what a person would notice: a minute, or a twentieth of the time until then."""
FORGOTTEN_MS: Final = 86_400_000
"""What was last said of an order a day ago is said again: that costs one row."""
CALLS_KEPT: Final = timedelta(days=1)
"""A call at a depot that is older belongs to a round that is over."""
LATE_S: Final = BY_KIND["promise"].level
AWAY_S: Final = BY_KIND["off_route"].level

_VEHICLES: LiteralString = """
    SELECT v.vehicle_id, v.name, v.fleet_id, v.depot_id, v.shift_start, v.terms, f.timezone, p.version,
           CASE WHEN p.version = k.version THEN NULL ELSE p.plan END AS plan, n.lat_e6, n.lon_e6, coalesce(n.duty, 'off') AS duty
    FROM vehicles v JOIN fleets f USING (fleet_id) LEFT JOIN vehicle_now n USING (vehicle_id)
    LEFT JOIN LATERAL (SELECT version, plan FROM plans q WHERE q.vehicle_id = v.vehicle_id ORDER BY version DESC LIMIT 1) p ON true
    LEFT JOIN unnest(%s::text[], %s::bigint[]) AS k (vehicle_id, version) ON k.vehicle_id = v.vehicle_id
    WHERE v.retired_at IS NULL AND (v.vehicle_id = ANY(%s) OR %s) ORDER BY v.vehicle_id
"""
_ORDERS: LiteralString = """
    SELECT o.order_id, o.cancelled_at, s.state, s.vehicle_id, coalesce(s.arrived_at, s.at) AS arrived_at, s.at
    FROM orders o LEFT JOIN order_states s USING (order_id) WHERE o.order_id = ANY(%s)
"""
_STANDING: LiteralString = """
    SELECT DISTINCT ON (t.vehicle_id) t.vehicle_id, t.order_id AS stop, t.arrived_at, t.left_at
    FROM visits t JOIN log.sessions s USING (session_no)
    WHERE t.vehicle_id = ANY(%s) ORDER BY t.vehicle_id, s.ordinal DESC, s.session_no DESC, t.visit DESC
"""
_VEHICLES_OF_ORDER: LiteralString = """
    SELECT DISTINCT t.vehicle_id FROM plan_tasks t WHERE t.order_id = ANY(%s)
"""
_TELL: LiteralString = """
    INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)
    SELECT o, %(fleet)s, %(vehicle)s, %(version)s, n, e, l, h, %(now)s, b
    FROM unnest(%(orders)s::text[], %(positions)s::integer[], %(etas)s::timestamptz[], %(lows)s::timestamptz[], %(highs)s::timestamptz[],
                %(bases)s::text[]) AS t (o, n, e, l, h, b)
    ON CONFLICT (order_id) DO UPDATE SET vehicle_id = excluded.vehicle_id, plan_version = excluded.plan_version,
        position = excluded.position, eta = excluded.eta, low = excluded.low, high = excluded.high,
        computed_at = excluded.computed_at, basis = excluded.basis
"""
_FORGET: LiteralString = "DELETE FROM etas WHERE vehicle_id = %s AND order_id <> ALL(%s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What is left of a van's newest plan."""

    vehicle: Row
    plan: Plan
    stops: tuple[PlanStop, ...]
    arrived_utc_ms: int | None


class EtaWorker:
    """Keeps the table `etas` in step with the vans. Holds what it told last, only to stay silent when nothing changed."""

    def __init__(self, db: Database, roads: RoadNetwork, clock: Clock) -> None:
        self._db, self._roads, self._clock = db, roads, clock
        self._told: dict[str, tuple[int, list[Eta]]] = {}
        self._plans: dict[str, Plan] = {}
        """The newest plan of each vehicle: read once, for positions come every second."""
        self._asked: set[tuple[str, str]] = set()
        """(kind, vehicle) of which help was asked for, and that is not over yet."""
        self._legs_s: dict[str, int] = {}
        """Seconds to its next stop, of each vehicle on duty, as last computed."""
        self._nearest: dict[str, tuple[str, int]] = {}
        """Of each vehicle: the stop it drives to, and the fewest seconds that it was away from it."""
        self._said: dict[str, tuple[str, Eta, int]] = {}
        """Of each order: the van, what the history has last, and when that was said."""
        self._widths: dict[str, Widths] = {}
        self._next_at: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("%s; trying again", error)
                stop.wait(AGAIN_AFTER_S)

    def _follow(self, stop: threading.Event) -> None:
        with self._db.dedicated() as connection:
            listen(connection)
            vehicles: set[str] = set()
            orders: set[str] = set()
            everything_at = 0.0
            while not stop.is_set():
                now = time.monotonic()
                if now >= everything_at:
                    self.learn()
                    self.tell([], everyone=True)
                    vehicles.clear()
                    orders.clear()
                    everything_at = now + LOOKS_ANYWAY_S
                if orders:
                    with self._db.transaction() as cur:
                        vehicles |= {r["vehicle_id"] for r in rows(cur, _VEHICLES_OF_ORDER, (list(orders),))}
                    orders.clear()
                ready = [vehicle for vehicle in vehicles if self._next_at.get(vehicle, 0.0) <= now]
                if ready:
                    self.tell(ready)
                    vehicles.difference_update(ready)
                    self._next_at |= dict.fromkeys(ready, now + AT_MOST_EVERY_S)
                soonest = min((self._next_at.get(vehicle, 0.0) for vehicle in vehicles), default=now + 1.0)
                for notice in notices(connection, min(1.0, max(0.01, soonest - time.monotonic()))):
                    self._hear(notice, vehicles, orders)

    @staticmethod
    def _hear(notice: Notice, vehicles: set[str], orders: set[str]) -> None:
        if notice.topic in ("vehicle", "plan"):
            vehicles.add(notice.subject)
        elif notice.topic == "order":
            orders.add(notice.subject)

    def learn(self) -> None:
        """Hold what was said against what happened; widths follow."""
        with self._db.transaction() as cur:
            eta_store.learn(cur, self._clock.now())
            fleets = [r["fleet_id"] for r in rows(cur, "SELECT DISTINCT fleet_id FROM eta_calibrations")]
            self._widths = {fleet: widths(eta_store.calibrations(cur, fleet)) for fleet in fleets}
        old = self._clock.utc_ms() - FORGOTTEN_MS
        self._said = {order: said for order, said in self._said.items() if said[2] >= old}

    def tell(self, vehicles: list[str], *, everyone: bool = False) -> None:
        """Compute and write the times of these vans (or all)."""
        with self._db.transaction() as cur:
            left = self._left(cur, vehicles, everyone=everyone)
        now_utc_ms = self._clock.utc_ms()
        computed = [(van, self._etas(van, now_utc_ms)) for van in left]
        changed = [(van, times) for van, times in computed if self._worth_telling(van, times)]
        if not changed:
            return
        with self._db.transaction() as cur:
            for van, times in changed:
                self._write(cur, van, times, now_utc_ms)
                self._ask_for_help(cur, van, times)
        for van, times in changed:
            self._told[van.vehicle["vehicle_id"]] = (van.plan.version, times)

    def _left(self, cur: Cursor[Any], vehicles: list[str], *, everyone: bool) -> list[_Left]:
        known = {vehicle: plan.version for vehicle, plan in self._plans.items()}
        found = []
        for r in rows(cur, _VEHICLES, (list(known), list(known.values()), vehicles, everyone)):
            if r["plan"] is not None:
                self._plans[r["vehicle_id"]] = calls.distinct(msgspec.convert(r["plan"], Plan))
            if r["version"] is not None:
                found.append((r, self._plans[r["vehicle_id"]]))
        own = told_store.own_orders(cur, {r["vehicle_id"]: plan.version for r, plan in found})
        orders = {r["order_id"]: r for r in rows(cur, _ORDERS, ([stop.stop for _, plan in found for stop in plan.stops],))}
        on_the_way = [r["vehicle_id"] for r, plan in found if any(map(calls.is_call, plan.stops))]
        made = told_store.depot_calls(cur, on_the_way, self._clock.now() - CALLS_KEPT) if on_the_way else {}
        standing = {r["vehicle_id"]: r for r in rows(cur, _STANDING, (on_the_way,))} if on_the_way else {}
        out = []
        for vehicle, plan in found:
            stops: list[PlanStop] = []
            arrived = None
            at_call = told_store.stands_at(standing.get(vehicle["vehicle_id"]))
            driven = told_store.as_driven(plan, own.get(vehicle["vehicle_id"])).stops
            to_make = _to_make(driven, orders, made.get(vehicle["vehicle_id"], []))
            for stop in driven:
                if stop.stop in to_make:
                    if at_call is not None and calls.place_of(stop.stop) == at_call[0] and (arrived is None or at_call[1] > arrived):
                        arrived, at_call = at_call[1], None  # the first of several at one place
                        stops.insert(0, stop)
                    else:
                        stops.append(stop)
                    continue
                order = orders.get(stop.stop)
                if order is None or order["state"] in ("delivered", "failed"):
                    continue
                here = order["state"] == "arrived" and order["vehicle_id"] == vehicle["vehicle_id"]
                if order["cancelled_at"] is not None and not here:
                    continue
                if here and (arrived is None or order["arrived_at"] > arrived):
                    arrived = order["arrived_at"]
                    stops.insert(0, stop)
                else:
                    stops.append(stop)
            out.append(_Left(vehicle=vehicle, plan=plan, stops=tuple(stops), arrived_utc_ms=to_ms(arrived) if arrived else None))
        return out

    def _etas(self, van: _Left, now_utc_ms: int) -> list[Eta]:
        if not van.stops:
            return []
        first = van.stops[0]
        vehicle = van.vehicle
        starts_utc_ms, leg_s = now_utc_ms + (1000 * BREAK_S if vehicle["duty"] == "break" else 0), first.leg_s
        by_plan = van.plan.travel_times
        by_leg = by_plan
        self._legs_s.pop(vehicle["vehicle_id"], None)
        if vehicle["duty"] == "off":
            starts_utc_ms = max(now_utc_ms, to_ms(vehicle["shift_start"]))
        elif vehicle["lat_e6"] is not None and van.arrived_utc_ms is None:
            leg_s, by_leg = self._leg(vehicle, LatLon.from_e6(vehicle["lat_e6"], vehicle["lon_e6"]), first)
            self._legs_s[vehicle["vehicle_id"]] = leg_s
            leg_s += first.search_s
        times = etas(
            van.stops,
            now_utc_ms=now_utc_ms,
            starts_utc_ms=starts_utc_ms,
            first_leg_s=leg_s,
            arrived_utc_ms=van.arrived_utc_ms,
            plan=van.plan,
            widths=self._widths.get(vehicle["fleet_id"], ()),
        )
        both = GreatCircle.name if GreatCircle.name in (by_leg, by_plan) else by_plan
        return [replace(eta, network=by_leg if eta.order_id == first.stop else both) for eta in times]

    def _leg(self, vehicle: Row, position: LatLon, stop: PlanStop) -> tuple[int, str]:
        """Seconds, and who gave them: the same table as of the plan's legs, of its kind of vehicle, in this hour's band where that is
        known."""
        to = LatLon.from_e6(stop.lat_e6, stop.lon_e6)
        kind = kind_of_words(vehicle["terms"].get("profile", ""), vehicle["terms"].get("type", ""))
        band = band_at(self._clock.now().astimezone(ZoneInfo(vehicle["timezone"])))
        roads = self._roads.of_fleet(vehicle["fleet_id"])
        band = band if band in roads.bands(kind) else ""
        try:
            found = roads.matrix([position], [to], profile=kind, band=band)
        except RoadsError as error:
            log.warning("%s; the rest of the leg is estimated", error)
        else:
            if (seconds := int(found.durations_s[0, 0])) >= 0:
                return seconds, found.network
        return first_leg_s(position, to, leg_s=stop.leg_s - stop.search_s, leg_m=stop.leg_m), GreatCircle.name

    def _worth_telling(self, van: _Left, times: list[Eta]) -> bool:
        version, told = self._told.get(van.vehicle["vehicle_id"], (-1, []))
        if version != van.plan.version or [eta.order_id for eta in told] != [eta.order_id for eta in times]:
            return True
        return any(_differs(new, old) for new, old in zip(times, told, strict=True))

    def _write(self, cur: Cursor[Any], van: _Left, times: list[Eta], now_utc_ms: int) -> None:
        vehicle = van.vehicle
        cur.execute(_FORGET, (vehicle["vehicle_id"], [eta.order_id for eta in times]))
        cur.execute(
            _TELL,
            {
                "fleet": vehicle["fleet_id"],
                "vehicle": vehicle["vehicle_id"],
                "version": van.plan.version,
                "now": from_ms(now_utc_ms),
                "bases": [_basis(eta) for eta in times],
                "orders": [eta.order_id for eta in times],
                "positions": [eta.position for eta in times],
                "etas": [from_ms(eta.eta_utc_ms) for eta in times],
                "lows": [from_ms(eta.low_utc_ms) for eta in times],
                "highs": [from_ms(eta.high_utc_ms) for eta in times],
            },
        )
        notify(cur, "eta", vehicle["fleet_id"], vehicle["vehicle_id"])
        news = [eta for eta in times if self._is_news(vehicle["vehicle_id"], eta, now_utc_ms)]
        if news:
            words = [
                (eta.order_id, from_ms(eta.eta_utc_ms), from_ms(eta.low_utc_ms), from_ms(eta.high_utc_ms), _basis(eta)) for eta in news
            ]
            eta_store.say(cur, vehicle["fleet_id"], vehicle["vehicle_id"], from_ms(now_utc_ms), words)
            self._said |= {eta.order_id: (vehicle["vehicle_id"], eta, now_utc_ms) for eta in news}

    def _is_news(self, vehicle: str, eta: Eta, now_utc_ms: int) -> bool:
        """Whether the history is to have it: another van, another horizon, or a change that a person would notice."""
        van, last, said_utc_ms = self._said.get(eta.order_id, ("", None, 0))
        if last is None or van != vehicle:
            return True
        ahead_ms = eta.eta_utc_ms - now_utc_ms
        if horizon_of(ahead_ms / 1000) != horizon_of((last.eta_utc_ms - said_utc_ms) / 1000):
            return True
        return abs(eta.eta_utc_ms - last.eta_utc_ms) >= max(SAID_AGAIN_MS, SAID_AGAIN_SHARE * ahead_ms)

    def _ask_for_help(self, cur: Cursor[Any], van: _Left, times: list[Eta]) -> None:
        """Ask for another plan when a stop became late, or a van drives away from where it should go; and when that grew."""
        name = van.vehicle["name"]
        late_s = max((eta.late_s for eta in times), default=0)
        self._ask(cur, van, "promise", "", late_s, f"{name} is {late_s // 60} min late", over=late_s < LATE_S)
        stop, away_s = self._away(van)
        self._ask(cur, van, "off_route", stop, away_s, f"{name} drives away from its next stop", over=away_s < AWAY_S)

    def _away(self, van: _Left) -> tuple[str, int]:
        """How many seconds farther the van is from its next stop than it has been."""
        vehicle = van.vehicle
        if vehicle["duty"] != "on" or van.arrived_utc_ms is not None or not van.stops or vehicle["vehicle_id"] not in self._legs_s:
            self._nearest.pop(vehicle["vehicle_id"], None)
            return "", 0
        stop = van.stops[0]
        leg_s = self._legs_s[vehicle["vehicle_id"]]
        before, least_s = self._nearest.get(vehicle["vehicle_id"], ("", leg_s))
        least_s = min(least_s, leg_s) if before == stop.stop else leg_s
        self._nearest[vehicle["vehicle_id"]] = (stop.stop, least_s)
        return stop.stop, leg_s - least_s

    def _ask(self, cur: Cursor[Any], van: _Left, kind: Kind, about: str, level: int, text: str, *, over: bool) -> None:
        vehicle = van.vehicle
        subject = f"{vehicle['vehicle_id']}:{about}" if about else vehicle["vehicle_id"]
        if over:
            if (kind, subject) in self._asked:
                self._asked.discard((kind, subject))
                proposal_store.forget(cur, vehicle["depot_id"], kind, subject)
            return
        self._asked.add((kind, subject))
        if proposal_store.claim(
            cur,
            fleet=vehicle["fleet_id"],
            depot=vehicle["depot_id"],
            kind=kind,
            subject=subject,
            level=level,
            step=BY_KIND[kind].level,
            at=self._clock.now(),
        ):
            bump(cur, vehicle["depot_id"], text, LATE_PRIORITY, clock=self._clock, kind=kind, subject=vehicle["vehicle_id"])


def _basis(eta: Eta) -> str:
    return f"{eta.network}, {CALIBRATED if eta.calibrated else UNCALIBRATED}"


def _differs(new: Eta, old: Eta) -> bool:
    """Whether the time, how sure it is, or by whose roads, is another than was told."""
    if _basis(new) != _basis(old):
        return True
    narrower_ms = max(abs(new.low_utc_ms - old.low_utc_ms), abs(new.high_utc_ms - old.high_utc_ms))
    return abs(new.eta_utc_ms - old.eta_utc_ms) >= WORTH_TELLING_MS or narrower_ms >= WIDTH_WORTH_TELLING_MS


def _to_make(driven: Sequence[PlanStop], orders: Mapping[str, Row], made: Sequence[told_store.DepotCalled]) -> frozenset[str]:
    """Calls at depots and chargers that the van has still to make: they take their way and their time, as the van itself counts."""
    if not any(map(calls.is_call, driven)):
        return frozenset()
    over = {name: order for name, order in orders.items() if order["state"] in ("delivered", "failed")}
    gone = {stop.stop for stop in driven if not calls.is_call(stop) and (stop.stop not in orders or orders[stop.stop]["cancelled_at"])}
    here = [over[stop.stop]["at"] for stop in driven if stop.stop in over]
    last_done = max(here, default=None)
    return calls.still_to_make(
        driven,
        done=over.keys() | gone,
        handed_over={name for name, order in over.items() if order["state"] == "delivered"},
        loaded=frozenset(task for call in made for task in call.tasks),
        just_made={call.stop for call in made if last_done is None or call.at is None or call.at >= last_done},
    )
