"""Forms drawn from the hub's list of terms: they ask whatever the API takes, and send back no more than what was changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.pictures import picture

from roundsman_hub.store.db import Database
from roundsman_sim.board_hub import BoardHub, board_hub


@pytest.fixture(scope="module")
def day(plain_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardHub]:
    if not (Path(__file__).parents[2] / "hub" / "roundsman_hub" / "web" / "dispatch.html").exists():
        pytest.skip("the pages are not built: run .ci/web")
    with board_hub(plain_database, tmp_path_factory.mktemp("board"), orders=4) as hub:
        yield hub


@pytest.fixture
def desk(opened: Callable[..., Page], day: BoardHub) -> Page:
    page = opened(locale="en-IE")
    page.goto(day.url)
    page.get_by_label("API key").fill(day.key)
    page.keyboard.press("Enter")
    expect(page.locator(".link")).to_have_text("live")
    return page


def at_page(page: Page, view: str) -> None:
    page.evaluate("view => location.hash = `#/${view}`", view)


def asked_in(form: Locator, day: BoardHub, owner: str) -> tuple[set[str], set[str]]:
    """What a form asks, and what the API says can be changed, both by their place."""
    expect(form.get_by_role("button", name="Save")).to_be_visible()
    said = [one for one in day.client.get("/v1/terms").json()["terms"] if one["owner"] == owner and one["changeable"]]
    wheres = {one["where"] for one in said}
    names = form.locator("[name]").evaluate_all("all => all.map(one => one.name)")
    columns = {f"{one['where']}.{column['name']}" for one in said if one["type"] in ("record", "list") for column in one["fields"]}
    drawn = {name if name in wheres else name.rsplit(".", 2)[0] for name in names}
    assert columns <= {f"{name.rsplit('.', 2)[0]}.{name.rsplit('.', 1)[-1]}" for name in names if name.count(".") >= 2}
    return drawn, wheres


def kept(desk: Page, form: Locator) -> None:
    """Saved: the page's word for it may still stand there from the change before."""
    with desk.expect_response(lambda answer: answer.request.method in ("PATCH", "PUT")) as answered:
        form.get_by_role("button", name="Save").click()
    assert answered.value.ok, answered.value.text()
    expect(desk.locator(".said")).to_have_text("Kept")


