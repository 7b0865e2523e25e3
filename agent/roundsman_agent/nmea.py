"""NMEA sentences into epochs: what a receiver says of one instant, put together from the sentences that carry that instant's time.

Only sentences that say something are parsed (five of the 27 an epoch of a modern receiver); pynmea2 checks their checksum and
every field is guarded, since its accessors raise after a good parse and give 0.0 for what is absent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal

import pynmea2
from pynmea2.nmea_utils import datestamp, dm_to_sd

from roundsman_core.geo import LatLon

KNOT_MPS: Final = 1852 / 3600
DAY_MS: Final = 86_400_000
MAX_SENTENCE: Final = 256
"""The standard says 82 characters; some receivers send more. Longer ones are noise."""

RANGE_ERROR_M: Final = MappingProxyType({1: 3.0, 2: 1.5, 3: 1.5, 4: 0.1, 5: 0.6})
"""One sigma of a single range by GGA's quality (autonomous, differential, precise, RTK fixed, RTK float), times HDOP: on the recorded
drive (quality 5, HDOP 0.8) that says 0.5 m where p50 was 0.49 m. Anything else is as good as autonomous at best."""

SENTENCES: Final = frozenset((b"RMC", b"GGA", b"GSA", b"GST", b"ZDA"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What the receiver said of one instant. `position` None: it says that it has no fix."""

    utc_ms: int | None
    position: LatLon | None
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    satellites: int = 0
    mode: Literal[2, 3] = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Rmc:
    """Position, motion and date; `position` None where the status says so."""

    position: LatLon | None
    speed_mps: float | None
    heading_deg: float | None
    day: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gga:
    """Position and its quality; `position` None where the quality is 0."""

    position: LatLon | None
    quality: int
    satellites: int
    hdop: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """Sentences of the instant `time_ms` (of the day) so far, and what outlives an instant. `bad` counts refused sentences."""

    time_ms: int | None = None
    rmc: Rmc | None = None
    gga: Gga | None = None
    done_ms: int | None = None
    newest_utc_ms: int | None = None
    day: date | None = None
    mode: Literal[2, 3] = 3
    error_m: float | None = None
    bad: int = 0

    @property
    def pending(self) -> bool:
        """Whether an instant has begun that is not told yet."""
        return self.rmc is not None or self.gga is not None


def feed(state: Assembly, line: bytes) -> tuple[Assembly, Epoch | None]:
    """Take one line.

    Parameters
    ----------
    state : Assembly
        After the line before; `Assembly()` when a receiver was opened.
    line : bytes
        Whatever came before a line feed.

    Returns
    -------
    tuple
        New state; the epoch that this line completes: at once when both RMC and GGA are there, else when the next instant begins.
    """
    start = 0 if line.startswith(b"$") else line.find(b"$")
    kind = line[start + 3 : start + 6]
    if start < 0 or kind not in SENTENCES or (kind == b"GSA" and line[start + 9 : start + 10] == b"%d" % state.mode):
        return state, None  # four GSA an epoch say what was known: not worth parsing
    try:
        sentence = pynmea2.NMEASentence.parse(line[start:].decode("ascii"), check=True) if len(line) <= MAX_SENTENCE else None
    except (pynmea2.ParseError, UnicodeDecodeError):
        sentence = None
    if sentence is None:
        return replace(state, bad=state.bad + 1), None
    match sentence.sentence_type:
        case "RMC" | "GGA":
            return _position(state, sentence)
        case "GSA":
            return _mode(state, _text(sentence, "mode_fix_type")), None
        case "GST":
            lat, lon = _number(sentence, "std_dev_latitude"), _number(sentence, "std_dev_longitude")
            known = lat is not None and lon is not None and 0 < lat < 1000 and 0 < lon < 1000
            return replace(state, error_m=max(lat or 0.0, lon or 0.0) if known else None), None
        case _:  # ZDA: the date, for receivers without RMC
            try:
                return replace(state, day=sentence.datestamp), None
            except (TypeError, ValueError):
                return state, None


def _mode(state: Assembly, said: str) -> Assembly:
    """Flat or not. "No fix" is not taken from here: MTK receivers say it of each constellation that they do not use."""
    mode: Literal[2, 3] | None = 2 if said == "2" else 3 if said == "3" else None
    return state if mode is None or mode == state.mode else replace(state, mode=mode)


def flush(state: Assembly) -> tuple[Assembly, Epoch | None]:
    """The receiver pauses: what has come of this instant is all there will be."""
    return _tell(state, state.time_ms, state.rmc, state.gga) if state.pending else (state, None)


def _tell(state: Assembly, time_ms: int | None, rmc: Rmc | None, gga: Gga | None) -> tuple[Assembly, Epoch]:
    """The epoch of these sentences, and the state that has told it."""
    epoch = _epoch(state, time_ms, rmc, gga)
    newest = state.newest_utc_ms if epoch.utc_ms is None else epoch.utc_ms
    return Assembly(done_ms=time_ms, newest_utc_ms=newest, day=state.day, mode=state.mode, error_m=state.error_m, bad=state.bad), epoch


