"""Fences: which standing areas the van is in, without flapping at their edges.

Three lines lie inside one another: the core, where a van is for certain; the fence's own line; and the band around it. Entering is believed
in the core, and told for the first fix behind the line; leaving is believed beyond the band, and told for the first fix there. So a road
along a fence, or a van parked beside one, crosses nothing. And only wheels carry a van over a line: where the place goes further in than
Doppler speed does, it drifts (between high houses by 30 m and more), and that is no entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec
import shapely
from msgspec.structs import replace

from roundsman_agent.sites import CORE_M, NO_SITES as NO_SITES, Sites as Sites, Spot, index as index
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Crossing

EXIT_BAND_M: Final = 20.0
"""Parked drift of four real receivers stays inside it (p95): 18 crossings through an edge without it, 1 with it."""
EXIT_FIXES: Final = 3
"""Single 200 m jumps at a claimed 1.7 m happen; three in a row were never seen. The exit carries the first one's time."""
ENTER_FIXES: Final = 2
DRIVING_MPS: Final = 3.0
"""Two fixes in the core, or one while driving: drift has no such Doppler speed."""
EDGE_MS: Final = 60_000
"""So long without a fix outside, between line and core: parked at the very edge."""
ROLLS_MPS: Final = 0.5
"""Doppler noise of a parked receiver between high houses passes it once in a while, but not in two fixes in a row."""
EDGE_DRIVEN_M: Final = 2.0
"""Parked at the edge is who drove over it."""
ASTRAY_M: Final = 3.0
"""Further in than driven by more than this: the place went astray, and the van stayed where it was."""
BACK_ON_WAY_M: Final = 40.0
"""So far driven, a receiver has let go of the reflection that held it: simulated ones lose two thirds of 30 m until then."""
SPEEDING_FIXES: Final = 3
"""A limit is exceeded when three fixes in a row say so: one is noise, or the braking at the sign."""
QUIET_MAX_M: Final = 5_000.0
QUIET_INSIDE_M: Final = 400.0
QUIET_MARGIN_M: Final = 2.0
"""A circle's shape in the tree lies up to 0.12 % of its radius inside it: 2 m for a fence of 1.6 km."""
MIDDLE: Final = 0.8
PATH_M: Final = 5.0
"""A shorter way between two fixes leads through no core that neither of them is in."""

Event = Literal["enter", "exit", "dwell", "speeding"]


class At(msgspec.Struct, frozen=True, kw_only=True):
    """One believed fix, as this room needs it. `unbroken`: nothing is missing between it and the fix before."""

    mono_ms: int
    utc_ms: int | None
    position: LatLon
    speed_mps: float | None = None
    unbroken: bool = True


class Inside(msgspec.Struct, frozen=True, kw_only=True):
    """The van is behind a fence's line since `since`; `sure`: and has been told to be, after `deep` fixes in the core.

    `outside` counts fixes in a row beyond the exit band, the first at `left`; `fast` those above the limit. `driven_m`: by Doppler, since
    the line (infinite where nothing tells); `drift_m`: how far in the place was without that; 0: it was not.
    """

    since: At
    deep: int = 0
    sure: bool = False
    driven_m: float = math.inf
    drift_m: float = 0.0
    outside: int = 0
    left: At | None = None
    dwelt: bool = False
    fast: int = 0
    speeding: bool = False


