"""Receivers: gpsd, a serial line, NMEA over TCP, a recorded file. Whatever one does, it never ends the agent.

An unplugged receiver, a gpsd that was restarted or is frozen, a line full of noise: each becomes a `SourceEvent`, and the
receiver is opened again after a pause that grows and is jittered. All pauses here are real time.
"""

from __future__ import annotations

import asyncio
import random
import socket
import urllib.parse
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import serial

from roundsman_agent import AgentError, nmea
from roundsman_agent.clock import Clock
from roundsman_agent.ear import Ear, Patience, Piece, at_once
from roundsman_agent.fix import Fix, SourceEvent, SourceState
from roundsman_agent.gpsd_source import Gpsd, GpsdStream
from roundsman_agent.times import MonoMs
from roundsman_core.backoff import pause_s

SILENT_S: Final = 5.0
"""Receivers speak every second; five without a word are told."""
REOPEN_S: Final = 20.0
"""A half-open TCP line, a frozen gpsd or a wedged USB adapter never says so: after this silence it is opened again."""
MUTE_S: Final = 10.0
"""It speaks, and tells of no instant: its time stands still, or nothing of it can be read (a wrong baud rate). No receiver that works is so
slow."""
CONNECT_S: Final = 5.0
PAUSE_S: Final = 0.15
"""Sentences of one instant come in one burst; a pause of this length ends the instant of a receiver without GGA or RMC."""
FIRST_BACKOFF_S: Final = 0.5
MAX_BACKOFF_S: Final = 15.0
GARBAGE_EVERY_S: Final = 30.0
JUMP_MS: Final = 1_000
"""Later than that by so much, it is the receiver's time that has changed."""
ATTEND_EVERY_S: Final = 50.0
"""How long after its own time a report comes is learned of one that is heard when it comes; in between two clocks drift by milliseconds."""
LATE_PART: Final = 8
"""Two clocks drift apart: what is heard late counts an eighth."""
SEARCHING_EVERY_S: Final = 30.0
"""A receiver without a fix says so every second; told at its first word, and then so often, with the number of instants."""

Item = Fix | SourceEvent


class SourceError(AgentError):
    """The receiver's URL is not one that this agent reads."""


