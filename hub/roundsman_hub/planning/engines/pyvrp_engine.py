"""PyVRP: iterated local search over the work that is not frozen. How a problem becomes PyVRP's is told in `pyvrp_model`.

Not seen: churn, lateness within what the warm plan already has, pauses and hours, traffic by the hour, energy, relations, the longest
ride, prices of waiting, promises, load and territory. The judge sees all of them.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.engines.pyvrp_model import Translation
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.walk import Ground

NAME: Final = "pyvrp"
FEATURES: Final = frozenset(
    {
        *("windows", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"),
        *("shipments", "reloads", "skills", "types", "overtime", "max_distance", "max_tasks", "open_end", "deadlines", "profiles"),
    }
)
MAX_PENALTY: Final = 1e8
"""Times `FAR` this is 10¹⁵: far from the end of 64 bits."""

HISTORY: Final = (10, 300)
STEPS_PER_HISTORY: Final = 20
"""A plan is accepted that is better than the one so many steps ago: PyVRP's own 300 are for minutes. Of R112 and r1_2_5, medians of 3 to
4 seeds after 1 CPU s: 9,757 and 41,920 with 300; 9,570 and 41,071 with 20 (and a first plan that is ready at once)."""
PACING: Final = 0.06
"""Share of the time that tells how many steps the rest will have."""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
    """Search for `budget_s` seconds, the translation counted; the warm plan when nothing feasible was found."""
    import pyvrp
    from pyvrp.exceptions import PenaltyBoundWarning, ScalingWarning

    until = budget.seconds() + budget_s
    ground = Ground(problem)
    vans = [van for van in problem.vans if ground.home_s[van.vehicle] >= 0]
    model = Translation(ground, vans, warm)
    if not vans or not (model.shipments or any(client.task for client in model.clients)):
        return warm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalingWarning)  # the price of leaving an order out is large on purpose
        warnings.simplefilter("ignore", PenaltyBoundWarning)  # no plan without a rule broken: the judge will say so
        data = model.data(pyvrp)
        first = pyvrp.Solution(data, model.routes_of(pyvrp, data, warm))
        best = _search(pyvrp, data, first, model.penalties(), until, seed)
    return model.plan_of(best, warm) if best.is_feasible() else warm


def _search(pyvrp: Any, data: Any, first: Any, penalties: tuple[float, float] | None, until: float, seed: int) -> Any:
    """`pyvrp.solve` with a patience and penalties of our own to begin with: (of a unit of load too many, of a second too late)."""
    from pyvrp import search
    from pyvrp.IteratedLocalSearch import IteratedLocalSearch, IteratedLocalSearchParams
    from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams

    params = PenaltyParams() if penalties is None else PenaltyParams(max_penalty=MAX_PENALTY)
    begin = (
        params.midpoint_penalties(data) if penalties is None else ([penalties[0]] * data.num_load_dimensions, penalties[1], penalties[1])
    )
    rng = pyvrp.RandomNumberGenerator(seed=seed)
    local = search.LocalSearch(data, rng, search.compute_neighbours(data), search.PerturbationManager())
    for operator in search.OPERATORS:
        if operator.supports(data):
            local.add_operator(operator(data))
    manager = PenaltyManager(begin, params)

    def run(start: Any, history: int, until: float) -> Any:
        like = IteratedLocalSearchParams(history_length=history)
        return IteratedLocalSearch(data, manager, local, start, like).run(lambda _: budget.seconds() >= until, collect_stats=False)

    began = budget.seconds()
    paced = run(first, HISTORY[0], began + PACING * (until - began))
    spent_s = max(budget.seconds() - began, 1e-3)
    steps = paced.num_iterations * max(until - budget.seconds(), 0) / spent_s
    best = run(paced.best, round(min(max(steps / STEPS_PER_HISTORY, HISTORY[0]), HISTORY[1])), until).best
    return best if best.is_feasible() or not paced.best.is_feasible() else paced.best
