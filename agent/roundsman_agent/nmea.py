"""NMEA sentences into epochs: what a receiver says of one instant, put together from the sentences that carry that instant's time.

Sentences come in any order and from any talker (GP, GL, GA, GB, BD, GN, …). RMC and GGA together say everything: their epoch is told
at once. Of a receiver without one of them it is told when the next instant begins, or at a pause. VTG says no time: it belongs to
the instant under way, or to the next one where none is. Only sentences that say something new are parsed (two of the 27 of an epoch
of a modern receiver).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from roundsman_agent import sentences
from roundsman_agent.sentences import MAX_SENTENCE, Motion, Place, Quality
from roundsman_agent.times import GnssMs
from roundsman_core.geo import LatLon, distance_m

__all__ = ["MAX_SENTENCE", "Assembly", "Doubt", "Epoch", "feed", "flush"]

DAY_MS: Final = 86_400_000
RANGE_ERROR_M: Final = MappingProxyType({1: 3.0, 2: 1.5, 3: 1.5, 4: 0.1, 5: 0.6})
"""One sigma of a single range by GGA's quality (autonomous, differential, precise, RTK fixed, RTK float), times HDOP: on the recorded
drive (quality 5, HDOP 0.8) that says 0.5 m where p50 was 0.49 m. Anything else is as good as autonomous at best."""
CONTRADICTION_M: Final = 100.0
"""RMC and GGA of one instant are the same place to their last digit (60 receivers' logs); two antennas on one line are metres apart.
Further, and one of them was damaged in a way that its eight bits of checksum let pass."""
OTHER_VOICE: Final = 0.9
"""Of a receiver's interval: another talker that speaks sooner than this after it is another receiver on the same line."""
LONGEST_INTERVAL_MS: Final = 10_000
"""Instants further apart than this teach nothing about how often a receiver speaks."""

PLACES: Final = frozenset((b"RMC", b"GGA", b"GNS", b"GLL"))
SENTENCES: Final = PLACES | {b"VTG", b"ZDA", b"GSA", b"GST"}
SPARE: Final = frozenset((b"VTG", b"ZDA", b"GLL", b"GNS"))
"""Say nothing that RMC and GGA of the same instant have not said."""

Doubt = Literal["", "contradiction", "estimated"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """What the receiver said of one instant. `position` None: it says that it has no fix. `doubt`: why not to believe the one that is there."""

    utc_ms: GnssMs | None
    position: LatLon | None
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    satellites: int = 0
    hdop: float | None = None
    mode: Literal[2, 3] = 3
    doubt: Doubt = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assembly:
    """Sentences of the instant `time_ms` (of the day) so far, and what outlives an instant. `bad` counts refused sentences.

    `whole`: the epoch before had both RMC and GGA. `talker` speaks for this line, every `interval_ms`.
    """

    time_ms: int | None = None
    rmc: Place | None = None
    gga: Place | None = None
    gll: Place | None = None
    quality: Quality | None = None
    motion: Motion | None = None
    midnight_ms: int | None = None
    done_ms: int | None = None
    newest_utc_ms: GnssMs | None = None
    day_ms: int | None = None
    mode: Literal[2, 3] = 3
    error_m: float | None = None
    whole: bool = False
    talker: bytes = b""
    interval_ms: int = 0
    bad: int = 0

    @property
    def pending(self) -> bool:
        """Whether an instant has begun that is not told yet."""
        return self.rmc is not None or self.gga is not None or self.gll is not None


def feed(state: Assembly, line: bytes) -> tuple[Assembly, Epoch | None]:
    """Take one line.

    Parameters
    ----------
    state : Assembly
        After the line before; `Assembly()` when a receiver was opened.
    line : bytes
        Whatever came before a line feed. What stands before its last `$` was cut short, and is dropped.

    Returns
    -------
    tuple
        New state; the epoch that this line completes.
    """
    start = line.rfind(b"$")
    kind = line[start + 3 : start + 6]
    if start < 0 or kind not in SENTENCES or (state.whole and kind in SPARE):
        return state, None
    if kind == b"GSA" and line[start + 9 : start + 10] == b"%d" % state.mode:
        return state, None  # four GSA an epoch say what was known
    fields = sentences.checked(line, start)
    if fields is None:
        return replace(state, bad=state.bad + 1), None
    if kind in PLACES:
        return _place(state, kind, line[start + 1 : start + 3], fields)
    if kind == b"GSA":
        mode = sentences.gsa(fields)
        return (state if mode is None else replace(state, mode=mode)), None
    if kind == b"GST":
        return replace(state, error_m=sentences.gst(fields)), None
    if kind == b"VTG":
        return (state if state.rmc is not None else replace(state, motion=sentences.vtg(fields))), None
    _, midnight_ms = sentences.zda(fields)
    return (state if midnight_ms is None else replace(state, day_ms=midnight_ms)), None


def flush(state: Assembly) -> tuple[Assembly, Epoch | None]:
    """The receiver pauses: what has come of this instant is all there will be."""
    return _tell(state) if state.pending else (state, None)


def _place(state: Assembly, kind: bytes, talker: bytes, fields: list[str]) -> tuple[Assembly, Epoch | None]:
    """A sentence that says where and when: it joins the instant under way, or ends it and begins the next."""
    motion, midnight_ms, quality = state.motion, state.midnight_ms, state.quality
    if kind == b"RMC":
        place, motion, midnight_ms = sentences.rmc(fields)
    elif kind == b"GLL":
        place = sentences.gll(fields)
    else:
        place, quality = sentences.gga(fields) if kind == b"GGA" else sentences.gns(fields)
    time_ms = place.time_ms
    if time_ms is not None and time_ms == state.done_ms and not state.pending:
        return state, None  # said again, by itself or by a second talker
    begins = not state.pending or time_ms != state.time_ms
    if begins and _is_another(state, talker, time_ms):
        return state, None
    epoch = None
    if begins:
        if state.pending:
            state, epoch = _tell(state)
            motion = motion if kind == b"RMC" else None
            midnight_ms = midnight_ms if kind == b"RMC" else None
            quality = quality if kind in (b"GGA", b"GNS") else None
        since_ms = 0 if time_ms is None or state.done_ms is None else (time_ms - state.done_ms) % DAY_MS
        interval_ms = since_ms if 0 < since_ms <= LONGEST_INTERVAL_MS else state.interval_ms
    else:
        talker, interval_ms = state.talker, state.interval_ms
        if kind == b"RMC" and state.rmc is not None and state.rmc.position is not None:
            return state, epoch  # a second talker on this instant: the first one's word stands
        if kind in (b"GGA", b"GNS") and state.gga is not None and state.gga.position is not None:
            return state, epoch
    state = Assembly(
        time_ms=time_ms,
        rmc=place if kind == b"RMC" else state.rmc,
        gga=place if kind in (b"GGA", b"GNS") else state.gga,
        gll=place if kind == b"GLL" else state.gll,
        quality=quality,
        motion=motion,
        midnight_ms=midnight_ms,
        done_ms=state.done_ms,
        newest_utc_ms=state.newest_utc_ms,
        day_ms=state.day_ms,
        mode=state.mode,
        error_m=state.error_m,
        whole=state.whole,
        talker=talker,
        interval_ms=interval_ms,
        bad=state.bad,
    )
    if epoch is None and state.rmc is not None and state.gga is not None:
        return _tell(state)
    return state, epoch


def _is_another(state: Assembly, talker: bytes, time_ms: int | None) -> bool:
    """Whether a second receiver speaks on this line: another talker, between two instants of the one that is believed."""
    spoke_ms = state.time_ms if state.pending else state.done_ms
    if talker == state.talker or time_ms is None or spoke_ms is None or not state.interval_ms:
        return False
    return 0 < (time_ms - spoke_ms) % DAY_MS < OTHER_VOICE * state.interval_ms


def _tell(state: Assembly) -> tuple[Assembly, Epoch]:
    """The epoch of these sentences, and the state that has told it."""
    epoch = _epoch(state)
    after = Assembly(
        done_ms=state.time_ms,
        newest_utc_ms=state.newest_utc_ms if epoch.utc_ms is None else epoch.utc_ms,
        day_ms=state.day_ms,
        mode=state.mode,
        error_m=state.error_m,
        whole=state.rmc is not None and state.gga is not None,
        talker=state.talker,
        interval_ms=state.interval_ms,
        bad=state.bad,
    )
    return after, epoch


def _epoch(state: Assembly) -> Epoch:
    rmc, gga, gll, quality, motion = state.rmc, state.gga, state.gll, state.quality, state.motion
    # GGA carries more digits on some receivers; a V in RMC or a 0 in GGA is the receiver's own doubt.
    best = gga or rmc or gll
    denied = (rmc is not None and rmc.position is None) or (gga is not None and gga.position is None)
    position = None if best is None or denied else best.position
    doubt: Doubt = ""
    if position is not None:
        if rmc is not None and gga is not None and rmc.position is not None and distance_m(rmc.position, position) > CONTRADICTION_M:
            doubt = "contradiction"
        elif best is not None and (best.estimated or (rmc is not None and rmc.estimated)):
            doubt = "estimated"
    accuracy_m = state.error_m
    if accuracy_m is None and quality is not None and quality.hdop is not None:
        accuracy_m = quality.hdop * RANGE_ERROR_M.get(quality.quality, RANGE_ERROR_M[1])
    return Epoch(
        utc_ms=_utc_ms(state),
        position=position,
        speed_mps=None if motion is None else motion.speed_mps,
        heading_deg=None if motion is None else motion.heading_deg,
        accuracy_m=accuracy_m,
        satellites=0 if quality is None else quality.satellites,
        hdop=None if quality is None else quality.hdop,
        mode=state.mode,
        doubt=doubt,
    )


def _utc_ms(state: Assembly) -> GnssMs | None:
    """The instant: the day from RMC; without it, the day that puts the time of day nearest to the instant before."""
    time_ms = state.time_ms
    if time_ms is None:
        return None
    if state.midnight_ms is not None:
        return GnssMs(state.midnight_ms + time_ms)
    if state.newest_utc_ms is not None:
        return GnssMs(state.newest_utc_ms + (time_ms - state.newest_utc_ms + DAY_MS // 2) % DAY_MS - DAY_MS // 2)
    return None if state.day_ms is None else GnssMs(state.day_ms + time_ms)
