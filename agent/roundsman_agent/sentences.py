"""One NMEA 0183 sentence: what pynmea2 reads in it. Whatever is absent, or not exactly of the standard's form, is None, never 0.

pynmea2 finds the sentence's kind, checks its checksum and names its fields; it is asked with `check=True`, because without that a line
that was cut short gives latitude 0.0. Its conversions are given only what has the standard's form: they take a damaged field for what
is left of it (`540.32` for 5°), `nan` for a number, and a text that they cannot convert for its own value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import pynmea2
from pynmea2.nmea_utils import datestamp

from roundsman_core.geo import LatLon

KNOT_MPS: Final = 1852 / 3600
MAX_SENTENCE: Final = 256
"""The standard says 82 characters; some receivers send more. Longer ones are noise."""
MAX_MPS: Final = 514.0
"""1,000 knots: what receivers may be sold for."""
ESTIMATED: Final = frozenset("EMS")
"""Mode indicators of what was not measured: dead reckoning, entered by hand, simulated."""
WEAK_QUALITIES: Final = frozenset((6, 7, 8))
"""The same of GGA's quality."""

# What a field may look like. ASCII: `\d` would take the digits of every script.
_TIME: Final = re.compile(r"([01]\d|2[0-3])([0-5]\d)((?:[0-5]\d|60)(?:\.\d{0,9})?)", re.ASCII)
_LAT: Final = re.compile(r"\d\d[0-5]\d\.\d{0,12}", re.ASCII)
_LON: Final = re.compile(r"\d{3}[0-5]\d\.\d{0,12}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,6}(?:\.\d{0,12})?|\.\d{1,12}", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,3}", re.ASCII)
_DAY: Final = re.compile(r"\d{6}", re.ASCII)
_YEAR: Final = re.compile(r"(?:19|20)\d\d", re.ASCII)
_HIGH: Final = re.compile(r"-?\d", re.ASCII)

GNS_QUALITIES: Final = (("R", 4), ("F", 5), ("P", 3), ("D", 2), ("A", 1), ("E", 6))
_MODES: Final = MappingProxyType[str, Literal[2, 3]]({"2": 2, "3": 3})

Sentence = Any
"""A sentence of pynmea2's, which is not typed: `data` are the texts of its fields, each also an attribute by its name."""
_FEWEST_FIELDS: Final = MappingProxyType({"RMC": 9, "GGA": 8, "GNS": 8, "GLL": 6, "VTG": 7, "ZDA": 4, "GSA": 3, "GST": 7})
"""As far as the last field that every issue of the standard has; what ends before it was cut short by its receiver."""


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


def read(line: bytes, start: int) -> Sentence | None:
    """The sentence that begins with the `$` at `start`.

    Returns
    -------
    Sentence or None
        None: its checksum is missing or wrong, it is too long, it has too few fields, or it is none of the kinds that are used.
    """
    star = line.find(b"*", start)
    if star < 0 or star - start > MAX_SENTENCE:
        return None
    try:
        said = pynmea2.parse(line[start : star + 3].decode("latin-1"), check=True)
    except pynmea2.ParseError:
        return None
    # A talker that begins with P is a maker's own sentence to pynmea2, and has no kind.
    fewest = _FEWEST_FIELDS.get(getattr(said, "sentence_type", ""))
    return None if fewest is None or len(said.data) < fewest else said


def rmc(said: Sentence) -> tuple[Place, Motion, int | None]:
    """Place, motion, and midnight of the day (ms since 1970)."""
    mode = said.mode_indicator[:1]
    position = _position(said) if said.status == "A" and mode != "N" else None
    place = Place(_time_ms(_raw(said, "timestamp")), position, mode in ESTIMATED)
    day = _raw(said, "datestamp")
    motion = Motion(_speed_mps(_raw(said, "spd_over_grnd"), KNOT_MPS), _heading_deg(_raw(said, "true_course")))
    return place, motion, _midnight_ms(day) if _DAY.fullmatch(day) else None


def gga(said: Sentence) -> tuple[Place, Quality]:
    """Place, and its quality."""
    digit = _raw(said, "gps_qual")
    quality = int(digit) if len(digit) == 1 and _COUNT.fullmatch(digit) else 0
    return _rated(said, quality, said.horizontal_dil)


