"""The dispatcher's hand on an order: kept by a van, as a stop, or kept from vans, with what it comes to told first; and given back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

LANGUAGES = Path(__file__).parents[2] / "dashboards" / "web" / "src" / "dispatch" / "words"
WORDS = {
    "en-IE": ("Keep or forbid a van", "Stays with", "Never with", "Keep it so", "Leave it to the planner"),
    "de-DE": ("Fahrzeug festlegen oder sperren", "Bleibt bei", "Nie bei", "So festlegen", "Der Planung überlassen"),
    "fr-FR": ("Fixer ou interdire un véhicule", "Reste à", "Jamais à", "Fixer ainsi", "Laisser à la planification"),
    "es-ES": ("Fijar o prohibir una furgoneta", "Se queda con", "Nunca con", "Fijarlo así", "Dejarlo a la planificación"),
}
SIZES = [("en-IE", 320, "dark"), ("de-DE", 1440, "light"), ("fr-FR", 320, "light"), ("es-ES", 1440, "dark")]


@pytest.mark.parametrize(("locale", "width", "scheme"), SIZES)
def test_an_order_is_pinned_kept_from_a_van_and_given_back(
    opened: Callable[..., Page],
    hub: Any,
    axe: Callable[[Page], list[str]],
    misfits: Callable[[Page], list[str]],
    locale: str,
    width: int,
    scheme: str,
) -> None:
    """By keys alone, in four languages: what it would come to is told before it is done."""
    act, stays, never, keep, release = WORDS[locale]
    order = hub.client.get("/v1/orders", params={"state": "planned", "limit": 50}).json()["items"][-1]
    door = f"/v1/orders/{order['order']}/assignment"
    hub.client.delete(door)
    candidates = hub.client.get("/v1/candidates", params={"order": order["order"]}).json()
    van = next(one["vehicle"] for one in candidates if one["feasible"] and one["vehicle"] != order["vehicle"])
    page = opened(locale=locale, width=width, scheme=scheme)
    page.goto(f"{hub.url}/#/orders/{order['order']}")
    page.locator("input[type=password], input").first.fill(hub.key)
    page.keyboard.press("Enter")

    def dialog() -> Any:
        button = page.get_by_role("button", name=act)
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").get_by_label(stays)).to_be_visible()
        return page.get_by_role("dialog")

    def press(name: str) -> None:
        page.get_by_role("dialog").get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)

    box = dialog()
    expect(box.get_by_role("button", name=keep)).to_have_count(0)
    expect(box.get_by_role("button", name=release)).to_have_count(0)
    box.get_by_label(stays).select_option(van)
    box.locator("input[type=number]").fill("1")
    expect(box.locator(".effect[role=status]")).to_contain_text("·")
    expect(box.get_by_role("button", name=keep)).to_be_visible()
    if folder := os.environ.get("ROUNDSMAN_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"bind-{locale}-{width}.png"))
    assert not [*misfits(page), *axe(page)]
    assert hub.client.get(door).json()["vehicle"] is None, "nothing was done yet"
    press(keep)
    assert (hub.client.get(door).json()["vehicle"], hub.client.get(door).json()["position"]) == (van, 1)

    box = dialog()
    name = box.get_by_label(stays).locator("option:checked").inner_text()
    expect(box.locator("p.quiet").first).to_contain_text(name)
    box.get_by_label(stays).select_option("")
    box.get_by_role("group", name=never).get_by_role("checkbox").nth([v["vehicle"] for v in _vans(hub)].index(van)).check()
    expect(box.get_by_role("button", name=keep)).to_be_visible()
    press(keep)
    assert hub.client.get(door).json() == {"vehicle": None, "position": None, "forbid": [van]}

    box = dialog()
    words = json.loads((LANGUAGES / f"{locale[:2]}.json").read_text(encoding="utf-8"))
    told = box.locator(".released")
    expect(told).to_contain_text(words["bind.release_means"])
    best = next(one for one in hub.client.get("/v1/candidates", params={"order": order["order"]}).json() if one["feasible"])
    key = "bind.release_stays" if best["vehicle"] == order["vehicle"] else "bind.release_best"
    expect(told.get_by_role("status")).to_contain_text(words[key].partition("{")[0])
    expect(told.get_by_role("status")).to_contain_text(next(v["name"] for v in _vans(hub) if v["vehicle"] == best["vehicle"]))
    if folder := os.environ.get("ROUNDSMAN_PICTURES"):
        told.scroll_into_view_if_needed()
        page.screenshot(path=str(Path(folder) / f"released-{locale}-{width}.png"))
    assert not [*misfits(page), *axe(page)]
    assert hub.client.get(door).json()["forbid"] == [van], "nothing was done yet"
    press(release)
    assert hub.client.get(door).json() == {"vehicle": None, "position": None, "forbid": []}


def _vans(hub: Any) -> list[dict[str, Any]]:
    """As the board lists them: by name."""
    return sorted(hub.client.get("/v1/live").json()["vehicles"], key=lambda van: van["name"])


@pytest.mark.parametrize("width", [320, 1440])
def test_how_far_each_plan_came_is_told_with_its_times(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], width: int
) -> None:
    """Committed, sent, on the van, in force, seen; and when one was declined, or its time was over."""
    van = hub.vehicles[0]
    page = opened(locale="en-IE", width=width, scheme="light")
    page.goto(f"{hub.url}/#/vans/{van}")
    page.locator("input[type=password], input").first.fill(hub.key)
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Plans").get_by_role("table")
    heads = ["Made", "Sent", "On the van", "In force", "Seen", "State"]
    expect(table.get_by_role("columnheader")).to_have_text(heads)
    expect(table.get_by_role("row").nth(1)).to_contain_text(":")
    if folder := os.environ.get("ROUNDSMAN_PICTURES"):
        table.scroll_into_view_if_needed()
        page.screenshot(path=str(Path(folder) / f"plans-{width}.png"))
    region = page.get_by_role("region", name="Plans").bounding_box()
    whole = table.bounding_box()
    assert region is not None
    assert whole is not None
    assert region["height"] >= whole["height"] > 0, "no row is cut off"
    below = page.get_by_role("heading", name="Last days").bounding_box()
    assert below is not None
    assert region["y"] + region["height"] <= below["y"], "and nothing lies on it"
    assert not misfits(page)
