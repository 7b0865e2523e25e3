"""PyVRP: iterated local search over the work that is not frozen. How a problem becomes PyVRP's is told in `pyvrp_model`.

Not seen: churn, lateness within what the warm plan already has, pauses and hours, traffic by the hour, energy, relations, the longest
ride, prices of waiting, promises, load and territory. The judge sees all of them.
"""

from __future__ import annotations

import math
import warnings
from functools import partial
from typing import Any, Final

from roundsman_hub.planning.engines import Tell, budget
from roundsman_hub.planning.engines.annealing import DEAREST, Heat, Prices, anneal
from roundsman_hub.planning.engines.pyvrp_model import Translation
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.walk import Ground

NAME: Final = "pyvrp"
LIBRARY: Final = "pyvrp"
"""What a process imports before it searches."""
TELLS: Final = True
"""Whether a search tells of better plans while it goes on."""
FEATURES: Final = frozenset(
    {
        *("windows", "capacity", "shifts", "on_board", "frozen", "held", "priorities", "releases", "pickups"),
        *("shipments", "reloads", "skills", "types", "overtime", "max_distance", "max_tasks", "open_end", "deadlines", "profiles"),
    }
)
POOR: Final = 0.1
"""A warm plan that one look at each stop makes so much cheaper was made in a hurry: what begins from no plan at all is then often
better. (A town of 1,000, the same 10 CPU s: 5,469 from none, 5,631 to 5,711 from the first plan.)"""
HEAT_PER_S: Final = 50.0
HOTTEST: Final = (0.1, 1.0)
COLDEST: Final = 0.003
"""The longer there is for each stop, the hotter a search begins. (Medians of 1 to 3 seeds, begun at 0.1, 0.3, 1: rc1_4_5 after 1 CPU s,
2.5 ms a stop, 2.9 and 3.6 %; r1_2_5 after 1, 5 ms, −0.4, −0.9; after 10, 50 ms, −1.0 and −1.15 at 0.3 and 1.)"""
PATIENT: Final = (600, 8.0)
"""From so many stops on, and with so many seconds, the search does not cool, and is as patient as PyVRP's own: neighbourhoods follow it
(`portfolio.PARTED`), and they mend what it has not got to. (The town of 1,000 after 60 CPU s: 5,360; cooled 5,400.)"""
HISTORY: Final = (30, 300)
STEPS_PER_HISTORY: Final = 10
PACING: Final = 0.06
"""How many steps back PyVRP's own search looks, the latter where it is patient: its own 300 are for minutes. A share of the time tells how
many steps the rest will have. Shipments are searched so (LR2_2_1 after 1 CPU s: cooled 3.0 % above the best known, so 0.4)."""
SEARCHED: Final = 0.01
"""A warm plan that one look at each stop makes hardly cheaper was searched before: it is neither thrown away nor heated up again."""

PRICES: Final = (100, 10)
"""Prices of a unit of load and of a second too many, in seconds of work, that a search which cools begins with."""
SQUEEZE: Final = (300, 30)
"""The same where a warm plan leaves work out: what has no room comes in only by way of plans that break a rule. PyVRP's own (250 each,
looked at every 500 steps) never let it."""
FITTING: Final = (0.3, 0.6, 0.9)
"""Up to these shares of the time that is tried, each time from the plan in hand on, until all is in. Where it comes in it does so soon or
not at all; from then on the plan is mended. (Five days of a town of 250 on five vans that are 93 to 95 % full, 0.4 CPU s, eight seeds
each: 37 of 40 found room. One try, with smaller steps (`MENDED`): about half; the best plan without room is 9 to 13 % dearer.)"""
MENDED: Final = (20, 10)
"""Neighbours looked at, and the most stops disturbed in a step, where a plan in hand is mended in a hurry: most of it is good, and
smaller steps are quicker ones."""
UNMENDED: Final = frozenset({"Swap21", "Swap22"})
"""Moves left out then: a third of a step's time, and two others do the same."""
FRESH: Final = (12, 0.004, 600)
"""From so many stops a route on, with so much time for each stop, up to so many stops and nothing in hand, a search begins from no plan:
what starts at a plan made by insertion does not get out of it. (c2_2_1, 33 stops a route, after 1 CPU s: 2.1 to 2.9 % above the best
known, from none 0.04 % below.)"""
PLAIN: Final = (0.008, 150)
"""With so much time for each stop, and up to so many, that search is PyVRP's as it comes. (RC204, 14 stops a route, after 1 CPU s, 3 to 4
seeds: 0.03 %; cooled 0.26.)"""
DOUBT: Final = 0.3
"""After this share of the time what began from no plan has to be cheaper than the first plan after one look at each stop; else the rest
goes on from there. (120 addresses in Helsinki, windows of two hours, 30 stops a route: the first plan 714, looked at 693; from none 714 to
809 after 10 s.)"""
FEWER: Final = 0.6
"""Where a van costs more than all ways: the share of the time in which one more may be saved. The rest, or what is left as soon as there
are as few as the loads ask for, goes to the ways of so many, with no price of setting out: else a search is half its time among plans of
too few vans. (Fewest vans first, 10 CPU s: r1_2_5 1.0 % above the best known, 14.6 before; R112 1.8, 2.9 before, with its 9 vans as
before.)"""
WIDE, DISTURBED = 60, 25
"""PyVRP's own: neighbours looked at, and the most stops disturbed in a step."""
PAIRED: Final = (20, 10)
PAIRED_SHARE: Final = 0.7
"""Shipments are searched with these for that share of the time, the rest with as many neighbours as PyVRP looks at. (1 CPU s, medians of
five seeds, above the best known: LC1_2_4 −1.2 %, with few neighbours all the time −1.1; LR2_2_1 0.1 to 0.3, with many 0.4 to 1.0.)"""
HURRY_S: Final = (0.008, 0.004)
HURRIED_NEIGHBOURS: Final = 25
"""Where there is less time than that for each stop (the latter of shipments), fewer neighbours of it are looked at. (Neighbourhoods of a
town of 5,000 after 1.2 CPU s, 5.5 ms a stop: 3,150, with 60 neighbours 3,280; r1_2_5 after 1, 5 ms a stop, −0.9 and −0.6 %.)"""
MENDS_S: Final = 0.004
"""With less time than that for each stop a plan in hand is mended in a hurry."""


