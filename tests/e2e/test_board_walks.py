"""Walks of a dispatcher through a working day: the hub's API, stream and planner are real, the vans agree to whatever they are told."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from tests.e2e.patience import WAITS_MS
from tests.e2e.pictures import picture
from tests.e2e.pointing import on_map

from roundsman_hub.store.db import Database
from roundsman_sim.board_hub import BoardHub, board_hub

DESK: ViewportSize = {"width": 1440, "height": 900}
NAMES_OF = [("Van 1", "Alma"), ("Van 2", "Björn"), ("Van 3", "Chidi"), ("Van 4", "Dana")]


@pytest.fixture(scope="module")
def day(plain_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardHub]:
    if not (Path(__file__).parents[2] / "hub" / "roundsman_hub" / "web" / "dispatch.html").exists():
        pytest.skip("the pages are not built: run .ci/web")
    with board_hub(plain_database, tmp_path_factory.mktemp("board")) as hub:
        yield hub


@pytest.fixture
def desk(browser: Browser, day: BoardHub) -> Iterator[Page]:
    """The board, entered, on a desk. What it complains of in its console fails the test."""
    context = browser.new_context(viewport=DESK, locale="en-IE")
    page = context.new_page()
    page.set_default_timeout(WAITS_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(day.url)
    page.get_by_label("API key").fill(day.key)
    page.keyboard.press("Enter")
    expect(page.locator(".link")).to_have_text("live")
    yield page
    context.close()
    # The browser notes each refusal. A van that never told its health has none (404), a race may be lost (409): the page says so itself.
    assert not [text for text in complaints if "status of 4" not in text]


def until(day: BoardHub, holds: Callable[[], bool], what: str) -> None:
    """Wait for something; meanwhile the vans agree to their plans."""
    ends = time.monotonic() + WAITS_MS / 1000
    while not holds():
        assert time.monotonic() < ends, f"not in time: {what}"
        day.agree()
        time.sleep(0.1)


def go(page: Page, view: str) -> None:
    page.evaluate("view => location.hash = `#/${view}`", view)


def test_urgent_order_and_a_breakdown(desk: Page, day: BoardHub) -> None:
    desk.get_by_role("link", name="Orders").click()
    desk.get_by_role("button", name="New order").click()
    form = desk.get_by_role("dialog", name="New order")
    form.get_by_label("Reference").fill("U-1")
    form.get_by_label("Kind").select_option("pickup")
    form.get_by_label("Address").fill(day.place.houses[7].address)
    form.get_by_label("Urgent: planned at once").check()
    expect(form.get_by_label("From")).to_have_value(
        re.compile("^2026-03-02T")
    )  # the page has heard the hub's clock, which is not this machine's
    form.get_by_role("button", name="Take the order").click()
    expect(desk.get_by_role("heading", name="U-1")).to_be_visible()
    story = desk.get_by_role("region", name="The whole story")
    expect(story).to_contain_text("Order taken")
    expect(story).to_contain_text("In the plan of")
    picture(desk, "walk-urgent", size=(1280, 560))

    broken = busiest(day)
    name, driver = NAMES_OF[day.vehicles.index(broken)]
    mine = [order["order"] for order in day.orders if day.in_plan(order["order"]) == broken]
    go(desk, "now")
    day.reported(broken, "breakdown", "the gearbox")
    row = desk.locator(".exception", has_text="Breakdown: the gearbox")
    expect(row).to_be_visible()
    row.get_by_role("link", name="Open the van").click()
    sheet = desk.get_by_role("region", name=name)
    sheet.get_by_role("button", name="Out: broken down").click()
    expect(sheet).to_contain_text("out: broken down")
    until(day, lambda: all(day.in_plan(order) not in (broken, None) for order in mine), "the broken van's work goes to others")
    sheet.get_by_role("textbox", name=f"Message to {driver}").fill("Help is on its way")
    sheet.get_by_role("button", name="Send").click()
    expect(sheet.locator(".lines")).to_contain_text("Help is on its way")
    go(desk, "now")
    desk.wait_for_selector("body[data-map=ready]")
    for vehicle in day.vehicles:
        day.heard(vehicle, day.place.place(day.place.depot.door_m))
    expect(desk.locator(".exception", has_text="Silent")).to_have_count(0)
    picture(desk, "walk-breakdown", size=(1280, 600))
    row.get_by_role("button", name="Seen to").click()
    expect(row).to_have_count(0)
    go(desk, f"vans/{broken}")
    sheet.get_by_role("button", name="Back in the day").click()
    expect(sheet.get_by_role("button", name="Out: broken down")).to_be_visible()


def loads(day: BoardHub) -> dict[str, list[dict[str, Any]]]:
    """What each van has to do, in its order."""
    found: dict[str, list[dict[str, Any]]] = {vehicle: [] for vehicle in day.vehicles}
    for order in day.client.get("/v1/orders", params={"state": ["planned", "next"], "limit": 100}).json()["items"]:
        found[order["vehicle"]].append(order)
    return {vehicle: sorted(mine, key=lambda one: one["position"]) for vehicle, mine in found.items()}


def busiest(day: BoardHub) -> str:
    found = loads(day)
    return max(found, key=lambda vehicle: len(found[vehicle]))


def movable(day: BoardHub) -> tuple[str, str, str]:
    """The last task of the van with the most, that van, and the van with the fewest."""
    found = loads(day)
    taker = min(found, key=lambda vehicle: len(found[vehicle]))
    giver = busiest(day)
    return found[giver][-1]["order"], giver, taker


def lift(desk: Page, order: str) -> None:
    """Take a task by the pointer, as it lies at that moment: times that change move it until it is held."""
    bar, tries = desk.locator(f'[data-order="{order}"]'), 0
    while True:
        bar.hover(position={"x": 7, "y": 12})  # waits until it stands still and nothing covers it
        at = bar.bounding_box()
        assert at is not None
        desk.mouse.down()
        desk.mouse.move(at["x"] + 16, at["y"] + 12, steps=2)
        try:
            expect(desk.locator(".task.lifted")).to_have_attribute("data-order", order, timeout=3_000)
            return
        except AssertionError:
            tries += 1
            assert tries < 10, "it cannot be taken up"
            desk.keyboard.press("Escape")  # whatever was under the pointer instead
            desk.mouse.up()


def over(desk: Page, day: BoardHub, vehicle: str) -> None:
    """Carry what is held over a van's lane, behind what is there: its next stops may be frozen."""
    lane = desk.locator(".lane").nth(day.vehicles.index(vehicle))
    box, tasks = lane.bounding_box(), lane.locator(".task").all()
    ends = [at["x"] + at["width"] for at in (task.bounding_box() for task in (*tasks, desk.locator(".task.lifted"))) if at]
    assert box is not None
    desk.mouse.move(max(ends) + 20, box["y"] + 20, steps=4)


