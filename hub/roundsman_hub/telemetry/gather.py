"""Asks every process of a hub: one answer for all its roles."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from roundsman_hub.settings import HUB_FILE
from roundsman_hub.telemetry.door import FOLDER, born
from roundsman_hub.telemetry.figures import Sample

ANSWERS_WITHIN_S: Final = 4.0
"""A role that asks a database that is away says so within two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A process that said where its door is. `born` tells it from another that got its number since."""

    role: str
    pid: int
    born: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a process says of itself. `problems` is empty when it is ready; `samples` is empty when it does not answer."""

    process: Noted
    problems: dict[str, str]
    samples: tuple[Sample, ...] = ()


def noted(data_dir: Path) -> list[Noted]:
    """Processes of this hub that run, by role and number. Those that were killed left their notes, which nobody stands for."""
    found = []
    for note in (data_dir / FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            process = Noted(**json.loads(note.read_text()))
            if born(process.pid) == process.born:
                found.append(process)
    return sorted(found, key=lambda process: (process.role, process.pid))


def expected(data_dir: Path) -> list[str]:
    """Roles that `serve` keeps here."""
    with contextlib.suppress(OSError, ValueError):
        return list(json.loads((data_dir / HUB_FILE).read_text()).get("roles", []))
    return []


def ask(processes: Iterable[Noted], *, figures: bool) -> list[Answer]:
    """Ask all at once whether they are ready; and for their figures, if wanted."""
    asked = list(processes)
    if not asked:
        return []
    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(lambda process: _ask(process, figures=figures), asked))


def _ask(process: Noted, *, figures: bool) -> Answer:
    try:
        with httpx.Client(trust_env=False, timeout=ANSWERS_WITHIN_S) as client:
            problems = client.get(f"{process.url}/readyz").json()["problems"]
            told: list[Any] = client.get(f"{process.url}/figures").json() if figures else []
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return Answer(process=process, problems={"role": f"process {process.pid} does not answer: {str(error) or type(error).__name__}"})
    samples = tuple(Sample(family, suffix, tuple((k, v) for k, v in labels), value) for family, suffix, labels, value in told)
    return Answer(process=process, problems=problems, samples=samples)


def problems_of(data_dir: Path, *, but: str = "") -> dict[str, str]:
    """What keeps this hub from being ready, by "role: what", without the role `but`. Empty: ready."""
    processes = [process for process in noted(data_dir) if process.role != but]
    found = {
        f"{answer.process.role}: {name}": why for answer in ask(processes, figures=False) for name, why in sorted(answer.problems.items())
    }
    there = {process.role for process in processes} | {but}
    return found | {f"{role}: role": "is not running" for role in expected(data_dir) if role not in there}


def samples_of(data_dir: Path) -> list[Sample]:
    """Every process's figures, each with its role and number; 0 for `roundsman_up` of one that does not answer, or does not run."""
    processes = noted(data_dir)
    answers = [(answer.process.role, str(answer.process.pid), answer.samples) for answer in ask(processes, figures=True)]
    there = {process.role for process in processes}
    answers += [(role, "", ()) for role in expected(data_dir) if role not in there]
    found: list[Sample] = []
    for role, pid, told in answers:
        samples = told or (Sample("roundsman_up", "", (), 0), Sample("roundsman_ready", "", (), 0))
        found += [sample._replace(labels=(("role", role), ("pid", pid), *sample.labels)) for sample in samples]
    return found
