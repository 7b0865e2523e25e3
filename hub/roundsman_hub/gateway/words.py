"""What trackers and phones say, as reports: Traccar's OsmAnd protocol and OwnTracks' JSON. Pure.

OsmAnd: https://www.traccar.org/osmand/ (speed in knots, timestamp in seconds, milliseconds or ISO 8601), and what Traccar Client says
since its version 9: JSON of `device_id` and `location` (speed in m/s, -1 where none is known). OwnTracks:
https://owntracks.org/booklet/tech/json/ (vel in km/h, acc in metres, tst in seconds).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from roundsman_hub import HubError

KNOT_MPS: Final = 1852 / 3600
MAX_SPEED_MPS: Final = 100.0
WORST_M: Final = 500.0
"""A phone that knows no better is placed by its cell: no track is made of that."""
EARLIEST_MS: Final = 1_577_836_800_000
"""2020: a tracker whose clock was never set."""
AHEAD_MS: Final = 300_000
PASSED_OVER: Final = frozenset(
    {"beacon", "card", "cmd", "configuration", "dump", "encrypted", "lwt", "request", "status", "steps", "waypoint", "waypoints"}
)
"""What OwnTracks says besides positions: https://owntracks.org/booklet/tech/json/."""


class Unfit(HubError):
    """This cannot be a position. `str` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One position, as a device says it."""

    utc_ms: int
    lat_deg: float
    lon_deg: float
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None


def osmand(said: Mapping[str, str], now_ms: int) -> Report:
    """From the fields of a request.

    Raises
    ------
    Unfit
        No position, or one that cannot be.
    """
    if said.get("valid", "true").lower() in ("false", "0"):
        raise Unfit("the device says that it has no fix")
    place = said.get("location", "").split(",")
    lat, lon = (place[0], place[1]) if len(place) == 2 else (said.get("lat"), said.get("lon"))
    knots = _number(said.get("speed"))
    accuracy_m = _number(said.get("accuracy"))
    return checked(
        Report(
            utc_ms=_instant_ms(said.get("timestamp"), now_ms),
            lat_deg=_needed(lat, "lat"),
            lon_deg=_needed(lon, "lon"),
            speed_mps=None if knots is None else knots * KNOT_MPS,
            heading_deg=_number(said.get("bearing", said.get("heading"))),
            accuracy_m=accuracy_m,
        ),
        now_ms,
    )


def traccar_client(location: object, now_ms: int) -> Report:
    """From a `location` of Traccar Client's JSON.

    Raises
    ------
    Unfit
        No position, or one that cannot be.
    """
    coords = location.get("coords") if isinstance(location, Mapping) else None
    if not isinstance(location, Mapping) or not isinstance(coords, Mapping):
        raise Unfit("no location with coords")
    when = location.get("timestamp")
    return checked(
        Report(
            utc_ms=_instant_ms(None if when is None else str(when), now_ms),
            lat_deg=_needed(coords.get("latitude"), "latitude"),
            lon_deg=_needed(coords.get("longitude"), "longitude"),
            speed_mps=_number(coords.get("speed")),
            heading_deg=_number(coords.get("heading")),
            accuracy_m=_number(coords.get("accuracy")),
        ),
        now_ms,
    )


def owntracks(said: Mapping[str, Any], now_ms: int) -> Report | None:
    """From one JSON message; None for a kind that says no position of its own (waypoints, cards, status, steps).

    Raises
    ------
    Unfit
        No position, or one that cannot be.
    """
    if said.get("_type") not in ("location", "transition"):
        return None
    kmh = _number(said.get("vel"))
    return checked(
        Report(
            utc_ms=_ms(_needed(said.get("tst"), "tst"), 1000),
            lat_deg=_needed(said.get("lat"), "lat"),
            lon_deg=_needed(said.get("lon"), "lon"),
            speed_mps=None if kmh is None else kmh / 3.6,
            heading_deg=_number(said.get("cog")),
            accuracy_m=_number(said.get("acc")),
        ),
        now_ms,
    )


def checked(report: Report, now_ms: int) -> Report:
    """The report, without what cannot be in it.

    Raises
    ------
    Unfit
        Its place or its time cannot be.
    """
    if not (abs(report.lat_deg) <= 90 and abs(report.lon_deg) <= 180):
        raise Unfit("lat or lon is out of range")
    if report.lat_deg == 0 and report.lon_deg == 0:
        raise Unfit("0, 0 is no place but a device without a fix")
    if not EARLIEST_MS <= report.utc_ms <= now_ms + AHEAD_MS:
        raise Unfit("the device's clock is wrong")
    if report.accuracy_m is not None and report.accuracy_m > WORST_M:
        raise Unfit(f"accuracy {report.accuracy_m:.0f} m is no position")
    speed_mps, heading_deg, accuracy_m = report.speed_mps, report.heading_deg, report.accuracy_m
    return Report(
        utc_ms=report.utc_ms,
        lat_deg=report.lat_deg,
        lon_deg=report.lon_deg,
        speed_mps=speed_mps if speed_mps is not None and 0 <= speed_mps <= MAX_SPEED_MPS else None,
        heading_deg=heading_deg % 360 if heading_deg is not None and 0 <= heading_deg <= 360 else None,
        accuracy_m=accuracy_m if accuracy_m is not None and accuracy_m > 0 else None,
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _needed(value: object, name: str) -> float:
    number = _number(value)
    if number is None:
        raise Unfit(f"no {name}")
    return number


def _ms(number: float, times: int) -> int:
    if not abs(number) < 1e15:
        raise Unfit(f"{number:.3g} is no time")
    return round(number * times)


def _instant_ms(text: str | None, now_ms: int) -> int:
    if not text:
        return now_ms
    number = _number(text)
    if number is not None:
        return _ms(number, 1 if abs(number) >= 1e11 else 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unfit(f"timestamp {text[:40]!r} is no time") from None
    if at.tzinfo is None:
        raise Unfit("timestamp has no zone")
    return round(at.timestamp() * 1000)
