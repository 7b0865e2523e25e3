"""A camera of the unit's own: the driver sees what it sees before the picture is taken. Chromium's pretend camera."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect
from tests.e2e.pictures import picture

MORE_FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""A camera that sees a moving pattern, and a person who lets the page at it."""


def tile(page: Page, key: str) -> None:
    page.click(f"#sheet [data-key='{key}']")


def at_the_door(page: Page, van: Any) -> None:
    for stop in ("o_0", "o_1"):
        assert van.post("/api/actions", {"stop": stop, "outcome": "delivered"}).is_success
    page.wait_for_function("document.querySelector('#address').textContent.startsWith('Pohjoisesplanadi')")
    page.click("[data-act=arrived]:not(.busy)")
    page.click("[data-act=delivered]:not(.busy)")


def test_photo_is_taken_through_a_live_viewfinder(glass: Any, van: Any, round_of: Any, audit: Any) -> None:
    """A camera that is gone, or that another program has, leaves the file; and it is off when it is not looked through."""
    round_of()
    page = glass("3.5 inch", quiet=True)
    at_the_door(page, van)
    page.evaluate("""() => {
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        window.streams = [];
        navigator.mediaDevices.getUserMedia = async (wish) => { const got = await ask(wish); window.streams.push(got); return got; };
    }""")
    tile(page, "photo")
    page.wait_for_function("document.querySelector('#finder')?.videoWidth > 0")
    picture(page, "3.5 inch-en-viewfinder")
    assert audit(page) == []
    tile(page, "takePhoto")
    page.wait_for_selector("#content img")
    assert page.evaluate("window.streams.every((one) => one.getTracks().every((track) => track.readyState === 'ended'))")
    tile(page, "use")
    expect(page.locator("#sheet [data-key=photo]")).to_have_class("done")
    files = [path for path in (van.file.parent / "store" / "blobs").rglob("*") if path.is_file()]
    (blob,) = [path for path in files if path.read_bytes()[:2] == b"\xff\xd8"]
    assert blob.stat().st_size > 2_000
    page.evaluate("() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error('another program has it')); }")
    tile(page, "photo")
    expect(page.locator("#news")).to_have_class("bad")
    with page.expect_file_chooser() as chooser:
        tile(page, "fromFile")
    chooser.value.set_files({"name": "door.jpg", "mimeType": "image/jpeg", "buffer": blob.read_bytes()})
    page.wait_for_selector("#content img")
