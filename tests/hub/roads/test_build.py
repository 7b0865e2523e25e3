"""`roundsman-hub roads build`: the datasets of an extract, made beforehand and told step by step; and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from roundsman_core.geo import LatLon
from roundsman_hub import HubError
from roundsman_hub.roads import OsrmRoads, RoadsError, extract
from roundsman_hub.roads.commands import main
from roundsman_hub.roads.extract import dataset, osrm_folder
from roundsman_hub.roads.osrm_process import OsrmProcess

needs_wheel = pytest.mark.skipif(osrm_folder() is None, reason="the osrm-bindings wheel is not installed (it needs Python 3.12)")


@needs_wheel
def test_datasets_are_made_beforehand_and_every_step_is_told(village: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(village), "--profile", "truck", "--profile", "cargo_bike"], tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    for number, kind in enumerate(("truck", "cargo_bike"), start=1):
        told = [line for line in lines if line.startswith(f"[{number}/2 {kind}]")]
        assert [word for line in told for word in ("extract", "partition", "customize") if f"roads: {word} {village.name} …" in line] == [
            "extract",
            "partition",
            "customize",
        ]
        assert "ready in" in told[-1]
    base = dataset(village, tmp_path / "cache", pytest.fail, "truck")  # it is there: nothing is made, so nothing is told
    with OsrmProcess(base, mapped=True) as process:
        roads = OsrmRoads(process.url, process=process)
        assert roads.matrix([LatLon(50.0, 8.0), LatLon(50.005, 8.005)]).network == "osrm"
        roads.close()


@needs_wheel
def test_a_long_step_says_that_it_goes_on_and_one_without_an_end_is_ended(
    village: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(extract, "TOLD_EVERY_S", 0.001)
    dataset(village, tmp_path, lines.append)
    assert f"roads: extract {village.name} … 0 s" in lines
    monkeypatch.setattr(extract, "STEP_LIMIT_S", 0)
    with pytest.raises(RoadsError, match="did not end"):
        dataset(village, tmp_path / "again", lines.append)


def test_an_extract_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"nowhere\.osm\.pbf|osrm-bindings"):
        main(["build", str(tmp_path / "nowhere.osm.pbf"), "--profile", "car"], tmp_path)


def test_a_kind_of_vehicle_that_there_is_not_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["build", "x.osm.pbf", "--profile", "rocket"], tmp_path)
    assert "cargo_bike" in capsys.readouterr().err
