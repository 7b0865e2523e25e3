"""What is kept of lived days: twenty of them take an hour, and whoever was interrupted goes on where they stopped.

`DIR/town` is the town as it had learned (see `day_setting`); `DIR/07-morning.json` the seventh day's plan, the same for every policy;
`DIR/07-greedy.json` how that day came out by one of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

import roundsman_core
import roundsman_hub
import roundsman_sim
from roundsman_hub.planning.problem import Plan
from roundsman_sim.day_result import POLICIES, Result
from roundsman_sim.day_setting import LEARNED_FILE, Learned

ROOMS: Final = (roundsman_core, roundsman_hub, roundsman_sim)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Lived:
    """One day by one policy. `widths`: what arrivals have taught by its evening. `code`: the fingerprint of what lived it."""

    result: Result
    widths: dict[int, Any]
    code: str = ""


class Shelf:
    """A folder of lived days. Files are whole or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = _fingerprint()

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path | None, days: int, lessons: int, say: Callable[[str], None]) -> Iterator[Shelf]:
        """The shelf of a folder; without one, of a folder that goes with the block.

        A run that was not finished is gone on with, whatever code began it (`of_other_code` counts). A finished one of other code, or one
        that learned from another number of days, makes way for a new one.
        """
        if folder is None:
            with tempfile.TemporaryDirectory(prefix="roundsman-days-") as made:
                yield cls(Path(made))
            return
        shelf = cls(folder)
        learned = shelf._read("town/" + LEARNED_FILE, Learned)
        there = [number for number in range(1, days + 1) if shelf.day(number) is not None]
        if learned is not None and learned.lessons == lessons and (len(there) < days or not shelf.of_other_code(days)):
            say(f"{len(there)} of {days} days are in {folder}; going on")
        elif folder.exists():
            say(f"beginning anew in {folder}")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        yield shelf

    @property
    def town(self) -> Path:
        """Where the town stays."""
        return self._folder / "town"

    def morning(self, number: int) -> Plan | None:
        """A day's first plan."""
        return self._read(f"{number:02}-morning.json", Plan)

    def keep_morning(self, number: int, plan: Plan) -> None:
        """It is settled."""
        self._write(f"{number:02}-morning.json", plan)

    def lived(self, number: int, policy: str) -> Lived | None:
        """A day by one policy."""
        return self._read(f"{number:02}-{policy}.json", Lived)

    def keep(self, number: int, lived: Lived) -> None:
        """It is over."""
        self._write(f"{number:02}-{lived.result.policy}.json", replace(lived, code=self._code))

    def day(self, number: int) -> list[Result] | None:
        """A day by all policies; None while one of them is missing."""
        lived = [self.lived(number, policy) for policy in POLICIES]
        return None if None in lived else [one.result for one in lived if one is not None]

    def of_other_code(self, days: int) -> int:
        """How many of the days were lived, by some policy, with other code than this."""
        return sum(
            any(one is not None and one.code != self._code for one in (self.lived(number, policy) for policy in POLICIES))
            for number in range(1, days + 1)
        )

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode((self._folder / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None

    def _write(self, name: str, what: object) -> None:
        part = self._folder / f".{name}.part"
        part.write_bytes(msgspec.json.encode(what))
        os.replace(part, self._folder / name)


def _fingerprint() -> str:
    """Of the source that days are lived by."""
    sums = hashlib.sha256()
    for room in ROOMS:
        for file in sorted(Path(room.__path__[0]).rglob("*.py")):
            sums.update(file.read_bytes())
    return sums.hexdigest()[:16]
