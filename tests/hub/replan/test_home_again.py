"""A van that came home: its driver is paid from the first setting out to the last return, so whoever calls it out pays for the waiting."""

from __future__ import annotations

from typing import Any

import pytest

from roundsman_hub.store import hand_store

Yard = Any  # the fixture of conftest.py


@pytest.fixture
def vans(yard: Yard) -> tuple[str, str, str]:
    """One came home with nothing left, the other is on its round; and the stop that the first has done."""
    home, out = yard.van("Home"), yard.van("Out")
    near, far = yard.order(400, 0), yard.order(9_000, 0)
    for order, vehicle in ((near, home), (far, out)):
        with yard.db.transaction() as cur:
            hand_store.assign(
                cur, yard.fleet, order, vehicle=vehicle, position=None, before=(), forbid=(), actor="desk", at=yard.clock.now()
            )
    with yard.db.transaction() as cur:  # a lorry: with two alike, the one that passes by anyway is always the cheaper one
        cur.execute("UPDATE vehicles SET terms = terms || '{\"cents_per_km\": 2000}' WHERE vehicle_id = %s", (out,))
    yard.bump()
    yard.plan()
    for vehicle in (home, out):
        yard.receipt(vehicle)
        yard.duty(vehicle, "on")
    yard.at(home, 0, 0)
    yard.at(out, 3_000, 1_500)
    return home, out, near


def test_it_is_not_called_out_after_hours_for_what_another_does_on_its_way(yard: Yard, vans: tuple[str, str, str]) -> None:
    """On a pretend day a collection that cost 7 elsewhere was given to a van that had been home for two hours: 60 of wages."""
    home, out, near = vans
    yard.state(home, near, "delivered", ago_h=2)
    added = yard.order(-400, -300)
    yard.plan()
    assert added in yard.route(out)
    assert yard.route(home) == [near]


def test_it_is_called_out_where_it_has_just_come_home(yard: Yard, vans: tuple[str, str, str]) -> None:
    home, _, near = vans
    yard.state(home, near, "delivered")
    added = yard.order(-400, -300)
    yard.plan()
    assert added in yard.route(home)
