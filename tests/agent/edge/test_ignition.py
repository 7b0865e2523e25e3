"""What tells the unit whether the engine runs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roundsman_agent.evidence import Engine
from roundsman_agent.ignition import LevelFile, LineSocket, MotionError, open_motion

PATIENCE_S = 60


async def following(changes: AsyncIterator[Engine | None]) -> Engine | None:
    async with asyncio.timeout(PATIENCE_S):
        return await anext(changes)


def test_a_pins_level_is_told_when_it_is_steady(tmp_path: Path) -> None:
    pin = tmp_path / "value"
    pin.write_text("1\n")

    async def story() -> None:
        changes = LevelFile(path=pin, every_s=0.01).changes()
        assert await following(changes) == "on"
        pin.write_text("0\n")
        assert await following(changes) == "off"
        pin.unlink()
        assert await following(changes) is None, "a pin that is gone says nothing"
        pin.write_text("1\n")
        assert await following(changes) == "on"

    asyncio.run(story())


def test_a_line_that_is_low_while_the_engine_runs(tmp_path: Path) -> None:
    pin = tmp_path / "value"
    pin.write_text("0\n")

    async def story() -> None:
        source = open_motion(f"file://{pin}?active=low")
        assert await following(source.changes()) == "on"

    asyncio.run(story())


def test_a_helper_tells_over_a_socket_and_its_end_makes_the_engine_unknown(tmp_path: Path) -> None:
    path = tmp_path / "motion"

    async def story() -> None:
        source = LineSocket(path=path)
        changes = source.changes()
        first = asyncio.create_task(following(changes))
        helper = await _connected(path)
        assert os.stat(path).st_mode & 0o777 == 0o660, "nobody else may tell"
        helper.write(b"hello\nignition?\non\non\n")
        assert await first == "on"
        helper.write(b"OFF\r\n")
        assert await following(changes) == "off"
        helper.close()
        assert await following(changes) is None
        second = asyncio.create_task(following(changes))
        again = await _connected(path)
        again.write(b"1\n" + b"x" * 10_000)
        assert await second == "on"
        assert await following(changes) is None, "who sends no lines is cut off"
        again.close()
        await changes.aclose()  # type: ignore[attr-defined]
        assert not path.exists()

    asyncio.run(story())


def test_a_socket_that_a_power_cut_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "motion"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    async def story() -> None:
        changes = LineSocket(path=path).changes()
        first = asyncio.create_task(following(changes))
        helper = await _connected(path)
        helper.write(b"on\n")
        assert await first == "on"
        helper.close()
        await changes.aclose()  # type: ignore[attr-defined]

    asyncio.run(story())


@pytest.mark.parametrize("url", ["", "gpio17", "unix://", "file:///x?active=perhaps", "can://can0"])
def test_a_source_that_is_none_is_named(url: str) -> None:
    with pytest.raises(MotionError, match=r"neither file://"):
        open_motion(url)


def test_a_socket_where_none_can_be_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        await following(LineSocket(path=tmp_path / "nowhere" / "motion").changes())

    with pytest.raises(MotionError, match="nowhere"):
        asyncio.run(story())


async def _connected(path: Path) -> asyncio.StreamWriter:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_unix_connection(str(path))
            except OSError:
                await asyncio.sleep(0.01)
            else:
                return writer
