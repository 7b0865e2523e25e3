"""A soak's van: the agent's own outbox, uplink and link, fed with generated fixes; and a journal of what it was asked to keep.

The journal is the generator's word in the audit: a line before each commit, with what is about to be written, and one after it, with the
numbers it got. A kill between the two leaves a line that may or may not have happened, and the audit asks the outbox.

Commands come on stdin, one JSON object a line: `rate`, `burst`, `offset_ms`, `dated`, `novel`, `poison`. Each commit is told on stdout.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roundsman_agent import config
from roundsman_agent.outbox import Outbox, StoreFull
from roundsman_agent.uplink import Uplink
from roundsman_sim.soak_numbers import FACT_EVERY, fact, fix
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, LANE_NAMES, TRACK, Now, Presence

STEP_S: Final = 0.2
LARGEST_COMMIT: Final = 2_000
SAVE_S: Final = 1.0
"""The agent saves releases once a minute; here each restart is to find newer ones than the last."""


@dataclass(kw_only=True)
class Orders:
    """What the harness wants of this van."""

    rate: float = 0.0
    burst: int = 0
    offset_ms: int = 0
    dated: bool = True
    novel: bool = False
    poison: int = 0


class Generator:
    """Feeds the outbox, and writes down what it does."""

    def __init__(self, spec: dict[str, Any], outbox: Outbox, uplink: Uplink, store: ThreadPoolExecutor) -> None:
        self._seed, self._van = int(spec["seed"]), int(spec["van"])
        self._base_ms = int(spec["base_utc_ms"])
        self._path = Path(spec["journal"])
        self._index = last_index(self._path)
        self._journal = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._outbox, self._uplink, self._store = outbox, uplink, store
        self.orders = Orders()
        self._due = 0.0

    async def run(self) -> None:
        """For ever: what is due every fifth of a second, in one commit; a burst in large ones."""
        loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            self._due += self.orders.rate * STEP_S
            many = min(int(self._due) + self.orders.burst, LARGEST_COMMIT)
            from_burst = max(0, many - int(self._due))
            if many:
                self._due -= many - from_burst
                self.orders.burst -= from_burst
                await loop.run_in_executor(self._store, self._commit, many)
            if not self.orders.burst:
                await asyncio.sleep(max(0.0, began + STEP_S - time.monotonic()))

    def _commit(self, many: int) -> None:
        first, self._index = self._index + 1, self._index + many
        orders = self.orders
        offset = orders.offset_ms if orders.dated else None
        indices = range(first, first + many)
        rows = [fix(self._seed, self._van, index, self._utc(index, offset)) for index in indices]
        facts = [index for index in indices if index % FACT_EVERY == 0]
        line = {
            "session": self._outbox.session,
            "first": first,
            "many": many,
            "offset_ms": offset,
            "novel": orders.novel,
            "base_ms": self._base_ms,
        }
        self._write({"about": line})
        try:
            done = self._outbox.append(
                [fact(self._seed, self._van, index, self._utc(index, offset), novel=orders.novel) for index in facts],  # type: ignore[misc]
                rows,
            )
        except StoreFull:
            self._write({"refused": first})
            return
        # When there is no room for fixes, they are not in the log: the outbox says so, and the generator counts them as never sent.
        kept = 0 if done.dropped else many
        self._write({"done": first, "facts_last": done.facts_last, "facts": len(facts), "track_last": done.track_last, "rows": kept})
        self._uplink.grown(done.facts_last, done.track_last)
        print(json.dumps({"at": time.monotonic(), "session": self._outbox.session, "track": done.track_last, "kept": kept}), flush=True)

    def _utc(self, index: int, offset_ms: int | None) -> int | None:
        return None if offset_ms is None else self._base_ms + 100 * index + offset_ms

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._journal, json.dumps(line).encode() + b"\n")


def last_index(journal: Path) -> int:
    """The last index that was ever about to be written: none is used twice."""
    if not journal.exists():
        return 0
    last = 0
    for line in journal.read_bytes().splitlines():
        if "about" in (said := json.loads(line)):
            last = max(last, said["about"]["first"] + said["about"]["many"] - 1)
    return last


def poison() -> list[tuple[str, bytes]]:
    """Things that no van should send: (channel, bytes). They claim numbers of a session of their own, so that nothing real is answered."""
    session = secrets.token_hex(8)
    good = frames.encode_frame(session, TRACK, 1, 3, frames.pack_rows([fix(0, 0, index, None) for index in (1, 2, 3)]))
    wrong_sum = bytearray(good)
    wrong_sum[-1] ^= 0xFF
    zero = frames.encode_entry(fact(0, 0, 1, None, novel=False)).replace(b"soak", b"\\u0000")  # type: ignore[arg-type]
    return [
        (LANE_NAMES[TRACK], secrets.token_bytes(200)),
        (LANE_NAMES[FACTS], b""),
        (LANE_NAMES[TRACK], good[:-5]),
        (LANE_NAMES[TRACK], bytes(wrong_sum)),
        (LANE_NAMES[TRACK], frames.encode_frame(session, TRACK, 1, 3, secrets.token_bytes(70))),
        (LANE_NAMES[FACTS], frames.encode_frame(session, FACTS, 1, 2, frames.pack_entries([b"{not json", b"\xff\xfe"]))),
        (LANE_NAMES[FACTS], frames.encode_frame(session, FACTS, 3, 3, frames.pack_entries([zero]))),
        ("now", b'{"session":1}'),
        ("now", secrets.token_bytes(60)),
    ]


async def _listen(orders: Orders) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        for name, value in json.loads(line).items():
            setattr(orders, name, value)


async def main(path: Path) -> None:
    """Drive until SIGTERM."""
    spec = json.loads(path.read_text())
    store = ThreadPoolExecutor(1)
    started = time.monotonic()
    outbox = Outbox(
        Path(spec["store"]) / "log.db",
        max_mb=int(spec["max_mb"]),
        version="soak",
        now=lambda: (int(time.time() * 1000), int((time.monotonic() - started) * 1000)),
    )
    broker = config.load(Path(spec["agent_toml"])).broker
    assert broker is not None

    def presence() -> Presence:
        return Presence(online=True, session=outbox.session, agent_version="soak", epoch=outbox.epoch, sessions=outbox.told())

    async def ignore(_channel: str, _payload: bytes) -> None:
        return None

    def no_now() -> Now | None:
        return None

    uplink = Uplink(
        broker,
        spec["vehicle"],
        outbox=outbox,
        store=store,
        presence=presence,
        now=no_now,
        on_document=ignore,
        on_link=lambda up, why: logging.info("link %s %s", "up" if up else "down", why),
    )
    generator = Generator(spec, outbox, uplink, store)
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)

    async def keep_house() -> None:
        while True:
            await asyncio.sleep(SAVE_S)
            await asyncio.get_running_loop().run_in_executor(store, outbox.save)
            link = uplink._link
            if generator.orders.poison and link is not None:
                generator.orders.poison -= 1
                for channel, payload in poison():
                    link.publish(channel, payload)

    tasks = [asyncio.create_task(work) for work in (uplink.run(), generator.run(), keep_house(), _listen(generator.orders))]
    ended = asyncio.create_task(ending.wait())
    await asyncio.wait([*tasks[:3], ended], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    store.shutdown()
    outbox.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(main(Path(sys.argv[1])))