def told(day: BoardHub, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = day.client.get(path).json()
    return answer


def test_whatever_the_api_takes_of_an_order_can_be_said_at_the_desk(desk: Page, day: BoardHub) -> None:
    """The form is drawn from the hub's list of terms; what is said in it comes back from the API as it was meant."""
    level = {"cut_off": "23:00", "working_days_later": 0, "window_start": "06:00", "window_end": "23:00"}
    assert day.client.put("/v1/service-levels/same-day", json=level).status_code == 200
    at_page(desk, "orders")
    desk.get_by_role("button", name="New order").click()
    form = desk.get_by_role("dialog", name="New order")
    form.get_by_text("More", exact=True).click()
    expect(form.get_by_label("Never later than")).to_be_visible()
    asked = {
        field.split(".", 1)[1] if field.startswith("needs.") else field
        for field in form.locator("[name]").evaluate_all("all => all.map(one => one.name)")
    }
    terms = {one["name"] for one in day.client.get("/v1/terms").json()["terms"] if one["owner"] == "order"} - {"depot"}  # there is one
    assert terms == {name for name in terms if name in asked or any(one.startswith(f"{name}.") for one in asked)}
    at = day.place.place(day.place.houses[8].door_m)
    form.get_by_label("Reference").fill("M-1")
    form.get_by_label("Latitude").fill(f"{at.lat_deg:.6f}")
    form.get_by_label("Longitude").fill(f"{at.lon_deg:.6f}")
    form.get_by_label("Service level").select_option("same-day")
    expect(form.locator("[name=window_start]")).to_have_count(0)
    form.get_by_label("Time at the door (min)", exact=True).fill("2.5")
    form.get_by_label("Weight (kg)").last.fill("12.5")
    form.get_by_label("Price of leaving it out").fill("90")
    form.get_by_label("Signature").check()
    form.get_by_label("Barcode").fill("4006381333931")
    form.get_by_role("group", name="Parcels one by one").get_by_role("button", name="One more").click()
    form.get_by_label("Barcode").last.fill("4006381333948")
    form.get_by_label("Time at the door by kind of vehicle").fill("bike: 3, truck: 8")
    form.get_by_label("Only these vehicles").select_option([day.vehicles[0], day.vehicles[1]])
    form.get_by_label("Skills that").fill("cold, two people")
    form.get_by_role("group", name="Further windows").get_by_label("From").fill("2026-03-02T20:00")
    form.get_by_role("group", name="Further windows").get_by_label("To").fill("2026-03-02T21:00")
    picture(desk, "walk-neworder")
    form.get_by_role("button", name="Take the order").click()
    expect(desk.get_by_role("heading", name="M-1")).to_be_visible()
    (taken,) = [one for one in day.client.get("/v1/orders", params={"limit": 500}).json()["items"] if one["reference"] == "M-1"]
    assert (taken["service_s"], taken["parcels"]) == (150, 2)
    needs = taken["needs"]
    assert (needs["service_level"], needs["weight_g"], needs["left_out_cents"]) == ("same-day", 12_500, 9_000)
    assert (needs["service_by_type"], needs["skills"]) == ({"bike": 180, "truck": 480}, ["cold", "two people"])
    assert needs["vehicles"] == day.vehicles[:2]
    assert len(needs["more_windows"]) == 1


def test_van_is_changed_on_its_sheet(desk: Page, day: BoardHub) -> None:
    """All that binds its plans; a refusal stands at its field and has the focus; what nobody touched stays as it was."""
    path = f"/v1/vehicles/{day.vehicles[0]}"
    before = told(day, path)
    at_page(desk, f"vans/{day.vehicles[0]}")
    opener = desk.get_by_role("button", name="Change: Van 1")
    opener.focus()
    desk.keyboard.press("Enter")
    form = desk.get_by_role("dialog", name="Change: Van 1")
    asked, wanted = asked_in(form, day, "vehicle")
    assert asked == wanted
    kind = form.get_by_label("Kind of vehicle")
    kind.fill("x" * 81)
    kind.press("Enter")
    expect(kind).to_have_attribute("aria-invalid", "true")
    expect(kind).to_be_focused()
    expect(kind).to_have_accessible_description("String should have at most 80 characters")
    kind.fill("cargo bike")
    form.get_by_label("Parcels that fit in").fill("14")
    form.get_by_label("Has or can").fill("cold, lift")
    form.get_by_label("May load again at").select_option(day.depot)
    form.get_by_label("Overtime, at most (min)").fill("45")
    form.get_by_label("An hour of work (EUR)").fill("31.5")
    form.get_by_label("Electric range (km)").fill("80.5")
    pause = form.get_by_role("group", name="Breaks")
    pause.get_by_label("Begins from").fill("2026-03-02T11:00")
    pause.get_by_label("Begins until").fill("2026-03-02T13:00")
    pause.get_by_label("Takes (min)").fill("30")
    clocks = form.get_by_role("group", name="Hours of service")
    clocks.get_by_label("Rules").select_option("eu_561")
    for label, minutes in (("Driving left to a break (min)", "200"), ("Driving left today (min)", "400"), ("Duty left (min)", "500")):
        clocks.get_by_label(label).fill(minutes)
    kept(desk, form)
    expect(form).to_have_count(0)
    expect(opener).to_be_focused()
    expect(desk.get_by_text("Advisory: counted from how the van moves")).to_be_visible()
    after = told(day, path)
    terms = {"type": "cargo bike", "skills": ["cold", "lift"], "reload_depots": [day.depot], "overtime_s": 2_700, "cents_per_hour": 3_150}
    terms |= {"range_m": 80_500, "breaks": after["terms"]["breaks"], "hours": after["terms"]["hours"]}
    assert after == before | {"capacity": 14, "terms": before["terms"] | terms}
    [pause_kept] = after["terms"]["breaks"]
    assert (pause_kept["earliest"], pause_kept["duration_s"], pause_kept["reason"]) == ("2026-03-02T11:00:00Z", 1_800, "break")
    assert (after["terms"]["hours"]["rule"], after["terms"]["hours"]["to_break_min"]) == ("eu_561", 200)

    opener.click()
    expect(form.get_by_label("Overtime, at most (min)")).to_have_value("45")
    form.get_by_role("button", name="Breaks: Remove 1").click()
    form.get_by_label("Electric range (km)").fill("")
    kept(desk, form)
    again = told(day, path)["terms"]
    assert (again["breaks"], again["range_m"], again["hours"]) == ([], None, after["terms"]["hours"])


def test_driver_is_changed_on_their_sheet(desk: Page, day: BoardHub) -> None:
    driver = told(day, f"/v1/vehicles/{day.vehicles[1]}")["driver"]
    before = told(day, f"/v1/drivers/{driver}")
    at_page(desk, f"drivers/{driver}")
    desk.get_by_role("button", name=f"Change: {before['name']}").click()
    form = desk.get_by_role("dialog")
    asked, wanted = asked_in(form, day, "driver")
    assert asked == wanted
    form.get_by_label("Can").fill("two people")
    form.get_by_label("A stop in a territory that is not familiar (EUR)").fill("harbour: 2.5, north: 4")
    kept(desk, form)
    terms = {"skills": ["two people"], "strange": {"harbour": 250, "north": 400}, "hours": None}
    assert told(day, f"/v1/drivers/{driver}") == before | {"terms": terms}
    expect(desk.locator("#sheet")).to_contain_text("two people")


def test_depot_prices_traffic_chargers_and_units_are_changed_in_the_settings(desk: Page, day: BoardHub) -> None:
    at_page(desk, "settings")
    depot = told(day, f"/v1/depots/{day.depot}")
    desk.get_by_role("region", name="Depots").get_by_role("button", name="Change").click()
    form = desk.get_by_role("dialog")
    asked, wanted = asked_in(form, day, "depot")
    assert asked == wanted
    form.get_by_label("Loading again takes (min)").fill("12")
    opens = form.get_by_role("group", name="Vehicles may load again")
    opens.get_by_label("From").fill("2026-03-02T06:00")
    opens.get_by_label("To").fill("2026-03-02T18:00")
    kept(desk, form)
    windows = [["2026-03-02T06:00:00Z", "2026-03-02T18:00:00Z"]]
    assert told(day, f"/v1/depots/{day.depot}") == depot | {"terms": {"reload_s": 720, "windows": windows}}

    planning = told(day, "/v1/fleets/me")["planning"]
    rules = desk.get_by_role("region", name="What a plan costs")
    asked, wanted = asked_in(rules, day, "fleet")
    assert asked == wanted
    bands = rules.get_by_role("group", name="Travel times")
    bands.get_by_label("Name", exact=True).fill("rush")
    bands.get_by_label("From this time of day").fill("07:30")
    bands.get_by_label("Times the roads' own").fill("1.4")
    bands.get_by_role("button", name="One more").click()
    bands.get_by_label("Name", exact=True).nth(1).fill("rush")
    bands.get_by_label("From this time of day").nth(1).fill("09:30")
    bands.get_by_label("Times the roads' own").nth(1).fill("1")
    plug = rules.get_by_role("group", name="Chargers")
    for label, text in (("Name", "Quay"), ("Latitude", "60.1"), ("Longitude", "24.9"), ("Full charge (min)", "40")):
        plug.get_by_label(label, exact=True).fill(text)
    kept(desk, rules)
    chargers = [{"name": "Quay", "lat_deg": 60.1, "lon_deg": 24.9, "charge_s": 2_400}]
    profiles = {"rush": [{"start": "07:30", "factor": 1.4}, {"start": "09:30", "factor": 1}]}
    assert told(day, "/v1/fleets/me")["planning"] == planning | {"chargers": chargers, "profiles": profiles}

    units = desk.get_by_role("region", name="Every van's unit")
    asked, wanted = asked_in(units, day, "unit")
    assert asked == wanted
    units.get_by_label("Positions that are kept").select_option("sparse")
    units.get_by_label("A visit at a planned stop after (s)").fill("45")
    kept(desk, units)
    expect(units.get_by_label("A visit at a planned stop after (s)")).to_have_value("45")
    at_page(desk, f"vans/{day.vehicles[2]}")
    desk.get_by_role("button", name="Unit: Van 3").click()
    form = desk.get_by_role("dialog")
    expect(form.get_by_label("A visit at a planned stop after (s)")).to_have_attribute("placeholder", "45")
    form.get_by_label("Language of the driver's screen").select_option("de")
    kept(desk, form)
    expect(form).to_have_count(0)
    unit = told(day, f"/v1/vehicles/{day.vehicles[2]}/unit-settings")
    assert {name: value for name, value in unit["own"].items() if value is not None} == {"language": "de"}
    held = {name: value for name, value in unit["held"].items() if value is not None}
    assert held == {"language": "de", "sampling": "sparse", "stop_planned_s": 45}


def all_asked(form: Locator, day: BoardHub, owner: str) -> None:
    """A form for what is not there yet asks everything that the API takes of it."""
    expect(form.get_by_role("button", name="Save")).to_be_visible()
    wheres = {one["where"] for one in day.client.get("/v1/terms").json()["terms"] if one["owner"] == owner}
    names = form.locator("[name]").evaluate_all("all => all.map(one => one.name)")
    assert {name if name in wheres else name.rsplit(".", 2)[0] for name in names} == wheres


def made(desk: Page, form: Locator, path: str) -> dict[str, Any]:
    with desk.expect_response(lambda answer: answer.request.method == "POST" and answer.url.endswith(path)) as answered:
        form.get_by_role("button", name="Save").click()
    assert answered.value.status == 201, answered.value.text()
    expect(form).to_have_count(0)
    answer: dict[str, Any] = answered.value.json()
    return answer


@pytest.mark.parametrize("width", [1440, 320])
def test_depot_driver_and_van_are_made_at_the_desk(opened: Callable[..., Page], day: BoardHub, width: int) -> None:
    """From nothing to a van that its depot plans with: the same forms as for changes, empty."""
    desk = opened(width=width, locale="en-IE")
    desk.goto(day.url)
    desk.get_by_label("API key").fill(day.key)
    desk.keyboard.press("Enter")
    expect(desk.locator(".link")).to_have_text("live")
    at_page(desk, "settings")
    desk.get_by_role("button", name="New depot").click()
    form = desk.get_by_role("dialog", name="New depot")
    all_asked(form, day, "depot")
    form.get_by_label("Name", exact=True).first.fill(f"Quay {width}")
    form.get_by_label("Latitude").first.fill("91")
    form.get_by_label("Longitude").first.fill("24.9")
    picture(desk, f"new-depot-{width}")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_visible()
    form.get_by_label("Latitude").first.fill("60.1")
    depot = made(desk, form, "/v1/depots")
    expect(desk.get_by_role("button", name=f"Change: Quay {width}")).to_be_visible()
    assert (depot["name"], depot["lat_deg"], depot["lon_deg"]) == (f"Quay {width}", 60.1, 24.9)

    at_page(desk, "drivers")
    desk.get_by_role("button", name="New driver").click()
    form = desk.get_by_role("dialog", name="New driver")
    all_asked(form, day, "driver")
    form.get_by_label("Name", exact=True).first.fill(f"Driver {width}")
    form.get_by_label("Can").fill("two people")
    picture(desk, f"new-driver-{width}")
    driver = made(desk, form, "/v1/drivers")
    expect(desk.locator("#sheet").get_by_role("heading", name=f"Driver {width}")).to_be_visible()
    assert driver["terms"]["skills"] == ["two people"]

    at_page(desk, "vans")
    desk.get_by_role("button", name="New van").click()
    form = desk.get_by_role("dialog", name="New van")
    all_asked(form, day, "vehicle")
    form.locator("[name=name]").fill(f"Van of {width}")
    form.locator("[name=depot]").select_option(depot["depot"])
    form.locator("[name=driver]").select_option(driver["driver"])
    form.locator("[name=capacity]").fill("40")
    form.locator("[name=shift_start]").fill("2026-03-02T07:00")
    form.locator("[name=shift_end]").fill("2026-03-02T06:00")
    form.get_by_label("Has or can").fill("lift")
    picture(desk, f"new-van-{width}")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("shift_end must be after shift_start")
    form.locator("[name=shift_end]").fill("2026-03-02T16:00")
    van = made(desk, form, "/v1/vehicles")
    assert (van["depot"], van["driver"], van["capacity"], van["terms"]["skills"]) == (depot["depot"], driver["driver"], 40, ["lift"])
    expect(desk.locator("#sheet").get_by_role("heading", name=f"Van of {width}").first).to_be_visible()
    expect(desk.locator("#sheet")).to_contain_text(f"roundsman-hub provision {van['vehicle']} --out DIR")
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    picture(desk, f"made-van-{width}")


def test_order_is_changed_on_its_page_and_says_what_it_asks_for(desk: Page, day: BoardHub) -> None:
    """All that can be said of it later, too; only what was said stands on its page; and what it costs is a press away."""
    path = f"/v1/orders/{day.orders[0]['order']}"
    at_page(desk, f"orders/{day.orders[0]['order']}")
    expect(desk.get_by_role("heading", name="What it asks for")).to_have_count(0)
    desk.get_by_role("button", name="Change: ").click()
    form = desk.get_by_role("dialog", name="Change: ")
    asked, wanted = asked_in(form, day, "order")
    assert asked == wanted
    form.get_by_label("Window until").fill("2026-03-02T21:30")
    form.get_by_label("Promised until").fill("2026-03-02T21:00")
    form.get_by_label("Skills that vehicle or driver need").fill("cold")
    form.get_by_label("Goods already on board of").select_option(day.vehicles[1])
    form.get_by_label("Time at the door by kind of vehicle").fill("bike: 3")
    form.get_by_label("Never later than").fill("2026-03-02T22:00")
    before = told(day, path)
    kept(desk, form)
    after = told(day, path)
    assert (after["window_end"], after["promise_end"]) == ("2026-03-02T21:30:00Z", "2026-03-02T21:00:00Z")
    needs = {"skills": ["cold"], "on_board": day.vehicles[1], "service_by_type": {"bike": 180}, "deadline": "2026-03-02T22:00:00Z"}
    assert after["needs"] == before["needs"] | needs
    facts = desk.locator(".sheet", has=desk.get_by_role("heading", name="What it asks for"))
    expect(facts).to_contain_text("Skills that vehicle or driver needcold")
    expect(facts).to_contain_text("Goods already on board ofVan 2")
    expect(facts).to_contain_text("bike: 3")
    expect(facts).not_to_contain_text("Territory")
    desk.get_by_role("button", name="Why?").click()
    expect(desk.locator(".why")).to_contain_text("goods are on board of a van that may not bring them here")
    expect(desk.locator(".why li")).to_contain_text(["skills that it needs"])
    picture(desk, "order-asks")


def test_what_if_is_tried_out_and_no_van_is_told(desk: Page, day: BoardHub) -> None:
    at_page(desk, "board")
    desk.get_by_role("button", name="What if").click()
    form = desk.get_by_role("dialog", name="What if")
    if form.get_by_label("Depot").count():
        form.get_by_label("Depot").first.select_option(day.depot)
    form.get_by_label("More vans").fill("2")
    form.get_by_label("Order", exact=True).select_option(day.orders[1]["order"])
    form.get_by_label("From", exact=True).fill("2026-03-02T16:00")
    form.get_by_label("To", exact=True).fill("2026-03-02T17:00")
    form.get_by_label("Latitude").fill("60.2")
    form.get_by_label("Longitude").fill("24.9")
    with desk.expect_response(lambda answer: answer.url.endswith("/v1/whatif")) as answered:
        form.get_by_role("button", name="Try it out").click()
    assert answered.value.ok, answered.value.text()
    sent, found = answered.value.request.post_data_json, answered.value.json()
    assert sent is not None
    assert (sent["more_vans"], sent["depot_at"]) == (2, {"lat_deg": 60.2, "lon_deg": 24.9})
    assert [one["order"] for one in sent["windows"]] == [day.orders[1]["order"]]
    for row in ("Vans that drive", "Hours of work", "Kilometres"):
        expect(form.get_by_role("table")).to_contain_text(row)
    word = "save" if found["saves_cents"] > 0 else "cost"
    expect(form.get_by_role("status")).to_contain_text(f"It would {word}")
    picture(desk, "what-if")
    with desk.expect_download() as download:
        form.get_by_role("button", name="Save this day as a file").click()
    problem = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (problem["format"], len(problem["vans"])) == ("roundsman-problem/1", len(day.vehicles))
    assert download.value.suggested_filename.startswith(f"problem-{day.depot}-2026")


def test_drivers_come_from_a_file_at_the_desk(desk: Page, day: BoardHub) -> None:
    at_page(desk, "drivers")
    desk.get_by_role("button", name="From a file: Drivers").click()
    lines = b"name,skills,strange\nAda,cold,north:250\n,lift,\n"
    desk.get_by_label("File", exact=True).set_input_files({"name": "d.csv", "mimeType": "text/csv", "buffer": lines})
    dialog = desk.get_by_role("dialog", name="From a file: Drivers")
    expect(dialog).to_contain_text("1 line taken")
    expect(dialog.locator("tbody tr")).to_contain_text(["name"])
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("link", name="Ada")).to_be_visible()
    [made] = [one for one in day.client.get("/v1/drivers?limit=500").json()["items"] if one["name"] == "Ada"]
    assert (made["terms"]["skills"], made["terms"]["strange"]) == (["cold"], {"north": 250})
