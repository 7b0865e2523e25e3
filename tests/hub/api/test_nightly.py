"""Tomorrow's plan makes itself in the evening, once, whatever number of hubs looks; and learning says what it came to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from roundsman_core.timebase import TimeBase
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.nightly import work
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import nightly_store

TUESDAY = "2026-03-03"
EVENING = datetime.fromisoformat("2026-03-02T20:10:00+02:00")


def clock_at(at: datetime) -> Clock:
    return Clock(TimeBase(origin_real_ms=to_ms(Clock().now()), origin_utc_ms=to_ms(at)))


@pytest.fixture
def booked(shop: Any) -> tuple[str, str]:
    """A depot with a van on tomorrow's roster and three deliveries for it."""
    depot = shop.depot()
    van = shop.van(depot, "Van 1")
    shop.put("/v1/calendar", json={"country": "FI"})
    for n in range(1, 4):
        shop.order(
            name=f"Kit {n}",
            lat_deg=50.0 + 0.004 * n,
            lon_deg=10.0,
            window_start=f"{TUESDAY}T08:00:00+02:00",
            window_end=f"{TUESDAY}T16:00:00+02:00",
        )
    return depot, van


def night(shop: Any, at: datetime, said: tuple[int, str] = (1, "")) -> int:
    """A hub looks at that instant."""
    return work.do(shop.db, GreatCircle(), clock_at(at), lambda: said, search_s=0)


def of(shop: Any, depot: str) -> dict[str, Any]:
    (found,) = [one for one in shop.get("/v1/nightly").json()["depots"] if one["depot"] == depot]
    return dict(found)


def roster(shop: Any, van: str) -> None:
    shop.put(f"/v1/roster/{TUESDAY}", json={"items": [{"vehicle": van, "start": "07:30", "end": "16:30"}]})


def test_the_evening_makes_a_draft_once_and_leaves_what_a_person_made(shop: Any, booked: tuple[str, str]) -> None:
    depot, van = booked
    night(shop, EVENING)
    assert shop.get(f"/v1/days/{TUESDAY}/plan").status_code == 404
    roster(shop, van)
    night(shop, EVENING - timedelta(minutes=30))
    assert of(shop, depot)["nights"] == [], "not before the hour"
    night(shop, EVENING)
    plan = shop.get(f"/v1/days/{TUESDAY}/plan").json()
    assert (plan["state"], len(plan["routes"][van])) == ("draft", 3)
    (told,) = of(shop, depot)["nights"]
    assert (told["day"], told["state"]) == (TUESDAY, "done")
    assert "waits for approval" in told["says"]
    assert [(one["what"], one["stops"], one["vans"], one["without_van"]) for one in told["found"]] == [("draft", 3, 1, 0)]
    night(shop, EVENING + timedelta(hours=3))
    assert shop.get(f"/v1/days/{TUESDAY}/plan").json()["made_at"] == plan["made_at"], "once a night"


def test_a_plan_that_a_person_made_is_left_alone(shop: Any, booked: tuple[str, str]) -> None:
    depot, van = booked
    roster(shop, van)
    shop.post(f"/v1/days/{TUESDAY}/plan", params={"seconds": 0})
    made_at = shop.post(f"/v1/days/{TUESDAY}/plan/approve").json()["made_at"]
    night(shop, EVENING)
    plan = shop.get(f"/v1/days/{TUESDAY}/plan").json()
    assert (plan["state"], plan["made_at"]) == ("approved", made_at)
    assert [one["what"] for one in of(shop, depot)["nights"][0]["found"]] == ["kept"]


