"""Tomorrow, over HTTP: ordered by a service level, planned by roster, approved, loaded in reverse, released to the vans."""

from __future__ import annotations

from typing import Any

import pytest

from roundsman_hub.pki import open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.roads import GreatCircle

TUESDAY = "2026-03-03"
NEXT_DAY = {"cut_off": "18:00", "working_days_later": 1, "window_start": "08:00", "window_end": "16:00"}


@pytest.fixture
def booked(shop: Any) -> tuple[str, list[str], list[str]]:
    """A depot with two vans whose shifts are today's, and six deliveries for tomorrow, each parcel with a barcode."""
    depot = shop.depot()
    vans = [shop.van(depot, f"Van {n}") for n in (1, 2)]
    shop.put("/v1/calendar", json={"country": "FI"})
    assert shop.put("/v1/service-levels/next-day", json=NEXT_DAY).status_code == 200
    window = shop.get("/v1/service-levels/next-day/window").json()
    assert (window["day"], window["why"]) == (TUESDAY, "")
    assert window["window_start"].startswith("2026-03-03T06:00")  # 08:00 in Helsinki
    orders = [
        shop.order(
            name=f"Kit {n}",
            lat_deg=50.0 + 0.004 * n,
            lon_deg=10.0,
            items=[{"parcel": f"P{shop.fleet[-4:]}-{n}", "name": "box"}],
            **{end: window[end] for end in ("window_start", "window_end")},
        )["order"]
        for n in range(1, 7)
    ]
    return depot, vans, orders


def refused(answer: Any, kind: str, status: int = 409) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["type"] == f"urn:roundsman:problem:{kind}"
    assert body["next_step"]
    return str(body["detail"])


def planner_of(shop: Any) -> Planner:
    return Planner(shop.db, GreatCircle(), open_pki(shop.blobs_dir.parent / "pki").signer(), shop.clock, lambda: None)


def told(shop: Any, vehicle: str) -> list[str]:
    """Stops of the van's newest plan."""
    with shop.db.transaction() as cur:
        found = cur.execute("SELECT plan FROM plans WHERE vehicle_id = %s ORDER BY version DESC LIMIT 1", (vehicle,)).fetchone()
    return [] if found is None else [stop["stop"] for stop in found["plan"]["stops"]]


def places_told(shop: Any, vehicle: str) -> dict[str, str]:
    """Where a van's screen says that each parcel lies."""
    with shop.db.transaction() as cur:
        cur.execute("SELECT plan FROM plans WHERE vehicle_id = %s ORDER BY version DESC LIMIT 1", (vehicle,))
        stops = cur.fetchone()["plan"]["stops"]
    return {item["parcel"]: item["place"] for stop in stops for item in stop.get("items", ())}


def roster(vans: list[str]) -> dict[str, Any]:
    return {"items": [{"vehicle": van, "start": "07:30", "end": "16:30"} for van in vans]}


def test_a_day_is_planned_approved_and_released(shop: Any, booked: tuple[str, list[str], list[str]]) -> None:
    depot, vans, orders = booked
    assert "nobody is on the roster" in refused(shop.post(f"/v1/days/{TUESDAY}/plan"), "no-roster")
    refused(shop.get(f"/v1/days/{TUESDAY}/plan"), "no-plan", 404)
    refused(shop.get(f"/v1/days/{TUESDAY}/loading-list"), "no-plan")
    assert shop.get(f"/v1/roster/{TUESDAY}").json()["items"] == []
    shifts = shop.put(f"/v1/roster/{TUESDAY}", json=roster(vans[:1])).json()["items"]
    assert [shift["shift_start"] for shift in shifts] == ["2026-03-03T05:30:00Z"]

    plan = shop.post(f"/v1/days/{TUESDAY}/plan", params={"seconds": 0}).json()
    assert (plan["state"], plan["unassigned"], plan["basis"]) == ("draft", {}, "great_circle")
    route = [stop["order"] for stop in plan["routes"][vans[0]]]
    assert sorted(route) == sorted(orders)
    assert vans[1] not in plan["routes"], "who is not on the roster stays in the yard"
    assert all(stop["arrival"].startswith(TUESDAY) for stop in plan["routes"][vans[0]])
    (load,) = shop.get(f"/v1/days/{TUESDAY}/loading-list").json()["vans"]
    assert [order["place"] for order in load["items"]] == [str(place) for place in range(len(route), 0, -1)], "1 is at the door"
    planner = planner_of(shop)
    planner.plan(depot)
    assert not shop.get("/v1/orders", params={"state": "planned"}).json()["items"], "no van hears of it before the release"

    refused(shop.post(f"/v1/days/{TUESDAY}/plan/release"), "not-approved")
    assert shop.post(f"/v1/days/{TUESDAY}/plan/approve").json()["state"] == "approved"
    shop.in_force(vans[0], [], duty="on")
    assert "Van 1 is still on duty" in refused(shop.post(f"/v1/days/{TUESDAY}/plan/release"), "still-out")
    with shop.db.transaction() as cur:
        cur.execute("DELETE FROM plan_receipts WHERE vehicle_id = %s", (vans[0],))
        cur.execute("DELETE FROM plans WHERE vehicle_id = %s", (vans[0],))
        cur.execute("UPDATE vehicle_now SET duty = 'off' WHERE vehicle_id = %s", (vans[0],))
    assert shop.post(f"/v1/days/{TUESDAY}/plan/release").json()["state"] == "released"
    (released,) = shop.get("/v1/proposals").json()
    assert (released["state"], released["diff"]["text"]) == ("adopted", f"the plan of {TUESDAY} is released")
    planner.plan(depot)
    assert shop.get("/v1/proposals").json()[0]["diff"]["basis"] == "great_circle"
    assert told(shop, vans[0]) == route, "released as approved"
    (after,) = shop.get(f"/v1/days/{TUESDAY}/loading-list").json()["vans"]
    assert after == load, "the evening's list is the morning's"
    assert places_told(shop, vans[0]) == {item["parcel"]: item["place"] for order in load["items"] for item in order["items"]}
    assert shop.get(f"/v1/vehicles/{vans[0]}").json()["shift_start"].startswith("2026-03-03T05:30")
    refused(shop.post(f"/v1/days/{TUESDAY}/plan"), "already-released")
    refused(shop.post(f"/v1/days/{TUESDAY}/plan/release"), "already-released")

    more = shop.order(name="Late", lat_deg=50.013, lon_deg=10.0, window_start="2026-03-03T06:00:00Z", window_end="2026-03-03T14:00:00Z")
    planner.plan(depot)  # from the release on the living plan goes on from it
    assert more["order"] in told(shop, vans[0])


