"""A recorded drive, driven again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from roundsman_agent import replay_feed
from roundsman_agent.clock import Clock
from roundsman_agent.fix import Fix
from roundsman_agent.replay import Feed, ReplayError, read_bursts, replay
from roundsman_agent.sources import open_source

Lines = Callable[..., bytes]
GPSD = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
RECEIVER = "mountain-view/MTV.Local1.ublox-F9K.20200206-181434.nmea"
needs_gpsd = pytest.mark.skipif(GPSD is None, reason="gpsd is not installed (Debian: apt-get install gpsd)")


@pytest.fixture
def recording(tmp_path: Path, epoch_lines: Lines) -> Path:
    """A minute and a half: off, round, and a tunnel of 20 s."""
    path = tmp_path / "drive.nmea"
    seconds = [t for t in range(90) if not 40 <= t < 60]
    path.write_bytes(b"".join(epoch_lines(t, north_min=0.003 * t) for t in seconds))
    return path


def test_a_drive_through_the_pipeline_alone_is_summed_up(recording: Path) -> None:
    summary = asyncio.run(replay(recording, through_gpsd=False, speed=1.0))
    assert (summary.fixes, summary.rows, summary.rejected, len(summary.gaps)) == (70, 70, {}, 1)
    assert summary.length_m == pytest.approx(68 * 5.57, rel=0.01), "the tunnel is not driven"
    assert "70 fixes in 89 s, 0.38 km, 70 kept" in str(summary)
    assert "1 gaps\n  21 s, silent" in str(summary)


def test_a_recording_is_cut_where_a_new_instant_begins(recording: Path) -> None:
    bursts = read_bursts(recording)
    assert len(bursts) == 70
    assert [b.at_s for b in bursts[38:42]] == [38.0, 39.0, 60.0, 61.0]
    assert b"".join(b.data for b in bursts) == recording.read_bytes()


def test_a_damaged_time_sends_the_replay_nowhere(tmp_path: Path, epoch_lines: Lines) -> None:
    path = tmp_path / "drive.nmea"
    path.write_bytes(epoch_lines(0) + epoch_lines(1).replace(b",080001", b",230001") + epoch_lines(2))
    assert [b.at_s for b in read_bursts(path)] == [0.0, 2.0]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind\n", b"\x00\xff" * 500])
def test_what_is_no_recording_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "drive.nmea"
    path.write_bytes(content)
    with pytest.raises(ReplayError):
        asyncio.run(replay(path, through_gpsd=False, speed=1.0))
    with pytest.raises(ReplayError, match="No such file"):
        asyncio.run(replay(tmp_path / "none", through_gpsd=False, speed=1.0))


def test_without_gpsd_the_technician_is_told_what_to_install(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)
    with pytest.raises(ReplayError, match="apt-get install gpsd"):
        asyncio.run(replay(recording, through_gpsd=True, speed=1.0))


def listen(recording: Path, *, through_gpsd: bool, speed: float, fixes: int) -> list[Fix]:
    """What an agent hears that is fed by this recording: until it heard so many instants, or no more come."""
    heard: list[Fix] = []
    instants: set[int] = set()

    async def run(feed: Feed) -> None:
        clock = Clock(base=feed.time_base)

        async def read() -> None:
            async for item in open_source(feed.url, clock):
                if isinstance(item, Fix):
                    heard.append(item)
                    assert item.utc_ms is not None
                    assert abs(clock.utc_ms() - item.utc_ms) < 60_000 * speed, "business time is the recording's own"
                    instants.add(item.utc_ms)
                    if len(instants) == fixes:
                        return

        reading, ended = asyncio.create_task(read()), asyncio.create_task(feed.ended.wait())
        await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading

    asyncio.run(replay(recording, through_gpsd=through_gpsd, speed=speed, run=run))
    return heard


def test_an_agent_is_fed_over_tcp_in_the_recordings_own_time(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_feed, "LEAD_S", 0.5)
    monkeypatch.setattr(replay_feed, "PRIME_S", 0.0)
    monkeypatch.setattr(replay_feed, "LINGER_S", 30.0)
    heard = listen(recording, through_gpsd=False, speed=60.0, fixes=70)
    assert len(heard) == 70
    assert (heard[-1].utc_ms or 0) - (heard[0].utc_ms or 0) == 89_000


@needs_gpsd
def test_a_real_gpsd_loses_no_fix_of_a_recording_to_its_start(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_feed, "PRIME_S", 4.0)
    monkeypatch.setattr(replay_feed, "GPSD_S", 60.0)
    monkeypatch.setattr(replay_feed, "LINGER_S", 30.0)
    heard = listen(recording, through_gpsd=True, speed=30.0, fixes=70)
    times = sorted({(f.utc_ms or 0) // 1000 - 1_780_300_800 for f in heard})
    missing = sorted(set(range(90)) - set(range(40, 60)) - set(times))
    assert not missing


@pytest.mark.deep
@needs_gpsd
def test_half_an_hour_of_a_real_receiver_through_gpsd(gnss_data: Path) -> None:
    """Every epoch of the recording comes out of gpsd; its gaps come out as gaps."""

    summary = asyncio.run(replay(gnss_data / RECEIVER, through_gpsd=True, speed=50.0))
    assert summary.fixes >= 1_650
    assert summary.rows >= 1_648
    assert summary.rejected == {}
    assert len(summary.gaps) == 5, "a single missing epoch is none"
    assert summary.length_m == pytest.approx(8_100, rel=0.01)
