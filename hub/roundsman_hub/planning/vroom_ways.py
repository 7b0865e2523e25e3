"""Ways of a request of VROOM's clients: its matrices, or places that are asked for; each speed and price of driving is a profile. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Profile
from roundsman_hub.planning.vroom_errors import VroomError, within

Table = npt.NDArray[np.int32]
Matrix = Callable[[Sequence[tuple[float, float]], str], tuple[Table, Table]]
"""(seconds, metres) between [lon, lat] places, for a profile."""
FAR: Final = 1 << 30
"""A longer leg is no way, and still fits where legs are counted."""
NO_WAY: Final = -1


class Ways:
    """`places`: the index of each place, where the request has no matrices. `adrift`: a vehicle begins at its first job."""

    def __init__(self, body: Any, matrix: Matrix) -> None:
        self.matrix = matrix
        self.places: dict[tuple[float, float], int] = {}
        self.adrift = any("start" not in v and "start_index" not in v for v in body.get("vehicles") or () if isinstance(v, dict))
        self.tables = body.get("matrices") or ({"car": {"durations": body["matrix"]}} if "matrix" in body else None)

    def place(self, found: Any, key: str, who: str) -> int:
        """Index of a place; of one that is new, the next."""
        index = "location_index" if key == "location" else f"{key}_index"
        if self.tables is not None:
            if index not in found:
                raise VroomError(f"Invalid {who}: {index} is missing (the request has matrices).")
            return int(found[index])
        if key not in found:
            raise VroomError(f"Invalid {who}: {key} is missing.")
        lon, lat = map(float, found[key])
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise VroomError(f"Invalid {who}: {key} [{lon}, {lat}] is not [longitude, latitude].")
        return self.places.setdefault((lon, lat), len(self.places))

    def profiles(self, vehicles: Any) -> tuple[dict[str, Profile], dict[str, Table]]:
        """Travel times and metres, by name (`profile_of`)."""
        self._within_memory(vehicles)
        profiles: dict[str, Profile] = {}
        metres: dict[str, Table] = {}
        for v in vehicles:
            name = profile_of(v)
            if name in profiles:
                continue
            kind = str(v.get("profile", "car"))
            durations, distances, own = self.tables_of(kind)
            factor = float(v.get("speed_factor", 1))
            if not 0 < factor <= 5:
                raise VroomError(f"Invalid vehicle {v['id']}: speed_factor {factor}.")
            slowed = np.rint(durations / factor)
            seconds = np.where((slowed < 0) | (slowed >= FAR), NO_WAY, slowed).astype(np.int32)
            cost = seconds * (_price(v, "per_hour", 3600) / 3600) + distances * (_price(v, "per_km", 0) / 1000) if own is None else own
            if (cost >= FAR).any():
                raise VroomError(f"Invalid vehicle {v['id']}: with these costs a leg costs more than can be counted.")
            profiles[name] = Profile(
                durations_s=seconds[None], distances_m=np.where(seconds < 0, NO_WAY, np.rint(cost)).astype(np.int32), band_starts_s=(0,)
            )
            metres[name] = distances
        if self.adrift:
            metres = {name: _adrift(table) for name, table in metres.items()}
            profiles = {
                name: replace(one, durations_s=_adrift(one.durations_s[0])[None], distances_m=_adrift(one.distances_m))
                for name, one in profiles.items()
            }
        return profiles, metres

    def tables_of(self, kind: str) -> tuple[Table, Table, Table | None]:
        """Seconds and metres of a profile, and what its legs cost if that is said by itself."""
        if self.tables is None:
            durations, distances = self.matrix(list(self.places), kind)
            return durations, distances, None
        if kind not in self.tables:
            raise VroomError(f"Invalid profile: {kind} is not among the matrices.")
        found = self.tables[kind]
        durations = _table(found["durations"])
        distances = _table(found["distances"]) if "distances" in found else np.zeros_like(durations)
        own = _table(found["costs"]) if "costs" in found else None
        for other in (distances, own):
            if other is not None and other.shape != durations.shape:
                raise VroomError("Invalid matrix: inconsistent sizes.")
            if other is not None:
                durations = np.where(other < 0, -1, durations)
        return durations, distances, own

    def _within_memory(self, vehicles: Any) -> None:
        if self.tables is None:
            within("places without a matrix", len(self.places))
        places = [len(found["durations"]) for found in self.tables.values()] if self.tables is not None else [len(self.places)]
        within("matrix cells of all profiles", len({profile_of(v) for v in vehicles}) * max(places, default=0) ** 2)


def profile_of(v: Any) -> str:
    """Name of the travel times of a vehicle: profile, speed and prices."""
    costs = v.get("costs") or {}
    words = (v.get("profile", "car"), v.get("speed_factor", 1), costs.get("per_hour", 3600), costs.get("per_km", 0))
    return " ".join(map(str, words))


def _price(v: Any, key: str, usual: float) -> float:
    """What an hour or a kilometre costs."""
    price = float((v.get("costs") or {}).get(key, usual))
    if not 0 <= price <= FAR:
        raise VroomError(f"Invalid vehicle {v['id']}: costs {key} {price}.")
    return price


def _table(rows: Any) -> Table:
    """A matrix as it was sent; what is missing in it (null, a cell or a whole row), negative or absurd is no way."""
    n = len(rows)
    if not n:
        raise VroomError("Invalid matrix: empty.")
    if any(row is not None and len(row) != n for row in rows):
        raise VroomError("Invalid matrix: not square.")
    found = np.array([[NO_WAY if cell is None else cell for cell in row] if row is not None else [NO_WAY] * n for row in rows], dtype=float)
    return np.where((found < 0) | (found >= FAR) | ~np.isfinite(found), NO_WAY, found).astype(np.int32)


def _adrift(table: Table) -> Table:
    """With one more place, from which every other is reached at once, and none leads to."""
    wider = np.pad(table, ((0, 1), (0, 1)))
    wider[:-1, -1] = NO_WAY
    return wider
