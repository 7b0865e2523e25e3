"""A driver works on without network, in an order of their own, while the hub plans from what it knows; then both sides agree."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings, strategies as st

from roundsman_agent.board import DONE, fold
from roundsman_agent.clock import Clock
from roundsman_agent.inbox import Inbox
from roundsman_agent.journal import Journal
from roundsman_agent.outbox import Outbox
from roundsman_agent.pipeline import Position
from roundsman_agent.unit import Unit
from roundsman_core.geo import LatLon
from roundsman_hub.store.told_store import as_driven
from roundsman_wire import envelopes
from roundsman_wire.messages import Action, AnyEntry, BasedOn, EnvelopeHeader, Plan, PlanStop, Reorder, Reordered

VEHICLE = "v_0123456789ab"
KEY = Ed25519PrivateKey.generate()


def stop(number: int) -> PlanStop:
    return PlanStop(
        stop=f"o_{number}", tasks=(f"o_{number}",), kind="delivery", lat_e6=50_000_000, lon_e6=10_000_000 + 5_000 * (number % 17),
        fence_radius_m=60, leg_s=120, leg_m=800, service_s=60, arrival_utc_ms=0,
    )  # fmt: skip


class Van:
    """A unit with a real store; `restart` is a power cut and a new start."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._store = folder, ThreadPoolExecutor(1)
        self.order_of_sessions: list[str] = []
        self._open()

    def _open(self) -> None:
        clock = Clock()
        self.outbox = Outbox(self._folder / "log.db", max_mb=16, version="1", now=lambda: (clock.utc_ms(), clock.mono_ms()))
        self.order_of_sessions.append(self.outbox.session)
        keys = {"k": KEY.public_key().public_bytes_raw()}
        self.unit = Unit(
            vehicle=VEHICLE,
            clock=clock,
            outbox=self.outbox,
            inbox=Inbox(self._folder / "inbox", vehicle=VEHICLE, keys=keys),
            journal=Journal(self.outbox, self._store, on_commit=lambda *_: None),
            sampling="evidence",
            on_change=lambda _: None,
        )
        self.unit.begin()

    async def restart(self) -> None:
        await self.unit.journal.flush()
        self.outbox.close()
        self._open()

    async def facts(self) -> list[AnyEntry]:
        await self.unit.journal.flush()
        return self.outbox.facts_of("action", "reordered", "duty", "receipt", "session")

    async def close(self) -> None:
        await self.unit.journal.flush()
        self.outbox.close()
        self._store.shutdown()

    async def tap(self, name: str, outcome: Any) -> str:
        action = uuid.uuid4().hex
        unit = self.unit
        await unit.log_for_driver(lambda: Action(**unit.instant(), action=action, stop=name, tasks=(name,), outcome=outcome))
        return action

    async def undo(self, action: str) -> None:
        unit = self.unit
        known = unit.board.actions[action]
        await unit.log_for_driver(
            lambda: Action(**unit.instant(), action=f"undo-{action}", stop=known.stop, tasks=known.tasks, outcome="undo", undoes=action)
        )


class Planner:
    """A hub that knows the log up to some number, and plans from that."""

    def __init__(self) -> None:
        self.known: list[AnyEntry] = []
        self.based_on = BasedOn(session=None, facts_seq=0)
        self.plans: list[Plan] = []
        self.next_stop = 0

    async def hear(self, van: Van) -> None:
        self.known = await van.facts()
        last = {lane.lane: lane.last for lane in van.outbox.lanes() if lane.session == van.outbox.session}
        self.based_on = BasedOn(session=van.outbox.session, facts_seq=last[0])

    def driven(self, plan: Plan) -> list[PlanStop]:
        """What is left of a plan, in the order that is driven, as far as the hub knows."""
        board = fold(self.known)
        own = [fact.stops for fact in self.known if isinstance(fact, Reordered) and fact.plan_version == plan.version]
        return board.remaining(as_driven(plan, own[-1] if own else None).stops)

    def plan(self, change: str, where: int) -> Plan:
        stops = self.driven(self.plans[-1]) if self.plans else []
        board = fold(self.known)
        busy = {s.stop for s in stops if board.phase(s.stop) == "arrived"}
        if change == "add" or not stops:
            stops.insert(min(max(where % (len(stops) + 1), 1), len(stops)), stop(self.next_stop))
            self.next_stop += 1
        elif change == "remove":
            stops = [s for n, s in enumerate(stops) if n != where % len(stops) or s.stop in busy]
        elif change == "turn":
            stops = [*stops[:1], *reversed(stops[1:])]
        version = self.plans[-1].version + 1 if self.plans else 1
        made = Plan(
            plan=f"p{version}", vehicle=VEHICLE, version=version, issued_utc_ms=0, based_on=self.based_on, stops=tuple(stops),
            reorder=Reorder(max_moved=3, max_extra_s=100_000),
        )  # fmt: skip
        self.plans.append(made)
        return made


def sealed(plan: Plan) -> bytes:
    header = EnvelopeHeader(vehicle=VEHICLE, kind="plan", epoch=1, version=plan.version, key_id="k")
    return envelopes.seal(header, plan, KEY.sign)


