"""An order's whole story on one page, told in the reader's language and time: every event, and why something said otherwise before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.entering import entered
from tests.e2e.pictures import picture

from roundsman_hub.derive import alerts, trace
from roundsman_hub.derive.fold import Fact, OrderState
from roundsman_hub.domain import afterlife, care
from roundsman_hub.store.alert_store import add_corrections
from roundsman_wire.facts import Duty, Outcome

ROOT = Path(__file__).parents[2]
WIDTHS = {"en": 1440, "de": 320, "fr": 320}


def test_every_kind_of_line_has_its_words() -> None:
    """Whatever the hub's code writes into an order's journal, drivers tap, and alerts and corrections are called."""
    code = [file.read_text() for file in (ROOT / "hub" / "roundsman_hub").rglob("*.py") if "domain" not in file.parts]
    journal = {kind for text in code for kind in re.findall(r'"(order\.[a-z_]+)"', text)}
    assert {"order.created", "order.pinned", "order.redirected"} <= journal
    kinds = [
        *(f"story.{kind}" for kind in journal),
        *(f"story.order.{event}" for event in get_args(afterlife.Fact) + get_args(afterlife.Choice)),
    ]
    kinds += [f"story.driver.{outcome}" for outcome in get_args(Outcome)] + [f"story.alert.{kind}" for kind in get_args(alerts.Kind)]
    kinds += [f"story.corrected.{noun}" for noun in get_args(trace.Noun)] + [f"case.{kind}" for kind in get_args(care.Kind)]
    kinds += [f"case.did.{event}" for event in get_args(care.Event)]
    words = json.loads((ROOT / "dashboards" / "web" / "src" / "dispatch" / "words" / "en.json").read_text(encoding="utf-8"))
    assert [kind for kind in kinds if kind not in words] == []


@pytest.fixture(scope="module")
def corrected(hub: Any) -> dict[str, Any]:
    """An order that was said to have failed, until the van's log came; its visit, and an alert; and what people changed of it."""
    order, van = hub.orders[11], hub.vehicles[1]
    day = hub.clock.now().replace(hour=9, minute=0, second=0, microsecond=0)

    def fact(minutes: int) -> Fact:
        at, late = day + timedelta(minutes=minutes), day + timedelta(minutes=50)
        duty = Duty(mono_ms=0, duty="on", driver=None)
        return Fact(seq=minutes + 1, entry=duty, time=at, received_at=late, received_real_at=late)

    cause = trace.late_log([fact(0), fact(30)])
    assert cause
    news = trace.News(causes=[cause])

    def state(word: Any, minutes: int) -> OrderState:
        at = day + timedelta(minutes=minutes)
        return OrderState(state=word, vehicle_id=van, driver_id=None, at=at, arrived_at=at, reason=None, action="a")

    def visit(minutes: int) -> dict[str, Any]:
        at = day + timedelta(minutes=minutes)
        return {"order": order["order"], "arrived_at": at.isoformat(), "left_at": (at + timedelta(minutes=4)).isoformat()}

    alert = alerts.Alert(
        alert="late:x", kind="late", vehicle_id=van, from_at=day, to_at=day + timedelta(minutes=9), order_id=order["order"]
    )
    found = [
        trace.of_order(order["order"], state("failed", 40), state("delivered", 12), news),
        trace.of_visit(van, "v-1", visit(38), visit(11), news),
        trace.of_alert(alert, None, news),
    ]
    with hub.db.transaction() as cur:
        add_corrections(cur, hub.fleet, [one for one in found if one is not None], hub.clock.now())
    window = {"window_end": (hub.clock.now() + timedelta(hours=4)).isoformat(), "priority": 5, "contact_free": True, "phone": "+44 7"}
    assert hub.client.patch(f"/v1/orders/{order['order']}", json=window).is_success
    told: dict[str, Any] = order
    return told


@pytest.mark.parametrize("language", sorted(WIDTHS))
def test_story_says_what_a_late_log_corrected_in_the_readers_words(
    opened: Callable[..., Page], hub: Any, corrected: Any, misfits: Callable[[Page], list[str]], axe: Callable[[Page], list[str]],
    language: str,
) -> None:  # fmt: skip
    words = json.loads((ROOT / "dashboards" / "web" / "src" / "dispatch" / "words" / f"{language}.json").read_text(encoding="utf-8"))
    page = entered(opened, hub, f"orders/{corrected['order']}", WIDTHS[language], language)
    story = page.locator(".story")
    line = story.locator("li", has_text=words["story.corrected.order"])
    expect(line).to_contain_text(f"{words['state.failed']} 09:40 → {words['state.delivered']} 09:12")
    before, after = (part for part in re.split(r"\{of\}", words["cause.late_log"]))
    expect(line).to_contain_text(before)
    expect(line).to_contain_text(re.compile(r"09:00 – .*09:30.*" + re.escape(after.split("{at}")[0]) + r".*09:50"))
    expect(story.locator("li", has_text=words["story.corrected.visit"])).to_contain_text("09:38 – 09:42 → 09:11 – 09:15")
    expect(story.locator("li", has_text=words["story.corrected.alert"])).to_contain_text(f"{words['story.alert.late']} 09:00 – 09:09 → –")
    changed = story.locator("li", has_text=words["story.order.changed"])
    expect(changed).to_contain_text(f"{words['order.to']}: 14:")
    expect(changed).to_contain_text(f"{words['term.priority']}: 5")
    assert not re.search(r'[{}"]|_', story.inner_text()), "nothing is told as programs write it"
    picture(page, f"story-corrected-{language}")
    assert not [*misfits(page), *axe(page)]
