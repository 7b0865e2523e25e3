"""The faults of a soak, each from its beginning to the moment of its healing. The table at the end says what is really done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundsman_sim.programs import Program
from roundsman_sim.soak_world import FLOWS_WITHIN_S, SoakWorld, Van
from roundsman_sim.world import until

Play = Callable[[SoakWorld], Awaitable[float]]
"""Plays a fault; gives the instant (monotonic seconds) from which its healing counts."""

BURST: Final = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault. `heals_within_s`: what is promised from its end until fixes of every van are stored again; None: no promise."""

    name: str
    says: str
    play: Play
    heals_within_s: float | None = None
    slow: bool = False
    """Takes ten seconds and more: not in the shortest runs."""
    needs_disks: bool = False


async def _pause(world: SoakWorld, low_s: float, high_s: float) -> None:
    await asyncio.sleep(world.rng.uniform(low_s, high_s))


def _some_vans(world: SoakWorld) -> list[Van]:
    return world.rng.sample(world.vans, world.rng.randint(1, len(world.vans)))


async def _van_killed(world: SoakWorld) -> float:
    vans = _some_vans(world)
    await asyncio.gather(*(van.end(signal.SIGKILL) for van in vans))
    for van in vans:
        await van.start()
    return time.monotonic()


async def _broker_killed(world: SoakWorld) -> float:
    world.kill_broker()
    await _pause(world, 0.0, 3.0)
    await world.revive_broker()
    return time.monotonic()


async def _role_killed(world: SoakWorld) -> float:
    names = world.rng.choice((["ingest"], ["ingest"], ["ingest", "derive"], ["plan", "api"], ["upkeep", "files", "derive"]))
    for name in names:
        if pid := world.pid(name):
            os.kill(pid, signal.SIGKILL)
    return time.monotonic()


async def _hub_killed(world: SoakWorld) -> float:
    """`serve` itself; its children are tied to it."""
    assert world.hub is not None
    if pid := world.hub.pid:
        os.kill(pid, signal.SIGKILL)
    await world.hub.stop()
    await world.start_hub()
    return time.monotonic()


async def _database_killed(world: SoakWorld) -> float:
    if pid := world.pid("database"):
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()

    async def serves() -> bool:
        return await asyncio.to_thread(world.api_serves)

    await until(serves, within_s=FLOWS_WITHIN_S, what="the API to be ready again", every_s=0.05)
    world.say(f"    database killed: API ready again after {time.monotonic() - began:.1f} s")
    return began


