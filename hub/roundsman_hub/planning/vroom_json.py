"""VROOM's JSON as a problem, so that its clients can be pointed here (API of VROOM 1.14); answers: `vroom_told`.

Its objective is travel: waiting and service cost nothing. So each kind of vehicle gets a profile whose "metres" are what a leg costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Break, Plan, Problem, Profile, Relation, Task, Van

Table = npt.NDArray[np.int32]
Matrix = Callable[[Sequence[tuple[float, float]], str], tuple[Table, Table]]
"""(seconds, metres) between [lon, lat] places, for a profile."""
LEFT_OUT: Final = 100_000_000
"""VROOM serves as much priority as it can, whatever it costs; each step of priority weighs as much as a task."""
SHIFT_S: Final = 90 * 86_400
FAR: Final = 1 << 30
"""A longer leg is no way, and still fits where legs are counted."""
NO_WAY: Final = -1
NOWHERE: Final = -1
"""Where a vehicle without a start begins, until the other places are known."""
KNOWN: Final = {
    "problem": {"jobs", "shipments", "vehicles", "matrices", "matrix", "options"},
    "options": {"l", "x", "g"},
    "job": {"id", "description", "location", "location_index", "setup", "service", "delivery", "pickup", "amount", "skills", "priority"}
    | {"time_windows", "service_per_type"},
    "shipment": {"amount", "skills", "priority", "pickup", "delivery"},
    "end": {"id", "description", "location", "location_index", "setup", "service", "time_windows", "service_per_type"},
    "vehicle": {"id", "description", "profile", "start", "start_index", "end", "end_index", "capacity", "costs", "skills", "time_window"}
    | {"breaks", "speed_factor", "max_tasks", "type", "max_travel_time", "max_distance", "steps"},
    "break": {"id", "description", "time_windows", "service"},
    "step": {"type", "id"},
}
FORBIDS: Final = {
    "options": {"c"},
    "break": {"max_load"},
    "job": {"setup_per_type"},
    "end": {"setup_per_type"},
    "step": {"service_at", "service_after", "service_before"},
}
"""What would forbid or change plans: not known here, so refused, never ignored."""


class VroomError(ValueError):
    """VROOM's code 2: the input is not right, or asks for what is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A VROOM request as a problem, and what is needed to answer it in its words."""

    problem: Problem
    warm: Plan | None
    """The routes that vehicles' `steps` begin with."""
    ignored: tuple[str, ...]
    shown: Mapping[str, dict[str, Any]]
    """By task: id, type, and place as the request has them."""
    exchanges: Mapping[str, str]
    """Of jobs with a delivery and a pickup: the task of the one, the task of the other."""
    vehicles: Mapping[str, dict[str, Any]]
    distances_m: Mapping[str, Table]
    zero_s: int


def asked(body: Any, matrix: Matrix) -> Asked:
    """Read a request.

    Raises
    ------
    VroomError
        With the field that is wrong.
    """
    try:
        return _Reader(body, matrix).read()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, VroomError):
            raise
        raise VroomError(f"Invalid input: {type(error).__name__}: {error}") from error


