"""A depot's living plan, asked for windows: what is planned, what is held for others, and the roads between."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, Literal

from roundsman_core.geo import LatLon
from roundsman_hub import order_book
from roundsman_hub.clock import Clock
from roundsman_hub.offers.slots import MARGIN_S, Slot, Window, slots
from roundsman_hub.planning.problem import Problem
from roundsman_hub.replan.build import build
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.replan.world import OrderFacts, World
from roundsman_hub.store import offer_store as store
from roundsman_hub.store.db import Cursor, Database

ASKED: Final = "asked"
"""Id of work that no order stands for yet."""
LEAD: Final = timedelta(minutes=30)
"""A window that begins sooner could not be prepared: the goods have to be found, and the driver told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The work that a window is wanted for."""

    at: LatLon
    kind: Literal["delivery", "pickup"] = "delivery"
    service_s: int = 180
    parcels: int = 1

    def as_order(self, name: str, window: Window) -> OrderFacts:
        """As the planner sees orders."""
        return OrderFacts.asked(name, self.kind, self.at, window, service_s=self.service_s, parcels=self.parcels)

    def row(self) -> dict[str, Any]:
        """As it is stored with an offer."""
        return {
            "lat_e6": self.at.lat_e6,
            "lon_e6": self.at.lon_e6,
            "kind": self.kind,
            "service_s": self.service_s,
            "parcels": self.parcels,
        }

    @classmethod
    def of(cls, row: dict[str, Any]) -> Ask:
        """From its row."""
        at = LatLon.from_e6(row["lat_e6"], row["lon_e6"])
        return cls(at=at, kind=row["kind"], service_s=row["service_s"], parcels=row["parcels"])


AT_ONCE: Final = 4
"""So many ask at once: each holds a second connection meanwhile, and waiting for one while holding the first would stop everybody."""


class Depots:
    """Reads depots' worlds and asks them. Safe for several threads."""

    def __init__(self, db: Database, ways: Matrices, clock: Clock) -> None:
        self._db, self._ways, self._clock = db, ways, clock
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def basis(self, depot: str) -> str:
        """Who gives its travel times."""
        return self._ways.basis(depot)

    def world(self, depot: str) -> World:
        """The planner's own view of a depot: it reads the vans' logs, and so not as a tenant."""
        with self._turns, self._db.transaction() as cur:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            world = load_world(cur, depot, self._clock)
        assert world is not None  # callers have looked it up
        return world

    def day(self, depot: str, day: date) -> World | None:
        """A depot's work and vans of a day to come, as its order book and roster have them; None: nobody is on its roster."""
        with self._turns, self._db.transaction() as cur:
            cur.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            try:
                return order_book.tomorrow(cur, depot, day, self._clock).world
            except order_book.NotReady:
                return None

    def asked(self, ask: Ask, window: Window) -> OrderFacts:
        """Work that no order stands for, as the planner sees orders."""
        return ask.as_order(ASKED, window)

    def problem(self, world: World, holds: Sequence[dict[str, Any]], ask: Ask | None = None) -> Problem:
        """The depot's work with every window that is held, and with the work that is asked for."""
        orders = dict(world.orders)
        for hold in holds:
            order = hold["order_id"] if hold["order_id"] in orders else None
            if order is not None:
                orders[order] = replace(orders[order], window_start=hold["window_start"], window_end=hold["window_end"])
            elif hold["order_id"] is None:
                window = (hold["window_start"], hold["window_end"])
                orders[hold["offer_id"]] = Ask.of(hold["ask"]).as_order(hold["offer_id"], window)
        if ask is not None:
            orders[ASKED] = ask.as_order(ASKED, (world.now, world.now + timedelta(days=1)))
        seen = replace(world, orders=orders)
        return build(seen, *self._ways.of(seen), may_move=False)

    def ask(
        self,
        cur: Cursor,
        world: World,
        windows: Sequence[Window],
        *,
        order: str | None = None,
        ask: Ask | None = None,
        but: str | None = None,
        margin_s: int = MARGIN_S,
    ) -> list[Slot]:
        """Windows that can be kept for an order, or for work that is none yet. `but`: an offer whose own hold does not count."""
        holds = store.held(cur, world.depot_id, world.now, but=order or but)
        problem = self.problem(world, holds, ask if order is None or order not in world.orders else None)
        asked = order if order is not None and order in world.orders else ASKED
        if not problem.vans or all(task.task != asked for task in problem.tasks):
            return []
        return slots(problem, asked, windows, margin_s=margin_s)


def span(world: World) -> Window | None:
    """From when to when the depot's vans are at work, from now on; None: no more."""
    shifts = [(van.shift_start, van.shift_end) for van in world.vans.values() if van.shift_end > world.now and not van.ended]
    if not shifts:
        return None
    return max(world.now + LEAD, min(start for start, _ in shifts)), max(end for _, end in shifts)
