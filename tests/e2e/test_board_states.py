"""The board's sheets and dialogs, and things half done: by the rules of WCAG 2.2 AA, and nothing cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.pictures import picture

from roundsman_hub.store.db import Database
from roundsman_sim.board_hub import BoardHub, board_hub
from roundsman_sim.board_states import VIEWS, prepare, states

LOOKS = [
    pytest.param(320, 640, "dark", id="telephone-dark"),
    pytest.param(1280, 720, "light", id="laptop-light", marks=pytest.mark.deep),
    pytest.param(2560, 1440, "dark", id="wall-dark", marks=pytest.mark.deep),
]


@pytest.fixture(scope="module")
def day(plain_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardHub]:
    if not (Path(__file__).parents[2] / "hub" / "roundsman_hub" / "web" / "dispatch.html").exists():
        pytest.skip("the pages are not built: run .ci/web")
    with board_hub(plain_database, tmp_path_factory.mktemp("board")) as hub:
        prepare(hub)
        yield hub


@pytest.mark.timeout(420)  # forty states, each looked at by axe: half a minute, and more than one where a machine is crowded
@pytest.mark.parametrize(("width", "height", "scheme"), LOOKS)
def test_sheets_and_dialogs_keep_the_rules(
    opened: Callable[..., Page],
    day: BoardHub,
    misfits: Callable[[Page], list[str]],
    axe: Callable[[Page], list[str]],
    width: int,
    height: int,
    scheme: str,
) -> None:
    page = opened(width, height, scheme)
    page.goto(day.url)
    page.get_by_label("API key").fill(day.key)
    page.keyboard.press("Enter")
    expect(page.locator(".link")).to_have_text("live")
    wrong = []
    for state in states(page, day):
        picture(page, f"state-{width}-{state}")
        wrong += [f"{state}: {text}" for text in (*misfits(page), *axe(page))]
    assert not wrong, "\n".join(wrong)


CONTROLS = """() => {
  const all = [...document.querySelectorAll('main :is(a[href], button, input, select, summary, [tabindex="0"])')];
  return all.filter(node => node.tabIndex >= 0 && node.checkVisibility({visibilityProperty: true}) && node.getClientRects().length)
    .map((node, at) => { node.dataset.control = String(at); return String(at); });
}"""
LEFT = """wanted => wanted.map(at => document.querySelector(`[data-control="${at}"]`)).filter(node => node?.checkVisibility())
  .map(node => node.outerHTML.slice(0, 100))"""
FOCUSED = """() => {
  const node = document.activeElement;
  if (!node || !node.closest("main") || node.matches("main")) return null;
  const box = node.getBoundingClientRect(), style = getComputedStyle(node);
  const points = [[.5, .5], [.1, .5], [.9, .5], [.5, .1], [.5, .9]].map(([x, y]) => [box.left + box.width * x, box.top + box.height * y]);
  const seen = points.some(([x, y]) => node.contains(document.elementFromPoint(x, y)));
  const marked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== "none";
  const name = node.getAttribute("aria-label") ?? node.textContent;
  return {at: node.dataset.control ?? null, seen, marked, what: `${node.tagName} ${name}`.slice(0, 60)};
}"""


@pytest.mark.timeout(420)  # every control of a dozen pages, by Tab alone
@pytest.mark.parametrize(("width", "height"), [(320, 640), pytest.param(1280, 720, marks=pytest.mark.deep)])
def test_every_control_of_every_page_is_reached_by_keys_and_seen(
    opened: Callable[..., Page], day: BoardHub, width: int, height: int
) -> None:
    """WCAG 2.1.1, 2.1.2, 2.4.7 and 2.4.11: from the menu to each page, and along it with Tab alone; what has the focus shows it."""
    page = opened(width, height)
    keys = page.keyboard
    page.goto(day.url)
    expect(page.get_by_label("API key")).to_be_focused()  # as soon as the page is drawn, which is later than it is loaded
    keys.type(day.key)
    keys.press("Enter")
    expect(page.locator(".link")).to_have_text("live")
    wrong = []
    for view in VIEWS:
        if width < 600:
            page.get_by_role("button", name="Menu").focus()
            keys.press("Enter")
        page.locator(f'.rail a[href="#/{view}"]').focus()
        keys.press("Enter")
        expect(page.locator(f"main.{view}")).to_be_focused()
        expect(page.get_by_text("Asking the hub")).to_have_count(0)
        if view in ("now", "fences"):
            page.wait_for_selector("[data-map=ready]")
        for look in range(3):  # what stands elsewhere by now, because the fleet moves on, is met on the next way along the page
            if look:
                page.locator("main").focus()
            missed = set(page.evaluate(CONTROLS))
            for _ in range(6 * len(missed) + 20):  # a field for a date has a stop for each of its parts
                keys.press("Tab")
                found = page.evaluate(FOCUSED)
                if found is None:
                    break
                missed.discard(found["at"])
                wrong += [f"{view}: {what}: {found['what']}" for what in ("seen", "marked") if not found[what]]
            else:
                wrong.append(f"{view}: the focus does not come out")
            left = page.evaluate(LEFT, sorted(missed))
            if not left:
                break
        wrong += [f"{view}: missed: {html}" for html in left]
    assert not wrong, "\n".join(dict.fromkeys(wrong))
