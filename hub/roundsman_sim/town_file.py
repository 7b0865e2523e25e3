"""Writes a town as .osm.pbf, with the tags that OpenStreetMap uses; reads the addresses of any extract."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import osmium
import osmium.osm.mutable as osm

from roundsman_core.geo import LatLon
from roundsman_hub.roads.basemap import MADE_UP
from roundsman_sim import SimError
from roundsman_sim.town import CITY, Crossing, House, Street, Town


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of an extract: what a customer would type, and where it is."""

    text: str
    position: LatLon


def write(town: Town, path: Path) -> None:
    """Write the town as .osm.pbf (nodes first, then ways, as the format wants)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    ids = itertools.count(1)
    header = osmium.io.Header()
    header.set("generator", MADE_UP)
    writer = osmium.SimpleWriter(str(path), header=header)
    try:
        nodes: dict[Crossing, int] = {}
        for crossing, at_m in sorted(town.crossings_m.items()):
            tags = {"highway": "traffic_signals"} if crossing in town.signals else {}
            nodes[crossing] = _node(writer, next(ids), town, at_m, tags)
        rings = [(house.corners_m, _house_tags(house)) for house in town.houses]
        rings.append((town.river_m, {"natural": "water", "water": "river", "name": "Brack"}))
        rings += [(park, {"leisure": "park"}) for park in town.parks_m]
        ring_nodes = [([_node(writer, next(ids), town, corner, {}) for corner in corners], tags) for corners, tags in rings]
        for run in _runs(town.streets):
            refs = [nodes[run[0].start], *(nodes[street.end] for street in run)]
            writer.add_way(osm.Way(id=next(ids), version=1, nodes=refs, tags=_street_tags(run[0])))
        for refs, tags in ring_nodes:
            writer.add_way(osm.Way(id=next(ids), version=1, nodes=[*refs, refs[0]], tags=tags))
    finally:
        writer.close()


def _node(writer: osmium.SimpleWriter, number: int, town: Town, at_m: tuple[float, float], tags: dict[str, str]) -> int:
    place = town.place(at_m)
    writer.add_node(osm.Node(id=number, version=1, location=(place.lon_deg, place.lat_deg), tags=tags))
    return number


def _runs(streets: tuple[Street, ...]) -> list[list[Street]]:
    """Neighbouring stretches of one street become one way, as a mapper would draw them; a bridge is a way of its own."""
    runs: list[list[Street]] = []
    for street in streets:
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.end == street.start
            and (last.name, last.bridge, last.oneway) == (street.name, street.bridge, street.oneway)
        ):
            runs[-1].append(street)
        else:
            runs.append([street])
    return runs


def _street_tags(street: Street) -> dict[str, str]:
    tags = {"highway": street.highway, "name": street.name, "maxspeed": str(street.max_kmh)}
    if street.oneway:
        tags["oneway"] = "yes"
    if street.bridge:
        tags |= {"bridge": "yes", "layer": "1"}
    return tags


def _house_tags(house: House) -> dict[str, str]:
    return {
        "building": "yes",
        "addr:street": house.street,
        "addr:housenumber": house.number,
        "addr:postcode": house.postcode,
        "addr:city": CITY,
    }


def addresses(path: Path) -> list[Address]:
    """Addresses of an extract that name exactly one place there, in the file's order.

    Raises
    ------
    SimError
        The file cannot be read, or holds fewer than ten of them.
    """
    found: dict[str, LatLon | None] = {}
    try:
        for item in osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter("addr:housenumber")):
            place = _position(item)
            street = item.tags.get("addr:street")
            if place is None or not street:
                continue
            town = " ".join(filter(None, (item.tags.get("addr:postcode"), item.tags.get("addr:city"))))
            text = f"{street} {item.tags['addr:housenumber']}" + (f", {town}" if town else "")
            found[text] = place if text not in found else None
    except (RuntimeError, OSError) as error:
        raise SimError(f"{path} cannot be read as an OpenStreetMap extract: {error}") from None
    unique = [Address(text=text, position=place) for text, place in found.items() if place is not None]
    if len(unique) < 10:
        raise SimError(
            f"{path} holds {len(unique)} usable addresses; a round needs ten at least. Take an extract with addr:housenumber tags"
        )
    return unique


def _position(item: object) -> LatLon | None:
    """Where a node is, or the middle of a way's nodes; None for what has no place in the file."""
    if isinstance(item, osmium.osm.Node):
        return LatLon(item.lat, item.lon) if item.location.valid() else None
    if not isinstance(item, osmium.osm.Way):
        return None
    points = [(node.lat, node.lon) for node in item.nodes if node.location.valid()]
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if not points:
        return None
    return LatLon(sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points))
