"""The only judge of a plan: what it costs in money, when each visit happens, and whether it may be used at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from roundsman_hub.planning.fleet import Van
from roundsman_hub.planning.lookups import UNITS_PER_CENT, UNITS_PER_METRE, UNITS_PER_SECOND
from roundsman_hub.planning.problem import Plan, Problem, Verdict, is_task
from roundsman_hub.planning.walk import Ground, Walk


def evaluate(problem: Problem, plan: Plan) -> Verdict:
    """Judge a plan.

    Price = each used van's fixed price, wage, overtime, kilometres, fuel, waiting and idling; lateness past a window's end and past a
    promise; strange territories and re-attempts to be expected; work left out; unfair shares; churn among the drivers' next stops.
    Lateness is a price and no violation: a van that was held up must be able to go on with its round. (Nobody plans *new* work late:
    see `insertion`.)

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
        that the van does not have or another may hold; more on board than fits; a shift, a deadline, a ride or a range overrun; a
        driver's rest or a relation not kept; a way that does not exist.
    """
    return judge(Ground(problem), plan)


def judge(ground: Ground, plan: Plan) -> Verdict:
    """`evaluate`, for callers that judge many plans of one problem."""
    problem = ground.problem
    violations = _account(ground, plan)
    walks: dict[str, Walk] = {}
    churn = 0
    known = {van.vehicle: ground.stops[van.type] for van in problem.vans}
    for van in problem.vans:
        route = [step for step in plan.routes.get(van.vehicle, ()) if step in known[van.vehicle]]
        walks[van.vehicle] = walk = ground.walk(van, route)
        churn += ground.churn(van.vehicle, route)
        violations += _forbidden(ground, van, walk)
    violations += ground.broken_relations(plan.routes)
    served = {visit.task for walk in walks.values() for visit in walk.visits}
    left_out = sum(task.left_out_cents for task in problem.tasks if task.task not in served)
    churn_cents = churn * problem.churn_cents
    fair = fair_units(ground, walks)
    driven_units = sum(walk.units for walk in walks.values())
    return Verdict(
        cost_cents=round((driven_units + fair) / UNITS_PER_CENT) + left_out + churn_cents,
        routes={vehicle: walk.visits for vehicle, walk in walks.items()},
        back_s={vehicle: walk.back_s for vehicle, walk in walks.items()},
        distance_m=sum(walk.distance_m for walk in walks.values()),
        duration_s=sum(walk.back_s - ground.vans[vehicle].start_s for vehicle, walk in walks.items()),
        lateness_s=sum(walk.lateness_s for walk in walks.values()),
        unassigned_cents=left_out,
        churn_cents=churn_cents,
        violations=tuple(violations),
        breaks={vehicle: walk.breaks for vehicle, walk in walks.items() if walk.breaks},
        parts_cents={**_parts(ground, walks), "left out": left_out, "fair": round(fair / UNITS_PER_CENT), "churn": churn_cents},
    )


def fair_units(ground: Ground, walks: Mapping[str, Walk]) -> int:
    """Price of the hours that drivers who work at all work beyond their average, in units; an average in whole seconds."""
    price = ground.problem.fair_cents_per_hour
    if not price:
        return 0
    worked = [walk.back_s - ground.vans[vehicle].start_s for vehicle, walk in walks.items() if walk.visits]
    mean = sum(worked) // len(worked) if worked else 0
    return sum(max(0, seconds - mean) for seconds in worked) * price * UNITS_PER_SECOND


def _parts(ground: Ground, walks: Mapping[str, Walk]) -> dict[str, int]:
    """What the routes' price is made of, in cents."""
    units = dict.fromkeys(("fixed", "wage", "overtime", "distance", "fuel", "waiting", "idling", "lateness", "promises"), 0)
    units |= {"territory": 0, "re-attempts": 0}
    for vehicle, walk in walks.items():
        van, prices = ground.vans[vehicle], ground.prices[vehicle]
        wage = (walk.back_s - van.start_s) * prices.second
        units["fixed"] += prices.fixed if walk.visits and van.rests else 0
        units["wage"] += wage
        units["overtime"] += prices.time(walk.back_s) - wage
        units["distance"] += walk.distance_m * prices.metre
        units["fuel"] += walk.load_metres * van.fuel_cents_per_km_per_1000 * UNITS_PER_METRE // 1000
        units["waiting"] += walk.wait_s * prices.waiting
        units["idling"] += walk.stand_s * prices.idling
        units["lateness"] += walk.lateness_s * prices.late
        units["promises"] += walk.promise_late_s * prices.promise
        again = sum(ground.tasks[visit.task].reattempt_cents for visit in walk.visits if visit.task in ground.tasks)
        units["re-attempts"] += again * UNITS_PER_CENT
        units["territory"] += (walk.extra_cents - again) * UNITS_PER_CENT
    return {name: round(value / UNITS_PER_CENT) for name, value in units.items()}


def _account(ground: Ground, plan: Plan) -> list[str]:
    """Every task exactly once: on one route, or unassigned with a reason."""
    out = [f"unknown van {vehicle}" for vehicle, route in plan.routes.items() if route and vehicle not in ground.vans]
    count = Counter(step for route in plan.routes.values() for step in route if is_task(step))
    others = {step for route in plan.routes.values() for step in route if not is_task(step)}
    places = {step for stops in ground.stops.values() for step in stops}
    out += [f"unknown place {step}" for step in sorted(others - places)]
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
    for step in order[len(frozen) :]:
        task = ground.tasks.get(step)
        refusal = None if task is None else ground.refusal(van, task)
        if refusal:
            out.append(refusal)
    least = ground.walk(van, frozen)
    out += [wrong for wrong in walk.wrong_goods if wrong not in least.wrong_goods and wrong not in out]
    limit, more = ground.limit_load[van.vehicle], walk.excess
    for most, fits in zip(walk.peak, limit, strict=True):
        if most > fits:
            out.append(f"{van.vehicle} would carry {most}, {fits} fit")
    if walk.back_s > ground.home_s[van.vehicle]:
        out.append(f"{van.vehicle} would be back {walk.back_s - ground.home_s[van.vehicle]} s after its shift's end")
    out += [f"{van.vehicle}: no way from place {a} to {b}" for a, b in walk.no_way if (a, b) not in least.no_way]
    said = {
        "deadline_s": "{} would come {} s after a deadline",
        "wait_s": "{} would wait {} s longer than is allowed",
        "ride_s": "{} would have goods on board {} s longer than is allowed",
        "rules_s": "{} would miss {} s of its driver's rest",
        "range_m": "{} would run {} m beyond its range",
        "distance_m": "{} would drive {} m too far",
        "tasks": "{} would have {} tasks too many",
    }
    allowed = ground.allowed[van.vehicle]
    for name, words in said.items():
        over = getattr(more, name) - getattr(allowed, name)
        if over > 0:
            out.append(words.format(van.vehicle, over))
    return out
