"""Travel times by the hour keep the order of departures: first in, first out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from roundsman_hub.planning.problem import Profile
from roundsman_hub.planning.travel import Travel

SECONDS = st.integers(0, 5_000)


@given(
    paces_s=st.lists(SECONDS, min_size=1, max_size=6),
    widths_s=st.lists(st.integers(1, 4_000), min_size=6, max_size=6),
    first=st.integers(-2_000, 20_000),
    later_s=SECONDS,
)
def test_who_departs_later_never_arrives_earlier(paces_s: list[int], widths_s: list[int], first: int, later_s: int) -> None:
    """Whatever the bands of a day are, and wherever in them two vans leave for the same place (Ichoua, Gendreau and Potvin 2003)."""
    starts = tuple(np.cumsum([0, *widths_s])[: len(paces_s)].tolist())
    table = np.array([[[0, pace], [pace, 0]] for pace in paces_s], dtype=np.int32)
    travel = Travel(Profile(durations_s=table, distances_m=np.full((2, 2), 100, dtype=np.int32), band_starts_s=starts))
    second = first + later_s
    assert first + travel.leg_s(0, 1, first) <= second + travel.leg_s(0, 1, second)
