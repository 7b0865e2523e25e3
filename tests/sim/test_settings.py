"""What the demo is told, and what it answers to nonsense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roundsman_sim import SimError
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.settings import DemoSettings


def test_nothing_said_is_eight_vans_and_a_hundred_and_twenty_orders() -> None:
    settings = DemoSettings.read({})
    assert (settings.vans, settings.orders, settings.osm, settings.headless) == (8, 120, None, False)


def test_short_run_still_plays_a_round_that_has_room_for_slots() -> None:
    settings = DemoSettings.read({"HEADLESS": "1", "MINUTES": "3", "FACTOR": "30"})
    assert settings.headless
    assert settings.round_s == 5_400
    assert DemoSettings.read({"MINUTES": "12"}).round_s == 12 * 60 * 30


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MINUTES": "soon"}, "MINUTES=soon"),
        ({"FACTOR": "1000"}, "FACTOR=1000"),
        ({"VANS": "0"}, "VANS=0"),
        ({"OSM": "no.osm.pbf"}, "no.osm.pbf"),
    ],
)
def test_nonsense_is_refused_by_name(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SimError, match=named):
        DemoSettings.read(environment)


def test_map_is_found_from_where_the_command_was_given(tmp_path: Path) -> None:
    (tmp_path / "town.osm.pbf").write_bytes(b"")
    settings = DemoSettings.read({"OSM": str(tmp_path / "town.osm.pbf")})
    assert settings.osm is not None
    assert settings.osm.is_absolute()


def test_benchmark_says_what_does_not_hold_to_people_and_programs() -> None:
    rows = [Row("fast_s", 0.5, "s", 2.0, 0.1, "bare"), Row("lost", 1, "", 0), Row("size", 12, "B"), Row("never", None, "s", 2.0)]
    assert [line.split()[-1] for line in table(rows).splitlines()[2:3]] == ["NO"]
    said = json.loads(last_line("loop", rows))
    assert said["short"] == 2
    assert [row["holds"] for row in said["rows"]] == [True, False, None, False]
