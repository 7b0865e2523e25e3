"""The README says what is true: its glossary's code names, its dependencies, its commands and its pictures exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = [path for side in ("agent", "hub") for kind in ("*.py", "*.sql") for path in (ROOT / side).rglob(kind)]
CODE = [path.read_text(encoding="utf-8") for path in SOURCES]
GLOSSARY = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(\w+)` \|$", README, re.MULTILINE)


@pytest.mark.parametrize(("word", "name"), GLOSSARY)
def test_a_word_of_the_glossary_is_in_the_code(word: str, name: str) -> None:
    assert any(re.search(rf"\b{name}\b", text) for text in CODE), f"{word}: no {name} in the code"


def test_the_glossary_is_found() -> None:
    assert len(GLOSSARY) >= 30


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["hub"], *extras["roads"], *extras["demo"]]
    table = README[README.index("## Dependencies") :]
    for requirement in wanted:
        name = re.split(r"[\[>=; ]", requirement)[0]
        assert re.search(rf"\b{re.escape(name)}\b", table), f"{name} has no line in the README's table"


def test_every_command_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"\bmake ([a-z-]+)", README):
        assert target in targets, f"make {target}"


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
