"""`roundsman-hub top`: rates are differences of two looks, and everything fits a narrow terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from roundsman_hub.telemetry.figures import Sample
from roundsman_hub.telemetry.gather import Answer, Noted
from roundsman_hub.telemetry.top import WIDTH, Look, as_dict, screen
from roundsman_wire.frames import GONE_REASONS

INGEST = Noted(role="ingest", pid=4_194_304, born=1, url="http://127.0.0.1:1")


def looked(at_s: float, fixes: int, cpu_s: float, **database: object) -> Look:
    samples = (
        Sample("roundsman_ingest_events_total", "", (("what", "fixes"),), fixes),
        Sample("process_cpu_seconds_total", "", (), cpu_s),
        Sample("roundsman_ingest_batch_seconds", "_sum", (), fixes / 1000),
        Sample("roundsman_ingest_batch_seconds", "_count", (), fixes / 10),
        *(Sample("roundsman_log_gap_entries", "", (("reason", reason),), 10**9) for reason in GONE_REASONS.values()),
    )
    return Look(at_s=at_s, answers=[Answer(process=INGEST, problems={}, samples=samples)], missing=[], database=dict(database))


def test_rates_are_told_a_second() -> None:
    told = as_dict(looked(10.0, 1_000, 1.0), looked(12.0, 5_000, 1.5))
    assert told["ready"]
    assert told["ingest"]["fixes_s"] == 2_000.0
    assert told["ingest"]["batch_s"] == 0.01
    assert told["roles"][0] == {"role": "ingest", "pid": INGEST.pid, "cpu": 0.25, "memory_mb": 0.0, "problems": {}}


def test_a_process_that_was_started_anew_counts_from_nothing_and_no_rate_is_negative() -> None:
    assert as_dict(looked(10.0, 5_000, 9.0), looked(12.0, 10, 0.1))["ingest"]["fixes_s"] == 0.0


def test_no_line_is_longer_than_a_narrow_terminal_whatever_there_is_to_say() -> None:
    now = looked(
        12.0,
        10**9,
        2.0,
        workers=[{"name": "somewhere:1", "shards": 1}] * 64,
        waiting=[{"vehicle_id": "v_" + "f" * 60, "backlog": 10**9, "seen_s": 10**6}] * 5,
        oldest={"vehicle_id": "v_" + "f" * 60, "at": datetime.now(UTC) - timedelta(days=9)},
        away="the server closed the connection unexpectedly " * 5,
    )
    broken = Answer(process=INGEST, problems={"role": "process 17 does not answer: " + "why " * 60}, samples=now.answers[0].samples)
    told = as_dict(looked(10.0, 0, 1.0), Look(at_s=12.0, answers=[broken], missing=["plan"], database=now.database))
    text = screen(told, datetime.now(UTC))
    assert not told["ready"]
    assert "NOT READY" in text
    assert "is not running" in text
    assert max(len(line) for line in text.splitlines()) <= WIDTH
