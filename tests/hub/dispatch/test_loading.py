"""Loading a van: what comes off first goes in last, and what is on board stays where it was put."""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import given, strategies as st

from roundsman_hub.dispatch.loading import placed
from roundsman_hub.planning import problem
from roundsman_hub.replan.decide import _told
from roundsman_wire import messages
from roundsman_wire.messages import BasedOn, Parcel, Plan, PlanStop


def stop(name: str, *parcels: str, kind: Literal["delivery", "pickup", "depot"] = "delivery", place: str = "") -> PlanStop:
    items = tuple(Parcel(parcel=parcel, place=place) for parcel in parcels)
    where: dict[str, Any] = {
        "lat_e6": 0,
        "lon_e6": 0,
        "fence_radius_m": 30,
        "leg_s": 60,
        "leg_m": 500,
        "service_s": 60,
        "arrival_utc_ms": 0,
    }
    return PlanStop(stop=name, tasks=() if kind == "depot" else (name,), kind=kind, items=items, **where)


def plan(*stops: PlanStop) -> Plan:
    return Plan(plan="p", vehicle="v", version=1, issued_utc_ms=0, based_on=BasedOn(session=None, facts_seq=0), stops=stops)


def places(stops: tuple[PlanStop, ...]) -> dict[str, str]:
    return {item.parcel: item.place for stop in stops for item in stop.items}


MORNING = (stop("a", "a1", "a2"), stop("back", "b1", kind="pickup"), stop("c", "c1"), stop("d", "d1"))


def test_at_the_depot_the_last_stop_lies_deepest() -> None:
    assert places(placed(MORNING, None, gone=False)) == {"a1": "1", "a2": "1", "b1": "", "c1": "2", "d1": "3"}


def test_before_departure_another_order_is_loaded_otherwise() -> None:
    morning = plan(*placed(MORNING, None, gone=False))
    assert places(placed(MORNING[::-1], morning, gone=False)) == {"d1": "1", "c1": "2", "b1": "", "a1": "3", "a2": "3"}


def test_on_the_road_goods_stay_where_they_were_put_however_the_order_changes() -> None:
    morning = plan(*placed(MORNING, None, gone=False))
    assert places(placed(MORNING[::-1], morning, gone=True)) == {"d1": "3", "c1": "2", "b1": "", "a1": "1", "a2": "1"}


def test_second_load_begins_at_the_door_again_and_what_was_handed_over_on_the_road_has_no_place() -> None:
    morning = plan(*placed(MORNING, None, gone=False))
    now = (stop("d", "d1"), stop("x", "x1"), stop("+charger", kind="depot"), stop("@depot", kind="depot"), stop("e", "e1"), stop("f", "f1"))
    assert places(placed(now, morning, gone=True)) == {"d1": "3", "x1": "", "e1": "1", "f1": "2"}


def test_a_charge_on_the_way_is_no_second_load() -> None:
    told = placed((stop("a", "a1"), stop("+charger", kind="depot"), stop("c", "c1")), None, gone=False)
    assert places(told) == {"a1": "1", "c1": "2"}, "two parcels of one load never share a place"


def test_planner_and_van_know_a_second_load_by_the_same_sign() -> None:
    assert messages.RELOAD == problem.RELOAD


def test_what_has_no_barcode_takes_its_room() -> None:
    assert places(placed((stop("a", "a1"), stop("sofa"), stop("c", "c1")), None, gone=False)) == {"a1": "1", "c1": "3"}


def test_a_plan_is_not_told_anew_only_because_its_parcels_have_places_now() -> None:
    """Otherwise every look at the depot would issue every plan again."""
    assert [_told(one) for one in placed(MORNING, None, gone=False)] == [_told(one) for one in MORNING]


def test_senders_own_place_stands() -> None:
    assert places(placed((stop("a", "a1", place="fridge"),), None, gone=False)) == {"a1": "fridge"}


@given(st.lists(st.sampled_from(["delivery", "pickup", "depot"]), max_size=12), st.booleans())
def test_nothing_but_places_changes(kinds: list[Literal["delivery", "pickup", "depot"]], gone: bool) -> None:
    """Invariant: dispatch adds where things lie, and nothing else; and no place within a load is taken twice by two stops."""
    given_stops = tuple(
        stop(f"s{at}", f"p{at}", kind=kind) if kind != "depot" else stop(f"@{at}", kind=kind) for at, kind in enumerate(kinds)
    )
    told = placed(given_stops, None, gone=gone)
    assert [(s.stop, s.kind, [i.parcel for i in s.items]) for s in told] == [
        (s.stop, s.kind, [i.parcel for i in s.items]) for s in given_stops
    ]
    load: list[str] = []
    for one in told:
        if one.kind == "depot":
            load = []
        load += [item.place for item in one.items if item.place]
        assert len(load) == len(set(load))
        assert load == [str(number + 1) for number in range(len(load))]
