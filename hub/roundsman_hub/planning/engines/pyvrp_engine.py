"""PyVRP: iterated local search over the work that is not frozen. How a problem becomes PyVRP's is told in `pyvrp_model`.

Not seen: churn, lateness within what the warm plan already has, pauses and hours, traffic by the hour, energy, relations, the longest
ride, prices of waiting, promises, load and territory. The judge sees all of them.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

from roundsman_hub.planning.engines import budget
from roundsman_hub.planning.engines.annealing import Heat, Prices, anneal
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
POOR: Final = 0.1
"""A warm plan that one look at each stop makes so much cheaper was made in a hurry: what begins from no plan at all is then often
better. (A town of 1,000, the same 10 CPU s, histories of 30 to 100: 5,469 from none, 5,631 to 5,711 from the first plan.)"""
HISTORY: Final = (30, 300)
STEPS_PER_HISTORY: Final = 10
"""A plan is accepted that is better than the one so many steps ago: PyVRP's own 300 are for minutes. Of R112 and r1_2_5, medians of 3 to
4 seeds after 1 CPU s: 9,757 and 41,920 with 300; 9,570 and 41,071 with a twentieth of the steps there are time for (and a first plan that
is ready at once). The same town of 1,000: 5,544 with 300, 5,469 with 50, 5,740 with 20, of 400 steps."""
PACING: Final = 0.06
"""Share of the time that tells how many steps the rest will have."""
PATIENT: Final = (600, 8.0)
"""From so many stops on, and with so many seconds, the search is as patient as PyVRP's own from the first step: neighbourhoods follow it
(`portfolio.PARTED`), and they mend what it has not got to."""

SQUEEZE: Final = (100, 10)
"""Prices of a unit of load and of a second too many, in seconds of work, where a warm plan leaves work out: what has no room comes
in only by way of plans that break a rule. PyVRP's own (250 each, looked at every 500 steps) never let it. Of a town of 250 after
changes, with the vans it had, 0.6 CPU s, four seeds: all found room with these, 0.7 % above the best of 15 s; none with PyVRP's."""
MENDED: Final = (20, 10)
"""Neighbours looked at, and the most stops disturbed in a step, where a plan in hand is mended in a hurry: most of it is good, and
smaller steps are quicker ones."""
UNMENDED: Final = frozenset({"Swap21", "Swap22"})
"""Moves left out then: a third of a step's time, and two others do the same."""
MENDING: Final = Heat(hot=0.2, cold=0.008)
"""(Towns of 320 and 400 after changes, planned for 60 s before, 0.82 CPU s, means of four to six seeds: 184,463 and 228,403; with PyVRP's
own acceptance and all moves 184,617 and 231,578; the best of any engine's 60 s 184,852 and 226,497.)"""
FRESH: Final = (12, 0.008, 150)
"""From so many stops a route on, with so much time for each stop, up to so many stops and nothing in hand, PyVRP begins from no plan, as
it comes: what starts at a plan made by insertion does not get out of it. (RC204, 14 stops a route, after 1 and 10 CPU s, medians of 5
seeds: 0.26 % above the best known, from none 0.04 % below. R112, of short routes, after 1 s: 0.4 %, from none 1.3 %.)"""
LEISURE_S: Final = 0.2
"""With so much time for each stop short routes begin anew, too. (R112 after 10 and 60 CPU s, medians of 5 seeds: 0.49 % both times, from
none 0.49 and 0.18.)"""
HURRY_S: Final = 0.004
HURRIED_NEIGHBOURS: Final = 25
"""Where there is less time than that for each stop, fewer neighbours of it are looked at."""


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
        left_s = until - budget.seconds()
        lacks = model.leaves_out(warm)
        mends = not lacks and any(problem.current.values()) and left_s < HURRY_S * data.num_clients
        squeeze = model.squeeze(SQUEEZE) if mends or lacks else None
        each_s = left_s / max(data.num_clients, 1)
        if data.num_clients <= FRESH[2] and not model.shipments and _begins_anew(problem, warm, each_s):
            best = pyvrp.solve(data, lambda _: budget.seconds() >= until, seed, collect_stats=False, display=False).best
        else:
            best = _search(pyvrp, data, first, squeeze, until, seed, mends=mends)
    return model.plan_of(best, warm) if best.is_feasible() else warm


