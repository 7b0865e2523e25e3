"""VROOM's JSON as a problem, and an answer as VROOM's JSON, so that its clients can be pointed here (API of VROOM 1.14).

Its objective is travel: waiting and service cost nothing. So each kind of vehicle gets a profile whose "metres" are what a leg costs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Break, Plan, Problem, Profile, Task, Van, Verdict

Table = npt.NDArray[np.int32]
Matrix = Callable[[Sequence[tuple[float, float]], str], tuple[Table, Table]]
"""(seconds, metres) between [lon, lat] places, for a profile."""
LEFT_OUT: Final = 100_000_000
"""VROOM serves as much priority as it can, whatever it costs; each step of priority weighs as much as a task."""
SHIFT_S: Final = 90 * 86_400
KNOWN: Final = {
    "problem": {"jobs", "shipments", "vehicles", "matrices", "matrix", "options"},
    "job": {"id", "description", "location", "location_index", "setup", "service", "delivery", "pickup", "amount", "skills", "priority"}
    | {"time_windows"},
    "shipment": {"amount", "skills", "priority", "pickup", "delivery"},
    "end": {"id", "description", "location", "location_index", "setup", "service", "time_windows"},
    "vehicle": {"id", "description", "profile", "start", "start_index", "end", "end_index", "capacity", "costs", "skills", "time_window"}
    | {"breaks", "speed_factor", "max_tasks", "type"},
    "break": {"id", "description", "time_windows", "service"},
}
FORBIDS: Final = {
    "vehicle": {"max_travel_time", "max_distance", "steps"},
    "break": {"max_load"},
    "job": {"setup_per_type", "service_per_type"},
    "end": {"setup_per_type", "service_per_type"},
}
"""What would forbid or change plans: not known here, so refused, never ignored."""


class VroomError(ValueError):
    """VROOM's code 2: the input is not right, or asks for what is not known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A VROOM request as a problem, and what is needed to answer it in its words."""

    problem: Problem
    ignored: tuple[str, ...]
    shown: Mapping[str, dict[str, Any]]
    """By task: id, type, and place as the request has them."""
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
        self.tables = body.get("matrices") or ({"car": {"durations": body["matrix"]}} if "matrix" in body else None)

    def read(self) -> Asked:
        body = self.body
        self._known(body, "problem", "")
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
        for at, job in enumerate(jobs):
            self._known(job, "job", f"jobs[{at}]")
            drops, takes = job.get("delivery") or job.get("amount") or [], job.get("pickup") or []
            if any(drops) and any(takes):
                raise VroomError(f"Invalid job {job['id']}: delivery and pickup at one job are not supported; make them two jobs.")
            kind = "pickup" if any(takes) else "delivery"
            name = f"job {job['id']}"
            tasks.append(self._task(name, job, job, kind, takes or drops, dims, zero))
            shown[name] = self._shown(job, "job")
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
        profiles, metres = self._profiles(vehicles)
        first = next(iter(profiles.values()))
        problem = Problem(
            origin_utc_s=0,
            tasks=tuple(tasks),
            vans=vans,
            durations_s=first.durations_s[0],
            distances_m=first.distances_m,
            profiles=profiles,
        )
        return Asked(
            problem=problem,
            ignored=tuple(self.ignored),
            shown=shown,
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
        if "start" not in v and "start_index" not in v:
            raise VroomError(f"Invalid vehicle {v['id']}: a vehicle without a start is not supported.")
        capacity = v.get("capacity") or [1 << 30] * dims
        return Van(
            vehicle=f"vehicle {v['id']}",
            start_place=self._place(v, "start", f"vehicle {v['id']}"),
            end_place=self._place(v, "end", f"vehicle {v['id']}") if "end" in v or "end_index" in v else None,
            start_s=int(opens) - zero,
            shift_end_s=int(closes) - zero,
            capacity=tuple(int(n) for n in capacity) + (0,) * (dims - len(capacity)),
            at_depot=True,
            type=str(v.get("type", "van")),
            profile=self._profile_of(v),
            skills=frozenset(str(skill) for skill in v.get("skills") or ()),
            breaks=tuple(sorted(breaks, key=lambda pause: pause.earliest_s)),
            max_tasks=v.get("max_tasks"),
            fixed_cents=int((v.get("costs") or {}).get("fixed", 0)),
            cents_per_hour=0,
            cents_per_km=1_000,
        )

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
        return profiles, metres

    def _tables(self, kind: str) -> tuple[Table, Table, Table | None]:
        if self.tables is None:
            durations, distances = self.matrix(list(self.places), kind)
            return durations, distances, None
        if kind not in self.tables:
            raise VroomError(f"Invalid profile: {kind} is not among the matrices.")
        found = self.tables[kind]
        durations = np.array(found["durations"], dtype=np.int32)
        if durations.ndim != 2 or durations.shape[0] != durations.shape[1]:
            raise VroomError("Invalid matrix: durations are not square.")
        distances = np.array(found["distances"], dtype=np.int32) if "distances" in found else np.zeros_like(durations)
        own = np.array(found["costs"], dtype=np.int32) if "costs" in found else None
        for other in (distances, own):
            if other is not None and other.shape != durations.shape:
                raise VroomError("Invalid matrix: inconsistent sizes.")
        return durations, distances, own

    @staticmethod
    def _shown(end: Any, kind: str) -> dict[str, Any]:
        return {"type": kind, **{key: end[key] for key in ("id", "description", "location", "location_index") if key in end}}


def told(request: Asked, plan: Plan, verdict: Verdict, *, wrong_vans: Mapping[str, str], computing_ms: int) -> dict[str, Any]:
    """The answer in VROOM's words. Beside them: `reason` of what is unassigned, and `ignored` keys of the request."""
    problem = request.problem
    vans = {van.vehicle: van for van in problem.vans}
    tasks = {task.task: task for task in problem.tasks}
    routes = []
    for name, visits in verdict.routes.items():
        if visits:
            routes.append(_route(request, vans[name], [tasks[visit.task] for visit in visits], verdict))
    unassigned = [{**request.shown[task], "reason": reason} for task, reason in plan.unassigned.items()]
    sums = ("cost", "setup", "service", "duration", "waiting_time", "priority", "distance", "delivery", "pickup")
    summary: dict[str, Any] = {"routes": len(routes), "unassigned": len(unassigned)}
    for key in sums:
        values = [route[key] for route in routes]
        summary[key] = [sum(column) for column in zip(*values, strict=True)] if key in ("delivery", "pickup") else sum(values)
    summary |= {"violations": [], "computing_times": {"loading": 0, "solving": computing_ms, "routing": 0}}
    out = {"code": 0, "summary": summary, "unassigned": unassigned, "routes": routes}
    if request.ignored:
        out["ignored"] = list(request.ignored)
    if wrong_vans:
        out["wrong_vehicles"] = dict(wrong_vans)
    return out


def _route(request: Asked, van: Van, tasks: Sequence[Task], verdict: Verdict) -> dict[str, Any]:
    visits = verdict.routes[van.vehicle]
    shown, zero = request.vehicles[van.vehicle], request.zero_s
    metres = request.distances_m[van.profile]
    seconds = request.problem.profiles[van.profile].durations_s[0]
    dims = len(van.capacity)
    loaded = [sum(t.load[d] for t in tasks if t.kind == "delivery" and t.shipment is None) for d in range(dims)]
    pauses = list(verdict.breaks.get(van.vehicle, ()))
    clock, place, travelled, driven = van.start_s, van.start_place, 0, 0
    load = list(loaded)
    steps: list[dict[str, Any]] = []

    def step(kind: str, arrival: int, **more: Any) -> None:
        now = {"arrival": arrival + zero, "duration": travelled, "distance": driven, "load": list(load), "violations": []}
        steps.append({"type": kind, "setup": 0, "service": 0, "waiting_time": 0, **more, **now})

    def rest(after: int, before_s: int) -> None:
        """The breaks that begin by then, and after so many stops."""
        nonlocal clock
        while pauses and pauses[0].after <= after and pauses[0].start_s < before_s:
            pause = pauses.pop(0)
            step(
                "break",
                min(clock, pause.start_s),
                id=_number(pause.reason),
                service=pause.duration_s,
                waiting_time=max(0, pause.start_s - clock),
            )
            clock = pause.start_s + pause.duration_s

    step("start", clock, **_at(shown, "start"))
    paid = 0
    for number, (visit, task) in enumerate(zip(visits, tasks, strict=True)):
        rest(number, visit.arrival_s)
        travelled, driven = travelled + visit.leg_s, driven + max(int(metres[place, task.place]), 0)
        paid += visit.leg_m
        clock = visit.arrival_s
        rest(number, 1 << 60)  # those that are taken on the spot, before the service
        load = list(visit.load_after)
        setup = task.parking_s if task.place != place else 0
        info = dict(request.shown[task.task])
        kind = info.pop("type")
        step(kind, clock, **info, setup=setup, service=visit.service_s - setup, waiting_time=visit.start_s - clock)
        clock, place = visit.departure_s, task.place
    rest(len(visits), 1 << 60)
    if van.end_place is not None:
        home = max(int(seconds[place, van.end_place]), 0)
        travelled, driven = travelled + home, driven + max(int(metres[place, van.end_place]), 0)
        paid += max(int(request.problem.profiles[van.profile].distances_m[place, van.end_place]), 0)
    step("end", verdict.back_s[van.vehicle], **_at(shown, "end"))
    collected = [sum(t.load[d] for t in tasks if t.kind == "pickup") for d in range(dims)]
    dropped = [sum(t.load[d] for t in tasks if t.kind == "delivery") for d in range(dims)]
    setups = sum(one["setup"] for one in steps)
    return {
        "vehicle": shown["id"],
        "cost": paid + van.fixed_cents,
        "setup": setups,
        "service": sum(one["service"] for one in steps),
        "duration": travelled,
        "waiting_time": sum(one["waiting_time"] for one in steps),
        "priority": sum(task.left_out_cents // LEFT_OUT - 1 for task in tasks),
        "distance": driven,
        "delivery": dropped,
        "pickup": collected,
        "steps": steps,
        "violations": [],
    }


def _at(shown: Mapping[str, Any], key: str) -> dict[str, Any]:
    out = {}
    if key in shown:
        out["location"] = shown[key]
    if f"{key}_index" in shown:
        out["location_index"] = shown[f"{key}_index"]
    return out


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text