class _Reader:
    def __init__(self, body: Any, matrix: Matrix) -> None:
        if not isinstance(body, dict):
            raise VroomError("Invalid input: not an object.")
        self.body, self.matrix = body, matrix
        self.ignored: list[str] = []
        self.places: dict[tuple[float, float], int] = {}
        self.adrift = any("start" not in v and "start_index" not in v for v in body.get("vehicles") or () if isinstance(v, dict))
        self.tables = body.get("matrices") or ({"car": {"durations": body["matrix"]}} if "matrix" in body else None)

    def read(self) -> Asked:
        body = self.body
        self._known(body, "problem", "")
        options = body.get("options") or {}
        self._known({key: value for key, value in options.items() if value or key != "c"}, "options", "options")
        jobs, shipments, vehicles = (body.get(name) or [] for name in ("jobs", "shipments", "vehicles"))
        if not vehicles:
            raise VroomError("Invalid vehicles: no vehicle.")
        if not jobs and not shipments:
            raise VroomError("Invalid input: no jobs and no shipments.")
        zero = self._zero(jobs, shipments, vehicles)
        dims = max(len(v.get("capacity") or ()) for v in vehicles)
        dims = max([dims, *(len(j.get(k) or ()) for j in jobs for k in ("delivery", "pickup", "amount"))])
        dims = max([1, dims, *(len(s.get("amount") or ()) for s in shipments)])
        tasks: list[Task] = []
        shown: dict[str, dict[str, Any]] = {}
        exchanges: dict[str, str] = {}
        for at, job in enumerate(jobs):
            self._known(job, "job", f"jobs[{at}]")
            drops, takes = job.get("delivery") or job.get("amount") or [], job.get("pickup") or []
            both = any(drops) and any(takes)
            kind = "pickup" if any(takes) and not both else "delivery"
            name = f"job {job['id']}"
            tasks.append(self._task(name, job, job, kind, drops if both else takes or drops, dims, zero))
            shown[name] = self._shown(job, "job")
            if both:  # to the planner two tasks, of which the second takes no time and follows the first
                taken = self._task(f"{name} taken", job, job, "pickup", takes, dims, zero)
                tasks.append(replace(taken, service_s=0, service_by_type=(), parking_s=0, windows_s=()))
                exchanges[name] = taken.task
        for at, shipment in enumerate(shipments):
            self._known(shipment, "shipment", f"shipments[{at}]")
            for kind in ("pickup", "delivery"):
                end = shipment[kind]
                self._known(end, "end", f"shipments[{at}].{kind}")
                name = f"{kind} {end['id']}"
                task = self._task(name, end, shipment, kind, shipment.get("amount") or [], dims, zero)
                tasks.append(replace(task, shipment=f"shipment {at}"))
                shown[name] = self._shown(end, kind)
        vans = tuple(self._van(at, vehicle, dims, zero) for at, vehicle in enumerate(vehicles))
        if exchanges and any(van.max_tasks is not None for van in vans):
            raise VroomError("Invalid input: max_tasks is not supported beside jobs with a delivery and a pickup.")
        for what, names in (("job", [task.task for task in tasks]), ("vehicle", [van.vehicle for van in vans])):
            if twice := next((name for name, count in Counter(names).items() if count > 1), None):
                raise VroomError(f"Invalid {what}: duplicate {twice}.")
        profiles, metres = self._profiles(vehicles)
        first = next(iter(profiles.values()))
        vans = tuple(replace(van, start_place=len(first.distances_m) - 1) if van.start_place == NOWHERE else van for van in vans)
        problem = Problem(
            origin_utc_s=0,
            tasks=tuple(tasks),
            vans=vans,
            durations_s=first.durations_s[0],
            distances_m=first.distances_m,
            profiles=profiles,
            relations=tuple(Relation(kind="in_order", tasks=pair) for pair in exchanges.items()),
        )
        return Asked(
            problem=problem,
            warm=self._warm(vehicles, shown.keys(), exchanges),
            ignored=tuple(self.ignored),
            shown=shown,
            exchanges=exchanges,
            vehicles={f"vehicle {v['id']}": v for v in vehicles},
            distances_m=metres,
            zero_s=zero,
        )

    def _known(self, found: Mapping[str, Any], what: str, where: str) -> None:
        for key in found:
            if key in FORBIDS.get(what, ()):
                raise VroomError(f"Invalid input: {where}.{key} is not supported.")
            if key not in KNOWN[what]:
                self.ignored.append(f"{where}.{key}".lstrip("."))

    def _warm(self, vehicles: Any, tasks: Collection[str], exchanges: Mapping[str, str]) -> Plan | None:
        """Vehicles' `steps` as a plan to begin with: starts, ends and breaks fall where they fall."""
        routes: dict[str, tuple[str, ...]] = {}
        for at, v in enumerate(vehicles):
            route: list[str] = []
            for number, step in enumerate(v.get("steps") or ()):
                self._known(step, "step", f"vehicles[{at}].steps[{number}]")
                if step["type"] in ("start", "end", "break"):
                    continue
                name = f"{step['type']} {step['id']}"
                if name not in tasks or any(name in other for other in (*routes.values(), route)):
                    raise VroomError(f"Invalid steps of vehicle {v['id']}: {name} is not there, or twice.")
                route += [name, exchanges[name]] if name in exchanges else [name]
            if route:
                routes[f"vehicle {v['id']}"] = tuple(route)
        return Plan(routes=routes, unassigned={}) if routes else None

    @staticmethod
    def _zero(jobs: Any, shipments: Any, vehicles: Any) -> int:
        """Instants may be counted from anywhere, often 1970: ours begin with the earliest."""
        windows = [w for j in jobs for w in j.get("time_windows") or ()]
        windows += [w for s in shipments for kind in ("pickup", "delivery") for w in s[kind].get("time_windows") or ()]
        windows += [v["time_window"] for v in vehicles if v.get("time_window")]
        return min((int(opens) for opens, _ in windows), default=0)

    def _task(self, name: str, end: Any, whole: Any, kind: Any, load: Sequence[int], dims: int, zero: int) -> Task:
        windows = sorted((int(a) - zero, int(b) - zero) for a, b in end.get("time_windows") or ())
        return Task(
            task=name,
            place=self._place(end, "location", name),
            kind=kind,
            load=tuple(int(n) for n in load) + (0,) * (dims - len(load)),
            service_s=int(end.get("service", 0)),
            parking_s=int(end.get("setup", 0)),
            service_by_type=tuple((str(kind), int(seconds)) for kind, seconds in (end.get("service_per_type") or {}).items()),
            windows_s=tuple(windows),
            skills=frozenset(str(skill) for skill in whole.get("skills") or ()),
            left_out_cents=LEFT_OUT * (1 + int(whole.get("priority", 0))),
        )

    def _van(self, at: int, v: Any, dims: int, zero: int) -> Van:
        self._known(v, "vehicle", f"vehicles[{at}]")
        opens, closes = v.get("time_window") or (zero, zero + SHIFT_S)
        breaks = []
        for number, pause in enumerate(v.get("breaks") or ()):
            self._known(pause, "break", f"vehicles[{at}].breaks[{number}]")
            windows = pause.get("time_windows") or [[opens, closes]]
            if len(windows) > 1:
                raise VroomError(f"Invalid break {pause['id']} of vehicle {v['id']}: more than one time window is not supported.")
            a, b = windows[0]
            breaks.append(
                Break(duration_s=int(pause.get("service", 0)), earliest_s=int(a) - zero, latest_s=int(b) - zero, reason=str(pause["id"]))
            )
        starts, ends = ({key, f"{key}_index"} & v.keys() for key in ("start", "end"))
        if not starts and not ends:
            raise VroomError(f"Invalid vehicle {v['id']}: neither a start nor an end.")
        capacity = v.get("capacity") or [1 << 30] * dims
        return Van(
            vehicle=f"vehicle {v['id']}",
            start_place=self._place(v, "start", f"vehicle {v['id']}") if starts else NOWHERE,
            end_place=self._place(v, "end", f"vehicle {v['id']}") if ends else None,
            start_s=int(opens) - zero,
            shift_end_s=int(closes) - zero,
            capacity=tuple(int(n) for n in capacity) + (0,) * (dims - len(capacity)),
            at_depot=True,
            type=str(v.get("type", "van")),
            profile=self._profile_of(v),
            skills=frozenset(str(skill) for skill in v.get("skills") or ()),
            breaks=tuple(sorted(breaks, key=lambda pause: pause.earliest_s)),
            max_tasks=v.get("max_tasks"),
            max_distance_m=self._longest(v),
            fixed_cents=int((v.get("costs") or {}).get("fixed", 0)),
            cents_per_hour=0,
            cents_per_km=1_000,
        )

    def _longest(self, v: Any) -> int | None:
        """The longest way, in what a leg costs (see the module): so only where a leg costs just its seconds, or just its metres."""
        costs = v.get("costs") or {}
        own = self.tables is not None and "costs" in self.tables.get(str(v.get("profile", "car")), {})
        paid = None if own else (costs.get("per_hour", 3600), costs.get("per_km", 0))
        for key, alone in (("max_travel_time", (3600, 0)), ("max_distance", (0, 1000))):
            if key in v and paid != alone:
                raise VroomError(
                    f"Invalid input: {key} of vehicle {v['id']} is supported only with costs per_hour {alone[0]} and per_km {alone[1]}."
                )
        limit = v.get("max_travel_time", v.get("max_distance"))
        return None if limit is None else int(limit)

    @staticmethod
    def _profile_of(v: Any) -> str:
        costs = v.get("costs") or {}
        words = (v.get("profile", "car"), v.get("speed_factor", 1), costs.get("per_hour", 3600), costs.get("per_km", 0))
        return " ".join(map(str, words))

    def _place(self, found: Any, key: str, who: str) -> int:
        index = "location_index" if key == "location" else f"{key}_index"
        if self.tables is not None:
            if index not in found:
                raise VroomError(f"Invalid {who}: {index} is missing (the request has matrices).")
            return int(found[index])
        if key not in found:
            raise VroomError(f"Invalid {who}: {key} is missing.")
        lon, lat = map(float, found[key])
        return self.places.setdefault((lon, lat), len(self.places))

    def _profiles(self, vehicles: Any) -> tuple[dict[str, Profile], dict[str, Table]]:
        profiles: dict[str, Profile] = {}
        metres: dict[str, Table] = {}
        for v in vehicles:
            name = self._profile_of(v)
            if name in profiles:
                continue
            kind, costs = str(v.get("profile", "car")), v.get("costs") or {}
            durations, distances, own = self._tables(kind)
            factor = float(v.get("speed_factor", 1))
            if not 0 < factor <= 5:
                raise VroomError(f"Invalid vehicle {v['id']}: speed_factor {factor}.")
            seconds = np.where(durations < 0, -1, np.rint(durations / factor)).astype(np.int32)
            cost = own if own is not None else seconds * (costs.get("per_hour", 3600) / 3600) + distances * (costs.get("per_km", 0) / 1000)
            profiles[name] = Profile(
                durations_s=seconds[None], distances_m=np.where(durations < 0, -1, np.rint(cost)).astype(np.int32), band_starts_s=(0,)
            )
            metres[name] = distances
        if self.adrift:
            metres = {name: _adrift(table) for name, table in metres.items()}
            profiles = {
                name: replace(one, durations_s=_adrift(one.durations_s[0])[None], distances_m=_adrift(one.distances_m))
                for name, one in profiles.items()
            }
        return profiles, metres

    def _tables(self, kind: str) -> tuple[Table, Table, Table | None]:
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

    @staticmethod
    def _shown(end: Any, kind: str) -> dict[str, Any]:
        return {"type": kind, **{key: end[key] for key in ("id", "description", "location", "location_index") if key in end}}


def _table(rows: Any) -> Table:
    """A matrix as it was sent; what is missing in it (null, a cell or a whole row), negative or absurd is no way."""
    n = len(rows)
    if any(row is not None and len(row) != n for row in rows):
        raise VroomError("Invalid matrix: not square.")
    found = np.array([[NO_WAY if cell is None else cell for cell in row] if row is not None else [NO_WAY] * n for row in rows], dtype=float)
    return np.where((found < 0) | (found >= FAR) | ~np.isfinite(found), NO_WAY, found).astype(np.int32)


def _adrift(table: Table) -> Table:
    """With one more place, from which every other is reached at once, and none leads to."""
    wider = np.pad(table, ((0, 1), (0, 1)))
    wider[:-1, -1] = NO_WAY
    return wider
