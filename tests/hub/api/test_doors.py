"""Who may come in, what they see of others, and that the document tells the truth."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import httpx
import jsonschema
import pytest

from roundsman_hub import HubError
from roundsman_hub.api import keys
from roundsman_hub.domain.roles import PERMISSIONS, ROLES, Permission
from roundsman_hub.store.db import Database


@pytest.mark.parametrize("shown", [None, "Bearer nonsense", "Bearer rk_000000000000_" + "x" * 32, "Basic YTpi"])
def test_nobody_comes_in_without_a_key(url: str, shown: str | None) -> None:
    for path in ("/v1/orders", "/v1/live", "/v1/positions", "/v1/stream", "/v1/vehicles", "/v1/metrics", "/v1/keys"):
        answer = httpx.get(url + path, headers={"Authorization": shown} if shown else {}, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["next_step"]


DOORS: list[tuple[str, str, Permission]] = [
    ("GET", "/v1/orders", "orders.read"),
    ("POST", "/v1/orders", "orders.write"),
    ("POST", "/v1/orders/o_1/pin", "places.write"),
    ("GET", "/v1/depots", "fleet.read"),
    ("POST", "/v1/depots", "fleet.write"),
    ("GET", "/v1/live", "live.read"),
    ("GET", "/v1/positions", "live.read"),
    ("POST", "/v1/vehicles/v_1/messages", "drivers.write"),
    ("POST", "/v1/depots/p_1/replan", "plans.write"),
    ("GET", "/v1/metrics", "metrics.read"),
    ("GET", "/v1/keys", "keys.write"),
]


def test_table_of_roles_holds_at_every_door(shop: Any) -> None:
    assert {permission for _, _, permission in DOORS} == set(get_args(Permission)) == set(PERMISSIONS)
    for role, client in shop.clients.items():
        for method, path, permission in DOORS:
            answer = client.request(method, path, json={} if method == "POST" else None)
            assert (answer.status_code != 403) == (permission in ROLES[role]), (role, method, path, answer.text)


def test_revoked_key_opens_nothing(shop: Any) -> None:
    made = shop.post("/v1/keys", json={"name": "till", "role": "shop"}).json()
    assert re.fullmatch(r"rk_[0-9a-f]{12}_[A-Za-z0-9_-]{32}", made["secret"])
    with httpx.Client(base_url=shop.url, headers={"Authorization": f"Bearer {made['secret']}"}, trust_env=False) as till:
        assert till.get("/v1/orders").status_code == 200
        shop.post(f"/v1/keys/{made['key']}/revoke")
        assert till.get("/v1/orders").status_code == 401
    listed = shop.get("/v1/keys").json()["items"]
    assert made["secret"] not in str(listed)
    assert all(key["secret"] is None for key in listed)


def test_secret_is_not_in_the_database(shop: Any) -> None:
    secret = keys.create(shop.db, shop.fleet, "viewer", "wall")
    with shop.db.transaction() as cur:
        kept = cur.execute("SELECT * FROM api_keys WHERE key_id = %s", (secret.split("_")[1],)).fetchone()
    assert secret.split("_", 2)[2] not in str(kept)
    with pytest.raises(HubError, match="no fleet"):
        keys.create(shop.db, "fl_nowhere", "viewer", "wall")


def test_one_fleet_sees_nothing_of_another(make_shop: Callable[[], Any]) -> None:
    """Tenants are apart over HTTP as in the database: what is another's looks like what is not there."""
    ours, theirs = make_shop(), make_shop()
    depot = theirs.depot()
    vehicle = theirs.van(depot)
    driver = theirs.post("/v1/drivers", json={"name": "Ann"}).json()["driver"]
    fence = theirs.post("/v1/fences", json={"name": "Yard", "circle": {"lat_deg": 50, "lon_deg": 10, "radius_m": 60}}).json()["fence"]
    order = theirs.order(reference="A-1", address="Nowhere 1")["order"]
    for path in ("depots", "drivers", "vehicles", "fences", "orders", "geocode-queue", "etas"):
        assert ours.get(f"/v1/{path}").json()["items"] == []
    live = ours.get("/v1/live").json()
    assert [live[part] for part in ("depots", "vehicles", "plans", "orders", "events", "fences")] == [[]] * 6
    for path in (
        f"depots/{depot}",
        f"drivers/{driver}",
        f"vehicles/{vehicle}",
        f"vehicles/{vehicle}/plan",
        f"fences/{fence}",
        f"orders/{order}",
    ):
        assert ours.get(f"/v1/{path}").status_code == 404
    assert ours.get(f"/v1/vehicles/{vehicle}/track").status_code == 404
    for path, body in ((f"depots/{depot}", {"name": "x"}), (f"vehicles/{vehicle}", {"name": "x"}), (f"orders/{order}", {"parcels": 9})):
        assert ours.patch(f"/v1/{path}", json=body).status_code == 404
    assert ours.post(f"/v1/orders/{order}/cancel").status_code == 404
    assert ours.post(f"/v1/orders/{order}/pin", json={"lat_deg": 50, "lon_deg": 10}).status_code == 404
    assert ours.delete(f"/v1/fences/{fence}").status_code == 404
    shift = {"shift_start": ours.at(), "shift_end": ours.at(hours=1)}
    assert ours.post("/v1/vehicles", json={"name": "x", "depot": depot, "capacity": 1, **shift}).status_code == 422
    ours.van(ours.depot())
    assert ours.order(reference="A-1", address="Nowhere 1")["placed"] == "unknown"
    assert theirs.get(f"/v1/orders/{order}").json()["parcels"] == 1


