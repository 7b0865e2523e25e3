"""The stream behind the screen misses nothing, however close one change follows another."""

from __future__ import annotations

import asyncio
import selectors
import subprocess
import sys
from asyncio import SelectorEventLoop
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from roundsman_agent.fix import Fix
from roundsman_agent.screen.stream import POSITION_EVENTS_S, Changes, Stream
from roundsman_core.geo import LatLon


class Leaping(selectors.DefaultSelector):
    """Waits for nothing that only time would bring: the clock leaps there, however slow the machine is."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


class PretendLoop(SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now_s


def waited_s(story: Callable[[], Awaitable[object]]) -> float:
    """What a story takes on the loop's own clock."""

    async def timed() -> float:
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        await story()
        return clock.time() - began_s

    with asyncio.Runner(loop_factory=PretendLoop) as runner:
        return runner.run(timed())


def test_change_while_the_last_one_is_being_sent_is_told_at_once() -> None:
    """An urgent stop that came within the tenth of a second between two events used to wait for the next position."""

    async def story() -> None:
        changes = Changes()
        seen = changes.seen()
        changes.tell(True)  # while the listener is still sending
        await changes.after(seen)

    assert waited_s(story) < POSITION_EVENTS_S / 2


def test_every_listener_hears_of_a_position() -> None:
    async def story() -> None:
        changes = Changes()
        first, second = changes.seen(), changes.seen()
        changes.tell(False)
        await asyncio.gather(changes.after(first), changes.after(second))

    assert waited_s(story) < 1.5 * POSITION_EVENTS_S


def test_stream_ends_when_its_page_has_gone(start: Any, wait: Any) -> None:
    """A kiosk that reloads all day must not leave a listener behind each time."""
    van = start()
    streams = van.daemon._changes._waiting
    with van.client.stream("GET", "/api/events") as events:
        lines = events.iter_lines()  # held: when it is forgotten, it closes the page
        assert next(lines).startswith("data: {")
        wait(lambda: streams, "the stream waits for news")
    wait(lambda: not streams, "the listener is forgotten")


def test_all_who_look_are_told_the_same_bytes_that_were_made_once() -> None:
    made: list[int] = []

    def state() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    async def story() -> list[bytes]:
        changes = Changes()
        stream, got = Stream(state, changes), list[bytes]()
        silent: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

        async def send(message: Mapping[str, Any]) -> None:
            if message.get("more_body"):
                got.append(message["body"])

        async def look() -> None:
            await stream({}, lambda: asyncio.shield(silent), send)

        looking = [asyncio.create_task(look()) for _ in range(5)]
        while len(got) < 5:
            await asyncio.sleep(0)
        changes.end()
        await asyncio.gather(*looking)
        return got[:5]

    assert len(set(asyncio.run(story()))) == 1


def test_between_two_whole_looks_a_fix_moves_the_van_and_nothing_else(start: Any, hub: Any, wait: Any) -> None:
    van = start()
    van.give("plan", hub.seal(hub.plan(1, "o_1", "o_2")))
    van.post("/api/duty", {"duty": "on", "driver": "d_1"})
    unit = van.daemon.unit

    def drive(lat_deg: float) -> None:
        fix = Fix(mono_ms=unit.clock.mono_ms(), utc_ms=unit.clock.utc_ms(), position=LatLon(lat_deg, -122.09), speed_mps=9.0, satellites=8)
        van.loop.call_soon_threadsafe(unit.receive, fix)

    drive(37.41)
    wait(lambda: unit.position is not None, "the first fix")
    whole = van.daemon._streamed_state()
    light = van.daemon._streamed_state()
    again = van.screen()
    ticking = {"now_utc_ms", "fix", "next", "following", "plan"}
    assert {k: v for k, v in light.items() if k not in ticking} == {k: v for k, v in again.items() if k not in ticking}
    assert light["next"]["distance_m"] == again["next"]["distance_m"] == whole["next"]["distance_m"]


def test_unit_without_a_screen_does_not_carry_its_server() -> None:
    code = "import sys, roundsman_agent.__main__, roundsman_agent.daemon; print([m for m in ('uvicorn', 'starlette') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