def open_source(url: str, clock: Clock, alive: Callable[[], None] = lambda: None, patience_s: Patience = at_once) -> AsyncGenerator[Item]:
    """Fixes of a receiver, as they come, and what there is to say about the receiver.

    Parameters
    ----------
    url : str
        `gpsd://host:port[/device]`, `serial:///dev/ttyX?baud=9600` (a pty too), `tcp://host:port` (NMEA lines), or
        `file:///path.nmea[?rate=N]`: a recording, N times as fast as it was made, without `rate` as fast as it is read.
    clock : Clock
        The session's clock; a fix carries `mono_ms` of its arrival (of a recording: of its own time, from the first fix on).
    alive : callable, optional
        Called when all that came so far was taken, and at least every half minute as long as it listens: also while a receiver is silent
        or gone.
    patience_s : callable, optional
        How long what comes may wait for what comes after it, so that it is worked on together (see `ear`).

    Returns
    -------
    async generator of Fix or SourceEvent
        Endless, but for a file. Fixes are not judged yet: the pipeline does that.

    Raises
    ------
    SourceError
        At once, for a URL that cannot be read.
    """
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    try:
        match parts.scheme:
            case "gpsd":
                gpsd = Gpsd(host=parts.hostname or "127.0.0.1", port=parts.port or 2947, device=parts.path)
                return _live(gpsd, url, clock, alive, patience_s)
            case "serial" if parts.path:
                return _live(SerialLine(path=parts.path, baud=int(query.get("baud", "9600"))), url, clock, alive, patience_s)
            case "tcp" if parts.hostname and parts.port:
                return _live(TcpLine(host=parts.hostname, port=parts.port), url, clock, alive, patience_s)
            case "file" if parts.path:
                rate = float(query["rate"]) if "rate" in query else None
                if rate is not None and not rate > 0:
                    raise ValueError("rate is not more than 0")
                return _recorded(Path(urllib.parse.unquote(parts.path)), rate, url, clock, alive)
    except ValueError as error:
        raise SourceError(f"receiver {url!r}: {error}") from None
    raise SourceError(
        f"receiver {url!r} is none of gpsd://host:port[/device], serial:///dev/ttyX?baud=9600, tcp://host:port, file:///path.nmea?rate=1"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpLine:
    """NMEA lines from a TCP port."""

    host: str
    port: int

    async def open(self, patience_s: Patience) -> NmeaStream:
        async with asyncio.timeout(CONNECT_S):
            return NmeaStream(ear=Ear(await self._connect(), patience_s))

    async def _connect(self) -> socket.socket:
        loop, refusal = asyncio.get_running_loop(), OSError("no address")
        for family, kind, protocol, _, address in await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            line = socket.socket(family, kind, protocol)
            line.setblocking(False)
            try:
                await loop.sock_connect(line, address)
            except BaseException as error:
                line.close()
                if not isinstance(error, OSError):
                    raise
                refusal = error
            else:
                return line
        raise refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class SerialLine:
    """NMEA lines from a serial port, or from a pty that stands for one."""

    path: str
    baud: int

    async def open(self, patience_s: Patience) -> NmeaStream:
        port = await asyncio.to_thread(serial.Serial, self.path, self.baud, timeout=0)
        return NmeaStream(ear=Ear(port, patience_s))


@dataclass(kw_only=True, slots=True)
class NmeaStream:
    """An open line of NMEA: bytes in, epochs out. A pause between two pieces ends an epoch: each has to be heard."""

    dated: ClassVar[bool] = False
    ear: Ear
    rest: bytes = b""
    assembly: nmea.Assembly = field(default_factory=nmea.Assembly)

    @property
    def pending(self) -> bool:
        """Whether a pause would complete an epoch."""
        return self.assembly.pending

    def take(self, chunk: bytes) -> list[nmea.Epoch]:
        """Epochs that these bytes complete."""
        epochs: list[nmea.Epoch] = []
        data = self.rest + chunk if self.rest else chunk
        end = data.rfind(b"\n") + 1
        self.rest = data[end:] if len(data) - end <= nmea.MAX_SENTENCE else b""  # beyond it: noise without an end of line
        for line in nmea.worth_feeding(data, end):
            self.assembly, epoch = nmea.feed(self.assembly, line)
            if epoch is not None:
                epochs.append(epoch)
        return epochs

    def pause(self) -> nmea.Epoch | None:
        """The epoch that a pause completes."""
        self.assembly, epoch = nmea.flush(self.assembly)
        return epoch

    @property
    def bad(self) -> int:
        """Sentences that could not be read, since it was opened."""
        return self.assembly.bad

    def close(self) -> None:
        """Let go of the line."""
        self.ear.close()


async def _live(
    line: Gpsd | SerialLine | TcpLine, url: str, clock: Clock, alive: Callable[[], None], patience_s: Patience
) -> AsyncGenerator[Item]:
    """Open, read, and open again, for ever."""
    failures = 0
    while True:
        alive()
        failures += 1
        try:
            stream = await line.open(patience_s)
        except Exception as error:  # gpsd-py3 raises bare Exception, IndexError, KeyError; pyserial its own; all mean: not now
            yield _event("lost", clock, f"{url}: {error or type(error).__name__}")
        else:
            yield _event("open", clock, url)
            attention = _Attention(stream, url, clock)
            try:
                while not attention.lost:
                    alive()
                    for item in await attention.next():
                        yield item
            finally:
                stream.close()
            failures = 1 if attention.fixes else failures
        await asyncio.sleep(pause_s(failures, FIRST_BACKOFF_S, MAX_BACKOFF_S, random.random()))


class _Attention:
    """Items of one open line, until it is lost or silent for too long."""

    def __init__(self, stream: NmeaStream | GpsdStream, url: str, clock: Clock) -> None:
        self._stream, self._url, self._clock = stream, url, clock
        self._now_s = asyncio.get_running_loop().time
        self._heard_s = self._told_s = self._told_garbage_s = self._told_searching_s = self._now_s()
        self._began_ms: tuple[int, int] = (clock.mono_ms(),) * 2
        self._lag_ms: int | None = None
        self._lag_s = float("-inf")
        self._silent = self._searching = self._mute = False
        self._counted = self._without = 0
        self.fixes = False
        self.lost = False

    async def next(self) -> list[Item]:
        """What comes next of it, and what there is to say of it."""
        stream, items = self._stream, list[Item]()
        try:
            pieces = await stream.ear.read(PAUSE_S if stream.pending else SILENT_S)
        except OSError as error:  # a pulled plug, a closed pty, a reset
            return self._end(str(error))
        if not pieces:
            if not stream.pending:
                return self._nothing()
            self._pause(items)
        for piece in pieces:
            if not piece.data:
                return [*items, *self._end("closed")]
            self._take(piece, items)
        self._hear_nothing_new(bool(pieces), items)
        stream.ear.naps = stream.dated and self._lag_ms is not None
        stream.ear.attends = self._now_s() - self._lag_s >= ATTEND_EVERY_S
        if stream.bad > self._counted and self._now_s() - self._told_garbage_s >= GARBAGE_EVERY_S:
            items.append(SourceEvent(kind="garbage", mono_ms=self._clock.mono_ms(), text=self._url, count=stream.bad - self._counted))
            self._counted, self._told_garbage_s = stream.bad, self._now_s()
        return items

    def _take(self, piece: Piece, items: list[Item]) -> None:
        """One piece, with the pause before it."""
        stream, clock = self._stream, self._clock
        at_ms = clock.mono_ms_at(piece.at_s)
        between_ms = (at_ms if piece.heard else clock.mono_ms_at(piece.since_s)), at_ms
        if stream.pending and piece.since_s - self._heard_s >= PAUSE_S:
            self._pause(items)
        self._heard_s, self._silent = piece.at_s, False
        if not stream.pending:
            self._began_ms = between_ms
        if epochs := stream.take(piece.data):
            self._tell(epochs, items)
            self._began_ms = between_ms

    def _pause(self, items: list[Item]) -> None:
        if (last := self._stream.pause()) is not None:
            self._tell([last], items)

    def _hear_nothing_new(self, speaks: bool, items: list[Item]) -> None:
        """A frozen receiver repeats its last instant, and noise says none: neither is silence, and both are told like it."""
        if speaks and not self._mute and self._now_s() - self._told_s >= MUTE_S:
            self._mute = True
            items.append(_event("silent", self._clock, f"{self._url}: speaks, and tells of no new instant for {MUTE_S:g} s"))

    def _tell(self, epochs: list[nmea.Epoch], items: list[Item]) -> None:
        for epoch in epochs:
            self._told_s, self._mute = self._now_s(), False
            if epoch.position is not None:
                self.fixes, self._searching = True, False
                items.append(fix_of(epoch, self._came_ms(epoch.utc_ms), self._url))
            else:
                self._no_fix(items)

    def _came_ms(self, utc_ms: int | None) -> MonoMs:
        """When an epoch came: when it was heard, or, within a nap, as long after its own time as those that were heard."""
        since_ms, at_ms = self._began_ms
        if utc_ms is None:
            self._lag_ms = None
        elif since_ms == at_ms:
            self._lag_s = self._now_s()
            lag_ms, before_ms = at_ms - utc_ms, self._lag_ms
            # A busy unit hears late, never early.
            late = before_ms is not None and before_ms <= lag_ms < before_ms + JUMP_MS
            self._lag_ms = before_ms + (lag_ms - before_ms) // LATE_PART if late and before_ms is not None else lag_ms
        elif self._lag_ms is not None:
            return MonoMs(min(max(utc_ms + self._lag_ms, since_ms), at_ms))
        return MonoMs(at_ms)

    def _end(self, why: str) -> list[Item]:
        self.lost = True
        return [_event("lost", self._clock, f"{self._url}: {why}")]

    def _nothing(self) -> list[Item]:
        if not self._silent:  # told before it is given up, also by an ear that has slept through both
            self._silent = True
            return [_event("silent", self._clock, f"{self._url}: nothing for {SILENT_S:g} s")]
        if self._now_s() - self._heard_s >= REOPEN_S:
            return self._end(f"nothing for {REOPEN_S:g} s")
        return []

    def _no_fix(self, items: list[Item]) -> None:
        self._without += 1
        if not self._searching or self._now_s() - self._told_searching_s >= SEARCHING_EVERY_S:
            self._searching, self._told_searching_s = True, self._now_s()
            items.append(SourceEvent(kind="searching", mono_ms=self._clock.mono_ms(), text=f"{self._url}: no fix", count=self._without))
            self._without = 0


async def _recorded(path: Path, rate: float | None, url: str, clock: Clock, alive: Callable[[], None]) -> AsyncGenerator[Item]:
    """A recording. Its fixes lie on the session's clock as they lay in life, whatever the rate."""
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        yield _event("lost", clock, f"{url}: {error.strerror}")
        return
    yield _event("open", clock, url)
    loop = asyncio.get_running_loop()
    started_s, started_ms = loop.time(), clock.mono_ms()
    first_ms: int | None = None
    at_ms = without = 0
    searching = False
    for epoch in epochs_of(data):
        if epoch.utc_ms is not None:
            first_ms = epoch.utc_ms - at_ms if first_ms is None else first_ms
            at_ms = max(epoch.utc_ms - first_ms, at_ms)
        else:
            at_ms += 1000
        wait_s = 0.0 if rate is None else started_s + at_ms / 1000 / rate - loop.time()
        await asyncio.sleep(max(wait_s, 0.0))
        alive()
        mono_ms = MonoMs(started_ms + at_ms)
        without += epoch.position is None
        if without and (epoch.position is not None or not searching):
            yield SourceEvent(kind="searching", mono_ms=mono_ms, text=f"{url}: no fix", count=without)
            without = 0
        searching = epoch.position is None
        if epoch.position is not None:
            yield fix_of(epoch, mono_ms, url)
    if without:
        yield SourceEvent(kind="searching", mono_ms=MonoMs(started_ms + at_ms), text=f"{url}: no fix", count=without)


def epochs_of(data: bytes) -> Iterator[nmea.Epoch]:
    """Epochs of a whole recording."""
    assembly = nmea.Assembly()
    for line in nmea.worth_feeding(data, len(data)):
        assembly, epoch = nmea.feed(assembly, line)
        if epoch is not None:
            yield epoch
    _, epoch = nmea.flush(assembly)
    if epoch is not None:
        yield epoch


def fix_of(epoch: nmea.Epoch, mono_ms: MonoMs, url: str) -> Fix:
    """The fix of an epoch that has a position, arrived at `mono_ms`."""
    assert epoch.position is not None
    return Fix(
        mono_ms=mono_ms,
        utc_ms=epoch.utc_ms,
        position=epoch.position,
        speed_mps=epoch.speed_mps,
        heading_deg=epoch.heading_deg,
        accuracy_m=epoch.accuracy_m,
        satellites=epoch.satellites,
        hdop=epoch.hdop,
        mode=epoch.mode,
        doubt=epoch.doubt,
        source=url,
    )


def _event(kind: SourceState, clock: Clock, text: str) -> SourceEvent:
    return SourceEvent(kind=kind, mono_ms=clock.mono_ms(), text=text)
