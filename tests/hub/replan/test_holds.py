"""Invariant 6: each task may be held by at most one van, whatever becomes of plans and receipts on their way."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roundsman_hub.replan.holds import IssuedTasks, may_hold, permitted

VANS = ("a", "b", "c")
TASKS = ("1", "2", "3", "4")
wishes = st.fixed_dictionaries({task: st.sampled_from([*VANS, None]) for task in TASKS})


@dataclass
class Van:
    """What really is on the van, and what it has said of it so far."""

    version: int = 0
    said: list[int] = field(default_factory=list)


class PlansAndReceipts(RuleBasedStateMachine):
    """A planner that wishes anything, vans that hear late or never, receipts that arrive late, doubled, in any order, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.issued: list[IssuedTasks] = []
        self.vans = {van: Van() for van in VANS}
        self.known_in_force: dict[str, int] = {}

    @rule(wish=wishes)
    def plan(self, wish: dict[str, str | None]) -> None:
        """The hub issues what is permitted of any wish."""
        routes = {van: tuple(task for task in TASKS if wish[task] == van) for van in VANS}
        allowed, waiting = permitted(routes, may_hold(self.issued, self.known_in_force))
        assert {task for route in allowed.values() for task in route} | waiting.keys() == {task for task in TASKS if wish[task]}
        for van, tasks in allowed.items():
            last = max((plan.version for plan in self.issued if plan.vehicle_id == van), default=0)
            self.issued.append(IssuedTasks(vehicle_id=van, version=last + 1, tasks=tasks))

    @rule(van=st.sampled_from(VANS), pick=st.integers(min_value=0))
    def hear(self, van: str, pick: int) -> None:
        """A plan reaches its van, some plan: it takes it only if it is newer, and says so in its log."""
        plans = [plan for plan in self.issued if plan.vehicle_id == van]
        if plans:
            version = plans[pick % len(plans)].version
            if version > self.vans[van].version:
                self.vans[van].version = version
                self.vans[van].said.append(version)

    @rule(van=st.sampled_from(VANS), pick=st.integers(min_value=0))
    def receipt(self, van: str, pick: int) -> None:
        """One of the receipts in the van's log is known at the hub, not always the newest, perhaps again."""
        said = self.vans[van].said
        if said:
            version = said[pick % len(said)]
            self.known_in_force[van] = max(version, self.known_in_force.get(van, 0))

    @invariant()
    def no_task_with_two_vans(self) -> None:
        """Counting what each van really follows, and every plan that may still reach it."""
        for task in TASKS:
            holders = {plan.vehicle_id for plan in self.issued if task in plan.tasks and plan.version >= self.vans[plan.vehicle_id].version}
            assert len(holders) <= 1, f"{task} is with {holders}"

    @invariant()
    def the_hub_never_thinks_too_few(self) -> None:
        known = may_hold(self.issued, self.known_in_force)
        really = may_hold(self.issued, {name: van.version for name, van in self.vans.items()})
        assert all(vans <= known[task] for task, vans in really.items())


PlansAndReceipts.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestPlansAndReceipts = PlansAndReceipts.TestCase


def test_a_task_that_moves_is_first_taken_away() -> None:
    issued = [IssuedTasks(vehicle_id="a", version=1, tasks=("1", "2"))]
    allowed, waiting = permitted({"a": ("2",), "b": ("1",)}, may_hold(issued, {"a": 1}))
    assert allowed == {"a": ("2",), "b": ()}
    assert waiting == {"1": frozenset({"a"})}
    issued.append(IssuedTasks(vehicle_id="a", version=2, tasks=("2",)))
    assert permitted({"b": ("1",)}, may_hold(issued, {"a": 1}))[1], "published is not yet in force"
    assert permitted({"b": ("1",)}, may_hold(issued, {"a": 2}))[0] == {"b": ("1",)}
