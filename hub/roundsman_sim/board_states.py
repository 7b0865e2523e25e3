"""States of the dispatcher's board that have to keep the rules, one after the other in an open page: sheets, dialogs, things half done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from playwright.sync_api import Page

from roundsman_sim.board_hub import BoardHub

VIEWS: Final = (
    *("now", "orders", "customers", "board", "vans", "drivers"),
    *("tomorrow", "nights", "proposals", "playback", "fences", "settings"),
)
YARD: Final = "Yard"
SHIFT: Final = ("2026-03-02T08:00", "2026-03-02T18:00")


def prepare(hub: BoardHub) -> None:
    """What the states need to be there: a fence, a word of a driver, a silent van, one that does not answer, a night, tomorrow's draft."""
    at = hub.place.place(hub.place.depot.door_m)
    circle = {"lat_deg": at.lat_deg, "lon_deg": at.lon_deg, "radius_m": 120}
    hub.client.post("/v1/fences", json={"name": YARD, "circle": circle, "dwell_s": 600})
    hub.heard(hub.vehicles[3], at, silent_s=120)
    hub.unanswered(hub.vehicles[2])
    hub.reported(hub.vehicles[1], "breakdown", "the gearbox")
    now = hub.clock.now()
    window = {"window_start": (now + timedelta(hours=2)).isoformat(), "window_end": (now + timedelta(hours=4)).isoformat()}
    hub.client.post("/v1/orders", json={"reference": "B-200", "address": "Nowhere Lane 7", **window})
    day = (now + timedelta(days=1)).date().isoformat()
    hub.client.put(f"/v1/roster/{day}", json={"items": [{"vehicle": hub.vehicles[0], "start": "08:00", "end": "17:00"}]})
    tomorrow = {"window_start": f"{day}T09:00:00Z", "window_end": f"{day}T12:00:00Z"}
    for reference, parcels in (("T-1", 2), ("T-2", 500)):  # the second fits into no van
        hub.client.post("/v1/orders", json={"reference": reference, "address": hub.orders[1]["address"], "parcels": parcels, **tomorrow})
    hub.client.post(f"/v1/days/{day}/plan", params={"seconds": 0})
    learned = "learned from 400, judged on 60 of 3 later days: error {}, in force {} (+8.0 % better)"
    says = (
        f"speeds: {learned.format('0.1104', '0.1201')}\nspeeds: table 3 is in force\n"
        f"service of {hub.fleet}: walking and service apart: {learned.format('64.2', '61.0')}\n"
        f"service of {hub.fleet}: part search: 38 s, off by 21.4 s, were all alike by 27.9; 57 told it\n"
        f"service of {hub.fleet}: part walking: 46 s, off by 12.0 s, were all alike by 18.3; 60 told it\n"
        f"service of {hub.fleet}: not published: what is in force is as good"
    )
    with hub.db.transaction() as cur:
        for kind, subject, state, said in (
            ("learn", hub.fleet, "done", says),
            ("plan", hub.depot, "done", "a draft of 27 stops for 4 vans, 1 without a van: waits for approval"),
        ):
            cur.execute(
                "INSERT INTO nightly_runs (kind, subject, day, fleet_id, state, started_at, claimed_real_at, ended_at, adopted, says)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, true, %s) ON CONFLICT DO NOTHING",
                (kind, subject, day, hub.fleet, state, now, now, now + timedelta(minutes=3), said),
            )


