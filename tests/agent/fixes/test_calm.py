"""For how long nothing can happen that has to be told soon."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from roundsman_agent import calm, fences, pipeline
from roundsman_agent.fix import Fix
from roundsman_agent.pipeline import PipelineConfig, PipelineState, PlanChanged, SitesChanged, Tick
from roundsman_agent.places import PlannedStop
from roundsman_agent.times import GnssMs, MonoMs
from roundsman_agent.visits import APPROACH_M
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_wire.messages import Fence, PlanStop, Sites

HOME = LatLon(60.0, 24.0)
FRAME = LocalFrame(HOME)
BEGAN_UTC_MS = 1_790_000_000_000
CONFIG = PipelineConfig()


def driven(state: PipelineState, metres: list[float], speed_mps: float = 10.0) -> PipelineState:
    """East along a line, a fix a second, so far from home each time."""
    began_ms = 0 if state.newest is None else state.newest.mono_ms + 1000
    for second, east_m in enumerate(metres):
        at_ms, at = began_ms + 1000 * second, FRAME.to_latlon(east_m, 0.0)
        fix = Fix(mono_ms=MonoMs(at_ms), utc_ms=GnssMs(BEGAN_UTC_MS + at_ms), position=at, speed_mps=speed_mps, satellites=9)
        state, _ = pipeline.step(state, fix, CONFIG)
    return state


def looked(state: PipelineState) -> PipelineState:
    assert state.newest is not None
    return pipeline.step(state, Tick(mono_ms=state.newest.mono_ms, utc_ms=BEGAN_UTC_MS), CONFIG)[0]


def on_shift(*fences_m: tuple[float, float]) -> PipelineState:
    """With circles of (metres east, radius)."""
    state = PipelineState(duty="on")
    made = []
    for number, (east_m, radius_m) in enumerate(fences_m):
        at = FRAME.to_latlon(east_m, 0.0)
        made.append(Fence(fence=f"f{number}", name="yard", rings_e6=(((at.lat_e6, at.lon_e6),),), radius_m=radius_m))
    return pipeline.step(state, SitesChanged.of(Sites(version=1, fences=tuple(made)))[0], CONFIG)[0]


def stop_at(east_m: float) -> PlannedStop:
    at = FRAME.to_latlon(east_m, 0.0)
    return PlannedStop.of(
        PlanStop(
            stop=f"s{east_m:g}", tasks=("t1",), kind="delivery", lat_e6=at.lat_e6, lon_e6=at.lon_e6, fence_radius_m=30, leg_s=1, leg_m=1,
            service_s=1, arrival_utc_ms=BEGAN_UTC_MS, window_start_utc_ms=None, window_end_utc_ms=None, name="", address="",
        )
    )  # fmt: skip


def bound_for(*east_m: float) -> PipelineState:
    """With planned stops so far east."""
    plan = PlanChanged(stops=tuple(stop_at(metres) for metres in east_m))
    return pipeline.step(PipelineState(duty="on"), plan, CONFIG)[0]


def test_without_stops_and_fences_it_is_calm_for_ever() -> None:
    state = driven(PipelineState(duty="on"), [0.0, 10.0])
    assert calm.stop_s(state) == math.inf
    assert calm.patience_s(state, 20.0) == 20.0, "the hub's word is the most"


def test_before_the_first_fix_and_while_the_receiver_is_in_trouble_it_is_not() -> None:
    for state in (PipelineState(duty="on"), replace(driven(PipelineState(duty="on"), [0.0]), trouble="receiver silent")):
        assert calm.stop_s(state) == 0.0
        assert calm.patience_s(state, 20.0) == calm.STOP_S


def test_near_a_planned_stop_it_is_not_calm() -> None:
    far = driven(bound_for(2_000.0), [0.0, 10.0])
    assert calm.stop_s(far) > 60.0
    near = driven(far, [10.0 * second for second in range(2, 180)])
    assert calm.stop_s(near) == 0.0
    assert calm.patience_s(near, 20.0) == calm.STOP_S


@pytest.mark.parametrize("speed_mps", [8.0, 14.0, 30.0])
def test_a_van_does_not_sleep_into_a_stop(speed_mps: float) -> None:
    """Driving straight at one from afar: it never wakes later than it begins to approach."""
    state, east_m, turns = looked(driven(bound_for(3_000.0), [0.0], speed_mps)), 0.0, []
    while east_m < 3_000.0 - APPROACH_M - 30.0:
        turns.append(calm.patience_s(state, 20.0))
        steps = [east_m + speed_mps * second for second in range(1, 1 + math.floor(turns[-1]))]
        state, east_m = looked(driven(state, steps, speed_mps)), steps[-1]
    assert east_m < 3_000.0 - APPROACH_M - 30.0 + speed_mps * calm.STOP_S
    assert turns[0] == 20.0
    assert turns[-1] == calm.STOP_S
    assert turns == sorted(turns, reverse=True)


def test_a_stop_whose_turn_it_is_not_lets_a_van_pass_in_its_sleep() -> None:
    state = driven(bound_for(5_000.0, 1_000.0), [10.0 * second for second in range(90)])
    assert calm.stop_s(state) > 200.0


def test_a_fence_shortens_no_sleep_and_what_the_hub_asks_for_comes_first() -> None:
    state = driven(on_shift((60.0, 20.0)), [0.0])
    assert [calm.patience_s(state, longest_s) for longest_s in (14.0, 10.0, 3.0)] == [14.0, 10.0, 3.0]


def test_the_disc_in_which_no_fence_needs_asking_moves_along_with_the_van() -> None:
    """What was clear from the last place is not all that is clear from this one."""
    state = driven(on_shift((3_000.0, 50.0), (-1_000.0, 50.0)), [0.0])
    state = driven(state, [10.0 * second for second in range(1, 90)])
    after = looked(state)
    assert fences.clear_m(after.membership, after.sites) > fences.clear_m(state.membership, state.sites)