def _begins_anew(problem: Problem, warm: Plan, each_s: float) -> bool:
    """Nothing is in hand, and routes are long, or there is leisure. `each_s`: seconds for each stop."""
    lengths = [len(route) for route in warm.routes.values() if route]
    long = sum(lengths) >= FRESH[0] * len(lengths) > 0
    return not any(problem.current.values()) and each_s >= (FRESH[1] if long else LEISURE_S)


def _search(pyvrp: Any, data: Any, first: Any, squeeze: tuple[float, float] | None, until: float, seed: int, *, mends: bool) -> Any:
    """`pyvrp.solve` with a patience of our own. `squeeze`: prices of a unit of load and a second too many to begin with. `mends`: see
    `MENDED`."""
    from pyvrp import search
    from pyvrp.IteratedLocalSearch import IteratedLocalSearch, IteratedLocalSearchParams
    from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams

    rng = pyvrp.RandomNumberGenerator(seed=seed)
    hurried = squeeze is not None or until - budget.seconds() < HURRY_S * data.num_clients
    neighbours = MENDED[0] if mends else HURRIED_NEIGHBOURS
    near = search.NeighbourhoodParams(num_neighbours=neighbours) if hurried else search.NeighbourhoodParams()
    disturbed = search.PerturbationParams(1, MENDED[1]) if mends else search.PerturbationParams()
    local = search.LocalSearch(data, rng, search.compute_neighbours(data, near), search.PerturbationManager(disturbed))
    for operator in search.OPERATORS:
        if operator.supports(data) and not (mends and operator.__name__ in UNMENDED):
            local.add_operator(operator(data))

    def run(start: Any, history: int, until: float) -> Any:
        like = IteratedLocalSearchParams(history_length=history)
        return IteratedLocalSearch(data, manager, local, start, like).run(lambda _: budget.seconds() >= until, collect_stats=False)

    if squeeze is not None:
        prices = Prices(pyvrp, data.num_load_dimensions, *squeeze)
        begun = local(first, prices.costs, exhaustive=True)
        found = [one for one in (anneal(local, begun, prices, MENDING, until, seed), first) if one.is_feasible()]
        return min(found, key=prices.costs.cost) if found else first
    manager = PenaltyManager(PenaltyParams().midpoint_penalties(data), PenaltyParams())
    dear = manager.max_cost_evaluator()
    began = budget.seconds()
    start = local(first, dear, exhaustive=True)
    if dear.penalised_cost(start) < (1 - POOR) * dear.penalised_cost(first):
        other = local(pyvrp.Solution.make_random(data, rng), dear, exhaustive=True)
        start = min(start, other, key=dear.penalised_cost)
    if data.num_clients > PATIENT[0] and until - began > PATIENT[1]:
        best = run(start, HISTORY[1], until).best
        found = [one for one in (best, start, first) if one.is_feasible()]
        return min(found, key=manager.cost_evaluator().cost) if found else best
    paced_from = budget.seconds()
    paced = run(start, HISTORY[0], paced_from + PACING * (until - began))
    spent_s = max(budget.seconds() - paced_from, 1e-3)
    steps = paced.num_iterations * max(until - budget.seconds(), 0) / spent_s
    best = run(paced.best, round(min(max(steps / STEPS_PER_HISTORY, HISTORY[0]), HISTORY[1])), until).best
    found = [one for one in (best, paced.best, start, first) if one.is_feasible()]
    return min(found, key=manager.cost_evaluator().cost) if found else best
