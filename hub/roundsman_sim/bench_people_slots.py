"""Window choice: how fast at 300 open tasks; and whether what was accepted is kept, on quiet days and on bad ones."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from roundsman_core.geo import LocalFrame
from roundsman_hub.care import wishes
from roundsman_hub.clock import Clock
from roundsman_hub.offers import choosing
from roundsman_hub.offers.depot import Ask as Wanted, Depots
from roundsman_hub.pki import open_pki
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.replan.planner import Planner
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import orders as order_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows
from roundsman_sim.bench_people_fleet import CENTRE, HALF_TOWN_M, Fleet
from roundsman_sim.day_box import PLANNED_BEFORE, Box
from roundsman_sim.day_setting import Setting
from roundsman_sim.day_world import Ask, Script


def answer_times(db: Database, clock: Clock, made: Fleet, folder: Path, many: int, seed: int) -> tuple[list[float], float, int]:
    """Seconds of each question at a planned depot, this process's CPU of one, and the fewest offers that an answer had."""
    planner = Planner(db, GreatCircle(), open_pki(folder / "pki").signer(), clock, lambda: None)
    search = planner.plan(made.depot)
    if search is not None:
        planner.adopt(search, search.warm)
    rng, frame, depots = random.Random(seed), LocalFrame(CENTRE), Depots(db, Matrices(GreatCircle()), clock)
    took, fewest = [], 99
    cpu_s = time.process_time()
    for _ in range(many):
        at = frame.to_latlon(rng.uniform(-HALF_TOWN_M, HALF_TOWN_M), rng.uniform(-HALF_TOWN_M, HALF_TOWN_M))
        began = time.monotonic()
        with db.tenant(made.fleet) as cur:
            found = choosing.offer(cur, depots, made.fleet, made.depot, ask=Wanted(at=at), now=clock.now())
        took.append(time.monotonic() - began)
        fewest = min(fewest, len(found))
    return took, (time.process_time() - cpu_s) / many, fewest


