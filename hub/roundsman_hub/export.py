"""`roundsman-hub export track`: a vehicle's stored track as GeoJSON, GPX or CSV. A gap is told as a gap, never drawn as a line."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from roundsman_hub import HubError
from roundsman_hub.settings import Settings
from roundsman_hub.store.db import Database
from roundsman_hub.store.track_store import Break, Point, lost_numbers, points, segments, told_breaks

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(2100, 1, 1, tzinfo=UTC)
GPX: Final = "http://www.topografix.com/GPX/1/1"


class NoTrack(HubError):
    """There is nothing to export."""


def geojson(vehicle: str, stretches: Sequence[Sequence[Point]], breaks: Sequence[Break]) -> str:
    """A FeatureCollection: one LineString (a Point, where a fix stands alone) a stretch, one feature without geometry a gap.

    `coordTimes`, `speedsMps`, `headingsDeg` and `accuraciesM` go along with the coordinates, one for each.
    """
    features: list[dict[str, Any]] = []
    for index, stretch in enumerate(stretches):
        at = [[point.lon_e6 / 1e6, point.lat_e6 / 1e6] for point in stretch]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "LineString", "coordinates": at} if len(at) > 1 else {"type": "Point", "coordinates": at[0]},
                "properties": {
                    "kind": "track",
                    "vehicle": vehicle,
                    "session": stretch[0].session,
                    "coordTimes": [_instant(point.time) for point in stretch],
                    "speedsMps": [_scaled(point.speed_cm_s, 100) for point in stretch],
                    "headingsDeg": [_scaled(point.heading_cdeg, 100) for point in stretch],
                    "accuraciesM": [_scaled(point.accuracy_dm, 10) for point in stretch],
                },
            }
        )
        if index < len(breaks):
            gap = breaks[index]
            told = {"kind": "gap", "vehicle": vehicle, "from": _instant(gap.from_at), "to": _instant(gap.to_at), "reason": gap.reason}
            features.append({"type": "Feature", "geometry": None, "properties": told})
    return json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":")) + "\n"


def gpx(vehicle: str, stretches: Sequence[Sequence[Point]], breaks: Sequence[Break]) -> str:
    """GPX 1.1: one track, one segment a stretch; the gaps in its description."""
    ElementTree.register_namespace("", GPX)
    root = ElementTree.Element(f"{{{GPX}}}gpx", version="1.1", creator="roundsman-hub")
    track = ElementTree.SubElement(root, f"{{{GPX}}}trk")
    ElementTree.SubElement(track, f"{{{GPX}}}name").text = vehicle
    if breaks:
        told = (f"no track from {_instant(gap.from_at)} to {_instant(gap.to_at)}: {gap.reason}" for gap in breaks)
        ElementTree.SubElement(track, f"{{{GPX}}}desc").text = "; ".join(told)
    for stretch in stretches:
        segment = ElementTree.SubElement(track, f"{{{GPX}}}trkseg")
        for point in stretch:
            at = {"lat": f"{point.lat_e6 / 1e6:.6f}", "lon": f"{point.lon_e6 / 1e6:.6f}"}
            element = ElementTree.SubElement(segment, f"{{{GPX}}}trkpt", at)
            ElementTree.SubElement(element, f"{{{GPX}}}time").text = _instant(point.time)
            ElementTree.SubElement(element, f"{{{GPX}}}sat").text = str(point.satellites)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def table(vehicle: str, stretches: Sequence[Sequence[Point]], breaks: Sequence[Break]) -> str:
    """CSV, one fix a line; `segment` counts up at every gap, and the first fix after one says why."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["time", "vehicle", "lat_deg", "lon_deg", "speed_mps", "heading_deg", "accuracy_m", "satellites", "segment", "gap_before"]
    )
    for index, stretch in enumerate(stretches):
        for place, point in enumerate(stretch):
            writer.writerow(
                [
                    _instant(point.time),
                    vehicle,
                    f"{point.lat_e6 / 1e6:.6f}",
                    f"{point.lon_e6 / 1e6:.6f}",
                    _scaled(point.speed_cm_s, 100),
                    _scaled(point.heading_cdeg, 100),
                    _scaled(point.accuracy_dm, 10),
                    point.satellites,
                    index + 1,
                    breaks[index - 1].reason if index and not place else "",
                ]
            )
    return out.getvalue()


FORMATS: Final[dict[str, Callable[[str, Sequence[Sequence[Point]], Sequence[Break]], str]]] = {"geojson": geojson, "gpx": gpx, "csv": table}


def export_track(db: Database, vehicle: str, form: str, *, since: datetime = BEGINNING, until: datetime = END) -> str:
    """A vehicle's track from `since` to before `until`, in one of `FORMATS`.

    Raises
    ------
    NoTrack
        No such vehicle, or nothing is stored of it in that time.
    """
    with db.transaction() as cur:
        if cur.execute("SELECT FROM vehicles WHERE vehicle_id = %s", (vehicle,)).fetchone() is None:
            raise NoTrack(f"no vehicle {vehicle!r}: GET /v1/vehicles lists them")
        told, lost = told_breaks(cur, vehicle, since, until), lost_numbers(cur, vehicle)
        stretches, breaks = segments(points(cur, vehicle, since, until), told, lost)
    if not stretches:
        raise NoTrack(f"no fixes of {vehicle} are stored between {_instant(since)} and {_instant(until)}")
    return FORMATS[form](vehicle, stretches, breaks)


def main(settings: Settings, arguments: Sequence[str]) -> int:
    """`roundsman-hub export …`: prints, or writes a file."""
    parser = argparse.ArgumentParser(prog="roundsman-hub export", description="Export what the hub has stored.")
    track = parser.add_subparsers(dest="what", required=True).add_parser("track", help="a vehicle's track, with its gaps")
    track.add_argument("--vehicle", required=True)
    track.add_argument("--format", choices=sorted(FORMATS), default="geojson")
    track.add_argument("--from", dest="since", type=instant, default=BEGINNING, help="RFC 3339, with an offset or Z")
    track.add_argument("--to", dest="until", type=instant, default=END, help="RFC 3339, exclusive")
    track.add_argument("--out", type=Path, help="file to write; without it, standard output")
    options = parser.parse_args(arguments)
    with Database.connect(settings.database_url, max_size=1) as db:
        text = export_track(db, options.vehicle, options.format, since=options.since, until=options.until)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def instant(text: str) -> datetime:
    """An aware instant from RFC 3339 text, for argparse."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an instant such as 2026-03-02T08:00:00Z") from None
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} says no offset: add Z for UTC")
    return at


def _instant(at: datetime) -> str:
    at = at.astimezone(UTC)
    rounded = at + timedelta(microseconds=500) - timedelta(microseconds=(at.microsecond + 500) % 1000)
    return rounded.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scaled(value: int | None, by: int) -> float | None:
    return None if value is None else value / by
