"""Damaged inputs by the million: no crash, and no wrong fix accepted.

A pretend van drives; what its receiver says is damaged on the way (bits, digits, fields, lines; half of it with a checksum made right
again), and goes through reader, gate and pipeline like everything else. Because the truth is known, there is an oracle: no believed fix may
be further from it than `REACH_M` and what a van can drive since the last believed fix. Frames and steering documents have theirs: damaged
bytes are refused, or, where their seals are made anew, read into values inside their ranges.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import Final

from roundsman_agent import nmea
from roundsman_agent.gate import FASTEST_MPS
from roundsman_agent.gpsd_source import GpsdStream
from roundsman_agent.pipeline import DutyChanged, PipelineConfig, PipelineState, Position, step
from roundsman_agent.sources import fix_of
from roundsman_agent.times import MonoMs
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_sim.bench_table import Row
from roundsman_sim.fuzz_documents import fuzz_frames, fuzz_plans
from roundsman_sim.fuzz_outcome import Outcome, flipped
from roundsman_sim.receiver import Epoch as Said, Receiver, Truth

SHARES: Final = {"nmea": 0.70, "gpsd": 0.18, "frames": 0.08, "plans": 0.04}
REACH_M: Final = 150.0
"""What the gate grants a fix a second after another: 40 m of driving and braking, its slack, and three times the claimed errors; and the
20 m by which an anchor may lie behind."""
DAMAGED: Final = 0.15
"""Share of lines that are damaged: a bad line, and still one on which a van can be followed."""
CLEAN_EPOCHS: Final = 3
"""A shift's first fixes have nothing to be judged by."""
SHIFT_EPOCHS: Final = 600
START_UTC_MS: Final = 1_790_000_000_000
EPOCH_SENTENCES: Final = 4


def rows(inputs: int, seed: int) -> list[Row]:
    """Rows of `make bench-agent`: how many inputs, how many failures among them, and how far the worst believed fix lay from the truth."""
    outcome = fuzz(inputs, seed)
    for failure in (outcome.crashes + outcome.wrong)[:10]:
        print(f"fuzz: {failure}")
    return [
        Row("fuzz_inputs", outcome.inputs, "", inputs, at_least=True),
        Row("fuzz_failures", len(outcome.crashes) + len(outcome.wrong), "", 0),
        Row("fuzz_worst_fix_m", round(outcome.worst_m, 1), "m"),
        Row("fuzz_believed", round(outcome.believed / max(outcome.offered, 1), 3), "of all epochs"),
    ]


def fuzz(inputs: int, seed: int) -> Outcome:
    """Damage that many inputs: sentences, gpsd's reports, frames and steering documents, by `SHARES`; the same ones for the same seed."""
    outcome = Outcome()
    rng = random.Random(seed)
    for name, run in (("nmea", _nmea), ("gpsd", _gpsd), ("frames", fuzz_frames), ("plans", fuzz_plans)):
        run(round(inputs * SHARES[name]), rng, outcome)
    return outcome


# ── a van whose truth is known ──────────────────────────────────────────────────────────────────────────────────────


def _drive(rng: random.Random) -> Iterator[Truth]:
    """A shift, one instant a second: streets, bends, lights and stops."""
    at, heading_deg, speed_mps, goal_mps = LatLon(rng.uniform(-60, 60), rng.uniform(-170, 170)), rng.uniform(0, 360), 0.0, 10.0
    for second in range(SHIFT_EPOCHS):
        yield Truth(utc_ms=START_UTC_MS + second * 1000, position=at, speed_mps=speed_mps, heading_deg=heading_deg)
        if rng.random() < 0.05:
            goal_mps = rng.choice((0.0, 0.0, 5.0, 10.0, 14.0, 28.0))
            heading_deg = (heading_deg + rng.choice((0, 0, 90, -90, 20))) % 360
        speed_mps += max(-3.0, min(2.0, goal_mps - speed_mps))
        turned = math.radians(heading_deg)
        at = LocalFrame(at).to_latlon(math.sin(turned) * speed_mps, math.cos(turned) * speed_mps)


