"""A day in a box: a pretend day through the hub's own ingest, derive, planner and arrival times, on a clock that waits for them.

One process, one real database, real frames; no broker, no threads. A van without network keeps its frames until it has it again.
Everything that the hub does on its own is asked for here in turn: store, derive, look whether plans still fit, plan, search, tell times.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from psycopg import sql

from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.derive.worker import catch_up, keep_house, pass_time
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.planning.engines import Engine
from roundsman_hub.planning.problem import Plan as Routes
from roundsman_hub.planning.solve import decide
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.worker import PlanWorker
from roundsman_hub.roads.role import TrafficRole
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import notify, rows
from roundsman_sim.day_eta import Watch
from roundsman_sim.day_result import Result, outcome
from roundsman_sim.day_town import Town
from roundsman_sim.day_van import DayVan
from roundsman_sim.day_world import Ask, Script
from roundsman_wire.messages import Ack, Plan

log = logging.getLogger(__name__)

STEP: Final = timedelta(seconds=30)
"""How often vans speak and the hub looks: a van's own frame goes every 10 to 60 s."""
ETAS_EVERY: Final = timedelta(seconds=60)
TIME_PASSES_EVERY: Final = timedelta(minutes=5)
TRAFFIC_EVERY: Final = timedelta(minutes=5)
"""A hub looks each minute; here each look may make a server of its own, and a day has a hundred of them as it is."""
PLANNED_BEFORE: Final = timedelta(minutes=30)
ENDS_AFTER: Final = timedelta(hours=2)
"""A van that is not home then is called home: what it has left was not served."""
CHURN_AMONG: Final = 3


class StepClock(Clock):
    """Business time that stands until it is moved."""

    __slots__ = ("_at",)

    def __init__(self, at: datetime) -> None:
        super().__init__()
        object.__setattr__(self, "_at", [to_ms(at)])

    def move(self, at: datetime) -> None:
        """It is `at` now."""
        self._at[0] = to_ms(at)  # type: ignore[attr-defined]

    def utc_ms(self) -> int:
        """See `Clock.utc_ms`."""
        return int(self._at[0])  # type: ignore[attr-defined]


