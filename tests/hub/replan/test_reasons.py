"""The table of reasons is what the planner runs on, and what documents say."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import roundsman_hub.replan
from roundsman_hub.replan.reasons import BY_KIND, REASONS, USUAL_CENTS, Kind, least_gain_cents, table, trigger_of


def test_every_kind_has_its_row_and_the_document_quotes_the_table() -> None:
    assert set(BY_KIND) == set(get_args(Kind))
    assert len(BY_KIND) == len(REASONS)
    assert all(trigger.meaning and trigger.least_gain_cents > 0 for trigger in REASONS)
    readme = Path(roundsman_hub.replan.__file__ or "").with_name("README.md").read_text()
    assert table() in readme, "copy what `table()` says into replan/README.md"


def test_the_most_eager_reason_says_what_a_search_has_to_save() -> None:
    assert least_gain_cents(["ordered", "promise"]) < least_gain_cents(["ordered"]) == USUAL_CENTS
    assert least_gain_cents(["asked"]) == 1
    assert least_gain_cents([]) == USUAL_CENTS
    assert trigger_of("a kind of another release").kind == "fleet"
