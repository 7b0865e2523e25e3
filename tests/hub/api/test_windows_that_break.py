"""A van that carries an accepted window breaks down: whoever waits hears of it before the window begins, by a notice and on their page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.hub.api.conftest import Shop
from tests.hub.api.forms import send
from tests.hub.api.mailbox import Mailbox

from roundsman_hub.api import keys
from roundsman_hub.eta.worker import EtaWorker
from roundsman_hub.notify import sending, worker
from roundsman_hub.roads import GreatCircle

Yard = Any  # the fixture of tests/hub/conftest.py
NORTH = {"lat_deg": 50.03, "lon_deg": 10.0}


@pytest.fixture
def office(url: str, yard: Yard, data_dir: Path, mailbox: Mailbox) -> Iterator[Shop]:
    """The yard's fleet, at the API, writing e-mail."""
    shop = Shop(url=url, db=yard.db, clock=yard.clock, fleet=yard.fleet, blobs_dir=data_dir / "blobs")
    key = keys.create(yard.db, yard.fleet, "admin", "admin")
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False) as client:
        shop.clients["admin"] = client
        mail = f"mailto://127.0.0.1:{mailbox.port}/{{to}}?from=parcels@shop.example&mode=insecure"
        assert shop.put("/v1/service", json={"channels": {"email": mail}, "public_url": "https://hub.example"}).status_code == 200
        yield shop


def accepted(office: Shop, yard: Yard, kind: str = "delivery") -> dict[str, Any]:
    """A customer's order with the first window that a checkout offers: 11:00 to 13:00."""
    offers = office.post("/v1/windows", json={"depot": yard.depot, "kind": kind, **NORTH}).json()["items"]
    offer = min(offers, key=lambda one: str(one["window_start"]))
    made = office.post(f"/v1/windows/{offer['offer']}/accept", json={"order": {"name": "Kit"}})
    assert made.status_code == 200, made.text
    order: dict[str, Any] = made.json()
    office.put(f"/v1/orders/{order['order']}/recipient", json={"email": "kit@home.example", "language": "en"})
    return order


def hear(yard: Yard, mailbox: Mailbox) -> list[str]:
    """What the customer was written so far."""
    with yard.db.transaction() as cur:  # as the minutes go by
        cur.execute("UPDATE unassigned SET at = at - interval '3 minutes' WHERE fleet_id = %s", (yard.fleet,))
        vans = [r["vehicle_id"] for r in cur.execute("SELECT vehicle_id FROM vehicles WHERE fleet_id = %s", (yard.fleet,)).fetchall()]
    EtaWorker(yard.db, GreatCircle(), yard.clock).tell(vans)
    worker.look(yard.db, yard.clock)
    while sending.send_due(yard.db, yard.clock):
        pass
    return [str(mail["Subject"]).removeprefix("Fleet: ") for mail in mailbox.mail]


def letter(mailbox: Mailbox) -> str:
    """The newest."""
    body = mailbox.mail[-1].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def page(order: dict[str, Any]) -> str:
    return httpx.get(order["track_url"], params={"tz": "UTC"}, trust_env=False).text


def breaks_down(office: Shop, yard: Yard, van: str) -> None:
    """The dispatcher hears of it; the van's program takes the plan without work, and the work is free."""
    assert office.put(f"/v1/vehicles/{van}/out", json={"reason": "broken_down"}).status_code == 200
    yard.plan()
    yard.receipt(van)
    yard.bump("the van has heard of it")
    yard.plan()


def new_time(office: Shop, order: dict[str, Any]) -> str:
    """From when the customer is to expect it, by the arrival time."""
    shown = office.get(f"/v1/orders/{order['order']}").json()
    assert shown["eta"] is not None, shown
    at, promised = datetime.fromisoformat(shown["eta"]), datetime.fromisoformat(order["promise_end"])
    assert at > promised, "the window cannot be kept"
    assert office.clock.now() < datetime.fromisoformat(order["promise_start"]), "told before the window begins"
    return f"{at:%H}:"


