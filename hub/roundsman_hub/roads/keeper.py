"""Keeps the wanted paces in service: an `osrm-routed` for each kind and its speeds, exchanged without a gap when they change."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundsman_hub.roads.addresses import Address, write_served
from roundsman_hub.roads.extract import Progress, dataset, paced
from roundsman_hub.roads.osrm_process import OsrmProcess
from roundsman_hub.roads.wanted import Wanted

GRACE_S: Final = 15.0
"""A server that was replaced answers a little longer: whoever asked it last may be in the middle of a matrix."""
Key = tuple[str, str, str]
"""Kind of vehicle, band, fleet."""


@dataclass(slots=True, kw_only=True)
class _Running:
    process: OsrmProcess
    home: Path | None


class Keeper:
    """The servers beside the hub's own one for cars.

    OSRM's own way of exchanging a metric (`osrm-datastore --only-metric`) works with the wheel's programs, but keeps it in memory of
    the whole machine, under names that nobody takes away when a hub is killed and that other hubs share. A server that maps its files is
    up in milliseconds and shares what it has in common with its neighbours, so here the new one is started beside the old.

    Parameters
    ----------
    osm : Path
        The street extract.
    cache_dir : Path
        Where its datasets are.
    served : Path
        File that tells all roles what is in service.
    """

    def __init__(self, osm: Path, cache_dir: Path, served: Path, progress: Progress) -> None:
        self.served: Final = served
        self._osm, self._cache, self._progress = osm, cache_dir, progress
        self._running: dict[tuple[str, str], _Running] = {}  # by kind and metric: bands and fleets that differ by a factor alone share one
        self._leaving: list[tuple[float, _Running]] = []
        self._number = 0
        self._told: list[Address] | None = None
        self._home = cache_dir / "paces"
        shutil.rmtree(self._home, ignore_errors=True)  # of a hub that was killed

    def serve(self, wanted: Mapping[Key, Wanted]) -> bool:
        """Bring these paces into service, and no others. True: something changed."""
        needed = {(key[0], want.metric): want for key, want in wanted.items()}
        for which, want in needed.items():
            if which not in self._running:
                self._running[which] = self._started(which[0], want)
        for which in self._running.keys() - needed.keys():
            self._leaving.append((time.monotonic() + GRACE_S, self._running.pop(which)))
        told = [
            Address(
                url=self._running[key[0], want.metric].process.url, profile=key[0], band=key[1], version=want.version,
                factor=round(want.factor, 4), fleet=key[2],
            )
            for key, want in sorted(wanted.items())
        ]  # fmt: skip
        changed = told != self._told
        if changed:
            write_served(self.served, told)
            self._told = told
        return changed

    def mend(self) -> None:
        """Start again what died, and end what was replaced long enough ago."""
        for running in self._running.values():
            running.process.ensure()
        now = time.monotonic()
        for over in [pair for pair in self._leaving if pair[0] <= now]:
            self._leaving.remove(over)
            _end(over[1])

    def close(self) -> None:
        """End them all."""
        self.served.unlink(missing_ok=True)
        for running in (*self._running.values(), *(one for _, one in self._leaving)):
            _end(running)
        self._running.clear()
        self._leaving.clear()

    def _started(self, kind: str, want: Wanted) -> _Running:
        base = dataset(self._osm, self._cache, self._progress, kind)
        home = None
        if want.kmh:
            self._number += 1
            home = self._home / str(self._number)
            self._home.mkdir(parents=True, exist_ok=True)
            speeds = self._home / f"{self._number}.csv"
            speeds.write_text("".join(f"{a},{b},{kmh:.1f}\n" for (a, b), kmh in want.kmh.items()))
            base = paced(base, speeds, home)
            speeds.unlink()
        return _Running(process=OsrmProcess(base, mapped=True), home=home)


def _end(running: _Running) -> None:
    running.process.close()
    if running.home is not None:
        shutil.rmtree(running.home, ignore_errors=True)
