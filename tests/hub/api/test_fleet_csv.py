"""Files of drivers, of depots and of a fleet's rules: every line is taken or reported, and what a file does not say stays."""

from __future__ import annotations

from typing import Any

import pytest

Shop = Any


def sent(shop: Shop, what: str, text: str) -> dict[str, Any]:
    answer = shop.post(f"/v1/{what}:import", content=text, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_drivers_come_from_a_file(shop: Shop) -> None:
    report = sent(
        shop,
        "drivers",
        "name;phone;skills;strange;hours\n"
        "Ann;+358 40 123;cold lift;north:250 harbour:400;eu_561/200/400/500\n"
        ";;cold;;\n"
        "Bo;;;north:-5;\n"
        "Cy;;;;\n",
    )
    assert report["imported"] == 2
    assert [(bad["line"], bad["field"].split(".")[0]) for bad in report["bad"]] == [(3, "name"), (4, "strange")]
    ann, cy = (shop.get(f"/v1/drivers/{driver}").json() for driver in report["drivers"])
    assert (ann["name"], ann["phone"], ann["terms"]["skills"]) == ("Ann", "+358 40 123", ["cold", "lift"])
    assert ann["terms"]["strange"] == {"north": 250, "harbour": 400}
    assert (ann["terms"]["hours"]["rule"], ann["terms"]["hours"]["duty_min"]) == ("eu_561", 500)
    assert (cy["name"], cy["terms"]["hours"]) == ("Cy", None)


def test_depots_come_from_a_file(shop: Shop) -> None:
    report = sent(
        shop,
        "depots",
        "name,lat_deg,lon_deg,reload_s,windows,colour\n"
        "Quay,50.0,10.0,900,2026-03-02 06:00/2026-03-02 18:00,red\n"
        "Hill,95,10.0,,,\n"
        "Mill,50.1,10.1,,2026-03-02 18:00/2026-03-02 06:00,\n",
    )
    assert report["imported"] == 1
    assert [(bad["line"], bad["field"].split(".")[0]) for bad in report["bad"]] == [(1, "colour"), (3, "lat_deg"), (4, "line")]
    (depot,) = (shop.get(f"/v1/depots/{depot}").json() for depot in report["depots"])
    assert (depot["name"], depot["lat_deg"], depot["terms"]["reload_s"]) == ("Quay", 50.0, 900)
    assert [[end[:16] for end in window] for window in depot["terms"]["windows"]] == [["2026-03-02T06:00", "2026-03-02T18:00"]]


def test_rules_come_from_a_file_and_the_others_stay(shop: Shop) -> None:
    shop.depot()
    assert shop.patch("/v1/fleets/me", json={"planning": {"churn_cents": 7, "floor_s": 20}}).status_code == 200
    report = sent(
        shop,
        "fleets/me",
        "max_wait_s,floor_s,profiles,chargers\n900,30,car/07:30/1.4|car/09:30/1|bike/00:00/1.2,Quay/60.1/24.9/2400\n60,,,\n",
    )
    assert (report["imported"], [(bad["line"], bad["field"]) for bad in report["bad"]]) == (1, [(3, "line")])
    assert "one line of rules" in report["bad"][0]["detail"]
    rules = shop.get("/v1/fleets/me").json()["planning"]
    assert (rules["max_wait_s"], rules["floor_s"], rules["churn_cents"]) == (900, 30, 7)
    assert rules["profiles"] == {
        "car": [{"start": "07:30", "factor": 1.4}, {"start": "09:30", "factor": 1.0}],
        "bike": [{"start": "00:00", "factor": 1.2}],
    }
    assert rules["chargers"] == [{"name": "Quay", "lat_deg": 60.1, "lon_deg": 24.9, "charge_s": 2400}]


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ("profiles\ncar/25:30/1.4", "profiles"),
        ("profiles\ncar/07:30", "profiles"),
        ("profiles\ncar", "profiles"),
        ("chargers\nQuay/60.1", "chargers"),
        ("chargers\nQuay/91/24.9/60", "chargers"),
        ("max_wait_s\n-1", "max_wait_s"),
    ],
)
def test_rules_that_are_none_are_named_and_change_nothing(shop: Shop, cells: str, field: str) -> None:
    before = shop.get("/v1/fleets/me").json()
    report = sent(shop, "fleets/me", cells)
    assert report["imported"] == 0
    assert {bad["field"].split(".")[0] for bad in report["bad"]} == {field}
    assert shop.get("/v1/fleets/me").json() == before


def test_files_of_the_fleet_are_for_who_may_change_it(shop: Shop) -> None:
    for what in ("drivers", "depots", "fleets/me", "vehicles"):
        refused = shop.clients["viewer"].post(f"/v1/{what}:import", content="name\nAnn\n", headers={"Content-Type": "text/csv"})
        assert refused.status_code == 403, what
