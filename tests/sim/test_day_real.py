"""A pretend day with real processes: the shop's numbers and the hub's, and a whole small day whose outcome both sides tell alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from roundsman_hub.roads.extract import osrm_folder
from roundsman_sim import day_report, day_world
from roundsman_sim.day_real import repeat
from roundsman_sim.day_setting import FIRST_DAY, setting
from roundsman_sim.day_wire import Names
from roundsman_wire.messages import Action, BasedOn, Clock, Plan, PlanStop, Visit


def stop(name: str, kind: Literal["pickup", "depot"] = "pickup") -> PlanStop:
    return PlanStop(
        stop=name, tasks=(name,), kind=kind, lat_e6=1, lon_e6=1, fence_radius_m=60, leg_s=0, leg_m=0, service_s=0, arrival_utc_ms=0
    )


def test_a_plan_is_read_with_the_shops_numbers_and_facts_are_told_with_the_hubs() -> None:
    names = Names()
    names.know("o_1", "ord_a")
    plan = Plan(
        plan="p", vehicle="v", version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0),
        stops=(stop("ord_a"), stop("dp_1", "depot")),
    )  # fmt: skip
    assert [(s.stop, s.tasks) for s in names.plan(plan).stops] == [("o_1", ("o_1",)), ("dp_1", ("dp_1",))]
    done = Action(mono_ms=0, action="a", stop="o_1", tasks=("o_1",), outcome="delivered")
    stood = Visit(mono_ms=0, visit=1, phase="left", stop="o_1", lat_e6=1, lon_e6=1)
    told = [names.said(entry) for entry in (done, stood, Clock(mono_ms=0, utc_ms=0, source="gnss"))]
    assert [getattr(entry, "stop", None) for entry in told] == ["ord_a", "ord_a", None]
    assert told[0].tasks == ("ord_a",)  # type: ignore[union-attr]


@pytest.mark.deep
@pytest.mark.timeout(420)
@pytest.mark.skipif(osrm_folder() is None, reason="there is no OSRM here (it needs Python 3.12)")
def test_a_small_day_with_real_processes_serves_what_the_box_serves() -> None:
    """An hour and a bit of two vans, a minute in a second: hub, broker, database and the vans' own logs, ended in order."""
    with setting(None, vans=2, orders=10, town_seed=1, say=lambda _: None) as made:
        day = day_world.script(made.place.homes, vans=2, orders=10, day=FIRST_DAY, seed=3)
        asks = [replace(ask, opens=day.start, cancelled_at=None) for ask in day.asks if ask.known_at < day.start]
        at = day.start + timedelta(minutes=20)
        late = [replace(ask, known_at=at, opens=at) for ask in day.asks if ask.known_at >= day.start][:2]
        day = replace(day, asks=(*asks, *late), jams=(), troubles=(), no_shows=frozenset())
        found = repeat(made, day, factor=60, search_s=0.3, times=1, say=lambda _: None, starts_within_s=60)
        (box,) = found.box
        assert (found.real.orders, found.real.served) == (box.orders, box.served) == (len(day.asks), len(day.asks))
        assert found.real.plans > 0
        assert set(day_report.apart(found.real, found.box)) == {"on_time", "km", "cost", "paid"}
