"""Damaged inputs against an oracle that knows the truth."""

from __future__ import annotations

import pytest

from roundsman_agent import gate
from roundsman_agent.fix import Fix
from roundsman_agent.gate import BELIEVED, Gate, Judgement
from roundsman_sim.bench_agent_fuzz import fuzz, rows


def test_damaged_inputs_crash_nothing_and_move_no_van() -> None:
    """Invariant: no believed fix is further from the truth than the gate's reach, and still nearly all sound ones are believed."""
    outcome = fuzz(20_000, seed=3)
    assert outcome.crashes == []
    assert outcome.wrong == []
    assert outcome.inputs >= 20_000
    assert outcome.believed > 0.8 * outcome.offered
    assert {"contradiction", "partial", "jump", "backwards"} <= set(outcome.refused)


def test_the_oracle_sees_what_a_gate_without_doubts_would_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def gullible(_: Gate, fix: Fix) -> tuple[Gate, Judgement]:
        return Gate(last=fix), BELIEVED

    monkeypatch.setattr(gate, "step", gullible)
    assert len(fuzz(20_000, seed=3).wrong) > 10


def test_the_rows_are_the_benchmarks() -> None:
    found = {row.name: row for row in rows(2_000, 5)}
    assert found["fuzz_inputs"].value is not None
    assert found["fuzz_inputs"].value >= 2_000
    assert found["fuzz_failures"].holds
