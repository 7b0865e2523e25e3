"""What a form or a file can say is described by the API itself, from the classes that take it in."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from roundsman_hub.api import fleet_csv, orders_csv
from roundsman_hub.api.term_list import OWNERS, OwnedTerm, all_terms
from roundsman_hub.api.unit_doors import UnitSettings
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms

Shop = Any
TABLE = Path(__file__).parents[3] / "hub" / "roundsman_hub" / "planning" / "README.md"


def term(owner: str, name: str) -> OwnedTerm:
    (found,) = [one for one in all_terms() if (one.owner, one.name) == (owner, name)]
    return found


def test_every_term_says_what_it_is_and_means(shop: Shop) -> None:
    told = shop.get("/v1/terms").json()["terms"]
    assert len(told) == len(all_terms())
    for one in told:
        assert one["meaning"], one["where"]
        assert one["label"]
        numbers = one["type"] in ("integer", "number")
        assert not numbers or one["unit"] or one["name"] in ("priority", "in_order_number"), one["where"]


def test_nothing_that_binds_a_plan_is_missing() -> None:
    for owner, kind in (
        ("order", OrderNeeds),
        ("vehicle", VehicleTerms),
        ("driver", DriverTerms),
        ("depot", DepotTerms),
        ("fleet", FleetPlanning),
    ):
        assert {one.name for one in fields(kind)} <= {one.name for one in all_terms() if one.owner == owner}


def test_columns_are_those_of_the_files() -> None:
    assert {one.name for one in all_terms() if one.owner == "order" and one.column} == set(orders_csv.COLUMNS)
    for owner, table in fleet_csv.TABLES.items():
        assert {one.name for one in all_terms() if one.owner == owner and one.column} == set(table.columns)


def test_a_form_can_be_drawn_from_it() -> None:
    wait = term("fleet", "max_wait_s")
    assert (wait.where, wait.label, wait.type, wait.unit, wait.least) == ("planning.max_wait_s", "Longest wait", "integer", "seconds", 0)
    breaks = term("vehicle", "breaks")
    assert [(one.name, one.type, one.required) for one in breaks.fields] == [
        ("earliest", "instant", True),
        ("latest", "instant", True),
        ("duration_s", "integer", True),
        ("reason", "text", False),
    ]
    assert breaks.cell == "EARLIEST/LATEST/SECONDS, with | between several"
    rule = next(one for one in term("vehicle", "hours").fields if one.name == "rule")
    assert rule.choices == ["none", "eu_561", "us_395"]
    assert term("order", "kind").choices == ["delivery", "pickup"]
    assert (term("order", "max_ride_s").least, term("vehicle", "capacity").required) == (1, True)
    assert [one.name for one in term("fleet", "profiles").fields] == ["start", "factor"]
    assert (term("vehicle", "reload_depots").of, term("vehicle", "driver").of, term("vehicle", "skills").of) == ("depot", "driver", None)


def test_it_tells_what_can_be_changed_of_what_is_there() -> None:
    fixed = {one.where for one in all_terms() if one.owner in ("vehicle", "driver", "depot", "fleet", "unit") and not one.changeable}
    assert fixed == {"depot"}, "a vehicle stays with its depot"
    assert not term("order", "reference").changeable
    assert term("order", "deadline").changeable


def test_settings_of_units_are_told_with_their_limits() -> None:
    assert {one.name for one in all_terms() if one.owner == "unit"} == set(UnitSettings.model_fields)
    slow = term("unit", "stop_slow_mps")
    assert (slow.where, slow.type, slow.unit, slow.least, slow.most) == ("stop_slow_mps", "number", "metres a second", 0, 10)
    assert term("unit", "sampling").choices == ["full", "evidence", "sparse"]


@pytest.mark.parametrize("owner", OWNERS)
def test_the_planners_table_of_constraints_names_every_term(owner: str) -> None:
    """README's table of constraints is where people look them up."""
    told = set(re.findall(r"`(\w+)`", TABLE.read_text()))
    binding = {one.name for one in all_terms() if one.owner == owner and one.where != one.name}
    assert binding <= told
