"""The customer's page: their own order, the van once they are next, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.domain.customers import FRESH, UNDO_WINDOW, coarse, narrowed, view

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def seen_by(shop: Any, order: dict[str, Any]) -> dict[str, Any]:
    """What somebody with the link alone gets."""
    answer = httpx.get(order["track_url"] + "/state", trust_env=False)
    assert answer.headers["cache-control"] == "no-store"
    state: dict[str, Any] = answer.json()
    return state


def test_van_is_seen_only_while_the_stop_is_next(shop: Any) -> None:
    van = shop.van(shop.depot())
    first, second = shop.order(), shop.order()
    assert seen_by(shop, first)["stage"] == "taken"
    shop.in_force(van, [first["order"], second["order"]])
    next_, later = seen_by(shop, first), seen_by(shop, second)
    assert (next_["stage"], later["stage"]) == ("next", "planned")
    assert later["van"] is None
    away_m = distance_m(LatLon(next_["van"]["lat_deg"], next_["van"]["lon_deg"]), LatLon(50.001234, 10.004321))
    assert 0 < away_m < 75  # half the diagonal of the 100 m grid
    shop.resolve(van, first["order"], "arrived")
    assert seen_by(shop, first)["van"] is None


def test_page_tells_nothing_of_others_or_of_the_fleets_inside(shop: Any) -> None:
    van = shop.van(shop.depot(), name="Van Secret")
    driver = shop.post("/v1/drivers", json={"name": "Hidden Driver"}).json()["driver"]
    shop.patch(f"/v1/vehicles/{van}", json={"driver": driver})
    mine = shop.order(name="Kit", phone="111", instructions="key under the mat", reference="A-1")
    other = shop.order(name="Neighbour Nora", address="Mill Street 9", reference="A-2", phone="222")
    shop.in_force(van, [mine["order"], other["order"]])
    page = httpx.get(mine["track_url"], trust_env=False)
    for text in (page.text, httpx.get(mine["track_url"] + "/state", trust_env=False).text):
        for secret in ("Nora", "A-2", "222", "111", "Hidden", "Secret", van, driver, mine["order"], other["order"], "mat", shop.fleet):
            assert secret not in text
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_customer_is_told_when_it_is_final(shop: Any) -> None:
    """Invariant 5: final after the undo window; customers are told then."""
    van = shop.van(shop.depot())
    order = shop.order()
    shop.in_force(van, [order["order"]])
    shop.resolve(van, order["order"], "failed", reason="nobody at home")
    assert seen_by(shop, order)["stage"] == "here"
    shop.resolve(van, order["order"], "failed", ago_s=UNDO_WINDOW.total_seconds() + 1)
    told = seen_by(shop, order)
    assert (told["stage"], told["headline"]) == ("failed", "We could not deliver")
    assert told["detail"].startswith("Nobody at home. Today")


def test_link_that_is_none_is_a_page_that_says_so(url: str) -> None:
    page = httpx.get(f"{url}/t/guessed", trust_env=False)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "does not lead to an order" in page.text
    state = httpx.get(f"{url}/t/guessed/state", trust_env=False)
    assert (state.status_code, state.headers["content-type"]) == (404, "application/problem+json")


def test_words_from_outside_are_text(shop: Any) -> None:
    van = shop.van(shop.depot())
    order = shop.order()
    shop.resolve(van, order["order"], "failed", ago_s=90, reason="<script>alert(1)</script>")
    page = httpx.get(order["track_url"], trust_env=False).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def row(state: str, **fields: Any) -> dict[str, Any]:
    """An order's row as the store gives it."""
    times = {"promise_start": NOW, "promise_end": NOW, "eta": NOW, "eta_low": NOW, "eta_high": NOW, "done_at": None, "unassigned_at": NOW}
    order = {"state": state, "kind": "delivery", "reason": "why", "lat_e6": 1, "lon_e6": 2, "eta_basis": "osrm, calibrated"}
    return order | times | fields


@pytest.mark.parametrize("age", [timedelta(0), FRESH + timedelta(seconds=1)])
@pytest.mark.parametrize(
    "state", ["new", "waiting_for_place", "unassigned", "planned", "next", "arrived", "delivered", "failed", "cancelled"]
)
def test_position_is_there_for_next_and_fresh_alone(state: str, age: timedelta) -> None:
    van = {"lat_e6": 50_000_000, "lon_e6": 10_000_000, "time": NOW - age, "heading_cdeg": 9_100}
    seen = view(row(state, done_at=NOW if state in ("delivered", "failed") else None), van, NOW)
    assert (seen.van is not None) == (state == "next" and age <= FRESH)
    assert seen.reason is None or state == "failed"


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_coarse_place_is_near_and_hides_where_in_it(lat_deg: float, lon_deg: float) -> None:
    at = LatLon(lat_deg, lon_deg)
    shown = coarse(at)
    assert distance_m(at, shown) < 75 or abs(lat_deg) > 89  # near a pole the grid is coarser still
    assert distance_m(coarse(shown), shown) < 75


def test_the_bell_rings_for_ones_own_order_alone_and_says_nothing(shop: Any) -> None:
    """An open page hears that something changed, and reads it again; of another's order it hears nothing."""
    shop.van(shop.depot())
    mine, other = shop.order(), shop.order()
    with httpx.stream("GET", mine["track_url"] + "/events", trust_env=False, timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        heard = stream.iter_raw()
        hello = next(heard)
        assert hello.startswith(b": alive\n\n")
        assert 1_000 <= int(hello.split(b"retry: ")[1]) < 9_000, "lines that were cut come back each in its own time"
        assert shop.patch(f"/v1/orders/{other['order']}", json={"instructions": "x"}).status_code == 200
        assert shop.patch(f"/v1/orders/{mine['order']}", json={"instructions": "y"}).status_code == 200
        assert next(heard) == b"event: changed\ndata: {}\n\n"
    assert httpx.get(f"{shop.url}/t/{'x' * 32}/events", trust_env=False).status_code == 404


def test_what_is_expected_narrows_as_it_comes_nearer() -> None:
    low, high = NOW + timedelta(hours=5, minutes=7), NOW + timedelta(hours=5, minutes=52)
    spans = [narrowed(low, high, NOW + timedelta(minutes=m)) for m in (0, 150, 260)]
    assert [(first.minute, last.minute) for first, last in spans] == [(0, 0), (0, 0), (5, 55)]
    widths = [last - first for first, last in spans]
    assert widths == sorted(widths, reverse=True)


@given(st.integers(-7_200, 40_000), st.integers(0, 7_200), st.integers(0, 40_000))
def test_what_is_expected_holds_the_arrivals_range_as_far_as_it_lies_ahead(low_s: int, width_s: int, now_s: int) -> None:
    low = NOW + timedelta(seconds=low_s)
    high, now = low + timedelta(seconds=width_s), NOW + timedelta(seconds=now_s)
    first, last = narrowed(low, high, now)
    assert first <= max(low, now)
    assert last > high or last > now
    assert last - first <= max(high, now) - max(low, now) + timedelta(minutes=61)
