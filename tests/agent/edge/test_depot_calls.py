"""A second load, and a charge, on the driver's screen: steps like any other. A real agent, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from roundsman_agent import pipeline
from roundsman_agent.pipeline import Position, Tick
from roundsman_core.geo import LatLon
from roundsman_wire.messages import Parcel, Reorder, Visit

HOME = {"lat_e6": 37_500_000, "lon_e6": -122_200_000}


def depot(hub: Any, name: str = "@d_1", words: str = "Load again: North", **more: Any) -> Any:
    return hub.stop(name, kind="depot", tasks=(), name=words, address="", parcels=0, **(HOME | {"service_s": 600} | more))


def customer(hub: Any, name: str) -> Any:
    return hub.stop(name, items=(Parcel(parcel=name.upper(), place="1"),))


@pytest.fixture
def van(start: Any, hub: Any) -> Any:
    """On shift, with two loads and a charge: a, then the depot, b and c, then the charger, e."""
    one = start()
    stops = (customer(hub, "a"), depot(hub), customer(hub, "b"), customer(hub, "c"),
             depot(hub, "+fast", "Charge: fast", service_s=1_500), customer(hub, "e"))  # fmt: skip
    one.give("plan", hub.seal(hub.plan(1, *stops, reorder=Reorder(max_moved=2, max_extra_s=3_600))))
    one.post("/api/duty", {"duty": "on", "driver": "d_1"})
    return one


def done(van: Any, stop: str) -> None:
    assert van.post("/api/actions", {"stop": stop, "outcome": "delivered", "action": f"tap-{stop}-done"}).status_code == 200


def shown(van: Any) -> list[str]:
    state = van.screen()
    return [stop["stop"] for stop in (state["next"], *state["following"]) if stop]


def stand(van: Any, lat: float, lon: float) -> None:
    unit = van.daemon.unit
    unit.position = Position(
        mono_ms=unit.clock.mono_ms(), utc_ms=unit.clock.utc_ms(), position=LatLon(lat, lon), speed_mps=0.0, heading_deg=None,
        accuracy_m=None, anchored=True,
    )  # fmt: skip


def test_reload_and_charge_are_steps_of_the_round(van: Any) -> None:
    state = van.screen()
    assert shown(van) == ["a", "@d_1", "b", "c", "+fast", "e"]
    assert [stop["position"] for stop in (state["next"], *state["following"])] == [1, None, 2, 3, None, 4], "parcels lie by these numbers"
    assert state["following"][0]["call"] == {"kind": "load", "place": "North", "service_s": 600, "parcels": 3}
    assert state["following"][3]["call"] == {"kind": "charge", "place": "fast", "service_s": 1_500, "parcels": 0}
    assert state["plan"]["stops_total"] == 4
    etas = [stop["eta_utc_ms"] for stop in (state["next"], *state["following"])]
    assert etas[2] - etas[1] >= 600_000, "b waits for the reload"
    assert etas[5] - etas[4] >= 1_500_000, "e waits for the charge"
    assert [item["parcel"] for item in state["loading"]["items"]] == ["A"], "the second load is not asked for in the morning"


def test_a_load_is_fetched_by_one_tap_and_taken_back_by_another(van: Any, start: Any) -> None:
    done(van, "a")
    state = van.screen()
    assert (state["next"]["stop"], [item["parcel"] for item in state["next"]["items"]], state["loading"]) == ("@d_1", ["B", "C", "E"], None)
    assert van.post("/api/actions", {"stop": "@d_1", "outcome": "delivered"}).status_code == 422
    assert van.post("/api/calls", {"stop": "@d_1", "event": "charged"}).status_code == 422
    assert van.post("/api/calls", {"stop": "b", "event": "loaded"}).status_code == 404
    stand(van, 37.5, -122.2)
    loading = van.screen()["loading"]
    assert (loading["call"], [item["parcel"] for item in loading["items"]]) == ("@d_1", ["E", "C", "B"]), "the last stop's first"
    van.post("/api/scans", {"parcel": "E"})
    for _ in range(2):
        assert van.post("/api/calls", {"stop": "@d_1", "event": "loaded", "action": "call-0001"}).status_code == 200
    (told,) = van.facts("depot_call")
    assert (told.call, told.stop, told.event, told.tasks, told.plan_version) == ("call-0001", "@d_1", "loaded", ("b", "c", "e"), 1)
    state = van.screen()
    assert (shown(van), state["loading"]) == (["b", "c", "+fast", "e"], None)
    assert (state["last_action"]["action"], state["last_action"]["outcome"]) == ("call-0001", "loaded")
    assert van.post("/api/actions/call-0001/undo", {}).status_code == 200
    assert shown(van)[0] == "@d_1"
    assert van.screen()["last_action"]["action"] == "tap-a-done"
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded", "action": "call-0002"})
    van.stop()
    again = start()
    assert shown(again) == ["b", "c", "+fast", "e"], "after a power cut too"


def test_a_plan_that_does_not_know_of_the_load_yet_does_not_send_the_driver_back(van: Any, hub: Any) -> None:
    """Facts beat plans: the load is known by its goods."""
    done(van, "a")
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded"})
    van.give("plan", hub.seal(hub.plan(2, customer(hub, "a"), depot(hub), customer(hub, "c"), customer(hub, "b"))))
    assert (van.screen()["plan"]["version"], shown(van)) == (2, ["c", "b"])
    van.give("plan", hub.seal(hub.plan(3, depot(hub), customer(hub, "c"), customer(hub, "n"))))
    assert shown(van) == ["@d_1", "c", "n"], "n is not on board"


def test_two_loads_from_one_depot_are_two_calls(start: Any, hub: Any) -> None:
    van = start()
    stops = (customer(hub, "a"), depot(hub), customer(hub, "b"), depot(hub), customer(hub, "c"))
    van.give("plan", hub.seal(hub.plan(1, *stops)))
    van.post("/api/duty", {"duty": "on"})
    assert shown(van) == ["a", "@d_1", "b", "@d_1~2", "c"]
    done(van, "a")
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded"})
    done(van, "b")
    assert shown(van) == ["@d_1~2", "c"]
    assert van.post("/api/calls", {"stop": "@d_1~2", "event": "loaded"}).status_code == 200
    assert [(call.stop, call.tasks) for call in van.facts("depot_call")] == [("@d_1", ("b",)), ("@d_1", ("c",))]
    assert shown(van) == ["c"]


def test_own_order_keeps_the_calls_in_their_places(van: Any) -> None:
    assert "behind a call" in van.post("/api/reorder", {"stops": ["b", "a", "c", "e"]}).json()["detail"]
    assert van.post("/api/reorder", {"stops": ["a", "c", "b", "e"]}).status_code == 200
    assert shown(van) == ["a", "@d_1", "c", "b", "+fast", "e"]


def visits(van: Any, stop: str, *phases: str, dwell_s: int = 0, visit: int = 7) -> None:
    """What the pipeline tells of a standstill, as if its fixes had just come."""
    unit = van.daemon.unit

    tick, real = Tick(mono_ms=0, utc_ms=0), pipeline.step

    async def tell(phase: Any) -> None:
        told = Visit(**unit.instant(), visit=visit, phase=phase, stop=stop, dwell_s=dwell_s if phase == "left" else 0,
                     lat_e6=HOME["lat_e6"], lon_e6=HOME["lon_e6"])  # fmt: skip
        with patch.object(pipeline, "step", lambda state, item, config: (state, [told]) if item is tick else real(state, item, config)):
            unit._step(tick)
        await unit.journal.flush()

    for phase in phases:
        asyncio.run_coroutine_threadsafe(tell(phase), van.loop).result(20.0)


def test_who_leaves_a_depot_without_a_word_has_loaded_and_is_not_sent_back(van: Any, hub: Any) -> None:
    """The driver never says "loaded", and is planned anew while loading: what the standing shows is written down, and can be taken back."""
    done(van, "a")
    visits(van, "@d_1", "arrived", "serving")
    van.give("plan", hub.seal(hub.plan(2, depot(hub), customer(hub, "c"), customer(hub, "b"), customer(hub, "n"))))
    assert shown(van) == ["@d_1", "c", "b", "n"]
    visits(van, "@d_1", "left", dwell_s=240)
    (told,) = van.facts("depot_call")
    assert (told.event, told.tasks, told.plan_version) == ("loaded", ("c", "b"), 2), "n came into the plan when b and c were being loaded"
    assert told.since_utc_ms is not None
    van.give("plan", hub.seal(hub.plan(3, depot(hub), customer(hub, "c"), customer(hub, "b"))))
    assert shown(van) == ["c", "b"]
    assert van.post(f"/api/actions/{told.call}/undo", {}).status_code == 200
    assert shown(van) == ["@d_1", "c", "b"]


def test_a_short_halt_at_a_depot_is_no_load(van: Any) -> None:
    done(van, "a")
    visits(van, "@d_1", "arrived", "left", dwell_s=199)
    assert (van.facts("depot_call"), shown(van)[0]) == ([], "@d_1")
    visits(van, "@d_1", "arrived", "serving", "left", dwell_s=200, visit=8)
    assert [(call.event, call.tasks) for call in van.facts("depot_call")] == [("loaded", ("b", "c", "e"))]


def test_a_charge_is_over_when_the_van_leaves_it(van: Any) -> None:
    for stop in ("a", "b", "c"):
        done(van, stop)
    visits(van, "+fast", "arrived", "left", dwell_s=900)
    assert [(call.stop, call.event, call.tasks) for call in van.facts("depot_call")] == [("+fast", "charged", ())]
    assert shown(van) == ["e"]


def test_time_at_the_depot_counts_also_when_a_newer_plan_numbers_the_call_otherwise(start: Any, hub: Any) -> None:
    van = start()
    van.give("plan", hub.seal(hub.plan(1, customer(hub, "a"), depot(hub), customer(hub, "b"), depot(hub), customer(hub, "c"))))
    van.post("/api/duty", {"duty": "on"})
    done(van, "a")
    van.post("/api/calls", {"stop": "@d_1", "event": "loaded"})
    done(van, "b")
    visits(van, "@d_1~2", "arrived")
    before = van.screen()["following"][0]["eta_utc_ms"]
    van.give("plan", hub.seal(hub.plan(2, depot(hub), customer(hub, "c"))))
    assert abs(van.screen()["following"][0]["eta_utc_ms"] - before) < 5_000
    assert van.screen()["next"]["eta_utc_ms"] == van.daemon.unit.board.visiting_since_utc_ms
