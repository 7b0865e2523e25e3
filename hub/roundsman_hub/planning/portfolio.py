"""All searches together, on as many processes as there are: who searches what for how long, and what one finds the others begin with.

- a plan to mend (most of it is in hand already) goes to VROOM first, where PyVRP does not know all that it asks for;
- what only some engine knows is searched by those that know it (`engines.turns`), the exact one last;
- up to `WHOLE` stops for each second of budget everybody searches the whole problem, with another seed each, and begins every round with
  the best plan that anybody found; larger ones are searched in parts (`decompose`), dealt anew each round.

Every engine is in a process of its own, with limits on time and memory; threads only wait for them. A cluster takes the parts as any
other `concurrent.futures.Executor` (`elsewhere`).
"""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from typing import Final

from roundsman_hub.planning.best import Best, OnProgress
from roundsman_hub.planning.borders import Borders
from roundsman_hub.planning.construct import construct
from roundsman_hub.planning.decompose import Part, merged, parts
from roundsman_hub.planning.effort import patient_us
from roundsman_hub.planning.elsewhere import at_once, search_parts
from roundsman_hub.planning.engines import Engine, budget, needed
from roundsman_hub.planning.engines.process import FEATURES, EngineProcess
from roundsman_hub.planning.evaluate import judge
from roundsman_hub.planning.explain import NOT_YET
from roundsman_hub.planning.insertion import insert, repair
from roundsman_hub.planning.problem import Plan, Problem, is_task
from roundsman_hub.planning.solve import Decision, decide
from roundsman_hub.planning.walk import Ground

ENGINES: Final = ("pyvrp", "vroom", "ortools", "ruin")
"""In the order of preference; the last one knows everything."""
WHOLE: Final = (1_500, 8.0)
"""Up to so many stops a problem is searched whole, and up to so many for each second of search. (A town of 1,000 after 5 CPU s: whole
5,796, in parts 6,229: a part seldom sees that a van could be saved.)"""
ROUNDS: Final = 3
"""How often searches of the whole problem compare what they have."""
PART_S: Final = (0.7, 6.0)
"""Least and most seconds for a part in one round."""
IN_HAND: Final = 0.7
"""A plan that serves so much of the work before anything was inserted is mended, not made."""
MENDING: Final = 0.3
"""VROOM's share of the time where a plan is mended; mostly it needs less."""
SQUEEZING: Final = 0.5
"""Share of the time in which new work is squeezed into the vans that drive already."""
FEW_NEW: Final = 0.08
"""Up to this share of the work."""
MINDED: Final = frozenset({"lateness"})
"""What is late already may stay so."""
PARTED: Final = 600
PARTED_S: Final = 8.0
PARTED_SHARE: Final = 0.55
"""From so many stops on, and with so many seconds, the last part of the time goes to neighbourhoods: a search of the whole hardly gets on
then. (The town of 1,000, one seed: PyVRP alone 5,544 after 10 CPU s, 5,538 after 30; with parts from 10 on 5,462 after 25.)"""
FEW: Final = 40
"""Up to here every new task is inserted by regret, which is dearer to compute and better."""
LETTING_IN: Final = 0.6
"""Most of the time that is left which a round of insertion may take before the engines begin."""
FIRST: Final = 0.15
"""VROOM's share of the time where it makes the first plan: of many shipments, for which insertion tries every pair of places."""


def first_plan(problem: Problem) -> Plan:
    """What there is to begin with: the plan in hand, mended; for much new work one made quickly."""
    if any(problem.current.values()) or len(problem.tasks) <= FEW:
        return repair(problem)
    ground = Ground(problem)
    routes = construct(ground, {van.vehicle: [task for task in van.frozen if task in ground.tasks] for van in problem.vans}, problem.tasks)
    served = {step for route in routes.values() for step in route}
    unassigned = {task: "not looked at yet" for task in ground.tasks if task not in served}
    return insert(problem, Plan(routes={van: tuple(route) for van, route in routes.items()}, unassigned=unassigned))


