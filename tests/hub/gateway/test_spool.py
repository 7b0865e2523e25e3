"""What the gateway logs for a device that says nothing but where it is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from roundsman_hub.derive.alerts import SILENT
from roundsman_hub.gateway.spool import Spool
from roundsman_hub.gateway.words import Report
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, Duty

EIGHT = 1_790_000_000_000


def duties(spool: Spool) -> list[Duty]:
    """Its words of duty that the hub does not have yet."""
    found = []
    for waits in spool.waiting():
        if waits.lane == FACTS:
            bodies = frames.decode_entries(frames.decode_header(waits.data), waits.data)
            found += [entry for entry in map(frames.parse_entry, bodies) if isinstance(entry, Duty)]
    return found


@pytest.mark.parametrize("at_once", [1, 60])
def test_a_phone_that_only_sends_positions_never_counts_as_silent(tmp_path: Path, at_once: int) -> None:
    """The hub takes a log without facts for silent: also one whose positions come all at once, after a tunnel."""
    spool = Spool(tmp_path / "spool.db", lambda: EIGHT)
    hour = [Report(utc_ms=EIGHT + minute * 60_000, lat_deg=50.1, lon_deg=10.1) for minute in range(60)]
    for first in range(0, 60, at_once):
        assert spool.keep("van1", "ada", hour[first : first + at_once]) == at_once
    words = duties(spool)
    assert {(word.duty, word.driver) for word in words} == {("on", "ada")}
    instants = [*(word.utc_ms for word in words if word.utc_ms is not None), hour[-1].utc_ms]
    assert instants[0] == EIGHT
    assert all(later - earlier < SILENT.total_seconds() * 1000 for earlier, later in pairwise(instants))
    assert len(words) == 12, "a word for five minutes, not one for each position"
    spool.close()


def test_a_phone_that_stands_still_in_silence_is_silent(tmp_path: Path) -> None:
    """Only a position that came is a word."""
    spool = Spool(tmp_path / "spool.db", lambda: EIGHT)
    for utc_ms in (EIGHT, EIGHT + 3_600_000):
        spool.keep("van1", None, [Report(utc_ms=utc_ms, lat_deg=50.1, lon_deg=10.1)])
    assert [word.utc_ms for word in duties(spool)] == [EIGHT, EIGHT + 3_600_000]
    spool.close()
