"""The driver's side of a van: which plan holds, in which order it is driven, what is at risk, what waits for an answer.

Kept beside the unit, which owns log and pipeline; everything here is computed from the board, the inbox and the newest position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from roundsman_agent import offers, risks
from roundsman_agent.board import Board
from roundsman_agent.depot_calls import DepotCalls
from roundsman_agent.inbox import RunningClocks
from roundsman_agent.offers import Verdict
from roundsman_agent.work import Message, Notice, Offer, Work
from roundsman_core import calls, reorder, timeline
from roundsman_core.geo import LatLon, distance_m
from roundsman_core.hours import Activity, Clocks, step
from roundsman_core.reorder import Situation, Suggestion
from roundsman_core.timeline import Arrival, Legs
from roundsman_wire.messages import RELOAD, BasedOn, Plan, PlanStop, Receipt, ReceiptState, Reordered, Risk

if TYPE_CHECKING:
    from roundsman_agent.unit import Unit

LOOK_MS: Final = 15_000
"""Business time between two looks ahead: a promise is not broken faster, and forty stops are counted through each time."""
MOVING_MPS: Final = 1.5
"""Faster than a receiver's noise in a standing van, slower than a van that rolls."""
FRESH_MS: Final = 5_000
KEPT_EVERY_MS: Final = 120_000
"""Hours of service are written down so often: a restart may cost the driver's clock two minutes, and the card hardly wears."""
LOST_MS: Final = 600_000
"""A receiver that was silent for so long says nothing of whether the van drives."""
AT_DEPOT_M: Final = 500.0
KEPT: Final = "the driver's order is kept"


