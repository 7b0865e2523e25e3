"""Questions to the record, asked over HTTP: where a van was, who was near, what happened to an order, and nothing of another fleet's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from roundsman_hub.clock import Clock

NORTH_E6 = 50_000_000
EAST_E6 = 10_000_000
sessions = itertools.count(0x9000)


class Past:
    """A van of a shop's fleet that drove north from the town's middle at 10 m/s, a fix a second, and stood on its way."""

    def __init__(self, shop: Any, clock: Clock) -> None:
        self.shop, self.van = shop, shop.van(shop.depot())
        self.began = clock.now().replace(microsecond=0) - timedelta(hours=1)
        with shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s) RETURNING session_no", (self.van, f"{next(sessions):016x}")
            )
            self.session_no = cur.fetchall()[0]["session_no"]

    def at(self, second: float) -> datetime:
        return self.began + timedelta(seconds=second)

    def drive(self, first: int, last: int) -> None:
        with self.shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, satellites, flags) "
                "SELECT %s + s * interval '1 second', %s, %s, s + 1, s * 1000, %s + 90 * s, %s, 1000, 9, 0 "
                "FROM generate_series(%s::int, %s::int) s",
                (self.began, self.van, self.session_no, NORTH_E6, EAST_E6, first, last),
            )

    def stood(self, visit: int, second: int, until: int | None, order: str | None, lat_e6: int = NORTH_E6) -> None:
        with self.shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO visits VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1)",
                (
                    *(self.session_no, visit, self.van, self.shop.fleet, order, self.at(second)),
                    *(None if until is None else self.at(until), lat_e6, EAST_E6),
                ),
            )

    def get(self, path: str, **params: Any) -> Any:
        answer = self.shop.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def past(shop: Any, clock: Clock) -> Past:
    return Past(shop, clock)


def test_a_track_is_simplified_to_what_the_map_can_show(past: Past) -> None:
    past.drive(0, 600)
    track = f"/v1/vehicles/{past.van}/track"
    [whole] = past.get(track)["features"]
    [coarse] = past.get(track, zoom=12)["features"]
    assert len(whole["geometry"]["coordinates"]) == 601
    assert coarse["geometry"]["coordinates"] == [whole["geometry"]["coordinates"][at] for at in (0, -1)], "a straight line has two ends"
    assert len(coarse["properties"]["coordTimes"]) == 2
    assert past.shop.get(track, params={"format": "gpx", "zoom": 3}).text.count("<trkpt") == 2
    assert past.shop.get(track, params={"zoom": 99}).json()["type"] == "urn:roundsman:problem:invalid-request"


def test_who_was_near_is_told_by_pass(past: Past, make_shop: Callable[[], Any], clock: Clock) -> None:
    past.drive(0, 1200)
    other = Past(make_shop(), clock)
    other.drive(0, 1200)
    place = {"lat_deg": (NORTH_E6 + 90 * 500) / 1e6, "lon_deg": 10.0, "radius_m": 100}
    stretch = {"from": past.at(-10).isoformat(), "to": past.at(2000).isoformat()}
    [seen] = past.get("/v1/near", **place, **stretch)["items"]
    assert seen["vehicle"] == past.van, "the other fleet's van drove there, too, and is not told"
    inside = datetime.fromisoformat(seen["to_at"]) - datetime.fromisoformat(seen["from_at"])
    assert timedelta(seconds=10) <= inside <= timedelta(seconds=21)
    assert seen["nearest_m"] < 30
    assert past.get("/v1/near", **place, **{"from": past.at(600).isoformat(), "to": past.at(2000).isoformat()})["items"] == []
    too_long = past.shop.get("/v1/near", params=place | {"from": past.at(0).isoformat(), "to": past.at(9e6).isoformat()})
    assert (too_long.status_code, too_long.json()["type"]) == (422, "urn:roundsman:problem:stretch-too-long")


def test_near_finds_what_looking_at_every_fix_finds(past: Past) -> None:
    """The hops save looking; they must not overlook. Around and around the place, at every distance."""
    past.drive(0, 1500)
    for second in (0, 30, 700, 1490):
        place = {"lat_deg": (NORTH_E6 + 90 * second) / 1e6, "lon_deg": 10.0, "radius_m": 60}
        found = past.get("/v1/near", **place, **{"from": past.at(0).isoformat(), "to": past.at(3000).isoformat()})["items"]
        assert len(found) == 1, second


def test_a_day_is_played_back_in_frames_and_pages(past: Past) -> None:
    past.drive(0, 299)
    params = {"from": past.at(0).isoformat(), "to": past.at(600).isoformat(), "step_s": 60}
    lines = [json.loads(line) for line in past.shop.get("/v1/playback", params=params).text.splitlines()]
    assert [len(line["vans"]) for line in lines[:-1]] == [1] * 5
    assert lines[-1] == {"end": True, "next_cursor": None}
    assert lines[0]["vans"][0][:3] == [past.van, round((NORTH_E6 + 90 * 59) / 1e6, 6), 10.0], "the newest of its minute"
    first = [json.loads(line) for line in past.shop.get("/v1/playback", params=params | {"limit": 2}).text.splitlines()]
    rest = past.shop.get("/v1/playback", params=params | {"cursor": first[-1]["next_cursor"]}).text.splitlines()
    assert first[:-1] + [json.loads(line) for line in rest] == lines


def test_day_is_played_back_as_it_was_known_then(past: Past) -> None:
    """Plans as they were issued and arrivals as they were said, not as they came to be; the first plan is the one it began with."""
    shop, first, second = past.shop, past.shop.order(reference="A-1")["order"], past.shop.order(reference="A-2")["order"]
    with shop.db.transaction() as cur:
        for version, at, orders in ((1, -900, [first]), (2, -60, [second, first]), (3, 300, [first, second]), (4, 2_000, [second])):
            stops = [
                {"stop": order, "lat_e6": NORTH_E6, "lon_e6": EAST_E6 + n, "arrival_utc_ms": round(past.at(600).timestamp() * 1000)}
                for n, order in enumerate(orders)
            ]
            stops.append({"stop": "+fast", "name": "Charge: fast", "lat_e6": NORTH_E6, "lon_e6": EAST_E6})
            cur.execute(
                "INSERT INTO plans (vehicle_id, version, fleet_id, issued_at, issued_real_at, reason, changes, plan, hash, envelope)"
                " VALUES (%s, %s, %s, %s, %s, 'why', '[]', %s, 'h', '')",
                (past.van, version, shop.fleet, past.at(at), past.at(at), json.dumps({"stops": stops})),
            )
        for said_at, eta in ((-60, 600), (200, 660), (1_500, 700)):
            cur.execute(
                "INSERT INTO eta_said (order_id, said_at, fleet_id, vehicle_id, eta, low, high) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (first, past.at(said_at), shop.fleet, past.van, *[past.at(eta)] * 3),
            )
    shop.resolve(past.van, first, "delivered", ago_s=3_600 - 640)
    stretch = {"from": past.at(0).isoformat(), "to": past.at(1_000).isoformat()}
    then = past.get(f"/v1/vehicles/{past.van}/then", **stretch)
    assert [(plan["version"], [stop["order"] for stop in plan["stops"]]) for plan in then["plans"]] == [
        (2, [second, first, "+fast"]),
        (3, [first, second, "+fast"]),
    ]
    assert [one["eta"] for one in then["said"]] == [
        past.at(600).isoformat().replace("+00:00", "Z"),
        past.at(660).isoformat().replace("+00:00", "Z"),
    ]
    [stop, left, charge] = then["plans"][1]["stops"]
    assert (stop["name"].split()[0], stop["state"], left["came_at"]) == ("A-1", "delivered", None)
    assert (charge["name"], charge["said"]) == ("Charge: fast", [{"code": "change.charge", "params": {"name": "fast"}}])
    assert stop["said"] == []
    [done] = past.get("/v1/playback/stops", **stretch)["items"]
    assert (done["order"], done["state"], done["vehicle"]) == (first, "delivered", past.van)
    assert shop.get("/v1/playback/stops", params=stretch | {"to": past.at(9e6).isoformat()}).status_code == 422


def test_visits_of_an_order_and_of_its_address(past: Past) -> None:
    order, again = past.shop.order()["order"], past.shop.order()["order"]
    place = 50_010_000  # Mill Street 4
    past.stood(1, 60, 120, order, place)
    past.stood(2, 300, 360, again, place)
    past.stood(3, 600, None, None, place + 200)
    past.stood(4, 700, 800, None, place + 9_000)
    assert [v["order"] for v in past.get("/v1/visits", order=order)["items"]] == [order]
    at_address = past.get("/v1/visits", address="mill street 4")["items"]
    assert [v["order"] for v in at_address] == [order, again, None], "who came there without a stop is told, too"
    pages, cursor = [], ""
    while True:
        page = past.get("/v1/visits", address="Mill Street 4", limit=1, cursor=cursor)
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == at_address
    assert past.shop.get("/v1/visits").status_code == 422
    assert past.shop.get("/v1/visits", params={"order": "o_none"}).status_code == 404
    bad = past.shop.get("/v1/visits", params={"order": order, "cursor": "bm8"}).json()
    assert bad["type"] == "urn:roundsman:problem:bad-cursor"


def test_long_stops_outside_the_plan(past: Past, make_shop: Callable[[], Any]) -> None:
    order = past.shop.order()["order"]
    past.stood(1, 0, 1200, None)
    past.stood(2, 1300, 1400, None)
    past.stood(3, 1500, 2900, order)
    found = past.get("/v1/stops-outside-plan", longer_s=900)["items"]
    assert [datetime.fromisoformat(v["arrived_at"]) for v in found] == [past.at(0)]
    assert len(past.get("/v1/stops-outside-plan", longer_s=60)["items"]) == 2
    assert make_shop().get("/v1/stops-outside-plan", params={"longer_s": 60}).json()["items"] == []


def test_a_stop_at_a_neighbours_says_whose_it_may_have_been(past: Past) -> None:
    """What the van judged, while nobody says otherwise: once the visit is an order's, it was meant for that."""
    order = past.shop.order()["order"]
    past.stood(1, 0, 1200, None)
    past.stood(2, 2000, 3200, order)
    with past.shop.db.transaction() as cur:
        cur.execute("UPDATE visits SET meant_order_id = %s", (order,))
    (found,) = past.get("/v1/stops-outside-plan", longer_s=900)["items"]
    assert (found["order"], found["meant_order"]) == (None, order)
    assert [visit["meant_order"] for visit in past.get("/v1/visits", order=order)["items"]] == [None]
    told = [line for line in past.get(f"/v1/orders/{order}/story")["items"] if line["kind"].startswith("visit.")]
    assert [line["kind"] for line in told] == ["visit.nearby", "visit.arrived", "visit.left"]
    assert (told[0]["vehicle"], datetime.fromisoformat(told[0]["body"]["left_at"])) == (past.van, past.at(1200))


