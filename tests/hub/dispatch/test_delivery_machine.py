"""Invariants 4 to 8 and `may_hold`, with the van's real inbox on a disk and the hub's real rules, under everything that goes wrong:
plans lost, doubled, reordered or late, and expired; receipts late; vans restarted or put back to an older image, with a clock that is
behind; the hub restored from a backup.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.hub.dispatch.memories import TASKS, VANS, Hub, Log, stop

from roundsman_agent.inbox import Inbox
from roundsman_hub.dispatch.delivery import delivery
from roundsman_hub.dispatch.issue import next_version
from roundsman_hub.replan.holds import VAN_CLOCK, permitted
from roundsman_wire.envelopes import seal
from roundsman_wire.messages import BasedOn, Command, EnvelopeHeader, Plan

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
vans, tasks = st.sampled_from(VANS), st.sampled_from(TASKS)
wishes = st.fixed_dictionaries({task: st.sampled_from([*VANS, None]) for task in TASKS})
NOTHING: dict[str, str | None] = dict.fromkeys(TASKS)
pick = st.integers(0, 1_000)
VALID_MS = 3_600_000
SLACK_MS = round(VAN_CLOCK.total_seconds() * 1000)


class PlansOnTheirWay(RuleBasedStateMachine):
    """Three vans, five tasks. The network may do anything with a plan but change it: envelopes are signed."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="roundsman-inbox-"))
        self.now_ms = 1_000_000
        self.hub, self.backups = Hub(), [Hub()]
        self.calls: dict[str, bytes] = {}
        self.sealed: dict[tuple[str, int], bytes] = {}
        self.sent: dict[str, list[bytes]] = {van: [] for van in VANS}
        self.retained: dict[str, bytes] = {}
        self.inboxes = {van: self._inbox(van) for van in VANS}
        self.logs = {van: Log() for van in VANS}
        self.at: dict[str, str | None] = dict.fromkeys(VANS)
        self.shown: dict[str, int] = dict.fromkeys(VANS, 0)
        self.served: dict[str, list[str]] = {task: [] for task in TASKS}
        self.restores, self.absent = 0, frozenset[str]()
        self.cut_off: set[str] = set()
        self.images: dict[str, tuple[Path, Log]] = {}
        self.behind_ms: dict[str, int] = dict.fromkeys(VANS, 0)
        self.free_by_time: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def _inbox(self, van: str) -> Inbox:
        return Inbox(self.home / van, vehicle=van, keys={"k": PUBLIC})

    def _left(self, van: str) -> list[str]:
        plan = self.inboxes[van].plan
        return [one.stop for one in (plan.stops if plan else ()) if one.stop not in self.logs[van].done]

    def _expired(self, van: str, until_ms: int | None) -> bool:
        """As the screen counts, by the van's own clock."""
        return until_ms is not None and until_ms < self.now_ms - self.behind_ms[van]

    # ── the hub ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(wish=wishes)
    def plan(self, wish: Mapping[str, str | None]) -> None:
        """Any wish; what is permitted of it is committed, numbered, signed and published. Not while a van is absent from a roll call."""
        if self.absent:
            return
        self.now_ms += 10
        for van, plans in self.hub.plans.items():
            for version, held in plans.items():
                if version >= self.hub.in_force.get(van, 0) and self.hub.lapsed(van, version, self.now_ms):
                    self.free_by_time.update(held)
        routes = {van: tuple(task for task in TASKS if wish[task] == van and task not in self.hub.done) for van in VANS}
        allowed, _ = permitted(routes, self.hub.holders(self.now_ms))
        for van, held in allowed.items():
            last = max([0, *self.hub.plans[van], *self.hub.told[van]])
            version = next_version(last, self.now_ms)
            self.hub.plans[van][version] = held
            until_ms = self.hub.valid_until_ms[van, version] = self.now_ms + VALID_MS
            header = EnvelopeHeader(vehicle=van, kind="plan", epoch=1, version=version, key_id="k", valid_until_utc_ms=until_ms)
            body = Plan(
                plan=f"{van}.{version}",
                vehicle=van,
                version=version,
                issued_utc_ms=self.now_ms,
                based_on=BasedOn(session=None, facts_seq=0),
                stops=tuple(stop(task) for task in held),
            )
            self.retained[van] = self.sealed[van, version] = seal(header, body, KEY.sign)
            self.sent[van].append(self.retained[van])

    @rule(van=vans)
    def receipts_arrive(self, van: str) -> None:
        """The van's log, in order, as often as it comes: the hub follows it."""
        for _ in range(2):  # invariant 8: twice is once
            self.hub.told[van].update(self.logs[van].receipts)
            self.hub.in_force[van] = max([self.hub.in_force.get(van, 0), *self.logs[van].receipts])
            self.hub.done.update(self.logs[van].done)

    @rule()
    def all_receipts_arrive(self) -> None:
        """Each van is on line: a first word of every one after a restore, and most days."""
        for van in VANS:
            self.receipts_arrive(van)

    @rule(before_s=st.sampled_from([120, -120, -400]), van=vans, behind=st.booleans())
    def time_passes(self, before_s: int, van: str, behind: bool) -> None:
        """Until about when the newest plan of a van expires; a van's clock may be behind, and nobody stands at a stop for as long."""
        newest = max(self.hub.plans[van], default=0)
        if newest:
            for one in VANS:
                self.serve(one)
            self.now_ms = max(self.now_ms, self.hub.valid_until_ms[van, newest] - 1_000 * before_s)
            self.behind_ms[van] = SLACK_MS if behind else 0

    @rule()
    def back_up(self) -> None:
        self.backups.append(deepcopy(self.hub))

    @rule(which=pick, lost=wishes)
    def restore_the_hub(self, which: int, lost: Mapping[str, str | None]) -> None:
        """An older database. Plans that it does not know are still on their way; behind them, on their own topic, it calls the roll."""
        self.plan(wish=lost)
        self.hub = deepcopy(self.backups[which % len(self.backups)])
        self.restores, self.absent = self.restores + 1, frozenset(VANS)
        for van in VANS:
            header = EnvelopeHeader(vehicle=van, kind="command", epoch=1 + self.restores, version=self.now_ms, key_id="k")
            self.calls[van] = seal(header, Command(command=f"roll-{self.restores}", verb="roll_call"), KEY.sign)
            if self.hub.plans[van]:  # on its new connection it publishes everything that it knows
                self.retained[van] = self.sealed[van, max(self.hub.plans[van])]
                self.sent[van].append(self.retained[van])
            self.sent[van].append(self.calls[van])

    @precondition(lambda self: self.absent)
    @rule(van=vans, anew=st.booleans())
    def answer_the_roll_call(self, van: str, anew: bool) -> None:
        """It comes behind what its topic still held; on a new connection, behind what the broker kept. The answer follows all receipts."""
        if anew or van in self.cut_off:
            self.sent[van] = []
            self.cut_off.discard(van)
            if van in self.retained:
                self._receive(van, self.retained[van])
        while self.sent[van] and self.sent[van][0] != self.calls[van]:
            self._receive(van, self.sent[van].pop(0))
        assert self.inboxes[van].receive("plan", self.calls[van]).verdict == "asked"
        self.receipts_arrive(van)
        held = self.inboxes[van].held
        if held is not None:
            self.hub.told[van].add(held.header.version)
        self.absent -= {van}

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(van=vans, which=pick, keep=st.booleans())
    def deliver(self, van: str, which: int, keep: bool) -> None:
        """Some plan that was ever sent to this van reaches it: late, out of order, again."""
        if self.sent[van]:
            at = which % len(self.sent[van])
            self._receive(van, self.sent[van][at])
            if not keep:
                self.sent[van].pop(at)

    @rule(van=vans, other=vans, which=pick)
    def misroute(self, van: str, other: str, which: int) -> None:
        """Another van's plan, or a broken one, comes on this van's topic: refused."""
        if self.sent[other]:
            data = self.sent[other][which % len(self.sent[other])]
            before = self.inboxes[van].versions
            damaged = data[:-1] + bytes([data[-1] ^ 1])
            assert self.inboxes[van].receive("plan", damaged).verdict == "refused"
            if van != other:
                assert self.inboxes[van].receive("plan", data).verdict == "refused"
            assert self.inboxes[van].versions == before

    @rule(van=vans)
    def lose(self, van: str) -> None:
        """Its connection is gone, and what was under way on it."""
        self.sent[van].clear()
        self.cut_off.add(van)

    def _receive(self, van: str, data: bytes) -> None:
        inbox = self.inboxes[van]
        newest = inbox.versions["plan"]
        received = inbox.receive("plan", data)
        if received.verdict == "new":
            assert received.envelope is not None
            assert received.envelope.header.version > newest
        self._put_in_force(van)

    def _put_in_force(self, van: str) -> None:
        """As the unit does: a plan that takes the stop in progress away is held until the van has left it (invariant 7)."""
        inbox = self.inboxes[van]
        if inbox.held is None or not isinstance(inbox.held.payload, Plan):
            return
        standing = self.at[van]
        if standing is not None and standing not in [one.stop for one in inbox.held.payload.stops]:
            return
        inbox.put_in_force()
        assert inbox.plan is not None
        self.logs[van].receipts.append(inbox.plan.version)

    # ── the vans ────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(van=vans)
    def arrive(self, van: str) -> None:
        left = self._left(van)
        if self.at[van] is None and left and not self._expired(van, self.inboxes[van].plan_valid_until_utc_ms):
            self.at[van] = left[0]

    @precondition(lambda self: any(self.at.values()))
    @rule(van=vans)
    def serve(self, van: str) -> None:
        task = self.at[van]
        if task is not None:
            self.logs[van].done.append(task)
            self.served[task].append(van)
            self.at[van] = None
            self._put_in_force(van)

    @rule(van=vans)
    def restart_the_van(self, van: str) -> None:
        """Power cut: what the inbox took is on its disk, and nothing else is remembered."""
        self.inboxes[van] = self._inbox(van)
        assert not self.inboxes[van].damaged
        self._put_in_force(van)

    @rule(van=vans)
    def take_an_image(self, van: str) -> None:
        folder = self.home / f"{van}.image"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.home / van, folder)
        self.images[van] = folder, deepcopy(self.logs[van])

    @rule(van=vans)
    def put_an_older_image_back(self, van: str) -> None:
        """It forgets newer plans; before it drives, it has connected, and the broker had the newest retained."""
        if van not in self.images or self.at[van] is not None or self.logs[van].done != self.images[van][1].done:
            return
        folder, log = self.images[van]
        shutil.rmtree(self.home / van)
        shutil.copytree(folder, self.home / van)
        self.inboxes[van], self.logs[van], self.shown[van] = self._inbox(van), deepcopy(log), 0
        if van in self.retained:
            self._receive(van, self.retained[van])

    # ── what holds ──────────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def the_shown_version_never_decreases(self) -> None:
        """Invariant 4 (an older image begins anew)."""
        for van, inbox in self.inboxes.items():
            version = inbox.plan.version if inbox.plan else 0
            assert version >= self.shown[van]
            self.shown[van] = version

    @invariant()
    def work_done_is_in_no_route(self) -> None:
        """Invariant 5: plan ∩ completed = ∅ at the van, whatever the newest plan says."""
        for van in VANS:
            assert not set(self._left(van)) & set(self.logs[van].done)

    @invariant()
    def no_task_is_served_twice_or_held_by_two(self) -> None:
        """Invariant 6, counting what each van really follows or has taken beside it, and what the hub believes. Served twice is only what a
        van without network had done, and could not tell before its plan expired."""
        for task in TASKS:
            assert len(self.served[task]) <= 1 or task in self.free_by_time, f"{task} was served by {self.served[task]}"
            really = set()
            for van, inbox in self.inboxes.items():
                plans: list[tuple[object, int | None]] = [(inbox.plan, inbox.plan_valid_until_utc_ms)]
                plans += [(inbox.held.payload, inbox.held.header.valid_until_utc_ms)] if inbox.held else []
                alive = [plan for plan, until_ms in plans if isinstance(plan, Plan) and not self._expired(van, until_ms)]
                if any(task in [s.stop for s in plan.stops] for plan in alive):
                    really.add(van)
            assert len(really) <= 1 or self.served[task], f"{task} is with {really}"

    @invariant()
    def the_stop_in_progress_is_locked(self) -> None:
        """Invariant 7."""
        for van, task in self.at.items():
            assert task is None or task in self._left(van)

    @invariant()
    def a_plans_state_is_what_its_receipts_say(self) -> None:
        """Item 6: committed, sent, in force, superseded: never back."""
        for van in VANS:
            for version in list(self.hub.plans[van])[-2:]:
                heard = version in self.hub.told[van]
                state = delivery(
                    version=version,
                    issued_at=TEN,
                    published_at=TEN,
                    receipts={"in_force": (TEN, None)} if heard else {},
                    expires_at=TEN + timedelta(hours=1),
                    newest_in_force=self.hub.in_force.get(van, 0),
                    now=TEN,
                ).state
                newer = self.hub.in_force.get(van, 0) > version
                assert state == ("superseded" if newer else "in_force" if heard else "sent")