def test_what_comes_out_last_goes_in_first_and_scans_confirm_it(shop: Any, booked: tuple[str, list[str], list[str]]) -> None:
    _, vans, _ = booked
    shop.put(f"/v1/roster/{TUESDAY}", json=roster(vans))
    plan = shop.post(f"/v1/days/{TUESDAY}/plan", params={"seconds": 0}).json()
    (vehicle,) = [vehicle for vehicle, route in plan["routes"].items() if route]
    (load,) = shop.get(f"/v1/days/{TUESDAY}/loading-list").json()["vans"]
    route = [stop["order"] for stop in plan["routes"][vehicle]]
    assert [order["order"] for order in load["items"]] == route[::-1]
    assert (load["parcels"], load["to_scan"]) == (6, 6)
    other = next(van for van in vans if van != vehicle)
    first, second = (load["items"][n]["items"][0]["parcel"] for n in (0, 1))
    with shop.db.transaction() as cur:
        for number, (van, parcel) in enumerate(((vehicle, first), (other, second)), start=1):
            cur.execute(
                "INSERT INTO scans (session_no, seq, vehicle_id, fleet_id, parcel, event, place, by_what, at)"
                " VALUES (%s, %s, %s, %s, %s, 'loaded', '', 'scan', '2026-03-03T05:10:00Z')",
                (abs(hash(shop.fleet)) % 1_000_000_000, number, van, shop.fleet, parcel),
            )
    (load,) = shop.get(f"/v1/days/{TUESDAY}/loading-list", params={"vehicle": vehicle}).json()["vans"]
    assert [order["loaded"] for order in load["items"]] == [True, False, False, False, False, False]
    assert load["items"][1]["in_other_van"] == [other], "scanned into the wrong van"
    assert load["to_scan"] == 5


def test_a_roster_names_each_once_and_only_ones_own(shop: Any, booked: tuple[str, list[str], list[str]]) -> None:
    _, vans, _ = booked
    assert "twice" in refused(shop.put(f"/v1/roster/{TUESDAY}", json=roster([vans[0], vans[0]])), "twice-on-the-roster", 422)
    assert shop.put(f"/v1/roster/{TUESDAY}", json=roster(["v_none"])).status_code == 404
    night = {"items": [{"vehicle": vans[0], "start": "22:00", "end": "06:00"}]}
    (shift,) = shop.put("/v1/roster/2026-10-24", json=night).json()["items"]  # the night that the clocks are put back
    assert (shift["shift_start"], shift["shift_end"]) == ("2026-10-24T19:00:00Z", "2026-10-25T04:00:00Z")