def gns(said: Sentence) -> tuple[Place, Quality]:
    """The same, of receivers of many constellations: one mode letter for each. The best letter counts."""
    letters = said.mode_indicator
    quality = next((quality for letter, quality in GNS_QUALITIES if letter in letters), 8 if letters.strip("N") else 0)
    return _rated(said, quality, said.hdop)


def _rated(said: Sentence, quality: int, hdop: str) -> tuple[Place, Quality]:
    place = Place(_time_ms(_raw(said, "timestamp")), _position(said) if quality else None, quality in WEAK_QUALITIES)
    return place, Quality(quality, _count(said.num_sats), _dilution(hdop), _HIGH.match(_raw(said, "altitude")) is not None)


def gll(said: Sentence) -> Place:
    """Place and time alone."""
    mode = said.faa_mode[:1]
    position = _position(said) if said.status == "A" and mode != "N" else None
    return Place(_time_ms(_raw(said, "timestamp")), position, mode in ESTIMATED)


def vtg(said: Sentence) -> Motion:
    """Motion without a time."""
    speed_mps = _speed_mps(_raw(said, "spd_over_grnd_kts"), KNOT_MPS)
    if speed_mps is None:
        speed_mps = _speed_mps(_raw(said, "spd_over_grnd_kmph"), 1 / 3.6)
    return Motion(speed_mps, _heading_deg(_raw(said, "true_track")))


def zda(said: Sentence) -> int | None:
    """Midnight of its day, ms since 1970."""
    day, month, year = _raw(said, "day"), _raw(said, "month"), _raw(said, "year")
    if not (_YEAR.fullmatch(year) and _COUNT.fullmatch(day) and _COUNT.fullmatch(month)):
        return None
    return _midnight_ms(f"{int(day):02}{int(month):02}{year[2:]}")


def gsa(said: Sentence) -> Literal[2, 3] | None:
    """Flat or not. "No fix" is not taken from here: some receivers say it of each constellation that they do not use."""
    return _MODES.get(said.mode_fix_type)


def gst(said: Sentence) -> float | None:
    """The larger of the errors northward and eastward, one sigma."""
    north_m, east_m = _decimal(_raw(said, "std_dev_latitude")), _decimal(_raw(said, "std_dev_longitude"))
    if north_m is None or east_m is None:
        return None
    return max(north_m, east_m) if 0 < north_m < 1000 and 0 < east_m < 1000 else None


def _raw(said: Sentence, name: str) -> str:
    """A field's text, as it came: pynmea2 would convert it. Empty: absent."""
    at: int = said.name_to_idx[name]
    texts: list[str] = said.data
    return texts[at] if at < len(texts) else ""


def _time_ms(text: str) -> int | None:
    """Of the day. Read here: pynmea2's time of day has no leap second."""
    found = _TIME.fullmatch(text)
    return None if found is None else (int(found[1]) * 60 + int(found[2])) * 60_000 + round(float(found[3]) * 1000)


def _position(said: Sentence) -> LatLon | None:
    if not (_LAT.fullmatch(said.lat) and _LON.fullmatch(said.lon) and said.lat_dir in ("N", "S") and said.lon_dir in ("E", "W")):
        return None
    try:
        lat_deg, lon_deg = said.latitude, said.longitude
    except ValueError:
        return None
    return LatLon(lat_deg, lon_deg) if abs(lat_deg) <= 90 and abs(lon_deg) <= 180 else None


@lru_cache(maxsize=16)
def _midnight_ms(text: str) -> int | None:
    """Of `ddmmyy`, ms since 1970; the same one 86,400 times. Years are 1969 to 2068."""
    try:
        day = datestamp(text)
    except ValueError:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _speed_mps(text: str, unit_mps: float) -> float | None:
    value = _decimal(text)
    return None if value is None or value * unit_mps >= MAX_MPS else value * unit_mps


def _heading_deg(text: str) -> float | None:
    heading_deg = _decimal(text)
    return None if heading_deg is None or heading_deg > 360 else heading_deg % 360.0


def _decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _count(text: str) -> int:
    return int(text) if _COUNT.fullmatch(text) and int(text) <= 255 else 0


def _dilution(text: str) -> float | None:
    dilution = _decimal(text)
    return dilution if dilution is not None and 0 < dilution < 99 else None
