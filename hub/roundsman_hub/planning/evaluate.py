"""The only judge of a plan: what it costs in money, when each visit happens, and whether it may be used at all."""

from __future__ import annotations

from collections import Counter

from roundsman_hub.planning.problem import Plan, Problem, Van, Verdict
from roundsman_hub.planning.walk import UNITS_PER_CENT, Ground, Walk


def evaluate(problem: Problem, plan: Plan) -> Verdict:
    """Judge a plan.

    Price = each used van's fixed price, hours and kilometres; lateness past a window's end; work left out; churn among the
    drivers' next stops. Lateness is a price and no violation: a van that was held up must be able to go on with its round.
    (Nobody plans *new* work late: see `insertion`.)

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    plan : Plan
        Any engine's answer. Vans without a route may be missing.

    Returns
    -------
    Verdict
        With `violations`, in words, of everything that forbids the plan: work lost, doubled or unknown; a frozen stop moved; goods
        that the van does not have or another may hold; more on board than fits; a shift overrun; a way that does not exist.
    """
    return judge(Ground(problem), plan)


def judge(ground: Ground, plan: Plan) -> Verdict:
    """`evaluate`, for callers that judge many plans of one problem."""
    problem = ground.problem
    violations = _account(ground, plan)
    walks: dict[str, Walk] = {}
    churn = 0
    for van in problem.vans:
        route = [task for task in plan.routes.get(van.vehicle, ()) if task in ground.tasks]
        walks[van.vehicle] = walk = ground.walk(van, route)
        churn += ground.churn(van.vehicle, route)
        violations += _forbidden(ground, van, walk)
    served = {visit.task for walk in walks.values() for visit in walk.visits}
    left_out = sum(task.left_out_cents for task in problem.tasks if task.task not in served)
    churn_cents = churn * problem.churn_cents
    driven_units = sum(walk.units for walk in walks.values())
    return Verdict(
        cost_cents=round(driven_units / UNITS_PER_CENT) + left_out + churn_cents,
        routes={vehicle: walk.visits for vehicle, walk in walks.items()},
        back_s={vehicle: walk.back_s for vehicle, walk in walks.items()},
        distance_m=sum(walk.distance_m for walk in walks.values()),
        duration_s=sum(walk.back_s - ground.vans[vehicle].start_s for vehicle, walk in walks.items()),
        lateness_s=sum(walk.lateness_s for walk in walks.values()),
        unassigned_cents=left_out,
        churn_cents=churn_cents,
        violations=tuple(violations),
    )


def _account(ground: Ground, plan: Plan) -> list[str]:
    """Every task exactly once: on one route, or unassigned with a reason."""
    out = [f"unknown van {vehicle}" for vehicle, route in plan.routes.items() if route and vehicle not in ground.vans]
    count = Counter(task for route in plan.routes.values() for task in route)
    out += [f"unknown task {task}" for task in [*count, *plan.unassigned] if task not in ground.tasks]
    out += [f"{task} is planned {times} times" for task, times in count.items() if times > 1]
    out += [f"{task} is both planned and unassigned" for task in plan.unassigned if task in count]
    out += [f"{task} is neither planned nor unassigned" for task in ground.tasks if task not in count and task not in plan.unassigned]
    out += [f"{task} is unassigned without a reason" for task, reason in plan.unassigned.items() if not reason]
    return out


def _forbidden(ground: Ground, van: Van, walk: Walk) -> list[str]:
    """What forbids this van's route."""
    out = []
    order = tuple(visit.task for visit in walk.visits)
    frozen = tuple(task for task in van.frozen if task in ground.tasks)
    if order[: len(frozen)] != frozen:
        out.append(f"{van.vehicle} must first serve {', '.join(frozen)}")
    for task in order[len(frozen) :]:
        refusal = ground.refusal(van, ground.tasks[task])
        if refusal:
            out.append(refusal)
    limit = ground.limit_load[van.vehicle]
    if walk.peak_load > limit:
        out.append(f"{van.vehicle} would carry {walk.peak_load}, {limit} fit")
    if walk.back_s > ground.home_s[van.vehicle]:
        out.append(f"{van.vehicle} would be back {walk.back_s - ground.home_s[van.vehicle]} s after its shift's end")
    unavoidable = set(ground.walk(van, frozen).no_way)
    out += [f"{van.vehicle}: no way from place {a} to {b}" for a, b in walk.no_way if (a, b) not in unavoidable]
    return out
