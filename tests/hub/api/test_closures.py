"""Closures, access zones and measured speeds over HTTP: made, listed, held to their hours, taken away."""

from __future__ import annotations

from typing import Any

RING = [[50.0, 10.0], [50.0, 10.01], [50.01, 10.01], [50.01, 10.0]]


def test_a_closure_is_made_listed_and_opened_again(shop: Any) -> None:
    made = shop.post("/v1/closures", json={"name": "Bridge works", "ring_deg": RING, "until_utc": shop.at(hours=2), "kinds": ["truck"]})
    assert made.status_code == 201, made.text
    assert made.json()["holds"]
    assert made.json()["ring_deg"] == RING
    later = {"name": "Market", "ring_deg": RING, "from_utc": shop.at(hours=5), "until_utc": shop.at(hours=6)}
    assert not shop.post("/v1/closures", json=later).json()["holds"]
    assert [one["name"] for one in shop.get("/v1/closures").json()["items"]] == ["Bridge works", "Market"]
    assert shop.delete(f"/v1/closures/{made.json()['closure']}").status_code == 204
    assert shop.delete(f"/v1/closures/{made.json()['closure']}").status_code == 404
    assert [one["name"] for one in shop.get("/v1/closures").json()["items"]] == ["Market"]


def test_a_closure_that_is_over_or_never_ends_is_refused_with_a_next_step(shop: Any) -> None:
    for until in (shop.at(hours=-1), shop.at(days=400)):
        refused = shop.post("/v1/closures", json={"name": "x", "ring_deg": RING, "until_utc": until})
        assert refused.status_code == 422
        assert refused.json()["next_step"]
    assert shop.post("/v1/closures", json={"name": "x", "ring_deg": RING[:2], "until_utc": shop.at(hours=1)}).status_code == 422


def test_an_access_zone_keeps_its_hours(shop: Any) -> None:
    every = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    zone = {"name": "Old town", "ring_deg": RING, "hours": [{"days": every, "start": "00:00", "end": "24:00"}], "kinds": ["van", "truck"]}
    made = shop.post("/v1/access-zones", json=zone)
    assert made.status_code == 201, made.text
    assert made.json()["holds"]
    (listed,) = shop.get("/v1/access-zones").json()["items"]
    assert (listed["hours"], listed["kinds"]) == (zone["hours"], zone["kinds"])
    assert shop.delete(f"/v1/access-zones/{listed['zone']}").status_code == 204
    same = {**zone, "hours": [{"days": every, "start": "06:00", "end": "06:00"}]}
    assert shop.post("/v1/access-zones", json=same).status_code == 422


def test_measured_speeds_are_taken_line_by_line(shop: Any) -> None:
    taken = shop.post("/v1/speeds:import?hours=2", content="1,2,30\n2,1,0\n", headers={"Content-Type": "text/csv"})
    assert taken.status_code == 201, taken.text
    assert (taken.json()["lines"], taken.json()["used"]) == (2, False), "straight lines have no streets to slow"
    assert shop.get("/v1/speeds").json()["items"] == [taken.json()]
    for bad in ("from,to,kmh\n1,2,3\n", "1,2,900\n", "\n"):
        refused = shop.post("/v1/speeds:import", content=bad, headers={"Content-Type": "text/csv"})
        assert refused.status_code == 422
        assert refused.json()["next_step"]
    assert shop.delete(f"/v1/speeds/{taken.json()['speeds']}").status_code == 204, "a wrong file is taken back"
    assert shop.get("/v1/speeds").json()["items"] == []
    assert shop.delete(f"/v1/speeds/{taken.json()['speeds']}").json()["next_step"]


def test_another_fleet_sees_none_of_it(shop: Any) -> None:
    shop.post("/v1/closures", json={"name": "Bridge works", "ring_deg": RING, "until_utc": shop.at(hours=2)})
    with shop.db.tenant("fl_other") as cur:
        assert cur.execute("SELECT count(*) AS n FROM closures").fetchone()["n"] == 0
