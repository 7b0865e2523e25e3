"""Taps that meet: while one is under way, as the plan changes, with a thumb that trembles. None is lost, none is told of another stop."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, Route, expect

PRESSES_WHAT_COMES = """() => {
  const actions = document.querySelector('#actions');
  window.pressed = [];
  new MutationObserver(() => {
    window.pressed.push(actions.firstElementChild.dataset.act);
    actions.firstElementChild.click();
  }).observe(actions, { childList: true });
}"""


OVER_THE_BUTTONS = """() => {
  const [news, actions] = ['#news', '#actions'].map((part) => document.querySelector(part).getBoundingClientRect());
  return news.left < actions.right && actions.left < news.right && news.top < actions.bottom && actions.top < news.bottom;
}"""


def held_back(page: Page, path: str) -> list[Route]:
    """Requests to the unit that it has not yet heard: a unit that is busy, or the far end of a weak wireless link."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**{path}", hold)
    return held


def change(van: Any, *stops: Any, what: str, more: tuple[str, ...] = ()) -> None:
    """Another plan, of a van that is far from its depot."""
    place = van.hub.place
    van.hub.give_plan(
        *stops, changes=(what, *more), reason="order cancelled", depot_lat_e6=place.lat_e6 - 40_000, depot_lon_e6=place.lon_e6
    )


def outcomes(van: Any) -> list[tuple[str, str]]:
    return [(fact["stop"], fact["outcome"]) for fact in van.log("action")]


def test_a_tap_while_another_is_under_way_waits_for_its_turn(glass: Any, van: Any, round_of: Any, wait: Any, audit: Any) -> None:
    """The driver is told that it is not yet done, and both are facts in the end: the same thing once, however often it was tapped."""
    round_of()
    page = glass("3.5 inch", language="de")
    held = held_back(page, "/api/actions")
    page.click("[data-act=arrived]:not(.busy)")
    expect(page.locator("[data-act=arrived]")).to_have_class("act busy")
    page.click("[data-act=arrived]")  # a thumb that trembles
    expect(page.locator("#news")).to_have_text("Wird gespeichert …")
    assert audit(page) == []
    page.click("#more")
    for key in ("report", "report delay", "sendReport"):
        page.click(f"#sheet [data-key='{key}']")
    expect(page.locator("#news")).to_be_visible()
    assert (len(held), van.log("report")) == (1, [])
    held[0].continue_()
    expect(page.locator("#news")).to_contain_text("Verzögerung")
    (report,) = wait(lambda: van.log("report"), "the second tap is a fact too")
    assert report["topic"] == "delay"
    assert outcomes(van) == [("o_0", "arrived")]


def test_what_has_just_come_under_the_thumb_takes_no_press(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    """Where "arrived" was is "delivered" now: the second half of a double tap does not hand the parcel over."""
    round_of()
    page = glass("3.5 inch")
    page.evaluate(PRESSES_WHAT_COMES)
    page.click("[data-act=arrived]:not(.busy)")
    page.wait_for_selector("[data-act=delivered]:not(.busy)")
    assert page.evaluate("window.pressed") == ["delivered"]
    assert outcomes(van) == [("o_0", "arrived")]
    page.evaluate("document.querySelector('[data-act=delivered]').click()")
    wait(lambda: ("o_0", "delivered") in outcomes(van), "what is pressed once it has settled is told")


def test_a_sheet_about_a_stop_goes_with_it(glass: Any, van: Any, round_of: Any) -> None:
    """A reason that is tapped as the plan changes would else be told of the stop that has come instead."""
    stops = round_of()
    page = glass("3.5 inch")
    page.click("#more")
    page.click("[data-key=problem]")
    expect(page.locator("[data-key='reason closed']")).to_be_visible()
    change(van, *stops[1:], what="Mannerheimintie 104 B 12 goes to another van")
    expect(page.locator("#address")).to_contain_text("Runeberginkatu")
    expect(page.locator("#sheet")).to_be_hidden()
    assert outcomes(van) == []


def test_a_changed_plan_is_told_until_it_is_tapped_away(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    """What passes stands over it for a while, and then it is there again; the hub hears of it once the driver has seen it. It never
    stands over what is pressed."""
    stops = round_of()
    page = glass("3.5 inch")
    change(van, *stops[:-1], what="Sturenkatu 4 goes to another van", more=("Kalevankatu 5 comes later", "Hämeentie 155 C comes later"))
    expect(page.locator("#news")).to_have_text(
        "Plan changed: Sturenkatu 4 goes to another van · Kalevankatu 5 comes later · +1 · order cancelled"
    )
    for width, height in ((320, 568), (360, 640), (800, 480), (480, 320)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"!({OVER_THE_BUTTONS})()")  # once it is laid out for that glass
    page.click("#more")
    expect(page.locator("#news")).to_be_hidden()
    for key in ("report", "report delay", "sendReport"):
        page.click(f"#sheet [data-key='{key}']")
    expect(page.locator("#news")).to_contain_text("Reported")
    page.click("#news")
    expect(page.locator("#news")).to_contain_text("Sturenkatu 4")
    page.click("#news")
    expect(page.locator("#news")).to_be_hidden()
    van.has("it was seen", lambda state: state["notice"] is None)


def test_the_list_of_stops_follows_the_plan(glass: Any, van: Any, round_of: Any) -> None:
    stops = round_of()
    page = glass("telephone")
    page.click("#more")
    page.click("[data-key=stops]")
    expect(page.locator("#content li")).to_have_count(6)
    change(van, *stops[:-2], what="two go to another van")
    expect(page.locator("#content li")).to_have_count(4)


def test_who_opens_the_list_reads_how_sure_each_time_is_and_by_whose_roads(glass: Any, van: Any, round_of: Any) -> None:
    stops = round_of()
    page = glass("5 inch")
    page.click("#more")
    page.click("[data-key=stops]")
    bounds = page.locator("#content [data-bounds]:not(:empty)")
    expect(bounds).to_have_count(6)
    assert all(re.fullmatch(r"\d\d:\d\d–\d\d:\d\d", text) for text in bounds.all_inner_texts())
    expect(page.locator("#content .basis")).to_contain_text("straight lines")
    place = van.hub.place
    van.hub.give_plan(
        *stops, travel_times="osrm", eta_widths_pct=((0, -50, 50),), depot_lat_e6=place.lat_e6 - 40_000, depot_lon_e6=place.lon_e6
    )
    expect(page.locator("#content .basis")).to_be_hidden()
    expect(bounds).to_have_count(6)
    page.keyboard.press("Escape")
    page.click("#more")
    page.click("[data-key=details]")
    expect(bounds).to_contain_text("four times of five")
