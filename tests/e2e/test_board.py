"""The dispatcher's board in a real browser: every view at both sizes, light and dark, by the rules of WCAG 2.2 AA."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.e2e.lines import line_to
from tests.e2e.pictures import picture

from roundsman_core.geo import LatLon
from roundsman_sim.board_states import VIEWS

LOOKS = {
    "telephone-light": (320, 640, "light"),
    "laptop-light": (1280, 720, "light"),
    "desk-dark": (1440, 900, "dark"),
    "wall-dark": (2560, 1440, "dark"),
}
SLOW_LOOKS = ("laptop-light", "wall-dark")


def enter(page: Page, hub: Any, view: str = "now") -> None:
    page.goto(f"{hub.url}/#/{view}")
    page.get_by_label("API key").fill(hub.key)
    page.get_by_role("button", name="Show the fleet").click()
    expect(page.locator(".link")).to_have_text("live")


def settled(page: Page, view: str) -> None:
    """The view shows what it will show."""
    if view == "now":
        page.wait_for_selector("body[data-map=ready]")
    if view == "fences":
        page.wait_for_selector("[data-map=ready]")
    expect(page.get_by_text("Asking the hub")).to_have_count(0)


@pytest.mark.parametrize("look", [pytest.param(look, marks=[pytest.mark.deep] if look in SLOW_LOOKS else []) for look in LOOKS])
def test_every_view_fits_and_keeps_the_rules(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]], look: str
) -> None:
    page = opened(*LOOKS[look])
    page.goto(hub.url)
    expect(page.get_by_role("heading", name="Dispatch")).to_be_visible()
    wrong = [f"entry: {text}" for text in axe(page)]
    picture(page, f"entry-{look}")
    enter(page, hub)
    for view in VIEWS:
        page.evaluate("view => location.hash = `#/${view}`", view)
        settled(page, view)
        picture(page, f"{view}-{look}")
        wrong += [f"{view}: {text}" for text in (*misfits(page), *axe(page))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif("ROUNDSMAN_PICTURES" not in os.environ, reason="takes the README's picture: say ROUNDSMAN_PICTURES=folder")
def test_picture_of_now_is_taken_for_the_readme(opened: Callable[..., Page], hub: Any) -> None:
    """Three of the four vans are heard of at that moment; `board` is taken by the walk that drags a task."""
    page = opened(1440, 720)
    enter(page, hub)
    settled(page, "now")
    silent = page.locator(".exception", has_text="Silent")
    for _ in range(20):
        for number, vehicle in enumerate(hub.vehicles[:3]):
            stop = hub.orders[number * 9 + 2]
            hub.heard(vehicle, LatLon(stop["lat_deg"], stop["lon_deg"]), heading_deg=80 * number)
        with contextlib.suppress(AssertionError):
            expect(silent).to_have_count(1, timeout=5_000)
            break
    picture(page, "dispatch")


def test_page_that_lost_the_hub_says_so_and_catches_up(opened: Callable[..., Page], hub: Any) -> None:
    """What happened while the line was cut is on the page once it is back, without loading it again."""
    with line_to(int(hub.url.rpartition(":")[2])) as line:
        page = opened(cut_off=True)
        page.goto(f"http://127.0.0.1:{line.port}/#/orders")
        page.get_by_label("API key").fill(hub.key)
        page.keyboard.press("Enter")
        expect(page.locator(".link")).to_have_text("live")
        line.cut()
        expect(page.locator(".link")).to_contain_text("no link to the hub")
        at = hub.orders[5]
        window = {"window_start": at["window_start"], "window_end": at["window_end"]}
        made = hub.client.post("/v1/orders", json={"reference": "WHILE-AWAY", "address": at["address"], **window}).json()
        expect(page.get_by_role("link", name="WHILE-AWAY")).to_have_count(0)
        line.heal()
        expect(page.locator(".link")).to_have_text("live")
        expect(page.get_by_role("link", name="WHILE-AWAY")).to_be_visible()
        hub.client.post(f"/v1/orders/{made['order']}/cancel")


def test_everything_is_in_lists_where_the_map_cannot_be_drawn(browser: Browser, hub: Any, axe: Callable[[Page], list[str]]) -> None:
    """A browser without WebGL: exceptions, vans and orders are all there, fences too."""
    plain = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-3d-apis"])
    try:
        page = plain.new_page(viewport={"width": 1440, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        enter(page, hub)
        assert page.evaluate("document.createElement('canvas').getContext('webgl2')") is None
        expect(page.get_by_text("This browser cannot draw the map")).to_be_visible()
        expect(page.locator(".exception").first).to_be_visible()
        wrong = axe(page)
        page.evaluate("location.hash = '#/vans'")
        expect(page.locator("main tbody tr")).to_have_count(len(hub.vehicles))
        page.evaluate("location.hash = '#/orders'")
        expect(page.locator("main tbody tr").nth(30)).to_be_visible()
        page.evaluate("location.hash = '#/playback'")
        page.get_by_role("button", name="Load").click()
        expect(page.get_by_text("Asking the hub")).to_have_count(0)
        page.evaluate("location.hash = '#/fences'")
        expect(page.get_by_text("This browser cannot draw the map")).to_be_visible()
        assert not [*wrong, *axe(page), *complaints]
    finally:
        plain.close()


def test_day_is_played_back_with_what_was_planned_and_said_then(
    opened: Callable[..., Page], hub: Any, axe: Callable[[Page], list[str]], misfits: Callable[[Page], list[str]]
) -> None:
    """Where the van was, its plan as it was, what was said of its arrivals, stops done by then; by keys alone on the slider."""
    van, now = hub.vehicles[0], hub.clock.now()
    with hub.db.transaction() as cur:
        cur.execute("INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s) RETURNING session_no", (van, f"{0x7001:016x}"))
        session = cur.fetchall()[0]["session_no"]
        cur.execute(
            "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, satellites, flags)"
            " SELECT %s + s * interval '10 seconds', %s, %s, s + 1, s * 10000, %s + 90 * s, %s, 1000, 9, 0 FROM generate_series(0, 210) s",
            (now - timedelta(minutes=30), van, session, round(hub.orders[0]["lat_deg"] * 1e6), round(hub.orders[0]["lon_deg"] * 1e6)),
        )
        cur.execute(
            "INSERT INTO eta_said (order_id, said_at, fleet_id, vehicle_id, eta, low, high) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (hub.orders[0]["order"], now - timedelta(minutes=28), hub.fleet, van, *[now - timedelta(minutes=20)] * 3),
        )
        cur.execute("UPDATE plans SET issued_at = %s WHERE vehicle_id = %s", (now - timedelta(minutes=29), van))
    page = opened()
    enter(page, hub, "playback")
    page.get_by_label("From", exact=True).fill((now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("To", exact=True).fill((now + timedelta(minutes=20)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Load").click()
    page.get_by_label("Plan of").select_option("Van 1")
    then = page.get_by_role("region", name="What was known then")
    expect(then).to_contain_text("had no plan then")
    page.get_by_role("slider").press("End")
    row = then.locator("tbody tr", has_text=hub.orders[0]["reference"])
    expect(row).to_contain_text("later than said")
    expect(page.locator(".player")).to_contain_text("stops done")
    page.wait_for_selector(".map[data-map=ready]")
    page.get_by_role("button", name="Mark before").click()
    picture(page, "playback-then")
    assert not [*misfits(page), *axe(page)]


@pytest.mark.parametrize("language", ["fr", "es"])
def test_how_long_a_van_was_silent_is_read_whole_on_a_desk(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], language: str
) -> None:
    """The longest words of all badges, in the narrowest column of a sheet."""
    page = opened(1440, 900)
    enter(page, hub)
    page.evaluate("language => localStorage.setItem('roundsman-reader', JSON.stringify({language}))", language)
    page.reload()
    page.evaluate("van => location.hash = `#/vans/${van}`", hub.vehicles[3])
    badge = page.locator("#sheet .facts .badge").first
    expect(badge).to_contain_text("Sans nouvelles depuis" if language == "fr" else "Sin noticias desde hace")
    picture(page, f"silent-{language}")
    assert not misfits(page)


def test_what_the_hub_says_is_in_the_readers_zone_currency_and_units(opened: Callable[..., Page], hub: Any) -> None:
    """The hub writes times of day in the fleet's zone, amounts without a currency, ways in kilometres: nobody reads them so."""
    page = opened(1440, 900)
    enter(page, hub)
    for language, before, saves, away in (
        ("en", "before 19:45 (earliest 20:02)", "saves US$119.76", "is 2.5 mi from the nearest road"),
        ("de", "19:45", "119,76\u00a0$", "2,5 mi"),
    ):
        choices = {"language": language, "timeZone": "Asia/Tokyo", "currency": "USD", "miles": True}
        page.evaluate("choices => localStorage.setItem('roundsman-reader', JSON.stringify(choices))", choices)
        page.reload()
        expect(page.locator("#attention")).to_contain_text(before)
        for reason, said in (("a better order of stops (saves 119.76)", saves), ("Quay is 4.0 km from the nearest road", away)):
            hub.plan(hub.vehicles[3], hub.orders[29:36], reason=reason)
            page.evaluate("van => location.hash = `#/vans/${van}`", hub.vehicles[3])
            expect(page.locator("#sheet .plan")).to_contain_text(said)
        page.evaluate("location.hash = '#/now'")


@pytest.mark.deep
def test_every_language_fits_a_telephone(opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]]) -> None:
    """Words are longer elsewhere; nothing is cut off, and no English is left in the frame of the page."""
    page = opened(320, 640)
    enter(page, hub)
    wrong = []
    for language, orders in (("de", "Aufträge"), ("es", "Pedidos"), ("fr", "Commandes")):
        page.evaluate("language => localStorage.setItem('roundsman-reader', JSON.stringify({language}))", language)
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", language)
        for view in (*VIEWS, f"vans/{hub.vehicles[0]}", f"orders/{hub.orders[2]['order']}"):
            page.evaluate("view => location.hash = `#/${view}`", view)
            expect(page.locator("main h2").first).to_be_visible()
            wrong += [f"{language} {view}: {text}" for text in misfits(page)]
        picture(page, f"story-{language}")
        page.evaluate("location.hash = '#/orders'")
        expect(page.locator("main h1")).to_have_text(orders)
    assert not wrong, "\n".join(wrong)
