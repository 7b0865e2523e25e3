"""The one-way rule: pure rooms stay pure, van and hub know only the contract. The contracts stand in `pyproject.toml`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)


def test_every_room_imports_only_what_it_may() -> None:
    result = lint(ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


def test_an_import_that_is_forbidden_would_be_seen(tmp_path: Path) -> None:
    """The agent does import the core: a contract against that must fail, or the test above proves nothing."""
    config = tmp_path / "importlinter.toml"
    config.write_text(
        "[tool.importlinter]\n"
        'root_packages = ["roundsman_wire", "roundsman_core", "roundsman_agent"]\n'
        "[[tool.importlinter.contracts]]\n"
        'name = "told wrong"\ntype = "forbidden"\n'
        'source_modules = ["roundsman_agent"]\nforbidden_modules = ["roundsman_core"]\n'
    )
    result = lint(config)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "told wrong BROKEN" in result.stdout


def test_every_pure_room_named_in_a_contract_exists() -> None:
    """A renamed room must not slip out of its contract."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rooms = {room for contract in contracts for room in contract.get("source_modules", [])}
    missing = {
        room
        for room in rooms
        if not any((ROOT / side / room.replace(".", "/")).with_suffix(end).exists() for side in ("agent", "hub") for end in ("", ".py"))
    }
    assert not missing
