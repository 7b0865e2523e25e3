"""One NMEA 0183 sentence: its checksum, and what it says. Whatever is absent, or not exactly of the standard's form, is None, never 0.

Read here and not by a parser for all sentences: one pattern for each kind reads only the fields that are asked for, at a third of the cost,
and a digit that was lost on the line becomes no other place.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from roundsman_core.geo import LatLon

KNOT_MPS: Final = 1852 / 3600
MAX_SENTENCE: Final = 256
"""The standard says 82 characters; some receivers send more. Longer ones are noise."""
MAX_MPS: Final = 514.0
"""1,000 knots: what receivers may be sold for."""
ESTIMATED: Final = frozenset((b"E", b"M", b"S"))
"""Mode indicators of what was not measured: dead reckoning, entered by hand, simulated."""
WEAK_QUALITIES: Final = frozenset((6, 7, 8))
"""The same of GGA's quality."""

# Fields: each is of the standard's form, or is stepped over.
_TIME: Final = rb"(?:([01]\d|2[0-3])([0-5]\d)((?:[0-5]\d|60)(?:\.\d{0,9})?)|[^,]*)"
_PLACE: Final = rb"(?:(\d\d)([0-5]\d(?:\.\d{0,12})?),([NS]),(\d{3})([0-5]\d(?:\.\d{0,12})?),([EW])|[^,]*,[^,]*,[^,]*,[^,]*)"
_DECIMAL: Final = rb"(?:(\d{1,6}(?:\.\d{0,12})?|\.\d{1,12})|[^,]*)"
_COUNT: Final = rb"(?:(\d{1,3})|[^,]*)"
_ANY: Final = rb"[^,]*"

_RMC: Final = re.compile(
    b",".join((rb"..RMC", _TIME, rb"([^,]*)", _PLACE, _DECIMAL, _DECIMAL, rb"(?:(\d{6})|[^,]*)")) + rb"(?:,[^,]*,[^,]*(?:,([A-Z]).*)?)?"
)
_GGA: Final = re.compile(b",".join((rb"..GGA", _TIME, _PLACE, rb"(?:(\d)|[^,]*)", _COUNT, _DECIMAL)) + rb"(?:,(-?\d)?.*)?")
_GNS: Final = re.compile(b",".join((rb"..GNS", _TIME, _PLACE, rb"([^,]*)", _COUNT, _DECIMAL)) + rb"(?:,(-?\d)?.*)?")
_GLL: Final = re.compile(b",".join((rb"..GLL", _PLACE, _TIME, rb"([^,]*)")) + rb"(?:,([A-Z]).*)?")
_VTG: Final = re.compile(b",".join((rb"..VTG", _DECIMAL, _ANY, _ANY, _ANY, _DECIMAL, _ANY, _DECIMAL)) + rb"(?:,.*)?")
_ZDA: Final = re.compile(rb"..ZDA,[^,]*,(\d\d?),(\d\d?),((?:19|20)\d\d)(?:,.*)?")
_GSA: Final = re.compile(rb"..GSA,[^,]*,([23]),.*")
_GST: Final = re.compile(b",".join((rb"..GST", _ANY, _ANY, _ANY, _ANY, _ANY, _DECIMAL, _DECIMAL)) + rb"(?:,.*)?")

GNS_QUALITIES: Final = ((b"R", 4), (b"F", 5), (b"P", 3), (b"D", 2), (b"A", 1), (b"E", 6))
_MODES: Final = MappingProxyType[bytes, Literal[2, 3]]({b"2": 2, b"3": 3})


class Place(NamedTuple):
    """Where and when, as one sentence says it. `position` None: the receiver says that it has none. `estimated`: it was not measured."""

    time_ms: int | None
    position: LatLon | None
    estimated: bool = False


class Quality(NamedTuple):
    """How good a place is: GGA's quality (0 to 9), satellites used (0: not said), dilution, and whether a height is said."""

    quality: int
    satellites: int
    hdop: float | None
    high: bool


class Motion(NamedTuple):
    """Speed over ground and course."""

    speed_mps: float | None
    heading_deg: float | None


def checked(line: bytes, start: int) -> bytes | None:
    """What stands between the `$` at `start` and `*`; None unless its checksum is there and right."""
    star = line.find(b"*", start)
    if star < 0 or star - start > MAX_SENTENCE:
        return None
    body = line[start + 1 : star]
    try:
        return body if len(line) >= star + 3 and int(line[star + 1 : star + 3], 16) == _xor(body) else None
    except ValueError:
        return None


def _xor(body: bytes) -> int:
    """All bytes exclusive-ored: by folding one large number, which costs a tenth of a loop."""
    folded = int.from_bytes(body, "little")
    if len(body) > 128:
        folded ^= folded >> 1024
    folded ^= folded >> 512
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return (folded ^ folded >> 8) & 0xFF


