"""The privacy property, on the real database and the code that really answers: what one customer gets holds no word of another's.

Every customer's data bears a mark of their own. A random thing happens in the fleet (a van moves, a stop is done, undone, cancelled,
talked about), then a random customer's page, parts and state are built, and every mark in them must be theirs. The van's place must be
there only by the rule, and only on the grid.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request

from roundsman_core.geo import LatLon
from roundsman_hub.api import customer, customer_page
from roundsman_hub.api.desk import Desk
from roundsman_hub.clock import Clock
from roundsman_hub.domain.customers import FRESH, SOON, UNDO_WINDOW, coarse, view
from roundsman_hub.domain.words import Words
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import care_store, customer_store
from roundsman_hub.store.db import Database
from roundsman_hub.store.orders import STATES
from roundsman_hub.store.rows import row
from roundsman_sim.bench_people_fleet import Fleet, marker

MARK: Final = re.compile(r"mk(\d{5})x")
LANGUAGES: Final = ("en", "de", "es", "fr")


@dataclass(kw_only=True)
class Leaks:
    """What was found."""

    cases: int = 0
    words: int = 0
    positions: int = 0
    seen_vans: int = 0

    @property
    def all(self) -> int:
        """Leaks of any kind."""
        return self.words + self.positions


def look(db: Database, clock: Clock, made: Fleet, cases: int, seed: int) -> Leaks:
    """So many times: let something happen, and read somebody's page."""
    rng, leaks = random.Random(seed), Leaks()
    desk = Desk(db=db, clock=clock, geocoder=None, roads=GreatCircle(), ways=Matrices(GreatCircle()))
    inside = re.compile("|".join([*made.vans, *made.orders, made.fleet, made.depot, "vehiclename"]))
    for _ in range(cases):
        with db.transaction() as cur:
            _happen(cur, rng, clock, made)
        number = rng.randrange(len(made.orders))
        lang = rng.choice(LANGUAGES)
        request = Request({"type": "http", "headers": [(b"accept-language", lang.encode())], "method": "GET", "path": "/"})
        with db.tenant(made.fleet) as cur:
            reading = customer.read(cur, desk, request, made.fleet, made.tokens[number])
            shown = customer.shown(cur, reading)
            van = row(cur, "SELECT * FROM vehicle_now WHERE vehicle_id = %s", (reading.order["vehicle_id"],))
        state = customer.state_of(reading)
        text = customer_page.page(shown) + customer_page.parts(shown) + state.model_dump_json()
        leaks.cases += 1
        leaks.words += any(int(found) != number for found in MARK.findall(text)) or inside.search(text) is not None
        leaks.positions += not _position_holds(reading.order, van, state, text, reading.now)
        leaks.seen_vans += state.van is not None
    return leaks


def draw(db: Database, clock: Clock, made: Fleet, cases: int, seed: int) -> Leaks:
    """The same property without the database in between: every customer is read once, and then states, times and vans are drawn.

    What differs from case to case is what the code decides by: state, arrival time, age and place of the van, stops before, language.
    """
    rng, leaks = random.Random(seed), Leaks()
    desk = Desk(db=db, clock=clock, geocoder=None, roads=GreatCircle(), ways=Matrices(GreatCircle()))
    request = Request({"type": "http", "headers": [], "method": "GET", "path": "/"})
    readings = []
    for token in made.tokens:
        with db.tenant(made.fleet) as cur:
            reading = customer.read(cur, desk, request, made.fleet, token)
            readings.append((reading, customer.shown(cur, reading)))
    inside = re.compile("|".join([*made.vans, *made.orders, made.fleet, made.depot, "vehiclename"]))
    now = clock.now()
    for _ in range(cases):
        number = rng.randrange(len(readings))
        reading, page = readings[number]
        order, van = _drawn(rng, reading.order, now), _drawn_van(rng, now)
        words = Words(rng.choice(LANGUAGES), reading.words.zone, rng.choice(["km", "mi"]))
        seen = view(order, van, now, stops_before=order["stops_before"], reported=rng.choice([None, "breakdown", "help"]))
        told = replace(reading, order=order, seen=seen, words=words, now=now)
        state = customer.state_of(told)
        text = customer_page.page(replace(page, seen=seen, words=words, now=now)) + state.model_dump_json()
        leaks.cases += 1
        leaks.words += any(int(found) != number for found in MARK.findall(text)) or inside.search(text) is not None
        leaks.positions += not _position_holds(order, van, state, text, now)
        leaks.seen_vans += state.van is not None
    return leaks