def test_task_is_dragged_to_another_van_with_its_effect_shown_first(desk: Page, day: BoardHub) -> None:
    go(desk, "board")
    order, giver, taker = movable(day)
    name = NAMES_OF[day.vehicles.index(taker)][0]
    lift(desk, order)
    over(desk, day, taker)
    tip = desk.locator(".tip")
    expect(tip).to_contain_text(name)
    expect(tip).to_contain_text("€")  # what it costs
    assert day.in_plan(order) == giver, "nothing is done before it is let go"
    picture(desk, "board")
    desk.mouse.up()
    until(day, lambda: day.in_plan(order) == taker, "the task is the other van's")
    expect(desk.locator(".lane-row", has_text=name).locator(f'[data-order="{order}"]')).to_be_visible()


def test_board_stands_still_under_a_hand_that_holds_a_task(desk: Page, day: BoardHub) -> None:
    """What was dragged went to another van meanwhile: the drag is not lost, and what changed is drawn once it ends."""
    go(desk, "board")
    order, giver, taker = movable(day)
    other = next(vehicle for vehicle in day.vehicles if vehicle not in (giver, taker))
    lift(desk, order)
    over(desk, day, taker)
    tip, bar = desk.locator(".tip"), desk.locator(f'[data-order="{order}"]')
    expect(tip).to_contain_text("€")
    before = bar.bounding_box()
    assert day.client.post("/v1/moves", json={"order": order, "vehicle": other, "position": None}).status_code == 202
    until(day, lambda: day.in_plan(order) == other, "somebody else moved it")
    expect(desk.locator(".picked")).to_contain_text(NAMES_OF[day.vehicles.index(other)][0])  # the page knows
    assert bar.bounding_box() == before
    over(desk, day, giver)
    expect(tip).to_contain_text(NAMES_OF[day.vehicles.index(giver)][0])
    desk.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    desk.mouse.up()
    expect(desk.locator(".lane-row", has_text=NAMES_OF[day.vehicles.index(other)][0]).locator(f'[data-order="{order}"]')).to_be_focused()
    assert day.in_plan(order) == other