PlansOnTheirWay.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestPlansOnTheirWay = PlansOnTheirWay.TestCase


def test_a_plan_that_waited_at_the_broker_is_taken_before_its_van_counts_as_heard() -> None:
    """Invariant 6 after a restore: the first frame of a van that was away says nothing of what its broker still holds for it."""
    world = PlansOnTheirWay()
    try:
        world.back_up()
        world.restore_the_hub(0, lost=NOTHING | {"1": "a"})
        world.all_receipts_arrive()
        world.plan(NOTHING | {"1": "b"})
        assert world.hub.plans["b"] == {}, "nothing is planned while a van is absent from the roll call"
        for van in VANS:
            world.answer_the_roll_call(van, anew=False)
        held = world.inboxes["a"].plan
        assert held is not None
        assert [one.stop for one in held.stops] == ["1"], "what waited came before the roll call"
        world.plan(NOTHING | {"1": "b"})
        assert list(world.hub.plans["b"].values()) == [()], "the other van may hold it"
        world.no_task_is_served_twice_or_held_by_two()
    finally:
        world.teardown()


@pytest.mark.parametrize(("late_s", "behind_ms", "freed"), [(-60, 0, False), (120, SLACK_MS, False), (320, SLACK_MS, True)])
def test_work_of_an_expired_plan_is_free_when_its_van_blocks_it(late_s: int, behind_ms: int, freed: bool) -> None:
    """Invariant 6 over time: also by a clock that is behind the van blocks it before another van gets it."""
    world = PlansOnTheirWay()
    try:
        world.plan(NOTHING | {"1": "a"})
        world.deliver("a", 0, keep=False)
        world.now_ms = world.hub.valid_until_ms["a", max(world.hub.plans["a"])] + 1_000 * late_s
        world.behind_ms["a"] = behind_ms
        world.plan(NOTHING | {"1": "b"})
        world.deliver("b", 1, keep=False)
        held = world.inboxes["b"].plan
        assert held is not None
        assert [one.stop for one in held.stops] == (["1"] if freed else [])
        world.no_task_is_served_twice_or_held_by_two()
    finally:
        world.teardown()
