"""A GNSS receiver that is wrong the way real ones are: correlated error, drift when parked, drop-outs; and its NMEA sentences."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import Final

from roundsman_core.geo import LatLon, LocalFrame

MOVING_SIGMA_M: Final = 0.8
"""Per axis. A good receiver measured 0.49 m (p50) and 0.83 m (p95) against survey-grade truth; a cheaper one is twice that."""
PARKED_SIGMA_M: Final = 2.2
"""A standing receiver hears the same reflections for minutes: its error grows and wanders."""
CORRELATION_S: Final = 45.0
"""Errors come from slowly changing geometry and reflections, so they persist."""
WHITE_SIGMA_M: Final = 0.08
"""What is left between two epochs."""
MULTIPATH_EVERY_S: Final = 1_500.0
MULTIPATH_M: Final = 9.0
"""Between high houses a parked van's fix walks some metres off and comes back."""
DROPOUT_EVERY_S: Final = 1_800.0
DROPOUT_S: Final = (6, 28)
"""Underpasses, courtyards, a lorry alongside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Where the van really is at one instant."""

    utc_ms: int
    position: LatLon
    speed_mps: float
    heading_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What the receiver says of that instant. `position` None: it sees too few satellites."""

    utc_ms: int
    position: LatLon | None
    speed_mps: float
    heading_deg: float | None
    satellites: int
    hdop: float
    sigma_m: float

    @property
    def sentences(self) -> bytes:
        """RMC, GGA, GSA and GST of this epoch, in a receiver's usual order, with checksums and CR LF."""
        return _sentences(self)


class Receiver:
    """One receiver's errors over time: `listen` once a business second, in order."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._error_m = (0.0, 0.0)
        self._multipath_m = (0.0, 0.0)
        self._multipath_aim_m = (0.0, 0.0)
        self._multipath_left_s = 0
        self._silent_s = 0
        self._last_ms: int | None = None

    def listen(self, truth: Truth) -> Epoch:
        """The receiver's epoch for where the van truly is."""
        rng = self._rng
        step_s = 1.0 if self._last_ms is None else max((truth.utc_ms - self._last_ms) / 1000, 0.001)
        self._last_ms = truth.utc_ms
        parked = truth.speed_mps < 0.2
        self._wander(step_s, PARKED_SIGMA_M if parked else MOVING_SIGMA_M)
        self._reflect(step_s, parked)
        satellites = max(5, min(14, round(rng.gauss(10.5, 1.0))))
        hdop = round(7.5 / satellites + rng.uniform(0.0, 0.15), 2)
        sigma_m = round((PARKED_SIGMA_M if parked else MOVING_SIGMA_M) * rng.uniform(0.9, 1.3), 2)
        if self._silent_s > 0:
            self._silent_s -= 1
            return Epoch(
                utc_ms=truth.utc_ms, position=None, speed_mps=0.0, heading_deg=None, satellites=rng.randint(0, 3), hdop=99.99, sigma_m=0.0
            )
        if not parked and rng.random() < step_s / DROPOUT_EVERY_S:
            self._silent_s = rng.randint(*DROPOUT_S)
        east = self._error_m[0] + self._multipath_m[0] + rng.gauss(0, WHITE_SIGMA_M)
        north = self._error_m[1] + self._multipath_m[1] + rng.gauss(0, WHITE_SIGMA_M)
        speed = max(0.0, truth.speed_mps + rng.gauss(0, 0.05))
        heading = (truth.heading_deg + rng.gauss(0, 30.0 / (1 + 10 * truth.speed_mps))) % 360 if speed > 0.3 else None
        return Epoch(
            utc_ms=truth.utc_ms,
            position=LocalFrame(truth.position).to_latlon(east, north),
            speed_mps=speed,
            heading_deg=heading,
            satellites=satellites,
            hdop=hdop,
            sigma_m=sigma_m,
        )

    def _wander(self, step_s: float, sigma_m: float) -> None:
        """First-order Gauss-Markov error, the usual model of what a filter leaves in a receiver's fixes."""
        keep = math.exp(-step_s / CORRELATION_S)
        push = sigma_m * math.sqrt(1 - keep * keep)
        self._error_m = (self._error_m[0] * keep + self._rng.gauss(0, push), self._error_m[1] * keep + self._rng.gauss(0, push))

    def _reflect(self, step_s: float, parked: bool) -> None:
        """A reflection pulls the fix aside over some ten seconds, and lets go of it once the van drives."""
        if self._multipath_left_s <= 0 and parked and self._rng.random() < step_s / MULTIPATH_EVERY_S:
            angle = self._rng.uniform(0, 2 * math.pi)
            self._multipath_aim_m = (MULTIPATH_M * math.cos(angle), MULTIPATH_M * math.sin(angle))
            self._multipath_left_s = self._rng.randint(30, 120)
        self._multipath_left_s -= 1
        if not parked or self._multipath_left_s <= 0:
            self._multipath_aim_m = (0.0, 0.0)
        pull = 1 - math.exp(-step_s / 12.0)
        east, north = self._multipath_m
        self._multipath_m = (east + (self._multipath_aim_m[0] - east) * pull, north + (self._multipath_aim_m[1] - north) * pull)


