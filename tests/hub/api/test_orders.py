"""Orders over HTTP: what a shop sends, and what it gets when that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from roundsman_hub.store import orders as store


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    """The answer is this problem, in the form of RFC 9457, and says what to do next."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:roundsman:problem:{kind}"
    assert body["status"] == status
    assert body["detail"]
    assert body["next_step"]
    return body


def test_order_is_taken_placed_and_told_to_the_planner(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    before = shop.revision(depot)
    order = shop.order(reference="A-1")
    assert (order["state"], order["placed"], order["lat_deg"], order["depot"]) == ("new", "geocoded", 50.01, depot)
    assert order["promise_start"] == order["window_start"]
    assert len(order["track_url"].rsplit("/", 1)[1]) == 32
    assert shop.revision(depot) == before + 1
    assert shop.get(f"/v1/orders/{order['order']}").json() == order | {"handover": None, "proofs": [], "risk_late_s": 0}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"address": ""}, "give an address"),
        ({"lat_deg": 91, "lon_deg": 0}, "body.lat_deg"),
        ({"lat_deg": 50.0}, "come together"),
        ({"parcels": 0}, "body.parcels"),
        ({"priority": 10}, "body.priority"),
        ({"window_start": "2026-03-02 12:00"}, "body.window_start"),
        ({"window_end": "2020-01-01T00:00:00Z"}, "window_end is before"),
        ({"promise_start": "2026-03-02T12:00:00Z"}, "promise_start and promise_end"),
        ({"colour": "red"}, "body.colour"),
        ({"phone": "call me"}, "body.phone"),
        ({"lat_deg": "NaN", "lon_deg": 10}, "body.lat_deg"),
    ],
)
def test_wrong_field_is_named(shop: Any, fields: dict[str, Any], field: str) -> None:
    body = problem(shop.post("/v1/orders", json=shop.body(**fields)), 422, "invalid-request")
    assert field in body["detail"]
    assert body["errors"]


def test_order_outside_every_shift_is_refused_with_the_shifts(shop: Any) -> None:
    depot = shop.depot()
    problem(shop.post("/v1/orders", json=shop.body()), 422, "outside-every-shift")
    shop.van(depot)
    late = shop.body(window_start=shop.at(days=2), window_end=shop.at(days=2, hours=1))
    assert "outside every shift" in problem(shop.post("/v1/orders", json=late), 422, "outside-every-shift")["detail"]
    assert shop.get("/v1/orders").json()["items"] == []


def test_order_needs_a_depot_that_is_there(shop: Any) -> None:
    problem(shop.post("/v1/orders", json=shop.body()), 422, "no-depot")
    shop.van(shop.depot())
    shop.depot()
    problem(shop.post("/v1/orders", json=shop.body()), 422, "depot-missing")
    problem(shop.post("/v1/orders", json=shop.body(depot="p_nowhere")), 422, "unknown-depot")


