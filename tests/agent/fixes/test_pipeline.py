"""The life of a fix, from the receiver's word to the van's log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from roundsman_agent import pipeline, standstill
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.pipeline import DutyChanged, Input, Output, PipelineConfig, PipelineState, PlanChanged, Position, SitesChanged, Tick
from roundsman_agent.sampling import Policy
from roundsman_agent.times import GnssMs, MonoMs
from roundsman_core.geo import LatLon, LocalFrame, distance_m
from roundsman_wire.frames import RUN, pack_rows
from roundsman_wire.messages import ANCHORED, GAP_BEFORE, Clock, Crossing, Fence, FixGap, FixRow, PlanStop, Sites as SitesMessage, Visit

Make = Callable[..., Fix]
Drive = Callable[..., tuple[PipelineState, list[Output]]]


def rows(out: list[Output]) -> list[FixRow]:
    return [o for o in out if isinstance(o, FixRow)]


def test_a_round_ends_up_in_the_log(make_fix: Make, drive: Drive) -> None:
    """Out of the depot's fence, ten minutes of road, a delivery, and back on the road."""
    at = LocalFrame(LatLon(60.17, 24.94)).to_latlon(1_000, 0)
    depot = LatLon(60.17, 24.94)
    leg = PlanStop(
        stop="o_1",
        tasks=("o_1",),
        kind="delivery",
        lat_e6=at.lat_e6,
        lon_e6=at.lon_e6,
        fence_radius_m=40,
        leg_s=100,
        leg_m=1_000,
        service_s=60,
        arrival_utc_ms=0,
    )
    home = structs.replace(leg, stop="d_1", tasks=(), kind="depot", lat_e6=depot.lat_e6, lon_e6=depot.lon_e6)
    yard = Fence(fence="f_1", name="yard", rings_e6=(((depot.lat_e6, depot.lon_e6),),), radius_m=65)
    changed, wrong = SitesChanged.of(SitesMessage(version=3, fences=(yard,)))
    assert not wrong
    fixes = [make_fix(t, east_m=min(10.0 * t, 1_000), speed_mps=10.0 if t < 100 else 0.0) for t in range(160)]
    fixes += [make_fix(160 + t, east_m=1_000 + 10.0 * t, speed_mps=10.0) for t in range(20)]
    _, out = drive([changed, PlanChanged.of([leg, home]), *fixes])
    facts = [o for o in out if not isinstance(o, FixRow | Position)]
    assert [(type(o).__name__, o.mono_ms // 1000) for o in facts] == [
        ("Clock", 0),
        ("Crossing", 0),
        ("Crossing", 9),
        ("Visit", 72),
        ("Visit", 100),
        ("Visit", 160),
    ]
    assert [(o.phase, o.stop) for o in facts if isinstance(o, Visit)] == [("approaching", "o_1"), ("arrived", "o_1"), ("left", "o_1")]
    assert [o.event for o in facts if isinstance(o, Crossing)] == ["enter", "exit"]
    assert len(rows(out)) == len([o for o in out if isinstance(o, Position)]) == 180


def test_off_shift_nothing_is_collected_not_even_a_count(make_fix: Make) -> None:
    """Invariant 10: no location off shift, on the device."""
    config = PipelineConfig(policy=Policy(mode="full"))
    state = PipelineState()
    inputs: list[Input] = [
        make_fix(0),
        SourceEvent(kind="searching", mono_ms=MonoMs(500)),
        make_fix(1, accuracy_m=9_000.0),
        Tick(mono_ms=9_000, utc_ms=0),
    ]
    for item in inputs:
        after, out = pipeline.step(state, item, config)
        assert out == []
        assert after == state


def test_the_shifts_end_forgets_every_place(make_fix: Make, drive: Drive) -> None:
    state, _ = drive([make_fix(t) for t in range(200)])
    state, out = drive([DutyChanged(duty="off", mono_ms=200_000, utc_ms=None), make_fix(201)], state=state)
    assert [(o.phase, o.dwell_s) for o in out if isinstance(o, Visit)] == [("left", 200)]
    assert (state.newest, state.gate.last, state.gate.odd, state.kept, state.visits.current, state.membership.newest) == (None,) * 2 + (
        (),
    ) + (None,) * 3
    assert state.standstill.anchor is None
    _, out = drive([DutyChanged(duty="on", mono_ms=300_000, utc_ms=None), make_fix(301, east_m=500)], state=state)
    assert [r.flags for r in rows(out)] == [GAP_BEFORE], "no line is drawn over the time off shift"
    assert not [o for o in out if isinstance(o, FixGap)], "and it is no gap: nothing was to be collected"


def test_a_break_is_on_shift(make_fix: Make, drive: Drive) -> None:
    _, out = drive([make_fix(0), DutyChanged(duty="break", mono_ms=500, utc_ms=None), make_fix(1)])
    assert len(rows(out)) == 2


def test_a_tunnel_is_told_as_a_gap_with_its_reason(make_fix: Make, drive: Drive) -> None:
    before, after = (
        [make_fix(t, east_m=10.0 * t, speed_mps=10) for t in range(10)],
        [make_fix(50 + t, east_m=500, speed_mps=1) for t in range(3)],
    )
    _, out = drive([*before, SourceEvent(kind="searching", mono_ms=MonoMs(11_000)), Tick(mono_ms=12_000, utc_ms=0), *after])
    gaps = [o for o in out if isinstance(o, FixGap)]
    assert [(g.from_utc_ms, g.utc_ms, g.reason) for g in gaps] == [(1_760_000_009_000, 1_760_000_050_000, "no fix")]
    assert [r.mono_ms for r in rows(out) if r.flags & GAP_BEFORE] == [0, 50_000]


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        ([SourceEvent(kind="lost", mono_ms=MonoMs(11_000)), SourceEvent(kind="open", mono_ms=MonoMs(19_000))], "receiver lost"),
        ([SourceEvent(kind="silent", mono_ms=MonoMs(15_000)), SourceEvent(kind="lost", mono_ms=MonoMs(30_000))], "receiver silent"),
        ([Tick(mono_ms=12_000, utc_ms=0)], "receiver silent"),
        ([], "silent"),
    ],
)
def test_a_gap_is_blamed_on_what_was_known_first(between: list[Input], reason: str, make_fix: Make, drive: Drive) -> None:
    _, out = drive([make_fix(0), *between, make_fix(40)])
    assert [o.reason for o in out if isinstance(o, FixGap)] == [reason]