_NOWHERE: Final[Mapping[str, Inside]] = MappingProxyType({})


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Which fences the van is in (by id), and the fix that said so.

    `quiet`: (east_m, north_m, radius_m) of a disc that no line, core or band crosses: no question needs asking inside it.
    """

    inside: Mapping[str, Inside] = msgspec.field(default_factory=lambda: _NOWHERE)
    newest: At | None = None
    quiet: tuple[float, float, float] | None = None

    def elsewhere(self) -> Membership:
        """The same for another set of fences: what was quiet need not be."""
        return replace(self, quiet=None)


def step(state: Membership, now: At, sites: Sites) -> tuple[Membership, list[Crossing]]:
    """Advance fence membership by one fix.

    Parameters
    ----------
    state : Membership
        After the fix before; `Membership()` at the start of a shift.
    now : At
        A believed fix; its place is the anchor's while the van stands.
    sites : Sites
        The fences of the van's reach. A fence that is no longer among them is forgotten without an exit; one that still is keeps its
        membership, whatever the version.

    Returns
    -------
    tuple
        New membership, and the crossings that this fix completes. An entry carries the first fix behind the line, an exit the first fix
        beyond the band, not the one that confirmed it. Where a fence's hours begin or end, the van enters or leaves it on the spot.
    """
    if sites.tree is None or sites.frame is None:
        return Membership(newest=now), []
    place = sites.frame.to_m(now.position)
    quiet = state.quiet
    if quiet is not None and now.unbroken and math.hypot(place[0] - quiet[0], place[1] - quiet[1]) < quiet[2]:
        return Membership(inside=state.inside, newest=now, quiet=quiet), []
    path = _path(state.newest, now, place, sites.frame)
    inside: dict[str, Inside] = {}
    crossings: list[Crossing] = []
    # One question to the tree: along the way from the fix before, so that a fence between two fixes is found as well.
    near = sites.tree.query(path or shapely.Point(place), predicate="dwithin", distance=EXIT_BAND_M).tolist()
    held = [sites.numbers[name] for name in state.inside if name in sites.numbers]
    for number in sorted({*near, *held}):
        spot = sites.spots[number]
        after, told = _at(spot, state, now, place, path, sites)
        crossings += told
        if after is not None:
            inside[spot.fence.fence] = after
    kept = MappingProxyType(inside) if inside else _NOWHERE
    return Membership(inside=kept, newest=now, quiet=_quiet(sites, inside, place)), crossings


def clear_m(state: Membership, sites: Sites) -> float:
    """How far the van can go in any direction before a question about a fence needs asking; 0 where each fix is asked about."""
    if sites.tree is None or sites.frame is None:
        return math.inf
    if state.quiet is None or state.newest is None:
        return 0.0
    east_m, north_m, radius_m = state.quiet
    return radius_m - math.dist(sites.frame.to_m(state.newest.position), (east_m, north_m))


def looked_around(state: Membership, sites: Sites) -> Membership:
    """The same with a quiet disc around where the van is now, once it has driven out of the old one's middle."""
    if state.quiet is None or state.newest is None or clear_m(state, sites) > state.quiet[2] * MIDDLE:
        return state
    place = sites.frame.to_m(state.newest.position) if sites.frame is not None else state.quiet[:2]
    return replace(state, quiet=_quiet(sites, state.inside, place))


def _at(
    spot: Spot, state: Membership, now: At, place: tuple[float, float], path: Any, sites: Sites
) -> tuple[Inside | None, list[Crossing]]:
    """One fence that is near, or that the van was in."""
    was, fence, version, frame = state.inside.get(spot.fence.fence), spot.fence, sites.version, sites.frame
    assert frame is not None  # there are fences
    if spot.hours is not None and (was is None if now.utc_ms is None else not spot.hours.hold(now.utc_ms)):
        return None, [_crossing(fence.fence, "exit", now, version, since=was.since)] if was is not None and was.sure else []
    off_m = spot.off_m(place)
    if was is None:
        if off_m <= 0.0:
            was = Inside(since=now, driven_m=_driven_in_m(spot, state.newest, now, frame))
            return _stay(_drifted(was, spot, place, was.driven_m), spot, now, place, version, within=True)
        if path is not None and state.newest is not None:
            return None, _passed_through(spot, path, state.newest, now, version)
        return None, []
    if not was.sure and off_m > 0.0:
        if path is None or was.drift_m or not shapely.intersects(path, spot.core):
            return None, []  # a graze
        was, told = replace(was, sure=True), [_crossing(fence.fence, "enter", was.since, version)]
        after, more = _outside(was, fence.fence, now, off_m, version)
        return after, told + more
    if off_m > EXIT_BAND_M:
        return _outside(was, fence.fence, now, off_m, version)
    if not was.sure and was.driven_m < math.inf:
        run_m = _driven_m(state.newest, now)
        since = now if run_m == 0.0 and was.driven_m < EDGE_DRIVEN_M else was.since  # its time behind the line begins when it drives
        was = _drifted(replace(was, since=since, driven_m=was.driven_m + run_m), spot, place, run_m)
    return _stay(was, spot, now, place, version, within=off_m <= 0.0)


