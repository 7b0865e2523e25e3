"""An engine in this process: for comparisons by CPU time. Without limits; a crash takes the process with it."""

from __future__ import annotations

import importlib

from roundsman_hub.planning.engines.process import FEATURES
from roundsman_hub.planning.problem import Plan, Problem


class Here:
    """One engine, by name: a key of `process.FEATURES`."""

    def __init__(self, name: str) -> None:
        self.name, self.features = name, FEATURES[name]
        self._module = importlib.import_module(f"roundsman_hub.planning.engines.{name}_engine")

    def solve(self, problem: Problem, warm: Plan, budget_s: float, seed: int) -> Plan:
        """See `Engine.solve`."""
        found: Plan = self._module.solve(problem, warm, budget_s, seed)
        return found
