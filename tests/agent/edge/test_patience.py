"""While nobody looks, fixes wait for each other; whoever asks, and whatever ends the agent, gets what was heard until then."""

from __future__ import annotations

import asyncio
import math
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent.calm import STOP_S
from roundsman_agent.config import Broker
from roundsman_agent.fix import Fix
from roundsman_agent.sampling import TOLD_EVERY_MS
from roundsman_agent.times import MonoMs
from roundsman_agent.uplink import NOW_S
from roundsman_core.geo import LatLon
from roundsman_sim.receiver import Receiver, Truth
from roundsman_wire.messages import TRACK, Config

DEADLINE_S = 60.0
FLEET_PAGE = Path(__file__).parents[3] / "dashboards/web/src/dispatch/fleet.ts"


class Line:
    """A receiver on a TCP line, of a van that drives north at ten metres a second."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(DEADLINE_S)
        self.url = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self._receiver = Receiver(1)
        self._began_ms = round(time.time()) * 1000
        self._line: socket.socket | None = None
        self.said = 0

    def meet(self, van: Any, wait: Any) -> None:
        """The van's agent listens."""
        self._line, _ = self._door.accept()
        wait(lambda: van.daemon.unit.receiver.startswith("open"), "the agent listens")

    def say(self, epochs: int) -> None:
        assert self._line is not None
        for _ in range(epochs):
            place = LatLon(50.0 + self.said * 10.0 / 111_200.0, 10.0)
            truth = Truth(utc_ms=self._began_ms + 1000 * self.said, position=place, speed_mps=10.0, heading_deg=0.0)
            self._line.sendall(self._receiver.listen(truth).sentences)
            self.said += 1

    def close(self) -> None:
        for part in (self._line, self._door):
            if part is not None:
                part.close()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """It says no more than a test lets it: an agent that took the silence between for a fault would be awake, however slow the machine."""
    monkeypatch.setattr("roundsman_agent.pipeline.GAP_MS", 600_000)
    for limit in ("SILENT_S", "MUTE_S", "REOPEN_S"):
        monkeypatch.setattr(f"roundsman_agent.sources.{limit}", 600.0)
    receiver = Line()
    yield receiver
    receiver.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit whose fixes may wait for longer than any test does."""
    monkeypatch.setattr("roundsman_agent.daemon.Daemon._patience_s", lambda _: math.inf)


def test_the_board_calls_no_van_silent_that_had_nothing_new_to_say() -> None:
    """One that stands tells its place once a minute, in a turn that may come as much later as turns are apart."""
    told = re.search(r"STALE_MS = ([0-9_]+);", FLEET_PAGE.read_text())
    assert told is not None
    assert int(told[1]) >= TOLD_EVERY_MS + 1000 * NOW_S[1]


def test_the_hub_may_set_how_long_a_van_sleeps_far_from_everything(start: Any, hub: Any, wait: Any, line: Line) -> None:
    broker = Broker(host="127.0.0.1", port=9, ca=Path("ca"), cert=Path("cert"), key=Path("key"))
    van = start(receiver_url=line.url, broker=broker)
    van.post("/api/duty", {"duty": "on"})
    line.meet(van, wait)
    line.say(2)
    # Whoever asks wakes it: what waits on the line is worked on.
    wait(lambda: van.client.get("/api/screen").is_success and van.daemon.unit.pipeline.accepted == line.said, "the fixes were worked on")
    assert van.daemon._patience_s() == NOW_S[1]
    first_version = van.daemon.clock.utc_ms()
    for later, (interval_s, patience_s) in enumerate(((7.0, 7.0), (2.0, 2.0), (600.0, NOW_S[1]))):
        document = hub.seal(Config(version=first_version + later, now_interval_s=interval_s), kind="config")
        asyncio.run_coroutine_threadsafe(van.daemon._document("config", document), van.loop).result(DEADLINE_S)
        assert van.daemon._patience_s() == patience_s


def test_a_sleepers_marker_is_told_at_each_of_its_turns_and_a_wakeful_vans_as_seldom(
    start: Any, wait: Any, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the turn was: the map is off by no more than was asked for after it. Awake each second, it would be told each second."""
    van = start(receiver_url=line.url, broker=Broker(host="127.0.0.1", port=9, ca=Path("ca"), cert=Path("cert"), key=Path("key")))
    within_s: list[float] = []
    monkeypatch.setattr(van.daemon.uplink, "moved", within_s.append)
    van.post("/api/duty", {"duty": "on"})
    line.meet(van, wait)
    line.say(1)
    wait(lambda: van.client.get("/api/screen").is_success and within_s, "a sleeper's turn")
    assert set(within_s) == {STOP_S}
    with van.client.stream("GET", "/api/events") as events:
        looking = events.iter_raw()
        next(looking)
        wait(lambda: van.daemon._patience_s() == 0.0, "the agent knows that it is watched")
        within_s.clear()
        line.say(1)
        wait(lambda: within_s, "the fix is worked on at once")
        assert set(within_s) == {NOW_S[1]}


def fixes_in(van: Any) -> int:
    return sum(lane.last for lane in van.daemon.outbox.lanes() if lane.lane == TRACK)


@pytest.mark.usefixtures("patient")
def test_an_agent_that_ends_keeps_what_it_heard(start: Any, wait: Any, line: Line) -> None:
    """Invariant: a fix that waits for others is not lost to an orderly end."""
    van = start(receiver_url=line.url, sampling_mode="full")
    van.post("/api/duty", {"duty": "on"})
    line.meet(van, wait)
    line.say(4)
    van.stop()
    assert fixes_in(van) == line.said


@pytest.mark.usefixtures("patient")
def test_the_shifts_end_comes_after_what_was_heard_before_it(start: Any, wait: Any, line: Line) -> None:
    van = start(receiver_url=line.url, sampling_mode="full")
    van.post("/api/duty", {"duty": "on"})
    line.meet(van, wait)
    line.say(3)
    van.post("/api/duty", {"duty": "off"})
    van.stop()
    assert fixes_in(van) == line.said


def test_whoever_looks_at_the_screen_sees_each_fix(start: Any, wait: Any, line: Line) -> None:
    van = start(receiver_url=line.url, sampling_mode="full")
    van.post("/api/duty", {"duty": "on"})
    line.meet(van, wait)
    with van.client.stream("GET", "/api/events") as events:
        looking = events.iter_raw()  # let go of, it would hang up
        next(looking)
        wait(lambda: van.daemon._patience_s() == 0.0, "the agent knows that it is watched")
        for _ in range(3):
            line.say(1)
            wait(lambda: van.daemon.unit.pipeline.accepted == line.said, "the fix is worked on at once")
    wait(lambda: van.daemon._patience_s() > 0.0, "the agent knows that nobody looks any more")


def test_only_the_newest_of_fixes_that_waited_is_told_to_the_live_map(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    van = start()
    van.post("/api/duty", {"duty": "on"})
    unit, told = van.daemon.unit, list[LatLon]()
    monkeypatch.setattr(unit, "_on_change", lambda more_than_position: None if more_than_position else told.append(unit.position.position))
    places = [LatLon(50.0 + second * 10.0 / 111_200.0, 10.0) for second in range(4)]

    async def five_seconds() -> None:
        began_ms = unit.clock.mono_ms()
        for second, place in enumerate(places):
            unit.receive(Fix(mono_ms=MonoMs(began_ms + 1000 * second), utc_ms=None, position=place, speed_mps=10.0))
        assert not told
        unit.placed()
        unit.placed()

    asyncio.run_coroutine_threadsafe(five_seconds(), van.loop).result(DEADLINE_S)
    assert told == places[-1:]
