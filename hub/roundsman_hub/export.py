"""`roundsman-hub export track`: a vehicle's stored track as GeoJSON, GPX or CSV. A gap is told as a gap, never drawn as a line.

Everything is written as it is read: a month of a van needs no more memory than a day.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from roundsman_hub import HubError
from roundsman_hub.instants import BEGINNING, END, instant, written
from roundsman_hub.settings import Settings
from roundsman_hub.simplify import at_zoom
from roundsman_hub.store.db import Database
from roundsman_hub.store.track_store import MATCHED, SIMPLIFIED, Break, Point, lost_numbers, points, stretches, told_breaks

GPX: Final = "http://www.topografix.com/GPX/1/1"
Stretches = Iterable[tuple[Break | None, list[Point]]]


class NoTrack(HubError):
    """There is nothing to export."""


def geojson(vehicle: str, found: Stretches) -> Iterator[str]:
    """A FeatureCollection: one LineString (a Point, where a fix stands alone) a stretch, one feature without geometry a gap.

    `source`: "raw"; where raw fixes have aged "simplified" (within ten metres of where the van was at each instant) or, where that was
    asked for, "matched" (on the street that it was driven on); both without speeds. Where it changes a line goes on in the next feature.
    `coordTimes`, `speedsMps`, `headingsDeg` and `accuraciesM` go along with the coordinates, one for each.
    """
    yield '{"type":"FeatureCollection","features":['
    comma = ""
    for gap, stretch in found:
        features: list[dict[str, Any]] = []
        if gap is not None:
            told = {"kind": "gap", "vehicle": vehicle, "from": written(gap.from_at), "to": written(gap.to_at), "reason": gap.reason}
            features.append({"type": "Feature", "geometry": None, "properties": told})
        features += [_feature(vehicle, source, run) for source, run in _by_source(stretch)]
        yield comma + ",".join(json.dumps(feature, separators=(",", ":")) for feature in features)
        comma = ","
    yield "]}\n"


def _feature(vehicle: str, source: str, run: list[Point]) -> dict[str, Any]:
    at = [[point.lon_e6 / 1e6, point.lat_e6 / 1e6] for point in run]
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": at} if len(at) > 1 else {"type": "Point", "coordinates": at[0]},
        "properties": {
            "kind": "track",
            "vehicle": vehicle,
            "session": run[0].session,
            "source": source,
            "coordTimes": [written(point.time) for point in run],
            "speedsMps": [_scaled(point.speed_cm_s, 100) for point in run],
            "headingsDeg": [_scaled(point.heading_cdeg, 100) for point in run],
            "accuraciesM": [_scaled(point.accuracy_dm, 10) for point in run],
        },
    }


def _by_source(stretch: list[Point]) -> Iterator[tuple[str, list[Point]]]:
    """A stretch cut where its source changes; each further part begins with the point before it, so that the line is whole."""
    before: list[Point] = []
    for source, found in groupby(stretch, key=lambda point: point.source):
        run = list(found)
        yield source, before + run
        before = run[-1:]


def gpx(vehicle: str, found: Stretches) -> Iterator[str]:
    """GPX 1.1: one track, one segment a stretch; a comment in the place of each gap says why."""
    yield f'<?xml version=\'1.0\' encoding=\'utf-8\'?>\n<gpx xmlns="{GPX}" version="1.1" creator="roundsman-hub">'
    yield f"<trk><name>{escape(vehicle)}</name>"
    for gap, stretch in found:
        if gap is not None:
            # Two hyphens would end the comment.
            told = f"no track from {written(gap.from_at)} to {written(gap.to_at)}: {gap.reason}".replace("--", "- -").rstrip("-")
            yield f"<!-- {told} -->"
        yield "<trkseg>"
        yield from (
            f'<trkpt lat="{point.lat_e6 / 1e6:.6f}" lon="{point.lon_e6 / 1e6:.6f}"><time>{written(point.time)}</time>'
            f"{'' if not point.simplified else f'<src>{point.source}</src>'}"
            f"{'' if point.satellites is None else f'<sat>{point.satellites}</sat>'}</trkpt>"
            for point in stretch
        )
        yield "</trkseg>"
    yield "</trk></gpx>\n"


def table(vehicle: str, found: Stretches) -> Iterator[str]:
    """CSV, one fix a line; `segment` counts up at every gap, and the first fix after one says why."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["time", "vehicle", "lat_deg", "lon_deg", "speed_mps", "heading_deg", "accuracy_m", "satellites", "segment", "gap_before", "source"]
    )
    segment = 0
    for gap, stretch in found:
        goes_on = segment > 0 and gap is None
        segment += not goes_on
        for place, point in enumerate(stretch):
            if goes_on and not place:
                continue  # told as the last point of the piece before
            writer.writerow(
                [
                    written(point.time),
                    vehicle,
                    f"{point.lat_e6 / 1e6:.6f}",
                    f"{point.lon_e6 / 1e6:.6f}",
                    _scaled(point.speed_cm_s, 100),
                    _scaled(point.heading_cdeg, 100),
                    _scaled(point.accuracy_dm, 10),
                    point.satellites,
                    segment,
                    gap.reason if gap is not None and not place else "",
                    point.source,
                ]
            )
        yield out.getvalue()
        out.seek(0)
        out.truncate()