def test_a_clock_that_is_set_anew_opens_no_gap(make_fix: Make, drive: Drive) -> None:
    fixes = [make_fix(t, mono_ms=t * 1000 + (3_000 if 10 <= t < 40 else 0)) for t in range(60)]
    _, out = drive(fixes)
    assert len([o for o in out if isinstance(o, Clock)]) == 3, "the session's clock is told, there and back"
    assert not [o for o in out if isinstance(o, FixGap)]
    assert len(rows(out)) == 60


def test_a_slow_receiver_has_no_gaps(make_fix: Make, drive: Drive) -> None:
    _, out = drive([make_fix(5 * t, east_m=50.0 * t, speed_mps=10) for t in range(30)])
    assert len([o for o in out if isinstance(o, FixGap)]) == 1, "its first interval cannot be known to be usual"


def test_refused_fixes_are_counted_by_reason_and_leave_a_gap(make_fix: Make, drive: Drive) -> None:
    wild = [make_fix(t, east_m=(-1) ** t * 2_000.0 * t) for t in range(3, 8)]
    state, out = drive([*(make_fix(t) for t in range(3)), *wild, make_fix(8), make_fix(9)])
    assert dict(state.rejected) == {"jump": 5}
    assert state.accepted == 5
    assert [o.reason for o in out if isinstance(o, FixGap)] == ["refused"]


def test_a_date_before_the_rollover_costs_the_date_not_the_place(make_fix: Make, drive: Drive) -> None:
    old = [make_fix(t, utc_ms=1_000_000_000_000 + t * 1000) for t in range(3)]
    state, out = drive(old)
    assert [r.utc_ms for r in rows(out)] == [None] * 3
    assert not [o for o in out if isinstance(o, Clock)]
    assert dict(state.rejected) == {"date": 3}
    assert state.accepted == 3


def test_a_receiver_whose_time_jumps_back_for_good_is_followed_and_told(make_fix: Make, drive: Drive) -> None:
    back_ms = 3_600_000
    late = [make_fix(t, utc_ms=1_760_000_000_000 + t * 1000 - back_ms) for t in range(5, 20)]
    state, out = drive([*(make_fix(t) for t in range(5)), *late])
    assert dict(state.rejected) == {"backwards": 2}
    clocks = [o for o in out if isinstance(o, Clock)]
    assert [c.utc_ms for c in clocks] == [1_760_000_000_000, 1_760_000_007_000 - back_ms]
    monos = [r.mono_ms for r in rows(out)]
    assert monos == sorted(monos)