def search(
    problem: Problem,
    warm: Plan | None,
    budget_s: float,
    seed: int,
    *,
    processes: int = 1,
    on_progress: OnProgress | None = None,
    executor: Executor | None = None,
    engines: Sequence[Engine] | None = None,
) -> Decision:
    """The best plan within the budget.

    Parameters
    ----------
    problem : Problem
        What is to be planned.
    warm : Plan, optional
        Where to start; by default `first_plan`, whose time is part of the budget.
    budget_s : float
        Seconds of search.
    seed : int
        Of all searches.
    processes : int
        How many search at once on this machine.
    on_progress : callable, optional
        Told each time that a better plan is there: it can be taken at any moment.
    executor : Executor, optional
        Searches the parts of large problems elsewhere (see `elsewhere`), instead of this machine's processes.
    engines : sequence of Engine, optional
        Search with these, in this thread, instead of processes of their own.
    """
    began = budget.seconds()
    hurry = warm is None
    ground = Ground(problem)
    bare = hurry and _bare(problem)
    start = _nothing(ground) if bare else first_plan(problem) if warm is None else warm
    stands = Decision(plan=start, verdict=judge(ground, start), by="repaired", gain_cents=0, note="no search")
    board = Best(ground, stands, began, on_progress)
    if budget_s <= 0 or not problem.tasks or not problem.vans:
        return stands
    until = began + budget_s
    with ExitStack() as open_ones:
        pool = open_ones.enter_context(_pool(processes, engines, None if on_progress is None else board.hear))
        _let_in(board, until)
        if bare:
            found = pool.run(problem, start, FIRST * budget_s, seed, only="vroom")
            board.offer(found.plan, found.verdict, found.by, found.note)
        elif not hurry or any(problem.current.values()):
            _mend(pool, board, until, seed)
        stops = sum(1 for route in board.best.plan.routes.values() for step in route if is_task(step)) + len(start.unassigned)
        left_s = until - budget.seconds()
        if executor is not None or stops > max(WHOLE[0], WHOLE[1] * left_s):
            _in_parts(pool, board, until, seed, executor)
        elif stops > PARTED and left_s > PARTED_S and not {"fair"} & needed(problem, board.best.verdict):
            _whole(pool, board, until - PARTED_SHARE * left_s, seed)
            _in_parts(pool, board, until, seed, None)
        else:
            _whole(pool, board, until, seed)
    return board.settled()


def _let_in(board: Best, until: float) -> None:
    """What no effort was left for, put in with more of it, round after round; what waits still is the engines'."""
    problem = board.ground.problem
    round_s = patient_us(len(problem.tasks)) / 1_000_000
    while NOT_YET in board.best.plan.unassigned.values() and round_s <= LETTING_IN * (until - budget.seconds()):
        plan = insert(problem, board.best.plan)
        if not board.offer(plan, judge(board.ground, plan), board.best.by, board.best.note):
            return