class Rounds:
    """The driver's work of one unit."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.depot_calls = DepotCalls(unit)
        self._held_since_mono_ms: int | None = None
        self._held_version = 0
        self._looked_mono_ms = -LOOK_MS
        self._suggestion: Suggestion | None = None
        self._left: tuple[Plan, Board, list[PlanStop]] | None = None
        self._legs: tuple[Plan, Legs] | None = None
        self._running: RunningClocks | None = None
        self._suggested_for: tuple[int, tuple[str, ...], bool] | None = None

    # ── what holds ──────────────────────────────────────────────────────────────────────────────────────────────────

    def remaining(self) -> list[PlanStop]:
        """Stops that are still to be done, in driving order, with the calls at depots and chargers on the way."""
        plan, board = self._unit.plan, self._unit.board
        if plan is None:
            return []
        if self._left is None or self._left[0] is not plan or self._left[1] is not board:  # asked several times a second
            self._left = plan, board, board.left_of(plan)
        return list(self._left[2])

    def order(self) -> list[str]:
        """The customers' stops among them, by name: what the driver's own order is of."""
        return [stop.stop for stop in self.remaining() if not calls.is_call(stop)]

    def verdict(self) -> Verdict | None:
        """What to do with the held plan; None: there is none."""
        unit, held = self._unit, self._held()
        if held is None:
            return None
        now_mono_ms = unit.clock.mono_ms()
        if self._held_since_mono_ms is None or self._held_version != held.version:
            self._held_since_mono_ms, self._held_version = now_mono_ms, held.version
        waited_s = (now_mono_ms - self._held_since_mono_ms) / 1000
        return offers.verdict(unit.board, unit.plan, held, moving=self.moving(), waited_s=waited_s)

    def kept_order(self, before: Plan | None) -> Reordered | None:
        """The driver's own order, carried over to the plan that came into force, if its planner did not know of it.

        A plan that was made before the driver's change reached the hub is right about the work, and wrong about the order. It is
        kept where the new plan's limits allow it.
        """
        unit, plan, own = self._unit, self._unit.plan, self._unit.board.order
        if plan is None or before is None or own is None or own.plan_version != before.version or self._knew(plan.based_on):
            return None
        planned = [stop.stop for stop in unit.board.remaining(plan.stops) if not calls.is_call(stop)]
        wished = _merged(planned, own.stops)
        if wished == planned or reorder.refused(self._situation(plan), wished):
            return None
        return Reordered(**unit.instant(), plan_version=plan.version, stops=tuple(wished), by="unit", reason=KEPT)

    def _knew(self, based_on: BasedOn) -> bool:
        newest = self._unit.outbox.newest("reordered")
        if newest is None:
            return False
        session, seq = newest
        if based_on.session == session:
            return based_on.facts_seq >= seq
        order = self._unit.outbox.sessions
        return based_on.session in order and order.index(based_on.session) > order.index(session)

    # ── alone and still useful ──────────────────────────────────────────────────────────────────────────────────────

    def look_ahead(self) -> list[Risk]:
        """Warnings to log; now and then, and only on shift."""
        unit, now_mono_ms = self._unit, self._unit.clock.mono_ms()
        if unit.plan is None or unit.board.duty == "off" or now_mono_ms - self._looked_mono_ms < LOOK_MS:
            return []
        self._looked_mono_ms = now_mono_ms
        self._keep_hours()
        stops = self.remaining()
        times = self.times(stops)
        self._suggest(unit.plan, tuple(self.order()), any(time.late_s for time in times))
        return [
            Risk(
                **unit.instant(),
                stop=warned.stop,
                eta_utc_ms=max(warned.eta_utc_ms, 0),
                promise_end_utc_ms=warned.promise_end_utc_ms,
                late_s=warned.late_s,
            )
            for warned in risks.step(unit.board.risks, stops, times)
        ]

    def _suggest(self, plan: Plan, current: tuple[str, ...], late: bool) -> None:
        """Look for a better order when the work has changed, or when something has become late; it costs a hundred fixes' work."""
        key = (plan.version, current, late)
        if key != self._suggested_for:
            self._suggested_for = key
            self._suggestion = reorder.suggest(self._situation(plan), current)

    def times(self, stops: Sequence[PlanStop]) -> list[Arrival]:
        """When the van will be at what remains, by its own reckoning."""
        unit = self._unit
        if unit.plan is None or not stops:
            return []
        if self._legs is None or self._legs[0] is not unit.plan:
            self._legs = unit.plan, Legs(unit.plan)
        rests_ms = 1000 * timeline.BREAK_S if unit.board.duty == "break" else 0
        return timeline.expected(
            unit.plan,
            stops,
            legs=self._legs[1],
            now_utc_ms=unit.clock.utc_ms() + rests_ms,
            place=unit.here(),
            in_progress_since_utc_ms=self.depot_calls.since_utc_ms(stops[0]),
        )

    def hours(self) -> RunningClocks | None:
        """The driver's hours of service by now: what the plan said, counted on with duty and motion. None: no rule is set."""
        unit = self._unit
        told, now_ms = unit.plan.hours if unit.plan else None, unit.clock.utc_ms()
        if unit.plan is None or told is None:
            return None
        kept = self._running or unit.inbox.clocks
        if kept is None or kept.version != unit.plan.version:
            start = Clocks(
                rule=told.rule, to_break_s=told.to_break_s, driving_s=told.driving_s, duty_s=told.duty_s, rested_15=told.rested_15
            )
            kept = RunningClocks(clocks=start, utc_ms=told.at_utc_ms, version=unit.plan.version)
        activity: Activity = "rest" if unit.board.duty != "on" else "drive" if self.moving() else "work"
        seconds = (now_ms - kept.utc_ms) // 1000
        if seconds <= 0:
            return kept
        return RunningClocks(clocks=step(kept.clocks, activity, seconds), utc_ms=kept.utc_ms + 1000 * seconds, version=kept.version)

    def _keep_hours(self) -> None:
        """Every look is a spell of the one activity that is seen; a quarter of a minute is finer than any rule."""
        self._running = running = self.hours()
        kept = self._unit.inbox.clocks
        if running is not None and (kept is None or kept.version != running.version or running.utc_ms - kept.utc_ms >= KEPT_EVERY_MS):
            self._unit.inbox.keep_clocks(running)

    def refusal(self, order: Sequence[str]) -> str:
        """Why the driver may not drive in this order; empty: they may."""
        plan = self._unit.plan
        return "there is no plan" if plan is None else reorder.refused(self._situation(plan), order)

    def _situation(self, plan: Plan) -> Situation:
        unit = self._unit
        left = unit.board.remaining(plan.stops)
        standing = left[0].stop if left and unit.board.phase(left[0].stop) == "arrived" else None
        return Situation(
            plan=plan,
            left=frozenset(stop.stop for stop in left),
            now_utc_ms=unit.clock.utc_ms(),
            place=unit.here(),
            standing_at=standing,
            since_utc_ms=None if standing is None else unit.board.arrived_utc_ms(standing),
        )

    def moving(self) -> bool:
        """Whether the van drives, as far as the unit can tell. What it cannot tell counts as driving, but not for ever."""
        unit = self._unit
        at, stops = unit.position, self.remaining()
        if at is None or at.anchored or (stops and unit.board.phase(stops[0].stop) == "arrived"):
            return False
        age_ms = unit.clock.mono_ms() - at.mono_ms
        if age_ms > max(FRESH_MS, 2_000 * unit.clock.base.factor):
            return age_ms < LOST_MS
        return at.speed_mps is None or at.speed_mps > MOVING_MPS

    # ── what the driver decides ─────────────────────────────────────────────────────────────────────────────────────────

    def reordered(self, stops: Sequence[str]) -> Reordered | str | None:
        """The driver's own order, to be logged; or why it cannot be; None: it is the one that holds."""
        unit = self._unit
        if unit.board.duty == "off":
            return "off shift"
        if list(stops) == self.order():
            return None
        if refusal := self.refusal(stops):
            return refusal
        return Reordered(**unit.instant(), plan_version=0 if unit.plan is None else unit.plan.version, stops=tuple(stops))

    def answered(self, version: int, state: ReceiptState, reason: str | None) -> Receipt | str | None:
        """The driver's word on a plan that waits, to be logged; or why it cannot be taken; None: it was given before."""
        offer = self.offer()
        if self._unit.board.answers.get(version) == state:
            return None
        if state == "accepted" and self._unit.plan is not None and self._unit.plan.version == version:
            return None  # it waited its time and came into force under the driver's thumb
        if offer is None or offer.plan.version != version:
            return "this plan does not wait for an answer"
        if state == "declined" and not offer.may_decline:
            return "this plan cannot be declined: call the dispatcher"
        return Receipt(**self._unit.instant(), plan_version=version, plan_hash=offer.plan_hash, state=state, reason=reason)

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────

    def work(self) -> Work:
        """Everything that the screen shows of the driver's work."""
        unit, stops, config = self._unit, self.remaining(), self._unit.inbox.config
        current = tuple(self.order())
        suggestion = self._suggestion
        if suggestion is not None and (set(suggestion.stops) != set(current) or suggestion.stops == current):
            suggestion = None
        return Work(
            stops=tuple(stops),
            times=tuple(self.times(stops)),
            moving=self.moving(),
            at_depot=self._at_depot(),
            depot=_depot(unit.plan),
            offer=self.offer(),
            notice=self._notice(),
            suggestion=suggestion,
            messages=tuple(
                Message(command=m.command, utc_ms=m.utc_ms, answered=m.command.command in unit.board.answered) for m in unit.inbox.messages
            ),
            blobs_waiting=unit.blobs_waiting(),
            clocks=None if (running := self.hours()) is None else running.clocks,
            time_zone=(config.time_zone if config else None) or "",
            distance_unit=(config.distance_unit if config else None) or "km",
            language=(config.language if config else None) or "",
        )

    def _held(self) -> Plan | None:
        held = self._unit.inbox.held
        return held.payload if held is not None and isinstance(held.payload, Plan) else None

    def offer(self) -> Offer | None:
        """The plan that waits, for the van to stand or for the driver's answer; None: none does."""
        unit, held, envelope = self._unit, self._held(), self._unit.inbox.held
        verdict = self.verdict()
        if held is None or envelope is None or verdict not in ("wait", "ask"):
            return None
        return Offer(
            plan=held,
            plan_hash=envelope.hash,
            change=offers.change(unit.board, unit.plan, held),
            may_decline=offers.may_decline(unit.board, unit.plan, held),
            safe=verdict == "ask",
        )

    def _notice(self) -> Notice | None:
        plan = self._unit.plan
        if plan is None or not plan.changes or plan.version == self._unit.inbox.seen_version:
            return None
        since = self._unit.board.in_force_utc_ms.get(plan.version, plan.issued_utc_ms)
        return Notice(version=plan.version, changes=plan.changes, reason=plan.reason, changes_said=plan.changes_said,
                      reason_said=plan.reason_said, since_utc_ms=since)  # fmt: skip

    def _at_depot(self) -> bool:
        """Where goods are loaded now. Before departure: nothing of the round is begun, and the van is not known to be elsewhere. Under way:
        the next thing to do is to load again, and the van is there."""
        unit, plan, left = self._unit, self._unit.plan, self.remaining()
        if plan is not None and left and left[0].stop.startswith(RELOAD) and calls.is_call(left[0]):
            at, here = LatLon.from_e6(left[0].lat_e6, left[0].lon_e6), unit.here()
            if unit.board.phase(left[0].stop) == "arrived" or (here is not None and distance_m(here, at) <= AT_DEPOT_M):
                return True
        if plan is None or any(unit.board.phase(stop.stop) != "driving" for stop in plan.stops):
            return False
        depot, here = _depot(plan), unit.here()
        return here is None or depot is None or distance_m(here, depot) <= AT_DEPOT_M


def _depot(plan: Plan | None) -> LatLon | None:
    if plan is None or plan.depot_lat_e6 is None or plan.depot_lon_e6 is None:
        return None
    return LatLon.from_e6(plan.depot_lat_e6, plan.depot_lon_e6)


def _merged(planned: Sequence[str], own: Sequence[str]) -> list[str]:
    """The driver's order of what a newer plan still has; what is new in it stands behind whatever the plan has it behind."""
    known = set(planned)
    out = [stop for stop in own if stop in known]
    for at, stop in enumerate(planned):
        if stop not in out:
            out.insert(out.index(planned[at - 1]) + 1 if at else 0, stop)
    return out
