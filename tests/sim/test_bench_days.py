"""The pretend days' benchmark: what is counted as better, and that whoever was interrupted goes on where they stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.planning.problem import Plan
from roundsman_sim import bench_days, day_shelf
from roundsman_sim.day_result import POLICIES, Result
from roundsman_sim.day_setting import LEARNED_FILE, Learned
from roundsman_sim.day_shelf import Lived, Shelf

ONE = Result(
    policy="living", seed=1, orders=100, served=100, on_time=98, urgent=8, urgent_on_time=8, late_s=60, km=120.0, vans_used=5,
    paid_cents=100_000, cost_cents=100_200, plans=60, churn=20, searches=50, took_s=30.0,
    tracks=((LatLon(60.0, 25.0), LatLon(60.1, 25.1)),),
)  # fmt: skip
TOWN = LatLon(60.0, 25.0)
LEARNED = Learned(homes=(("Street 1", TOWN),), fleet="f", depot="d", depot_at=TOWN, vehicles=("v",), lessons=3)


@pytest.mark.parametrize(
    ("ours", "theirs", "better"),
    [
        ((98, 100), (97, 101), True),
        ((98, 100), (97, 99), False),
        ((98, 100), (98, 101), False),
        ((100, 100), (100, 101), True),
        ((100, 100), (100, 100), False),
        ((100, 102), (100, 101), False),
    ],
)
def test_better_is_better_in_both_and_where_nobody_can_be_more_on_time_cheaper(
    ours: tuple[int, int], theirs: tuple[int, int], better: bool
) -> None:
    mine, other = (replace(ONE, on_time=on_time, cost_cents=cost) for on_time, cost in (ours, theirs))
    assert bench_days.better_in_both(mine, other) is better


def live(shelf: Shelf, number: int, *policies: str) -> None:
    shelf.keep_morning(number, Plan(routes={"v": ("a", "b")}, unassigned={"c": "no room"}))
    for policy in policies:
        shelf.keep(number, Lived(result=replace(ONE, policy=policy, seed=number), widths={30: {"alpha": 0.2}}))


def learn(folder: Path, lessons: int) -> None:
    (folder / "town").mkdir()
    (folder / "town" / LEARNED_FILE).write_bytes(msgspec.json.encode(replace(LEARNED, lessons=lessons)))


def test_an_interrupted_run_goes_on_and_a_finished_one_of_other_code_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, told = tmp_path / "days", list[str]()
    with Shelf.open(folder, 2, 3, told.append) as shelf:
        learn(folder, 3)
        live(shelf, 1, *POLICIES)
        live(shelf, 2, "greedy")
    monkeypatch.setattr(day_shelf, "_fingerprint", lambda: "of another day")
    with Shelf.open(folder, 2, 3, told.append) as shelf:
        assert "1 of 2 days" in told[-1]
        assert shelf.day(1) == [replace(ONE, policy=policy, seed=1) for policy in POLICIES]
        assert shelf.day(2) is None
        assert shelf.morning(2) == Plan(routes={"v": ("a", "b")}, unassigned={"c": "no room"})
        (greedy,) = [shelf.lived(2, "greedy")]
        assert greedy is not None
        assert greedy.widths == {30: {"alpha": 0.2}}
        live(shelf, 2, "static", "living")
        assert shelf.of_other_code(2) == 2
    with Shelf.open(folder, 2, 3, told.append) as shelf:
        assert "anew" in told[-1]
        assert shelf.day(1) is None


def test_a_finished_run_of_this_code_is_told_again_and_can_be_made_longer(tmp_path: Path) -> None:
    folder, told = tmp_path / "days", list[str]()
    with Shelf.open(folder, 1, 3, told.append) as shelf:
        learn(folder, 3)
        live(shelf, 1, *POLICIES)
    for days in (1, 5):
        with Shelf.open(folder, days, 3, told.append) as shelf:
            assert f"1 of {days} days" in told[-1]
            assert shelf.day(1) is not None
            assert shelf.of_other_code(days) == 0
    with Shelf.open(folder, 1, 6, told.append) as shelf:
        assert shelf.day(1) is None, "it learned from another number of days"
