"""gpsd through gpsd-py3, its faults contained.

gpsd-py3 makes the connection (greeting, devices, watch). Its polling is not used: it hangs for ever on a frozen gpsd, never reconnects,
repeats the last fix of a silent receiver as valid, turns absent fields into 0.0, and decodes 20 kB of satellites an epoch
(1,582 µs against 39). So its socket is taken over, gpsd is asked to report by itself, and only reports that matter are decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import socket
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, Final

import gpsd
import msgspec

from roundsman_agent.ear import Ear, Patience
from roundsman_agent.nmea import Doubt, Epoch
from roundsman_agent.sentences import MAX_MPS
from roundsman_agent.times import GnssMs
from roundsman_core.geo import LatLon

HANDSHAKE_S: Final = 5.0
"""gpsd-py3 has no time-out: a frozen gpsd accepts and never greets. Its socket is shut from outside after this time."""
MAX_REPORT_BYTES: Final = 262_144
"""A report of satellites can be 20 kB; a line ten times as long is not gpsd's."""
STICK_MS: Final = 5_000
"""Of two receivers the first with a fix is believed, until it has had none for so long; two in turn would zigzag."""
SIGMA_OF_EPH: Final = 2.0
"""gpsd states errors at about 95 %: half of it is one sigma."""

ESTIMATED: Final = frozenset((5, 8))
"""gpsd's status of what no satellite measured: dead reckoning, simulated."""
_HDOP: Final = re.compile(rb'"hdop":([0-9.]{1,12})[,}]')

_one_at_a_time = threading.Lock()
"""gpsd-py3 keeps its connection in module globals: they are only used between two lines under this lock."""


class Tpv(msgspec.Struct, frozen=True):
    """What is read of gpsd's time-position-velocity report. Absent is None, not 0.0."""

    mode: int = 0
    device: str = ""
    time: str | None = None
    lat: float | None = None
    lon: float | None = None
    speed: float | None = None
    track: float | None = None
    eph: float | None = None
    status: int = 0


_tpv = msgspec.json.Decoder(Tpv)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpsd:
    """Where a gpsd listens, and the one device to believe (empty: whichever has a fix first, for as long as it has)."""

    host: str
    port: int
    device: str = ""

    async def open(self, patience_s: Patience) -> GpsdStream:
        """Connect through gpsd-py3, and let gpsd report by itself."""
        loop = asyncio.get_running_loop()
        shaking = loop.run_in_executor(None, _handshake, self.host, self.port, self.device)
        try:
            connected = await asyncio.shield(shaking)
        except asyncio.CancelledError:
            shaking.add_done_callback(_close_result)
            raise
        return GpsdStream(ear=Ear(connected, patience_s), device=self.device)


def _handshake(host: str, port: int, device: str) -> socket.socket:
    """Connect with gpsd-py3, take its connection over, and let gpsd report by itself."""
    watch: dict[str, object] = {"enable": True, "json": True}
    if device:
        watch["device"] = device
    with _one_at_a_time:
        gpsd.gpsd_socket = gpsd.gpsd_stream = None
        alarm = threading.Timer(HANDSHAKE_S, _cut)
        alarm.daemon = True
        alarm.start()
        try:
            gpsd.connect(host, port)
            gpsd.gpsd_socket.sendall(f"?WATCH={json.dumps(watch)}\n".encode())
            connected: socket.socket = gpsd.gpsd_socket.dup()
        finally:
            alarm.cancel()
            for part in (gpsd.gpsd_stream, gpsd.gpsd_socket):
                with contextlib.suppress(OSError, AttributeError):
                    part.close()
        return connected


def _cut() -> None:
    """Wake a handshake that hangs: its reads see the end, its connect fails."""
    with contextlib.suppress(OSError, AttributeError):
        gpsd.gpsd_socket.shutdown(socket.SHUT_RDWR)


def _close_result(shaking: asyncio.Future[socket.socket]) -> None:
    """Nobody waits for this connection any more."""
    if not shaking.cancelled() and shaking.exception() is None:
        shaking.result().close()