def _stay(was: Inside, spot: Spot, now: At, place: tuple[float, float], version: int, *, within: bool) -> tuple[Inside, list[Crossing]]:
    """Behind the line, or (once sure) within the band: entered when sure; dwelling and speeding are told once each."""
    fence, told = spot.fence, list[Crossing]()
    deep, sure = was.deep, was.sure
    lasts_ms = now.mono_ms - was.since.mono_ms
    if not sure:
        came = was.driven_m >= (BACK_ON_WAY_M if was.drift_m else min(spot.core_m, EDGE_DRIVEN_M))
        came = came or (was.driven_m >= CORE_M and spot.line_m(place) >= was.drift_m + CORE_M)
        deep = deep + spot.deep(place) if came else 0
        sure = deep >= ENTER_FIXES or (deep > 0 and (now.speed_mps or 0.0) >= DRIVING_MPS)
        sure = sure or (lasts_ms >= EDGE_MS and was.driven_m >= EDGE_DRIVEN_M)
        if sure:
            told.append(_crossing(fence.fence, "enter", was.since, version))
    dwelt, fast, speeding = was.dwelt, 0, was.speeding
    if sure and fence.dwell_s is not None and not dwelt and lasts_ms >= fence.dwell_s * 1000:
        told.append(_crossing(fence.fence, "dwell", now, version, since=was.since))
        dwelt = True
    if sure and fence.speed_limit_cm_s is not None and now.speed_mps is not None:
        fast = was.fast + 1 if within and now.speed_mps * 100 > fence.speed_limit_cm_s else 0
        if fast >= SPEEDING_FIXES and not speeding:
            told.append(_crossing(fence.fence, "speeding", now, version))
        speeding = fast >= SPEEDING_FIXES or (speeding and fast > 0)
    same = (deep, sure, dwelt, fast, speeding) == (was.deep, was.sure, was.dwelt, was.fast, was.speeding) and was.left is None
    if same:
        return was, told
    return replace(was, deep=deep, sure=sure, dwelt=dwelt, fast=fast, speeding=speeding, outside=0, left=None), told


def _outside(was: Inside, fence: str, now: At, off_m: float, version: int) -> tuple[Inside | None, list[Crossing]]:
    """Beyond the line; gone after `EXIT_FIXES` in a row beyond the band."""
    if off_m <= EXIT_BAND_M:
        return was, []
    outside, left = was.outside + 1, was.left or now
    if outside < EXIT_FIXES:
        return replace(was, outside=outside, left=left, fast=0), []
    return None, [_crossing(fence, "exit", left, version, since=was.since)]


def _quiet(sites: Sites, inside: Mapping[str, Inside], place: tuple[float, float]) -> tuple[float, float, float] | None:
    """A disc around the place in which nothing can happen to any fence; None if it would be too small to save anything."""
    at = shapely.Point(place)
    if not inside:
        _, off_m = sites.tree.query_nearest(at, max_distance=QUIET_MAX_M, return_distance=True, all_matches=False)
        clear_m = (float(off_m[0]) if len(off_m) else QUIET_MAX_M) - EXIT_BAND_M - QUIET_MARGIN_M
        return (*place, clear_m) if clear_m > 0 else None
    clear_m = QUIET_INSIDE_M
    for name, was in inside.items():
        spot = sites.spots[sites.numbers[name]]
        if not was.sure or was.left or spot.hours or spot.fence.speed_limit_cm_s is not None or (spot.fence.dwell_s and not was.dwelt):
            return None
        clear_m = min(clear_m, spot.line_m(place))
    if clear_m < EXIT_BAND_M:
        return None
    for number in sites.tree.query(at, predicate="dwithin", distance=clear_m + EXIT_BAND_M).tolist():
        spot = sites.spots[number]
        if spot.fence.fence not in inside:
            clear_m = min(clear_m, spot.off_m(place) - EXIT_BAND_M - QUIET_MARGIN_M)
    return (*place, clear_m) if clear_m > 0 else None