def solve(problem: Problem, warm: Plan, budget_s: float, seed: int, tell: Tell | None = None) -> Plan:
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
        data, plan = model.data(pyvrp), warm
        first = pyvrp.Solution(data, model.routes_of(pyvrp, data, warm))
        if not warm.unassigned and _counts_vans(data, first):
            began = budget.seconds()
            if _vans(model, plan) > (fewest := _fewest(data)):
                plan = _planned(pyvrp, model, data, first, warm, began + FEWER * (until - began), seed, fewest=fewest, tell=tell)
            kind = data.vehicle_type(0).replace(num_available=_vans(model, plan), fixed_cost=0)
            data = data.replace(vehicle_types=[kind])
            first = pyvrp.Solution(data, model.routes_of(pyvrp, data, plan))
        return _planned(pyvrp, model, data, first, plan, until, seed, tell=tell)


def _planned(
    pyvrp: Any,
    model: Translation,
    data: Any,
    first: Any,
    warm: Plan,
    until: float,
    seed: int,
    *,
    fewest: int = 0,
    tell: Tell | None = None,
) -> Plan:
    """The plan that a search comes to; the warm one when nothing feasible was found. `fewest`: so few vans, and it ends."""
    problem = model.ground.problem
    each_s = (until - budget.seconds()) / max(data.num_clients + data.num_shipments, 1)
    lacks = model.leaves_out(warm)
    mends = not lacks and any(problem.current.values()) and each_s < MENDS_S
    anew = not model.shipments and data.num_clients <= FRESH[2] and _begins_anew(problem, warm, each_s)
    best = None
    hear = None if tell is None else Hearer(model, warm, tell)
    if anew and each_s >= PLAIN[0] and data.num_clients <= PLAIN[1]:
        best, anew = _plain(pyvrp, data, first, until, seed, hear), False
    if best is None:
        best = _search(
            pyvrp,
            data,
            first,
            model.squeeze(SQUEEZE if lacks else PRICES),
            until,
            seed,
            lacks=lacks,
            mends=mends,
            anew=anew,
            fewest=fewest,
            hear=hear,
        )
    return model.plan_of(best, warm) if best.is_feasible() else warm


class Hearer:
    """Hears what PyVRP has found so far, by its own callbacks or called itself, and passes it on as a plan."""

    def __init__(self, model: Translation, warm: Plan, tell: Tell) -> None:
        self._model, self._warm, self._tell = model, warm, tell

    def __call__(self, best: Any) -> None:
        self._tell(best, partial(self._model.plan_of, best, self._warm))

    def on_iteration(self, _current: Any, _candidate: Any, best: Any, _costs: Any) -> None:
        """A step is done."""
        if best.is_feasible():
            self(best)

    def on_best(self, best: Any) -> None:
        """Told at the step's end."""

    def on_restart(self, best: Any) -> None:
        """Of no interest."""

    def on_start(self, search: Any) -> None:
        """Of no interest."""

    def on_end(self, result: Any) -> None:
        """Of no interest."""