def _drawn(rng: random.Random, order: dict[str, Any], now: datetime) -> dict[str, Any]:
    state = rng.choice((*STATES, "planned", "planned", "next", "next"))
    eta = None if rng.random() < 0.2 else now + timedelta(minutes=rng.uniform(-10, 120))
    done = now - timedelta(seconds=rng.uniform(0, 200)) if state in ("delivered", "failed") else None
    spread = timedelta(minutes=rng.uniform(1, 20))
    times = {"eta": eta, "eta_low": None if eta is None else eta - spread, "eta_high": None if eta is None else eta + spread}
    times["unassigned_at"] = now - timedelta(minutes=rng.uniform(0, 10)) if state == "unassigned" else None
    return {**order, **times, "state": state, "done_at": done, "stops_before": rng.choice([None, 0, 1, 2, 7])}


def _drawn_van(rng: random.Random, now: datetime) -> dict[str, Any] | None:
    if rng.random() < 0.1:
        return None
    return {
        "lat_e6": 50_000_000 + rng.randrange(-60_000, 60_000),
        "lon_e6": 10_000_000 + rng.randrange(-90_000, 90_000),
        "time": now - timedelta(seconds=rng.choice([0, 30, 299, 301, 4_000])),
        "heading_cdeg": rng.choice([None, rng.randrange(36_000)]),
    }


def _position_holds(order: dict[str, Any], van: dict[str, Any] | None, state: customer.CustomerState, text: str, now: datetime) -> bool:
    """The rule in other words than the code's: next, or at most ten minutes away; fresh; on the grid; nowhere else in the text."""
    true = None if van is None or van["lat_e6"] is None else LatLon.from_e6(van["lat_e6"], van["lon_e6"])
    if van is not None and true is not None:
        told = coarse(true)
        # A van on a line of the grid has one true coordinate that is the rounded one; one due east or north of the door has the door's.
        home = {order["lat_e6"], order["lon_e6"]}
        for exact, rounded, e6 in ((true.lat_deg, told.lat_deg, van["lat_e6"]), (true.lon_deg, told.lon_deg, van["lon_e6"])):
            if exact != rounded and e6 not in home and f"{exact:.6f}" in text:
                return False
    if state.van is None:
        return "data-van" not in text
    mine = order["state"] == "next" or (order["state"] in ("planned", "next") and order["eta"] is not None and order["eta"] - now <= SOON)
    fresh = van is not None and van["time"] is not None and now - van["time"] <= FRESH
    grid = true is not None and coarse(true)
    return bool(mine and fresh and grid and (grid.lat_deg, grid.lon_deg) == (state.van.lat_deg, state.van.lon_deg))


def _happen(cur: Any, rng: random.Random, clock: Clock, made: Fleet) -> None:
    now, number = clock.now(), rng.randrange(len(made.orders))
    order, word = made.orders[number], marker(number)
    vehicle = made.vans[number % len(made.vans)]
    what = rng.randrange(7)
    if what <= 1:
        cur.execute(
            "UPDATE vehicle_now SET lat_e6 = %s, lon_e6 = %s, time = %s, duty = %s WHERE vehicle_id = %s",
            (
                50_000_000 + rng.randrange(-60_000, 60_000),
                10_000_000 + rng.randrange(-90_000, 90_000),
                now - timedelta(seconds=rng.choice([0, 10, 200, 400])),
                rng.choice(["on", "on", "on", "off", "break"]),
                vehicle,
            ),
        )
    elif what == 2:
        eta = now + timedelta(minutes=rng.uniform(-5, 90))
        cur.execute(
            "UPDATE etas SET eta = %s, low = %s, high = %s WHERE order_id = %s",
            (eta, eta - timedelta(minutes=5), eta + timedelta(minutes=5), order),
        )
    elif what == 3:
        at = now - timedelta(seconds=rng.choice([5, UNDO_WINDOW.total_seconds() + 10, 4_000]))
        cur.execute(
            "INSERT INTO order_states (order_id, fleet_id, state, vehicle_id, at, arrived_at, reason, action)"
            " VALUES (%(o)s, %(f)s, %(s)s, %(v)s, %(at)s, %(at)s, %(r)s, 'a')"
            " ON CONFLICT (order_id) DO UPDATE SET state = %(s)s, at = %(at)s",
            {
                "o": order,
                "f": made.fleet,
                "s": rng.choice(["arrived", "delivered", "failed"]),
                "v": vehicle,
                "at": at,
                "r": f"reason{word}",
            },
        )
    elif what == 4:
        cur.execute("DELETE FROM order_states WHERE order_id = %s", (order,))
        cur.execute("UPDATE orders SET cancelled_at = %s WHERE order_id = %s", (rng.choice([None, None, None, now]), order))
    elif what == 5 and rng.random() < 0.3:
        customer_store.say(
            cur,
            made.fleet,
            root=order,
            order=order,
            by=rng.choice(["customer", "dispatch"]),
            who="x",
            text=f"said{word}",
            at=now,
            message=None,
        )
    elif what == 6 and rng.random() < 0.2:
        values = {"root_id": order, "order_id": order, "kind": "complaint", "state": "opened", "text": f"text{word}"}
        care_store.add(cur, made.fleet, values, actor="customer", at=now)
