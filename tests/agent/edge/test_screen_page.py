"""The driver's page in a real browser, at the sizes of real displays."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page

from roundsman_agent import daemon
from roundsman_agent.fix import Fix
from roundsman_core.geo import LatLon
from roundsman_hub.domain import sentences
from roundsman_wire.messages import Receipt, Sentence

SIZES = {"portrait": (320, 568), "3.5 inch": (480, 320), "5 inch": (800, 480)}
TARGET_PX = 130
TEXT_PX = 25


@pytest.fixture
def van(start: Any, hub: Any) -> Any:
    one = start()
    stops = [
        hub.stop("o_1", address="Mannerheimintie 104", name="Anna Virtanen", instructions="Door code 4711", parcels=3),
        hub.stop("o_2", address="Runeberginkatu 12 B", kind="pickup", priority=9),
        hub.stop("o_3", address="Pohjoisesplanadi 33"),
    ]
    one.give("plan", hub.seal(hub.plan(1, *stops)))
    return one


def open_page(browser: Any, van: Any, size: str) -> Page:
    width, height = SIZES[size]
    page: Page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(van.daemon.screen_url)
    page.wait_for_selector("[data-act]")
    return page


@pytest.mark.parametrize("size", SIZES)
def test_round_is_driven_by_taps_alone(browser: Any, van: Any, size: str) -> None:
    page = open_page(browser, van, size)
    assert "No position" in page.inner_text("#instructions")
    page.click("[data-act=start]:not(.busy)")
    page.wait_for_selector("[data-act=arrived]")
    assert page.inner_text("#address") == "Mannerheimintie 104"
    check_glance(page)
    page.click("[data-act=arrived]:not(.busy)")
    page.wait_for_selector("[data-act=delivered]")
    check_glance(page)
    page.click("[data-act=delivered]:not(.busy)")
    page.wait_for_selector("[data-act=undo]")
    assert page.inner_text("#address") == "Runeberginkatu 12 B"
    assert "URGENT" in page.inner_text("#tags")
    check_glance(page)
    page.click("[data-act=undo]:not(.busy)")
    page.wait_for_function("document.querySelector('#address').textContent === 'Mannerheimintie 104'")
    page.click("[data-act=failed]:not(.busy)")
    page.click("#sheet >> text=Nobody there")
    page.wait_for_function("document.querySelector('#address').textContent === 'Runeberginkatu 12 B'")
    assert [(a.outcome, a.reason) for a in van.facts("action")] == [
        ("arrived", None),
        ("delivered", None),
        ("undo", None),
        ("failed", "nobody there"),
    ]
    page.close()


def check_glance(page: Page) -> None:
    """Nothing scrolls, nothing is cut off, targets are large enough for a thumb and the address for a glance."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight")
    for box in page.evaluate("[...document.querySelectorAll('#actions button')].map((b) => b.getBoundingClientRect().toJSON())"):
        assert min(box["width"], box["height"]) >= TARGET_PX, box
        assert box["left"] >= 0
        assert box["top"] >= 0
        assert box["right"] <= page.evaluate("innerWidth")
        assert box["bottom"] <= page.evaluate("innerHeight")
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('#address')).fontSize)") >= TEXT_PX
    assert page.evaluate("((node) => node.scrollWidth <= node.clientWidth)(document.querySelector('#address'))")


def test_plan_is_receipted_as_shown_after_it_was_painted(browser: Any, van: Any, hub: Any, wait: Any) -> None:
    def shown() -> list[int]:
        return [r.plan_version for r in van.facts("receipt") if isinstance(r, Receipt) and r.state == "shown"]

    page = open_page(browser, van, "3.5 inch")
    wait(lambda: shown() == [1], "the first plan is shown")
    page.click("[data-act=start]:not(.busy)")
    page.wait_for_selector("[data-act=arrived]")
    van.give("plan", hub.seal(hub.plan(2, hub.stop("o_9", address="Uusikatu 1"), changes=("Uusikatu 1 added",)), valid_until_utc_ms=1))
    wait(lambda: shown() == [1, 2], "the second too")
    assert page.inner_text("#address") == "Uusikatu 1"
    assert "EXPIRED" in page.inner_text("#alarm")
    assert "Plan changed" in page.inner_text("#news")
    page.close()


def test_newer_plan_while_the_last_is_said_to_be_shown_is_no_error(browser: Any, van: Any, hub: Any, wait: Any) -> None:
    """The unit puts the next plan in force between the page's painting and its word of it."""
    page: Page = browser.new_page(viewport={"width": 480, "height": 320})
    complaints: list[str] = []
    held_up: list[Any] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)

    def overtaken(route: Any) -> None:
        if not held_up:
            held_up.append(route.request.post_data_json["version"])
            van.give("plan", hub.seal(hub.plan(2, hub.stop("o_9", address="Uusikatu 1")), valid_until_utc_ms=1))
        route.continue_()

    van.post("/api/duty", {"duty": "on"})
    page.route("**/api/shown", overtaken)
    page.goto(van.daemon.screen_url)
    page.wait_for_function("document.querySelector('#alarm').textContent.includes('EXPIRED')")

    def shown() -> list[int]:
        page.evaluate("1")  # lets the browser's events through
        return [r.plan_version for r in van.facts("receipt") if r.state == "shown"]

    wait(shown, "the newer plan is shown")
    assert (held_up, shown(), complaints) == ([1], [2], [])
    page.close()


