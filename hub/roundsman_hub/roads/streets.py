"""The segments of a street extract, and which of them lie in an area: what a closure closes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import osmium
import shapely

from roundsman_core.geo import LatLon
from roundsman_hub.roads.restrictions import Segment


class Streets:
    """Every two neighbouring nodes of an extract's streets. Held in memory: 60 bytes a segment, 5 MB for a town.

    Parameters
    ----------
    osm : Path
        The street extract, .osm.pbf.
    """

    def __init__(self, osm: Path) -> None:
        ends: list[tuple[int, int]] = []
        lines: list[tuple[tuple[float, float], tuple[float, float]]] = []
        reader = osmium.FileProcessor(str(osm)).with_locations().with_filter(osmium.filter.KeyFilter("highway"))
        for way in reader:
            if not isinstance(way, osmium.osm.Way):
                continue
            nodes = [(node.ref, (node.location.lon, node.location.lat)) for node in way.nodes if node.location.valid()]
            for (a, here), (b, there) in pairwise(nodes):
                ends.append((a, b))
                lines.append((here, there))
        self._ends: npt.NDArray[np.int64] = np.array(ends, np.int64).reshape(-1, 2)
        self._tree = shapely.STRtree(shapely.linestrings(np.array(lines).reshape(-1, 2, 2)))

    def within(self, ring: Sequence[LatLon]) -> list[Segment]:
        """Segments that touch the area, both ways."""
        area = shapely.Polygon([(place.lon_deg, place.lat_deg) for place in ring]).buffer(0)
        found = self._ends[np.sort(self._tree.query(area, predicate="intersects"))].tolist()
        return [pair for a, b in found for pair in ((a, b), (b, a))]
