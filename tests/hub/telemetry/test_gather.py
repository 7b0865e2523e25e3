"""Who is asked whether the hub is ready: those that run, not those that were killed and left a note."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from roundsman_hub.settings import HUB_FILE
from roundsman_hub.telemetry import door, gather
from roundsman_hub.telemetry.figures import Sample
from roundsman_hub.telemetry.gather import Noted


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is there answers, however busy the machine; who is not refuses at once."""
    monkeypatch.setattr(gather, "ANSWERS_WITHIN_S", 60.0)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A hub's folder, whose `serve` keeps an ingest worker and a derive."""
    (tmp_path / door.FOLDER).mkdir()
    (tmp_path / HUB_FILE).write_text(json.dumps({"roles": ["derive", "ingest"]}))
    return tmp_path


def note(data_dir: Path, role: str, pid: int, born: int) -> Noted:
    """What a process leaves behind when it is killed."""
    process = Noted(role=role, pid=pid, born=born, url="http://127.0.0.1:1")
    (data_dir / door.FOLDER / f"{role}-{pid}.json").write_text(json.dumps(asdict(process)))
    return process


@pytest.fixture
def dead() -> tuple[int, int]:
    """A process that is no more: its number, and when it began."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = door.born(process.pid)
    process.communicate(b"\n")
    return process.pid, born


def test_a_second_ingest_worker_that_was_killed_does_not_keep_the_hub_from_being_ready(data_dir: Path, dead: tuple[int, int]) -> None:
    with door.watched(data_dir, "ingest"), door.watched(data_dir, "derive"):
        note(data_dir, "ingest", *dead)
        assert dead[1] > 0
        assert {process.pid for process in gather.noted(data_dir)} == {os.getpid()}
        assert not any("does not answer" in why for why in gather.problems_of(data_dir).values())


def test_a_number_that_another_process_has_got_since_is_not_the_one_that_noted_it(data_dir: Path) -> None:
    note(data_dir, "ingest", os.getpid(), door.born(os.getpid()) - 1)
    assert gather.noted(data_dir) == []


def test_a_role_that_was_killed_is_missed_by_name_and_counted_as_down(data_dir: Path, dead: tuple[int, int]) -> None:
    note(data_dir, "derive", *dead)
    assert gather.problems_of(data_dir) == {"derive: role": "is not running", "ingest: role": "is not running"}
    up = {dict(sample.labels)["role"]: sample.value for sample in gather.samples_of(data_dir) if sample.family == "roundsman_up"}
    assert up == {"derive": 0, "ingest": 0}


def test_a_role_that_starts_sweeps_away_the_notes_of_its_dead(data_dir: Path, dead: tuple[int, int]) -> None:
    note(data_dir, "ingest", *dead)
    with door.watched(data_dir, "ingest"):
        (left,) = (data_dir / door.FOLDER).glob("ingest-*.json")
        assert str(os.getpid()) in left.name


def test_samples_say_whose_they_are(data_dir: Path) -> None:
    with door.watched(data_dir, "ingest"):
        samples = [s for s in gather.samples_of(data_dir) if s.family == "roundsman_up" and ("role", "ingest") in s.labels]
    assert samples == [Sample("roundsman_up", "", (("role", "ingest"), ("pid", str(os.getpid()))), 1)]