class Box:
    """One day under one policy, in a database of its own.

    Parameters
    ----------
    routes : Routes, optional
        The morning's plan, where it was searched for already: the same for all policies.
    engine : Engine or sequence of Engine, optional
        The search of the living plan.
    search_s : float
        Real seconds of each.
    search_seed : int, optional
        Of each; the day's, if left out.
    traffic : callable, optional
        Database and clock → what brings the fleet's own last minutes into the streets; without it, jams are met and not told.
    """

    def __init__(
        self,
        db: Database,
        town: Town,
        day: Script,
        policy: str,
        *,
        routes: Routes | None = None,
        engine: Engine | Sequence[Engine] | None = None,
        search_s: float = 0.3,
        search_seed: int | None = None,
        first_search_s: float = 3.0,
        traffic: Callable[[Database, Clock], TrafficRole] | None = None,
    ) -> None:
        self._db, self._town, self._day, self._policy = db, town, day, policy
        self._engine, self._search_s, self._first_search_s = engine, search_s, first_search_s
        self._seed = day.seed if search_seed is None else search_seed
        self._now = day.start - PLANNED_BEFORE
        self.clock = StepClock(self._now)
        self.planner = Planner(db, town.roads, town.signer, self.clock, lambda: None)
        self._worker = PlanWorker(db, self.planner, self.clock, None)
        self._etas = EtaWorker(db, town.roads, self.clock)
        self._traffic = None if traffic is None else traffic(db, self.clock)
        self._ingest = Ingest(db, self.clock, self)
        self.routes = routes
        self._known: dict[str, Ask] = {}
        self._called_off: set[str] = set()
        self._searches = self._churn = 0
        self._seen: dict[str, int] = {}
        self._reported: dict[str, datetime] = {}
        self._settled: set[str] = set()
        self.vans = [self._van(number, vehicle) for number, vehicle in enumerate(town.vehicles)]
        self._by_name = {van.vehicle: van for van in self.vans}
        self._watch = Watch(db, town, self.vans, by_plan=policy == "static")

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        """See `Outgoing`."""
        for vehicle, ack in acks:
            self._by_name[vehicle].log.acknowledged(ack)

    def run(self) -> Result:
        """Live through the day."""
        began = time.monotonic()
        self._morning()
        last_eta = last_pass = last_traffic = self._now
        urgent_known = sorted((ask for ask in self._day.asks if ask.known_at >= self._day.start), key=lambda ask: ask.known_at)
        off = sorted((ask for ask in self._day.asks if ask.cancelled_at is not None), key=lambda ask: ask.cancelled_at or ask.known_at)
        while not self._over():
            self._now += STEP
            self.clock.move(self._now)
            news = False
            while urgent_known and urgent_known[0].known_at <= self._now:
                ask = urgent_known.pop(0)
                self._place([ask])
                if self._policy == "static" and (out := [van for van in self.vans if van.plan is not None and van.plan.stops]):
                    min(out, key=lambda van: self._town.way(van.ends_at, ask.home)[1]).append(ask)
                news = True
            while off and off[0].cancelled_at is not None and off[0].cancelled_at <= self._now:
                news |= self._call_off(off.pop(0))
            for van in self.vans:
                van.advance(self._now)
            batch = [message for van in self.vans for message in van.say(self._now)]
            news |= self._hear(batch)
            news |= self._settle_reports()
            if self._traffic is not None and self._now - last_traffic >= TRAFFIC_EVERY:
                self._traffic.step()
                last_traffic = self._now
                news |= self._asked()
            told = False
            if self._policy != "static" and news:
                told = self._plan()
            if self._policy != "static" and (told or self._now - last_eta >= ETAS_EVERY):
                self._etas.learn()
                self._etas.tell([], everyone=True)
                last_eta = self._now
                if self._asked():
                    self._plan()  # a promise is in danger
                self._watch.look(self._now)
            if self._policy == "static":
                self._watch.look(self._now)
            if self._now - last_pass >= TIME_PASSES_EVERY:
                pass_time(self._db, self._now)
                last_pass = self._now
                if self._policy != "static":
                    self._plan()  # what did not happen is a reason too
            if self._policy != "static":
                self._deliver()
        for van in self.vans:
            van.advance(self._now)
            van.end(self._now)
        self._hear([message for van in self.vans for message in van.say(self._now)])
        if self._traffic is not None:
            self._traffic.close()
        return self._result(time.monotonic() - began)

    def morning(self) -> Routes:
        """Only plan: what the vans would get before the shift."""
        self._morning()
        assert self.routes is not None
        return self.routes

    # ── the hub's turns ─────────────────────────────────────────────────────────────────────────────────────────────

    def _morning(self) -> None:
        """Tomorrow's orders are in: plan them, and let every van have its plan before the shift."""
        keep_house(self._db, self.clock)
        with self._db.transaction() as cur:
            fleet = sql.Literal(self._town.fleet)
            shift = sql.SQL("UPDATE vehicles SET shift_start = {}, shift_end = {} WHERE fleet_id = {}")
            cur.execute(shift.format(sql.Literal(self._day.start), sql.Literal(self._day.end), fleet))
            for van in self.vans:
                notify(cur, "vehicle", self._town.fleet, van.vehicle)
        self._hear([message for van in self.vans for message in van.say(self._now)])
        self._place([ask for ask in self._day.asks if ask.known_at < self._day.start])
        search = self.planner.plan(self._town.depot)
        assert search is not None  # the first plan of a shift is searched before it is told
        if self.routes is None:
            self.routes = decide(search.problem, search.warm, self._first_search_s, self._seed, engine=self._engine).plan
        self.planner.adopt(search, self.routes)
        self._plan(search=False)
        self._deliver()

    def _plan(self, *, search: bool = True) -> bool:
        """Plan what is due, and what the vans' logs unsettled; search after where the policy has one. True if anything was told."""
        depot, issued = self._town.depot, False
        for _ in range(6):
            world = self.planner.look(depot)
            assert world is not None
            if world.revision == world.planned and not self._worker.answer_news(
                world, [*unsettled(world), *self.planner.heard_again(world)]
            ):
                return issued
            found = self.planner.plan(depot)
            issued = True
            if found is not None and search and self._policy == "living" and self._engine is not None:
                self._searches += 1
                self.planner.adopt(found, decide(found.problem, found.warm, self._search_s, self._seed, engine=self._engine).plan)
            # A task on its way between two vans enters the other after the receipt: vans with network answer at once.
            self._deliver()
            self._hear([message for van in self.vans for message in van.say(self._now)])
        return issued

    def _asked(self) -> bool:
        """Whether somebody raised the depot's revision."""
        with self._db.transaction() as cur:
            found = rows(cur, "SELECT FROM planning WHERE depot_id = %s AND revision > planned", (self._town.depot,))
        return bool(found)

    def _hear(self, batch: Sequence[Message]) -> bool:
        """What the vans send: stored and derived. True if facts came."""
        if not batch:
            return False
        self._ingest.process(batch)
        return catch_up(self._db, self.clock) > 0

    def _deliver(self) -> None:
        """Plans to the vans that have network."""
        with self._db.transaction() as cur:
            found = rows(
                cur,
                "SELECT DISTINCT ON (vehicle_id) vehicle_id, version, hash, plan FROM plans WHERE fleet_id = %s"
                " AND issued_at >= %s ORDER BY vehicle_id, version DESC",
                (self._town.fleet, self._day.start - timedelta(hours=3)),
            )
        newest = {r["vehicle_id"]: r for r in found}
        for van in self.vans:
            r = newest.get(van.vehicle)
            if r is None or r["version"] <= self._seen.get(van.vehicle, 0) or not van.linked(self._now):
                continue
            self._seen[van.vehicle] = r["version"]
            before = [stop.stop for stop in van.left][:CHURN_AMONG]
            van.advance(self._now)
            van.take(msgspec.convert(r["plan"], Plan), r["hash"], self._now)
            after = [stop.stop for stop in van.left]
            if van.on_duty:
                self._churn += sum(at >= len(after) or after[at] != stop for at, stop in enumerate(before) if stop not in self._called_off)

    # ── the pretend world's side ────────────────────────────────────────────────────────────────────────────────────

    def _van(self, number: int, vehicle: str) -> DayVan:
        with self._db.transaction() as cur:
            last = rows(cur, "SELECT session FROM log.sessions WHERE vehicle_id = %s ORDER BY ordinal DESC LIMIT 1", (vehicle,))
            driver = rows(cur, "SELECT driver_id FROM vehicles WHERE vehicle_id = %s", (vehicle,))[0]["driver_id"]
        session = f"{self._day.day:%Y%m%d}{number + 1:08x}"
        previous = last[0]["session"] if last else None
        return DayVan(
            number=number,
            vehicle=vehicle,
            session=session,
            previous=previous,
            day=self._day,
            home=self._town.depot_at,
            road=self._town.way,
            driver=driver,
        )

    def _place(self, asks: Sequence[Ask]) -> None:
        """Orders come in, as the API writes them down."""
        with self._db.transaction() as cur:
            cur.executemany(
                "INSERT INTO orders (order_id, fleet_id, depot_id, kind, name, address, lat_e6, lon_e6, placed, window_start, window_end,"
                " promise_start, promise_end, service_s, parcels, priority, track_token, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'given', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        *(a.order, self._town.fleet, self._town.depot, a.kind, a.order, a.address, a.home.lat_e6, a.home.lon_e6),
                        *(a.opens, a.closes, a.opens, a.closes, a.service_s, a.parcels, a.priority, f"t_{a.order}", self._now),
                    )
                    for a in asks
                ],
            )
            first = asks[0]
            what, urgency = f"{first.kind} {first.order} ordered", first.priority if len(asks) == 1 else 0
            bump(cur, self._town.depot, what, urgency, clock=self.clock, kind="ordered", subject=first.order)
        for ask in asks:
            self._known[ask.order] = ask
            for van in self.vans:
                van.know(ask)

    def _call_off(self, ask: Ask) -> bool:
        if any(ask.order in van.served for van in self.vans):
            return False
        self._called_off.add(ask.order)
        with self._db.transaction() as cur:
            cur.execute("UPDATE orders SET cancelled_at = %s, revision = revision + 1 WHERE order_id = %s", (self._now, ask.order))
            notify(cur, "order", self._town.fleet, ask.order)
            bump(cur, self._town.depot, f"{ask.order} cancelled", 8, clock=self.clock, kind="cancelled", subject=ask.order)
        if self._policy == "static":
            for van in self.vans:  # by telephone
                van.cancelled.add(ask.order)
        return True

    def _settle_reports(self) -> bool:
        """A dispatcher settles a breakdown when the van is mended."""
        settled = False
        for van in self.vans:
            if van.report is not None and van.held_until is None and van.report not in self._settled and van.linked(self._now):
                self._settled.add(van.report)
                settled = True
                with self._db.transaction() as cur:
                    cur.execute(
                        "INSERT INTO settled_reports (fleet_id, report, actor, at) VALUES (%s, %s, 'day', %s) ON CONFLICT DO NOTHING",
                        (self._town.fleet, van.report, self._now),
                    )
                    bump(cur, self._town.depot, f"{van.vehicle} drives again", 4, clock=self.clock, kind="fleet", subject=van.vehicle)
        return settled

    def _over(self) -> bool:
        if self._now >= self._day.end + ENDS_AFTER:
            return True
        to_come = any(ask.known_at > self._now for ask in self._day.asks)
        return self._now > self._day.start + timedelta(hours=1) and not to_come and all(van.idle for van in self.vans)

    # ── what it came to ─────────────────────────────────────────────────────────────────────────────────────────────

    def _result(self, took_s: float) -> Result:
        with self._db.transaction() as cur:
            plans = rows(
                cur, "SELECT count(*) AS n FROM plans WHERE fleet_id = %s AND issued_at >= %s", (self._town.fleet, self._day.start)
            )
        arrived = {stop: at for van in self.vans for stop, at in van.arrived.items()}
        return Result(
            policy=self._policy,
            plans=int(plans[0]["n"]),
            churn=self._churn,
            searches=self._searches,
            took_s=round(took_s, 1),
            said=self._watch.settled(arrived),
            **outcome(self._town, self._day, self.vans, self._called_off),
        )