def test_fleets_own_things_are_made_seen_and_changed(shop: Any) -> None:
    depot = shop.depot()
    vehicle = shop.van(depot)
    driver = shop.post("/v1/drivers", json={"name": "Ann", "phone": "+44 20 7946 0000"}).json()["driver"]
    before = shop.revision(depot)
    assert shop.patch(f"/v1/vehicles/{vehicle}", json={"driver": driver, "capacity": 9}).json()["driver"] == driver
    assert shop.patch(f"/v1/vehicles/{vehicle}", json={"driver": None}).json()["driver"] is None
    assert shop.revision(depot) == before + 2
    assert shop.patch(f"/v1/vehicles/{vehicle}", json={"driver": "d_nobody"}).status_code == 422
    assert shop.patch(f"/v1/vehicles/{vehicle}", json={"shift_end": shop.at(days=-1)}).json()["type"].endswith("shift-backwards")
    assert shop.get("/v1/vehicles/v_nowhere").json()["type"].endswith("unknown-vehicle")
    assert shop.patch(f"/v1/depots/{depot}", json={"lat_deg": 50.001, "lon_deg": 10.0}).json()["lat_deg"] == 50.001
    assert shop.patch("/v1/fleets/me", json={"timezone": "Mars/Crater"}).status_code == 422
    assert shop.patch("/v1/fleets/me", json={"timezone": "Europe/London"}).json()["timezone"] == "Europe/London"


def test_fences_change_the_version_that_vans_get(shop: Any) -> None:
    def version() -> int:
        with shop.db.transaction() as cur:
            found = cur.execute("SELECT version FROM sites_versions WHERE fleet_id = %s", (shop.fleet,)).fetchone()
        return int(found["version"]) if found else 0

    ring = [[50.0, 10.0], [50.0, 10.01], [50.01, 10.01]]
    made = shop.post("/v1/fences", json={"name": "Harbour", "rings_deg": [ring], "speed_limit_mps": 8.5}).json()
    assert (made["rings_deg"], made["circle"], made["speed_limit_mps"]) == ([ring], None, 8.5)
    first = version()
    assert shop.patch(f"/v1/fences/{made['fence']}", json={"speed_limit_mps": None}).json()["speed_limit_mps"] is None
    second = version()
    assert shop.delete(f"/v1/fences/{made['fence']}").status_code == 204
    assert 0 < first < second < version()
    assert shop.get("/v1/fences").json()["items"] == []
    both = {"name": "x", "rings_deg": [ring], "circle": {"lat_deg": 50, "lon_deg": 10, "radius_m": 60}}
    assert shop.post("/v1/fences", json=both).status_code == 422


