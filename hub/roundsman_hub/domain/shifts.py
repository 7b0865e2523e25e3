"""Shifts and windows: can any van serve it at all?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

Shift = tuple[datetime, datetime]


def why_outside(window_start: datetime, window_end: datetime, shifts: Sequence[Shift]) -> str | None:
    """Why no shift can serve a window; None where one can.

    A shift serves a window when service may start inside both. That is necessary, not sufficient: whether a van gets there is the
    planner's to say.

    Parameters
    ----------
    window_start, window_end : datetime
        Aware; service starts between them.
    shifts : sequence of (start, end)
        Aware; of the vehicles of the order's depot.
    """
    if not shifts:
        return "the depot has no vehicle, so no shift"
    if any(window_start < end and window_end >= start for start, end in shifts):
        return None
    earliest, latest = min(start for start, _ in shifts), max(end for _, end in shifts)
    return f"the window {_span(window_start, window_end)} is outside every shift ({_span(earliest, latest)})"


def _span(start: datetime, end: datetime) -> str:
    return f"{start.isoformat(timespec='minutes')} to {end.isoformat(timespec='minutes')}"
