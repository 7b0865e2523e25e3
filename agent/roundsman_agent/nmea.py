"""NMEA sentences into epochs: what a receiver says of one instant, put together from the sentences that carry that instant's time.

Sentences come in any order and from any talker (GP, GL, GA, GB, BD, GN, …). RMC and GGA together say everything: their epoch is told
at once. Of a receiver without one of them it is told when the next instant begins, or at a pause. VTG says no time: it belongs to
the instant under way, or to the next one where none is. Only sentences that say something new are parsed (two of the 27 of an epoch
of a modern receiver).
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgspec

from roundsman_agent import sentences
from roundsman_agent.sentences import MAX_SENTENCE, Motion, Place, Quality, Sentence
from roundsman_agent.times import GnssMs
from roundsman_core.geo import LatLon, distance_m

__all__ = ["MAX_SENTENCE", "Assembly", "Doubt", "Epoch", "feed", "flush", "worth_feeding"]

DAY_MS: Final = 86_400_000
RANGE_ERROR_M: Final = MappingProxyType({1: 3.0, 2: 1.5, 3: 1.5, 4: 0.1, 5: 0.6})
"""One sigma of a single range by GGA's quality (autonomous, differential, precise, RTK fixed, RTK float), times HDOP: on the recorded
drive (quality 5, HDOP 0.8) that says 0.5 m where p50 was 0.49 m. Anything else is as good as autonomous at best."""
CONTRADICTION_M: Final = 100.0
"""RMC and GGA of one instant are the same place to their last digit (60 receivers' logs); two antennas on one line are metres apart.
Further, and one of them was damaged in a way that its eight bits of checksum let pass."""
OTHER_VOICE: Final = 0.9
"""Of a receiver's interval: another talker that speaks sooner than this after it is another receiver on the same line."""
WHOLE: Final = 3
"""A receiver that says both RMC and GGA, and then one of them alone, lost the other on the line: nothing vouches for the one that came.
Three times in a row, and it has been told to say less."""
LONGEST_INTERVAL_MS: Final = 10_000
"""Instants further apart than this teach nothing about how often a receiver speaks."""

PLACES: Final = frozenset((b"RMC", b"GGA", b"GNS", b"GLL"))
SENTENCES: Final = PLACES | {b"VTG", b"ZDA", b"GSA", b"GST"}
SPARE: Final = frozenset((b"VTG", b"ZDA", b"GLL", b"GNS"))
"""Say nothing that RMC and GGA of the same instant have not said."""
_WORTH_FEEDING: Final = re.compile(rb"\$[A-Z]{2}(?:RMC|GGA|GNS|GLL|VTG|ZDA|GSA|GST),[^$\n]{0,%d}" % (2 * MAX_SENTENCE))
_MODE_DIGIT: Final = MappingProxyType({2: b"2", 3: b"3"})

Doubt = Literal["", "contradiction", "estimated", "partial"]


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver said of one instant. `position` None: it says that it has no fix. `doubt`: why not to believe the one it gives."""

    utc_ms: GnssMs | None
    position: LatLon | None
    speed_mps: float | None = None
    heading_deg: float | None = None
    accuracy_m: float | None = None
    satellites: int = 0
    hdop: float | None = None
    mode: Literal[2, 3] = 3
    doubt: Doubt = ""


class Memory(NamedTuple):
    """What outlives an instant: the last one told, the day, how the receiver speaks. `whole`: `WHOLE` after both RMC and GGA, less since.
    `mode`: what GSA said last. `talker` speaks for this line, every `interval_ms` at most often."""

    done_ms: int | None = None
    newest_utc_ms: GnssMs | None = None
    day_ms: int | None = None
    mode: Literal[2, 3] = 2
    error_m: float | None = None
    whole: int = 0
    talker: bytes = b""
    interval_ms: int = 0


class Assembly(NamedTuple):
    """Sentences of the instant `time_ms` (of the day) so far, and what is remembered. `bad` counts refused sentences."""

    memory: Memory = Memory()
    time_ms: int | None = None
    rmc: Place | None = None
    gga: Place | None = None
    gll: Place | None = None
    quality: Quality | None = None
    motion: Motion | None = None
    midnight_ms: int | None = None
    bad: int = 0

    @property
    def pending(self) -> bool:
        """Whether an instant has begun that is not told yet."""
        return self.rmc is not None or self.gga is not None or self.gll is not None


def worth_feeding(data: bytes, end: int) -> list[bytes]:
    """The lines of `data[:end]` that say something; a loop over all of them would cost more than reading these does."""
    return _WORTH_FEEDING.findall(data, 0, end)


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
    memory = state.memory
    if start < 0 or kind not in SENTENCES or (memory.whole == WHOLE and kind in SPARE):
        return state, None
    if kind == b"GSA" and line[start + 9 : start + 10] == _MODE_DIGIT[memory.mode]:
        return state, None  # four GSA an epoch say what was known
    said = sentences.read(line, start)
    if said is None:
        return state._replace(bad=state.bad + 1), None
    if kind in PLACES:
        return _place(state, kind, line[start + 1 : start + 3], said)
    if kind == b"VTG":
        return (state if state.rmc is not None else state._replace(motion=sentences.vtg(said))), None
    if kind == b"GSA":
        memory = memory._replace(mode=sentences.gsa(said) or memory.mode)
    elif kind == b"GST":
        memory = memory._replace(error_m=sentences.gst(said))
    else:
        memory = memory._replace(day_ms=sentences.zda(said) or memory.day_ms)
    return state._replace(memory=memory), None


def flush(state: Assembly) -> tuple[Assembly, Epoch | None]:
    """The receiver pauses: what has come of this instant is all there will be."""
    return _tell(state) if state.pending else (state, None)


def _place(state: Assembly, kind: bytes, talker: bytes, said: Sentence) -> tuple[Assembly, Epoch | None]:
    """A sentence that says where and when: it joins the instant under way, or ends it and begins the next."""
    rmc = gga = gll = quality = motion = midnight_ms = None
    if kind == b"RMC":
        place, motion, midnight_ms = sentences.rmc(said)
        rmc = place
    elif kind == b"GLL":
        place = gll = sentences.gll(said)
    else:
        place, quality = sentences.gga(said) if kind == b"GGA" else sentences.gns(said)
        gga = place
    time_ms = place.time_ms
    epoch = None
    if not state.pending or time_ms != state.time_ms:
        if not state.pending and time_ms is not None and time_ms == state.memory.done_ms:
            return state, None  # said again, by itself or by a second talker
        memory = _heard(state, talker, time_ms)
        if memory is None:
            return state, None
        if state.pending:
            state, epoch = _tell(state)
            memory = memory._replace(newest_utc_ms=state.memory.newest_utc_ms, whole=state.memory.whole)
        motion = motion or state.motion
    else:
        # A second talker on this instant: the first one's word stands, unless it had none.
        memory = state.memory
        rmc = rmc if state.rmc is None or state.rmc.position is None else state.rmc
        gga = gga if state.gga is None or state.gga.position is None else state.gga
        gll, quality = state.gll or gll, state.quality or quality
        if rmc is state.rmc:
            motion, midnight_ms = state.motion, state.midnight_ms
        rmc, gga = rmc or state.rmc, gga or state.gga
    state = Assembly(memory, time_ms, rmc, gga, gll, quality, motion, midnight_ms, state.bad)
    return _tell(state) if epoch is None and rmc is not None and gga is not None else (state, epoch)


def _heard(state: Assembly, talker: bytes, time_ms: int | None) -> Memory | None:
    """How the receiver speaks, after it begins this instant; None if it is not it: another talker, between two instants of its own."""
    memory = state.memory
    spoke_ms = state.time_ms if state.pending else memory.done_ms
    if time_ms is None or spoke_ms is None:
        return memory if memory.talker == talker else memory._replace(talker=talker)
    since_ms = (time_ms - spoke_ms) % DAY_MS
    if talker != memory.talker and 0 < since_ms < OTHER_VOICE * memory.interval_ms:
        return None
    if talker != memory.talker:
        return memory._replace(talker=talker)
    return memory._replace(interval_ms=since_ms) if 0 < since_ms < (memory.interval_ms or LONGEST_INTERVAL_MS) else memory


def _tell(state: Assembly) -> tuple[Assembly, Epoch]:
    """The epoch of these sentences, and the state that has told it."""
    epoch = _epoch(state)
    _, newest_utc_ms, day_ms, mode, error_m, whole, talker, interval_ms = state.memory
    whole = WHOLE if state.rmc is not None and state.gga is not None else max(whole - 1, 0)
    newest_utc_ms = newest_utc_ms if epoch.utc_ms is None else epoch.utc_ms
    return Assembly(Memory(state.time_ms, newest_utc_ms, day_ms, mode, error_m, whole, talker, interval_ms), bad=state.bad), epoch


def _epoch(state: Assembly) -> Epoch:
    memory, _, rmc, gga, gll, quality, motion, _, _ = state
    # GGA carries more digits on some receivers; a V in RMC or a 0 in GGA is the receiver's own doubt.
    best = gga or rmc or gll
    position = None if best is None else best.position
    doubt: Doubt = ""
    if rmc is not None and position is not None:
        if rmc.position is None:
            position = None
        elif rmc.position != position and distance_m(rmc.position, position) > CONTRADICTION_M:
            doubt = "contradiction"
    if memory.whole and (gga is None or rmc is None):
        doubt = "partial"
    if best is not None and (best.estimated or (rmc is not None and rmc.estimated)):
        doubt = doubt or "estimated"
    accuracy_m = memory.error_m
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
        mode=3 if quality is not None and quality.high else memory.mode,  # as gpsd judges it; GSA is often wrong or late
        doubt=doubt,
    )


def _utc_ms(state: Assembly) -> GnssMs | None:
    """The instant: the day from RMC; without it, the day that puts the time of day nearest to the instant before."""
    time_ms, newest_utc_ms = state.time_ms, state.memory.newest_utc_ms
    if time_ms is None:
        return None
    if state.midnight_ms is not None:
        return GnssMs(state.midnight_ms + time_ms)
    if newest_utc_ms is not None:
        return GnssMs(newest_utc_ms + (time_ms - newest_utc_ms + DAY_MS // 2) % DAY_MS - DAY_MS // 2)
    return None if state.memory.day_ms is None else GnssMs(state.memory.day_ms + time_ms)