def states(page: Page, hub: BoardHub) -> Iterator[str]:
    """Bring an entered page into each state; gives its name once it is there. Nothing is changed at the hub."""

    def at(where: str) -> None:
        page.evaluate("where => location.hash = `#/${where}`", where)

    def settled() -> None:
        page.get_by_text("Asking the hub").first.wait_for(state="detached")

    def closed() -> None:
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")

    driver = hub.client.get(f"/v1/vehicles/{hub.vehicles[0]}").json()["driver"]
    for what, where in (
        ("an order's story", f"orders/{hub.orders[0]['order']}"),
        ("a van's sheet", f"vans/{hub.vehicles[0]}"),
        ("a van by the map", f"now/{hub.vehicles[0]}"),
        ("a driver's sheet", f"drivers/{driver}"),
    ):
        at(where)
        page.locator("#sheet, .story, .sheet").first.wait_for()
        settled()
        yield what
    for what, where in (
        ("a van being changed", f"vans/{hub.vehicles[0]}"),
        ("what a van's unit is told", f"vans/{hub.vehicles[0]}"),
        ("a driver being changed", f"drivers/{driver}"),
        (
            "an order being changed",
            f"orders/{hub.client.get('/v1/orders', params={'state': ['planned'], 'limit': 1}).json()['items'][0]['order']}",
        ),
        ("a depot being changed", "settings"),
    ):
        at(where)
        word = "Unit" if "unit" in what else "Change"
        page.get_by_role("button", name=f"{word}: ").first.click()
        form = page.get_by_role("dialog")
        form.get_by_role("button", name="Save").wait_for()
        yield what
        if what == "a van being changed":
            form.get_by_label("Kind of vehicle").fill("x" * 81)
            form.get_by_role("button", name="Save").click()
            form.locator("[aria-invalid]").wait_for()
            yield "a van's change that is refused"
        closed()
    for what, where, button in (
        ("a new van", "vans", "New van"),
        ("a new driver", "drivers", "New driver"),
        ("a new depot", "settings", "New depot"),
        ("a file of vans", "vans", "From a file: Vans"),
        ("a file of rules", "settings", "From a file: What a plan costs"),
    ):
        at(where)
        page.get_by_role("button", name=button).click()
        page.get_by_role("dialog").locator("input").first.wait_for()
        settled()
        yield what
        if button == "New van":
            page.get_by_role("dialog").get_by_label("Kind of vehicle").fill("x" * 81)
            for label, text in (("Name", "Van X"), ("Parcels that fit in", "5"), ("Shift from", SHIFT[0]), ("Shift until", SHIFT[1])):
                page.get_by_role("dialog").get_by_label(label, exact=True).first.fill(text)
            page.get_by_role("dialog").get_by_role("button", name="Save").click()
            page.get_by_role("dialog").locator("[aria-invalid]").wait_for()
            yield "a new van that is refused"
        closed()
    at("board")
    page.get_by_role("button", name="What if").click()
    form = page.get_by_role("dialog")
    form.get_by_label("More vans").fill("1")
    form.get_by_role("button", name="Try it out").click()
    form.get_by_role("table").wait_for()
    yield "what if there were one more van"
    closed()
    at("nights")
    page.get_by_text("not adopted").wait_for()
    yield "nights with what was learned"
    at("tomorrow")
    page.locator(".rounds details").first.wait_for()
    page.locator(".rounds summary").first.click()
    page.get_by_text("Change the roster").click()
    settled()
    yield "tomorrow with a draft, and its roster being changed"

    at("now")
    page.locator(".exception", has_text="Nobody answered").first.get_by_role("button", name="Give its work away").click()
    page.get_by_role("dialog").get_by_role("checkbox").first.wait_for()
    yield "the dialog that gives a van's work away"
    closed()
    page.locator(".exception", has_text="B-200").get_by_role("button", name="Give it a place").click()
    settled()
    yield "the dialog that gives an order its place"
    closed()
    page.locator(".exception", has_text="Silent").first.get_by_role("button", name="Message").click()
    page.get_by_role("dialog").get_by_role("textbox").first.wait_for()
    yield "the dialog with words for a driver"
    closed()
    planned = hub.client.get("/v1/orders", params={"state": ["planned", "next"], "limit": 1}).json()["items"][0]["order"]
    at(f"orders/{planned}")
    page.get_by_role("button", name="Why?").click()
    page.get_by_text("Its share of the round").wait_for()
    yield "why an order is planned as it is, and what it costs"
    page.get_by_role("button", name="Another van").click()
    page.get_by_role("dialog").locator(".choice").first.wait_for()  # a van each, whether or not it may have it
    settled()
    yield "the dialog that moves an order, with each van's price"
    closed()

    at("orders")
    page.get_by_role("button", name="New order").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Address").fill("Nowhere Lane 9")
    form.get_by_label("To", exact=True).fill("2026-03-02T01:00")  # before it begins
    form.locator("summary").click()
    form.locator("fieldset").first.wait_for()
    yield "the new order's fields, with all that an order can say"
    form.get_by_role("button", name="Take the order").click()
    form.get_by_role("alert").wait_for()
    yield "a new order that is refused"
    closed()
    page.get_by_role("button", name="Import CSV").click()
    lines = b"reference,name,address,window_start,window_end,parcels\nC-2,Bo,Mill 1,2026-03-02 13:00,2026-03-02 15:00,no\n"
    page.get_by_label("File", exact=True).set_input_files({"name": "o.csv", "mimeType": "text/csv", "buffer": lines})
    page.get_by_role("dialog").locator("tbody tr").wait_for()
    yield "a file with a bad line"
    closed()
    page.locator("tbody input[type=checkbox]").first.check()
    yield "orders chosen"

    at("board")
    page.locator(".task").first.focus()
    page.keyboard.press("Enter")
    yield "a task lifted on the time board"
    page.keyboard.press("Escape")

    at("fences")
    page.locator("li.choice", has_text=YARD).get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Counts only at these hours").click()
    page.wait_for_selector("[data-map=ready]")
    yield "a fence being changed"
