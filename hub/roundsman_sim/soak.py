"""`make soak`: vans drive, everything breaks, and then every fix is looked for in three places. Seeded; the last line is one JSON object.

    FIXES=100000 FAULTS=40 SEED=1 VANS=4 DIR=var/soak make soak

Real agents' outboxes and uplinks over mutual TLS, a real broker, the whole hub, its own PostgreSQL. `soak_faults.FAULTS` says what is
done; the seed decides which faults come in which order and how long each lasts, not what the kernel's clock makes of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from roundsman_sim import SimError
from roundsman_sim.soak_audit import Verdict, audit
from roundsman_sim.soak_faults import FAULTS, Fault, settle
from roundsman_sim.soak_world import SoakWorld

A_FAULT_S: Final = 8.0
"""From one fault to the next, about: what the vans' pace is chosen by."""
BETWEEN_S: Final = (0.2, 2.0)
SMALL_RUN: Final = 20
"""Runs of fewer faults are without the slow ones."""
DRAINS_WITHIN_S: Final = 180.0
THINS_FROM: Final = 60_000
"""A run of fewer fixes has none to spare for a store that overflows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSettings:
    """One run. `only`: kinds of faults by name; empty: all that fit the run."""

    fixes: int = 100_000
    faults: int = 40
    seed: int = 1
    vans: int = 4
    directory: Path = Path("var/soak")
    only: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> SoakSettings:
        """From FIXES, FAULTS, SEED, VANS, DIR and ONLY (names, with commas between).

        Raises
        ------
        SimError
            A value that is not a number, or a fault that there is not.
        """
        usual = cls()

        def number(name: str, default: int) -> int:
            try:
                return int(environment.get(name) or default)
            except ValueError:
                raise SimError(f"{name}={environment[name]}: not a whole number") from None

        only = tuple(name.strip() for name in environment.get("ONLY", "").split(",") if name.strip())
        known = {fault.name for fault in FAULTS}
        if unknown := [name for name in only if name not in known]:
            raise SimError(f"ONLY={','.join(unknown)}: there are {', '.join(sorted(known))}")
        return cls(
            fixes=number("FIXES", usual.fixes),
            faults=number("FAULTS", usual.faults),
            seed=number("SEED", usual.seed),
            vans=number("VANS", usual.vans),
            directory=Path(environment.get("DIR") or usual.directory),
            only=only,
        )


def dealt(settings: SoakSettings, rng: random.Random, *, disks: bool) -> list[Fault]:
    """The run's faults: every kind that fits comes once before any comes again."""
    deck = [
        fault
        for fault in FAULTS
        if (fault.name in settings.only if settings.only else settings.faults >= SMALL_RUN or not fault.slow)
        and (disks or not fault.needs_disks)
        and (fault.name != "thinned" or settings.fixes >= THINS_FROM or settings.only)
    ]
    found: list[Fault] = []
    while len(found) < settings.faults:
        found += rng.sample(deck, len(deck))
    return found[: settings.faults]


async def run(settings: SoakSettings, say: Callable[[str], None]) -> dict[str, Any]:
    """Play a whole soak in `settings.directory`; what the last line says."""
    rng = random.Random(settings.seed)
    directory = settings.directory.absolute()
    world = SoakWorld(directory=directory, seed=settings.seed, say=say, rng=rng)
    healed: dict[str, float] = {}
    played: dict[str, int] = defaultdict(int)
    late: list[str] = []
    began = time.monotonic()
    try:
        await world.start(settings.vans, small_stores=settings.fixes >= THINS_FROM or "thinned" in settings.only)
        faults = dealt(settings, rng, disks=world.can_mount)
        filling = "yes" if world.can_mount else "no (not root)"
        say(f"{settings.vans} vans, {len(faults)} faults, seed {settings.seed}; disks that fill: {filling}")
        _pace(world, settings, len(faults))
        await world.flowing(time.monotonic())
        for number, fault in enumerate(faults, 1):
            await asyncio.sleep(rng.uniform(*BETWEEN_S))
            say(f"{number:4d}/{len(faults)} {fault.name}: {fault.says}")
            healed_s = await settle(world, fault)
            played[fault.name] += 1
            healed[fault.name] = max(healed.get(fault.name, 0.0), round(healed_s, 1))
            is_late = fault.heals_within_s is not None and healed_s > fault.heals_within_s
            if is_late:
                late.append(f"{number} {fault.name} {healed_s:.1f} s")
            made = sum(van.kept for van in world.vans)
            say(f"    flows again after {healed_s:.1f} s{' (LATE)' if is_late else ''}; {made} fixes made")
            if number == min(3, len(faults) - 1) and world.backup is None and any(fault.name == "restored" for fault in faults):
                await world.take_backup()
            _pace(world, settings, len(faults) - number)
        await _finish(world, settings, say)
        verdict = await _audit(world, say)
    finally:
        await world.stop()
    return _told(settings, verdict, world, dict(played), healed, late, time.monotonic() - began)


