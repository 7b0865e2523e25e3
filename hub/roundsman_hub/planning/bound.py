"""A price that no plan can undercut: what a search's progress is shown against."""

from __future__ import annotations

import numpy as np

from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.problem import Problem
from roundsman_hub.planning.walk import Ground


def bound_cents(problem: Problem) -> int:
    """A lower bound of every plan's price, in cents.

    Each task is left out at its price, or it is served: then some van drives the leg to it and stands there. The cheapest such leg of
    any van, by that van's own prices, is counted once for each task. Weak where vans come home from far, and quick: one pass over
    the matrices.
    """
    ground = Ground(problem)
    if not problem.tasks or not problem.vans:
        return sum(task.left_out_cents for task in problem.tasks)
    cheapest = np.full(len(problem.durations_s), np.inf)
    tables: dict[tuple[str, int, int], None] = {}
    for van in problem.vans:
        prices = ground.prices[van.vehicle]
        tables[(van.profile, max(prices.second, 0), max(prices.metre, 0))] = None
    for profile, second, metre in tables:
        named = problem.profiles.get(profile)
        durations = problem.durations_s if named is None else named.durations_s.min(axis=0)
        distances = problem.distances_m if named is None else named.distances_m
        units = durations.astype(float) * second + distances.astype(float) * metre
        units[(durations < 0) | (distances < 0)] = np.inf
        cheapest = np.minimum(cheapest, _into(units, problem))
    second = max(0, min(prices.second for prices in ground.prices.values()))
    total = 0.0
    for task in problem.tasks:
        service_s = min(task.service_with(kind) for kind in ground.stops)
        served = cheapest[task.place] + max(0, service_s) * second
        total += min(served, task.left_out_cents * UNITS_PER_CENT)
    return int(total // UNITS_PER_CENT)


def _into(units: np.ndarray[tuple[int, ...], np.dtype[np.float64]], problem: Problem) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The cheapest leg into each place; nothing, where more than one thing happens at that place."""
    places = [task.place for task in problem.tasks] + [van.start_place for van in problem.vans]
    places += [depot.place for depot in problem.depots] + [charger.place for charger in problem.chargers]
    alone = np.bincount(places, minlength=len(units)) == 1
    off = units.copy()
    np.fill_diagonal(off, np.where(alone, np.inf, 0.0))
    least: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = off.min(axis=0)
    return least
