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
from roundsman_sim.day_world import Trouble
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


AGREES_PCT = 1.0


@pytest.mark.deep
@pytest.mark.timeout(420)
@pytest.mark.skipif(osrm_folder() is None, reason="there is no OSRM here (it needs Python 3.12)")
def test_a_day_with_real_processes_comes_to_what_the_box_comes_to() -> None:
    """An hour and a bit of three vans, a minute in a second: hub, broker, database and the vans' own logs, ended in order. Something is
    ordered late and urgently, called off, nobody is at home, a van has no network, a driver rests: on time and cost within a hundredth."""
    with setting(None, vans=3, orders=18, town_seed=1, say=lambda _: None) as made:
        day = day_world.script(made.place.homes, vans=3, orders=18, day=FIRST_DAY, seed=3)
        at = {minutes: day.start + timedelta(minutes=minutes) for minutes in (10, 12, 15, 20, 25, 30, 40)}
        asks = [replace(ask, opens=day.start, cancelled_at=None) for ask in day.asks if ask.known_at < day.start]
        asks[-1] = replace(asks[-1], cancelled_at=at[12])
        late = [replace(ask, opens=at[15], cancelled_at=None) for ask in day.asks if ask.known_at >= day.start][:2]
        late = [replace(ask, known_at=known) for ask, known in zip(late, (at[15], at[25]), strict=True)]
        silent = Trouble(van=1, kind="no_network", since=at[10], until=at[20])
        rests = Trouble(van=2, kind="pause", since=at[30], until=at[40])
        no_shows = frozenset({asks[3].order})
        day = replace(day, asks=(*asks, *late), jams=(), troubles=(silent, rests), no_shows=no_shows)
        found = repeat(made, day, factor=60, search_s=0.5, times=1, say=lambda _: None, starts_within_s=60)
        (box,) = found.box
        assert found.real.orders == found.real.served == box.orders == box.served
        assert found.real.plans > 0
        apart = day_report.apart(found.real, found.box)
        assert set(apart) == {"on_time", "km", "cost", "paid"}
        assert abs(apart["on_time"]["apart_pct"]) <= AGREES_PCT
        assert abs(apart["cost"]["apart_pct"]) <= AGREES_PCT, apart
