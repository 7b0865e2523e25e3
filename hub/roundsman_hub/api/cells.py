"""Cells of a file as the API's own values: lists, windows and tables written into one cell.

Words between spaces, commas or semicolons (`cold lift`); windows as `START/END` with `|` between several; breaks as
`EARLIEST/LATEST/SECONDS`; tables as `name:value` pairs; hours of service as `RULE/MIN TO BREAK/MIN DRIVING/MIN DUTY`; chargers as
`NAME/LAT/LON/SECONDS`; travel times by the hour as `NAME/START/FACTOR`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo


def local(value: str, zone: ZoneInfo) -> datetime | str:
    """An instant; without an offset, by the fleet's own clock. What is none stays text, for whoever says what is wrong with it."""
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        return value
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _words(value: str, _: ZoneInfo) -> list[str]:
    return value.replace(",", " ").replace(";", " ").split()


def _windows(value: str, zone: ZoneInfo) -> list[list[datetime | str]]:
    return [[local(end, zone) for end in window.split("/")] for window in value.split("|")]


def _breaks(value: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    out = []
    for pause in value.split("|"):
        ends = [*pause.split("/"), "", ""]
        out.append({"earliest": local(ends[0], zone), "latest": local(ends[1], zone), "duration_s": ends[2].strip()})
    return out


def _table(value: str, zone: ZoneInfo) -> dict[str, str]:
    return {name: rest for name, _, rest in (word.partition(":") for word in _words(value, zone))}


def _hours(value: str, _: ZoneInfo) -> dict[str, str]:
    return dict(zip(("rule", "to_break_min", "driving_min", "duty_min"), map(str.strip, value.split("/")), strict=False))


def _chargers(value: str, _: ZoneInfo) -> list[dict[str, str]]:
    return [dict(zip(("name", "lat_deg", "lon_deg", "charge_s"), map(str.strip, one.split("/")), strict=False)) for one in value.split("|")]


def _bands(value: str, _: ZoneInfo) -> dict[str, list[dict[str, str]]]:
    out: dict[str, list[dict[str, str]]] = {}
    for one in value.split("|"):
        name, start, factor = (*map(str.strip, one.split("/")), "", "", "")[:3]
        out.setdefault(name, []).append({"start": start, "factor": factor})
    return out


CELLS: Final[dict[str, Callable[[str, ZoneInfo], Any]]] = {
    **dict.fromkeys(("window_start", "window_end", "promise_start", "promise_end", "deadline", "release"), local),
    **dict.fromkeys(("shift_start", "shift_end", "range_as_of"), local),
    **dict.fromkeys(("skills", "vehicle_types", "vehicles", "reload_depots"), _words),
    "more_windows": _windows,
    "windows": _windows,
    **dict.fromkeys(("service_by_type", "strange"), _table),
    "breaks": _breaks,
    "hours": _hours,
    "chargers": _chargers,
    "profiles": _bands,
}


HOW: Final[dict[Callable[[str, ZoneInfo], Any], str]] = {
    local: "2026-03-02 14:00, in the fleet's own time, or with an offset",
    _words: "words between spaces, commas or semicolons",
    _windows: "START/END, with | between several",
    _breaks: "EARLIEST/LATEST/SECONDS, with | between several",
    _table: "NAME:VALUE, with spaces between several",
    _chargers: "NAME/LAT/LON/SECONDS OF A CHARGE, with | between several",
    _bands: "NAME/START AS 07:30/FACTOR, with | between several",
    _hours: "RULE/MINUTES TO BREAK/MINUTES OF DRIVING/MINUTES OF DUTY",
}
"""How each is written, for whoever fills a file in."""


def read(column: str, cell: str, zone: ZoneInfo) -> Any:
    """A cell's value."""
    return CELLS[column](cell, zone) if column in CELLS else cell
