"""A plan as VROOM's JSON (API of VROOM 1.15): its words for routes, steps and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.problem import Plan, Task, Van, Verdict
from roundsman_hub.planning.vroom_json import LEFT_OUT, Asked


def together(request: Asked, plan: Plan, verdict: Verdict) -> tuple[Plan, Verdict]:
    """The plan with both halves of each exchange at one stop; an exchange that does not fit so is left out whole."""
    problem = request.problem
    for given, taken in request.exchanges.items():
        van = next((van for van, route in plan.routes.items() if given in route and taken in route), None)
        if van is not None:
            rest = [step for step in plan.routes[van] if step != taken]
            at = rest.index(given) + 1
            moved = replace(plan, routes={**plan.routes, van: (*rest[:at], taken, *rest[at:])})
            if not (found := evaluate(problem, moved)).violations and found.lateness_s <= verdict.lateness_s:
                plan, verdict = moved, found
                continue
        reason = plan.unassigned.get(given) or plan.unassigned.get(taken) or "no van is free: other work fills every route"
        routes = {van: tuple(step for step in route if step not in (given, taken)) for van, route in plan.routes.items()}
        plan = Plan(routes=routes, unassigned={**plan.unassigned, given: reason, taken: reason})
        verdict = evaluate(problem, plan)
    return plan, verdict


def told(request: Asked, plan: Plan, verdict: Verdict, *, wrong_vans: Mapping[str, str], computing_ms: int) -> dict[str, Any]:
    """The answer in VROOM's words. Beside them: `reason` of what is unassigned, and `ignored` keys of the request."""
    problem = request.problem
    vans = {van.vehicle: van for van in problem.vans}
    tasks = {task.task: task for task in problem.tasks}
    routes = []
    for name, visits in verdict.routes.items():
        if visits:
            routes.append(_route(request, vans[name], [tasks[visit.task] for visit in visits], verdict))
    unassigned = [{**request.shown[task], "reason": reason} for task, reason in plan.unassigned.items() if task in request.shown]
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

    if {"start", "start_index"} & shown.keys():
        step("start", clock, **_at(shown, "start"))
    paid = 0
    for number, (visit, task) in enumerate(zip(visits, tasks, strict=True)):
        rest(number, visit.arrival_s)
        travelled, driven = travelled + visit.leg_s, driven + max(int(metres[place, task.place]), 0)
        paid += visit.leg_m
        clock = visit.arrival_s
        rest(number, 1 << 60)  # those that are taken on the spot, before the service
        load = list(visit.load_after)
        if task.task not in request.shown:  # the second half of an exchange
            steps[-1]["load"], place = list(load), task.place
            continue
        setup = task.parking_with(van.type) if task.place != place else 0
        info = dict(request.shown[task.task])
        kind = info.pop("type")
        step(kind, clock, **info, setup=setup, service=visit.service_s - setup, waiting_time=visit.start_s - clock)
        clock, place = visit.departure_s, task.place
    rest(len(visits), 1 << 60)
    if van.end_place is not None:
        home = max(int(seconds[place, van.end_place]), 0)
        travelled, driven = travelled + home, driven + max(int(metres[place, van.end_place]), 0)
        paid += max(int(request.problem.profiles[van.profile].distances_m[place, van.end_place]), 0)
    if van.end_place is not None:
        step("end", verdict.back_s[van.vehicle], **_at(shown, "end"))
    collected = [sum(t.load[d] for t in tasks if t.kind == "pickup") for d in range(dims)]
    dropped = [sum(t.load[d] for t in tasks if t.kind == "delivery") for d in range(dims)]
    setups = sum(one["setup"] for one in steps)
    return {
        "vehicle": shown["id"],
        **({"description": shown["description"]} if "description" in shown else {}),
        "cost": paid + van.fixed_cents,
        "setup": setups,
        "service": sum(one["service"] for one in steps),
        "duration": travelled,
        "waiting_time": sum(one["waiting_time"] for one in steps),
        "priority": sum(task.left_out_cents // LEFT_OUT - 1 for task in tasks if task.task in request.shown),
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
