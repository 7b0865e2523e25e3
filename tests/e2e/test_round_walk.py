"""A round, seen from both ends: a dispatcher changes something on the board, and the driver's screen shows at a glance what, and why.

Everything is real: the hub's programs with their database and broker, two vans' units, and a page for each person.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from tests import waiting
from tests.e2e.lines import Line, line_to
from tests.e2e.patience import WAITS_MS
from tests.e2e.pictures import picture

from roundsman_hub.broker import free_port
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_sim import town, town_file

DEADLINE_S = 90.0
DESK: ViewportSize = {"width": 1440, "height": 900}
GLASS: ViewportSize = {"width": 480, "height": 320}
NAMES = ("Aho", "Berg", "Cole", "Dahl")
MORE = ("Egger", "Falk", "Greco", "Hahn", "Ito", "Juhl")

pytestmark = pytest.mark.deep


until = partial(waiting.until, within_s=DEADLINE_S)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A hub and two vans on their round. `screens`: each van's own page; `orders`: by the customer's name; `lines`: from each
    van to the hub's broker."""

    hub: httpx.Client
    key: str
    vehicles: list[str]
    screens: list[str]
    orders: dict[str, str]
    lines: list[Line]
    place: town.Town
    data: Path
    said: Callable[[], str]

    def stops(self, van: int) -> list[str]:
        """Names on a driver's screen, as they come."""
        state = httpx.get(f"{self.screens[van]}/api/screen", trust_env=False, timeout=20).json()
        return [stop["name"] for stop in (state["next"], *state["following"]) if stop]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    if not (Path(__file__).parents[2] / "hub" / "roundsman_hub" / "web" / "dispatch.html").exists():
        pytest.skip("the pages are not built: run .ci/web")
    folder, place = tmp_path_factory.mktemp("round"), town.build(columns=12, rows=12)
    town_file.write(place, folder / "town.osm.pbf")
    data = folder / "hub"

    def said() -> str:
        return "\n".join(file.read_text(errors="replace")[-4_000:] for file in sorted(folder.glob("*.log")))

    with ExitStack() as stack:

        def program(name: str, *command: str) -> subprocess.Popen[str]:
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=log, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            return process

        ports = ("--api-port", "0", "--vans-port", "0", "--files-port", "0")
        serving = program("hub", "roundsman_hub", "serve", "--data", str(data), "--osm", str(folder / "town.osm.pbf"), *ports)
        until(lambda: serving.poll() is not None or "vans' broker:" in said(), said)
        assert serving.poll() is None, said()
        url, key = json.loads((data / "hub.json").read_text())["api_url"], (data / "admin.key").read_text().strip()
        hub = stack.enter_context(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=20))

        def post(path: str, **body: Any) -> dict[str, Any]:
            answer = hub.post(path, json=body)
            assert answer.is_success, answer.text
            return dict(answer.json())

        now, at = datetime.now(UTC), place.place(place.depot.door_m)
        hours = [(now + timedelta(hours=h)).isoformat() for h in (0, 6, 8)]
        depot = post("/v1/depots", name="Quay", lat_deg=at.lat_deg, lon_deg=at.lon_deg)["depot"]
        one = Fleet(hub=hub, key=key, vehicles=[], screens=[], orders={}, lines=[], place=place, data=data, said=said)
        for name in ("Alma", "Björn"):
            driver, shift = post("/v1/drivers", name=name)["driver"], {"shift_start": hours[0], "shift_end": hours[2]}
            vehicle = post("/v1/vehicles", name=f"Van of {name}", depot=depot, driver=driver, capacity=9, **shift)["vehicle"]
            unit, port = folder / name, free_port()
            provision = (sys.executable, "-m", "roundsman_hub", "provision", vehicle, "--data", str(data), "--out", str(unit))
            subprocess.run(provision, check=True, capture_output=True, timeout=60)
            toml = (unit / "agent.toml").read_text()
            broker = re.search(r"\[broker\]\nhost = .*\nport = (\d+)", toml)
            assert broker is not None
            line = stack.enter_context(line_to(int(broker[1])))
            toml = toml.replace(f"port = {broker[1]}", f"port = {line.port}", 1)
            (unit / "agent.toml").write_text(toml.replace("port = 8070", f"port = {port}"))
            program(name, "roundsman_agent", "run", "-c", str(unit / "agent.toml"))
            one.vehicles.append(vehicle)
            one.lines.append(line)
            one.screens.append(f"http://127.0.0.1:{port}")

        def on_duty(screen: str) -> bool:
            try:
                return httpx.post(f"{screen}/api/duty", json={"duty": "on"}, trust_env=False, timeout=20).is_success
            except httpx.TransportError:
                return False

        until(lambda: all(map(on_duty, one.screens)), said)
        until(lambda: [van["online"] for van in hub.get("/v1/live").json()["vehicles"]] == [True] * 2, said)
        for name, house in zip(NAMES, place.houses[:: len(place.houses) // len(NAMES)], strict=False):
            where = place.place(house.door_m)
            window = {"window_start": hours[0], "window_end": hours[1]}
            made = post(
                "/v1/orders", name=name, kind="pickup", address=house.address, lat_deg=where.lat_deg, lon_deg=where.lon_deg, **window
            )
            one.orders[name] = made["order"]
        until(lambda: sorted(one.stops(0) + one.stops(1)) == sorted(NAMES), said)
        yield one


@pytest.fixture
def desk(browser: Browser, fleet: Fleet) -> Iterator[Page]:
    """The dispatcher's board."""
    context = browser.new_context(viewport=DESK, locale="en-IE")
    page = context.new_page()
    page.set_default_timeout(WAITS_MS)
    page.goto(str(fleet.hub.base_url))
    page.get_by_label("API key").fill(fleet.key)
    page.keyboard.press("Enter")
    expect(page.locator(".link")).to_have_text("live", timeout=DEADLINE_S * 1000)
    yield page
    context.close()


@pytest.fixture
def glass(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """A driver's page, on glass of 3.5 inches."""
    context = browser.new_context(viewport=GLASS, locale="en-GB")

    def look(url: str) -> Page:
        page = context.new_page()
        page.goto(url)
        expect(page.locator("body")).to_be_visible()
        return page

    yield look
    context.close()


def shows(page: Page, *words: str) -> None:
    """The news on a driver's screen: one box over the next stop, with what changed and why; a tap and it is read."""
    for said in words:
        expect(page.locator("#news")).to_contain_text(re.compile(said), timeout=DEADLINE_S * 1000)

    def at_a_glance() -> bool:
        box = page.locator("#news").bounding_box()  # it may still be sliding in
        return (
            box is not None and box["x"] >= 0 and box["x"] + box["width"] <= GLASS["width"] and box["y"] + box["height"] <= GLASS["height"]
        )

    until(at_a_glance, lambda: f"on the glass without scrolling: {page.locator('#news').bounding_box()}")


def test_what_the_dispatcher_changes_is_on_the_drivers_screen_with_its_reason(
    desk: Page, glass: Callable[[str], Page], fleet: Fleet
) -> None:
    giver = max((0, 1), key=lambda van: len(fleet.stops(van)))
    taker = 1 - giver
    drivers = [glass(screen) for screen in fleet.screens]
    moved = fleet.stops(giver)[-1]

    desk.evaluate("order => location.hash = `#/orders/${order}`", fleet.orders[moved])
    desk.get_by_role("button", name="Another van").click()
    name = ("Alma", "Björn")[taker]
    desk.get_by_role("button", name=f"Give to Van of {name}").click()
    shows(drivers[giver], f"Removed: {moved}", f"a dispatcher decided who has {moved}")
    until(lambda: moved in fleet.stops(taker), fleet.said)
    assert moved not in fleet.stops(giver), "it is with one van at a time"
    picture(drivers[giver], "walk-round-moved")
    drivers[giver].locator("#news").click()
    expect(drivers[giver].locator("#news")).to_be_hidden()

    closed = next(name for name in fleet.stops(taker) if name != moved) if len(fleet.stops(taker)) > 1 else moved
    desk.evaluate("order => location.hash = `#/orders/${order}`", fleet.orders[closed])
    desk.get_by_role("button", name="Cancel", exact=True).click()
    shows(drivers[taker], f"Removed: {closed}", "cancelled")
    until(lambda: closed not in fleet.stops(taker), fleet.said)
    drivers[taker].locator("#news").click()

    kept = fleet.stops(giver)[0]
    door = fleet.place.place(fleet.place.houses[5].door_m)
    pin = fleet.hub.post(f"/v1/orders/{fleet.orders[kept]}/pin", json={"lat_deg": door.lat_deg, "lon_deg": door.lon_deg})
    assert pin.is_success, pin.text
    shows(drivers[giver], f"Changed: {kept}")
    drivers[giver].locator("#news").click()

    desk.evaluate("vehicle => location.hash = `#/vans/${vehicle}`", fleet.vehicles[giver])
    desk.get_by_role("textbox", name=f"Message to {('Alma', 'Björn')[giver]}").fill("The bridge is up again")
    desk.get_by_role("button", name="Send").click()
    shows(drivers[giver], "The bridge is up again")
    picture(drivers[giver], "walk-round-message")


def tap(page: Page, what: str) -> None:
    page.click(f"#actions [data-act={what}]:not(.busy):not(.new)")


def done(fleet: Fleet, name: str) -> bool:
    return bool(fleet.hub.get(f"/v1/orders/{fleet.orders[name]}").json()["state"] == "delivered")


def test_driver_works_a_round_through_a_loss_of_network(desk: Page, glass: Callable[[str], Page], fleet: Fleet) -> None:
    """The glass goes on with the plan that it has and says so; the board sees a silent van, and in the end what was done meanwhile."""
    hours = [(datetime.now(UTC) + timedelta(hours=h)).isoformat() for h in (0, 5)]
    for name, house in zip(MORE, fleet.place.houses[3 :: len(fleet.place.houses) // len(MORE)], strict=False):
        where = fleet.place.place(house.door_m)
        body = {"name": name, "kind": "pickup", "address": house.address, "lat_deg": where.lat_deg, "lon_deg": where.lon_deg}
        made = fleet.hub.post("/v1/orders", json=body | {"window_start": hours[0], "window_end": hours[1]})
        assert made.is_success, made.text
        fleet.orders[name] = made.json()["order"]
    until(lambda: set(MORE) <= set(fleet.stops(0) + fleet.stops(1)), fleet.said)
    van = max((0, 1), key=lambda one: len(fleet.stops(one)))
    first, second, third, *_ = fleet.stops(van)
    page = glass(fleet.screens[van])
    expect(page.locator("#link")).to_have_text("Online")
    if page.locator("#news").is_visible():
        page.locator("#news").click()
    picture(page, "walk-driver-next")
    tap(page, "arrived")
    picture(page, "walk-driver-arrived")
    tap(page, "delivered")
    until(lambda: done(fleet, first), fleet.said)

    fleet.lines[van].cut()
    expect(page.locator("#link")).to_contain_text("No network", timeout=DEADLINE_S * 1000)
    until(lambda: fleet.stops(van)[0] == second, fleet.said)
    tap(page, "arrived")
    tap(page, "delivered")
    until(lambda: fleet.stops(van)[0] == third, fleet.said)
    picture(page, "walk-driver-alone")
    expect(desk.locator(".exception", has_text="No word for").filter(has_text=f"Van of {('Alma', 'Björn')[van]}")).to_be_visible(
        timeout=DEADLINE_S * 1000
    )
    assert not done(fleet, second), "nobody knows yet"

    fleet.lines[van].heal()
    expect(page.locator("#link")).to_have_text("Online", timeout=DEADLINE_S * 1000)
    until(lambda: done(fleet, second), fleet.said)
    desk.evaluate("order => location.hash = `#/orders/${order}`", fleet.orders[second])
    expect(desk.get_by_role("region", name=second)).to_contain_text("done", timeout=DEADLINE_S * 1000)


def test_after_a_restore_vans_answer_the_roll_call_and_planning_goes_on_at_once(fleet: Fleet) -> None:
    """Not after a minute and a half of silence: the question reaches both units behind their plans, and their logs bring the answers."""
    restored = (sys.executable, "-m", "roundsman_hub", "migrate", "--restored", "--data", str(fleet.data))
    subprocess.run(restored, check=True, capture_output=True, timeout=60)
    began = time.monotonic()
    where = fleet.place.place(fleet.place.houses[2].door_m)
    now = datetime.now(UTC)
    body = {"name": "Eck", "kind": "pickup", "lat_deg": where.lat_deg, "lon_deg": where.lon_deg, "window_start": now.isoformat()}
    made = fleet.hub.post("/v1/orders", json=body | {"window_end": (now + timedelta(hours=5)).isoformat()})
    assert made.is_success, made.text
    until(lambda: "Eck" in fleet.stops(0) + fleet.stops(1), fleet.said)
    assert time.monotonic() - began < HEARD_WITHIN.total_seconds(), "the vans were heard"
