"""Fences: which standing areas the van is in, without flapping at their edges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal

import shapely

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Crossing, Fence
from roundsman_wire.messages import Sites as SitesMessage

EXIT_BAND_M: Final = 20.0
"""Parked drift of four real receivers stays inside it (p95): 18 crossings through an edge without it, 1 with it."""
EXIT_FIXES: Final = 3
"""Single 200 m jumps at a claimed 1.7 m happen; three in a row were never seen. The exit carries the first one's time."""
SPEEDING_FIXES: Final = 3
"""A limit is exceeded when three fixes in a row say so: one is noise, or the braking at the sign."""
QUIET_MAX_M: Final = 5_000.0
QUIET_MARGIN_M: Final = 2.0
"""A circle's shape in the tree lies up to 0.12 % of its radius inside it: 2 m for a fence of 1.6 km."""
INFERRED_M: Final = 5.0
"""A shorter chord through a fence, between two fixes outside it, is the receiver's noise at its edge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sites:
    """Standing fences, indexed in metres around one of them. Build with `index`."""

    version: int = 0
    frame: LocalFrame | None = None
    fences: tuple[Fence, ...] = ()
    shapes: tuple[Any, ...] = ()
    circles: tuple[tuple[float, float, float] | None, ...] = ()
    """(east_m, north_m, radius_m) of each circle: told exactly, where its shape in the tree is a polygon of 64 corners."""
    numbers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tree: Any = None


NO_SITES: Final = Sites()
Event = Literal["enter", "exit", "dwell", "speeding"]


@dataclass(frozen=True, kw_only=True, slots=True)
class At:
    """One believed fix, as this room needs it. `unbroken`: nothing is missing between it and the fix before."""

    mono_ms: int
    utc_ms: int | None
    position: LatLon
    speed_mps: float | None = None
    unbroken: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Inside:
    """The van is in a fence, and how surely. `outside` counts fixes in a row beyond the exit band, the first at `left`."""

    since_ms: int
    outside: int = 0
    left: At | None = None
    dwelt: bool = False
    fast: int = 0
    speeding: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """Which fences the van is in (by id), and the fix that said so.

    `quiet`: (east_m, north_m, radius_m) of a disc without any fence or band: no question needs asking inside it.
    """

    inside: Mapping[str, Inside] = field(default_factory=lambda: MappingProxyType({}))
    newest: At | None = None
    quiet: tuple[float, float, float] | None = None

    def elsewhere(self) -> Membership:
        """The same for another set of fences: what was quiet need not be."""
        return replace(self, quiet=None)


def index(message: SitesMessage) -> tuple[Sites, list[str]]:
    """Sites from the hub's document, ready to be asked; and what is wrong with fences that cannot be used.

    A polygon that is no polygon (too few corners, crossing itself beyond repair) is left out and named: the others still serve.
    """
    usable: list[Fence] = []
    shapes: list[Any] = []
    circles: list[tuple[float, float, float] | None] = []
    wrong: list[str] = []
    frame: LocalFrame | None = None
    for fence in message.fences:
        try:
            if frame is None:
                frame = LocalFrame(LatLon.from_e6(*fence.rings_e6[0][0]))
            rings = [[frame.to_m(LatLon.from_e6(*corner)) for corner in ring] for ring in fence.rings_e6]
            circle = None
            if fence.radius_m is not None:
                circle = (*rings[0][0], fence.radius_m)
                shape = shapely.Point(rings[0][0]).buffer(fence.radius_m, quad_segs=16)
            else:
                shape = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))
            if shape.is_empty or not shape.area > 0:
                raise ValueError("it has no area")
        except (ValueError, IndexError, shapely.errors.GEOSException) as error:
            wrong.append(f"fence {fence.fence} ({fence.name}): {error}")
            continue
        shapely.prepare(shape)
        usable.append(fence)
        shapes.append(shape)
        circles.append(circle)
    numbers = MappingProxyType({fence.fence: number for number, fence in enumerate(usable)})
    sites = Sites(
        version=message.version,
        frame=frame,
        fences=tuple(usable),
        shapes=tuple(shapes),
        circles=tuple(circles),
        numbers=numbers,
        tree=shapely.STRtree(shapes) if shapes else None,
    )
    return sites, wrong


def step(state: Membership, now: At, sites: Sites) -> tuple[Membership, list[Crossing]]:
    """Advance fence membership by one fix.

    Parameters
    ----------
    state : Membership
        After the fix before; `Membership()` at the start of a shift.
    now : At
        A believed fix; its place is the anchor's while the van stands.
    sites : Sites
        The fences of the van's reach. A fence that is no longer among them is forgotten without an exit.

    Returns
    -------
    tuple
        New membership, and the crossings that this fix completes, oldest first. An exit carries the first fix
        beyond the band, not the one that confirmed it.
    """
    if sites.tree is None or sites.frame is None:
        return Membership(newest=now), []
    place = sites.frame.to_m(now.position)
    quiet = state.quiet
    if quiet is not None and now.unbroken and math.hypot(place[0] - quiet[0], place[1] - quiet[1]) < quiet[2]:
        return Membership(newest=now, quiet=quiet), []
    path = _path(state.newest, now, place, sites.frame)
    inside: dict[str, Inside] = {}
    crossings: list[Crossing] = []
    # One question to the tree: along the way from the fix before, so that a fence between two fixes is found as well.
    for number in sorted(sites.tree.query(path or shapely.Point(place), predicate="dwithin", distance=EXIT_BAND_M).tolist()):
        fence = sites.fences[number]
        was = state.inside.get(fence.fence)
        off_m = _off_m(sites, number, place)
        if was is not None and off_m <= EXIT_BAND_M:
            inside[fence.fence], told = _stay(was, fence, now, sites.version)
            crossings += told
        elif was is None and off_m <= 0.0:
            inside[fence.fence] = Inside(since_ms=now.mono_ms)
            crossings.append(_crossing(fence, "enter", now, sites.version))
        elif was is None and path is not None and state.newest is not None:
            crossings += _passed_through(sites, number, path, state.newest, now)
    for name, was in state.inside.items():
        if name not in inside and name in sites.numbers:
            after, told = _go(was, sites.fences[sites.numbers[name]], now, sites.version)
            crossings += told
            if after is not None:
                inside[name] = after
    quiet = None if inside else _quiet(sites, place)
    return Membership(inside=MappingProxyType(inside), newest=now, quiet=quiet), crossings


def _quiet(sites: Sites, place: tuple[float, float]) -> tuple[float, float, float] | None:
    """A disc around the place that no fence or band reaches into; None if it would be too small to save anything."""
    _, off_m = sites.tree.query_nearest(shapely.Point(place), max_distance=QUIET_MAX_M, return_distance=True, all_matches=False)
    clear_m = (float(off_m[0]) if len(off_m) else QUIET_MAX_M) - EXIT_BAND_M - QUIET_MARGIN_M
    return (*place, clear_m) if clear_m > 0 else None


def _path(before: At | None, now: At, place: tuple[float, float], frame: LocalFrame) -> Any:
    """The straight way from the fix before, as a line in metres; None if there is none, or it is too short to matter."""
    if before is None or not now.unbroken or before.position == now.position:
        return None
    start = frame.to_m(before.position)
    return shapely.LineString((start, place)) if math.dist(start, place) >= INFERRED_M else None


def _off_m(sites: Sites, number: int, place: tuple[float, float]) -> float:
    """Metres from the fence's line; zero or less: inside."""
    circle = sites.circles[number]
    if circle is not None:
        return math.hypot(place[0] - circle[0], place[1] - circle[1]) - circle[2]
    shape = sites.shapes[number]
    return 0.0 if shapely.intersects_xy(shape, *place) else float(shapely.distance(shape, shapely.Point(place)))


