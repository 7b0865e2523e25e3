"""After a failed stop the desk decides what becomes of the goods: another day, a neighbour, the depot; and sees them out of the van."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.entering import entered
from tests.e2e.pictures import picture

from roundsman_hub.domain.afterlife import Choice, State

WORDS = Path(__file__).parents[2] / "dashboards" / "web" / "src" / "dispatch" / "words"


def test_another_day_is_chosen_and_the_goods_come_out_of_the_van(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]]
) -> None:
    order = hub.orders[2]["order"]
    page = entered(opened, hub, f"orders/{order}", 1440)
    life = page.get_by_role("region", name="After the failed stop")
    expect(life).to_contain_text("on board, nobody has decided")
    expect(life).to_contain_text("tried 1 of at most 3 times")
    expect(life).to_contain_text("on board of Van 1")
    assert not [*misfits(page), *axe(page)]
    life.get_by_label("What becomes of it").select_option(label="Another day")
    picture(page, "life-desk")
    life.get_by_label("Note for the driver").fill("the bell is broken")
    life.get_by_role("button", name="Decide").click()
    expect(life).to_contain_text("out again on another day")
    told = hub.client.get(f"/v1/orders/{order}/life").json()
    again = hub.client.get(f"/v1/orders/{told['attempt']}").json()
    assert told["attempt"] != order
    assert again["window_start"].startswith("2026-03-03"), "the same hours of the next day"
    expect(life.get_by_role("link", name="newest attempt")).to_have_attribute("href", f"#/orders/{told['attempt']}")
    life.get_by_role("button", name="Taken out at the depot").click()
    expect(life).to_contain_text("goes out on another day")
    expect(life).not_to_contain_text("on board of")
    assert hub.client.get(f"/v1/orders/{order}/life").json()["on_board_of"] is None


def test_a_neighbour_is_found_by_address_on_a_telephone(
    opened: Callable[..., Page], hub: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]]
) -> None:
    order, door = hub.orders[11], hub.orders[20]
    hub.resolve(hub.vehicles[1], order, "failed", ago=timedelta(minutes=2), reason="nobody at home")
    words = json.loads((WORDS / "de.json").read_text(encoding="utf-8"))
    page = entered(opened, hub, f"orders/{order['order']}", 320, "de")
    life = page.get_by_role("region", name=words["life.title"])
    life.get_by_label(words["life.what"]).select_option(label=words["life.do.neighbour"])
    life.get_by_role("button", name=words["life.decide"]).click()
    expect(life.get_by_role("alert")).to_contain_text(words["life.place_first"])
    life.get_by_label(words["place.search"]).fill(door["address"])
    life.get_by_role("button", name=f"{words['place.take']}: ").first.click()
    life.get_by_label(words["life.neighbour_name"]).fill("Nachbarin")
    picture(page, "life-telephone")
    assert not [*misfits(page), *axe(page)]
    life.get_by_role("button", name=words["life.decide"]).click()
    expect(life).to_contain_text(words["life.state.to_neighbour"])
    told = hub.client.get(f"/v1/orders/{order['order']}/life").json()
    again = hub.client.get(f"/v1/orders/{told['attempt']}").json()
    assert (told["state"], again["name"]) == ("to_neighbour", "Nachbarin (Kit)")
    assert again["lat_deg"] == pytest.approx(door["lat_deg"], abs=1e-4)


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_every_state_and_choice_has_its_words(language: str) -> None:
    words = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    keys = [f"life.state.{state}" for state in get_args(State)] + [f"life.do.{one}" for one in get_args(Choice) if one != "cancel"]
    assert [key for key in keys if not words.get(key)] == []