def test_what_was_approved_goes_to_the_vans_in_the_morning_once_they_are_home(shop: Any, booked: tuple[str, str]) -> None:
    """Nobody has to be in the office for it; a van that is still out on the night's shift keeps it waiting, for minutes."""
    depot, van = booked
    roster(shop, van)
    night(shop, EVENING)
    morning = datetime.fromisoformat(f"{TUESDAY}T07:00:00+02:00")
    night(shop, morning)
    assert shop.get(f"/v1/days/{TUESDAY}/plan").json()["state"] == "draft", "a draft that nobody looked at stays where it is"
    shop.post(f"/v1/days/{TUESDAY}/plan/approve")
    shop.in_force(van, [], duty="on")
    night(shop, morning + timedelta(minutes=1))
    assert shop.get(f"/v1/days/{TUESDAY}/plan").json()["state"] == "approved"
    newest = of(shop, depot)["nights"][0]
    assert (newest["state"], newest["found"][0]["what"]) == ("nothing", "still_out")
    with shop.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET duty = 'off' WHERE vehicle_id = %s", (van,))
    night(shop, morning + timedelta(minutes=2))
    assert shop.get(f"/v1/days/{TUESDAY}/plan").json()["state"] == "approved", "not looked at each minute"
    night(shop, morning + timedelta(minutes=7))
    assert shop.get(f"/v1/days/{TUESDAY}/plan").json()["state"] == "released"
    newest, draft = of(shop, depot)["nights"]
    assert (newest["state"], newest["found"][0]["what"], newest["found"][0]["vans"]) == ("done", "released", 1)
    assert draft["found"][0]["what"] == "draft"
    assert shop.get(f"/v1/vehicles/{van}").json()["shift_start"].startswith(f"{TUESDAY}T05:30")


def test_a_missed_night_is_caught_up_before_the_first_van_sets_out(shop: Any, booked: tuple[str, str]) -> None:
    depot, van = booked
    roster(shop, van)
    night(shop, datetime.fromisoformat(f"{TUESDAY}T06:00:00+02:00"))
    assert of(shop, depot)["nights"][0]["state"] == "done"


def test_of_two_hubs_one_plans_and_a_dead_ones_claim_is_taken_up(shop: Any, booked: tuple[str, str]) -> None:
    depot, van = booked
    roster(shop, van)
    clock = clock_at(EVENING)
    with shop.db.transaction() as cur:
        (one,) = [one for one in work.due(cur, clock) if one.subject == depot]
        assert nightly_store.claim(cur, one, clock.now(), clock.real_now())
    with shop.db.transaction() as cur:
        assert not nightly_store.claim(cur, one, clock.now(), clock.real_now())
        assert one not in work.due(cur, clock)
        long_after = clock.real_now() + nightly_store.DEAD_AFTER + timedelta(seconds=1)
        assert nightly_store.claim(cur, one, clock.now(), long_after)


def test_an_hour_of_its_own_or_none(shop: Any, booked: tuple[str, str]) -> None:
    depot, van = booked
    roster(shop, van)
    assert of(shop, depot)["plan_at"] == "20:00"
    assert shop.put("/v1/nightly", json={"depot": depot, "plan_at": "25:00"}).status_code == 422
    assert shop.put("/v1/nightly", json={"depot": depot, "plan_at": None}).status_code == 200
    night(shop, EVENING)
    assert of(shop, depot)["nights"] == []
    shop.put("/v1/nightly", json={"depot": depot, "plan_at": "18:30"})
    assert of(shop, depot)["plan_at"] == "18:30"
    night(shop, EVENING - timedelta(hours=1))
    assert of(shop, depot)["nights"][0]["state"] == "done"


def test_learning_tells_each_fleet_of_its_own_and_of_the_streets(shop: Any, booked: tuple[str, str]) -> None:
    """The hub learns for all at once; what it says of another fleet's stops is nobody else's."""
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO duties (session_no, seq, vehicle_id, fleet_id, duty, at) VALUES (987654, 1, %s, %s, 'on', %s)",
            (booked[1], shop.fleet, EVENING - timedelta(hours=12)),
        )
    said = (
        "speeds: learned from 40, judged on 22 of 1 later days: error 0.1, in force 0.2 (+50.0 % better)\nspeeds: table 3 is in force\n"
        f"service of {shop.fleet}: nothing was learned: too few\nservice of fl_other: secret\nservice of fl_other: table 9 is in force"
    )
    morning = datetime.fromisoformat("2026-03-05T03:00:00+02:00")
    night(shop, morning, (0, said))
    told = shop.get("/v1/nightly").json()["learning"]["nights"][0]
    assert (told["day"], told["state"], told["adopted"]) == ("2026-03-05", "done", True)
    assert "judged on 22" in told["says"]
    assert "secret" not in told["says"]
    streets, stops = told["found"]
    assert (streets["what"], streets["held_out"], streets["days_held_out"], streets["error"], streets["error_in_force"]) == (
        "speeds", 22, 1, 0.1, 0.2,
    )  # fmt: skip
    assert (streets["adopted"], stops["what"], stops["adopted"]) == (True, "service", None)
    with shop.db.transaction() as cur:
        assert [one for one in work.due(cur, clock_at(morning + timedelta(hours=1))) if one.kind == "learn"] == []
