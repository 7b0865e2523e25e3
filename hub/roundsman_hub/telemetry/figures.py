"""Counts what happens in this process, and tells it in Prometheus' text format.

Written by hand: the format is six rules, several processes of one hub are told in one answer (which `prometheus_client` does through
files shared by all), and a figure that is not in `table.METRICS` is refused.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from roundsman_hub.telemetry.table import BY_NAME, METRICS, Metric

Labels = tuple[tuple[str, str], ...]


class Sample(NamedTuple):
    """One number: family (as in the table), what follows its name (`_bucket`, `_sum`, `_count` of a histogram), labels, value."""

    family: str
    suffix: str
    labels: Labels
    value: float


@dataclass(slots=True)
class _Histogram:
    counts: list[int]
    total: float = 0.0


class Figures:
    """The figures of one process. Safe to use from any thread; an increment costs about a microsecond, so count batches, not fixes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[tuple[str, Labels], _Histogram] = {}
        self._sources: list[Callable[[Figures], None]] = []

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Count."""
        key = _key(name, "counter", labels)
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def put(self, name: str, value: float, **labels: str) -> None:
        """Say how much it is now: of a gauge, or of a counter that is kept elsewhere."""
        key = _key(name, None, labels)
        with self._lock:
            self._values[key] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        key = _key(name, "histogram", labels)
        bounds = BY_NAME[name].buckets
        with self._lock:
            found = self._histograms.get(key)
            if found is None:
                found = self._histograms[key] = _Histogram([0] * (len(bounds) + 1))
            found.counts[bisect_left(bounds, value)] += 1
            found.total += value

    def source(self, tell: Callable[[Figures], None]) -> None:
        """Call this before each reading: it puts what is kept elsewhere."""
        self._sources.append(tell)

    def samples(self) -> list[Sample]:
        """Everything, as of now."""
        for tell in list(self._sources):
            tell(self)
        with self._lock:
            found = [Sample(name, "", labels, value) for (name, labels), value in self._values.items()]
            for (name, labels), histogram in self._histograms.items():
                below = 0
                for bound, count in zip((*BY_NAME[name].buckets, float("inf")), histogram.counts, strict=True):
                    below += count
                    found.append(Sample(name, "_bucket", (*labels, ("le", _number(bound))), below))
                found.append(Sample(name, "_sum", labels, histogram.total))
                found.append(Sample(name, "_count", labels, below))
        return found


def _key(name: str, kind: str | None, labels: dict[str, str]) -> tuple[str, Labels]:
    metric = BY_NAME[name]
    if (kind is not None and metric.kind != kind) or set(labels) != set(metric.labels):
        raise ValueError(f"{name} is a {metric.kind} with labels {metric.labels}, not {kind} with {tuple(labels)}")
    return name, tuple((label, labels[label]) for label in metric.labels)


def exposition(samples: Iterable[Sample]) -> str:
    """Prometheus' text format (version 0.0.4): families in the table's order, each once, with its help and type."""
    families: dict[str, list[Sample]] = {}
    for sample in samples:
        families.setdefault(sample.family, []).append(sample)
    return "".join(_family(metric, families[metric.name]) for metric in METRICS if metric.name in families)


def _family(metric: Metric, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {metric.name} {metric.says}", f"# TYPE {metric.name} {metric.kind}"]
    for sample in samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels)
        lines.append(f"{metric.name}{sample.suffix}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(int(value)) if value == int(value) else repr(value)


FIGURES = Figures()
"""This process's own."""