class _Van:
    """One shift through the pipeline, with the oracle beside it."""

    def __init__(self, outcome: Outcome, what: str) -> None:
        self._outcome, self._what = outcome, what
        self._config = PipelineConfig.of("full")
        self._state, _ = step(PipelineState(), DutyChanged(duty="on", mono_ms=0, utc_ms=None), self._config)
        self._believed_ms = 0

    def take(self, epoch: nmea.Epoch, truth: Truth) -> None:
        """What the reader made of the damaged lines of this instant."""
        mono_ms = MonoMs(truth.utc_ms - START_UTC_MS)
        if epoch.position is None:
            return
        self._state, out = step(self._state, fix_of(epoch, mono_ms, self._what), self._config)
        for position in out:
            if isinstance(position, Position):
                self._judge(position, truth, mono_ms)

    def _judge(self, position: Position, truth: Truth, mono_ms: int) -> None:
        off_m = distance_m(position.position, truth.position)
        allowed_m = REACH_M + FASTEST_MPS * max(mono_ms - self._believed_ms - 1000, 0) / 1000
        self._believed_ms = mono_ms
        self._outcome.worst_m = max(self._outcome.worst_m, off_m)
        self._outcome.believed += 1
        if off_m > allowed_m:
            self._outcome.wrong.append(f"{self._what}: believed {off_m:.0f} m off, {allowed_m:.0f} m allowed, at {mono_ms} ms")

    def end(self) -> None:
        """The shift is over: what was refused counts."""
        self._outcome.refused.update(self._state.rejected)


def _shifts(
    inputs: int, per_epoch: int, rng: random.Random, outcome: Outcome, what: str, say: Callable[[_Van, Truth, Said, bool], None]
) -> None:
    """Shift after shift until so many inputs have been said; a crash ends its shift."""
    end = outcome.inputs + inputs
    while outcome.inputs < end:
        van, receiver = _Van(outcome, what), Receiver(rng.getrandbits(32))
        try:
            for second, truth in enumerate(_drive(rng)):
                said = receiver.listen(truth)
                outcome.offered += said.position is not None
                outcome.inputs += per_epoch
                say(van, truth, said, second >= CLEAN_EPOCHS)
                if outcome.inputs >= end:
                    break
        except Exception as error:
            outcome.crashes.append(f"{what}: {error!r}")
        van.end()


# ── sentences ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _nmea(inputs: int, rng: random.Random, outcome: Outcome) -> None:
    state = nmea.Assembly()
    older: list[bytes] = []

    def say(van: _Van, truth: Truth, said: Said, damage: bool) -> None:
        nonlocal state
        if not damage:
            state = nmea.Assembly()
        lines = said.sentences.splitlines(keepends=True)
        if damage:
            older[:] = [*older[-40:], *lines]
            if rng.random() < 0.1:
                rng.shuffle(lines)
            lines = [_damaged(line, rng, older) if rng.random() < DAMAGED else line for line in lines]
        data = b"".join(lines)
        for line in nmea.worth_feeding(data, len(data)):
            state, epoch = nmea.feed(state, line)
            if epoch is not None:
                van.take(epoch, truth)
        state, epoch = nmea.flush(state)
        if epoch is not None:
            van.take(epoch, truth)

    _shifts(inputs, EPOCH_SENTENCES, rng, outcome, "nmea", say)


def _damaged(line: bytes, rng: random.Random, older: list[bytes]) -> bytes:
    """One line as a bad cable, a full buffer or a broken receiver would say it."""
    match rng.randrange(12):
        case 0:
            return flipped(line, rng)
        case 1:
            return line[: rng.randrange(len(line))]
        case 2:
            cut = rng.randrange(len(line))
            return line[:cut] + line[cut + rng.randint(1, 9) :]
        case 3:
            cut = rng.randrange(len(line))
            return line[:cut] + rng.randbytes(rng.randint(1, 40)) + line[cut:]
        case 4:
            return rng.choice(older)
        case 5:
            return line[: rng.randrange(len(line))] + rng.choice(older)
        case 6:
            return b""
        case _:
            return _sound(_changed(line, rng))


