"""The dispatcher's doors over HTTP: see the effect, decide, and see what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from roundsman_hub.pki import open_pki
from roundsman_hub.replan.planner import Planner
from roundsman_hub.replan.reasons import REASONS
from roundsman_hub.roads import GreatCircle

Shop = Any


@dataclass
class Day:
    """Two vans at their depot, and three orders of which each has a van."""

    shop: Shop
    depot: str
    vans: list[str]
    orders: list[str]
    planner: Planner

    def plan(self) -> None:
        search = self.planner.plan(self.depot)
        if search is not None:
            self.planner.adopt(search, search.warm)

    def order(self, **fields: Any) -> str:
        east = fields.pop("east", 0.01)
        return str(self.shop.order(kind="pickup", lat_deg=50.0, lon_deg=10.0 + east, address="", **fields)["order"])

    def van_of(self, order: str) -> str | None:
        found = self.shop.get(f"/v1/orders/{order}").json()["vehicle"]
        return None if found is None else str(found)

    def other(self, order: str) -> str:
        return next(van for van in self.vans if van != self.van_of(order))

    def confirm(self) -> None:
        """Every van says that its newest plan is in force."""
        with self.shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO plan_receipts SELECT vehicle_id, max(version), fleet_id, 'in_force', 'h', NULL, %s, %s FROM plans"
                " WHERE fleet_id = %s GROUP BY 1, 3 ON CONFLICT DO NOTHING",
                (self.shop.clock.now(), self.shop.clock.real_now(), self.shop.fleet),
            )


@pytest.fixture
def day(shop: Shop) -> Day:
    depot = shop.depot()
    vans = [shop.van(depot, name) for name in ("Blue", "Red")]
    with shop.db.transaction() as cur:
        for van in vans:
            cur.execute("INSERT INTO vehicle_now (vehicle_id, fleet_id, online) VALUES (%s, %s, true)", (van, shop.fleet))
    planner = Planner(shop.db, GreatCircle(), open_pki(shop.blobs_dir.parent / "pki").signer(), shop.clock, lambda: None)
    made = Day(shop=shop, depot=depot, vans=vans, orders=[], planner=planner)
    made.orders = [made.order(name=f"O{n}", east=0.01 * n) for n in (1, 2, 3)]
    made.plan()
    made.confirm()
    return made


def test_a_move_is_shown_before_it_is_made_and_pins_the_order(day: Day) -> None:
    order, to = day.orders[1], day.other(day.orders[1])
    plans = day.shop.get(f"/v1/vehicles/{to}/plans").json()
    shown = day.shop.post("/v1/moves:preview", json={"order": order, "vehicle": to, "position": None}).json()
    assert (shown["feasible"], shown["reasons"], shown["breaks"]) == (True, [], [])
    assert shown["cost_cents"] > 0, "two vans out instead of one"
    assert order in shown["routes"][to]
    assert day.shop.get(f"/v1/vehicles/{to}/plans").json() == plans, "a preview tells nobody"
    assert day.shop.get(f"/v1/orders/{order}/assignment").json()["vehicle"] is None
    made = day.shop.post("/v1/moves", json={"order": order, "vehicle": to, "position": 1})
    assert made.status_code == 202, made.text
    assert day.shop.get(f"/v1/orders/{order}/assignment").json() == {"vehicle": to, "position": 1, "forbid": []}
    day.plan()
    assert day.van_of(order) is None, "it waits for the first van's receipt"
    day.confirm()
    with day.shop.db.transaction() as cur:
        from roundsman_hub.replan.revision import bump

        bump(cur, day.depot, "free", clock=day.shop.clock, kind="free", subject=order)
    day.plan()
    assert day.van_of(order) == to
    newest = day.shop.get("/v1/proposals", params={"depot": day.depot}).json()[0]
    assert (newest["state"], newest["diff"]["changes"][0]["order"]) == ("adopted", order)
    assert newest["versions"][to] == day.shop.get(f"/v1/vehicles/{to}/plans").json()[0]["version"]
    assert day.shop.delete(f"/v1/orders/{order}/assignment").status_code == 204


def test_where_planning_is_off_a_move_shows_what_it_adds_and_no_other_waiting_work(day: Day) -> None:
    assert day.shop.put(f"/v1/depots/{day.depot}/mode", json={"mode": "off"}).status_code == 200
    day.plan()
    new, other, van = day.order(name="New", east=0.015), day.order(name="Other", east=0.025), day.van_of(day.orders[0])
    day.plan()
    assert day.van_of(new) is None
    shown = day.shop.post("/v1/moves:preview", json={"order": new, "vehicle": van}).json()
    assert (shown["feasible"], shown["reasons"], set(shown["routes"])) == (True, [], {van})
    assert set(shown["routes"][van]) == {*day.orders, new}
    assert shown["cost_cents"] > 0
    assert {one["cost_cents"] for one in day.shop.get("/v1/candidates", params={"order": new}).json() if one["vehicle"] == van} != {0}
    assert day.shop.post("/v1/moves", json={"order": new, "vehicle": van}).status_code == 202
    day.plan()
    stops = [stop["stop"] for stop in day.shop.get(f"/v1/vehicles/{van}/plan").json()["plan"]["stops"]]
    assert stops == shown["routes"][van]
    assert day.van_of(other) is None


def test_goods_on_board_cannot_be_moved_by_a_plan(day: Day) -> None:
    goods = day.shop.order(kind="delivery", lat_deg=50.0, lon_deg=10.02, address="")["order"]
    day.plan()
    day.confirm()
    van, to = day.van_of(goods), day.other(goods)
    with day.shop.db.transaction() as cur:
        cur.execute("INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1)", (van, "ab" * 8))
        cur.execute(
            "INSERT INTO duties (session_no, seq, vehicle_id, fleet_id, duty, at) SELECT session_no, 1, vehicle_id, %s, 'on', %s"
            " FROM log.sessions WHERE vehicle_id = %s",
            (day.shop.fleet, day.shop.clock.now(), van),
        )
    refused = day.shop.post("/v1/moves", json={"order": goods, "vehicle": to})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:roundsman:problem:move-impossible")
    assert "on board" in refused.json()["detail"]


def test_vans_are_ranked_by_what_an_order_would_add(day: Day) -> None:
    order = day.order(name="Asked", east=0.011)
    ranked = day.shop.get("/v1/candidates", params={"order": order}).json()
    assert {one["basis"] for one in ranked} == {"great_circle"}
    assert ranked[0]["vehicle"] == day.van_of(day.orders[0]), "the one that passes by anyway"
    assert ranked[0]["cost_cents"] < ranked[1]["cost_cents"]
    assert ranked[0]["feasible"] is True
    place = day.shop.get("/v1/candidates", params={"lat_deg": 50.0, "lon_deg": 10.011, "service_s": 60}).json()
    assert {one["vehicle"] for one in place} == set(day.vans)
    nowhere = day.shop.get("/v1/candidates")
    assert (nowhere.status_code, nowhere.json()["type"]) == (422, "urn:roundsman:problem:which-place")


def test_the_way_ahead_names_its_stops_and_who_knows_it(day: Day) -> None:
    """Without road data: straight lines, said so, and nothing to do on them."""
    van, idle = day.van_of(day.orders[0]), day.other(day.orders[0])
    way = day.shop.get(f"/v1/vehicles/{van}/way").json()
    assert (way["basis"], [leg["steps"] for leg in way["legs"]]) == ("great_circle", [[], [], []])
    told = day.shop.get(f"/v1/vehicles/{van}/plans").json()[0]["version"]
    with day.shop.db.transaction() as cur:
        plan = cur.execute("SELECT plan FROM plans WHERE vehicle_id = %s AND version = %s", (van, told)).fetchone()["plan"]
    assert [leg["stop"] for leg in way["legs"]] == [stop["stop"] for stop in plan["stops"]]
    assert way["line_deg"][1:] == [[stop["lat_e6"] / 1e6, stop["lon_e6"] / 1e6] for stop in plan["stops"]]
    assert sum(leg["distance_m"] for leg in way["legs"]) == way["distance_m"] > 0
    assert day.shop.get(f"/v1/vehicles/{idle}/way").json()["legs"] == []
    assert day.shop.get("/v1/vehicles/v_nobodys/way").status_code == 404


def test_a_proposal_waits_is_approved_once_and_told(day: Day) -> None:
    assert day.shop.put(f"/v1/depots/{day.depot}/mode", json={"mode": "ask"}).json() == {"mode": "ask"}
    day.plan()
    new = day.order(name="New", east=0.015)
    day.plan()
    assert day.van_of(new) is None
    (waiting,) = day.shop.get("/v1/proposals", params={"depot": day.depot, "state": "waiting"}).json()
    assert waiting["versions"] == {}
    assert "New: new for" in waiting["diff"]["text"]
    viewer = day.shop.clients["viewer"].post(f"/v1/proposals/{waiting['id']}/approve")
    assert viewer.status_code == 403
    assert day.shop.clients["dispatcher"].post(f"/v1/proposals/{waiting['id']}/approve").status_code == 200
    again = day.shop.post(f"/v1/proposals/{waiting['id']}/reject")
    assert (again.status_code, again.json()["type"]) == (409, "urn:roundsman:problem:proposal-decided")
    day.plan()
    assert day.van_of(new) is not None
    assert day.shop.get(f"/v1/proposals/{waiting['id']}").json()["versions"] != {}


def test_the_last_plan_is_taken_back(day: Day) -> None:
    new = day.order(name="New", east=0.015)
    day.plan()
    day.confirm()
    van = day.van_of(new)
    assert van is not None
    shown = day.shop.get(f"/v1/depots/{day.depot}/undo").json()
    undone = day.shop.post(f"/v1/depots/{day.depot}/undo")
    assert undone.status_code == 202, undone.text
    assert {name: shown[name] for name in ("depot", "proposal", "text")} == undone.json()
    assert (shown["effect"]["feasible"], shown["effect"]["basis"]) == (True, "great_circle")
    assert new in shown["effect"]["routes"][day.other(new)], "what it comes to was told before"
    day.plan()
    assert day.van_of(new) != van
    assert day.shop.get(f"/v1/orders/{new}/assignment").json()["forbid"] == [van]


def test_what_is_forbidden_shows_its_effect_before_it_is_so(day: Day) -> None:
    order, revision = day.orders[0], day.shop.revision(day.depot)
    van, other = day.van_of(order), day.other(order)
    door = f"/v1/orders/{order}/assignment"
    shown = day.shop.post(f"{door}:preview", json={"forbid": [van]}).json()
    assert shown["feasible"] is True
    assert shown["cost_cents"] > 0
    assert order in shown["routes"][other]
    assert order not in shown["routes"][van]
    nowhere = day.shop.post(f"{door}:preview", json={"forbid": [van, other]}).json()
    assert nowhere["feasible"] is False
    assert nowhere["reasons"]
    pinned = day.shop.post(f"{door}:preview", json={"vehicle": other, "position": 1}).json()
    moved = day.shop.post("/v1/moves:preview", json={"order": order, "vehicle": other, "position": 1}).json()
    assert [pinned[name] for name in ("feasible", "position", "routes")] == [moved[name] for name in ("feasible", "position", "routes")]
    assert day.shop.revision(day.depot) == revision, "nobody is told"
    assert day.shop.get(door).json()["forbid"] == []


def test_locks_vans_that_are_out_and_a_forced_plan(day: Day) -> None:
    van = day.vans[0]
    assert day.shop.put(f"/v1/vehicles/{van}/lock", json={"locked": True}).json()["locked"] is True
    out = day.shop.put(f"/v1/vehicles/{van}/out", json={"reason": "driver_sick"}).json()
    assert out == {"vehicle": van, "locked": True, "out": "driver_sick"}
    assert day.shop.put(f"/v1/vehicles/{van}/out", json={"reason": None}).json()["out"] is None
    before = day.shop.revision(day.depot)
    asked = day.shop.post(f"/v1/depots/{day.depot}/replan")
    assert (asked.status_code, asked.json()) == (202, {"depot": day.depot, "revision": before + 1})
    kinds = {row["kind"] for row in day.shop.get("/v1/reasons").json()}
    assert kinds == {trigger.kind for trigger in REASONS}


def test_a_plan_that_nobody_answers_comes_with_the_moves_that_are_left(day: Day) -> None:
    order = day.orders[0]
    van, other = day.van_of(order), day.other(order)
    assert day.shop.get(f"/v1/depots/{day.depot}/unanswered").json() == []
    assert day.shop.get(f"/v1/vehicles/{van}/plans").json()[0]["state"] == "in_force"
    with day.shop.db.transaction() as cur:
        cur.execute("DELETE FROM plan_receipts WHERE vehicle_id = %s", (van,))
        cur.execute(
            "UPDATE plans SET issued_real_at = issued_real_at - interval '2 min', published_at = issued_at WHERE vehicle_id = %s", (van,)
        )
    (silent,) = day.shop.get(f"/v1/depots/{day.depot}/unanswered").json()
    assert (silent["vehicle"], silent["on_board"]) == (van, [])
    assert [one["vehicle"] for one in silent["offers"][0]["candidates"]] == [other]
    sent = day.shop.get(f"/v1/vehicles/{van}/plans").json()[0]
    assert (sent["state"], sent["held_utc"]) == ("sent", None)
    done = day.shop.post(f"/v1/vehicles/{van}/handover", json={"orders": [order], "said": "by telephone: he will not go there"})
    assert done.status_code == 204, done.text
    day.shop.post("/v1/moves", json={"order": order, "vehicle": other}).raise_for_status()
    day.plan()
    assert day.van_of(order) == other, "nothing to wait for any more"
