"""systemd's watchdog is fed while work advances, and only then."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent import daemon, listening, vigil

EVERY_S = 0.2
LIMIT_S = 6.0
"""Longer than the pauses between the first attempts to open a receiver."""


class Systemd:
    """What systemd hears on its socket: always, for the kernel keeps ten words at most, and one that finds no room is lost."""

    def __init__(self, path: Path) -> None:
        self._path, self._words = str(path), queue.SimpleQueue[str]()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._door.bind(self._path)
        self._listening = threading.Thread(target=self._listen)
        self._listening.start()

    def _listen(self) -> None:
        while (word := self._door.recv(4096).decode()) != "END":
            self._words.put(word)

    def _say(self, word: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(word.encode(), self._path)

    def hear(self, seconds: float) -> list[str]:
        ends, said = time.monotonic() + seconds, []
        while (left_s := ends - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                said.append(self._words.get(timeout=left_s))
        return said

    def drained(self) -> None:
        """What was said until now is not heard any more."""
        self._say("NOW")
        while self._words.get(timeout=60) != "NOW":
            pass

    def close(self) -> None:
        self._say("END")
        self._listening.join()
        self._door.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    door = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(round(EVERY_S * 2e6)))
    # Long enough for a busy machine's honest work; life's 45 s would be a long test.
    monkeypatch.setattr(vigil.Vigil.__init__, "__kwdefaults__", {"limit_s": LIMIT_S, "now_s": time.monotonic})
    monkeypatch.setattr(daemon, "COMMIT_S", 0.5)
    yield door
    door.close()


def fed(systemd: Systemd) -> bool:
    return "WATCHDOG=1" in systemd.hear(EVERY_S * 2)


def test_a_unit_that_works_feeds_it_even_without_a_receiver(start: Any, wait: Any, systemd: Systemd) -> None:
    van = start()
    wait(lambda: "READY=1" in systemd.hear(0.5), "ready")
    van.post("/api/duty", {"duty": "on"})
    wait(lambda: van.daemon.unit.receiver.startswith("lost"), "the receiver is known to be gone")
    for _ in range(8):
        wait(lambda: fed(systemd), "fed, and fed again")
    van.stop()
    assert "STOPPING=1" in systemd.hear(0.5)


def test_a_stuck_disk_starves_it_though_the_loop_runs(start: Any, wait: Any, systemd: Systemd) -> None:
    van = start()
    wait(lambda: fed(systemd), "fed")
    free = threading.Event()
    van.daemon._store.submit(free.wait, 60)
    wait(lambda: [word for word in systemd.hear(0.5) if word.startswith("STATUS=no progress") and "store for" in word], "it says why")
    systemd.drained()
    assert not fed(systemd)
    assert van.screen()["vehicle"], "the driver's screen still answers"
    free.set()
    wait(lambda: fed(systemd), "fed again")
    van.stop()


def test_a_receiver_task_that_hangs_starves_it(start: Any, wait: Any, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the receiver: the listening to it. A silent receiver is known to be silent."""

    async def hangs(url: str, clock: Any, alive: Any = None, patience_s: Any = None) -> AsyncGenerator[Any]:
        await asyncio.Event().wait()
        yield None

    monkeypatch.setattr(listening, "open_source", hangs)
    van = start()
    wait(lambda: fed(systemd), "fed: off shift nothing is listened to")
    van.post("/api/duty", {"duty": "on"})
    complaint = wait(lambda: [word for word in systemd.hear(0.5) if word.startswith("STATUS=no progress")], "it says why")
    assert "receiver for" in complaint[0]
    systemd.drained()
    assert not fed(systemd)
    van.post("/api/duty", {"duty": "off"})
    wait(lambda: fed(systemd), "fed again")
    van.stop()


def test_a_stuck_loop_starves_it(start: Any, wait: Any, systemd: Systemd) -> None:
    van = start()
    wait(lambda: fed(systemd), "fed")
    entered, free = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        free.wait(60)

    van.loop.call_soon_threadsafe(block)
    entered.wait()
    systemd.drained()
    assert systemd.hear(EVERY_S * 5) == []
    free.set()
    wait(lambda: fed(systemd), "fed again")
    van.stop()
