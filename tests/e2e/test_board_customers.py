"""What customers ask for, as a dispatcher sees it and answers: cases with their evidence, talk, notices; and closures, and tomorrow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.e2e.pictures import picture
from tests.e2e.pointing import on_map

from roundsman_hub.store import outbox_store

LOOKS = {"telephone-light": (320, 640, "light"), "telephone-dark": (320, 640, "dark"), "desk-light": (1440, 900, "light"),
         "desk-dark": (1440, 900, "dark")}  # fmt: skip
SIGNATURE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 80">'
    b'<path d="M10 60C40 0 60 80 100 40S150 20 190 50" fill="none" stroke="#000"/></svg>'
)
TOMORROW = "2026-03-03"


def said(order: dict[str, Any], what: str, **fields: str) -> None:
    """The customer sends a form of their page."""
    answer = httpx.post(f"{order['track_url']}/{what}", data=fields, trust_env=False, follow_redirects=False)
    assert "said=" in answer.headers.get("location", ""), (answer.status_code, answer.headers, answer.text)


@pytest.fixture(scope="module")
def told(hub: Any) -> dict[str, Any]:
    """A delivered order with its visit and a signature, whose customer misses it; another with a return; one with a dead letter."""
    missed, back, vehicle = hub.orders[0], hub.orders[1], hub.vehicles[0]
    sha256, now = hashlib.sha256(SIGNATURE).hexdigest(), hub.clock.now()
    folder = hub.blobs / sha256[:2]
    folder.mkdir(parents=True)
    (folder / sha256).write_bytes(SIGNATURE)
    with hub.db.transaction() as cur:
        cur.execute("INSERT INTO blobs VALUES (%s, %s, %s, %s, 'image/svg+xml', %s)", (hub.fleet, sha256, vehicle, len(SIGNATURE), now))
        cur.execute(
            "INSERT INTO proofs VALUES (1, 1, %s, %s, %s, %s, 'a-1', 'signature', %s, 'image/svg+xml', %s)",
            (sha256, vehicle, hub.fleet, missed["order"], len(SIGNATURE), now),
        )
        cur.execute(
            "INSERT INTO visits VALUES (1, 1, %s, %s, %s, %s, %s, %s, %s, 0.9)",
            (vehicle, hub.fleet, missed["order"], now - timedelta(minutes=14), now - timedelta(minutes=11),
             round(missed["lat_deg"] * 1e6), round(missed["lon_deg"] * 1e6)),
        )  # fmt: skip
        outbox_store.add(
            cur, hub.fleet,
            {"root_id": missed["order"], "order_id": missed["order"], "key": "dead-1", "kind": "done", "channel": "email",
             "address": "kit@example.org", "subject": "Your order", "body": "It is done.", "written_at": now, "not_before": now},
        )  # fmt: skip
        cur.execute("SELECT notice_id FROM outbox WHERE key = 'dead-1'")
        [(notice,)] = [tuple(r.values()) for r in cur.fetchall()]
        outbox_store.dead(cur, notice, "550 no such mailbox")
    said(missed, "wrong", kind="dispute", text="Nothing is here. <b>Please</b> look again.")
    said(back, "return", reason="wrong_size", text="Too small")
    said(back, "rate", stars="2")
    return {"missed": missed, "back": back, "notice": notice}


@pytest.fixture
def desk(opened: Callable[..., Page], hub: Any) -> Page:
    page = opened(locale="en-IE")
    enter(page, hub)
    return page


def enter(page: Page, hub: Any) -> None:
    page.goto(f"{hub.url}/#/customers")
    page.get_by_label("API key").fill(hub.key)
    page.keyboard.press("Enter")
    expect(page.locator(".link")).to_have_text("live")


def go(page: Page, view: str) -> None:
    page.evaluate("view => location.hash = `#/${view}`", view)


@pytest.mark.parametrize(
    "look", ["telephone-light", "desk-dark", *(pytest.param(look, marks=pytest.mark.deep) for look in ("telephone-dark", "desk-light"))]
)
def test_customers_views_fit_and_keep_the_rules(
    opened: Callable[..., Page], hub: Any, told: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]], look: str
) -> None:
    page = opened(*LOOKS[look])
    enter(page, hub)
    wrong = []
    case = hub.client.get("/v1/cases", params={"order": told["missed"]["order"]}).json()["items"][-1]
    for view in (
        "customers",
        f"customers/{case['case']}",
        f"orders/{told['missed']['order']}",
        f"orders/{hub.orders[20]['order']}",
        "tomorrow",
    ):
        go(page, view)
        expect(page.locator("main h2").first).to_be_visible()
        expect(page.get_by_text("Asking the hub")).to_have_count(0)
        for fold in page.locator("main details:not([open]) > summary").all():
            fold.click()
        picture(page, f"{view.split('/')[0]}-{'one' if '/' in view else 'all'}-{look}")
        wrong += [f"{view}: {text}" for text in (*misfits(page), *axe(page))]
    go(page, "fences")
    page.wait_for_selector("[data-map=ready]")
    for what in ("closure", "zone"):
        page.get_by_label("What is drawn").select_option(what)
        wrong += [f"{what}: {text}" for text in (*misfits(page), *axe(page))]
    picture(page, f"fences-zone-{look}")
    assert not wrong, "\n".join(wrong)


def test_a_parcel_that_was_not_received_is_decided_by_its_evidence(desk: Page, hub: Any, told: Any) -> None:
    desk.get_by_label("Kind").select_option("dispute")
    listed = desk.get_by_role("region", name="Customers' cases").locator("li")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("<b>Please</b>")  # as text
    listed.get_by_role("link").click()
    evidence = desk.get_by_role("region", name="Evidence")
    expect(evidence).to_contain_text("The van stood there")
    expect(evidence.get_by_role("img", name="Proof of delivery")).to_be_visible()
    assert desk.evaluate("document.querySelector('.pictures img').getBoundingClientRect().height") > 50
    can = desk.get_by_role("group", name="What can be done now")
    expect(can.get_by_role("button")).to_have_count(3)  # withdrawing is the customer's own
    can.get_by_label("Note").fill("signed next door")
    can.get_by_role("button", name="The customer is right").click()
    can.get_by_label("Amount of the refund").fill("12,50")
    can.get_by_role("button", name="Refund", exact=True).click()
    expect(can).to_have_count(0)
    expect(desk.get_by_role("region", name="Its way so far")).to_contain_text("signed next door")
    done = hub.client.get("/v1/cases", params={"kind": "dispute"}).json()["items"][0]
    assert (done["state"], done["refund_cents"]) == ("refunded", 1250)
    desk.get_by_role("link", name="All cases").click()
    expect(listed.filter(has_text="Not received")).to_have_count(0)  # under way no more
    desk.get_by_label("State").first.select_option("ended")
    expect(listed.filter(has_text="Not received")).to_have_count(1)
    go(desk, f"orders/{told['missed']['order']}")  # and it stands in the order's story
    expect(desk.get_by_role("region", name="Customers' cases").get_by_role("link", name="Not received")).to_be_visible()
    expect(desk.get_by_role("img", name="Signature")).to_be_visible()


def test_case_is_moved_on_by_keys_alone(desk: Page, hub: Any, told: Any) -> None:
    said(hub.orders[9], "wrong", kind="complaint", text="Thrown over the gate")

    def tab_to(name: str) -> None:
        for _ in range(60):
            desk.keyboard.press("Tab")
            if desk.evaluate("document.activeElement.textContent").startswith(name):
                return
        raise AssertionError(f"no way to {name!r} by Tab")

    expect(desk.get_by_role("link", name="Complaint")).to_be_visible()  # it came in by itself
    tab_to("Complaint")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("button", name="Look into it")).to_be_visible()
    tab_to("Look into it")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("region", name="Its way so far")).to_contain_text("Looked into")
    [case] = hub.client.get("/v1/cases", params={"kind": "complaint"}).json()["items"]
    assert case["state"] == "looked_into"


def test_dead_letter_is_tried_again(desk: Page, hub: Any, told: Any) -> None:
    outbox = desk.get_by_role("region", name="Notices")
    outbox.get_by_label("State").select_option("dead")
    letter = outbox.locator("li")
    expect(letter).to_contain_text("550 no such mailbox")
    letter.get_by_role("button", name="Try again").click()
    expect(letter).to_have_count(0)
    outbox.get_by_label("State").select_option("waiting")
    expect(letter.filter(has_text="kit@example.org")).to_have_count(1)


def test_what_was_agreed_in_the_talk_is_carried_out(desk: Page, hub: Any) -> None:
    with hub.db.transaction() as cur:  # the fixture's plans are sketches: the planner that finds windows reads whole ones
        for table in ("etas", "plan_tasks", "plan_receipts", "plans"):
            cur.execute(f"DELETE FROM {table} WHERE fleet_id = %s", (hub.fleet,))
    order = hub.orders[39]
    said(order, "say", text="The bell is broken")
    go(desk, f"orders/{order['order']}")
    talk = desk.get_by_role("region", name="Talk with the customer")
    expect(talk).to_contain_text("The bell is broken")
    talk.get_by_label("Message to the customer").fill("Then we put it on the porch, later?")
    desk.keyboard.press("Enter")
    expect(talk.locator(".lines .dispatch")).to_contain_text("on the porch")
    said(order, "say", text="Yes, please")
    expect(talk).to_contain_text("Yes, please")  # without loading again
    talk.get_by_text("Carry out what was agreed").click()
    talk.get_by_role("button", name="Carry it out").click()
    expect(talk.get_by_role("alert")).to_have_text("Choose what was agreed.")
    talk.get_by_label("Safe place").fill("porch")
    talk.get_by_role("button", name="Windows that can be kept").click()
    window = talk.get_by_label("Window", exact=True)
    offer = window.locator("option").nth(2).get_attribute("value")
    assert offer
    window.select_option(offer)
    talk.get_by_role("button", name="Carry it out").click()
    expect(desk.locator(".said")).to_have_text("Carried out: the order is changed")
    now = hub.client.get(f"/v1/orders/{order['order']}").json()
    assert "porch" in now["instructions"]
    assert now["promise_start"] != order["promise_start"]


def test_street_is_closed_and_opened_again(
    desk: Page, hub: Any, axe: Callable[[Page], list[str]], misfits: Callable[[Page], list[str]]
) -> None:
    go(desk, "fences")
    desk.wait_for_selector("[data-map=ready]")
    sketch = desk.get_by_role("region", name="Draw a fence or a closure")
    for what, name in (("closure", "Burst main"), ("zone", "Market lane")):
        sketch.get_by_label("What is drawn").select_option(what)
        sketch.get_by_label("Name").fill(name)
        if what == "zone":
            sketch.get_by_label("truck").check()
        for count, at in enumerate(((0.4, 0.4), (0.6, 0.4), (0.6, 0.6)), 1):
            desk.mouse.click(*on_map(desk, *at))
            expect(desk.get_by_text(f"{count} corner")).to_be_visible()
        sketch.get_by_role("button", name="Close it").click()
        expect(desk.locator("li", has_text=name)).to_be_visible()
    picture(desk, "fences-closed")
    assert not [*misfits(desk), *axe(desk)]
    [closure] = hub.client.get("/v1/closures").json()["items"]
    [zone] = hub.client.get("/v1/access-zones").json()["items"]
    assert (closure["name"], closure["holds"], len(closure["ring_deg"])) == ("Burst main", True, 3)
    assert (zone["kinds"], zone["hours"][0]["days"]) == (["truck"], ["mon", "tue", "wed", "thu", "fri"])
    go(desk, "now")
    desk.wait_for_selector("body[data-map=ready]")
    picture(desk, "now-closed")
    go(desk, "fences")
    for name, button in (("Burst main", "Open again"), ("Market lane", "Remove")):
        desk.locator("li", has_text=name).get_by_role("button", name=button).click()
        expect(desk.locator("li", has_text=name)).to_have_count(0)
    assert hub.client.get("/v1/closures").json()["items"] == []


def test_measured_speeds_are_taken_from_a_file_and_ended(
    desk: Page, hub: Any, axe: Callable[[Page], list[str]], misfits: Callable[[Page], list[str]]
) -> None:
    go(desk, "fences")
    speeds = desk.get_by_role("region", name="Measured speeds")
    expect(speeds).to_contain_text("No measured speeds count now")
    speeds.get_by_label("Hours that they count").fill("2")
    speeds.locator("input[type=file]").set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": b"from,to,kmh\n"})
    expect(speeds.get_by_role("alert")).not_to_be_empty()
    speeds.locator("input[type=file]").set_input_files({"name": "feed.csv", "mimeType": "text/csv", "buffer": b"1,2,18\n2,1,12\n"})
    line = speeds.locator("li", has_text="2 stretches of street")
    expect(line).to_contain_text("Mon 2 Mar, 1")
    expect(line).to_contain_text("there are no streets")  # this hub computes straight lines
    picture(desk, "speeds")
    assert not [*misfits(desk), *axe(desk)]
    line.get_by_role("button", name="End them").click()
    expect(line).to_have_count(0)
    assert hub.client.get("/v1/speeds").json()["items"] == []


def test_tomorrow_is_planned_approved_released_and_its_loading_list_printed(desk: Page, hub: Any, axe: Callable[[Page], list[str]]) -> None:
    hub.client.put("/v1/calendar", json={"country": "GB"})
    for number, house in enumerate(hub.orders[:6]):
        window = {"window_start": f"{TOMORROW}T09:00:00Z", "window_end": f"{TOMORROW}T12:00:00Z"}
        new = {"reference": f"T-{number}", "address": house["address"], "parcels": 1 + number % 2} | window
        assert hub.client.post("/v1/orders", json=new).status_code == 201
    go(desk, "tomorrow")
    expect(desk.get_by_label("Day", exact=True)).to_have_value(TOMORROW)
    expect(desk.locator(".empty").first).to_contain_text("No plan yet")
    desk.get_by_text("Change the roster").click()
    desk.get_by_label("Van 4").uncheck()
    desk.get_by_role("button", name="Save the roster").click()
    roster = desk.get_by_role("region", name="Who drives")
    expect(roster.locator(".list > li")).to_have_count(3)
    desk.get_by_role("button", name="Make the plan").click()
    plan = desk.get_by_role("region", name="The day's plan")
    expect(plan).to_contain_text("6 orders")
    expect(plan).to_contain_text("draft")
    expect(plan).to_contain_text("by straight lines")  # this hub has no street extract
    plan.get_by_role("button", name="Approve").click()
    expect(plan).to_contain_text("approved")
    loads = desk.get_by_role("region", name="Loading list, ")
    expect(loads.locator("tbody tr")).to_have_count(6)
    expect(loads.locator("tbody tr td:nth-child(1)")).to_have_text(["1", "2", "3", "4", "5", "6"])
    expect(loads.locator("tbody tr td:nth-child(2)")).to_have_text(["6", "5", "4", "3", "2", "1"])  # what goes in last lies at the door
    picture(desk, "tomorrow-approved")
    assert not axe(desk)
    desk.emulate_media(media="print")
    picture(desk, "tomorrow-paper")
    expect(loads.locator("tbody tr").first).to_be_visible()
    expect(plan).to_be_hidden()
    desk.emulate_media(media="screen")
    plan.get_by_role("button", name="Release to the vans").click()
    expect(plan.get_by_role("alert")).to_contain_text("still on duty")
    with hub.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET duty = 'off' WHERE fleet_id = %s", (hub.fleet,))
    plan.get_by_role("button", name="Release to the vans").click()
    expect(plan.get_by_text("released", exact=True)).to_be_visible()
    expect(plan.get_by_role("button", name="Make it anew")).to_have_count(0)
    depot = hub.client.get("/v1/depots").json()["items"][0]["depot"]
    assert hub.client.get(f"/v1/days/{TOMORROW}/plan", params={"depot": depot}).json()["state"] == "released"