# ── what Doppler says ───────────────────────────────────────────────────────────────────────────────────────────────


def _driven_m(before: At | None, now: At) -> float:
    """How far the van drove since the fix before, by Doppler speed; infinite where something is missing."""
    if before is None or not now.unbroken or before.speed_mps is None or now.speed_mps is None:
        return math.inf
    slower_mps = min(before.speed_mps, now.speed_mps)
    return slower_mps * (now.mono_ms - before.mono_ms) / 1000 if slower_mps >= ROLLS_MPS else 0.0


def _drifted(was: Inside, spot: Spot, place: tuple[float, float], run_m: float) -> Inside:
    """The same, with how far in the place is, where that is further than the van drove."""
    depth_m = spot.line_m(place)
    astray = depth_m > was.driven_m + ASTRAY_M if not was.drift_m else run_m == 0.0 and depth_m > was.drift_m
    return replace(was, drift_m=depth_m) if astray else was


def _driven_in_m(spot: Spot, before: At | None, now: At, frame: LocalFrame) -> float:
    """The same at the line; infinite where the van was behind it already: the fence is new, or its hours begin."""
    if before is None or spot.off_m(frame.to_m(before.position)) <= 0.0:
        return math.inf
    return _driven_m(before, now)


# ── the way between two fixes ───────────────────────────────────────────────────────────────────────────────────────


def _path(before: At | None, now: At, place: tuple[float, float], frame: LocalFrame) -> Any:
    """The straight way from the fix before, as a line in metres; None if there is none, or it is too short to matter, or was not driven."""
    if before is None or not now.unbroken or before.position == now.position:
        return None
    start = frame.to_m(before.position)
    length_m = math.dist(start, place)
    if before.speed_mps is not None and now.speed_mps is not None:
        most_m = max(before.speed_mps, now.speed_mps) * (now.mono_ms - before.mono_ms) / 1000
        if most_m < length_m / 2:
            return None
    return shapely.LineString((start, place)) if length_m >= PATH_M else None


def _passed_through(spot: Spot, path: Any, before: At, now: At, version: int) -> list[Crossing]:
    """Enter and exit of a fence whose core lies between two fixes, at the instants that steady driving gives."""
    if not shapely.intersects(path, spot.core):
        return []
    chord = shapely.intersection(path, spot.shape)
    shares = sorted(
        float(shapely.line_locate_point(path, shapely.Point(corner), normalized=True)) for corner in shapely.get_coordinates(chord).tolist()
    )
    entered, left = _between(before, now, shares[0]), _between(before, now, shares[-1])
    return [
        _crossing(spot.fence.fence, "enter", entered, version, inferred=True),
        _crossing(spot.fence.fence, "exit", left, version, since=entered, inferred=True),
    ]


def _between(before: At, now: At, share: float) -> At:
    a, b = before.position, now.position
    d_lon = (b.lon_deg - a.lon_deg + 180.0) % 360.0 - 180.0
    at = LatLon(a.lat_deg + share * (b.lat_deg - a.lat_deg), (a.lon_deg + share * d_lon + 180.0) % 360.0 - 180.0)
    mono_ms = round(before.mono_ms + share * (now.mono_ms - before.mono_ms))
    utc_ms = None if now.utc_ms is None else now.utc_ms - (now.mono_ms - mono_ms)
    return At(mono_ms=mono_ms, utc_ms=utc_ms, position=at, speed_mps=now.speed_mps)


def _crossing(fence: str, event: Event, at: At, version: int, *, since: At | None = None, inferred: bool = False) -> Crossing:
    """The entry; with the time spent inside where `since` says from when."""
    return Crossing(
        mono_ms=at.mono_ms,
        utc_ms=at.utc_ms,
        fence=fence,
        event=event,
        sites_version=version,
        lat_e6=at.position.lat_e6,
        lon_e6=at.position.lon_e6,
        inferred=inferred,
        speed_cm_s=None if at.speed_mps is None else min(round(at.speed_mps * 100), 65_534),
        dwell_s=0 if since is None else max(at.mono_ms - since.mono_ms, 0) // 1000,
    )
