"""Changes of a plan, as a driver reads them."""

from __future__ import annotations

from roundsman_hub.planning.diff import diff, diff_plans

NAMES = {"a": "Bakery", "b": "Florist", "c": "School", "d": "Museum"}


def test_an_added_stop_is_the_only_change_although_all_after_it_shift() -> None:
    assert diff(("a", "b", "c"), ("a", "d", "b", "c"), NAMES) == ["Added: Museum as stop 2"]


def test_a_cancelled_stop_is_removed() -> None:
    assert diff(("a", "b", "c"), ("a", "c"), NAMES) == ["Removed: Florist"]


def test_one_moved_stop_is_one_change() -> None:
    assert diff(("a", "b", "c", "d"), ("d", "a", "b", "c"), NAMES) == ["Moved: Museum is now stop 1"]


def test_nothing_new_is_nothing_to_tell() -> None:
    assert diff(("a", "b"), ("a", "b"), NAMES) == []


def test_a_stop_without_a_name_is_called_by_its_id() -> None:
    assert diff((), ("o_1",), {}) == ["Added: o_1 as stop 1"]


def test_only_vans_whose_route_changed_are_told() -> None:
    before = {"v": ("a", "b"), "w": ("c",)}
    after = {"v": ("a",), "w": ("c",), "x": ("b",)}
    assert diff_plans(before, after, NAMES) == {"v": ["Removed: Florist"], "x": ["Added: Florist as stop 1"]}
