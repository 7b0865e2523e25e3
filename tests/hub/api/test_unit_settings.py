"""What a fleet sets on its vans' units, and what they are told of it."""

from __future__ import annotations

from typing import Any

from roundsman_hub.dispatch.documents import config_of, units
from roundsman_hub.pki import open_pki
from roundsman_wire.envelopes import open_envelope
from roundsman_wire.messages import Config


def told(shop: Any, vehicle: str, version: int = 0) -> Config | None:
    """The config that a van is told next; None: version `version` says the same."""
    signer = open_pki(shop.blobs_dir.parent / "pki").signer()
    with shop.db.transaction() as cur:
        (unit,) = [unit for unit in units(cur) if unit["vehicle_id"] == vehicle]
        document = config_of(cur, unit, signer, "https://hub/files", shop.clock, told=version)
    if document is None:
        return None
    config = open_envelope(document.envelope, lambda *_: True).payload
    assert isinstance(config, Config)
    return config


def test_a_units_sampling_and_language_are_set_from_the_desk(shop: Any) -> None:
    depot = shop.depot()
    one, other = shop.van(depot), shop.van(depot, name="Other")
    first = told(shop, one)
    assert first is not None
    assert (first.sampling, first.language) == (None, None)
    assert shop.put("/v1/unit-settings", json={"sampling": "sparse", "language": "fr"}).status_code == 200
    mine = shop.put(f"/v1/vehicles/{one}/unit-settings", json={"sampling": "full", "stop_planned_s": 30}).json()
    assert (mine["held"]["sampling"], mine["held"]["language"], mine["own"]["language"]) == ("full", "fr", None)
    config = told(shop, one, first.version)
    assert config is not None
    assert (config.sampling, config.language, config.stop_planned_s, config.blobs_url) == ("full", "fr", 30.0, "https://hub/files")
    assert config.version > first.version
    assert told(shop, one, config.version) is None, "said once"
    others = told(shop, other)
    assert others is not None
    assert (others.sampling, others.stop_planned_s) == ("sparse", None)
    assert shop.put(f"/v1/vehicles/{one}/unit-settings", json={}).json()["held"]["sampling"] == "sparse"


def test_settings_that_a_unit_cannot_hold_are_refused(shop: Any) -> None:
    van = shop.van(shop.depot())
    for wrong in ({"sampling": "all"}, {"language": "it"}, {"stop_planned_s": 0}, {"trusted_keys": {"k": "ab"}}, {"version": 9}):
        assert shop.put("/v1/unit-settings", json=wrong).status_code == 422, wrong
    assert shop.put("/v1/vehicles/v_nobody/unit-settings", json={}).status_code == 404
    assert shop.get("/v1/unit-settings").json()["sampling"] is None
    viewer = shop.clients["viewer"]
    assert viewer.put(f"/v1/vehicles/{van}/unit-settings", json={}).status_code == 403
