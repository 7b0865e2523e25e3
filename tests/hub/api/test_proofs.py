"""Parcels, proofs and codes of an order, in and out; and the pictures, for who may see them."""

from __future__ import annotations

from typing import Any

import httpx

SHA = "cd" * 32
JPEG = b"\xff\xd8\xff\xe0 a door"


def test_an_order_names_its_parcels_and_what_must_be_shown(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order(items=[{"parcel": "A-1", "name": "Box", "weight_g": 900}, "A-2"], proof=["photo", "code"], delivery_code="4711")
    assert (order["parcels"], [item["parcel"] for item in order["items"]]) == (2, ["A-1", "A-2"])
    assert (order["proof"], order["delivery_code"], order["contact_free"]) == (["photo", "code"], "4711", False)
    changed = shop.patch(f"/v1/orders/{order['order']}", json={"contact_free": True, "proof": ["photo"], "items": ["A-9"]}).json()
    assert (changed["contact_free"], changed["proof"], [item["parcel"] for item in changed["items"]]) == (True, ["photo"], ["A-9"])
    for wrong in ({"items": ["A-1", "A-1"]}, {"proof": ["code"]}, {"proof": ["poem"]}, {"delivery_code": "1"}):
        assert shop.post("/v1/orders", json=shop.body(**wrong)).status_code == 422, wrong


def test_a_file_of_orders_names_them_too(shop: Any) -> None:
    shop.van(shop.depot())
    window = "2026-03-02 14:00,2026-03-02 16:00"
    file = (
        "reference,address,window_start,window_end,items,proof,delivery_code,contact_free\n"
        f"A1,Mill Street 4,{window},A-1 A-2;A-3,photo signature,,true\n"
        f"A2,Mill Street 4,{window},,code,,\n"
    )
    report = shop.post("/v1/orders:import", content=file.encode(), headers={"content-type": "text/csv"}).json()
    assert (report["imported"], [bad["line"] for bad in report["bad"]]) == (1, [3])
    (order,) = shop.get("/v1/orders").json()["items"]
    assert ([item["parcel"] for item in order["items"]], order["parcels"]) == (["A-1", "A-2", "A-3"], 3)
    assert (order["proof"], order["contact_free"]) == (["photo", "signature"], True)


def test_a_proof_has_a_link_once_it_is_whole(shop: Any, make_shop: Any, url: str) -> None:
    vehicle = shop.van(shop.depot())
    order = shop.order()["order"]
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO proofs (session_no, seq, sha256, vehicle_id, fleet_id, order_id, fact, kind, bytes, media_type)"
            " VALUES (1, 1, %s, %s, %s, %s, 'a-1', 'photo', %s, 'image/jpeg')",
            (SHA, vehicle, shop.fleet, order, len(JPEG)),
        )
    (pending,) = shop.get(f"/v1/orders/{order}").json()["proofs"]
    assert (pending["state"], pending["url"]) == ("pending", None)
    assert shop.get(f"/v1/proofs/{SHA}").status_code == 404
    path = shop.blobs_dir / SHA[:2] / SHA
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(JPEG)
    with shop.db.transaction() as cur:
        cur.execute("INSERT INTO blobs VALUES (%s, %s, %s, %s, 'image/jpeg', %s)", (shop.fleet, SHA, vehicle, len(JPEG), shop.clock.now()))
    (there,) = shop.get(f"/v1/orders/{order}").json()["proofs"]
    assert there["state"] == "whole"
    picture = shop.get(there["url"])
    assert (picture.content, picture.headers["content-type"]) == (JPEG, "image/jpeg")
    assert "sandbox" in picture.headers["content-security-policy"]
    assert httpx.get(there["url"], trust_env=False).status_code == 401
    assert make_shop().get(f"/v1/proofs/{SHA}").status_code == 404, "another fleet's"