def sentence(body: str) -> bytes:
    """One NMEA 0183 sentence: `$`, body, `*`, exclusive-or of the body's bytes, CR LF."""
    return f"${body}*{reduce(xor, body.encode('ascii')):02X}\r\n".encode("ascii")


def _sentences(epoch: Epoch) -> bytes:
    at = datetime.fromtimestamp(epoch.utc_ms / 1000, UTC)
    clock, date = f"{at:%H%M%S}.{epoch.utc_ms % 1000 // 10:02d}", f"{at:%d%m%y}"
    used = epoch.satellites
    if epoch.position is None:
        no_dop = "GNGSA,A,1" + "," * 12 + ",99.99,99.99,99.99"
        silent = [f"GNRMC,{clock},V,,,,,,,{date},,,N", f"GNGGA,{clock},,,,,0,{used:02d},99.99,,,,,,", no_dop]
        return b"".join(sentence(part) for part in silent)
    place = f"{_degrees(epoch.position.lat_deg, 'NS', 2)},{_degrees(epoch.position.lon_deg, 'EW', 3)}"
    knots = epoch.speed_mps * 3600 / 1852
    track = "" if epoch.heading_deg is None else f"{epoch.heading_deg:.2f}"
    seen = ",".join([f"{number:02d}" for number in range(2, 2 + min(used, 12))] + [""] * (12 - min(used, 12)))
    sigma = epoch.sigma_m
    parts = (
        f"GNRMC,{clock},A,{place},{knots:.3f},{track},{date},,,A",
        f"GNGGA,{clock},{place},1,{used:02d},{epoch.hdop:.2f},12.0,M,47.0,M,,",
        f"GNGSA,A,3,{seen},{epoch.hdop * 1.8:.2f},{epoch.hdop:.2f},{epoch.hdop * 1.5:.2f}",
        f"GNGST,{clock},{sigma * 1.1:.2f},{sigma:.2f},{sigma:.2f},0.0,{sigma:.2f},{sigma:.2f},{sigma * 1.8:.2f}",
    )
    return b"".join(sentence(part) for part in parts)


def _degrees(value: float, letters: str, width: int) -> str:
    """Degrees and minutes with six decimals (2 mm, so that the last digit adds no error), and the hemisphere's letter."""
    micro_minutes = round(abs(value) * 60e6)
    degrees, rest = divmod(micro_minutes, 60_000_000)
    return f"{degrees:0{width}d}{rest // 1_000_000:02d}.{rest % 1_000_000:06d},{letters[value < 0]}"