def _pace(world: SoakWorld, settings: SoakSettings, faults_left: int) -> None:
    """The rest of the fixes over the rest of the faults."""
    left = max(settings.fixes - sum(van.kept for van in world.vans), 0)
    rate = left / (max(faults_left, 1) * A_FAULT_S) / len(world.vans)
    for van in world.vans:
        van.tell(rate=max(rate, 5.0))


async def _finish(world: SoakWorld, settings: SoakSettings, say: Callable[[str], None]) -> None:
    """Make what is missing, then let everything arrive."""
    for van in world.vans:
        van.tell(rate=2_000.0)
    deadline = time.monotonic() + DRAINS_WITHIN_S
    while sum(van.kept for van in world.vans) < settings.fixes and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    for van in world.vans:
        van.tell(rate=0.0, burst=0)
    await asyncio.sleep(1.0)
    began = time.monotonic()
    await world.drained(DRAINS_WITHIN_S)
    say(f"everything arrived {time.monotonic() - began:.1f} s after the last fix was made")


async def _audit(world: SoakWorld, say: Callable[[str], None]) -> Verdict:
    await asyncio.sleep(2.0)  # facts of the last second; what the last acks release
    total = Verdict()
    for van in world.vans:
        await van.end(signal.SIGTERM)
        found = await asyncio.to_thread(audit, world.about["database_url"], van.vehicle, van.spec, van.destroyed)
        say(f"{van.vehicle}: {found.sent} sent, {found.stored} stored, {found.lost} lost, {found.twice} twice, {found.altered} altered")
        total.add(found)
    for example in total.examples:
        say(f"    {example}")
    return total


def _told(
    settings: SoakSettings,
    verdict: Verdict,
    world: SoakWorld,
    played: dict[str, int],
    healed: dict[str, float],
    late: list[str],
    took_s: float,
) -> dict[str, Any]:
    told = asdict(verdict)
    del told["examples"]
    treated = {} if world.line is None else {f"messages_{name}": many for name, many in world.line.done.items() if name}
    return {
        "sent": told.pop("sent"),
        "stored": told.pop("stored"),
        "lost": told.pop("lost"),
        "twice": told.pop("twice"),
        "altered": told.pop("altered"),
        "faults": sum(played.values()),
        "seed": settings.seed,
        **told,
        "vans": settings.vans,
        "played": played,
        "healed_s": healed,
        "late": late,
        **treated,
        "took_s": round(took_s),
    }


def main() -> int:
    """`python -m roundsman_sim.soak`: the exit code is 0 when nothing was lost, doubled or altered, and every promise of healing held."""
    settings = SoakSettings.read(os.environ)
    folder = settings.directory / f"{time.strftime('%Y%m%d-%H%M%S')}-seed{settings.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = SoakSettings(**{**{name: getattr(settings, name) for name in settings.__dataclass_fields__}, "directory": folder})
    began = time.monotonic()
    with (folder / "soak.log").open("w") as log:

        def say(text: str) -> None:
            line = f"{time.monotonic() - began:7.1f} s  {text}"
            print(line, flush=True)
            print(line, file=log, flush=True)

        say(f"log: {folder / 'soak.log'}")
        try:
            told = asyncio.run(run(settings, say))
        except SimError as error:
            say(f"failed: {error} (everything is kept in {folder})")
            return 1
        good = not (told["lost"] or told["twice"] or told["altered"] or told["late"])
        if good:
            stores = [f"van{number}/{part}" for number in range(settings.vans) for part in ("store", "unit")]
            for name in ("hub/postgres", "hub/pki", "image", "older.dump", *stores):  # the logs of all programs stay
                place = folder / name
                shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
        say(f"log: {folder / 'soak.log'}{'' if good else ' (everything is kept beside it)'}")
        last = json.dumps(told, ensure_ascii=False)
        print(last, file=log, flush=True)
    print(last, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
