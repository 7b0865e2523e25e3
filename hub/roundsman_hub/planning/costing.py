"""What a delivery costs: what its round would save without it, and its share of the round."""

from __future__ import annotations

from dataclasses import dataclass

from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Plan, Problem, is_task
from roundsman_hub.planning.rides import job_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.walk import Ground
from roundsman_hub.planning.work import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCost:
    """marginal_cents : what the round would save if the task were not there (of a shipment: both ends), its order kept.
    average_cents : the round's price, shared equally by its stops.

    The marginal costs of a round do not add up to its price: who shares a street shares a detour.
    """

    marginal_cents: int
    average_cents: int


def costs(problem: Problem, plan: Plan) -> dict[TaskId, TaskCost]:
    """Of every task that is served: fixed price, wage, kilometres, fuel, waiting, lateness and re-attempts to be expected, all counted."""
    ground = Ground(problem)
    out: dict[TaskId, TaskCost] = {}
    for van in problem.vans:
        row = Row(ground, van, plan.routes.get(van.vehicle, ()))
        tasks = [step for step in row.route if is_task(step)]
        for name in tasks:
            ends = {task.task for task in job_of(ground, ground.tasks[name])}
            saved = row.units - row.without(ends).units
            out[name] = TaskCost(
                marginal_cents=round(saved / UNITS_PER_CENT), average_cents=round(row.units / (len(tasks) * UNITS_PER_CENT))
            )
    return out
