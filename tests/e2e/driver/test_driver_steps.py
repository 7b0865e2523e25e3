"""What is no customer's stop: a second load, a charge; and a plan that was put off until later."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect
from tests.e2e.pictures import picture

from roundsman_wire.messages import Parcel

WINDOW = ("window_start_utc_ms", "window_end_utc_ms")
DEEP = pytest.mark.deep


def give(van: Any) -> None:
    """a, the depot a kilometre on, b with two parcels, a charger, c."""
    hub, here = van.hub, van.hub.place
    call = {
        "kind": "depot",
        "tasks": (),
        "address": "",
        "parcels": 0,
        "service_s": 900,
        "window_start_utc_ms": None,
        "window_end_utc_ms": None,
    }
    near = {"lat_e6": here.lat_e6 + 500, "lon_e6": here.lon_e6}
    hub.give_plan(
        hub.stop(0),
        hub.stop(7, stop="@north", name="Load again: Pasila", **(call | near)),
        hub.stop(2, parcels=2, items=(Parcel(parcel="PX-2001", name="Wine, 12 bottles"), Parcel(parcel="PX-2002", name="Lamp"))),
        hub.stop(8, stop="+fast", name="Charge: Kallio", **call),
        hub.stop(3),
        depot_lat_e6=here.lat_e6 - 40_000,
        depot_lon_e6=here.lon_e6,
    )
    van.has("the plan is there", lambda state: state["plan"])
    assert van.post("/api/duty", {"duty": "on", "driver": "d_1"}).is_success
    van.has("its place is known", lambda state: state["fix"]["state"] == "ok")


@pytest.mark.parametrize(
    ("size", "language", "light"),
    [
        ("3.5 inch", "de", "night"),
        pytest.param("5 inch", "es", "day", marks=pytest.mark.deep),
        pytest.param("telephone", "fr", "day", marks=pytest.mark.deep),
        pytest.param("narrow", "de", "day", marks=pytest.mark.deep),
    ],
)
def test_second_load_is_a_step_with_its_own_card(
    glass: Any, van: Any, audit: Any, wait: Any, scan: Any, size: str, language: str, light: str
) -> None:
    give(van)
    page = glass(size, language=language, light=light)
    wrong = {}

    def look(view: str) -> None:
        picture(page, f"{size}-{language}-{view}")
        wrong[view] = audit(page)

    page.click("#more")
    page.click("[data-key=stops]")
    expect(page.locator("#content .call")).to_have_count(2)
    look("round with calls")
    page.keyboard.press("Escape")
    assert van.post("/api/actions", {"stop": "o_0", "outcome": "delivered"}).is_success
    # The van stands at the depot: its parcels are asked for, as in the morning.
    page.wait_for_selector("#parcels")
    look("second load")
    scan(page, "PX-2002", "Lamp")
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-act=loaded]")
    expect(page.locator("#address")).to_contain_text("Pasila")
    look("call at the depot")
    page.click("[data-act=loaded]:not(.busy)")
    expect(page.locator("[data-act=loaded]")).to_have_count(0)
    (told,) = wait(lambda: van.log("depot_call"), "it is on the disk")
    assert (told["stop"], told["event"], told["tasks"]) == ("@north", "loaded", ["o_2", "o_3"])
    page.click("[data-act=undo]:not(.busy)")
    page.wait_for_selector("[data-act=loaded]")
    page.click("[data-act=loaded]:not(.busy)")
    page.wait_for_selector("[data-act=arrived]")
    assert van.post("/api/actions", {"stop": "o_2", "outcome": "delivered"}).is_success
    page.wait_for_selector("[data-act=charged]")
    look("charge")
    page.click("[data-act=charged]:not(.busy)")
    van.has("the charge is over", lambda state: state["next"]["stop"] == "o_3")
    assert {view: found for view, found in wrong.items() if found} == {}


@pytest.mark.parametrize("size", ["3.5 inch", pytest.param("5 inch", marks=DEEP), pytest.param("narrow", marks=DEEP)])
def test_plan_that_was_put_off_stays_in_sight(glass: Any, van: Any, round_of: Any, audit: Any, size: str) -> None:
    stops = round_of()
    page = glass(size)
    expect(page.locator("#waiting")).to_be_hidden()
    van.hub.give_plan(stops[1], stops[0], *stops[2:], may_decline=True, reason="saves 4 min")
    page.click("[data-key=back]")
    expect(page.locator("#waiting")).to_be_visible()
    picture(page, f"{size}-en-put off")
    assert audit(page) == []
    page.click("#waiting")
    expect(page.locator("#content")).to_contain_text("saves 4 min")
    page.click("[data-key=accept]")
    expect(page.locator("#waiting")).to_be_hidden()
    van.has("it is in force", lambda state: state["plan"]["version"] == van.hub.version)