def _counts_vans(data: Any, first: Any) -> bool:
    """Any van will do, and one costs more than all ways: no way saved pays for one more. All work is worth a van."""
    van, ways = data.vehicle_type(0).fixed_cost, first.distance_cost() + first.duration_cost()
    if data.num_vehicle_types > 1 or not 0 < ways < van:
        return False
    return all(one.required or one.prize >= van + ways for one in (*data.clients(), *data.shipments()))


def _fewest(data: Any) -> int:
    """Fewer vans cannot hold all loads."""
    kind, clients = data.vehicle_type(0), data.clients()
    if kind.reload_depots or data.num_groups:
        return 1
    needed = 1
    for at, most in enumerate(kind.capacity):
        load = max(sum(client.delivery[at] for client in clients), sum(client.pickup[at] for client in clients))
        needed = max(needed, -(-load // most) if most else 1)
    return needed


def _vans(model: Translation, plan: Plan) -> int:
    return sum(1 for van in model.vans if plan.routes.get(van.vehicle))


def _begins_anew(problem: Problem, warm: Plan, each_s: float) -> bool:
    """Nothing is in hand, and routes are long. `each_s`: seconds for each stop."""
    lengths = [len(route) for route in warm.routes.values() if route]
    return not any(problem.current.values()) and each_s >= FRESH[1] and sum(lengths) >= FRESH[0] * len(lengths) > 0


def _all_in(best: Any) -> bool:
    """Nothing is left out."""
    return not best.uncollected_prizes()


def _dear(pyvrp: Any, data: Any) -> Any:
    """Prices at which no rule is broken that need not be."""
    return pyvrp.CostEvaluator([DEAREST] * data.num_load_dimensions, DEAREST, DEAREST)


def _plain(pyvrp: Any, data: Any, first: Any, until: float, seed: int, hear: Hearer | None) -> Any | None:
    """What PyVRP finds as it comes, from no plan; nothing where the first plan after one look at each stop is cheaper (`DOUBT`)."""
    dear, began = _dear(pyvrp, data), budget.seconds()
    doubted = began + DOUBT * (until - began)
    local = _local(pyvrp, data, pyvrp.RandomNumberGenerator(seed=seed), WIDE, DISTURBED, small=False)
    bar = dear.cost(local(first, dear, exhaustive=True))

    def ends(best: float) -> bool:
        now = budget.seconds()
        return now >= until or (now >= doubted and best > bar)

    like = pyvrp.SolveParams(ils=pyvrp.IteratedLocalSearchParams(callbacks=hear))
    found = pyvrp.solve(data, ends, seed, collect_stats=False, display=False, params=like).best
    return found if found.is_feasible() and dear.cost(found) <= bar else None


def _search(
    pyvrp: Any,
    data: Any,
    first: Any,
    squeeze: tuple[float, float],
    until: float,
    seed: int,
    *,
    lacks: bool,
    mends: bool,
    anew: bool,
    fewest: int,
    hear: Hearer | None,
) -> Any:
    """The best of PyVRP's local search while it cools.

    Parameters
    ----------
    squeeze : float, float
        Prices of a unit of load and of a second too many, to begin with.
    lacks : bool
        The plan in hand leaves work out, which is to be squeezed in first.
    mends : bool
        A plan in hand that serves everything is mended in a hurry (`MENDED`).
    anew : bool
        Begin from no plan.
    fewest : int
        End with the first plan of so few vans, where it cools.
    hear : Hearer, optional
        Told of what is best so far.
    """
    rng = pyvrp.RandomNumberGenerator(seed=seed)
    each_s = (until - budget.seconds()) / max(data.num_clients + data.num_shipments, 1)
    small = mends or lacks
    hurried = small or each_s < HURRY_S[data.num_shipments > 0]
    paired = bool(data.num_shipments) and not small
    neighbours = MENDED[0] if small else PAIRED[0] if paired else HURRIED_NEIGHBOURS if hurried else WIDE
    disturbed = MENDED[1] if mends else PAIRED[1] if paired else DISTURBED
    near = _local(pyvrp, data, rng, neighbours, disturbed, small=small)
    dear, began = _dear(pyvrp, data), budget.seconds()
    prices = Prices(pyvrp, data.num_load_dimensions, *squeeze)
    share = 1 - first.fixed_vehicle_cost() / dear.penalised_cost(first) if fewest else 1.0  # of the ways, that a step changes
    hot = min(max(HEAT_PER_S * each_s, HOTTEST[0]), HOTTEST[1])
    looked = begun = near(first, prices.costs if small else dear, exhaustive=True)
    if not small:
        better = (1 - dear.penalised_cost(begun) / max(dear.penalised_cost(first), 1)) / share
        if better > POOR or (anew and better > SEARCHED):
            other = near(pyvrp.Solution.make_random(data, rng), dear, exhaustive=True)
            begun = other if anew else min(begun, other, key=dear.penalised_cost)
        if better <= SEARCHED:
            hot = HOTTEST[0]
    patient = data.num_clients > PATIENT[0] and until - budget.seconds() > PATIENT[1]
    if patient or paired:
        widens = began + PAIRED_SHARE * (until - began) if paired else until
        best = _look_back(pyvrp, data, near, begun, widens, hear, patient=patient)
        if paired:
            wide = _local(pyvrp, data, rng, HURRIED_NEIGHBOURS if hurried else WIDE, PAIRED[1], small=False)
            other = _look_back(pyvrp, data, wide, best, until, hear, patient=patient)
            best = min(best, other, key=dear.penalised_cost)
    elif lacks:
        best = _fitted(pyvrp, data, near, begun, squeeze, Heat(hot=hot, cold=COLDEST), (began, until), seed, hear)
        mending = _local(pyvrp, data, rng, *MENDED, small=True)
        prices = Prices(pyvrp, data.num_load_dimensions, *squeeze)
        best = anneal(mending, best, prices, Heat(hot=HOTTEST[0], cold=COLDEST), until, seed, hear=hear)
    else:
        surer = begun is not looked and looked.is_feasible()
        doubt = (began + DOUBT * (until - began), dear.cost(looked)) if surer else (math.inf, math.inf)

        def enough(best: Any) -> bool:
            return bool(best.num_routes() <= fewest)

        best = anneal(near, begun, prices, Heat(hot=hot * share, cold=COLDEST * share), until, seed, doubt, enough, hear)
        if surer and budget.seconds() < until and not enough(best):
            best = anneal(near, looked, prices, Heat(hot=HOTTEST[0] * share, cold=COLDEST * share), until, seed, enough=enough, hear=hear)
    found = [one for one in (best, begun, looked, first) if one.is_feasible()]
    return min(found, key=dear.cost) if found else best


def _fitted(
    pyvrp: Any,
    data: Any,
    local: Any,
    begun: Any,
    squeeze: tuple[float, float],
    heat: Heat,
    time: tuple[float, float],
    seed: int,
    hear: Hearer | None,
) -> Any:
    """The plan in hand with what it leaves out squeezed in, or as much of that as was found room for (`FITTING`)."""
    dear, (began, until), best = _dear(pyvrp, data), time, begun
    for at, share in enumerate(FITTING):
        prices = Prices(pyvrp, data.num_load_dimensions, *squeeze)
        found = anneal(local, begun, prices, heat, began + share * (until - began), seed + at, enough=_all_in, hear=hear)
        best = min((one for one in (found, best) if one.is_feasible()), key=dear.cost, default=best)
        if best.is_feasible() and _all_in(best):
            break
    return best


def _local(pyvrp: Any, data: Any, rng: Any, neighbours: int, disturbed: int, *, small: bool) -> Any:
    """PyVRP's local search, which looks at so many neighbours of a stop and disturbs up to so many stops in a step."""
    from pyvrp import search

    near = search.compute_neighbours(data, search.NeighbourhoodParams(num_neighbours=neighbours))
    local = search.LocalSearch(data, rng, near, search.PerturbationManager(search.PerturbationParams(1, disturbed)))
    for operator in search.OPERATORS:
        if operator.supports(data) and not (small and operator.__name__ in UNMENDED):
            local.add_operator(operator(data))
    return local


def _look_back(pyvrp: Any, data: Any, local: Any, begun: Any, until: float, hear: Hearer | None, *, patient: bool) -> Any:
    """PyVRP's own search: a plan is accepted that is better than the one some steps ago. How many is found out first, unless `patient`."""
    from pyvrp.IteratedLocalSearch import IteratedLocalSearch, IteratedLocalSearchParams
    from pyvrp.PenaltyManager import PenaltyManager, PenaltyParams

    manager = PenaltyManager(PenaltyParams().midpoint_penalties(data), PenaltyParams())

    def run(start: Any, history: int, until: float) -> Any:
        like = IteratedLocalSearchParams(history_length=history, callbacks=hear)  # type: ignore[arg-type]  # it has the same methods; None is its own default
        return IteratedLocalSearch(data, manager, local, start, like).run(lambda _: budget.seconds() >= until, collect_stats=False)

    if patient:
        return run(begun, HISTORY[1], until).best
    began = budget.seconds()
    paced = run(begun, HISTORY[0], began + PACING * (until - began))
    spent_s = max(budget.seconds() - began, 1e-3)
    steps = paced.num_iterations * max(until - budget.seconds(), 0) / spent_s
    best = run(paced.best, round(min(max(steps / STEPS_PER_HISTORY, HISTORY[0]), HISTORY[1])), until).best
    found = [one for one in (best, paced.best) if one.is_feasible()]
    return min(found, key=manager.max_cost_evaluator().cost) if found else best
