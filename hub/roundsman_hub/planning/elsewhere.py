"""Parts of a large problem searched elsewhere: on the machines of a Dask cluster, or wherever a `concurrent.futures.Executor` runs them.

Each machine keeps its engines for the next part. A cluster's machines tell of the plans that their searches come to while they go on: each
sends them to its scheduler as an event, and who asked for the part hears of them there.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from roundsman_hub.planning.decompose import Part
from roundsman_hub.planning.engines.process import FEATURES, GRACE_S, START_S, EngineProcess
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.solve import Decision, decide

Heard = Callable[[str, Problem, Plan], None]
"""Told of a plan that a search has come to: by whom, for which problem."""
ANSWERS_S: Final = 10
"""How long a cluster's scheduler may take to answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """A plan for one of the parts that were asked for."""

    number: int
    by: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Wire:
    """How a machine tells of the plans for one part: it goes there with it. `topic`: of the events, where who asked listens."""

    topic: str
    number: int

    def __call__(self, by: str, plan: Plan) -> None:
        from distributed import get_worker

        told = pickle.dumps(Told(self.number, by, plan), protocol=pickle.HIGHEST_PROTOCOL)
        get_worker().log_event(self.topic, told)  # type: ignore[no-untyped-call, unused-ignore]  # upstream has no types


class Cluster(Executor):
    """The machines of a Dask cluster. `told`: what they tell while they search."""

    def __init__(self, client: Any) -> None:
        self._client, self._executor = client, client.get_executor(pure=False)
        self._topic, self._numbers = f"plans-{uuid.uuid4().hex}", itertools.count()
        self.told: queue.SimpleQueue[Told | None] = queue.SimpleQueue()
        client.subscribe_topic(self._topic, lambda event: self.told.put(pickle.loads(event[1])))

    @property
    def machines(self) -> int:
        """How many search at once: each searches one part at a time. (While none is there the parts wait for the first.)"""
        return max(1, len(self._client.nthreads()))

    def wire(self) -> Wire:
        """A new one, for the next part."""
        return Wire(self._topic, next(self._numbers))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """See `Executor.submit`."""
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """The machines of a Dask cluster as an executor, by the address of its scheduler. They need this package, and the engines.

    Raises
    ------
    ValueError
        Dask is not installed here, or no scheduler answers there.
    """
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ValueError("a cluster by address needs dask's `distributed` on this machine and on the cluster's") from error
    try:
        client = Client(address, timeout=ANSWERS_S)  # type: ignore[no-untyped-call, unused-ignore]  # upstream has no types
    except (OSError, ValueError) as error:
        raise ValueError(f"no scheduler of a cluster answers at {address}: {error}") from error
    with client:
        yield Cluster(client)


def at_once(executor: Executor, count: int) -> int:
    """How many of so many parts are searched at the same time; of an executor that does not say, all of them."""
    return min(count, executor.machines) if isinstance(executor, Cluster) else count


def search_parts(executor: Executor, parts: Sequence[Part], seconds: float, seed: int, heard: Heard) -> list[tuple[Part, Decision]]:
    """Search parts at the same time, and wait for the answers.

    Parameters
    ----------
    executor : Executor
        Who searches.
    parts : sequence of Part
        No more than are searched at once.
    seconds : float
        Real seconds for each.
    seed : int
        Of all of them.
    heard : callable
        Told, in this thread, of the plans that a cluster's searches come to meanwhile.

    Returns
    -------
    list of (Part, Decision)
        What came in time. A machine that hangs costs its answer; one that is lost too, where nobody takes its part over.
    """
    told = executor.told if isinstance(executor, Cluster) else queue.SimpleQueue[Told | None]()
    wires = [executor.wire() if isinstance(executor, Cluster) else None for _ in parts]
    part_of = {wire.number: part for wire, part in zip(wires, parts, strict=True) if wire is not None}
    asked: list[Future[Decision]] = [
        executor.submit(search_part, part.problem, part.plan, seconds, seed, wire) for part, wire in zip(parts, wires, strict=True)
    ]
    for answer in asked:
        answer.add_done_callback(lambda _: told.put(None))
    deadline = time.monotonic() + seconds + START_S + GRACE_S
    while not all(answer.done() for answer in asked) and (left_s := deadline - time.monotonic()) > 0:
        try:
            one = told.get(timeout=left_s)
        except queue.Empty:
            break
        if one is not None and one.number in part_of:  # else of an earlier round, overtaken by its answer
            heard(one.by, part_of[one.number].problem, one.plan)
    for answer in asked:
        answer.cancel()
    return [(part, answer.result()) for part, answer in zip(parts, asked, strict=True) if answer.done() and not answer.cancelled()]


_wires: dict[int, Callable[[str, Plan], None]] = {}
"""By the problem's identity: searches of other parts may wait for the same engine."""


def _hear(by: str, problem: Problem, plan: Plan) -> None:
    if id(problem) in _wires:
        _wires[id(problem)](by, plan)


@functools.cache
def _own_engines() -> tuple[EngineProcess, ...]:
    engines = tuple(EngineProcess(name, heard=_hear) for name in FEATURES)
    for engine in engines:
        atexit.register(engine.close)
    return engines


def has_searched_parts() -> bool:
    """Whether an engine for `search_part` is up; the first one is started by its first search, which takes a second or more of its time."""
    return any(engine.pid is not None for engine in _own_engines())


def search_part(problem: Problem, plan: Plan, budget_s: float, seed: int, tell: Callable[[str, Plan], None] | None = None) -> Decision:
    """One part's search, where this process is; its engines are kept for the next part. `tell`: of plans that it comes to."""
    if tell is not None:
        _wires[id(problem)] = tell
    try:
        return decide(problem, plan, budget_s, seed, engine=_own_engines())
    finally:
        _wires.pop(id(problem), None)