def test_a_fence_keeps_hours(shop: Any) -> None:
    nights = {"days": ["fri", "sat"], "start": "22:00", "end": "06:00"}
    yard = {"name": "Yard", "circle": {"lat_deg": 50, "lon_deg": 10, "radius_m": 60}, "active": [nights]}
    made = shop.post("/v1/fences", json=yard).json()
    assert (made["active"], made["time_zone"]) == ([nights], shop.get("/v1/fleets/me").json()["timezone"]), "the fleet's own clock"
    changed = shop.patch(f"/v1/fences/{made['fence']}", json={"time_zone": "Europe/Lisbon", "active": [nights | {"end": "24:00"}]}).json()
    assert (changed["active"][0]["end"], changed["time_zone"]) == ("24:00", "Europe/Lisbon")
    assert shop.patch(f"/v1/fences/{made['fence']}", json={"active": None}).json()["active"] is None
    assert shop.patch(f"/v1/fences/{made['fence']}", json={"time_zone": "Mars/Crater"}).status_code == 422
    assert shop.post("/v1/fences", json=yard | {"active": [nights | {"start": "25:00"}]}).status_code == 422


def test_fence_of_another_shape_keeps_the_rules_of_the_old_one(shop: Any) -> None:
    nights = {"days": ["fri"], "start": "22:00", "end": "06:00"}
    ring = [[50.0, 10.0], [50.0, 10.01], [50.01, 10.01]]
    old = shop.post(
        "/v1/fences", json={"name": "Yard", "rings_deg": [ring], "dwell_s": 600, "speed_limit_mps": 5, "active": [nights]}
    ).json()
    wider = [*ring, [50.01, 10.0]]
    made = shop.put(f"/v1/fences/{old['fence']}/shape", json={"rings_deg": [wider]}).json()
    assert made["fence"] != old["fence"], "crossings of the old shape stay the old one's"
    assert made == old | {"fence": made["fence"], "rings_deg": [wider]}
    assert shop.get("/v1/fences").json()["items"] == [made]
    assert shop.put(f"/v1/fences/{old['fence']}/shape", json={"rings_deg": [wider]}).status_code == 404
    assert shop.put(f"/v1/fences/{made['fence']}/shape", json={}).status_code == 422


def test_fence_that_was_taken_away_is_put_back(shop: Any, make_shop: Any) -> None:
    yard = shop.post("/v1/fences", json={"name": "Yard", "circle": {"lat_deg": 50, "lon_deg": 10, "radius_m": 60}}).json()
    assert shop.delete(f"/v1/fences/{yard['fence']}").status_code == 204
    assert make_shop().post(f"/v1/fences/{yard['fence']}/restore").status_code == 404
    assert shop.post(f"/v1/fences/{yard['fence']}/restore").json() == yard
    assert shop.get("/v1/fences").json()["items"] == [yard]


def test_document_is_valid_and_names_the_problems(url: str, plain_database: Database) -> None:
    document = httpx.get(f"{url}/openapi.json", trust_env=False, timeout=60).json()
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(re.findall(r'"\$ref": ?"([^"]+)"', httpx.get(f"{url}/openapi.json", trust_env=False, timeout=60).text)) <= known
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
            for status, answer in operation["responses"].items():
                if status >= "400" and "content" in answer:
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(ids) == len(set(ids))


def test_what_is_not_there_is_a_problem_too(url: str) -> None:
    for method, path, status in (("GET", "/v1/nothing", 404), ("DELETE", "/v1/orders", 405), ("GET", "/assets/../pages.py", 404)):
        answer = httpx.request(method, url + path, trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json()["next_step"]


def test_pages_take_nothing_from_elsewhere(url: str) -> None:
    answer = httpx.get(f"{url}/healthz", trust_env=False)
    assert answer.json() == {"status": "alive"}
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert httpx.get(f"{url}/readyz", trust_env=False).json() == {"status": "ready"}
    assert httpx.get(f"{url}/basemap.geojson", trust_env=False).json()["features"] == []
