"""What the glass says when something is gone: the network, the hub, the receiver, the unit itself, or the plan's time. It stays true."""

from __future__ import annotations

import itertools
import re
import signal
import time
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect
from tests.e2e.pictures import picture

from roundsman_wire.messages import Command


def hand_over(page: Page) -> None:
    page.click("[data-act=arrived]:not(.busy)")
    page.click("[data-act=delivered]:not(.busy)")
    page.wait_for_function("document.querySelector('#address').textContent.startsWith('Runeberginkatu')")


def receipts(van: Any) -> list[tuple[int, str]]:
    return [(fact["plan_version"], fact["state"]) for fact in van.log("receipt")]


def test_work_goes_on_without_network(glass: Any, van: Any, round_of: Any, audit: Any, wait: Any) -> None:
    round_of()
    page = glass("3.5 inch", quiet=True)  # the unit itself is killed below, which the browser's console complains of
    expect(page.locator("#link")).to_have_text("Online")
    van.hub.kill_broker()
    expect(page.locator("#link")).to_contain_text("No network")
    hand_over(page)
    assert [fact["outcome"] for fact in van.log("action")] == ["arrived", "delivered"]
    assert van.screen()["backlog"] > 0
    page.click("#look")
    page.wait_for_function("document.querySelector('#ground').width > 0")
    expect(page.locator("#credit")).to_have_text("A made-up town: no real streets")
    expect(page.locator("#age")).to_be_visible()
    assert audit(page) == []
    picture(page, "screen-alone")
    # A start with nothing but the disk: the same round, the same map.
    van.end(signal.SIGKILL)
    van.start()
    page.reload()
    page.wait_for_function("document.querySelector('#address').textContent.startsWith('Runeberginkatu')")
    expect(page.locator("#link")).to_contain_text("No network")
    van.hub.start_broker()
    expect(page.locator("#link")).to_have_text("Online")


DEEP = pytest.mark.deep


@pytest.mark.parametrize("size", ["3.5 inch", pytest.param("narrow", marks=DEEP), pytest.param("5 inch", marks=DEEP)])
def test_promise_that_will_be_missed_is_warned_of_without_network(
    glass: Any, van: Any, round_of: Any, audit: Any, wait: Any, size: str
) -> None:
    """The van's own times tell it, stops ahead: by how much, and whose promise. What is next comes first, and everything has its room."""
    stops = round_of()
    page = glass(size, language="de")
    expect(page.locator("#risk")).to_be_hidden()
    place, in_a_minute = van.hub.place, round(time.time() * 1000) + 60_000
    soon = [replace(stop, promise_end_utc_ms=in_a_minute) if stop.stop in ("o_3", "o_4") else stop for stop in stops]
    van.hub.give_plan(*soon, depot_lat_e6=place.lat_e6 - 40_000, depot_lon_e6=place.lon_e6)
    van.has("it is in force", lambda state: state["plan"]["version"] == 2)
    van.hub.kill_broker()
    expect(page.locator("#link")).to_have_class("chip bad")
    expect(page.locator("#risk")).to_have_text(re.compile(r"^\d+ min zu spät \+1: Kalevankatu 5$"))
    picture(page, f"{size}-de-risk")
    assert page.locator("#risk").is_visible()
    assert audit(page) == []
    wait(lambda: {fact["stop"] for fact in van.log("risk")} == {"o_3", "o_4"}, "both are facts")


@pytest.mark.deep
def test_bar_has_room_for_everything_that_fails_at_once(glass: Any, van: Any, round_of: Any, audit: Any) -> None:
    """Link, plan's age and time stay in sight, whatever is wrong beside them and whatever the language calls it."""
    stops, place = round_of(), van.hub.place
    van.hub.say("command", Command(command="c_1", verb="message", text="Call us"), 1)
    away = {"depot_lat_e6": place.lat_e6 - 40_000, "depot_lon_e6": place.lon_e6}
    van.hub.give_plan(stops[1], stops[0], *stops[2:], may_decline=True, reason="saves 4 min", **away)
    van.has("message and question are there", lambda state: state["messages"] and state["offer"])
    pages = [glass(size) for size in ("3.5 inch", "narrow")]
    for page in pages:
        page.click("#sheet [data-key=back]")
    van.hub.kill_broker()
    van.receiver.alive = False
    van.has("both are gone", lambda state: state["link"]["state"] == "offline" and state["fix"]["state"] != "ok")
    for page, language in itertools.product(pages, ("en", "de", "es", "fr")):
        page.evaluate("(language) => localStorage.setItem('language', language)", language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("#link")).to_have_class("chip bad")
        expect(page.locator("#gps")).to_be_visible()
        for part in ("#link", "#age", "#clock", "#waiting"):
            expect(page.locator(part)).to_be_visible()
        assert audit(page) == [], language