def may_be_late(office: Shop, order: dict[str, Any]) -> None:
    """The office has it brought after its window; what was promised stays written down."""
    late = {"window_start": "2026-03-02T13:05:00Z", "window_end": "2026-03-02T18:00:00Z"}
    assert office.patch(f"/v1/orders/{order['order']}", json=late).status_code == 200


def afternoon_van(yard: Yard) -> str:
    """A van whose shift begins when the window is over."""
    van: str = yard.van("Van 2")
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET shift_start = shift_start + interval '165 minutes' WHERE vehicle_id = %s", (van,))
    yard.bump()
    return van


def test_a_van_on_its_way_breaks_down_and_the_next_is_far_away(office: Shop, yard: Yard, mailbox: Mailbox) -> None:
    first, second = yard.van("Van 1"), yard.van("Van 2")
    order = accepted(office, yard, kind="pickup")
    for van, far_m in ((first, 0), (second, 160_000)):
        yard.duty(van, "on")
        yard.at(van, far_m, 0)
    yard.bump()
    yard.plan()
    assert yard.route(first) == [order["order"]]
    yard.receipt(first)
    assert hear(yard, mailbox) == ["You are next"]
    assert "between 11:00 and 11:" in letter(mailbox), "a van that is there sooner waits"
    breaks_down(office, yard, first)
    assert hear(yard, mailbox) == ["You are next", "Your time is in doubt"]
    may_be_late(office, order)
    yard.plan()
    assert yard.route(second) == [order["order"]], yard.unassigned()
    yard.receipt(second)
    assert hear(yard, mailbox)[2:] == ["Another time"]
    hour = new_time(office, order)
    assert hour in letter(mailbox)
    assert hour in page(order)


def test_no_van_can_keep_it_and_the_office_lets_it_be_late(office: Shop, yard: Yard, mailbox: Mailbox) -> None:
    second, order = lost(office, yard, mailbox)
    may_be_late(office, order)
    yard.plan()
    assert yard.route(second) == [order["order"]], yard.unassigned()
    assert hear(yard, mailbox) == ["Your time is in doubt", "Another time"]
    hour = new_time(office, order)
    assert hour in letter(mailbox)
    assert hour in page(order)
    assert "in doubt" not in page(order)


def test_no_van_can_keep_it_and_the_customer_chooses_another_time(office: Shop, yard: Yard, mailbox: Mailbox) -> None:
    second, order = lost(office, yard, mailbox)
    assert send(order, "times")[0] == "said times"
    offer = re.search(r'name="offer" value="([^"]+)"', page(order))
    assert offer is not None
    assert send(order, "accept", offer=offer[1])[0] == "said time"
    yard.plan()
    assert yard.route(second) == [order["order"]], yard.unassigned()
    assert hear(yard, mailbox) == ["Your time is in doubt", "Another time"]
    kept = office.get(f"/v1/orders/{order['order']}").json()
    assert kept["promise_end"] > order["promise_end"]
    assert kept["promise_start"] <= kept["eta"] <= kept["promise_end"]
    assert "in doubt" not in page(order)


def lost(office: Shop, yard: Yard, mailbox: Mailbox) -> tuple[str, dict[str, Any]]:
    """Its van breaks down, and the afternoon's comes when the window is over: that one, and the order."""
    first = yard.van("Van 1")
    order = accepted(office, yard, kind="pickup")
    yard.plan()
    yard.receipt(first)
    second = afternoon_van(yard)
    breaks_down(office, yard, first)
    assert yard.unassigned()
    assert hear(yard, mailbox) == ["Your time is in doubt"]
    assert "between 11:00 and 13:00" in letter(mailbox)
    assert "This time is in doubt" in page(order)
    assert hear(yard, mailbox) == ["Your time is in doubt"], "once"
    return second, order
