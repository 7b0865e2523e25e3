"""What a plan changed, in a few words: part of the reason of the plan that takes it back, which drivers read at a glance."""

from __future__ import annotations

from roundsman_hub.domain import sentences
from roundsman_hub.replan.story import gist

NEW = "Kit: new for Van 2 as stop 5 (10:54)"
REST = " It saves 3.20. Why: delivery B-7 ordered; delivery B-8 ordered."


def test_one_change_is_told_whole_without_its_price_and_reason() -> None:
    assert gist(f"{NEW}.{REST}") == NEW


def test_of_many_changes_the_first_is_told_and_how_many_more() -> None:
    assert gist(f"{NEW}; Bo: taken from Van 1 (Van 1 is out: broken down); and 12 more.{REST}") == f"{NEW}; and 13 more"


def test_what_was_taken_back_is_told_in_the_drivers_language() -> None:
    (said,) = sentences.plain(f"a dispatcher took back: {gist(f'Kit: what Van 2 knows of it changed; {NEW}.{REST}')}")
    assert said["code"] == "plan.taken_back"
    assert [one["code"] for one in said["params"]["story_said"]] == ["story.known", "story.more"]


def test_words_that_nobody_knows_stay() -> None:
    assert gist("undone by hand") == "undone by hand"