STEPS = st.one_of(
    st.tuples(st.just("tap"), st.integers(0, 5), st.sampled_from(["arrived", "delivered", "failed", "partial", "refused"])),
    st.tuples(st.just("undo"), st.just(0), st.just("")),
    st.tuples(st.just("reorder"), st.integers(0, 719), st.just("")),
    st.tuples(st.just("hear"), st.just(0), st.just("")),
    st.tuples(st.just("plan"), st.integers(0, 9), st.sampled_from(["add", "remove", "turn", "add"])),
    st.tuples(st.just("deliver"), st.integers(0, 3), st.just("")),
    st.tuples(st.just("drive"), st.integers(0, 1), st.just("")),
    st.tuples(st.just("restart"), st.just(0), st.just("")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=25))
def test_no_action_is_lost_and_both_sides_agree(steps: list[tuple[str, int, str]]) -> None:
    """Invariants 4 to 7, for any interleaving of taps, undos, own orders, plans made from old facts, and power cuts."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_story(Path(folder), steps))


async def _story(folder: Path, steps: Sequence[tuple[str, int, str]]) -> None:
    van, hub = Van(folder), Planner()
    for _ in range(4):
        hub.plan("add", -1)
    await van.unit.document("plan", sealed(hub.plans[-1]))
    await van.unit.set_duty("on", None)
    taken: list[str] = []
    shown = 0
    try:
        for what, number, detail in steps:
            left = van.unit.remaining()
            busy = {s.stop for s in left if van.unit.board.phase(s.stop) == "arrived"}
            match what:
                case "tap" if left:
                    taken.append(await van.tap(left[number % len(left)].stop, detail))
                case "undo" if van.unit.board.last_action() is not None:
                    await van.undo(van.unit.board.last_action().action)  # type: ignore[union-attr]  # just looked
                case "reorder":
                    await van.unit.reorder([s.stop for s in _shuffled(left, number)])
                case "hear":
                    await hub.hear(van)
                case "plan":
                    hub.plan(detail, number)
                case "deliver":
                    await van.unit.document("plan", sealed(hub.plans[-1 - number % len(hub.plans)]))
                case "drive":
                    speed_mps = 12.0 * number
                    mono_ms = van.unit.clock.mono_ms()
                    van.unit.position = Position(
                        mono_ms=mono_ms, utc_ms=None, position=LatLon(50.0, 10.0), speed_mps=speed_mps, heading_deg=None, accuracy_m=None,
                        anchored=False,
                    )  # fmt: skip
                case "restart":
                    await van.restart()
            plan = van.unit.plan
            assert plan is not None
            assert plan.version >= shown, "the version that is shown never falls"
            shown = plan.version
            board = van.unit.board
            after = {s.stop for s in van.unit.remaining()}
            assert not any((said := board.said(name)) and said.outcome in DONE for name in after), "work done stays done"
            if what in ("deliver", "plan", "hear", "restart"):
                assert {name for name in busy if board.phase(name) == "arrived"} <= after, "a stop in progress is locked"
        # The network is back: the hub has the whole log, the van the newest plan.
        van.unit.position = None
        await van.unit.document("plan", sealed(hub.plans[-1]))
        await hub.hear(van)
        told = [fact.action for fact in hub.known if isinstance(fact, Action) and fact.outcome != "undo"]
        assert told == taken, "every action is in the log once, in its order"
        plan = van.unit.plan
        assert plan is not None
        issued = next(made for made in hub.plans if made.version == plan.version)
        assert msgspec.json.encode(issued) == msgspec.json.encode(plan)
        assert [s.stop for s in hub.driven(issued)] == [s.stop for s in van.unit.remaining()]
    finally:
        await van.close()


def _shuffled(stops: Sequence[PlanStop], number: int) -> list[PlanStop]:
    """One of the orders of these stops, by its number."""
    left, out = list(stops), []
    while left:
        number, at = divmod(number, len(left))
        out.append(left.pop(at))
    return out


def test_a_plan_made_before_the_drivers_own_order_keeps_it(tmp_path: Path) -> None:
    async def story() -> None:
        van, hub = Van(tmp_path), Planner()
        for _ in range(4):
            hub.plan("add", -1)
        await van.unit.document("plan", sealed(hub.plans[-1]))
        await van.unit.set_duty("on", None)
        await hub.hear(van)
        own = ["o_0", "o_2", "o_1", "o_3"]
        assert await van.unit.reorder(own) == ""
        # Cut off, the driver changed the order; the hub, not knowing, adds a stop.
        await van.unit.document("plan", sealed(hub.plan("add", -1)))
        assert [s.stop for s in van.unit.remaining()] == [*own, "o_4"]
        await van.restart()
        assert [s.stop for s in van.unit.remaining()] == [*own, "o_4"]
        # Once it knows, its word counts again.
        await hub.hear(van)
        await van.unit.document("plan", sealed(hub.plan("turn", 0)))
        assert [s.stop for s in van.unit.remaining()] == ["o_0", "o_4", "o_3", "o_1", "o_2"]
        reordered = [fact for fact in await van.facts() if isinstance(fact, Reordered)]
        assert [(fact.plan_version, fact.by) for fact in reordered] == [(4, "driver"), (5, "unit")]
        await van.close()

    asyncio.run(story())
