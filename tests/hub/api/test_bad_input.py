"""What no delivery day can be: one table, through the command line, through the API, and from files where they can say it.

Each time the answer names the task (or the van) and the reason, and everything else is planned.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.hub.api.csv_town import Case, asked, near, searched
from tests.hub.api.test_solving import problem, solved

from roundsman_hub.__main__ import main
from roundsman_hub.planning.soundness import sound

Shop = Any
Body = dict[str, Any]
FAR = 1_000_000_000
"""10⁶ km in metres."""


@dataclass(frozen=True, kw_only=True)
class Bad:
    """`change`: what is wrong in a problem of three deliveries and one van. `words`: what is told of `who`; None: what each task is told.

    `told`: it is a mistake, and listed as one, not just work without a van.
    """

    change: Callable[[Body], object]
    words: str
    who: str | None = "task t2"
    told: bool = True


def task(**fields: Any) -> Callable[[Body], object]:
    return lambda body: body["tasks"][1].update(fields)


def second_van(**fields: Any) -> Callable[[Body], object]:
    return lambda body: body["vans"].append({**body["vans"][0], "vehicle": "v2", **fields})


def ways(*, way: Any, there: bool = True, back: bool = True) -> Callable[[Body], object]:
    """The ways to place 2, and from it."""

    def change(body: Body) -> None:
        for name in ("durations_s", "distances_m"):
            for other in (0, 1, 3):
                if there:
                    body[name][other][2] = way
                if back:
                    body[name][2][other] = way

    return change


def a_row_is_missing(body: Body) -> None:
    body["durations_s"][2] = body["distances_m"][2] = None


BAD: dict[str, Bad] = {
    # contradictory windows
    "window that ends before it begins": Bad(change=task(windows_s=[[500, 100]]), words="its window ends (100) before it begins (500)"),
    "window after the deadline": Bad(change=task(windows_s=[[5000, 6000]], deadline_s=100), words="open at 5000, after its deadline 100"),
    "windows in disorder": Bad(change=task(windows_s=[[500, 600], [0, 100]]), words="its windows are not in order"),
    "promise that ends before it begins": Bad(change=task(promise_s=[500, 100]), words="its promise ends (100) before it begins (500)"),
    "pickup that is ready after its deadline": Bad(
        change=task(kind="pickup", release_s=900, deadline_s=600), words="ready at 900, after its deadline 600"
    ),
    "window that is over": Bad(change=task(windows_s=[[-900, -600]]), words="no van can be there before", told=False),
    # unreachable places, matrices with holes, 10⁶ km
    "place without a way": Bad(change=ways(way=-1), words="no road reaches this address"),
    "hole in the matrix": Bad(change=ways(way=None), words="no road reaches this address"),
    "way there, none back": Bad(change=ways(way=None, there=False), words="no road reaches this address", told=False),
    "row that is missing": Bad(change=a_row_is_missing, words="no road reaches this address", told=False),
    "a million kilometres": Bad(change=ways(way=FAR), words="no road reaches this address"),
    "place that is none": Bad(change=task(place=77), words="its place 77 is not one of the 4 places"),
    # negative and absurd sizes
    "negative load": Bad(change=task(load=[-3]), words="its load (-3,) is less than nothing"),
    "load of a mountain": Bad(change=task(load=[10**18]), words=f"larger than every van ({10**18} > 10)"),
    "load that no van takes": Bad(change=task(load=[11]), words="larger than every van (11 > 10)", told=False),
    "negative service": Bad(change=task(service_s=-60), words="its service_s is -60"),
    "service of an age": Bad(change=task(service_s=10**15), words=f"its service_s is {10**15}"),
    "parking of less than no time": Bad(change=task(parking_by_type=[["bike", -5]]), words="its parking by bike is -5"),
    "release after the end of time": Bad(change=task(release_s=10**18), words=f"its release_s is {10**18}"),
    "price below nothing": Bad(change=task(left_out_cents=-1), words="its left_out_cents is -1"),
    "ride of less than no time": Bad(change=task(max_ride_s=-5), words="its max_ride_s is -5"),
    "half a shipment": Bad(change=task(shipment="s"), words="shipment s is not one pickup and one delivery"),
    "skill of nobody": Bad(change=task(skills=["crane"]), words="no van has the skill crane", told=False),
    # shifts and vans
    "shift that ends before it begins": Bad(
        change=second_van(start_s=900, shift_end_s=100), words="its shift ends (100) before it begins (900)", who="van v2"
    ),
    "shift of a year": Bad(change=second_van(shift_end_s=365 * 86_400), words="its shift is longer than 100 days", who="van v2"),
    "shift from the end of time": Bad(change=second_van(start_s=10**18, shift_end_s=10**18 + 9), words="its start_s is 10", who="van v2"),
    "break that ends before it begins": Bad(
        change=second_van(breaks=[{"duration_s": 60, "earliest_s": 100, "latest_s": 0}]), words="its break from 100 to 0", who="van v2"
    ),
    "break whose windows are in disorder": Bad(
        change=second_van(breaks=[{"duration_s": 60, "earliest_s": 0, "latest_s": 900, "gaps_s": [[500, 100]]}]),
        words="its break from 0 to 900 of 60 s is none",
        who="van v2",
    ),
    "second load at a depot that is none": Bad(
        change=second_van(reloads=["d9"]), words="there is no depot 'd9' where it could load again", who="van v2"
    ),
    "load that takes less than no time": Bad(
        change=second_van(begun={"step": "@d", "left_s": -600}), words="its @d that is begun takes -600 s more", who="van v2"
    ),
    "van that is paid for setting out again": Bad(change=second_van(again_cents=-1), words="its again_cents is -1", who="van v2"),
    "van smaller than nothing": Bad(change=second_van(capacity=[-1]), words="is less than nothing", who="van v2"),
    "van that starts nowhere": Bad(change=second_van(start_place=99), words="its start_place 99 is not one of the 4", who="van v2"),
    "van that is paid for driving": Bad(change=second_van(cents_per_km=-40), words="its cents_per_km is -40", who="van v2"),
    "battery below nothing": Bad(change=second_van(energy={"range_m": -1, "full_m": 5}), words="its range is less", who="van v2"),
    "empty fleet": Bad(change=lambda body: body.update(vans=[]), words="no van has a shift", who=None, told=False),
    "only an impossible shift": Bad(
        change=lambda body: body["vans"][0].update(start_s=900, shift_end_s=100), words="no van has a shift", who=None
    ),
}
HARMLESS: dict[str, Callable[[Body], object]] = {
    # what only means "no limit"
    "window until the end of time": task(windows_s=[[0, 10**18]]),
    "deadline at the end of time": task(deadline_s=10**30),
    "priceless": task(left_out_cents=10**30),
    "van without a bottom": second_van(capacity=[10**18]),
    "battery of a star": second_van(energy={"range_m": 10**18, "full_m": 10**18}),
    "wait without an end": lambda body: body.update(max_wait_s=10**30),
    "depot that is always open": lambda body: body.update(depots=[{"depot": "d", "place": 0, "windows_s": [[-(10**30), 10**30]]}]),
    "hole that another way goes around": lambda body: body["durations_s"][0].__setitem__(2, None),
}


def bad_body(name: str) -> Body:
    body = problem()
    BAD[name].change(body)
    return body


def is_right(bad: Bad, routes: dict[str, list[str]], unassigned: dict[str, str], wrong: dict[str, str]) -> None:
    """The one is named with its reason, everything else is planned."""
    served = sorted(step for route in routes.values() for step in route)
    if bad.who is None:
        assert served == []
        assert all(bad.words in unassigned[one] for one in ("t1", "t2", "t3"))
        assert bool(wrong) == bad.told
    elif bad.who.startswith("task"):
        assert served == ["t1", "t3"]
        assert bad.words in unassigned["t2"]
        assert (bad.words in wrong.get(bad.who, "")) == bad.told
    else:
        assert served == ["t1", "t2", "t3"]
        assert wrong.keys() == {bad.who}
        assert bad.words in wrong[bad.who]


@pytest.mark.parametrize("name", BAD)
def test_the_api_names_it_and_plans_the_rest(shop: Shop, name: str) -> None:
    found = solved(shop, bad_body(name))
    wrong = dict(one["detail"].split(": ", 1) for one in found["problems"])
    is_right(BAD[name], found["plan"]["routes"], found["plan"]["unassigned"], wrong)
    assert all(one["next_step"] for one in found["problems"])


@pytest.mark.parametrize("name", BAD)
def test_the_command_line_names_it_and_plans_the_rest(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(bad_body(name)))
    code = main(["solve", str(file), "--seconds", "0", "--json"])
    said = json.loads(capsys.readouterr().out)
    is_right(BAD[name], said["routes"], said["unassigned"], said["wrong"])
    assert code == (2 if BAD[name].told else 0)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_means_no_limit_is_planned(shop: Shop, name: str) -> None:
    body = problem()
    HARMLESS[name](body)
    found = solved(shop, body)
    assert (found["problems"], found["plan"]["unassigned"]) == ([], {})


def test_a_search_goes_on_with_what_is_absurd_taken_out(shop: Shop) -> None:
    """Engines count in 64 bits: none of these numbers may reach them."""
    body = problem()
    for change in (
        task(windows_s=[[0, 10**18]], left_out_cents=10**30),
        *(HARMLESS[name] for name in HARMLESS if "van" in name or "star" in name),
    ):
        change(body)
    body["vans"][1]["vehicle"] = "v3"
    body["tasks"].append({**body["tasks"][0], "task": "t4", "load": [10**18]})
    found = solved(shop, body, seconds=0.5)
    assert set(found["plan"]["unassigned"]) == {"t4"}
    assert "crash" not in found["note"], found["note"]


# ── from files ───────────────────────────────────────────────────────────────────────────────────────────────────────

ORDERS: dict[str, tuple[dict[str, str], str, str]] = {
    # what is wrong with an order's line: (cells, the column, the words)
    "window backwards": (
        {"window_start": "2026-03-02 16:00", "window_end": "2026-03-02 14:00"},
        "line",
        "window_end is before window_start",
    ),
    "another window backwards": ({"more_windows": "2026-03-02T16:00/2026-03-02T14:00"}, "line", "before it begins"),
    "promise backwards": (
        {"promise_start": "2026-03-02 16:00", "promise_end": "2026-03-02 14:00"},
        "line",
        "promise_end is before promise_start",
    ),
    "negative parcels": ({"parcels": "-2"}, "parcels", "greater than 0"),
    "a mountain": ({"parcels": "10000000000000000000000"}, "parcels", "less than or equal to"),
    "negative weight": ({"weight_g": "-1"}, "weight_g", "greater than or equal to 0"),
    "service of an age": ({"service_s": "1000000"}, "service_s", "less than or equal to"),
    "a million kilometres north": ({"lat_deg": "9000"}, "lat_deg", "less than or equal to 90"),
    "outside every shift": ({"window_start": "2026-03-08 10:00", "window_end": "2026-03-08 12:00"}, "window_start", "outside every shift"),
}
VANS: dict[str, tuple[dict[str, str], str, str]] = {
    "shift backwards": ({"shift_end": "2026-03-02 01:00"}, "line", "shift_end must be after shift_start"),
    "smaller than nothing": ({"capacity": "-5"}, "capacity", "greater than 0"),
    "break backwards": ({"breaks": "2026-03-02T16:00/2026-03-02T14:00/60"}, "breaks", "before it begins"),
    "battery below nothing": ({"range_m": "-5"}, "range_m", "greater than or equal to 0"),
    "paid for driving": ({"cents_per_km": "-40"}, "cents_per_km", "greater than or equal to 0"),
}
GOOD_ORDER = {"lat_deg": "50.001", "lon_deg": "10.0", "window_start": "2026-03-02 13:00", "window_end": "2026-03-02 17:00"}
GOOD_VAN = {"name": "A", "capacity": "20", "shift_start": "2026-03-02 08:00", "shift_end": "2026-03-02 18:00"}


def sent(shop: Shop, door: str, good: dict[str, str], bad: dict[str, str]) -> dict[str, Any]:
    """A bad line between two good ones."""
    columns = list(dict.fromkeys([*good, *bad]))
    lines = [",".join(columns)] + [",".join(row.get(one, "") for one in columns) for row in (good, good | bad, good)]
    found: dict[str, Any] = shop.post(door, content="\n".join(lines), headers={"Content-Type": "text/csv"}).json()
    return found


@pytest.mark.parametrize(
    ("door", "good", "bad"),
    [pytest.param("/v1/orders:import", GOOD_ORDER, bad, id=name) for name, bad in ORDERS.items()]
    + [pytest.param("/v1/vehicles:import", GOOD_VAN, bad, id=name) for name, bad in VANS.items()],
)
def test_a_file_s_bad_line_is_named_and_the_others_are_taken(
    shop: Shop, door: str, good: dict[str, str], bad: tuple[dict[str, str], str, str]
) -> None:
    shop.van(shop.depot())
    cells, column, words = bad
    report = sent(shop, door, good, cells)
    assert report["imported"] == 2, report
    ((line, field, detail),) = [(one["line"], one["field"], one["detail"]) for one in report["bad"]]
    assert (line, field.split(".")[0]) == (3, column)
    assert words in detail


def test_what_only_the_planner_can_know_is_named_there(shop: Shop) -> None:
    """From files: one order is served; no van can carry another, one has a deadline before its window, and no road is near the last."""
    case = Case(
        vans=[{"name": "A", "capacity": 5}],
        orders=[
            near("ok"),
            near("far", 4_000_000),
            near("big", parcels=6),
            near("late", window=(60, 90), deadline=5),
        ],
        expected={},
        drop="",
    )
    found = asked(shop, case)
    whole = sound(found.problem)
    plan = searched(whole.problem)
    assert found.routes(plan) == {"A": ["ok"]}
    reasons = {found.orders[one]: why for one, why in {**plan.unassigned, **whole.tasks}.items()}
    assert reasons.keys() == {"big", "late"}
    assert "larger than every van (6 > 5)" in reasons["big"]
    assert "after its deadline" in reasons["late"]
    (waiting,) = shop.get("/v1/geocode-queue").json()["items"]
    assert (waiting["reference"], "from the nearest road" in waiting["reason"]) == ("far", True), waiting


def test_a_file_of_orders_for_an_empty_fleet_names_each_line(shop: Shop) -> None:
    """No vehicle yet: nobody could ever serve them, and each line says so."""
    shop.depot()
    columns = list(GOOD_ORDER)
    lines = [",".join(columns)] + [",".join(GOOD_ORDER.values())] * 2
    report = shop.post("/v1/orders:import", content="\n".join(lines), headers={"Content-Type": "text/csv"}).json()
    assert report["imported"] == 0
    assert [(bad["line"], bad["field"]) for bad in report["bad"]] == [(2, "window_start"), (3, "window_start")]
    assert all("shift" in bad["detail"] for bad in report["bad"])
