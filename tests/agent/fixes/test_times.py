"""Three kinds of time, and a date that can be believed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from roundsman_agent import times
from roundsman_agent.times import BUILT_UTC_MS, LIFE_MS, ROLLOVER_MS, GnssMs, MonoMs, WallMs, best_utc_ms, mended

PROJECT = Path(__file__).parents[3]


def utc_ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000


MIXED_UP = {
    "a system's date as a receiver's": "fix = Fix(mono_ms=clock.mono_ms(), utc_ms=clock.utc_ms(), position=at)",
    "a receiver's date as the session's clock": "fix = Fix(mono_ms=GnssMs(5), utc_ms=None, position=at)",
    "the session's clock as a date": "said: GnssMs | None = mended(clock.mono_ms())",
    "a number of no kind": "fix = Fix(mono_ms=5, utc_ms=None, position=at)",
    "the two clocks the wrong way round": "best_utc_ms(clock.utc_ms(), clock.mono_ms(), None, 0)",
}
SOUND = "fix = Fix(mono_ms=clock.mono_ms(), utc_ms=GnssMs(5), position=at)\nbest_utc_ms(clock.mono_ms(), clock.utc_ms(), None, 0)\n"


@pytest.mark.timeout(600)  # mypy reads everything anew
def test_mypy_refuses_to_mix_the_three_kinds_of_time(tmp_path: Path) -> None:
    head = (
        "from roundsman_agent.clock import Clock\nfrom roundsman_agent.fix import Fix\n"
        "from roundsman_agent.times import GnssMs, best_utc_ms, mended\nfrom roundsman_core.geo import LatLon\n"
        "clock, at = Clock(), LatLon(60.0, 24.0)\n"
    )
    for number, line in enumerate([SOUND, *MIXED_UP.values()]):
        (tmp_path / f"snippet_{number}.py").write_text(head + line + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "--follow-imports=silent"]
    said = subprocess.run(
        [*command, *map(str, sorted(tmp_path.glob("*.py")))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"MYPYPATH": f"{PROJECT / 'agent'}"},
    ).stdout
    assert "snippet_0.py" not in said, said
    for number, what in enumerate(MIXED_UP, start=1):
        assert f"snippet_{number}.py" in said, f"{what} passed mypy:\n{said}"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ((2026, 11, 22), (2026, 11, 22)),
        ((2007, 4, 8), (2026, 11, 22)),
        ((1987, 8, 23), (2026, 11, 22)),
        ((2005, 9, 25), (2025, 5, 11)),
    ],
)
def test_a_lost_rollover_is_put_back(said: tuple[int, int, int], meant: tuple[int, int, int]) -> None:
    assert mended(GnssMs(utc_ms(*said))) == utc_ms(*meant)


@pytest.mark.parametrize("said", [(1980, 1, 6), (1970, 1, 1), (1999, 8, 22), (2000, 1, 1), (2019, 4, 7), (2060, 1, 1)])
def test_a_date_that_no_rollover_explains_is_none(said: tuple[int, int, int]) -> None:
    """1980, 1999 and 2019 are where weeks begin: what receivers say before they know better."""
    assert mended(GnssMs(utc_ms(*said))) is None


@settings(deadline=None)
@given(st.integers(0, 2**42))
def test_a_mended_date_is_possible_and_off_by_whole_rollovers(said_ms: int) -> None:
    """Invariant: whatever a receiver says, what is believed lies within the life of this release, and only weeks were added."""
    meant = mended(GnssMs(said_ms))
    assert meant is None or (BUILT_UTC_MS <= meant < BUILT_UTC_MS + LIFE_MS and (meant - said_ms) % ROLLOVER_MS == 0)


def test_a_unit_without_a_clock_battery_says_no_date_until_a_receiver_does() -> None:
    woken = WallMs(utc_ms(1970, 1, 1) + 40_000)
    assert best_utc_ms(MonoMs(9_000), woken, None, 2_000) is None
    offset_ms = utc_ms(2026, 11, 22)
    assert best_utc_ms(MonoMs(9_000), woken, offset_ms, 2_000) == offset_ms + 9_000


def test_a_sound_system_clock_is_taken_because_it_is_smooth() -> None:
    now = utc_ms(2026, 11, 22)
    assert best_utc_ms(MonoMs(9_000), WallMs(now), None, 2_000) == now
    assert best_utc_ms(MonoMs(9_000), WallMs(now), now - 9_000 + 700, 2_000) == now
    assert best_utc_ms(MonoMs(9_000), WallMs(now - 86_400_000), now - 9_000, 2_000) == now, "a day behind: the receiver's"


def test_the_build_is_no_rollover_away_from_now() -> None:
    """A release older than its life would refuse every date."""
    assert times.BUILT_UTC_MS < utc_ms(2026, 11, 22) < times.BUILT_UTC_MS + times.LIFE_MS