def test_whole_way_by_keys_alone(desk: Page, day: BoardHub) -> None:
    """WCAG 2.1.1: from the door to a moved task without a pointer."""
    keys = desk.keyboard
    desk.evaluate("document.activeElement.blur()")
    keys.press("Tab")
    expect(desk.get_by_role("link", name="Skip to the content")).to_be_focused()
    keys.press("Enter")
    expect(desk.locator("main")).to_be_focused()
    link = desk.get_by_role("link", name="Time board")
    for _ in range(12):
        keys.press("Shift+Tab")
        if link.evaluate("node => node === document.activeElement"):
            break
    keys.press("Enter")
    expect(desk.locator("main")).to_be_focused()
    expect(desk).to_have_title("Time board · Roundsman")
    order, giver, taker = movable(day)
    steps = day.vehicles.index(taker) - day.vehicles.index(giver)
    for _ in range(12):
        keys.press("Tab")
        if desk.evaluate("document.activeElement.matches('.task')"):
            break
    for _ in range(60):
        at = desk.evaluate("[document.activeElement.dataset.order, document.activeElement.getAttribute('aria-label')]")
        if at[0] == order:
            break
        lane = next(row for row, (name, _) in enumerate(NAMES_OF) if f", {name}," in at[1])
        goal = day.vehicles.index(giver)
        keys.press("ArrowRight" if lane == goal else "ArrowDown" if lane < goal else "ArrowUp")
    assert at[0] == order, f"it cannot be reached by arrows: {at}"
    tip = desk.locator(".tip")

    def carry() -> None:
        keys.press("Enter")
        for _ in range(abs(steps)):
            keys.press("ArrowDown" if steps > 0 else "ArrowUp")
        expect(tip).to_contain_text(NAMES_OF[day.vehicles.index(taker)][0])
        expect(tip).to_contain_text("€")

    carry()
    keys.press("Escape")
    expect(tip).to_have_count(0)
    assert day.in_plan(order) == giver
    carry()
    keys.press("Enter")
    until(day, lambda: day.in_plan(order) == taker, "the task is the other van's")