FORMATS: Final[dict[str, Callable[[str, Stretches], Iterator[str]]]] = {"geojson": geojson, "gpx": gpx, "csv": table}


def stream_track(
    db: Database,
    vehicle: str,
    form: str,
    *,
    since: datetime = BEGINNING,
    until: datetime = END,
    zoom: float | None = None,
    line: str = SIMPLIFIED,
) -> Iterator[str]:
    """A vehicle's track from `since` to before `until`, in one of `FORMATS`, piece by piece.

    Parameters
    ----------
    zoom : float, optional
        Of a web map: points that would move the line by less than a pixel are left out.
    line : str
        Where raw fixes have aged: the simplified line, or "matched", as far as there is one.

    Raises
    ------
    NoTrack
        Before the first piece: no such vehicle, or nothing is stored of it in that time.
    """
    with db.transaction() as cur:
        if cur.execute("SELECT FROM vehicles WHERE vehicle_id = %s", (vehicle,)).fetchone() is None:
            raise NoTrack(f"no vehicle {vehicle!r}: GET /v1/vehicles lists them")
        told, lost = told_breaks(cur, vehicle, since, until), lost_numbers(cur, vehicle)
        found = stretches(points(cur, vehicle, since, until, line), told, lost)
        first = next(found, None)
        if first is None:
            raise NoTrack(f"no fixes of {vehicle} are stored between {written(since)} and {written(until)}")
        every: Stretches = chain([first], found)
        if zoom is not None:
            every = ((gap, at_zoom(stretch, zoom)) for gap, stretch in every)
        yield from FORMATS[form](vehicle, every)


def export_track(
    db: Database, vehicle: str, form: str, *, since: datetime = BEGINNING, until: datetime = END, zoom: float | None = None
) -> str:
    """`stream_track` in one piece."""
    return "".join(stream_track(db, vehicle, form, since=since, until=until, zoom=zoom))


def main(settings: Settings, arguments: Sequence[str]) -> int:
    """`roundsman-hub export …`: prints, or writes a file."""
    parser = argparse.ArgumentParser(prog="roundsman-hub export", description="Export what the hub has stored.")
    track = parser.add_subparsers(dest="what", required=True).add_parser("track", help="a vehicle's track, with its gaps")
    track.add_argument("--vehicle", required=True)
    track.add_argument("--format", choices=sorted(FORMATS), default="geojson")
    track.add_argument("--from", dest="since", type=instant, default=BEGINNING, help="RFC 3339, with an offset or Z")
    track.add_argument("--to", dest="until", type=instant, default=END, help="RFC 3339, exclusive")
    track.add_argument(
        "--line",
        choices=(SIMPLIFIED, MATCHED),
        default=SIMPLIFIED,
        help="drawn where raw fixes have aged (default: %(default)s)",
    )
    track.add_argument("--zoom", type=float, help="simplified to this zoom of a web map (0 to 22)")
    track.add_argument("--out", type=Path, help="file to write; without it, standard output")
    options = parser.parse_args(arguments)
    with Database.connect(settings.database_url, max_size=1) as db:
        asked = {"since": options.since, "until": options.until, "zoom": options.zoom, "line": options.line}
        pieces = stream_track(db, options.vehicle, options.format, **asked)
        first = next(pieces)  # where there is nothing to export, no file is made
        if options.out:
            with options.out.open("w", encoding="utf-8") as file:
                file.writelines(chain([first], pieces))
        else:
            sys.stdout.writelines(chain([first], pieces))
    return 0


def _scaled(value: int | None, by: int) -> float | None:
    return None if value is None else value / by