def test_a_parked_vans_rows_stay_at_one_place_and_say_so(make_fix: Make, drive: Drive) -> None:
    _, out = drive([make_fix(t, east_m=(t % 7) * 0.5, north_m=(t % 5) * 0.7, speed_mps=0.05) for t in range(100)])
    anchored = [r for r in rows(out) if r.flags & ANCHORED]
    assert len(anchored) == 90
    assert len({(r.lat_e6, r.lon_e6) for r in anchored}) == 1


def test_an_hours_rows_are_one_run_on_the_wire(make_fix: Make, drive: Drive) -> None:
    """12 bytes a fix: jitter of delivery starts no new run."""
    fixes = [make_fix(t, east_m=9.0 * t, speed_mps=9.0, mono_ms=t * 1000 + (t * 37) % 200) for t in range(3_600)]
    _, out = drive(fixes)
    assert len(pack_rows(rows(out))) == RUN.size + 3_600 * 12


def test_a_receiver_that_says_no_speed_still_stops_and_goes(make_fix: Make, drive: Drive) -> None:
    fixes = [make_fix(t, speed_mps=None) for t in range(200)] + [make_fix(200 + t, east_m=10.0 * t, speed_mps=None) for t in range(20)]
    _, out = drive(fixes)
    assert [(o.phase, o.mono_ms // 1000) for o in out if isinstance(o, Visit)] == [("arrived", 0), ("left", 201)]


def test_evidence_keeps_the_fix_of_every_visit_and_crossing(make_fix: Make, drive: Drive) -> None:
    """A fact's place and time can be checked against the track."""
    state, _ = drive([])
    kept = facts = 0
    for t in range(330):
        fix = make_fix(t, east_m=max(t - 300, 0) * 10.0, speed_mps=0.0 if t < 300 else 10.0)
        state, out = drive([fix], config=PipelineConfig(policy=Policy(mode="evidence")), state=state)
        kept += len(rows(out))
        if any(isinstance(o, Visit | Crossing) for o in out):
            facts += 1
            assert rows(out)
    assert facts == 2
    assert kept < 15


ROUNDED_M = 0.1
"""Half a millionth of a degree, both ways."""


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 2, 7]), st.floats(-30, 30), st.floats(0, 20), st.booleans()), max_size=80))
def test_in_full_mode_every_believed_fix_is_kept_once(steps: list[tuple[int, float, float, bool]]) -> None:
    """Invariant: accepted = rows; believed + refused = all; a row says what the receiver said, or an anchor that one of the last three
    believed fixes was within the anchor's reach of (steps of 30 m, and a refused fix between two, take single ones much farther)."""
    place = LocalFrame(LatLon(60.17, 24.94)).to_latlon
    config = PipelineConfig(policy=Policy(mode="full"))
    state, _ = pipeline.step(PipelineState(), DutyChanged(duty="on", mono_ms=0, utc_ms=None), config)
    t, east_m, kept, believed = 0, 0.0, 0, list[LatLon]()
    for passed_s, moved_m, speed_mps, dated in steps:
        t, east_m = t + passed_s, east_m + moved_m
        at = place(east_m, 0)
        utc_ms = GnssMs(1_760_000_000_000 + t * 1000) if dated else None
        fix = Fix(mono_ms=MonoMs(t * 1000), utc_ms=utc_ms, position=at, speed_mps=speed_mps)
        state, out = pipeline.step(state, fix, config)
        found = [o for o in out if isinstance(o, FixRow)]
        kept += len(found)
        assert len(found) == len([o for o in out if isinstance(o, Position)]) <= 1
        for row in found:
            believed = [*believed[1 - standstill.DRIFT_FIXES :], at]
            reach_m = standstill.DRIFT_M if row.flags & ANCHORED else 0.0
            said = believed if row.flags & ANCHORED else [at]
            assert min(distance_m(LatLon.from_e6(row.lat_e6, row.lon_e6), one) for one in said) <= reach_m + ROUNDED_M
    assert state.accepted == kept
    assert state.accepted + sum(state.rejected.values()) == len(steps)