@pytest.mark.deep
def test_hub_that_says_nothing_is_told_by_the_plans_age(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    """The broker is there, nobody acknowledges: the page promises nothing of the hub, the driver's work is kept."""
    round_of()
    page = glass("5 inch")
    hand_over(page)
    assert van.screen()["backlog"] > 0
    first = page.inner_text("#age")
    page.wait_for_function("(first) => document.querySelector('#age').textContent !== first", arg=first)
    assert van.post("/api/duty", {"duty": "off"}).is_success
    van.hub.kill_broker()
    expect(page.locator("#then")).to_contain_text("nothing is lost")


def test_lost_receiver_is_told_and_the_distance_not_kept(glass: Any, van: Any, round_of: Any, audit: Any) -> None:
    round_of()
    page = glass("3.5 inch")
    expect(page.locator("#gps")).to_be_hidden()
    expect(page.locator("#distance")).not_to_be_empty()
    van.receiver.alive = False
    expect(page.locator("#gps")).to_contain_text("GPS")
    expect(page.locator("#distance")).to_be_empty()
    expect(page.locator("#age")).to_be_visible()
    assert audit(page) == []
    hand_over(page)
    assert [fact["outcome"] for fact in van.log("action")] == ["arrived", "delivered"]


def test_page_without_its_unit_does_not_look_calm(glass: Any, van: Any, round_of: Any, audit: Any, wait: Any) -> None:
    round_of()
    page = glass("3.5 inch", quiet=True)
    wait(lambda: (1, "shown") in receipts(van), "the painted plan is receipted")
    page.click("#more")
    assert van.process is not None
    van.process.send_signal(signal.SIGSTOP)
    expect(page.locator("#alarm")).to_have_text("NO LINK TO UNIT")
    assert page.locator("#alarm").get_attribute("class") == "dead"
    van.process.send_signal(signal.SIGCONT)
    expect(page.locator("#alarm")).to_be_hidden()
    page.keyboard.press("Escape")
    van.end(signal.SIGKILL)
    expect(page.locator("#alarm")).to_have_text("NO LINK TO UNIT")
    van.start()
    expect(page.locator("#alarm")).to_be_hidden()
    hand_over(page)
    assert [fact["outcome"] for fact in van.log("action")] == ["arrived", "delivered"]


@pytest.mark.deep
def test_expired_plan_is_never_shown_as_current(glass: Any, van: Any, round_of: Any, audit: Any) -> None:
    stops = round_of()
    page = glass("3.5 inch")
    van.hub.give_plan(*stops, valid_s=-1)
    expect(page.locator("#alarm")).to_have_text("PLAN EXPIRED: CALL DISPATCH")
    expect(page.locator("#age")).to_contain_text("OLD plan")
    assert audit(page) == []


def drive_off(page: Page, van: Any) -> None:
    van.receiver.north_mps = 9.0
    page.wait_for_selector("body[data-moving]")


def test_changed_plan_waits_until_the_van_stands(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    stops = round_of()
    page = glass("3.5 inch")
    drive_off(page, van)
    changed = [van.hub.stop(9, address="Uusikatu 1", name="Elsa"), *stops]
    version = van.hub.give_plan(*changed, may_decline=True, reason="urgent order", changes=("Uusikatu 1 comes first",))
    van.has("the plan is held", lambda state: state["offer"])
    expect(page.locator("#sheet")).to_be_hidden()
    expect(page.locator("#news")).to_be_hidden()
    expect(page.locator("#address")).to_contain_text("Mannerheimintie")
    van.receiver.north_mps = 0.0
    expect(page.locator("#about")).to_have_text("New plan")
    expect(page.locator("#content")).to_contain_text("urgent order")
    expect(page.locator("#content")).to_contain_text("Uusikatu 1 comes first")
    page.click("[data-key=accept]")
    expect(page.locator("#address")).to_have_text("Uusikatu 1")
    wait(lambda: {(version, "accepted"), (version, "in_force"), (version, "shown")} <= set(receipts(van)), "it is receipted")


@pytest.mark.deep
def test_driver_declines_with_a_reason(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    stops = round_of()
    page = glass("telephone")
    version = van.hub.give_plan(
        van.hub.stop(9, address="Uusikatu 1"), *stops, may_decline=True, reason="urgent order", changes=("one more",)
    )
    page.click("[data-key=decline]")
    page.click("[data-key='reason van full']")
    declined = wait(lambda: [fact for fact in van.log("receipt") if fact["state"] == "declined"], "the hub will hear of it")
    assert (declined[0]["plan_version"], declined[0]["reason"]) == (version, "van full")
    expect(page.locator("#address")).to_contain_text("Mannerheimintie")


@pytest.mark.deep
def test_under_way_nothing_is_typed_scrolled_or_sprung(glass: Any, van: Any, round_of: Any) -> None:
    round_of()
    page = glass("5 inch")
    page.click("#more")
    page.click("[data-key=messages]")
    drive_off(page, van)
    expect(page.locator("#wait")).to_have_text("Stop the van first.")
    page.click("[data-key=back]")
    page.click("#more")
    offered = page.locator("#tiles > *").evaluate_all("(nodes) => nodes.map((node) => node.dataset.key)")
    assert set(offered) <= {"problem", "report", "pause", "settings", "back"}
    page.click("[data-key=back]")
    refused = van.post("/api/messages", {"message": "m-00000001", "text": "hello"})
    assert refused.status_code == 409


@pytest.mark.deep
@pytest.mark.parametrize(("scheme", "light"), [("dark", "night"), ("light", "day")])
def test_light_is_the_displays_own_while_nothing_is_known_of_the_sun(glass: Any, van: Any, scheme: str, light: str) -> None:
    page = glass("3.5 inch", light=None, color_scheme=scheme)
    expect(page.locator("body")).to_have_attribute("data-light", light)
