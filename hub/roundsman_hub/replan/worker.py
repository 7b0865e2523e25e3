"""When a depot is planned: at once when it is urgent, after a moment's quiet otherwise, and whenever the vans' logs unsettle a plan."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, LiteralString

from roundsman_hub.clock import Clock
from roundsman_hub.dispatch.issue import Stale
from roundsman_hub.planning.engines import Engine
from roundsman_hub.planning.problem import Plan
from roundsman_hub.planning.solve import decide
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.planner import Planner, Search
from roundsman_hub.replan.reasons import URGENT_PRIORITY, trigger_of
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.world import Reason, World
from roundsman_hub.store import proposal_store
from roundsman_hub.store.db import Database, Notice, is_away, listen, notices
from roundsman_hub.store.rows import rows
from roundsman_hub.telemetry.figures import FIGURES

log = logging.getLogger(__name__)

QUIET_S: Final = 0.1
"""Changes that come together are planned together: this long without another one,"""
WAITS_AT_MOST_S: Final = 1.0
"""but never longer than this. Urgent ones wait for nothing."""
LOOKS_EVERY_S: Final = 0.5
"""How often the vans' facts are compared with their plans, while they change."""
LOOKS_ANYWAY_S: Final = 10.0
LOOK_SHARE: Final = 0.2
"""Of the planner's time, for looking at facts: something urgent would have to wait for a look's end."""
HEARS_EVERY_S: Final = 0.25
"""How long the listener listens before it looks whether it is to end."""
AGAIN_AFTER_S: Final = 1.0
MOST_NEWS: Final = 3
"""A storm of news is one revision more: so many of them are named."""
FACTS: Final = frozenset({"order", "plan", "log", "vehicle"})
"""Topics after which a plan may no longer fit what the vans did."""

_DUE: LiteralString = """
    SELECT depot_id, (SELECT coalesce(max((r ->> 'priority')::integer), 0) FROM jsonb_array_elements(reasons) r) AS priority
    FROM planning WHERE revision > planned
"""
_DEPOTS: LiteralString = "SELECT depot_id FROM depots WHERE fleet_id = ANY(%s) OR %s ORDER BY depot_id"