CHOOSERS: Final = 4 / 5
"""Of those who ordered the day before: so many look at their page and choose among times, somewhere between the day's first plan and its
last third."""
CHOOSE_UNTIL: Final = 0.65


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of accepted windows. `announced`: missed, but the arrival time said so before the window began; `refused`: nothing was
    offered, or what was held could not be accepted."""

    accepted: int
    missed: int
    announced: int
    refused: int
    misses: tuple[str, ...] = ()


class OfferBox(Box):
    """A pretend day on which most of the customers choose another time on their page, and those who call during the round choose
    among what they are offered, instead of naming a window. Any of the offers: nobody looks for a cheap one."""

    chosen: dict[str, tuple[datetime, datetime]]
    warned: dict[str, datetime]
    refused: int

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.chosen, self.warned, self.refused = {}, {}, 0
        self._depots = Depots(self._db, Matrices(self._town.roads), self.clock)
        self._rng = random.Random(self._day.seed)
        early = [ask for ask in self._day.asks if ask.known_at < self._day.start and ask.cancelled_at is None]
        looking = self._rng.sample(early, round(CHOOSERS * len(early)))
        last_s = CHOOSE_UNTIL * (self._day.end - self._day.start).total_seconds()
        at = [self._day.start - PLANNED_BEFORE + timedelta(seconds=self._rng.uniform(0, last_s)) for _ in looking]
        self._looking = sorted(zip(at, looking, strict=True), key=lambda one: one[0])

    def _place(self, asks: Sequence[Ask]) -> None:
        """One who calls during the round: the shop's checkout asks for windows, and orders in the one that is chosen."""
        if len(asks) == 1 and asks[0].known_at >= self._day.start and asks[0].kind == "pickup":
            ask = asks[0]
            wanted = Wanted(at=ask.home, kind="pickup", service_s=ask.service_s, parcels=ask.parcels)
            with self._db.tenant(self._town.fleet) as cur:
                found = choosing.offer(cur, self._depots, self._town.fleet, self._town.depot, ask=wanted, now=self._now)
                if not found:
                    self.refused += 1
                    return
                offer = self._rng.choice(found)
                choosing.check(cur, self._depots, offer | {"fleet_id": self._town.fleet}, self._now)
            window = (offer["window_start"], offer["window_end"])
            self.chosen[ask.order] = window
            asks = [replace(ask, opens=window[0], closes=window[1], priority=0)]
        super()._place(asks)

    def _choose(self, ask: Ask) -> None:
        """One who has an order: looks at the times on their page, takes one, and confirms it."""
        fleet = self._town.fleet
        with self._db.tenant(fleet) as cur:
            order = order_store.shown(cur, order_id=ask.order)
            if order is None or order["state"] not in wishes.OPEN:
                return  # it was there before they looked
            found = choosing.offer(cur, self._depots, fleet, self._town.depot, order=ask.order, now=self._now)
        if not found:
            self.refused += 1
            return
        try:
            with self._db.tenant(fleet) as cur:
                held = choosing.hold(cur, self._depots, self._rng.choice(found) | {"fleet_id": fleet}, self._now)
                taken = choosing.check(cur, self._depots, held, self._now)
                choosing.accept_for(cur, fleet, taken, order, actor=wishes.BY, clock=self.clock)
        except choosing.Refused:
            self.refused += 1
            return
        window = (taken["window_start"], taken["window_end"])
        self.chosen[ask.order] = window
        self._known[ask.order] = moved = replace(ask, opens=window[0], closes=window[1])
        for van in self.vans:
            van.know(moved)

    def _deliver(self) -> None:
        super()._deliver()
        while self._looking and self._looking[0][0] <= self._now:
            self._choose(self._looking.pop(0)[1])
        if not self.chosen:
            return
        with self._db.transaction() as cur:
            late = rows(
                cur,
                "SELECT e.order_id FROM etas e JOIN orders o USING (order_id) WHERE e.order_id = ANY(%s) AND e.eta > o.window_end",
                (list(self.chosen),),
            )
        for found in late:
            if self._now < self.chosen[found["order_id"]][0]:
                self.warned.setdefault(found["order_id"], self._now)

    def kept(self) -> Kept:
        """After the day."""
        served = {stop: times for van in self.vans for stop, times in van.served.items()}
        missed = [o for o, (_, closes) in self.chosen.items() if o not in self._called_off and (o not in served or served[o][0] > closes)]
        due = [o for o in self.chosen if o not in self._called_off]
        return Kept(
            accepted=len(due),
            missed=len(missed),
            announced=sum(o in self.warned for o in missed),
            refused=self.refused,
            misses=tuple(self._miss(o, served) for o in missed),
        )

    def _miss(self, order: str, served: Mapping[str, tuple[datetime, datetime, bool]]) -> str:
        """For whoever looks into it."""
        opens, closes = (at.astimezone(self._day.start.tzinfo) for at in self.chosen[order])
        began = f"{served[order][0]:%H:%M}" if order in served else "never"
        warned = f"{self.warned[order]:%H:%M}" if order in self.warned else "never"
        return f"{order} {opens:%H:%M}-{closes:%H:%M}: began {began}, announced {warned}"


def quiet(day: Script) -> Script:
    """The same day without anything that nobody could have planned: no jams, no breakdowns, drivers and doors as usual."""
    ones = tuple(1.0 for _ in day.paces)
    return replace(day, jams=(), troubles=(), paces=ones, hands=ones, mood=1.0, no_shows=frozenset())


def live_through(made: Setting, day: Script, search_s: float) -> Kept:
    """One day in a database of its own."""
    from roundsman_sim import day_town

    day_town.copy_database(made.server.dsn("postgres"), "town", "day")
    with Database.connect(made.server.dsn("day"), max_size=4) as db:
        box = OfferBox(db, made.town, day, "living", engine=made.engine, search_s=search_s)
        box.run()
    day_town.drop_database(made.server.dsn("postgres"), "day")
    return box.kept()