def _stay(was: Inside, fence: Fence, now: At, version: int) -> tuple[Inside, list[Crossing]]:
    """Still inside, or within the band: dwelling and speeding are told once each."""
    told: list[Crossing] = []
    dwelt = was.dwelt
    if fence.dwell_s is not None and not dwelt and now.mono_ms - was.since_ms >= fence.dwell_s * 1000:
        told.append(_crossing(fence, "dwell", now, version))
        dwelt = True
    fast, speeding = 0, was.speeding
    if fence.speed_limit_cm_s is not None and now.speed_mps is not None:
        fast = was.fast + 1 if now.speed_mps * 100 > fence.speed_limit_cm_s else 0
        if fast >= SPEEDING_FIXES and not speeding:
            told.append(_crossing(fence, "speeding", now, version))
        speeding = fast >= SPEEDING_FIXES or (speeding and fast > 0)
    if dwelt == was.dwelt and fast == was.fast and speeding == was.speeding and was.left is None:
        return was, told
    return Inside(since_ms=was.since_ms, dwelt=dwelt, fast=fast, speeding=speeding), told


def _go(was: Inside, fence: Fence, now: At, version: int) -> tuple[Inside | None, list[Crossing]]:
    """Beyond the band: gone after `EXIT_FIXES` of them."""
    outside, left = was.outside + 1, was.left or now
    if outside < EXIT_FIXES:
        return replace(was, outside=outside, left=left, fast=0), []
    return None, [_crossing(fence, "exit", left, version)]


def _passed_through(sites: Sites, number: int, path: Any, before: At, now: At) -> list[Crossing]:
    """Enter and exit of a fence that lies between two fixes, at the instants that steady driving gives."""
    chord = shapely.intersection(path, sites.shapes[number])
    if shapely.length(chord) < INFERRED_M:
        return []
    first = shapely.line_locate_point(path, shapely.get_parts(chord)[0].boundary.geoms[0], normalized=True)
    last = shapely.line_locate_point(path, shapely.get_parts(chord)[-1].boundary.geoms[-1], normalized=True)
    ends = sorted((float(first), float(last)))
    return [
        _crossing(sites.fences[number], event, _between(before, now, share), sites.version, inferred=True)
        for event, share in zip(_PASSAGE, ends, strict=True)
    ]


_PASSAGE: Final[tuple[Event, Event]] = ("enter", "exit")


def _between(before: At, now: At, share: float) -> At:
    a, b = before.position, now.position
    d_lon = (b.lon_deg - a.lon_deg + 180.0) % 360.0 - 180.0
    at = LatLon(a.lat_deg + share * (b.lat_deg - a.lat_deg), (a.lon_deg + share * d_lon + 180.0) % 360.0 - 180.0)
    mono_ms = round(before.mono_ms + share * (now.mono_ms - before.mono_ms))
    utc_ms = None if now.utc_ms is None else now.utc_ms - (now.mono_ms - mono_ms)
    return At(mono_ms=mono_ms, utc_ms=utc_ms, position=at, speed_mps=now.speed_mps)


def _crossing(fence: Fence, event: Event, at: At, version: int, *, inferred: bool = False) -> Crossing:
    return Crossing(
        mono_ms=at.mono_ms,
        utc_ms=at.utc_ms,
        fence=fence.fence,
        event=event,
        sites_version=version,
        lat_e6=at.position.lat_e6,
        lon_e6=at.position.lon_e6,
        inferred=inferred,
        speed_cm_s=None if at.speed_mps is None else min(round(at.speed_mps * 100), 65_534),
    )
