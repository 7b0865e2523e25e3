"""The table of every constraint in the planner's README, held to the code: what it names is there, and nothing that binds is missing."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.hub.api import test_every_constraint

from roundsman_hub.api import orders_csv
from roundsman_hub.api.fleet_csv import TABLES
from roundsman_hub.api.term_list import OwnedTerm, all_terms
from roundsman_hub.planning import problem

ROOT: Final = Path(__file__).parents[3]
TEXT: Final = (ROOT / "hub" / "roundsman_hub" / "planning" / "README.md").read_text(encoding="utf-8")
WORDS: Final[dict[str, str]] = json.loads((ROOT / "dashboards/web/src/dispatch/words/en.json").read_text(encoding="utf-8"))
BUILT: Final = ROOT / "hub" / "roundsman_hub" / "web" / "assets"
TERMS: Final = {f"{term.owner}.{term.where}": term for term in all_terms()}
DOOR: Final = re.compile(r"(GET|POST) (/\S+)")


def table(heading: str) -> list[list[str]]:
    """The rows of a section's first table, without its head."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if line.startswith("| ")]
    return rows[1:]


ROWS: Final = table("Where each is said, seen and proven")


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def said(cell: str) -> list[str]:
    return re.findall(r"“([^”]+)”", cell)


def label(term: OwnedTerm) -> str:
    """What the board calls it (`labelOf` of terms.ts; the order's own fields as neworder.tsx)."""
    keys = (f"term.{term.owner}.{term.name}", f"term.{term.name}", f"order.{term.name}")
    return next(WORDS[key] for key in keys if key in WORDS)


def test_every_word_has_its_meaning_and_every_meaning_its_row() -> None:
    glossary = table("Glossary of constraints, and where each is set")
    assert [row[0] for row in ROWS] == [row[0] for row in glossary if code(row[3])], "the others are told by vans' logs alone"
    assert all(len(row) == 4 and all(row) for row in glossary), "a precise meaning, a place in the code, and where it is set"
    names = {name for row in glossary for name in code(row[2])}
    assert {name.split(".")[0] for name in names if name[0].isupper()} <= {*vars(problem), "TaskCost"}


def test_whatever_binds_a_plan_has_a_row() -> None:
    told = {name for row in ROWS for name in code(row[1])}
    binding = {where for where, term in TERMS.items() if term.where != term.name and term.owner != "unit"}
    assert binding <= told
    assert {"order.window_start", "order.parcels", "order.priority", "order.kind", "vehicle.capacity", "vehicle.shift_end"} <= told


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_is_true(row: list[str], openapi: dict[str, Any]) -> None:
    _, api, columns, board, tests = row
    terms = [TERMS[name] for name in code(api) if name in TERMS]
    for name in set(code(api)) - TERMS.keys():
        if door := DOOR.fullmatch(name):
            assert door[1].lower() in openapi["paths"][door[2]], name
            continue
        kind, _, attribute = name.partition(".")
        struct = getattr(problem, kind)
        assert is_dataclass(struct)
        assert attribute in {one.name for one in fields(struct)}, name
        assert attribute in _told_of(kind, openapi["paths"]["/v1/solve"]["post"]), f"{name} is not in the schema of POST /v1/solve"
    files = {"order": orders_csv.COLUMNS, **{owner: one.columns for owner, one in TABLES.items()}}
    assert all(term.name in files[term.owner] for term in terms)
    assert set(code(columns)) == {term.name for term in terms}
    shown = said(board)
    assert shown, "a dispatcher sees it"
    assert set(shown) <= set(WORDS.values())
    assert {label(term) for term in terms} <= set(shown)
    if BUILT.exists():
        script = "".join(path.read_text(encoding="utf-8") for path in BUILT.glob("*.js"))
        assert [words for words in shown if words not in script] == []
    cases = said(tests)
    assert cases or code(tests), "something proves it"
    assert set(cases) <= test_every_constraint.CASES.keys()
    for name in code(tests):
        file, _, test = name.partition("::")
        assert any(f"def {test}(" in found.read_text(encoding="utf-8") for found in (ROOT / "tests").rglob(file)), name


def _told_of(title: str, door: dict[str, Any]) -> set[str]:
    """Properties of what has this title, anywhere in what a door takes in."""
    found: set[str] = set()
    ahead: list[Any] = [door["requestBody"]]
    while ahead:
        part = ahead.pop()
        if isinstance(part, dict) and part.get("title") == title:
            found |= part["properties"].keys()
        ahead += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return found


def test_the_days_that_no_engine_knows_alone_are_named() -> None:
    after = TEXT.split("Three in which no single engine knows everything:")[1].split("\n")[0]
    assert set(said(after)) == test_every_constraint.TOGETHER.keys()


@pytest.fixture(scope="module")
def openapi(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    return found