def test_reference_is_taken_once(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order(reference="A-1")
    assert order["order"] in problem(shop.post("/v1/orders", json=shop.body(reference="A-1")), 409, "reference-taken")["detail"]


@pytest.mark.parametrize(
    ("address", "placed", "candidates"),
    [("Church Lane 1", "ambiguous", 2), ("Nowhere 1", "unknown", 0), ("Far Road 1", "off_network", 1)],
)
def test_unsure_address_waits_for_a_person_and_is_remembered(shop: Any, address: str, placed: str, candidates: int) -> None:
    depot = shop.depot()
    shop.van(depot)
    before = shop.revision(depot)
    order = shop.order(address=address)
    assert (order["state"], order["placed"], order["lat_deg"]) == ("waiting_for_place", placed, None)
    assert order["reason"]
    assert shop.revision(depot) == before  # nothing to plan yet
    (waiting,) = shop.get("/v1/geocode-queue").json()["items"]
    assert (waiting["order"], len(waiting["candidates"])) == (order["order"], candidates)
    path = f"/v1/orders/{order['order']}/pin"
    problem(shop.post(path, json={"lat_deg": 50.3, "lon_deg": 10}), 422, "off-network")
    pinned = shop.post(path, json={"lat_deg": 50.02, "lon_deg": 10.01}).json()
    assert (pinned["state"], pinned["placed"], pinned["lat_deg"]) == ("new", "pinned", 50.02)
    assert shop.get("/v1/geocode-queue").json()["items"] == []
    assert shop.revision(depot) == before + 1
    again = shop.order(address=address.upper())
    assert (again["placed"], again["lon_deg"]) == ("pinned", 10.01)


def test_given_place_off_the_network_waits_too(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order(lat_deg=51.0, lon_deg=10.0)
    assert (order["state"], order["placed"]) == ("waiting_for_place", "off_network")
    assert "from the nearest road" in order["reason"]


def test_same_request_n_times_is_once(shop: Any) -> None:
    """Invariant 8."""
    shop.van(shop.depot())
    body = shop.body()
    answers = [shop.post("/v1/orders", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(3)]
    assert {(a.status_code, a.text) for a in answers} == {(201, answers[0].text)}
    assert [a.headers.get("idempotency-replayed") for a in answers] == [None, "true", "true"]
    assert len(shop.get("/v1/orders").json()["items"]) == 1
    problem(shop.post("/v1/orders", json=body | {"parcels": 2}, headers={"Idempotency-Key": "k1"}), 422, "idempotency-key-reused")
    order = answers[0].json()["order"]
    problem(shop.post(f"/v1/orders/{order}/cancel", headers={"Idempotency-Key": "k1"}), 422, "idempotency-key-reused")


def test_twins_at_the_same_moment_are_once(shop: Any) -> None:
    """Invariant 8."""
    shop.van(shop.depot())
    body = shop.body()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: shop.post("/v1/orders", json=body, headers={"Idempotency-Key": "twin"}), range(8)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.text for a in answers}) == 1
    assert len(shop.get("/v1/orders").json()["items"]) == 1


def test_refused_request_may_be_corrected_under_the_same_key(shop: Any) -> None:
    depot = shop.depot()
    headers = {"Idempotency-Key": "k"}
    problem(shop.post("/v1/orders", json=shop.body(), headers=headers), 422, "outside-every-shift")
    shop.van(depot)
    assert shop.post("/v1/orders", json=shop.body(), headers=headers).status_code == 201


def test_list_is_paged_and_filtered_by_state(shop: Any) -> None:
    shop.van(shop.depot())
    made = [shop.order(window_start=shop.at(hours=h), window_end=shop.at(hours=h + 1))["order"] for h in (3, 1, 2)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = shop.get("/v1/orders", params={"limit": 2, "cursor": cursor}).json()
        seen += [o["order"] for o in page["items"]]
        cursor = page["next_cursor"] or ""
        if not cursor:
            break
    assert seen == [made[1], made[2], made[0]]
    shop.post(f"/v1/orders/{made[0]}/cancel")
    cancelled = shop.get("/v1/orders", params={"state": "cancelled"}).json()["items"]
    assert [o["order"] for o in cancelled] == [made[0]]
    problem(shop.get("/v1/orders", params={"cursor": "zzz"}), 422, "bad-cursor")


def test_cancelling_is_once_and_final(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    order = shop.order()["order"]
    before = shop.revision(depot)
    for _ in range(2):
        assert shop.post(f"/v1/orders/{order}/cancel").json()["state"] == "cancelled"
    assert shop.revision(depot) == before + 1
    problem(shop.patch(f"/v1/orders/{order}", json={"parcels": 2}), 409, "order-closed")
    problem(shop.get("/v1/orders/o_nowhere"), 404, "unknown-order")


def test_states_are_a_fold_in_which_facts_win(shop: Any) -> None:
    """Invariant 5: work done is a fact; it wins over plans and over people."""
    van = shop.van(shop.depot())
    first, second = (shop.order()["order"] for _ in range(2))

    def states() -> list[str]:
        return [shop.get(f"/v1/orders/{order}").json()["state"] for order in (first, second)]

    shop.in_force(van, [first, second], duty="off")
    assert states() == ["planned", "planned"]
    shop.in_force(van, [first, second])
    assert states() == ["next", "planned"]
    shop.resolve(van, first, "arrived")
    assert states() == ["arrived", "planned"]
    shop.resolve(van, first, "delivered")
    assert states() == ["delivered", "next"]
    problem(shop.post(f"/v1/orders/{first}/cancel"), 409, "order-closed")
    shop.post(f"/v1/orders/{second}/cancel")
    assert states() == ["delivered", "cancelled"]
    shop.resolve(van, second, "delivered")
    assert states() == ["delivered", "delivered"]


def test_change_of_a_window_must_fit_a_shift(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()["order"]
    moved = shop.patch(f"/v1/orders/{order}", json={"window_end": shop.at(hours=5), "priority": 5}).json()
    assert (moved["priority"], moved["revision"]) == (5, 2)
    problem(shop.patch(f"/v1/orders/{order}", json={"window_end": shop.at(hours=-9)}), 422, "window-backwards")
    both = {"window_start": shop.at(days=3), "window_end": shop.at(days=4)}
    problem(shop.patch(f"/v1/orders/{order}", json=both), 422, "outside-every-shift")
    problem(shop.patch(f"/v1/orders/{order}", json={}), 422, "invalid-request")


at = datetime.fromisoformat


def test_a_promise_is_changed_with_the_checks_that_it_was_made_with(shop: Any) -> None:
    """Half of one is completed by what stands; the order's story has it; the planner is told; a window that moves leaves it alone."""
    depot = shop.depot()
    shop.van(depot)
    made = shop.order(reference="P-1")
    path = f"/v1/orders/{made['order']}"
    end = shop.at(hours=1, minutes=30)
    moved = shop.patch(path, json={"promise_end": end}).json()
    assert (moved["promise_start"], at(moved["promise_end"])) == (made["promise_start"], at(end))
    assert moved["window_end"] == made["window_end"]
    (line,) = [item for item in shop.get(f"{path}/story").json()["items"] if item["kind"] == "order.changed"]
    assert at(line["body"]["promise_end"]) == at(end)
    assert shop.reasons(depot)[-1] == ("changed", "delivery P-1: another promise", made["order"])

    later = shop.patch(path, json={"window_end": shop.at(hours=5)}).json()
    assert later["promise_end"] == moved["promise_end"]
    assert shop.reasons(depot)[-1][1] == "delivery P-1 changed"

    backwards = problem(shop.patch(path, json={"promise_end": shop.at(hours=-9)}), 422, "promise-backwards")
    assert (backwards["detail"], backwards["next_step"]) == ("promise_end is before promise_start", "send both ends of the promise")
    german = shop.patch(path, json={"promise_end": shop.at(hours=-9)}, headers={"Accept-Language": "de"}).json()
    assert (german["detail"], german["next_step"]) == ("promise_end liegt vor promise_start", "senden Sie beide Enden der Zusage")
    assert "body.promise_end" in problem(shop.patch(path, json={"promise_end": "soon"}), 422, "invalid-request")["detail"]
    assert shop.get(path).json()["promise_end"] == moved["promise_end"], "what was refused changed nothing"
    shop.post(f"{path}/cancel")
    problem(shop.patch(path, json={"promise_end": end}), 409, "order-closed")


def test_half_a_promise_of_an_order_without_one_is_refused(shop: Any) -> None:
    """Orders from before there were promises have none."""
    shop.van(shop.depot())
    order = shop.order()["order"]
    with shop.db.transaction() as cur:
        cur.execute("UPDATE orders SET promise_start = NULL, promise_end = NULL WHERE order_id = %s", (order,))
    refused = problem(shop.patch(f"/v1/orders/{order}", json={"promise_end": shop.at(hours=1)}), 422, "promise-incomplete")
    assert refused["detail"] == "promise_start and promise_end come together"
    whole = {"promise_start": shop.at(hours=0), "promise_end": shop.at(hours=1)}
    assert at(shop.patch(f"/v1/orders/{order}", json=whole).json()["promise_end"]) == at(whole["promise_end"])


def test_address_is_looked_for_among_the_fleets_own_and_by_the_geocoder(make_shop: Callable[[], Any]) -> None:
    """A part of an address that was delivered to is enough; a place is named once; nobody else's are told."""
    shop, other = make_shop(), make_shop()
    for one, address in ((shop, "Quarry Cottage 3, Oldtown"), (other, "Quarry Farm 1")):
        one.van(one.depot())
        one.order(address=address, lat_deg=50.011, lon_deg=10.012)
        one.order(address=address.upper(), lat_deg=50.011, lon_deg=10.012)

    def found(text: str) -> tuple[list[tuple[str, float]], str]:
        answer = shop.clients["viewer"].get("/v1/places", params={"address": text}).json()
        return [(one["label"].lower(), one["lat_deg"]) for one in answer["items"]], answer["reason"]

    assert found("quarry") == ([("quarry cottage 3, oldtown", 50.011)], "no such street on the map")
    assert found("Mill Street 4") == ([("mill street 4", 50.01)], "")
    assert [label for label, _ in found("Church Lane 1")[0]] == ["church lane 1, oldtown", "church lane 1, newtown"]
    assert found("100% _") == ([], "no such street on the map"), "signs are only themselves"
    shop.order(address="Mill Street 4")
    assert found("Mill Street 4") == ([("mill street 4", 50.01)], ""), "known twice, told once"
    problem(shop.get("/v1/places", params={"address": "M"}), 422, "invalid-request")


def test_only_the_newest_orders_are_looked_through_for_an_address(shop: Any) -> None:
    """However many years there are, a person who types waits for the newest ones alone."""
    shop.van(shop.depot())
    for hours, address in ((2, "Quarry Lane 2"), (1, "Quarry Lane 1"), (3, "Quarry Lane 3")):
        there = {"lat_deg": 50.011, "lon_deg": 10.012, "window_end": shop.at(hours=5)}
        shop.order(address=address, window_start=shop.at(hours=hours), **there)
    since = shop.clock.now() - timedelta(days=1)
    with shop.db.tenant(shop.fleet) as cur:
        found = {most: [r["address"] for r in store.addresses_like(cur, "quarry", since, 9, among=most)] for most in (1, 2, 3)}
    assert found == {
        1: ["Quarry Lane 3"],
        2: ["Quarry Lane 2", "Quarry Lane 3"],
        3: ["Quarry Lane 1", "Quarry Lane 2", "Quarry Lane 3"],
    }


def test_order_takes_the_address_of_its_new_place(shop: Any) -> None:
    """The driver must not read one address and be led to another; the journal, which is for ever, names neither."""
    shop.van(shop.depot())
    order = shop.order(address="Mill Street 4")
    path = f"/v1/orders/{order['order']}"
    there = {"lat_deg": 50.02, "lon_deg": 10.01, "address": "Quarry Cottage 3"}
    assert shop.post(f"{path}/pin", json=there).json()["address"] == "Quarry Cottage 3"
    assert shop.order(address="Mill Street 4")["placed"] == "geocoded", "its old address is where it was"
    assert shop.order(address="Quarry Cottage 3")["placed"] == "pinned"
    (line,) = [item for item in shop.get(f"{path}/story").json()["items"] if item["kind"] == "order.pinned"]
    assert line["body"]["address"] == "changed"