def rmc(body: bytes) -> tuple[Place, Motion, int | None] | None:
    """Place, motion, and midnight of the day (ms since 1970). None, here and below: fields are missing."""
    found = _RMC.fullmatch(body)
    if found is None:
        return None
    hours, minutes, seconds, status, lat, lat_min, north, lon, lon_min, east, knots, course, day, mode = found.groups()
    valid = status == b"A" and mode != b"N"
    place = Place(
        _time_ms(hours, minutes, seconds), _position(lat, lat_min, north, lon, lon_min, east) if valid else None, mode in ESTIMATED
    )
    return place, Motion(_speed_mps(knots, KNOT_MPS), _heading_deg(course)), None if day is None else _midnight_ms(day)


def gga(body: bytes) -> tuple[Place, Quality] | None:
    """Place, and its quality."""
    found = _GGA.fullmatch(body)
    if found is None:
        return None
    hours, minutes, seconds, lat, lat_min, north, lon, lon_min, east, said, count, hdop, high = found.groups()
    quality = 0 if said is None else int(said)
    place = _position(lat, lat_min, north, lon, lon_min, east) if quality else None
    rated = Quality(quality, _count(count), _dilution(hdop), high is not None)
    return Place(_time_ms(hours, minutes, seconds), place, quality in WEAK_QUALITIES), rated


def gns(body: bytes) -> tuple[Place, Quality] | None:
    """The same, of receivers of many constellations: one mode letter for each. The best letter counts."""
    found = _GNS.fullmatch(body)
    if found is None:
        return None
    hours, minutes, seconds, lat, lat_min, north, lon, lon_min, east, letters, count, hdop, high = found.groups()
    quality = next((quality for letter, quality in GNS_QUALITIES if letter in letters), 8 if letters.strip(b"N") else 0)
    place = _position(lat, lat_min, north, lon, lon_min, east) if quality else None
    rated = Quality(quality, _count(count), _dilution(hdop), high is not None)
    return Place(_time_ms(hours, minutes, seconds), place, quality in WEAK_QUALITIES), rated


def gll(body: bytes) -> Place | None:
    """Place and time alone."""
    found = _GLL.fullmatch(body)
    if found is None:
        return None
    lat, lat_min, north, lon, lon_min, east, hours, minutes, seconds, status, mode = found.groups()
    place = _position(lat, lat_min, north, lon, lon_min, east) if status == b"A" and mode != b"N" else None
    return Place(_time_ms(hours, minutes, seconds), place, mode in ESTIMATED)


def vtg(body: bytes) -> Motion | None:
    """Motion without a time."""
    found = _VTG.fullmatch(body)
    if found is None:
        return None
    course, knots, kmh = found.groups()
    return Motion(_speed_mps(knots, KNOT_MPS) if knots is not None else _speed_mps(kmh, 1 / 3.6), _heading_deg(course))


def zda(body: bytes) -> int | None:
    """Midnight of its day, ms since 1970."""
    found = _ZDA.fullmatch(body)
    return None if found is None else _midnight_ms(b"%02d%02d%s" % (int(found[1]), int(found[2]), found[3][2:]))


def gsa(body: bytes) -> Literal[2, 3] | None:
    """Flat or not. "No fix" is not taken from here: some receivers say it of each constellation that they do not use."""
    found = _GSA.fullmatch(body)
    return None if found is None else _MODES[found[1]]


def gst(body: bytes) -> float | None:
    """The larger of the errors northward and eastward, one sigma."""
    found = _GST.fullmatch(body)
    if found is None or found[1] is None or found[2] is None:
        return None
    north_m, east_m = float(found[1]), float(found[2])
    return max(north_m, east_m) if 0 < north_m < 1000 and 0 < east_m < 1000 else None


def _time_ms(hours: bytes | None, minutes: bytes, seconds: bytes) -> int | None:
    return None if hours is None else (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


def _position(lat: bytes | None, lat_min: bytes, north: bytes, lon: bytes, lon_min: bytes, east: bytes) -> LatLon | None:
    if lat is None:
        return None
    lat_deg, lon_deg = int(lat) + float(lat_min) / 60, int(lon) + float(lon_min) / 60
    if lat_deg > 90 or lon_deg > 180:
        return None
    return LatLon(lat_deg if north == b"N" else -lat_deg, lon_deg if east == b"E" else -lon_deg)


@lru_cache(maxsize=16)
def _midnight_ms(text: bytes) -> int | None:
    """Of `ddmmyy`, ms since 1970; the same one 86,400 times. Years are 1970 to 2069."""
    year = int(text[4:])
    try:
        return int(datetime(year + (2000 if year < 70 else 1900), int(text[2:4]), int(text[:2]), tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return None


def _speed_mps(text: bytes | None, unit_mps: float) -> float | None:
    if text is None:
        return None
    speed_mps = float(text) * unit_mps
    return speed_mps if speed_mps < MAX_MPS else None


def _heading_deg(text: bytes | None) -> float | None:
    if text is None:
        return None
    heading_deg = float(text)
    return heading_deg % 360.0 if heading_deg <= 360 else None


def _count(text: bytes | None) -> int:
    return 0 if text is None or int(text) > 255 else int(text)


def _dilution(text: bytes | None) -> float | None:
    if text is None:
        return None
    dilution = float(text)
    return dilution if 0 < dilution < 99 else None
