"""The benchmark's parts: one that fails or hangs costs its own rows, is named, and everything else is told as it comes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roundsman_sim.bench_living import Part, run
from roundsman_sim.bench_table import Row, last_line

HANGS_S = 8
"""Long enough for a part that hangs to have begun, on a machine that is busy with others."""
GOOD = last_line("good", [Row("good_s", 1.0, "s", 2.0), Row("poor_s", 3.0, "s", 2.0)])
PROGRAMS = {
    "good_part": f"print('a row for people', flush=True)\nprint({GOOD!r})\n",
    "half_part": f"print({last_line('half', [Row('half_s', 1.0, 's')])!r})\nraise SystemExit(1)\n",
    "broken_part": "raise RuntimeError('no database here')\n",
    "hanging_part": "import threading\nprint('begun', flush=True)\nthreading.Event().wait(300)\n",
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_part_that_fails_loses_no_other_and_the_exit_code_says_so(programs: None, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [Part(name.removesuffix("_part"), name, HANGS_S if name == "hanging_part" else 60, 60) for name in PROGRAMS]
    assert run(parts, quick=False) == 1
    told = capsys.readouterr().out.strip().splitlines()
    body = json.loads(told[-1])
    assert [row["name"] for row in body["rows"]] == ["good_s", "poor_s", "half_s"]
    assert body["short"] == 1
    assert set(body["failed"]) == {"half", "broken", "hanging"}
    assert "a row for people" in told
    assert "begun" in told
    assert f"after {HANGS_S} s" in body["failed"]["hanging"]


def test_where_everything_was_measured_the_exit_code_is_0_whatever_holds(programs: None) -> None:
    assert run([Part("good", "good_part", 60, 60)], quick=True) == 0
