"""Invariant 10 as a machine: whatever comes in and in whatever order, off shift no place comes out, is counted, or is remembered."""

from __future__ import annotations

import re
from typing import Final

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.pipeline import DutyChanged, EngineChanged, Output, PipelineConfig, PipelineState, Position, Tick, step
from roundsman_agent.sampling import Policy
from roundsman_agent.times import MonoMs
from roundsman_core.geo import LatLon
from roundsman_wire.messages import FixGap, FixRow, Visit

START_UTC_MS: Final = 1_760_000_000_000
WHERE: Final = re.compile(r"\b61(\.|\d{6}\b)")
"""The vans of this test drive on the 61st parallel, where nothing else is: in degrees, or in millionths of them."""
CONFIG: Final = PipelineConfig(policy=Policy(mode="full"))


class OffShift(RuleBasedStateMachine):
    """A unit whose driver comes and goes while its receiver, its ignition and its clock go on."""

    def __init__(self) -> None:
        super().__init__()
        self.state = PipelineState()
        self.mono_ms = 0
        self.on_since_ms = 0
        self.accepted = 0

    def come(self, item: Fix | SourceEvent | Tick | DutyChanged | EngineChanged) -> list[Output]:
        """One input; off shift nothing may come of it."""
        off = self.state.duty == "off"
        self.state, out = step(self.state, item, CONFIG)
        if off:
            assert not [told for told in out if WHERE.search(repr(told)) or isinstance(told, FixRow | Position | Visit)], out
        for told in out:
            if isinstance(told, FixGap) and told.from_utc_ms is not None:
                assert told.from_utc_ms >= START_UTC_MS + self.on_since_ms, "no gap reaches back over the time off shift"
        return out

    @rule(
        after_s=st.sampled_from([0.0, 0.2, 1.0, 1.0, 1.0, 30.0, 4_000.0]),
        step_m=st.sampled_from([0, 0, 3, 15, 600, 90_000]),
        speed=st.sampled_from([None, 0.0, 12.0]),
        dated=st.booleans(),
        accuracy=st.sampled_from([None, 2.0, 9_000.0]),
    )
    def fix(self, after_s: float, step_m: int, speed: float | None, dated: bool, accuracy: float | None) -> None:
        self.mono_ms += round(after_s * 1000)
        place = LatLon(61.0 + (self.mono_ms % 7_919 + step_m) / 1e6, 24.9)
        utc = START_UTC_MS + self.mono_ms if dated else None
        self.come(Fix(position=place, speed_mps=speed, mono_ms=MonoMs(self.mono_ms), utc_ms=utc, accuracy_m=accuracy))  # type: ignore[arg-type]

    @rule(duty=st.sampled_from(["on", "off", "off", "break"]), after_s=st.integers(0, 900))
    def tap(self, duty: str, after_s: int) -> None:
        self.mono_ms += after_s * 1000
        if self.state.duty == "off" and duty != "off":
            self.on_since_ms = self.mono_ms
        self.come(DutyChanged(duty=duty, mono_ms=self.mono_ms, utc_ms=START_UTC_MS + self.mono_ms))  # type: ignore[arg-type]
        self.accepted = self.state.accepted

    @rule(kind=st.sampled_from(["open", "searching", "silent", "lost"]))
    def receiver(self, kind: str) -> None:
        self.come(SourceEvent(kind=kind, mono_ms=MonoMs(self.mono_ms)))  # type: ignore[arg-type]

    @rule(engine=st.sampled_from(["on", "off", None]))
    def key(self, engine: str | None) -> None:
        self.come(EngineChanged(engine=engine, source="gpio", mono_ms=self.mono_ms, utc_ms=None))  # type: ignore[arg-type]

    @rule(after_s=st.integers(0, 120))
    def tick(self, after_s: int) -> None:
        self.mono_ms += after_s * 1000
        self.come(Tick(mono_ms=self.mono_ms, utc_ms=START_UTC_MS + self.mono_ms))

    @invariant()
    def nothing_is_remembered_off_shift(self) -> None:
        if self.state.duty == "off":
            assert not WHERE.search(repr(self.state)), "a place is remembered off shift"
            assert self.state.accepted == self.accepted, "a fix was counted off shift"


OffShift.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOffShift = OffShift.TestCase
