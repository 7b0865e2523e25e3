"""The map to draw on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from roundsman_hub.roads.basemap import ATTRIBUTION, basemap, write_basemap


def test_streets_and_water_are_drawn_and_footways_are_not(village: Path) -> None:
    map_ = basemap(village)
    classes = [feature["properties"]["class"] for feature in map_["features"]]
    assert {name: classes.count(name) for name in set(classes)} == {"minor": 12, "medium": 12, "water": 1}
    assert map_["features"][0]["properties"]["name"] == "Row 0"
    assert map_["attribution"] == ATTRIBUTION
    assert map_["bbox"] == [8.0, 50.0, 8.011, 50.021]


def test_it_is_made_once(village: Path, tmp_path: Path) -> None:
    path = write_basemap(village, tmp_path)
    made = path.stat().st_mtime_ns
    assert write_basemap(village, tmp_path).stat().st_mtime_ns == made
    assert json.loads(gzip.decompress(path.read_bytes())) == basemap(village)
    assert list(tmp_path.iterdir()) == [path]
