"""Settings: each knows the file and line it came from, and a wrong one says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from roundsman_agent import config
from roundsman_agent.config import KEYS, BadConfig

GOOD = """\
vehicle = "v_1"
[broker]
host = "hub.example"
ca = "ca.pem"
cert = "unit.pem"
key = "/keys/unit.key"
[sampling]
mode = "full"
[hub.keys]
k1 = "{key}"
[time]
base = "1000/2000/30"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(GOOD.format(key="ab" * 32))
    return path


def test_every_setting_knows_where_it_came_from(file: Path) -> None:
    found = config.load(file)
    assert found.settings["sampling.mode"].source == f"{file}:8"
    assert found.settings["screen.port"].source == "default"
    assert found.broker is not None
    assert found.broker.ca == file.parent / "ca.pem"
    assert str(found.broker.key) == "/keys/unit.key"
    assert found.time_base.factor == 30
    assert found.hub_keys == {"k1": bytes.fromhex("ab" * 32)}
    told = config.describe(found)
    assert all(key.name in told for key in KEYS)
    assert "ab" * 32 not in told


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('vehicle = "v 1"', "agent.toml:1: vehicle must be"),
        ('vehicle = "v_1"\n[screen]\nport = 70000', "agent.toml:3: screen.port must be a whole number from 0 to 65535"),
        ('vehicle = "v_1"\n[screen]\nprot = 1', "agent.toml:3: no setting 'screen.prot'; did you mean 'screen.port'?"),
        ('vehicle = "v_1"\n[broker]\nhost = "h"', "needs broker.ca too"),
        ('vehicle = "v_1"\n[hub.keys]\nk = "12"', "64 hex digits"),
        ('vehicle = "v_1"\n[time]\nbase = "soon"', "ORIGIN_REAL_MS/ORIGIN_UTC_MS/FACTOR"),
        ('vehicle = "v_1"\n[sampling]\nmode = "some"', 'one of "full", "evidence", "sparse"'),
        ("[screen]", "no `vehicle"),
        ("vehicle =", "not TOML"),
    ],
)
def test_wrong_setting_is_named_with_its_line(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    with pytest.raises(BadConfig) as told:
        config.load(file)
    assert said in str(told.value)


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="roundsman-hub provision"):
        config.load(tmp_path / "none.toml")
