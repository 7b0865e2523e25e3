"""The one form of all benchmarks: a table for people, then one JSON object as the last line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple


class Row(NamedTuple):
    """One figure. `goal`: at most this (`at_least`: at least); None: only printed. `peer`: the same, measured of what one would use."""

    name: str
    value: float | None
    unit: str
    goal: float | None = None
    peer: float | None = None
    peer_is: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None without one. A figure that could not be measured meets nothing."""
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def table(rows: Sequence[Row]) -> str:
    """For people: row, measured, goal, peer, holds or not."""
    cells = [("row", "measured", "goal", "peer", "holds", "")]
    cells += [
        (row.name, _number(row.value, row.unit), _goal(row), _number(row.peer, row.unit), _word(row.holds), row.peer_is) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(6)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells)


def last_line(bench: str, rows: Sequence[Row]) -> str:
    """For programs."""
    body = [r._asdict() | {"holds": r.holds} for r in rows]
    return json.dumps({"bench": bench, "rows": body, "short": sum(row.holds is False for row in rows)})


def row_of(told: Mapping[str, Any]) -> Row:
    """A row of such a line again."""
    return Row(**{name: told[name] for name in Row._fields})


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.6g} {unit}".strip()


def _goal(row: Row) -> str:
    return "" if row.goal is None else f"{'≥' if row.at_least else '≤'} {row.goal:g}"


def _word(holds: bool | None) -> Literal["yes", "NO", ""]:
    return "" if holds is None else "yes" if holds else "NO"