def _bare(problem: Problem) -> bool:
    """Nothing is planned yet, and most of it is shipments, of a kind that VROOM can place."""
    shipped = sum(task.shipment is not None for task in problem.tasks)
    held = any(task.on_board is not None for task in problem.tasks) or any(van.frozen or van.reloads for van in problem.vans)
    return not held and not any(problem.current.values()) and shipped > max(FEW, len(problem.tasks) // 2)


def _nothing(ground: Ground) -> Plan:
    return Plan(routes=dict.fromkeys(ground.vans, ()), unassigned=dict.fromkeys(ground.tasks, "not looked at yet"))


class _Pool:
    """Sets of engines, one for each that search at once."""

    def __init__(self, sets: Sequence[Sequence[Engine]]) -> None:
        self.count = len(sets)
        self._free: queue.SimpleQueue[Sequence[Engine]] = queue.SimpleQueue()
        for engines in sets:
            self._free.put(engines)
        self._threads = ThreadPoolExecutor(self.count) if self.count > 1 else None

    def run(self, problem: Problem, plan: Plan, budget_s: float, seed: int, only: str | None = None) -> Decision:
        """Search with a set of engines that is free."""
        engines = self._free.get()
        try:
            chosen = [engine for engine in engines if engine.name == only] if only else engines
            return decide(problem, plan, budget_s, seed, engine=chosen)
        finally:
            self._free.put(engines)

    def submit(self, problem: Problem, plan: Plan, budget_s: float, seed: int) -> Future[Decision]:
        """`run`, not waited for; alone it is run at once."""
        if self._threads is not None:
            return self._threads.submit(self.run, problem, plan, budget_s, seed)
        done: Future[Decision] = Future()
        done.set_result(self.run(problem, plan, budget_s, seed))
        return done

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()


@contextmanager
def _pool(processes: int, engines: Sequence[Engine] | None, heard: Callable[[str, Problem, Plan], None] | None = None) -> Iterator[_Pool]:
    with ExitStack() as open_ones:
        started: list[list[EngineProcess]] = []
        if engines is None:
            started = [[open_ones.enter_context(EngineProcess(name, heard=heard)) for name in ENGINES] for _ in range(max(processes, 1))]
        pool = _Pool(started or [engines or ()])
        try:
            yield pool
        except BaseException:
            for engine in chain.from_iterable(started):
                engine.give_up()  # else its thread would be waited for
            raise
        finally:
            pool.close()


def _mend(pool: _Pool, board: Best, until: float, seed: int) -> None:
    """A plan in hand, mended: what has no room in the vans that drive is squeezed in, before another drives for it; then VROOM."""
    problem = board.ground.problem
    in_hand = {step for route in problem.current.values() for step in route}
    served = sum(1 for task in problem.tasks if task.task in in_hand)
    if served < IN_HAND * len(problem.tasks):
        return
    known = needed(problem, board.best.verdict)
    if known <= FEATURES["pyvrp"] | MINDED and (start := _with_the_same_vans(problem, board.best.plan)) is not None:
        fewer = problem_of(problem, start)

        def whole(plan: Plan) -> Plan:
            return Plan(routes={**dict.fromkeys(board.ground.vans, ()), **plan.routes}, unassigned=plan.unassigned)

        with board.listening([(fewer, whole)]):
            found = pool.run(fewer, start, SQUEEZING * (until - budget.seconds()), seed, only="pyvrp")
        plan = whole(found.plan)
        if not board.offer(plan, judge(board.ground, plan), found.by, found.note):
            return  # it takes another van
    if not {"reloads", "traffic"} & known and not known <= FEATURES["pyvrp"]:
        found = pool.run(problem, board.best.plan, MENDING * (until - budget.seconds()), seed, only="vroom")
        board.offer(found.plan, found.verdict, found.by, found.note)


def _with_the_same_vans(problem: Problem, plan: Plan) -> Plan | None:
    """The plan without vans that drive in it and did not before; None where that is none, or leaves out too much to be squeezed in."""
    had = {vehicle for vehicle, route in problem.current.items() if route}
    had |= {van.vehicle for van in problem.vans if not van.rests or van.frozen}
    new = [step for vehicle, route in plan.routes.items() if vehicle not in had for step in route if is_task(step)]
    left = len(new) + len(plan.unassigned)
    if not had or not 0 < left <= FEW_NEW * len(problem.tasks):
        return None
    routes = {vehicle: route for vehicle, route in plan.routes.items() if vehicle in had}
    return Plan(routes=routes, unassigned={**plan.unassigned, **dict.fromkeys(new, "not looked at yet")})


def problem_of(problem: Problem, plan: Plan) -> Problem:
    """The problem of the vans that have a route in this plan's table, and all the work."""
    return replace(problem, vans=tuple(van for van in problem.vans if van.vehicle in plan.routes))


def _whole(pool: _Pool, board: Best, until: float, seed: int) -> None:
    """Everybody searches everything, and goes on from the best."""
    rounds = ROUNDS if pool.count > 1 else 2 if board.on_progress is not None else 1
    for number in range(rounds):
        left_s = until - budget.seconds()
        if left_s <= 0:
            return
        seconds = left_s / (rounds - number)
        asked = [pool.submit(board.ground.problem, board.best.plan, seconds, seed + 1000 * number + at) for at in range(pool.count)]
        for answer in asked:
            found = answer.result()
            board.offer(found.plan, found.verdict, found.by, found.note)


def _in_parts(pool: _Pool, board: Best, until: float, seed: int, executor: Executor | None) -> None:
    """Round after round: deal the routes into neighbourhoods, search them, put them together, mend the borders between them."""
    number, borders = 0, Borders(board.ground)
    while (left_s := until - budget.seconds()) > PART_S[0] / 2:
        dealt = parts(board.ground, board.best.plan, seed + number)
        if not dealt:
            _whole(pool, board, until, seed)
            return
        together = pool.count if executor is None else at_once(executor, len(dealt))
        for first in range(0, len(dealt), together):
            left_s = until - budget.seconds()
            if left_s <= 0:
                return
            turns_left = -(-(len(dealt) - first) // together)
            rounds_left = max(1, round(left_s / (turns_left * 2 * PART_S[0])))
            seconds = min(max(left_s / (turns_left * min(rounds_left, 4)), PART_S[0]), PART_S[1], left_s)
            some = dealt[first : first + together]
            with board.listening((part.problem, functools.partial(_put, board, part)) for part in some):
                if executor is not None:
                    found = search_parts(executor, some, seconds, seed + number, board.hear)
                else:
                    asked = [pool.submit(part.problem, part.plan, seconds, seed + number) for part in some]
                    found = [(part, answer.result()) for part, answer in zip(some, asked, strict=True)]
            _take(board, found)
        plan = borders.mended(board.best.plan, dealt)
        if plan != board.best.plan:
            board.offer(plan, judge(board.ground, plan), "borders", "moved over borders")
        number += 1


def _put(board: Best, part: Part, plan: Plan) -> Plan:
    """What stands, with a part's new routes."""
    return merged(board.ground, board.best.plan, part, plan)


def _take(board: Best, answers: Sequence[tuple[Part, Decision]]) -> None:
    plan = board.best.plan
    better = [(part, found) for part, found in answers if found.gain_cents > 0]
    for part, found in better:
        plan = merged(board.ground, plan, part, found.plan)
    if better:
        taken = board.offer(plan, judge(board.ground, plan), better[0][1].by, f"{len(better)} parts better")
        if not taken and len(better) > 1:
            for one in better:
                _take(board, [one])