def test_without_a_calendar_no_day_is_open_that_has_no_shift(shop: Any) -> None:
    shop.van(shop.depot())
    tomorrow = {"window_start": "2026-03-03T06:00:00Z", "window_end": "2026-03-03T14:00:00Z"}
    refused(shop.post("/v1/orders", json=shop.body(**tomorrow)), "outside-every-shift", 422)
    assert shop.get("/v1/calendar").json()["weekdays"] == [0, 1, 2, 3, 4]
    assert shop.put("/v1/calendar", json={"country": "XX"}).status_code == 422
    shop.put("/v1/calendar", json={"country": "FI", "closed": [TUESDAY]})
    refused(shop.post("/v1/orders", json=shop.body(**tomorrow)), "outside-every-shift", 422)
    shop.put("/v1/calendar", json={"country": "FI"})
    assert shop.post("/v1/orders", json=shop.body(**tomorrow)).status_code == 201


def test_an_order_is_changed_to_a_service_level_that_there_is(shop: Any) -> None:
    shop.van(shop.depot())
    change = f"/v1/orders/{shop.order()['order']}"
    refused(shop.patch(change, json={"needs": {"service_level": "next-day"}}), "unknown-service-level", 422)
    shop.put("/v1/service-levels/next-day", json=NEXT_DAY)
    assert shop.patch(change, json={"needs": {"service_level": "next-day"}}).json()["needs"]["service_level"] == "next-day"


def test_a_service_level_says_why_it_is_not_sooner(shop: Any) -> None:
    shop.depot()
    refused(shop.get("/v1/service-levels/same-day/window"), "unknown-service-level", 404)
    assert shop.put("/v1/service-levels/same-day", json=NEXT_DAY | {"cut_off": "25:00"}).status_code == 422
    assert shop.put("/v1/service-levels/same-day", json=NEXT_DAY | {"window_end": "07:00"}).status_code == 422
    shop.put("/v1/service-levels/same-day", json=NEXT_DAY | {"working_days_later": 0, "cut_off": "11:00"})
    shop.put("/v1/calendar", json={"country": "FI"})
    late = shop.get("/v1/service-levels/same-day/window", params={"at": "2026-04-30T09:00:00Z"}).json()
    assert (late["day"], late["why"]) == ("2026-05-04", "after the cut-off at 11:00"), "over the first of May and the weekend"
    assert shop.delete("/v1/service-levels/same-day").status_code == 204
    assert shop.get("/v1/service-levels").json()["items"] == []


def test_an_order_of_a_later_day_is_for_that_day_and_no_van_is_missing(shop: Any, booked: tuple[str, list[str], list[str]]) -> None:
    """Today's vans cannot take it, and need not: it is new, says whose it is, and nobody is alarmed."""
    depot, _, orders = booked
    planner = planner_of(shop)
    search = planner.plan(depot)
    if search is not None:  # a shift's first plan is searched before it is told
        planner.adopt(search, search.warm)
    shown = shop.get(f"/v1/orders/{orders[0]}").json()
    assert (shown["state"], shown["reason"]) == ("new", f"is for {TUESDAY}, whose plan is made the evening before")
    assert shown["said"][0]["code"] == "unserved.later"
    assert [one["order"] for one in shop.get("/v1/orders", params={"state": "unassigned"}).json()["items"]] == []


def test_the_roster_says_whose_skills_and_hours_a_day_is_planned_with(shop: Any, booked: tuple[str, list[str], list[str]]) -> None:
    """Today's driver of the van knows nothing of cranes and has driven nine hours; tomorrow somebody else has the van, and has slept."""
    depot, vans, _ = booked
    full = {"rule": "eu_561", "to_break_min": 270, "driving_min": 540, "duty_min": 780}
    tired, able = (
        shop.post("/v1/drivers", json={"name": name, "terms": {"skills": skills, "hours": hours}}).json()["driver"]
        for name, skills, hours in (
            ("Ada", [], full | {"driving_min": 0, "as_of": shop.at(minutes=-1)}),
            ("Ben", ["crane"], full | {"as_of": shop.at(minutes=-1), "driving_min": 0}),
        )
    )
    assert shop.patch(f"/v1/vehicles/{vans[0]}", json={"driver": tired}).status_code == 200
    assert shop.get(f"/v1/vehicles/{vans[0]}/hours").json() | {"as_of": ""} == {
        "vehicle": vans[0], "driver": tired, "rule": "eu_561", "to_break_min": 270, "driving_min": 0, "duty_min": 779, "as_of": "",
    }  # fmt: skip
    window = shop.get("/v1/service-levels/next-day/window").json()
    beam = shop.order(
        name="Beam",
        lat_deg=50.01,
        lon_deg=10.0,
        needs={"skills": ["crane"]},
        **{end: window[end] for end in ("window_start", "window_end")},
    )["order"]
    items = [{"vehicle": vans[0], "driver": able, "start": "07:30", "end": "16:30"}]
    assert shop.put(f"/v1/roster/{TUESDAY}", json={"items": items}).status_code == 200
    plan = shop.post(f"/v1/days/{TUESDAY}/plan", params={"seconds": 0, "depot": depot}).json()
    assert plan["unassigned"] == {}
    assert beam in [stop["order"] for stop in plan["routes"][vans[0]]]
