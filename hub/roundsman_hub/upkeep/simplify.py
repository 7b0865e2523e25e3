"""Which points of a track say all of it: Douglas and Peucker's line, held to time as well as to place. Pure.

The plain algorithm keeps the shape of a line and forgets when the van was where on it: ten minutes before a red light vanish into a
straight road. Here a point's error is its distance from where the simplified track says the van was *at that instant* (Meratnia and
de By, "Spatiotemporal Compression Techniques for Moving Point Objects", EDBT 2004: TD-TR). So a playback of what is kept never puts
the van further than the tolerance from where it was seen, and a standstill stays a standstill.

Tracks are simplified, not matched to streets: no road network has a say here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

TOLERANCE_M: Final = 10.0
"""Below what real receivers drift by while parked (p95 30 m), and less than a street is wide with its pavements."""
M_PER_E6: Final = 0.111_195
"""Metres in 10⁻⁶ degree of latitude on the mean sphere."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def metres(lat_e6: Ints, lon_e6: Ints) -> tuple[Floats, Floats]:
    """East and north in metres, in a flat frame around the track's middle latitude and first longitude.

    A track that spans 100 km from north to south is off by 1 % in its east at 60° of latitude: the tolerance is, then, too.
    """
    narrow = np.cos(np.radians(lat_e6.mean() / 1e6))
    d_lon = (lon_e6 - lon_e6[0] + 180_000_000) % 360_000_000 - 180_000_000
    return d_lon * (M_PER_E6 * narrow), (lat_e6 - lat_e6[0]) * M_PER_E6


def errors_m(t_ms: Ints, east_m: Floats, north_m: Floats, kept: Mask) -> Floats:
    """How far each point is from where the kept ones put the van at that instant. Metres; 0 for those that are kept."""
    at = np.flatnonzero(kept)
    return np.hypot(east_m - np.interp(t_ms, t_ms[at], east_m[at]), north_m - np.interp(t_ms, t_ms[at], north_m[at]))


def keep(t_ms: Ints, lat_e6: Ints, lon_e6: Ints, tolerance_m: float = TOLERANCE_M) -> Mask:
    """Which points to keep so that no other is further than `tolerance_m` from the kept track at its own instant.

    Parameters
    ----------
    t_ms, lat_e6, lon_e6 : int64 arrays of one length ≥ 1
        Times in milliseconds, strictly rising; positions in 10⁻⁶ degree.
    tolerance_m : float
        Metres.

    Returns
    -------
    bool array of that length; the first and the last are always kept.
    """
    east_m, north_m = metres(lat_e6, lon_e6)
    kept = np.zeros(len(t_ms), np.bool_)
    kept[[0, -1]] = True
    waiting = [(0, len(t_ms) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        share = (t_ms[first + 1 : last] - t_ms[first]) / (t_ms[last] - t_ms[first])
        off = np.hypot(
            east_m[first + 1 : last] - east_m[first] - share * (east_m[last] - east_m[first]),
            north_m[first + 1 : last] - north_m[first] - share * (north_m[last] - north_m[first]),
        )
        worst = int(off.argmax())
        if off[worst] > tolerance_m:
            middle = first + 1 + worst
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    return kept