def test_file_of_orders_with_a_bad_line(desk: Page, day: BoardHub) -> None:
    go(desk, "orders")
    desk.get_by_role("button", name="Import CSV").click()
    window = "2026-03-02 13:00,2026-03-02 15:00"
    lines = [
        "reference,name,address,window_start,window_end,parcels",
        f'C-1,Ann,"{day.place.houses[3].address}",{window},2',
        f"C-2,Bo,Mill 1,{window},no",
    ]
    desk.get_by_label("File", exact=True).set_input_files({"name": "o.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()})
    dialog = desk.get_by_role("dialog", name="Orders from a CSV file")
    expect(dialog).to_contain_text("1 order taken")
    expect(dialog.locator("tbody tr")).to_contain_text(["parcels"])
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("link", name="C-1 Ann")).to_be_visible()
    desk.get_by_label("Choose C-1 Ann").check()
    desk.get_by_role("group", name="With the chosen orders").get_by_role("button", name="Cancel").click()
    expect(desk.locator("tr", has_text="C-1 Ann")).to_contain_text("cancelled")


def test_fence_is_drawn_changed_taken_down_and_put_back(desk: Page, day: BoardHub) -> None:
    go(desk, "fences")
    desk.wait_for_selector("[data-map=ready]")
    desk.get_by_label("Name").fill("Market square")
    for count, at in enumerate(((0.4, 0.4), (0.6, 0.4), (0.6, 0.6)), 1):
        desk.mouse.click(*on_map(desk, *at))
        expect(desk.get_by_role("status").filter(has_text=f"{count} corner")).to_be_visible()
    desk.get_by_role("button", name="Corner at the middle").click()
    desk.get_by_role("button", name="Save the fence").click()
    fence = desk.locator("li.choice", has_text="Market square")
    expect(fence).to_contain_text("4 corners")
    [made] = day.client.get("/v1/fences").json()["items"]
    assert len(made["rings_deg"][0]) == 4

    fence.get_by_role("button", name="Change").click()
    sketch = desk.get_by_role("region", name="Change Market square")
    sketch.get_by_label("Name").fill("Old market")
    sketch.get_by_label("Speed limit").fill("20")
    sketch.get_by_label("Nobody may be there").check()
    sketch.get_by_role("button", name="Counts only at these hours").click()
    sketch.get_by_text("Corners one by one").click()
    sketch.get_by_role("button", name="Corner 4: Remove").click()  # by keys as by pointer
    desk.wait_for_selector("[data-map=ready]")
    sketch.get_by_role("button", name="Corner 1: To the middle").click()
    sketch.get_by_role("button", name="Save the fence").click()
    fence = desk.locator("li.choice", has_text="Old market")
    expect(fence).to_contain_text("3 corners")
    expect(fence).to_contain_text("at most 20 km/h")
    expect(fence).to_contain_text("Nobody may be there")
    expect(fence).to_contain_text("07:00 – 19:00")
    [changed] = day.client.get("/v1/fences").json()["items"]
    assert (made["no_entry"], changed["no_entry"]) == (False, True)
    assert changed["rings_deg"][0][0] != made["rings_deg"][0][0]
    assert changed["rings_deg"][0][1:] == made["rings_deg"][0][1:3]

    fence.get_by_role("button", name="Remove").click()
    expect(fence).to_have_count(0)
    desk.get_by_role("button", name="Undo: Old market").click()
    expect(fence).to_have_count(1)
    assert day.client.get("/v1/fences").json()["items"] == [changed]
    fence.get_by_role("button", name="Remove").click()
    expect(fence).to_have_count(0)


def test_work_of_a_van_that_does_not_answer_is_given_away(desk: Page, day: BoardHub) -> None:
    """It stays with its van until somebody records who said that it will not be served, and where the goods are."""
    silent = busiest(day)
    [order, *_] = [one["order"] for one in loads(day)[silent]][::-1]
    other = next(vehicle for vehicle in day.vehicles if vehicle != silent)
    go(desk, "now")
    day.unanswered(silent)
    row = desk.locator(".exception", has_text="Nobody answered its newest plan").filter(has_text=NAMES_OF[day.vehicles.index(silent)][0])
    row.get_by_role("button", name="Give its work away").click()
    dialog = desk.get_by_role("dialog", name="Give its work away")
    boxes = dialog.get_by_role("checkbox")
    expect(boxes.first).to_be_visible()
    reference = next(one["reference"] for one in day.orders if one["order"] == order)
    for box in boxes.all():
        box.uncheck()
    dialog.get_by_label(reference).check()
    dialog.get_by_label("Goods are now in").select_option(label=NAMES_OF[day.vehicles.index(other)][0])
    dialog.get_by_label("Who said so, and how").fill("Handed over at the Quay, told by telephone")
    dialog.get_by_role("button", name="Record it").click()
    expect(dialog).to_have_count(0)
    until(day, lambda: day.in_plan(order) == other, "the goods are in the other van, and so is the task")
    go(desk, f"orders/{order}")
    expect(desk.get_by_role("region", name=reference)).to_contain_text(NAMES_OF[day.vehicles.index(other)][0])


def test_reader_has_their_language_zone_and_miles(desk: Page, day: BoardHub) -> None:
    go(desk, "settings")
    price = desk.get_by_label("A minute after the window (EUR)")
    expect(price).to_have_value("2")
    price.fill("2.5")
    desk.get_by_role("region", name="What a plan costs").get_by_role("button", name="Save").click()
    expect(desk.locator(".said")).to_have_text("Kept")
    assert day.client.get("/v1/fleets/me").json()["planning"]["lateness_cents_per_min"] == 250
    desk.get_by_label("Language", exact=True).select_option("de")
    expect(desk.locator("html")).to_have_attribute("lang", "de")
    expect(desk.get_by_role("link", name="Aufträge")).to_be_visible()
    desk.get_by_label("Zeitzone").first.select_option("Asia/Tokyo")
    expect(desk.locator(".clock")).to_contain_text("19:")  # 10:00 in London
    desk.reload()
    expect(desk.get_by_role("link", name="Aufträge")).to_be_visible()


def test_planner_asks_first_and_is_told_yes(desk: Page, day: BoardHub) -> None:
    go(desk, "proposals")
    desk.get_by_role("button", name="Ask first").click()
    expect(desk.get_by_role("button", name="Ask first")).to_have_attribute("aria-pressed", "true")
    door = day.place.houses[11].address
    now = day.clock.now()
    window = {"window_start": (now + timedelta(hours=1)).isoformat(), "window_end": (now + timedelta(hours=5)).isoformat()}
    made = day.client.post("/v1/orders", json={"reference": "P-1", "address": door, **window}).json()
    waiting = desk.locator(".proposal").first
    expect(waiting).to_contain_text("delivery P-1 ordered")
    assert day.in_plan(made["order"]) is None, "nothing is told before the answer"
    expect(waiting).to_contain_text(re.compile(r"It (saves|costs) €\d"))
    waiting.locator("summary").click()
    expect(waiting.locator("tbody")).to_contain_text("P-1")
    waiting.get_by_role("button", name="Approve").click()
    until(day, lambda: day.in_plan(made["order"]) is not None, "the approved plan is told")
    van = day.in_plan(made["order"])  # and stays so: what the planner finds meanwhile is asked first, too
    desk.get_by_role("button", name="Undo the last change").click()
    shown = desk.get_by_role("dialog")
    expect(shown.locator(".effect")).to_contain_text("€")
    expect(shown).to_contain_text(door)
    assert day.in_plan(made["order"]) == van, "what it comes to is shown before it is so"
    picture(desk, "undo")
    shown.get_by_role("button", name="Undo the last change").click()
    expect(shown).to_be_hidden()
    until(day, lambda: day.in_plan(made["order"]) != van, "what was taken back is with another van, or with none")
    desk.get_by_role("button", name="Automatic").click()
    expect(desk.get_by_role("button", name="Automatic")).to_have_attribute("aria-pressed", "true")
