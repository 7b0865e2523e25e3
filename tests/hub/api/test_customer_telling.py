"""What the customer's page tells, and how: in the reader's language and time, for as long as the link holds."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import Any

import httpx
import pytest
from tests.hub.api.forms import delivered, send

from roundsman_hub.clock import Clock
from roundsman_hub.domain.words import LANGUAGES
from roundsman_hub.store.rows import row


@pytest.mark.parametrize(
    ("lang", "words"), [("de", "Ihre Bestellung ist da"), ("es", "Tenemos su pedido"), ("fr", "Nous avons votre commande")]
)
def test_page_speaks_the_readers_language_and_time(shop: Any, lang: str, words: str) -> None:
    shop.van(shop.depot())
    order = shop.order()
    page = httpx.get(order["track_url"], headers={"accept-language": f"{lang}-XX,en;q=0.5"}, trust_env=False)
    assert words in page.text
    assert f'<html lang="{lang}"' in page.text
    tokyo = httpx.get(order["track_url"] + "/state", params={"tz": "Asia/Tokyo"}, trust_env=False).json()
    helsinki = httpx.get(order["track_url"] + "/state", trust_env=False).json()
    assert int(tokyo["updated"][:2]) == (int(helsinki["updated"][:2]) + 7) % 24


def test_preferences_are_kept(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    send(order, "prefs", kind="next", language="de", units="mi", none="1")
    page = httpx.get(order["track_url"], headers={"accept-language": "fr"}, trust_env=False).text
    assert '<html lang="de"' in page
    with shop.db.transaction() as cur:
        kept = row(cur, "SELECT * FROM recipients WHERE root_id = %s", (order["order"],))
    assert kept is not None
    assert sorted(kept["muted"]) == ["case", "changed", "done", "on_the_way"]
    assert kept["opted_out_at"] is not None
    _, page = send(order, "prefs", lang="de", kind="next", language="es")
    assert '<html lang="es"' in page, "the answer speaks the language that was just chosen"


def test_a_link_expires_long_after_the_end(shop: Any, clock: Clock) -> None:
    order = delivered(shop)
    with shop.db.transaction() as cur:
        cur.execute("UPDATE order_states SET at = %s WHERE order_id = %s", (clock.now() - timedelta(days=91), order["order"]))
    page = httpx.get(order["track_url"], trust_env=False)
    assert page.status_code == 410
    assert "has expired" in page.text


def test_stops_before_and_lateness_are_told_in_plain_words(shop: Any) -> None:
    van = shop.van(shop.depot())
    orders = [shop.order() for _ in range(3)]
    shop.in_force(van, [order["order"] for order in orders])
    now = shop.clock.now()
    with shop.db.transaction() as cur:
        late = now + timedelta(hours=4)
        cur.execute(
            "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
            " VALUES (%s, %s, %s, 1, 3, %s, %s, %s, %s, 'osrm')",
            (orders[2]["order"], shop.fleet, van, late, late - timedelta(minutes=10), late + timedelta(minutes=10), now),
        )
    page = httpx.get(orders[2]["track_url"], trust_env=False).text
    assert "2 stops before you." in page
    assert "Later than we said: traffic" in page
    assert "One stop before you." in httpx.get(orders[1]["track_url"], trust_env=False).text


def test_a_time_from_straight_lines_is_called_so(shop: Any) -> None:
    """Where there are no road data: on the page in each language, and in what programs read."""
    van, order = shop.van(shop.depot()), shop.order()
    shop.in_force(van, [order["order"]])
    now = shop.clock.now()
    for basis, straight in (("osrm, calibrated", False), ("great_circle, uncalibrated", True)):
        with shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
                " VALUES (%(order)s, %(fleet)s, %(van)s, 1, 1, %(at)s, %(at)s, %(at)s, %(now)s, %(basis)s)"
                " ON CONFLICT (order_id) DO UPDATE SET basis = excluded.basis",
                {
                    "order": order["order"], "fleet": shop.fleet, "van": van, "at": now + timedelta(minutes=30), "now": now, "basis": basis,
                },
            )  # fmt: skip
        for language, table in LANGUAGES.items():
            page = httpx.get(order["track_url"], params={"lang": language}, trust_env=False).text
            assert (escape(table["straight"]) in page) is straight, (language, basis)
        assert httpx.get(order["track_url"] + "/state", trust_env=False).json()["eta_basis"] == basis
