"""A driver's day on the glass: load, drive, hand over with proof, fail with a reason, report. Every tap is a fact on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, TimeoutError as PlaywrightTimeout, expect
from tests.e2e.pictures import picture

from roundsman_wire.messages import Command, Config


def png(width: int, height: int) -> bytes:
    """A picture as a camera might give it, only duller."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * 7 + y) % 256 for x in range(width)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tile(page: Page, key: str) -> None:
    page.click(f"#sheet [data-key='{key}']")


def menu(page: Page, *keys: str) -> None:
    page.click("#more")
    for key in keys:
        tile(page, key)


def photograph(page: Page, *, width: int = 2400, height: int = 1200) -> None:
    with page.expect_file_chooser() as chooser:
        tile(page, "photo")
    chooser.value.set_files({"name": "door.png", "mimeType": "image/png", "buffer": png(width, height)})
    page.wait_for_selector("#content img")
    tile(page, "use")


def sign(page: Page) -> None:
    tile(page, "signature")
    box = page.locator("#pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 90, steps=6)
    page.mouse.move(box["x"] + 130, box["y"] + 30, steps=6)
    page.mouse.up()
    tile(page, "use")


def to_third_stop(page: Page, van: Any) -> None:
    """The first two are done elsewhere: the third wants photo and signature."""
    for stop in ("o_0", "o_1"):
        assert van.post("/api/actions", {"stop": stop, "outcome": "delivered"}).is_success
    page.wait_for_function("document.querySelector('#address').textContent.startsWith('Pohjoisesplanadi')")
    page.click("[data-act=arrived]:not(.busy)")
    page.wait_for_selector("[data-act=delivered]")


def test_delivery_with_photo_and_signature(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of()
    page = glass("telephone")
    to_third_stop(page, van)
    page.click("[data-act=delivered]:not(.busy)")
    done = page.locator("#tiles [data-key=delivered]")
    expect(done).to_have_attribute("aria-disabled", "true")
    photograph(page)
    sign(page)
    tile(page, "receiver")
    tile(page, "receiver neighbour")
    expect(done).not_to_have_attribute("aria-disabled", "true")
    done.click()
    (fact,) = wait(lambda: [a for a in van.log("action") if a["stop"] == "o_2" and a["outcome"] == "delivered"], "it is on the disk")
    assert [(p["kind"], p["media_type"]) for p in fact["proofs"]] == [("photo", "image/jpeg"), ("signature", "image/png")]
    assert fact["received_by"] == "neighbour"
    blobs = {path.name.split(".")[0]: path.read_bytes() for path in (van.file.parent / "store" / "blobs").rglob("*") if path.is_file()}
    photo = blobs[fact["proofs"][0]["sha256"]]
    at = photo.index(b"\xff\xc0")
    assert struct.unpack(">HH", photo[at + 5 : at + 9]) == (800, 1600)


@pytest.mark.deep
def test_delivery_without_the_proof_says_why(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of()
    page = glass("3.5 inch")
    to_third_stop(page, van)
    page.click("[data-act=delivered]:not(.busy)")
    tile(page, "withoutProof")
    tile(page, "reason customer declined")
    (fact,) = wait(lambda: [a for a in van.log("action") if a["stop"] == "o_2" and a["outcome"] == "delivered"], "it is on the disk")
    assert fact["note"] == "without proof: customer declined"


@pytest.mark.deep
def test_wrong_code_is_asked_for_again(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of(proof=("code",), code_sha256=hashlib.sha256(b"o_0:4711").hexdigest())
    page = glass("5 inch", quiet=True)  # the refusal is a 422, which the browser's console complains of
    page.click("[data-act=arrived]:not(.busy)")
    for code in ("1234", "4711"):
        if code == "1234":
            page.click("[data-act=delivered]:not(.busy)")
        tile(page, "code")
        for digit in code:
            page.click(f".keys button:text-is('{digit}')")
        tile(page, "use")
        page.click("#tiles [data-key=delivered]")
        if code == "1234":
            expect(page.locator("#news")).to_contain_text("code")
    (fact,) = wait(lambda: [a for a in van.log("action") if a["outcome"] == "delivered"], "it is on the disk")
    assert fact["code"] == "4711"


@pytest.mark.deep
@pytest.mark.parametrize(
    ("outcome", "reason", "untick", "parcels"),
    [
        ("refused", "changed mind", "PX-1002", ["PX-1001"]),
        ("damaged", "wet", None, ["PX-1001", "PX-1002"]),
        ("partial", "some damaged", "PX-1002", ["PX-1002"]),
    ],
)
def test_what_is_not_handed_over_is_told_by_parcel(
    glass: Any, van: Any, round_of: Any, wait: Any, outcome: str, reason: str, untick: str | None, parcels: list[str]
) -> None:
    round_of()
    page = glass("3.5 inch")
    page.click("[data-act=arrived]:not(.busy)")
    page.click("[data-act=failed]:not(.busy)")
    photograph(page, width=300, height=200)
    tile(page, outcome)
    if untick:
        page.click(f"label:has-text('{untick}')")
    tile(page, "why")
    tile(page, f"reason {reason}")
    (fact,) = wait(lambda: [a for a in van.log("action") if a["outcome"] == outcome], "it is on the disk")
    assert (fact["reason"], fact["parcels"], [p["kind"] for p in fact["proofs"]]) == (reason, parcels, ["photo"])
    page.click("[data-act=undo]:not(.busy)")
    page.wait_for_function("document.querySelector('#address').textContent.startsWith('Mannerheimintie')")


@pytest.mark.deep
def test_mistaken_arrival_is_taken_back(glass: Any, van: Any, round_of: Any) -> None:
    round_of()
    page = glass("3.5 inch")
    page.click("[data-act=arrived]:not(.busy)")
    page.click("#back")
    page.wait_for_selector("[data-act=arrived]")
    assert [a["outcome"] for a in van.log("action")] == ["arrived", "undo"]


COLLECTED = {"en": ("Collected", "Not collected"), "de": ("Abgeholt", "Nicht abgeholt"),
             "es": ("Recogido", "No recogido"), "fr": ("Collecté", "Non collecté")}  # fmt: skip


def test_way_back_from_a_collection_calls_it_one(glass: Any, van: Any, round_of: Any, audit: Any) -> None:
    """In the driver's language, and when a plan that comes within the minute no longer has the stop."""
    stops = round_of(kind="pickup", items=())
    pages = {language: glass(language=language) for language in COLLECTED}
    for outcome, more in (("failed", {"reason": "closed"}), ("delivered", {})):
        for language, page in pages.items():  # each is looked at within the minute that there is for the way back
            van.has("whatever was said is taken back", lambda state: state["last_action"] is None)
            assert van.post("/api/actions", {"stop": "o_0", "outcome": outcome, **more}).is_success
            done, not_done = COLLECTED[language]
            expect(page.locator("[data-act=undo] small")).to_contain_text(f"{done if outcome == 'delivered' else not_done} · ")
            assert audit(page) == []
            picture(page, f"collected-{outcome}-{language}")
            if (outcome, language) != ("delivered", "fr"):
                page.click("[data-act=undo]:not(.busy)")
    van.hub.give_plan(*stops[1:])
    van.has("the stop is in no plan any more", lambda state: state["plan"]["version"] == van.hub.version)
    expect(pages["en"].locator("[data-act=undo] small")).to_contain_text("Collected · ")
    assert van.screen()["last_action"]["kind"] is None


def test_van_is_loaded_by_scanner_and_by_hand(glass: Any, van: Any, wait: Any, scan: Any, round_of: Any, audit: Any) -> None:
    stops = round_of(duty="off")
    van.hub.give_plan(*stops, depot_lat_e6=van.hub.place.lat_e6, depot_lon_e6=van.hub.place.lon_e6)
    van.has("the second plan is there", lambda state: state["plan"]["version"] == 2)
    page = glass("3.5 inch")
    page.click("[data-act=start]:not(.busy)")
    page.wait_for_selector("#parcels")
    assert page.locator("#parcels .row span").all_inner_texts() == ["Wine, 12 bottles", "Box, books", "Anna Virtanen"]
    scan(page, "PX-1003", "Wine, 12 bottles")
    expect(page.locator("#scanned")).to_contain_text("Shelf A1")
    scan(page, "NOBODYS-1", "NOBODYS-1")
    expect(page.locator("#scanned")).to_have_class("bad")
    page.click("#parcels .row >> text=Box, books")
    expect(page.locator("#about")).to_contain_text("2")
    picture(page, "screen-loading")
    assert audit(page) == []
    tile(page, "depart")
    page.wait_for_selector("[data-act=arrived]")
    scans = [(s["parcel"], s["event"], s.get("by", "scan")) for s in van.log("scan")]
    assert scans == [("PX-1003", "loaded", "scan"), ("NOBODYS-1", "unknown", "scan"), ("PX-1001", "loaded", "hand")]
    expect(page.locator("#sheet")).to_be_hidden()


@pytest.mark.deep
def test_breakdown_is_reported_and_the_message_answered(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of()
    page = glass("5 inch")
    menu(page, "report", "report breakdown", "sendReport")
    (report,) = wait(lambda: van.log("report"), "the report is on the disk")
    assert (report["topic"], report["stop"]) == ("breakdown", "o_0")
    van.hub.say("command", Command(command="c_1", verb="message", text="Can you take one more at Kalevankatu?"), 1)
    expect(page.locator("#news")).to_contain_text("Kalevankatu")
    page.click("#news")
    tile(page, "reply")
    tile(page, "answer yes")
    (said,) = wait(lambda: van.log("said"), "the answer is on the disk")
    assert (said["text"], said["about"]) == ("yes", "c_1")
    expect(page.locator("#mail")).to_be_hidden()


@pytest.mark.deep
def test_driver_changes_the_order_within_its_limits(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of()
    page = glass("telephone")
    menu(page, "stops")
    page.click("#content .row >> text=Pohjoisesplanadi")
    tile(page, "goNext")
    expect(page.locator("#address")).to_have_text("Pohjoisesplanadi 33")
    (fact,) = wait(lambda: van.log("reordered"), "the order is on the disk")
    assert fact["stops"][0] == "o_2"


def test_hub_sets_language_unit_and_time_zone(glass: Any, van: Any, round_of: Any) -> None:
    round_of()
    page = glass("5 inch")
    config = Config(version=1, language="de", distance_unit="mi", time_zone="Asia/Kolkata")
    van.hub.say("config", config, 1)
    expect(page.locator("[data-act=arrived]")).to_have_text("Ange\u00adkommen")
    expect(page.locator("#distance")).to_have_text("0,3\u00a0mi", use_inner_text=True)
    there = page.evaluate(
        "new Intl.DateTimeFormat('de', {timeZone: 'Asia/Kolkata', hour: '2-digit', minute: '2-digit'}).format(Date.now())"
    )
    shown = page.inner_text("#clock")
    minutes = [int(hour) * 60 + int(minute) for hour, minute in (there.split(":"), shown.split(":"))]
    assert (minutes[0] - minutes[1] + 1) % 1440 <= 2, "the minute may end between two looks"
    assert page.get_attribute("html", "lang") == "de"


@pytest.mark.deep
def test_call_and_guidance_are_one_tap(glass: Any, van: Any, round_of: Any) -> None:
    stops = round_of()
    page = glass("telephone", user_agent="Mozilla/5.0 (Linux; Android 14) Chrome/126")
    assert page.get_attribute("#call", "href") == "tel:+35891234567"
    place = f"{stops[0].lat_e6 / 1e6:.6f},{stops[0].lon_e6 / 1e6:.6f}"
    assert (page.get_attribute("#drive", "href") or "").startswith(f"geo:{place}?q={place}(Mannerheimintie")
    page.evaluate("localStorage.setItem('drive', 'waze')")
    expect(page.locator("#drive")).to_have_attribute("href", f"waze://?navigate=yes&ll={place}")


def test_whole_round_goes_by_keyboard_alone(glass: Any, van: Any, round_of: Any, wait: Any) -> None:
    round_of(duty="off")
    page = glass("5 inch")

    def reach(selector: str) -> None:
        for _ in range(30):
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {selector}")

    def press(selector: str, then: str) -> None:
        """Again when the page was drawn anew between the last Tab and Enter, as anybody would."""
        page.wait_for_selector(f"{selector}:not(.busy)")
        for _ in range(6):
            if page.locator(then).is_visible():
                return
            if page.locator("[data-key=depart]").is_visible():  # before the first fix the van may well stand at the depot
                page.keyboard.press("Escape")
            reach(selector)
            page.keyboard.press("Enter")
            with contextlib.suppress(PlaywrightTimeout):
                page.wait_for_selector(then, timeout=10_000)
                return
        raise AssertionError(f"Enter on {selector} does not lead to {then}")

    steps = ("[data-act=start]", "[data-act=arrived]", "[data-act=failed]", "[data-key='reason closed']")
    for selector, then in pairwise(steps):
        press(selector, then)
    reach(steps[-1])
    page.keyboard.press("Enter")
    (fact,) = wait(lambda: [a for a in van.log("action") if a["outcome"] == "failed"], "it is on the disk")
    assert fact["reason"] == "closed"
    reach("#more")
    page.keyboard.press("Enter")
    expect(page.locator("#sheet")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sheet")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "more"