def _changed(line: bytes, rng: random.Random) -> bytes:
    """The sentence's body with a field or a digit that says something else."""
    fields = line[1 : line.rfind(b"*")].split(b",")
    at = rng.randrange(1, len(fields))
    match rng.randrange(7):
        case 0 | 1 | 2:
            digits = [i for i, byte in enumerate(fields[at]) if 48 <= byte <= 57]
            if digits:
                i = rng.choice(digits)
                fields[at] = fields[at][:i] + b"%d" % rng.randrange(10) + fields[at][i + 1 :]
        case 3:
            fields[at] = b""
        case 4:
            other = rng.randrange(1, len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 5:
            fields[at] = rng.choice((b"nan", b"-1", b"1e9", b"99999.9", b"V", b"N", b"S", b"W", b"0", b"\xff", b"235960.99", b"6"))
        case _:
            fields[0] = rng.choice((b"GP", b"GL", b"GN", b"BD")) + fields[0][2:]
    return b",".join(fields)


def _sound(body: bytes) -> bytes:
    return b"$%s*%02X\r\n" % (body, reduce(xor, body, 0))


# ── gpsd's reports ──────────────────────────────────────────────────────────────────────────────────────────────────


def _gpsd(inputs: int, rng: random.Random, outcome: Outcome) -> None:
    stream = GpsdStream(ear=None)  # type: ignore[arg-type]  # only its pure part is used

    def say(van: _Van, truth: Truth, said: Said, damage: bool) -> None:
        nonlocal stream
        if not damage:
            stream = GpsdStream(ear=None)  # type: ignore[arg-type]
        line = _report(said)
        if damage and rng.random() < DAMAGED:
            line = _misreported(line, rng)
        for epoch in stream.take(SKY + line):
            van.take(epoch, truth)
        last = stream.pause()
        if last is not None:
            van.take(last, truth)

    _shifts(inputs, 1, rng, outcome, "gpsd", say)


SKY: Final = b'{"class":"SKY","hdop":0.9,"satellites":[%s]}\r\n' % b",".join([b'{"PRN":1,"used":true}'] * 9)


def _report(said: Said) -> bytes:
    at = said.position
    told: dict[str, object] = {
        "class": "TPV",
        "device": "/dev/ttyS0",
        "mode": 1 if at is None else 3,
        "time": datetime.fromtimestamp(said.utc_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if at is not None:
        told |= {"lat": at.lat_deg, "lon": at.lon_deg, "speed": said.speed_mps, "eph": said.sigma_m * 2}
    if said.heading_deg is not None:
        told["track"] = said.heading_deg
    return json.dumps(told, separators=(",", ":")).encode() + b"\r\n"


def _misreported(line: bytes, rng: random.Random) -> bytes:
    """gpsd's JSON comes over TCP, whole; what is wrong in it is what a receiver or a driver made up."""
    match rng.randrange(6):
        case 0:
            return flipped(line[:20], rng) + line[20:]
        case 1:
            return line[: rng.randrange(len(line))] + b"\n"
        case 2:
            return b'{"class":"SKY","hdop":%d.%d,"satellites":[{"used":true}]}\n' % (rng.randrange(99), rng.randrange(9)) + line
        case _:
            told = json.loads(line)
            name = rng.choice([name for name in told if name not in ("class", "device")])
            told[name] = rng.choice((None, -1, 0, 1e308, "x", [], 95.0, 181.0, True, 1, "2026-13-01T00:00:00Z", 12.5))
            return json.dumps(told, separators=(",", ":")).encode() + b"\r\n"
