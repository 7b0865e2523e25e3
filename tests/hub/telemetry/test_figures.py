"""Figures as Prometheus reads them, and what refuses to be one."""

from __future__ import annotations

import re
import time

import pytest

from roundsman_hub.telemetry.figures import Figures, exposition
from roundsman_hub.telemetry.table import METRICS
from roundsman_hub.telemetry.vitals import STARTING, Vitals

LINE = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)*\})? (\+Inf|-?\d+(\.\d+)?(e-?\d+)?)\Z')


def test_every_line_of_the_exposition_is_well_formed() -> None:
    figures = Figures()
    figures.add("roundsman_ingest_events_total", 3, what="fixes")
    figures.put("roundsman_alarms", 2, kind='a "quoted"\nkind \\ here')
    figures.observe("roundsman_ingest_batch_seconds", 0.02)
    lines = exposition(figures.samples()).splitlines()
    assert 'roundsman_ingest_events_total{what="fixes"} 3' in lines
    assert r'roundsman_alarms{kind="a \"quoted\"\nkind \\ here"} 2' in lines
    assert all(line.startswith(("# HELP ", "# TYPE ")) or LINE.match(line) for line in lines), lines


def test_a_histogram_counts_everything_up_to_each_bound() -> None:
    figures = Figures()
    for value in (1.0, 2.0, 5_000.0):
        figures.observe("roundsman_ingest_batch_messages", value)
    told = exposition(figures.samples())
    for line in ('{le="1"} 1', '{le="3"} 2', '{le="1000"} 2', '{le="+Inf"} 3'):
        assert f"roundsman_ingest_batch_messages_bucket{line}\n" in told
    assert "roundsman_ingest_batch_messages_sum 5003\n" in told
    assert "roundsman_ingest_batch_messages_count 3\n" in told


def test_each_family_is_told_once_with_the_samples_of_all_processes_together() -> None:
    figures = Figures()
    figures.put("roundsman_up", 1)
    samples = [sample._replace(labels=(("role", role),)) for role in ("api", "ingest") for sample in figures.samples()]
    assert exposition(samples).splitlines()[1:] == [
        "# TYPE roundsman_up gauge",
        'roundsman_up{role="api"} 1',
        'roundsman_up{role="ingest"} 1',
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda figures: figures.add("roundsman_nothing_total"),
        lambda figures: figures.add("roundsman_up"),
        lambda figures: figures.add("roundsman_ingest_events_total", kind="fixes"),
        lambda figures: figures.observe("roundsman_up", 1.0),
    ],
)
def test_a_figure_that_is_not_in_the_table_is_refused(wrong: object) -> None:
    with pytest.raises((KeyError, ValueError)):
        wrong(Figures())  # type: ignore[operator]


def test_the_table_says_units_and_meanings() -> None:
    for metric in METRICS:
        assert metric.says
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert (metric.kind == "histogram") == bool(metric.buckets)
        assert metric.buckets == tuple(sorted(metric.buckets))


def test_a_process_is_ready_when_all_that_it_stands_on_is_there_and_its_loops_turn() -> None:
    vitals = Vitals()
    assert vitals.problems() == STARTING
    vitals.must("database", lambda: None)
    vitals.beat("loop", 60.0)
    assert vitals.problems() == {}
    vitals.must("broker", lambda: "it is away")
    assert vitals.problems() == {"broker": "it is away"}

    def fails() -> str | None:
        raise OSError("no route")

    vitals.must("broker", fails)
    vitals.beat("loop", 0.0)
    deadline = time.monotonic() + 60
    while "loop" not in (problems := vitals.problems()):
        assert time.monotonic() < deadline
    assert problems["broker"] == "OSError: no route"
