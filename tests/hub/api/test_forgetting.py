"""Who received and where they live, what was said and what was sent goes after its time; that it happened stays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from roundsman_hub.store import care_store, personal, retention
from roundsman_hub.store.rows import journal

SECRETS = (
    "Kit",
    "Mill Street",
    "+3585",
    "blue door",
    "kit@",
    "rang twice",
    "hello there",
    "broken cup",
    "they called",
    "so sorry",
    "your parcel",
)
TABLES = ("orders", "recipients", "journal", "plans", "geocode_queue", "idempotency", "chat", "messages", "cases", "case_steps", "outbox")


@pytest.fixture
def order(shop: Any) -> str:
    """A delivered order, with everything that was ever said about it; its van's newest plan is a later one without it."""
    van = shop.van(shop.depot())
    sent = shop.body(phone="+358501234", instructions="blue door")
    made = shop.post("/v1/orders", json=sent, headers={"Idempotency-Key": "once-and-only"})
    assert made.status_code == 201, made.text
    order = str(made.json()["order"])
    shop.resolve(van, order, "delivered")
    at = shop.clock.now()
    stop = {"stop": order, "name": "Kit", "address": "Mill Street 4", "phone": "+358501234", "leg_m": 700}
    with shop.db.transaction() as cur:
        for version, stops, envelope in ((1, [stop], b"Kit, Mill Street 4"), (2, [], b"")):
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)"
                " VALUES (%s, %s, %s, %s, %s, 'r', '[]', %s, 'h', %s)",
                (van, version, shop.fleet, at, at, json.dumps({"stops": stops}), envelope),
            )
        cur.execute(
            "INSERT INTO recipients (root_id, fleet_id, email, note) VALUES (%s, %s, 'kit@example.org', 'rang twice')", (order, shop.fleet)
        )
        cur.execute(
            "INSERT INTO messages VALUES ('m_1' || %s, %s, %s, 'hello there', %s, 'a', %s, %s)", (order, van, shop.fleet, order, at, at)
        )
        cur.execute(
            "INSERT INTO chat VALUES ('l_' || %s, %s, %s, %s, 'customer', 'c', 'hello there', %s, 'm_1' || %s)",
            (order, shop.fleet, order, order, at, order),
        )
        about = {
            "root_id": order,
            "order_id": order,
            "kind": "damage",
            "state": "closed",
            "text": "broken cup",
            "answer": "so sorry",
            "evidence": {"received_by": "Kit", "state": "delivered"},
        }
        case = care_store.add(cur, shop.fleet, about, actor="a", at=at)
        agreed = {"agreed": {"note": "on the bench"}, "transcript": [{"said_by": "customer", "text": "hello there"}]}
        journal(cur, fleet_id=shop.fleet, at=at, kind="order.agreed", subject=order, actor="a", body=agreed)
        cur.execute("UPDATE case_steps SET note = 'they called' WHERE case_id = %s", (case,))
        cur.execute(
            "INSERT INTO outbox (notice_id, fleet_id, root_id, order_id, key, kind, channel, address, subject, body, state,"
            " written_at, not_before)"
            " VALUES ('n_' || %s, %s, %s, %s, 'key' || %s, 'done', 'email', 'kit@example.org', 'your parcel', 'Kit', 'sent', %s, %s)",
            (order, shop.fleet, order, order, order, at, at),
        )
    return order


def left(shop: Any) -> dict[str, set[str]]:
    """Which of the secrets each table still holds, in all columns of all rows."""
    found = {}
    with shop.db.transaction() as cur:
        for table in TABLES:
            text = " ".join(row["said"] for row in cur.execute(f"SELECT x::text AS said FROM {table} x WHERE fleet_id = %s", (shop.fleet,)))
            found[table] = {secret for secret in SECRETS if secret in text or secret.encode().hex() in text}
    return {table: secrets for table, secrets in found.items() if secrets}


def forget(shop: Any, days: float) -> int:
    with shop.db.transaction() as cur:
        [rule] = retention.rules(cur, shop.clock.now() + timedelta(days=days), shop.fleet)
        due = sum(personal.count_over(cur, shop.fleet, rule.personal_before).values())
        done = personal.forget(cur, shop.fleet, rule.personal_before)
        assert not any(personal.count_over(cur, shop.fleet, rule.personal_before).values())
        assert due <= done, "messages that a chat line holds go with it"
    return done


def test_what_is_personal_is_forgotten_and_what_happened_stays(shop: Any, order: str) -> None:
    assert set(left(shop)) == set(TABLES) - {"geocode_queue"}, "otherwise nothing is shown below"
    assert forget(shop, 89) == 0
    assert forget(shop, 92) == 1
    assert "outbox" not in left(shop), "notices go after a quarter"
    assert forget(shop, 360) == 0
    assert forget(shop, 368) > 5
    assert left(shop) == {}
    assert forget(shop, 368) == 0
    told = shop.get(f"/v1/orders/{order}").json()
    assert (told["state"], told["name"], told["address"]) == ("delivered", "", "")
    with shop.db.transaction() as cur:
        kept = cur.execute(
            "SELECT (SELECT count(*) FROM cases WHERE order_id = %(o)s) AS cases, "
            "(SELECT count(*) FROM outbox WHERE order_id = %(o)s) AS notices, "
            "(SELECT plan #>> '{stops,0,leg_m}' FROM plans WHERE fleet_id = %(f)s AND version = 1) AS leg_m",
            {"o": order, "f": shop.fleet},
        ).fetchone()
    assert kept == {"cases": 1, "notices": 1, "leg_m": "700"}


def test_an_order_that_was_tried_again_keeps_its_customer_as_long_as_the_last_attempt(shop: Any, order: str) -> None:
    again = shop.order()["order"]
    with shop.db.transaction() as cur:
        cur.execute("UPDATE orders SET window_end = window_end + interval '30 days' WHERE order_id = %s", (again,))
        cur.execute(
            "INSERT INTO order_turns (fleet_id, root_id, order_id, event, next_order_id, actor, at) "
            "VALUES (%s, %s, %s, 'tomorrow', %s, 'a', %s)",
            (shop.fleet, order, order, again, shop.clock.now()),
        )
    forget(shop, 368)
    assert left(shop)["recipients"] == {"kit@", "rang twice"}
    assert left(shop)["orders"] == {"Kit", "Mill Street"}
    forget(shop, 398)
    assert left(shop) == {}


def test_another_fleets_words_are_its_own(shop: Any, order: str, make_shop: Any) -> None:
    before = left(shop)
    assert forget(make_shop(), 4000) == 0
    assert left(shop) == before