def test_the_nearest_van_is_the_one_that_drives_least(past: Past) -> None:
    depot = past.shop.depot()
    near, far, off = (past.shop.van(depot, name) for name in ("Near", "Far", "Off"))
    with past.shop.db.transaction() as cur:
        for van, lat_e6, duty in ((near, NORTH_E6, "on"), (far, NORTH_E6 + 40_000, "on"), (off, NORTH_E6, "off")):
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, lat_e6, lon_e6, duty) VALUES (%s, %s, %s, %s, %s)",
                (van, past.shop.fleet, lat_e6, EAST_E6, duty),
            )
    told = past.get("/v1/nearest-vans", lat_deg=50.001, lon_deg=10.0)
    assert told["basis"] == "great_circle"
    assert [item["vehicle"] for item in told["items"]] == [near, far]
    assert told["items"][0]["drive_s"] < told["items"][1]["drive_s"]
    assert len(past.get("/v1/nearest-vans", lat_deg=50.001, lon_deg=10.0, on_duty=False)["items"]) == 3


def test_an_orders_story_tells_what_was_corrected_and_why(past: Past) -> None:
    order = past.shop.order(reference="A-1")["order"]
    past.shop.in_force(past.van, [order])
    past.stood(1, 60, 120, order)
    cause = "the van's log of 08:40 UTC arrived at 10:10 UTC"
    with past.shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO actions (session_no, seq, order_id, vehicle_id, fleet_id, action, outcome, at) VALUES (%s, 1, %s, %s, %s, 'a', "
            "'delivered', %s)",
            (past.session_no, order, past.van, past.shop.fleet, past.at(90)),
        )
        cur.execute(
            "INSERT INTO corrections (fleet_id, vehicle_id, noun, subject, order_id, at, was, now, cause) VALUES "
            """(%s, %s, 'alert', %s, %s, %s, '{"kind": "late"}', NULL, %s)""",
            (past.shop.fleet, past.van, f"late:{order}", order, past.at(3000), cause),
        )
        cur.execute(
            "INSERT INTO alerts VALUES ('silent:v', %s, %s, 'silent', NULL, NULL, %s, NULL, '{}', %s)",
            (past.shop.fleet, past.van, past.at(0), past.at(900)),
        )
    story = past.get(f"/v1/orders/{order}/story")["items"]
    assert [line["kind"] for line in story if line["kind"] != "plan.issued"] == [
        *("visit.arrived", "driver.delivered", "visit.left", "corrected.alert", "order.created")
    ]
    [corrected] = past.get("/v1/corrections")["items"]
    assert (corrected["now"], corrected["cause"], corrected["order"]) == (None, cause, order)
    [alert] = past.get("/v1/alerts", kind="silent")["items"]
    assert (alert["vehicle"], alert["to_at"]) == (past.van, None)
    assert past.get("/v1/alerts", kind="late")["items"] == []


def test_another_fleet_sees_nothing_of_it(past: Past, make_shop: Callable[[], Any]) -> None:
    order = past.shop.order()["order"]
    past.drive(0, 10)
    stranger = make_shop()
    for path in (f"/v1/vehicles/{past.van}/track", f"/v1/orders/{order}/story", f"/v1/visits?order={order}"):
        assert stranger.get(path).status_code == 404, path
    stretch = {"from": past.at(0).isoformat(), "to": past.at(100).isoformat()}
    assert stranger.get(f"/v1/vehicles/{past.van}/then", params=stretch).status_code == 404
    assert stranger.get("/v1/playback/stops", params=stretch).json()["items"] == []
    assert [json.loads(line) for line in stranger.get("/v1/playback", params=stretch).text.splitlines()] == [
        {"end": True, "next_cursor": None}
    ]
    for path in ("/v1/alerts", "/v1/corrections"):
        assert stranger.get(path).json()["items"] == []
    assert past.shop.clients["shop"].get(f"/v1/orders/{order}/story").status_code == 403, "where drivers are is not a till's business"
