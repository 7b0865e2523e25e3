"""VROOM's JSON as a problem, so that its clients can come here (API of VROOM 1.15). Answers: `vroom_told`; its plan mode: `vroom_plan`.

Its objective is travel: waiting and service cost nothing. So each kind of vehicle gets a profile whose "metres" are what a leg costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from roundsman_hub.planning.problem import Break, Plan, Problem, Relation, Task, Van
from roundsman_hub.planning.vroom_errors import VroomError, named, within
from roundsman_hub.planning.vroom_ways import Matrix, Table, Ways, profile_of

LEFT_OUT: Final = 100_000_000
"""VROOM serves as much priority as it can, whatever it costs; each step of priority weighs as much as a task."""
SHIFT_S: Final = 90 * 86_400
NOWHERE: Final = -1
"""Where a vehicle without a start begins, until the other places are known."""
KNOWN: Final = {
    "problem": {"jobs", "shipments", "vehicles", "matrices", "matrix", "options"},
    "options": {"l", "x", "g", "c"},
    "job": {"id", "description", "location", "location_index", "setup", "service", "delivery", "pickup", "amount", "skills", "priority"}
    | {"time_windows", "setup_per_type", "service_per_type"},
    "shipment": {"amount", "skills", "priority", "pickup", "delivery"},
    "end": {"id", "description", "location", "location_index", "setup", "service", "time_windows", "setup_per_type", "service_per_type"},
    "vehicle": {"id", "description", "profile", "start", "start_index", "end", "end_index", "capacity", "costs", "skills", "time_window"}
    | {"breaks", "speed_factor", "max_tasks", "type", "max_travel_time", "max_distance", "steps"},
    "break": {"id", "description", "time_windows", "service"},
    "step": {"type", "id"},
}
FORBIDS: Final = {"break": {"max_load"}}
"""What would forbid or change plans: not known here, so refused, never ignored. (Of given routes VROOM tells it.)"""
FORCED: Final = {"service_at", "service_after", "service_before"}
"""When a step of a given route is served. They say nothing of the routes that a search begins with: VROOM ignores them there, too."""


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


def asked(body: Any, matrix: Matrix, *, given: bool = False) -> Asked:
    """Read a request.

    Parameters
    ----------
    body : Any
        Its JSON.
    matrix : Matrix
        Where it has places and no matrices.
    given : bool
        The routes are given, and only their times are asked for: everything is known that VROOM knows.

    Raises
    ------
    VroomError
        With the field that is wrong.
    """
    try:
        return Reader(body, matrix, given=given).read()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, VroomError):
            raise
        raise VroomError(f"Invalid input: {type(error).__name__}: {error}") from error


class Reader:
    """See `asked`."""

    def __init__(self, body: Any, matrix: Matrix, *, given: bool = False) -> None:
        if not isinstance(body, dict):
            raise VroomError("Invalid input: not an object.")
        self.body, self.given = body, given
        self.ways = Ways(body, matrix)
        self.ignored: list[str] = []

    def read(self) -> Asked:
        body = self.body
        self._known(body, "problem", "")
        options = body.get("options") or {}
        self._known(options, "options", "options")
        jobs, shipments, vehicles = (body.get(name) or [] for name in ("jobs", "shipments", "vehicles"))
        if not vehicles:
            raise VroomError("Invalid vehicles: no vehicle.")
        if not jobs and not shipments:
            raise VroomError("Invalid input: no jobs and no shipments.")
        within("tasks", len(jobs) + 2 * len(shipments))
        within("vehicles", len(vehicles))
        dims, zero = _surveyed(jobs, shipments, vehicles)
        tasks: list[Task] = []
        shown: dict[str, dict[str, Any]] = {}
        exchanges: dict[str, str] = {}
        for at, job in enumerate(jobs):
            with named("job", at, job):
                self._known(job, "job", f"jobs[{at}]")
                drops, takes = job.get("delivery") or job.get("amount") or [], job.get("pickup") or []
                both = any(drops) and any(takes)
                kind = "pickup" if any(takes) and not both else "delivery"
                name = f"job {job['id']}"
                tasks.append(self._task(name, job, job, kind, drops if both else takes or drops, dims, zero))
                shown[name] = self._shown(job, "job")
                if both:  # to the planner two tasks, of which the second takes no time and follows the first
                    taken = self._task(f"{name} taken", job, job, "pickup", takes, dims, zero)
                    tasks.append(replace(taken, service_s=0, service_by_type=(), parking_s=0, parking_by_type=(), windows_s=()))
                    exchanges[name] = taken.task
        for at, shipment in enumerate(shipments):
            with named("shipment", at, shipment):
                self._known(shipment, "shipment", f"shipments[{at}]")
                for kind in ("pickup", "delivery"):
                    end = shipment[kind]
                    self._known(end, "end", f"shipments[{at}].{kind}")
                    name = f"{kind} {end['id']}"
                    task = self._task(name, end, shipment, kind, shipment.get("amount") or [], dims, zero)
                    tasks.append(replace(task, shipment=f"shipment {at}"))
                    shown[name] = self._shown(end, kind)
        vans_ = []
        for at, vehicle in enumerate(vehicles):
            with named("vehicle", at, vehicle):
                vans_.append(self._van(at, vehicle, dims, zero))
        vans = tuple(vans_)
        within("kinds of vehicle times tasks", len({van.type for van in vans}) * len(tasks))
        if exchanges and not self.given and any(van.max_tasks is not None for van in vans):
            raise VroomError("Invalid input: max_tasks is not supported beside jobs with a delivery and a pickup.")
        for what, names in (("job", [task.task for task in tasks]), ("vehicle", [van.vehicle for van in vans])):
            if twice := next((name for name, count in Counter(names).items() if count > 1), None):
                raise VroomError(f"Invalid {what}: duplicate {twice}.")
        profiles, metres = self.ways.profiles(vehicles)
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
            if key in FORBIDS.get(what, ()) and not self.given:
                raise VroomError(f"Invalid input: {where}.{key} is not supported.")
            if key not in KNOWN[what] and not (self.given and key in (*FORBIDS.get(what, ()), *FORCED)):
                self.ignored.append(f"{where}.{key}".lstrip("."))

    def _warm(self, vehicles: Any, tasks: Collection[str], exchanges: Mapping[str, str]) -> Plan | None:
        """Vehicles' `steps` as a plan to begin with: starts, ends and breaks fall where they fall."""
        routes: dict[str, tuple[str, ...]] = {}
        seen: set[str] = set()
        for at, v in enumerate(vehicles):
            route: list[str] = []
            for number, step in enumerate(v.get("steps") or ()):
                with named("vehicle", at, v):
                    self._known(step, "step", f"vehicles[{at}].steps[{number}]")
                    if step["type"] in ("start", "end", "break"):
                        continue
                    name = f"{step['type']} {step['id']}"
                if name not in tasks or name in seen:
                    raise VroomError(f"Invalid steps of vehicle {v['id']}: {name} is not there, or twice.")
                seen.add(name)
                route += [name, exchanges[name]] if name in exchanges else [name]
            if route:
                routes[f"vehicle {v['id']}"] = tuple(route)
        return Plan(routes=routes, unassigned={}) if routes else None

    def _task(self, name: str, end: Any, whole: Any, kind: Any, load: Sequence[int], dims: int, zero: int) -> Task:
        windows = sorted((int(a) - zero, int(b) - zero) for a, b in end.get("time_windows") or ())
        return Task(
            task=name,
            place=self.ways.place(end, "location", name),
            kind=kind,
            load=tuple(int(n) for n in load) + (0,) * (dims - len(load)),
            service_s=int(end.get("service", 0)),
            parking_s=int(end.get("setup", 0)),
            service_by_type=_by_type(end.get("service_per_type")),
            parking_by_type=_by_type(end.get("setup_per_type")),
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
            windows = [(int(a) - zero, int(b) - zero) for a, b in pause.get("time_windows") or [[opens, closes]]]
            breaks.append(_break(windows, int(pause.get("service", 0)), str(pause["id"])))
        starts, ends = ({key, f"{key}_index"} & v.keys() for key in ("start", "end"))
        if not starts and not ends:
            raise VroomError(f"Invalid vehicle {v['id']}: neither a start nor an end.")
        capacity = v.get("capacity") or [1 << 30] * dims
        return Van(
            vehicle=f"vehicle {v['id']}",
            start_place=self.ways.place(v, "start", f"vehicle {v['id']}") if starts else NOWHERE,
            end_place=self.ways.place(v, "end", f"vehicle {v['id']}") if ends else None,
            start_s=int(opens) - zero,
            shift_end_s=int(closes) - zero,
            capacity=tuple(int(n) for n in capacity) + (0,) * (dims - len(capacity)),
            at_depot=True,
            type=str(v.get("type", "")),
            profile=profile_of(v),
            skills=frozenset(str(skill) for skill in v.get("skills") or ()),
            breaks=tuple(sorted(breaks, key=lambda pause: pause.earliest_s)),
            max_tasks=None if v.get("max_tasks") is None else int(v["max_tasks"]),
            max_distance_m=None if self.given else self._longest(v),
            fixed_cents=int((v.get("costs") or {}).get("fixed", 0)),
            cents_per_hour=0,
            cents_per_km=1_000,
        )

    def _longest(self, v: Any) -> int | None:
        """The longest way, in what a leg costs (see the module): so only where a leg costs just its seconds, or just its metres."""
        costs = v.get("costs") or {}
        own = self.ways.tables is not None and "costs" in self.ways.tables.get(str(v.get("profile", "car")), {})
        paid = None if own else (costs.get("per_hour", 3600), costs.get("per_km", 0))
        for key, alone in (("max_travel_time", (3600, 0)), ("max_distance", (0, 1000))):
            if key in v and paid != alone:
                raise VroomError(
                    f"Invalid input: {key} of vehicle {v['id']} is supported only with costs per_hour {alone[0]} and per_km {alone[1]}."
                )
        limit = v.get("max_travel_time", v.get("max_distance"))
        return None if limit is None else int(limit)

    @staticmethod
    def _shown(end: Any, kind: str) -> dict[str, Any]:
        return {"type": kind, **{key: end[key] for key in ("id", "description", "location", "location_index") if key in end}}


def _surveyed(jobs: Any, shipments: Any, vehicles: Any) -> tuple[int, int]:
    """How many dimensions loads have, and from when on times are counted here (see `_zero`)."""
    dims, windows, shifts = 1, list[int](), list[int]()
    for kind, all_of in (("job", jobs), ("shipment", shipments), ("vehicle", vehicles)):
        for at, one in enumerate(all_of):
            with named(kind, at, one):
                amounts = ("amount",) if kind == "shipment" else ("capacity", "amount", "delivery", "pickup")
                dims = max([dims, *(len(one.get(key) or ()) for key in amounts)])
                ends = [one["pickup"], one["delivery"]] if kind == "shipment" else [one]
                windows += [int(opens) for end in ends for opens, _ in end.get("time_windows") or ()]
                if kind == "vehicle" and one.get("time_window"):
                    opens, _ = one["time_window"]
                    shifts.append(int(opens))
    return dims, _zero(shifts if len(shifts) == len(vehicles) else windows + shifts)


def _zero(opens: list[int]) -> int:
    """Instants may be counted from anywhere, often 1970: ours begin with the earliest that is anywhere near most of them.

    A window from 0 on among instants of this year only means "at any time".
    """
    middle = sorted(opens)[len(opens) // 2] if opens else 0
    return min((at for at in opens if middle - at <= SHIFT_S), default=0)


def _by_type(found: Any) -> tuple[tuple[str, int], ...]:
    return tuple((str(kind), int(seconds)) for kind, seconds in (found or {}).items())


def _break(windows: Sequence[tuple[int, int]], duration_s: int, reason: str) -> Break:
    """A break that begins in one of these windows: those that touch are one."""
    spans: list[tuple[int, int]] = []
    for opens, closes in sorted(windows):
        if spans and spans[-1][0] <= opens <= min(closes, spans[-1][1] + 1):
            spans[-1] = spans[-1][0], max(spans[-1][1], closes)
        else:
            spans.append((opens, closes))
    gaps = tuple((before[1], after[0]) for before, after in pairwise(spans))
    return Break(duration_s=duration_s, earliest_s=spans[0][0], latest_s=spans[-1][1], reason=reason, gaps_s=gaps)
