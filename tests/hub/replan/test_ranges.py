"""How far an electric van can still drive in the middle of its round: what it drove and charged since is in the plan."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LocalFrame
from roundsman_hub.replan.load import load_world
from roundsman_hub.replan.ranges import left

Yard = Any  # the fixture of conftest.py
FULL_M = 40_000


def electric(yard: Yard, **more: Any) -> str:
    vehicle: str = yard.van("Quiet")
    said(yard, vehicle, range_m=FULL_M, **more)
    return vehicle


def said(yard: Yard, vehicle: str, **terms: Any) -> None:
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicles SET terms = terms || %s WHERE vehicle_id = %s", (json.dumps(terms), vehicle))


def drove(yard: Yard, vehicle: str, *, since_min: float, until_min: float, metres: int) -> None:
    """A fix every ten seconds along a straight road, at even pace, as ingest writes them."""
    start = yard.clock.now() - timedelta(minutes=since_min)
    seconds = round(60 * (since_min - until_min))
    centre = LocalFrame(yard_centre(yard))
    with yard.db.transaction() as cur:
        cur.execute(
            "SELECT session_no, coalesce((SELECT max(seq) FROM log.fixes f WHERE f.session_no = s.session_no), 0) AS seq"
            " FROM log.sessions s WHERE vehicle_id = %s",
            (vehicle,),
        )
        session = cur.fetchone()
        for n in range(seconds // 10 + 1):
            at = centre.to_latlon(metres * 10 * n / seconds, 0)
            cur.execute(
                "INSERT INTO log.fixes (time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, satellites, flags)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, 1200, 9, 0)",
                (
                    start + timedelta(seconds=10 * n),
                    vehicle,
                    session["session_no"],
                    session["seq"] + 2 + n,
                    10_000 * n,
                    at.lat_e6,
                    at.lon_e6,
                ),
            )


def yard_centre(yard: Yard) -> Any:
    with yard.db.transaction() as cur:
        world = load_world(cur, yard.depot, yard.clock)
    assert world is not None
    return world.depot


def left_m(yard: Yard, vehicle: str) -> int | None:
    with yard.db.transaction() as cur:
        world = load_world(cur, yard.depot, yard.clock)
    assert world is not None
    found: int | None = world.vans[vehicle].range_left_m
    return found


def set_out(yard: Yard, vehicle: str, *, ago_min: float) -> None:
    """Its driver came on duty so long ago, in the shift."""
    yard.duty(vehicle, "on")
    with yard.db.transaction() as cur:
        cur.execute("UPDATE duties SET at = %s WHERE vehicle_id = %s", (yard.clock.now() - timedelta(minutes=ago_min), vehicle))


def charged(yard: Yard, vehicle: str, *, ago_min: float) -> None:
    """The driver's word at a charger, as derive writes it down."""
    at: datetime = yard.clock.now() - timedelta(minutes=ago_min)
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO depot_calls (session_no, seq, vehicle_id, fleet_id, call, stop, event, tasks, version, at)"
            " SELECT session_no, 900, vehicle_id, %s, 'c', '+c', 'charged', '[]', 1, %s FROM log.sessions WHERE vehicle_id = %s",
            (yard.fleet, at, vehicle),
        )


def test_a_van_in_its_depot_has_what_was_said(yard: Yard) -> None:
    van, plain = electric(yard), yard.van("Loud")
    assert (left_m(yard, van), left_m(yard, plain)) == (FULL_M, None)


def test_what_was_driven_since_the_start_is_gone(yard: Yard) -> None:
    van = electric(yard)
    drove(yard, van, since_min=90, until_min=70, metres=9_000)  # brought in before the shift, and charged since
    set_out(yard, van, ago_min=60)
    drove(yard, van, since_min=60, until_min=30, metres=15_000)
    assert left_m(yard, van) == pytest.approx(FULL_M - 15_000, abs=60)


def test_a_charge_on_the_way_fills_it(yard: Yard) -> None:
    van = electric(yard, full_range_m=50_000)
    set_out(yard, van, ago_min=60)
    drove(yard, van, since_min=60, until_min=30, metres=15_000)
    charged(yard, van, ago_min=25)
    drove(yard, van, since_min=20, until_min=10, metres=6_000)
    assert left_m(yard, van) == pytest.approx(50_000 - 6_000, abs=60)


def test_what_its_battery_said_counts_from_then_on(yard: Yard) -> None:
    """Newer than the charge, and than the start: heating took more than the road did."""
    van = electric(yard, full_range_m=50_000)
    set_out(yard, van, ago_min=60)
    charged(yard, van, ago_min=50)
    drove(yard, van, since_min=45, until_min=25, metres=12_000)
    said(yard, van, range_m=20_000, range_as_of=(yard.clock.now() - timedelta(minutes=22)).isoformat())
    drove(yard, van, since_min=20, until_min=10, metres=6_000)
    assert left_m(yard, van) == pytest.approx(14_000, abs=60)
    said(yard, van, range_m=20_000, range_as_of=(yard.clock.now() - timedelta(days=1)).isoformat())
    assert left_m(yard, van) == pytest.approx(50_000 - 18_000, abs=60), "yesterday's word is of another shift"


def test_a_re_plan_in_the_middle_counts_what_was_driven(yard: Yard) -> None:
    """The far order would be in reach of a full battery; of what is left of it, it is not. Once it was charged, it is."""
    van = electric(yard)
    near = yard.order(2_000, 0)
    yard.plan()
    assert yard.route(van) == [near]
    yard.receipt(van)
    set_out(yard, van, ago_min=60)
    yard.at(van, 0, 0)
    drove(yard, van, since_min=60, until_min=20, metres=25_000)
    far = yard.order(9_000, 0)  # 18 km there and back, as the crow flies; 24 by the road
    yard.plan()
    assert yard.route(van) == [near]
    assert yard.unassigned()[far].startswith("no battery reaches it (needs ")
    charged(yard, van, ago_min=5)
    yard.bump()
    yard.plan()
    assert set(yard.route(van)) == {near, far}


@given(st.integers(0, 200_000), st.integers(1, 200_000), st.integers(0, 1_000_000))
def test_what_is_left_is_never_more_than_full_nor_less_than_nothing(range_m: int, full_m: int, drove_m: int) -> None:
    found = left(min(range_m, full_m), full_m, drove_m)
    assert 0 <= found <= full_m
    if drove_m <= min(range_m, full_m):
        assert found == min(range_m, full_m) - drove_m
