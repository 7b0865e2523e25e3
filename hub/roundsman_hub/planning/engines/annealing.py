"""Simulated annealing over PyVRP's local search: for a search that knows when it has to end.

PyVRP's own loop accepts what is better than the plan some hundred steps ago. A search of a second has a few hundred steps in all; what
cools as its time runs out uses each of them (Kirkpatrick, Gelatt and Vecchi 1983), and ends at the bottom of where it is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from roundsman_hub.planning.engines import budget

ADAPT_STEPS: Final = 20
ADAPT: Final = (1.3, 0.8)
"""Prices of breaking a rule are looked at every so many steps, and raised and lowered by so much."""
FINE: Final = (0.6, 0.7)
"""Shares of steps that end within the rules, between which the prices stay as they are."""
CHEAPEST, DEAREST = 0.1, 100_000.0
"""What a price may become; PyVRP's own bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How much dearer a plan may become in a step, on average, at the beginning and at the end: in shares of the price of one stop."""

    hot: float
    cold: float


class Prices:
    """What a unit of load and a second too many cost now: so much that most steps, and not all, end within the rules."""

    def __init__(self, pyvrp: Any, loads: int, load: float, second: float) -> None:
        self._pyvrp, self._loads = pyvrp, loads
        self._now = [load, second]
        self._broken = [0, 0]
        self._steps = 0
        self.costs = self._costs()

    def _costs(self) -> Any:
        load, second = self._now
        return self._pyvrp.CostEvaluator([load] * self._loads, second, DEAREST)

    def learn(self, found: Any) -> bool:
        """Take one step's outcome into account; true if the prices are others now."""
        self._broken[0] += found.has_excess_load()
        self._broken[1] += found.has_time_warp()
        self._steps += 1
        if self._steps < ADAPT_STEPS:
            return False
        for at, broken in enumerate(self._broken):
            kept = 1 - broken / self._steps
            change = ADAPT[0] if kept < FINE[0] else ADAPT[1] if kept > FINE[1] else 1.0
            self._now[at] = min(max(self._now[at] * change, CHEAPEST), DEAREST)
        self._broken, self._steps = [0, 0], 0
        self.costs = self._costs()
        return True


def anneal(
    local: Any,
    start: Any,
    prices: Prices,
    heat: Heat,
    until: float,
    seed: int,
    doubt: tuple[float, float] = (math.inf, math.inf),
    enough: Callable[[Any], bool] | None = None,
    hear: Callable[[Any], None] | None = None,
) -> Any:
    """The cheapest plan within the rules that was met; `start` where none was.

    Parameters
    ----------
    local : pyvrp.search.LocalSearch
        One step: it disturbs a plan, and mends what was disturbed.
    start : pyvrp.Solution
        Where to begin.
    prices : Prices
        Of breaking a rule, to begin with.
    heat : Heat
        How it cools.
    until : float
        When it ends, on the search's clock (`budget`).
    seed : int
        Of what is accepted; the steps have PyVRP's own.
    doubt : float, float
        An instant and a price: it ends then, if nothing cheaper was met.
    enough : callable, optional
        It ends with the first plan within the rules of which this holds.
    hear : callable, optional
        Told at every step of the cheapest plan within the rules so far.
    """
    dice = random.Random(seed)
    now = best = start
    now_cost = prices.costs.penalised_cost(now)
    least = now_cost if now.is_feasible() else math.inf
    each = now_cost / max(1, now.num_clients() + now.num_shipments())
    began = budget.seconds()
    while (left_s := until - budget.seconds()) > 0 and (least < doubt[1] or until - left_s < doubt[0]):
        if enough is not None and least < math.inf and enough(best):
            break
        found = local(now, prices.costs, exhaustive=False)
        cost = prices.costs.penalised_cost(found)
        if cost < least and found.is_feasible():
            best, least = found, cost
        if hear is not None and least < math.inf:
            hear(best)
        warmth = each * heat.hot * (heat.cold / heat.hot) ** (1 - left_s / (until - began))
        if cost < now_cost - warmth * math.log(1 - dice.random()):
            now, now_cost = found, cost
        if prices.learn(found):
            now_cost = prices.costs.penalised_cost(now)
    return best
