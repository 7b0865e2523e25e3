"""A map to draw on, made from the street extract itself: streets and water as GeoJSON. Needs no tile server and no network."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import osmium

ATTRIBUTION: Final = "© OpenStreetMap contributors"
"""OpenStreetMap data is ODbL: whoever shows the map shows this."""
MADE_UP: Final = "roundsman pretend town"
"""Generator of an extract that nobody mapped: its header says so, and the map does."""
MADE_UP_ATTRIBUTION: Final = "A made-up town: no real streets"
RECIPE: Final = 2
"""Rises when this module draws something else, so that cached maps are made again."""
CLASSES: Final = {
    "motorway": "major", "trunk": "major", "primary": "major", "motorway_link": "major", "trunk_link": "major", "primary_link": "major",
    "secondary": "medium", "tertiary": "medium", "secondary_link": "medium", "tertiary_link": "medium",
    "residential": "minor", "unclassified": "minor", "living_street": "minor", "road": "minor",
    "service": "service", "pedestrian": "path",
}  # fmt: skip
"""How each kind of street is drawn; footways and tracks are left out, a van has no use for them."""
WATERWAYS: Final = frozenset({"river", "canal", "stream"})
DIGITS: Final = 5
"""Decimals of a degree: 1.1 m, finer than a line is wide."""


def basemap(osm: Path) -> dict[str, Any]:
    """Streets and water of an extract.

    Returns
    -------
    dict
        A GeoJSON FeatureCollection with `bbox` and `attribution`. Each feature has `class`: major, medium, minor, service, path,
        waterway (lines) or water (areas); streets have their `name`.
    """
    features: list[dict[str, Any]] = []
    reader = osmium.FileProcessor(str(osm)).with_locations().with_filter(osmium.filter.KeyFilter("highway", "waterway", "natural"))
    for item in reader:
        if not isinstance(item, osmium.osm.Way):
            continue
        line = [[round(n.location.lon, DIGITS), round(n.location.lat, DIGITS)] for n in item.nodes if n.location.valid()]
        feature = _feature({tag.k: tag.v for tag in item.tags}, line)
        if feature is not None:
            features.append(feature)
    points = [point for feature in features for point in _points(feature)]
    collection: dict[str, Any] = {"type": "FeatureCollection", "attribution": attribution_of(osm), "features": features}
    if points:
        lons, lats = [point[0] for point in points], [point[1] for point in points]
        collection["bbox"] = [min(lons), min(lats), max(lons), max(lats)]
    return collection


def attribution_of(osm: Path) -> str:
    """Whom the map must name."""
    with osmium.io.Reader(str(osm)) as reader:
        made_up: bool = reader.header().get("generator") == MADE_UP
    return MADE_UP_ATTRIBUTION if made_up else ATTRIBUTION


def write_basemap(osm: Path, cache_dir: Path) -> Path:
    """The same as a gzipped file in the cache folder (`Content-Encoding: gzip`), made once per extract."""
    digest = hashlib.sha256(f"basemap {RECIPE}".encode() + osm.read_bytes()).hexdigest()[:16]
    path = cache_dir / f"basemap-{digest}.geojson.gz"
    if not path.is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        data = gzip.compress(json.dumps(basemap(osm), ensure_ascii=False, separators=(",", ":")).encode(), 6, mtime=0)
        with tempfile.NamedTemporaryFile(dir=cache_dir, delete=False) as file:
            file.write(data)
        os.replace(file.name, path)
    return path


def _points(feature: dict[str, Any]) -> list[list[float]]:
    coordinates = feature["geometry"]["coordinates"]
    points: list[list[float]] = coordinates[0] if feature["geometry"]["type"] == "Polygon" else coordinates
    return points


def _feature(tags: dict[str, str], line: list[list[float]]) -> dict[str, Any] | None:
    if len(line) < 2:
        return None
    properties = {"class": ""}
    geometry: dict[str, Any] = {"type": "LineString", "coordinates": line}
    if tags.get("highway") in CLASSES and tags.get("area") != "yes":
        properties["class"] = CLASSES[tags["highway"]]
        if "name" in tags:
            properties["name"] = tags["name"]
    elif tags.get("natural") == "water" or tags.get("waterway") == "riverbank":
        if len(line) < 4 or line[0] != line[-1]:
            return None  # one piece of a larger water's edge: only closed ways are areas by themselves
        properties["class"] = "water"
        geometry = {"type": "Polygon", "coordinates": [line]}
    elif tags.get("waterway") in WATERWAYS or tags.get("natural") == "coastline":
        properties["class"] = "waterway"
    else:
        return None
    return {"type": "Feature", "properties": properties, "geometry": geometry}