def _position(state: Assembly, sentence: Any) -> tuple[Assembly, Epoch | None]:
    at = sentence.timestamp
    time_ms = None
    if isinstance(at, time):
        time_ms = ((at.hour * 60 + at.minute) * 60 + at.second) * 1000 + at.microsecond // 1000
        if time_ms == state.done_ms:  # a second talker on the same instant
            return state, None
    epoch = None
    if time_ms != state.time_ms and state.pending:
        state, epoch = flush(state)
    rmc, gga = state.rmc, state.gga
    if sentence.sentence_type == "RMC":
        rmc = _rmc(sentence) if rmc is None or rmc.position is None else rmc
    else:
        gga = _gga(sentence) if gga is None or gga.position is None else gga
    if epoch is None and rmc is not None and gga is not None:
        return _tell(state, time_ms, rmc, gga)
    return replace(state, time_ms=time_ms, rmc=rmc, gga=gga), epoch


def _rmc(sentence: Any) -> Rmc:
    valid = _text(sentence, "status") == "A" and _text(sentence, "mode_indicator") != "N"
    knots, course = _number(sentence, "spd_over_grnd"), _number(sentence, "true_course")
    return Rmc(
        position=_place(sentence) if valid else None,
        speed_mps=knots * KNOT_MPS if knots is not None and 0 <= knots < 1000 else None,
        heading_deg=course % 360.0 if course is not None and 0 <= course <= 360 else None,
        day=_day(_text(sentence, "datestamp")),
    )


@lru_cache(maxsize=8)
def _day(text: str) -> date | None:
    """The day of `ddmmyy`; the same one 86,400 times."""
    try:
        day: date = datestamp(text)
    except ValueError:
        return None
    return day


def _gga(sentence: Any) -> Gga:
    hdop, satellites = _number(sentence, "horizontal_dil"), _number(sentence, "num_sats")
    said = _text(sentence, "gps_qual")
    quality = int(said) if said.isascii() and said.isdigit() else 0
    return Gga(
        position=_place(sentence) if quality > 0 else None,
        quality=quality,
        satellites=int(satellites) if satellites is not None and 0 <= satellites <= 255 else 0,
        hdop=hdop if hdop is not None and 0 < hdop < 99 else None,
    )


def _place(sentence: Any) -> LatLon | None:
    """The position, if all four of its fields are there and make one."""
    lat, lon, north, east = (_text(sentence, name) for name in ("lat", "lon", "lat_dir", "lon_dir"))
    if not (lat and lon and north in ("N", "S") and east in ("E", "W")):
        return None
    try:
        return LatLon(dm_to_sd(lat) * (1 if north == "N" else -1), dm_to_sd(lon) * (1 if east == "E" else -1))
    except ValueError:
        return None


def _text(sentence: Any, name: str) -> str:
    """A field as it was sent; empty where the sentence is too short for it. (The parser's accessors convert, and swallow failures.)"""
    at: int = type(sentence).name_to_idx[name]
    fields: list[str] = sentence.data
    return fields[at] if at < len(fields) else ""


def _number(sentence: Any, name: str) -> float | None:
    try:
        return float(_text(sentence, name))
    except ValueError:
        return None


def _epoch(state: Assembly, time_ms: int | None, rmc: Rmc | None, gga: Gga | None) -> Epoch:
    # GGA carries more digits on some receivers; a V in RMC or a 0 in GGA is the receiver's own doubt.
    doubts = (rmc is not None and rmc.position is None) or (gga is not None and gga.position is None)
    place = gga.position if gga is not None else rmc.position if rmc is not None else None
    accuracy_m = state.error_m
    if accuracy_m is None and gga is not None and gga.hdop is not None:
        accuracy_m = gga.hdop * RANGE_ERROR_M.get(gga.quality, RANGE_ERROR_M[1])
    return Epoch(
        utc_ms=_utc_ms(state, time_ms, rmc),
        position=None if doubts else place,
        speed_mps=None if rmc is None else rmc.speed_mps,
        heading_deg=None if rmc is None else rmc.heading_deg,
        accuracy_m=accuracy_m,
        satellites=0 if gga is None else gga.satellites,
        mode=state.mode,
    )


def _utc_ms(state: Assembly, time_ms: int | None, rmc: Rmc | None) -> int | None:
    """The instant: the day from RMC; without it, the day that puts the time of day nearest to the instant before."""
    if time_ms is None:
        return None
    if rmc is not None and rmc.day is not None:
        return _midnight_ms(rmc.day) + time_ms
    if state.newest_utc_ms is not None:
        return state.newest_utc_ms + (time_ms - state.newest_utc_ms + DAY_MS // 2) % DAY_MS - DAY_MS // 2
    return None if state.day is None else _midnight_ms(state.day) + time_ms


@lru_cache(maxsize=8)
def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