async def _stopped(world: SoakWorld) -> float:
    """SIGSTOP of one process, sometimes longer than its keepalive."""
    what = world.rng.choice(("ingest", "ingest", "broker", "van", "derive", "database"))
    van = world.rng.choice(world.vans)
    pid = world.broker_pid if what == "broker" else van.pid if what == "van" else world.pid(what)
    if pid is None:
        return time.monotonic()
    world.say(f"    SIGSTOP to {what}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        try:
            await _pause(world, 0.5, 6.0)
        finally:
            os.kill(pid, signal.SIGCONT)
    return time.monotonic()


async def _link_cut(world: SoakWorld) -> float:
    vans = _some_vans(world)
    for van in vans:
        van.link.cut()
    await _pause(world, 0.2, 8.0)
    for van in vans:
        van.link.heal()
    return time.monotonic()


async def _link_half_open(world: SoakWorld) -> float:
    vans = _some_vans(world)
    for van in vans:
        van.link.freeze()
    await _pause(world, 1.0, 8.0)
    for van in vans:
        van.link.heal()
    return time.monotonic()


async def _link_slow(world: SoakWorld) -> float:
    vans = _some_vans(world)
    for van in vans:
        van.link.slow(world.rng.choice((1_500, 6_000, 20_000)))
    await _pause(world, 1.0, 5.0)
    for van in vans:
        van.link.heal()
    return time.monotonic()


def _messages(mode: str) -> Play:
    async def play(world: SoakWorld) -> float:
        assert world.line is not None
        world.line.mode = mode
        await _pause(world, 1.0, 4.0)
        world.line.mode = ""
        return time.monotonic()

    return play


async def _hub_line_cut(world: SoakWorld) -> float:
    assert world.line is not None
    world.line.cut()
    return time.monotonic()


async def _clock_jump(world: SoakWorld) -> float:
    for van in _some_vans(world):
        hours = world.rng.choice((-2.0, -0.5, 0.0, 1.5, 24.0 * 400))
        van.tell(offset_ms=int(hours * 3_600_000), dated=world.rng.random() < 0.7)
    await _pause(world, 0.5, 2.0)
    return time.monotonic()


async def _van_disk_full(world: SoakWorld) -> float:
    van = world.rng.choice(world.vans)
    with _full(van.store / "fill"):
        await _pause(world, 1.0, 4.0)
    return time.monotonic()


async def _hub_disk_full(world: SoakWorld) -> float:
    with _full(world.data / "postgres" / "fill"):
        await _pause(world, 2.0, 5.0)
    return time.monotonic()


@contextlib.contextmanager
def _full(file: Path) -> Iterator[None]:
    """Not a byte free on a file's disk while the block runs."""
    disk = os.statvfs(file.parent)
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        with contextlib.suppress(OSError):
            os.posix_fallocate(handle, 0, disk.f_bavail * disk.f_frsize)
        with contextlib.suppress(OSError):  # what others gave up meanwhile
            while os.write(handle, bytes(4_096)):
                pass
        yield
    finally:
        os.close(handle)
        file.unlink(missing_ok=True)


async def _two_hubs(world: SoakWorld) -> float:
    """A second ingest worker: it takes half of the shards, and is killed."""
    second = Program("ingest 2", ["roundsman_hub", "ingest", "--data", str(world.data)], world.directory / "ingest2.log")
    return await _beside(world, second)


async def _rival(world: SoakWorld) -> float:
    """A second hub that hears everything and asks nobody."""
    return await _beside(world, Program("rival", ["roundsman_sim.soak_rival", str(world.data)], world.directory / "rival.log"))


async def _beside(world: SoakWorld, program: Program) -> float:
    await program.start()
    await _pause(world, 4.0, 7.0)
    if (pid := program.pid) is not None:
        os.kill(pid, world.rng.choice((signal.SIGKILL, signal.SIGTERM)))
    await program.stop()
    return time.monotonic()


async def _poison(world: SoakWorld) -> float:
    for van in _some_vans(world):
        van.tell(poison=world.rng.randint(1, 2))
    await _pause(world, 2.0, 3.0)
    return time.monotonic()


async def _restored(world: SoakWorld) -> float:
    if world.backup is None:
        await world.take_backup()
        await _pause(world, 3.0, 5.0)
    await world.restore_backup()
    return time.monotonic()


async def _rolled_back(world: SoakWorld) -> float:
    """A van's disk as it was some seconds ago. What it wrote since is nowhere but at the hub, as far as it got there."""
    van = world.rng.choice(world.vans)
    image = world.directory / "image"
    await van.end(signal.SIGTERM)
    world.copy_store(van, image)
    await van.start()
    await _pause(world, 3.0, 5.0)
    await van.end(signal.SIGKILL)
    van.destroyed.append(_ends(image))
    world.put_store_back(van, image)
    await van.start()
    return time.monotonic()


def _ends(image: Path) -> dict[tuple[str, int], int]:
    with contextlib.closing(sqlite3.connect(image / "log.db")) as db:
        sessions = dict(db.execute("SELECT no, session FROM sessions"))
        ends = {(session, lane): 0 for session in sessions.values() for lane in (0, 1)}
        for (number,) in db.execute("SELECT max(id) FROM facts GROUP BY id >> 32"):
            ends[sessions[number >> 32], 0] = number & 0xFFFF_FFFF
        for number, last in db.execute("SELECT id, max(last) FROM track GROUP BY id >> 32"):
            ends[sessions[number >> 32], 1] = last
    return ends


async def _newer_van(world: SoakWorld) -> float:
    van = world.rng.choice(world.vans)
    van.tell(novel=True)
    await _pause(world, 2.0, 3.0)
    van.tell(novel=False)
    return time.monotonic()


async def _thinned(world: SoakWorld) -> float:
    """No network, and more fixes than the store of the first van holds."""
    van = world.vans[0]
    van.link.cut()
    kept = van.kept
    van.tell(burst=BURST)
    deadline = time.monotonic() + 30
    while van.kept < kept + BURST and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    van.link.heal()
    return time.monotonic()


FAULTS: Final = (
    #     name               what is done                                                                                 heals within
    Fault(name="van killed", says="kill -9 of some vans; started again at once", play=_van_killed),
    Fault(name="broker killed", says="kill -9, its retained messages deleted, down for up to 3 s", play=_broker_killed, heals_within_s=5.0),
    Fault(name="role killed", says="kill -9 of ingest, derive, plan, api, upkeep or files; the hub starts it again", play=_role_killed),
    Fault(name="database killed", says="kill -9 of the postmaster; from the kill on", play=_database_killed, heals_within_s=10.0),
    Fault(name="link half open", says="nothing passes for up to 8 s; then what waited arrives", play=_link_half_open, heals_within_s=5.0),
    Fault(name="messages doubled", says="30 % of the broker's messages arrive twice at the hub", play=_messages("double")),
    Fault(name="stopped", says="SIGSTOP of ingest, derive, broker, postmaster or a van for up to 6 s", play=_stopped),
    Fault(name="link cut", says="connections reset, none taken for up to 8 s", play=_link_cut, heals_within_s=5.0),
    Fault(name="link slow", says="1.5 to 20 kB/s each way", play=_link_slow, heals_within_s=5.0),
    Fault(name="messages shuffled", says="30 % of the broker's messages arrive at the hub out of their order", play=_messages("shuffle")),
    Fault(name="messages lost", says="30 % of the broker's messages never arrive at the hub", play=_messages("lose")),
    Fault(name="hub's line cut", says="the hub's connections to the broker are reset", play=_hub_line_cut, heals_within_s=5.0),
    Fault(name="clock jump", says="vans' UTC jumps by hours or by 400 days, or is not known", play=_clock_jump),
    Fault(name="van's disk full", says="not a byte free on a van's disk (tmpfs)", play=_van_disk_full, needs_disks=True),
    Fault(name="two hubs", says="a second ingest worker takes half of the shards, and ends", play=_two_hubs, slow=True),
    Fault(name="rival hub", says="a second ingest hears and stores all shards, whoever holds them", play=_rival, slow=True),
    Fault(name="poison", says="unreadable headers, bodies, entries and markers from vans", play=_poison),
    Fault(name="newer van", says="entries of a kind that the hub does not know", play=_newer_van),
    Fault(name="van rolled back", says="its store as it was some seconds before", play=_rolled_back, slow=True),
    Fault(name="hub's disk full", says="the database's disk", play=_hub_disk_full, heals_within_s=10.0, slow=True, needs_disks=True),
    Fault(name="thinned", says=f"no network, and {BURST} fixes into a store of 256 kB", play=_thinned, slow=True),
    Fault(name="hub killed", says="kill -9 of serve, and all that is tied to it", play=_hub_killed, slow=True),
    Fault(name="restored", says="the database of an older backup in its place, the epoch raised", play=_restored, slow=True),
)  # fmt: skip


async def settle(world: SoakWorld, fault: Fault) -> float:
    """Play a fault; the seconds from its end until fixes of every van flow again."""
    since = await fault.play(world)
    return await world.flowing(since)