@dataclass(kw_only=True, slots=True)
class GpsdStream:
    """An open gpsd: its reports in, epochs out. Two reports of one instant are merged: the first may lack the course.

    `dated`: each says of which instant it is, so that nobody need be awake when it comes.
    """

    dated: ClassVar[bool] = True
    ear: Ear
    device: str = ""
    rest: bytes = b""
    waiting: Tpv | None = None
    told: str | None = None
    believed: str = ""
    believed_ms: int = 0
    satellites: int = 0
    hdop: float | None = None
    bad: int = 0

    @property
    def pending(self) -> bool:
        """Whether a pause would complete an epoch."""
        return self.waiting is not None

    def take(self, chunk: bytes) -> list[Epoch]:
        """Epochs that these bytes complete."""
        epochs: list[Epoch] = []
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        if len(self.rest) > MAX_REPORT_BYTES:
            self.rest = b""
            self.bad += 1
        for line in lines:
            if line.startswith(b'{"class":"TPV"'):
                self._report(line, epochs)
            elif line.startswith(b'{"class":"SKY"') and b'"satellites"' in line:
                self.satellites = line.count(b'"used":true')
                hdop = _HDOP.search(line)
                self.hdop = _number(hdop[1]) if hdop is not None else None
        return epochs

    def pause(self) -> Epoch | None:
        """The epoch that a pause completes."""
        return None if self.waiting is None else self._tell(self.waiting)

    def close(self) -> None:
        """Let go of the connection."""
        self.ear.close()

    def _report(self, line: bytes, epochs: list[Epoch]) -> None:
        try:
            tpv = _tpv.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.bad += 1
            return
        if tpv.mode >= 2 and tpv.lat is not None and tpv.lon is not None and not is_place(tpv.lat, tpv.lon):
            self.bad += 1
            return
        if not self._believes(tpv):
            return
        before = self.waiting
        if before is not None and before.time != tpv.time:
            epochs.append(self._tell(before))
        elif before is not None:
            tpv = _merged(before, tpv)
        if tpv.time is not None and tpv.time == self.told:
            return
        complete = tpv.mode >= 2 and tpv.track is not None and tpv.speed is not None
        if complete or tpv.mode < 2:
            epochs.append(self._tell(tpv))
        else:
            self.waiting = tpv

    def _believes(self, tpv: Tpv) -> bool:
        """Whether this receiver is the one to listen to."""
        if self.device:
            return tpv.device == self.device
        now_ms = _utc_ms(tpv.time) or self.believed_ms
        if tpv.device != self.believed and self.believed and now_ms - self.believed_ms <= STICK_MS:
            return False
        if tpv.mode >= 2:
            self.believed, self.believed_ms = tpv.device, now_ms
        return True

    def _tell(self, tpv: Tpv) -> Epoch:
        self.waiting, self.told = None, tpv.time
        doubt: Doubt = "estimated" if tpv.status in ESTIMATED else ""
        return Epoch(
            utc_ms=_utc_ms(tpv.time),
            position=_position(tpv),
            speed_mps=tpv.speed if tpv.speed is not None and 0 <= tpv.speed < MAX_MPS else None,
            heading_deg=tpv.track % 360.0 if tpv.track is not None and 0 <= tpv.track <= 360 else None,
            accuracy_m=tpv.eph / SIGMA_OF_EPH if tpv.eph is not None and 0 <= tpv.eph < math.inf else None,
            satellites=min(self.satellites, 255),
            hdop=self.hdop,
            mode=2 if tpv.mode == 2 else 3,
            doubt=doubt,
        )


def _merged(first: Tpv, second: Tpv) -> Tpv:
    """Two reports of one instant: the later one's word, and what only the earlier one said."""
    said = {name: value for name in Tpv.__struct_fields__ if (value := getattr(second, name)) is not None}
    return msgspec.structs.replace(first, **{**said, "mode": max(first.mode, second.mode)})


def _position(tpv: Tpv) -> LatLon | None:
    if tpv.mode < 2 or tpv.lat is None or tpv.lon is None:
        return None
    return LatLon(tpv.lat, tpv.lon)


def is_place(lat_deg: float, lon_deg: float) -> bool:
    """Whether there is such a place."""
    return -90.0 <= lat_deg <= 90.0 and -180.0 <= lon_deg <= 180.0


@lru_cache(4)
def _utc_ms(text: str | None) -> GnssMs | None:
    """Asked more than once of the same report."""
    if text is None:
        return None
    try:
        said = datetime.fromisoformat(text)
        return None if said.tzinfo is None else GnssMs(round(said.timestamp() * 1000))
    except (ValueError, OverflowError):
        return None


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
