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
from roundsman_agent.screen.stream import POSITION_EVENTS_S, Changes, Shown, Stream
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

    def state() -> Shown:
        made.append(1)
        return Shown({"n": len(made)})

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
    first, then = van.daemon._shown(), van.daemon._shown()
    assert then.whole is first.whole
    merged, again = after(then), van.screen()
    ticking = {"now_utc_ms", "fix", "next", "following", "plan"}
    assert {k: v for k, v in merged.items() if k not in ticking} == {k: v for k, v in again.items() if k not in ticking}
    assert merged["next"].keys() == again["next"].keys()
    assert merged["next"]["distance_m"] == again["next"]["distance_m"] == first.whole["next"]["distance_m"]


def after(shown: Shown) -> dict[str, Any]:
    """What who was told both makes of it."""
    moved = dict(shown.moved or {})
    return {**shown.whole, **moved, "next": {**shown.whole["next"], **moved["next"]}}


def test_who_has_the_whole_state_is_told_only_what_moved_and_who_comes_later_both() -> None:
    """A screen that is watched costs its van an event a second."""
    whole, more = {"n": 1}, {"n": 2}
    shown = [Shown(whole), Shown(whole, {"at": 1}), Shown(whole, {"at": 2}), Shown(more)]

    async def story() -> dict[str, list[bytes]]:
        changes = Changes()
        stream = Stream(lambda: shown.pop(0) if len(shown) > 1 else shown[0], changes)
        got: dict[str, list[bytes]] = {"early": [], "late": []}
        silent: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

        def look(name: str) -> asyncio.Task[None]:
            async def send(message: Mapping[str, Any]) -> None:
                if message.get("more_body"):
                    got[name].append(message["body"])

            return asyncio.create_task(stream({}, lambda: asyncio.shield(silent), send))

        async def told(name: str, events: int) -> None:
            while len(got[name]) < events:
                await asyncio.sleep(0.01)

        looking = [look("early")]
        await told("early", 1)
        changes.tell(True)
        await told("early", 2)
        changes.tell(True)
        looking.append(look("late"))
        await told("late", 1)
        await told("early", 3)
        changes.tell(True)
        await told("early", 4)
        changes.end()
        await asyncio.gather(*looking)
        return got

    got: dict[str, list[bytes]] = {}

    async def kept() -> None:
        got.update(await story())

    waited_s(kept)
    one, two = b'data: {"n":1}\n\n', b'data: {"n":2}\n\n'
    first, second = b'event: moved\ndata: {"at":1}\n\n', b'event: moved\ndata: {"at":2}\n\n'
    assert got["early"][:4] == [one, first, second, two]
    assert got["late"][0] == one + second


def test_unit_without_a_screen_does_not_carry_its_server() -> None:
    code = "import sys, roundsman_agent.__main__, roundsman_agent.daemon; print([m for m in ('uvicorn', 'starlette') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