class PlanWorker:
    """Listens, and plans depots one after another; a search runs beside it, so that something urgent never waits for one.

    Parameters
    ----------
    engine : Engine or sequence of Engine, optional
        Of several, each search uses the first that knows what its plan needs. Without one, plans are made by insertion alone.
    publish : callable
        Wakes the publisher, when another process issued something or fences changed.
    """

    def __init__(
        self,
        db: Database,
        planner: Planner,
        clock: Clock,
        engine: Engine | Sequence[Engine] | None,
        publish: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._planner, self._clock, self._engine, self._publish = db, planner, clock, engine, publish
        self._changed = threading.Condition()
        self._stopping = False
        self._rang_at: float | None = None
        self._first_rang_at = 0.0
        self._unsettled: set[str] = set()
        self._look_everywhere = True
        self._found: list[tuple[Search, Plan]] = []
        self._searches: queue.Queue[Search | None] = queue.Queue()
        self._searching: set[str] = set()
        self._failure: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`; what is unexpected in any of its threads ends it, so that it is started anew."""
        threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in (self._listen, self._search, self._plan)]
        for thread in threads:
            thread.start()
        while not stop.wait(0.2) and self._failure is None:
            pass
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._searches.put(None)
        for thread in threads:
            thread.join()  # a search is waited for: nothing speaks once this has returned
        if self._failure is not None:
            raise self._failure

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:
            self._failure = error

    # ── hearing ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        while not self._stopping:
            try:
                with self._db.dedicated() as connection:
                    listen(connection)
                    self._ring(everywhere=True)  # what was said before we listened
                    while not self._stopping:
                        for notice in notices(connection, HEARS_EVERY_S):
                            self._hear(notice)
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("%s; trying again", error)
                time.sleep(AGAIN_AFTER_S)

    def _hear(self, notice: Notice) -> None:
        if notice.topic == "planning":
            self._ring()
        if notice.topic in ("plan", "sites", "message"):
            self._publish()
        if notice.topic in FACTS:
            with self._changed:
                self._unsettled.add(notice.fleet_id)
                self._changed.notify_all()

    def _ring(self, *, everywhere: bool = False) -> None:
        now = time.monotonic()
        with self._changed:
            if self._rang_at is None:
                self._first_rang_at = now
            self._rang_at = now
            self._look_everywhere |= everywhere
            self._changed.notify_all()

    # ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _plan(self) -> None:
        looked_at = looked_everywhere_at = 0.0
        pause_s = LOOKS_EVERY_S
        while True:
            now = time.monotonic()
            with self._changed:
                if self._stopping:
                    return
                found, self._found = self._found, []
                rang = self._rang_at is not None
                look = (bool(self._unsettled) and now >= looked_at + pause_s) or self._look_everywhere
                everywhere = self._look_everywhere or now >= looked_everywhere_at + LOOKS_ANYWAY_S
                if not (found or rang or look or everywhere):
                    self._changed.wait(self._pause_s(now, looked_at + pause_s, looked_everywhere_at))
                    continue
                fleets = self._unsettled
                if look or everywhere:
                    self._unsettled, self._look_everywhere = set(), False
            try:
                if rang:
                    self._plan_due()
                for search, plan in found:
                    self._planner.adopt(search, plan)
                    self._searching.discard(search.depot_id)
                    self._ring()  # what changed during the search
                if look or everywhere:
                    began = time.monotonic()
                    self._settle(fleets, everywhere=everywhere)
                    looked_at = time.monotonic()
                    pause_s = max(LOOKS_EVERY_S, (looked_at - began) / LOOK_SHARE)
                    looked_everywhere_at = looked_at if everywhere else looked_everywhere_at
            except Exception as error:
                if not is_away(error) and not isinstance(error, Stale):
                    raise
                log.warning("%s; planning again", error)
                self._searching -= {search.depot_id for search, _ in found}
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, AGAIN_AFTER_S)
                self._ring(everywhere=True)

    def _pause_s(self, now: float, look_at: float, looked_everywhere_at: float) -> float:
        until = looked_everywhere_at + LOOKS_ANYWAY_S
        if self._unsettled:
            until = min(until, look_at)
        return max(0.001, until - now)

    def _plan_due(self) -> None:
        """Plan what is due: the urgent now; the rest when it has been quiet, or has waited long enough."""
        with self._changed:
            rang_at, first_rang_at = self._rang_at or 0.0, self._first_rang_at
        with self._db.transaction() as cur:
            due = {r["depot_id"]: r["priority"] for r in rows(cur, _DUE)}
        for depot_id in [depot_id for depot_id, priority in due.items() if priority >= URGENT_PRIORITY]:
            self._plan_depot(depot_id)
            del due[depot_id]
        now = time.monotonic()
        ready_at = min(rang_at + QUIET_S, first_rang_at + WAITS_AT_MOST_S)
        with self._changed:
            if due and now < ready_at:
                self._changed.wait(ready_at - now)  # woken early by the next ring: then the table is read again
                return
            if self._rang_at == rang_at:
                self._rang_at = None
            else:
                self._first_rang_at = now
        for depot_id in due:
            self._plan_depot(depot_id)

    def _plan_depot(self, depot_id: str) -> None:
        began = time.monotonic()
        search = self._planner.plan(depot_id, search=depot_id not in self._searching)
        FIGURES.observe("roundsman_plan_seconds", time.monotonic() - began, step="insertion")
        if search is not None and self._engine is not None and depot_id not in self._searching:
            self._searching.add(depot_id)
            self._searches.put(search)
        elif search is not None and self._engine is None:
            self._planner.adopt(search, search.warm)

    def _settle(self, fleets: set[str], *, everywhere: bool) -> None:
        """Compare facts with plans; where they no longer fit, raise the depot's revision and say why."""
        with self._db.transaction() as cur:
            depots = [r["depot_id"] for r in rows(cur, _DEPOTS, (list(fleets), everywhere))]
        for depot_id in depots:
            world = self._planner.look(depot_id)
            if world is None:
                continue
            if depot_id in self._planner.awaiting and world.awaited != self._planner.awaiting[depot_id]:
                self._ring()
            if world.revision != world.planned:
                continue
            self.answer_news(world, [*unsettled(world), *self._planner.heard_again(world)])

    def answer_news(self, world: World, reasons: Sequence[Reason]) -> int:
        """Raise a depot's revision for what is news among these reasons; how many are. What was answered before is none."""
        told = 0
        with self._db.transaction() as cur:
            for reason in reasons:
                if told == MOST_NEWS:
                    break
                if reason.level is None and world.mode != "automatic" and _proposed(world, reason):
                    continue
                if reason.level is not None and not proposal_store.claim(
                    cur,
                    fleet=world.fleet_id,
                    depot=world.depot_id,
                    kind=reason.kind,
                    subject=reason.subject,
                    level=reason.level,
                    step=trigger_of(reason.kind).level,
                    at=self._clock.now(),
                ):
                    continue
                bump(cur, world.depot_id, reason.text, reason.priority, clock=self._clock, kind=reason.kind, subject=reason.subject)
                told += 1
        return told

    # ── searching ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self) -> None:
        while (search := self._searches.get()) is not None and not self._stopping:
            began = time.monotonic()
            decision = decide(search.problem, search.warm, search.budget_s, engine=self._engine)
            FIGURES.observe("roundsman_plan_seconds", time.monotonic() - began, step="search")
            log.info("depot %s: %s", search.depot_id, decision.note, extra={"depot": search.depot_id})
            with self._changed:
                self._found.append((search, decision.plan))
                self._changed.notify_all()


def _proposed(world: World, reason: Reason) -> bool:
    """Whether a dispatcher was asked about this already, or planning is off: then it is no news, however long they take."""
    if not trigger_of(reason.kind).choice:
        return False
    asked = (*world.refused, *([world.waiting] if world.waiting else []))
    return world.mode == "off" or any(f"{reason.kind}:{reason.subject}:{reason.text}" in said.kinds for said in asked)