def test_way_back_is_taken_though_the_way_there_is_not_yet_answered(browser: Any, van: Any) -> None:
    """The unit's state overtakes the answer to the tap that made it; a tap on the way back was dropped in between. Now it waits."""
    van.post("/api/duty", {"duty": "on"})
    page = open_page(browser, van, "3.5 inch")
    held_up: list[Any] = []
    page.route("**/api/actions", lambda route: held_up.append((route, route.fetch())))
    page.click("[data-act=arrived]:not(.busy)")
    page.wait_for_selector("[data-act=delivered]")
    page.click("#back")
    assert [a.outcome for a in van.facts("action")] == ["arrived"]
    route, response = held_up[0]
    route.fulfill(response=response)
    page.wait_for_selector("[data-act=arrived]")
    assert [a.outcome for a in van.facts("action")] == ["arrived", "undo"]
    page.close()


def test_van_that_moves_is_drawn_without_a_whole_state(browser: Any, van: Any, wait: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two whole states the page is told only where the van is; all that it showed before stays."""
    monkeypatch.setattr(daemon, "PAINT_WHOLE_S", math.inf)
    van.post("/api/duty", {"duty": "on"})
    unit, stop = van.daemon.unit, van.screen()["next"]

    def stands_before(metres: float) -> None:
        place = LatLon(stop["lat_e6"] / 1e6 - metres / 111_195, stop["lon_e6"] / 1e6)
        van.loop.call_soon_threadsafe(unit.receive, Fix(mono_ms=unit.clock.mono_ms(), utc_ms=None, position=place, speed_mps=9.0))
        van.loop.call_soon_threadsafe(unit.placed)

    def reads(page: Page, metres: float, distance: str) -> bool:
        stands_before(metres)
        return page.inner_text("#distance").replace("\u00a0", " ") == distance

    stands_before(2_000)
    wait(lambda: van.screen()["moving"], "the van drives")
    page = open_page(browser, van, "3.5 inch")
    wait(lambda: reads(page, 2_000, "3.0 km"), "the way by road is told")
    page.evaluate("""() => new Promise((heard) => {
        const beside = new EventSource("/api/events");
        let wholes = 0;
        beside.onmessage = () => { wholes += 1; };
        beside.addEventListener("moved", heard);
        window.wholes = () => wholes;
    })""")
    wait(lambda: reads(page, 1_000, "1.5 km"), "the distance shrinks")
    assert page.inner_text("#address") == "Mannerheimintie 104"
    assert page.evaluate("window.wholes()") == 1
    page.close()


def test_dead_unit_is_not_mistaken_for_a_calm_one(browser: Any, van: Any) -> None:
    page = open_page(browser, van, "5 inch")
    van.stop()
    page.wait_for_selector("#alarm.dead", timeout=60_000)
    assert page.inner_text("#alarm") == "NO LINK TO UNIT"
    page.close()


@pytest.mark.parametrize(("light", "hour_there"), [("day", 12), ("night", 0)])
def test_screen_goes_dark_at_night(browser: Any, van: Any, light: str, hour_there: int) -> None:
    van.post("/api/duty", {"duty": "on"})
    unit = van.daemon.unit
    hour_at_greenwich = unit.clock.utc_ms() % 86_400_000 / 3_600_000
    lon_deg = ((hour_there - hour_at_greenwich) * 15 + 180) % 360 - 180
    fix = Fix(mono_ms=unit.clock.mono_ms(), utc_ms=unit.clock.utc_ms(), position=LatLon(0.0, lon_deg), speed_mps=0.0)
    page = open_page(browser, van, "3.5 inch")
    van.loop.call_soon_threadsafe(unit.receive, fix)
    page.wait_for_function("(light) => document.body.dataset.light === light", arg=light, timeout=60_000)
    page.close()


def test_drivers_are_told_why_in_their_language(browser: Any, van: Any, hub: Any) -> None:
    """By codes; what this release does not know, or a person wrote, in the hub's own words."""
    van.post("/api/duty", {"duty": "on"})
    page = open_page(browser, van, "3.5 inch")
    page.evaluate("localStorage.setItem('language', 'de')")
    page.reload()
    reason, changes = "delivery Anna Virtanen cancelled; ring twice", ("Moved: o_3 is now stop 1", "Something new")
    stops = [hub.stop("o_3", name="Third"), hub.stop("o_1", name="First"), "o_2"]
    said = {
        "reason_said": msgspec.convert(sentences.plain(reason), tuple[Sentence, ...]),
        "changes_said": (msgspec.convert(sentences.plain(changes[0]), tuple[Sentence, ...]), (Sentence(code="change.later"),)),
    }
    van.give("plan", hub.seal(hub.plan(2, *stops, reason=reason, changes=changes, **said)))
    page.wait_for_function("document.querySelector('#news').textContent.includes('Anna Virtanen')")
    told = page.inner_text("#news").replace("\u00ad", "")
    assert "Something new" in told
    assert "ring twice" in told
    assert "cancelled" not in told
    assert "Moved" not in told
