"""The live picture at its door: one question for all vans' plans, and a small answer of where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman_hub.store import live as live_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """What was asked of the table of plans, question by question."""
    found: list[dict[str, int]] = []
    plans = live_store.plans

    def counted(cur: Cursor, versions: Mapping[str, int]) -> list[Row]:
        found.append(dict(versions))
        return plans(cur, versions)

    monkeypatch.setattr(live_store, "plans", counted)
    return found


def test_all_plans_are_read_in_one_question_and_once_a_version(shop: Any, asked: list[dict[str, int]]) -> None:
    depot = shop.depot()
    vans = [shop.van(depot, name=f"Van {number}") for number in range(3)]
    for van in vans:
        shop.in_force(van, [])
    live = shop.get("/v1/live").json()
    assert [plan["vehicle"] for plan in live["plans"]] == vans
    assert [plan["changes"] for plan in live["plans"]] == [["one"]] * 3
    assert [vehicle["plan_state"] for vehicle in live["vehicles"]] == ["in_force"] * 3
    assert [sorted(question) for question in asked] == [sorted(vans)]
    assert shop.get("/v1/live").json()["plans"] == live["plans"]
    assert asked[1:] == [{}]
    shop.in_force(vans[1], [])
    versions = {plan["vehicle"]: plan["version"] for plan in shop.get("/v1/live").json()["plans"]}
    assert asked[2:] == [{vans[1]: versions[vans[1]]}]


def test_positions_are_of_ones_own_vans_that_have_one(make_shop: Callable[[], Any]) -> None:
    ours, theirs = make_shop(), make_shop()
    ours_van, _silent = (ours.van(depot := ours.depot()), ours.van(depot, name="Silent"))
    theirs.in_force(theirs.van(theirs.depot()), [])
    ours.in_force(ours_van, [])
    (position,) = ours.clients["viewer"].get("/v1/positions").json()["positions"]
    assert (position["vehicle"], position["lat_deg"], position["lon_deg"]) == (ours_van, 50.001234, 10.004321)
    assert position["online"] is True
    assert position["speed_mps"] is None


def test_the_picture_is_of_the_day_and_of_shifts_that_go_on(shop: Any) -> None:
    """At eleven at night the morning's visits are still the day's; at six a night shift's are; yesterday's are nobody's."""
    night, noon = datetime(2026, 3, 2, 23, tzinfo=UTC), datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    van = shop.van(shop.depot())

    def since(now: datetime, start: datetime, end: datetime) -> datetime:
        with shop.db.tenant(shop.fleet) as cur:
            cur.execute("UPDATE vehicles SET shift_start = %s, shift_end = %s WHERE vehicle_id = %s", (start, end, van))
            cur.execute("UPDATE fleets SET timezone = 'Europe/Helsinki' WHERE fleet_id = %s", (shop.fleet,))
            return live_store.day_start(cur, now)

    hours = timedelta(hours=1)
    midnight = datetime(2026, 3, 1, 22, tzinfo=UTC)
    assert since(night - 2 * hours, midnight + 6 * hours, midnight + 14 * hours) == midnight
    assert since(noon, midnight - 6 * hours, midnight + 15 * hours) == midnight - 6 * hours, "a shift over midnight"
    assert since(noon, midnight - 6 * hours, midnight - hours) == midnight, "over for half a day"
    assert since(midnight + hours, midnight + 6 * hours, midnight + 14 * hours) == midnight - 11 * hours, "the evening before"
