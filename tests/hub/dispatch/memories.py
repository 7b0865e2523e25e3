"""What the two ends remember of plans, in a world where either may lose some of it: the hub's database, and the log of a van."""

from __future__ import annotations

from dataclasses import dataclass, field

from roundsman_hub.clock import from_ms
from roundsman_hub.replan.holds import IssuedTasks, blocked, may_hold
from roundsman_wire.messages import PlanStop

VANS = ("a", "b", "c")
TASKS = ("1", "2", "3", "4", "5")


def stop(task: str) -> PlanStop:
    return PlanStop(
        stop=task, tasks=(task,), kind="pickup", lat_e6=0, lon_e6=0, fence_radius_m=60, leg_s=60, leg_m=500, service_s=60, arrival_utc_ms=0
    )  # fmt: skip


@dataclass
class Hub:
    """What its database holds: a backup is a copy of it."""

    plans: dict[str, dict[int, tuple[str, ...]]] = field(default_factory=lambda: {van: {} for van in VANS})
    in_force: dict[str, int] = field(default_factory=dict)
    told: dict[str, set[int]] = field(default_factory=lambda: {van: set() for van in VANS})
    done: set[str] = field(default_factory=set)
    valid_until_ms: dict[tuple[str, int], int] = field(default_factory=dict)

    def lapsed(self, van: str, version: int, now_ms: int) -> bool:
        """Whether the van blocks that plan's stops by now."""
        return blocked(from_ms(self.valid_until_ms[van, version]), from_ms(now_ms))

    def holders(self, now_ms: int) -> dict[str, frozenset[str]]:
        """As `replan.load` reads it: a van with a plan that is not here may hold anything, until a newer one is in force."""
        issued = [
            IssuedTasks(vehicle_id=van, version=version, tasks=held)
            for van, plans in self.plans.items()
            for version, held in plans.items()
            if not self.lapsed(van, version, now_ms)
        ]
        for van in VANS:
            strange = max((version for version in self.told[van] if version not in self.plans[van]), default=0)
            if strange and strange >= self.in_force.get(van, 0):
                issued.append(IssuedTasks(vehicle_id=van, version=strange, tasks=TASKS))
        return may_hold(issued, self.in_force)


@dataclass
class Log:
    """The van's own log, which survives with its disk: (version, in force), and what was done."""

    receipts: list[int] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
