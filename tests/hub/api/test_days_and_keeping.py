"""A vehicle's days in numbers over HTTP, and the fleet's own say in how long the record behind them is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

FIRST = date(2026, 1, 30)


@pytest.fixture
def van(shop: Any) -> str:
    """A van with five counted days."""
    vehicle: str = shop.van(shop.depot())
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO vehicle_days (vehicle_id, day, fleet_id, timezone, fixes, driven_m, moving_s, standing_s, gap_s, max_speed_cm_s, "
            "stops, other_stops, computed_at) SELECT %s, %s::date + n, %s, 'Europe/Helsinki', 100 + n, 1000, 90, 10, 0, "
            "CASE WHEN n > 0 THEN 1250 END, 4, 1, now() FROM generate_series(0, 4) AS n",
            (vehicle, FIRST, shop.fleet),
        )
    return vehicle


def test_days_are_told_page_by_page(shop: Any, van: str) -> None:
    days: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(3):
        page = shop.get(f"/v1/vehicles/{van}/days", params={"limit": 2, "cursor": cursor}).json()
        days += page["items"]
        cursor = page["next_cursor"] or ""
    assert cursor == ""
    assert [row["day"] for row in days] == [(FIRST + timedelta(days=n)).isoformat() for n in range(5)]
    assert (days[0]["max_speed_mps"], days[1]["max_speed_mps"], days[1]["fixes"], days[1]["timezone"]) == (
        None,
        12.5,
        101,
        "Europe/Helsinki",
    )
    some = shop.get(f"/v1/vehicles/{van}/days", params={"from": "2026-01-31", "to": "2026-02-01"}).json()["items"]
    assert [row["day"] for row in some] == ["2026-01-31", "2026-02-01"]


def test_days_are_the_fleets_own_and_no_shops(shop: Any, van: str, make_shop: Callable[[], Any]) -> None:
    assert make_shop().get(f"/v1/vehicles/{van}/days").status_code == 404
    assert shop.clients["shop"].get(f"/v1/vehicles/{van}/days").status_code == 403
    bad = shop.get(f"/v1/vehicles/{van}/days", params={"cursor": "WyJ5ZXN0ZXJkYXkiXQ"})  # ["yesterday"]
    assert (bad.status_code, bad.json()["type"]) == (422, "urn:roundsman:problem:bad-cursor")


def test_a_fleet_chooses_what_it_keeps(shop: Any, make_shop: Callable[[], Any]) -> None:
    other = make_shop()
    usual = shop.get("/v1/retention").json()
    assert (usual["raw_days"], usual["track_days"], usual["own"], usual["aged_through"]) == (90, 730, False, None)
    chosen = shop.put("/v1/retention", json={"raw_days": 30, "track_days": 400})
    assert (chosen.status_code, chosen.json()["raw_days"], chosen.json()["own"]) == (200, 30, True)
    assert shop.get("/v1/retention").json() == chosen.json()
    assert other.get("/v1/retention").json()["own"] is False
    with shop.db.tenant(shop.fleet) as cur:
        [noted] = cur.execute("SELECT body FROM journal WHERE kind = 'retention.changed'").fetchall()
    assert noted["body"] == {"raw_days": 30, "track_days": 400}


def test_a_fleet_chooses_how_long_it_keeps_what_is_personal(shop: Any) -> None:
    usual = shop.get("/v1/retention").json()
    assert (usual["personal_days"], usual["word_days"], usual["notice_days"]) == (365, 365, 90)
    days = {"raw_days": 30, "track_days": 400}
    assert shop.put("/v1/retention", json={**days, "personal_days": 60, "notice_days": 14}).status_code == 200
    told = shop.put("/v1/retention", json=days).json()
    assert (told["personal_days"], told["word_days"], told["notice_days"]) == (60, 365, 14), "what is not named stays"
    assert shop.put("/v1/retention", json={**days, "word_days": 13}).status_code == 422


def test_everything_that_is_kept_is_listed_and_facts_and_visits_may_be_let_go(shop: Any) -> None:
    usual = shop.get("/v1/retention").json()
    listed = {keep["name"]: keep for keep in usual["keeps"]}
    assert list(listed) == [
        "raw_days",
        "track_days",
        "",
        "fact_days",
        "visit_days",
        "proof_days",
        "personal_days",
        "word_days",
        "notice_days",
    ]
    assert (listed["fact_days"]["days"], listed["fact_days"]["may_stay"], listed["raw_days"]["may_stay"]) == (None, True, False)
    days = {"raw_days": 30, "track_days": 400}
    told = shop.put("/v1/retention", json={**days, "fact_days": 200, "visit_days": 300, "proof_days": 90}).json()
    assert (told["fact_days"], told["visit_days"], told["proof_days"]) == (200, 300, 90)
    assert shop.put("/v1/retention", json=days).json()["fact_days"] == 200, "what is not named stays"
    refused = shop.put("/v1/retention", json={**days, "fact_days": None})
    assert (refused.status_code, "visits would come again" in refused.json()["detail"]) == (422, True)
    told = shop.put("/v1/retention", json={**days, "fact_days": None, "visit_days": None}).json()
    assert (told["fact_days"], told["visit_days"]) == (None, None)
    assert shop.put("/v1/retention", json={**days, "personal_days": None}).status_code == 422


def test_what_cannot_be_kept_is_refused(shop: Any) -> None:
    for days in (
        {"raw_days": 1, "track_days": 90},
        {"raw_days": 90, "track_days": 89},
        {"raw_days": 30},
        {"raw_days": 9_999, "track_days": 99_999},
    ):
        assert shop.put("/v1/retention", json=days).status_code == 422
    assert shop.clients["dispatcher"].put("/v1/retention", json={"raw_days": 30, "track_days": 90}).status_code == 403
    assert shop.clients["dispatcher"].get("/v1/retention").status_code == 200
    assert shop.get("/v1/retention").json()["own"] is False


def test_what_is_kept_of_an_aged_track_says_whether_it_lies_on_streets(shop: Any, van: str, make_shop: Callable[[], Any]) -> None:
    """Two stretches, of which one was matched; a third whose streets were looked for in vain."""
    with shop.db.transaction() as cur:
        cur.execute("INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 1) RETURNING session_no", (van, van[-16:]))
        session = cur.fetchall()[0]["session_no"]
        cur.execute(
            "INSERT INTO log.stretches (vehicle_id, session_no, first_seq, last_seq, from_at, to_at, broken, led, driven_m, moving_s, "
            "standing_s, at_ms, lat_e6, lon_e6, raw) SELECT %s, %s, 100 * n + 1, 100 * n + 100, t, t + interval '60 s', true, true, 600, "
            "60, 0, '{0,30000,60000}', '{1,2,3}', '{1,2,3}', false "
            "FROM generate_series(0, 2) AS n, LATERAL (SELECT %s::date + make_interval(hours => n) AS t) AS at",
            (van, session, FIRST),
        )
        cur.execute(
            "INSERT INTO log.matched VALUES (%(s)s, 1, 'van', 0.75, 610, 60, '{0,60000}', '{5,6}', '{5,6}', '{t,t}'), "
            "(%(s)s, 101, 'van', NULL, 0, 0, '{}', '{}', '{}', '{}')",
            {"s": session},
        )
    items: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(2):
        page = shop.get(f"/v1/vehicles/{van}/stretches", params={"limit": 2, "cursor": cursor}).json()
        items += page["items"]
        cursor = page["next_cursor"] or ""
    assert [(item["source"], item["profile"], item["confidence"], item["matched_m"]) for item in items] == [
        ("matched", "van", 0.75, 610),
        ("simplified", None, None, None),
        ("simplified", None, None, None),
    ]
    track = shop.get(f"/v1/vehicles/{van}/track", params={"line": "matched"}).json()["features"]
    assert [f["properties"]["source"] for f in track if f["properties"]["kind"] == "track"] == ["matched", "simplified", "simplified"]
    csv = shop.get(f"/v1/vehicles/{van}/track", params={"format": "csv"}).text
    assert {line.rpartition(",")[2] for line in csv.splitlines()[1:]} == {"simplified"}, "the truth, where nobody asks for another line"
    assert shop.get(f"/v1/vehicles/{van}/track", params={"format": "gpx", "line": "matched"}).text.count("<src>matched</src>") == 2
    assert make_shop().get(f"/v1/vehicles/{van}/stretches").status_code == 404
