"""Which paces have to be in service now: learned ones by kind and band, with what closes or slows streets laid over. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon
from roundsman_hub.learn.speeds import Now, SpeedTable
from roundsman_hub.roads.bands import band_at, bands_ahead
from roundsman_hub.roads.profiles import CAR
from roundsman_hub.roads.restrictions import AccessZone, Closure, Imported, InForce, Segment, in_force

HOURS_AHEAD: Final = 7 * 24
"""Every band begins at least once in a week."""
CLOSED_KMH: Final = 0.0
Within = Callable[[Sequence[LatLon]], Iterable[Segment]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A pace of one kind of vehicle in one band. `kmh`: segments that differ from the network's own; `factor`: of all its times."""

    kmh: Mapping[Segment, float] = field(default_factory=dict)
    factor: float = 1.0

    @property
    def metric(self) -> str:
        """Of the speeds alone: the same speeds need no other server."""
        lines = "".join(f"{a},{b},{kmh:.1f}\n" for (a, b), kmh in sorted(self.kmh.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:12] if lines else ""

    @property
    def version(self) -> str:
        """Changes when any of its times does."""
        return f"{self.metric} x{self.factor:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Everything that there is to lay over the streets, whether it holds now or not. `now`: by fleet and kind, of its own last minutes."""

    table: SpeedTable = field(default_factory=SpeedTable)
    closed: Sequence[Closure | AccessZone] = ()
    imported: Sequence[Imported] = ()
    now: Mapping[tuple[str, str], Now] = field(default_factory=dict)


def wanted(
    traffic: Traffic, kinds: Iterable[str], at: datetime, zones: Mapping[str, str], within: Within
) -> dict[tuple[str, str, str], Wanted]:
    """The paces to serve, by (kind, band, fleet). Those of every fleet ("") come without closures and without anybody's last minutes; a
    fleet has one of its own only where something of its own holds. Cars at all hours are left out while nothing is learned of them: they
    are the hub's own server.

    What is closed or slow counts at all hours and in this hour's band while it holds; in another band if it still holds when that band
    begins next. The last minutes count in this hour's band; at all hours only where no band is known.

    Parameters
    ----------
    zones : mapping of fleet to time zone
        Each fleet has the hours of its own clock.
    """
    out = {}
    fleets = sorted({*(one.fleet for one in (*traffic.closed, *traffic.imported)), *(fleet for fleet, _ in traffic.now)})
    for kind in sorted({CAR, *kinds}):
        known = traffic.table.bands(kind)
        for band in ("", *sorted(known)):
            made = _laid_over(traffic.table, kind, band, Now(), InForce(), within)
            if kind != CAR or band or made != Wanted():
                out[kind, band, ""] = made
        for fleet in fleets:
            zone = zones.get(fleet, "UTC")
            now = band_at(at.astimezone(ZoneInfo(zone)))
            ahead = bands_ahead(at, zone, hours=HOURS_AHEAD, known=known)
            begins = {name: at + timedelta(seconds=start_s) for start_s, name in reversed(ahead)}
            for band in ("", *sorted(known)):
                holds = in_force(traffic.closed, traffic.imported, fleet, kind, at if band in ("", now) else begins[band])
                counts = band == now or (not band and not known)
                last = traffic.now.get((fleet, kind), Now()) if counts else Now()
                if holds != InForce() or last != Now():
                    out[kind, band, fleet] = _laid_over(traffic.table, kind, band, last, holds, within)
    return out


def told(
    closed: Sequence[Closure | AccessZone], imported: Sequence[Imported], kinds: Iterable[str], at: datetime
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Names of what holds now, by fleet and kind: whose change asks for another plan. Fleets and kinds for which nothing holds are left
    out."""
    out: dict[str, dict[str, tuple[str, ...]]] = {}
    for fleet in sorted({one.fleet for one in (*closed, *imported)}):
        names = {kind: in_force(closed, imported, fleet, kind, at).names for kind in sorted({CAR, *kinds})}
        if any(names.values()):
            out[fleet] = {kind: tuple(sorted(of_kind)) for kind, of_kind in names.items() if of_kind}
    return out


def _laid_over(table: SpeedTable, kind: str, band: str, last: Now, holds: InForce, within: Within) -> Wanted:
    kmh = table.kmh(kind, band)
    for segment, ratio in last.segments.items():
        if segment in kmh:
            kmh[segment] /= ratio
    factor = table.factor(kind, band) * last.factor
    for speeds in holds.speeds:
        # Times are multiplied by the factor afterwards, which is not of speeds that somebody measured.
        kmh |= {segment: measured * factor for segment, measured in speeds.kmh}
    for closed in holds.closed:
        kmh |= dict.fromkeys(within(closed.ring), CLOSED_KMH)
    return Wanted(kmh=kmh, factor=factor)
