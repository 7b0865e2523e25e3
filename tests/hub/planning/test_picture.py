"""The page of a plan: what its axis of time says."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.planning.picture import MOST_TICKS, TICKS_S, round_times

HELSINKI, KOLKATA = ZoneInfo("Europe/Helsinki"), ZoneInfo("Asia/Kolkata")


def told(ticks: list[float], begins: datetime, zone: ZoneInfo) -> list[str]:
    return [f"{datetime.fromtimestamp(begins.timestamp() + at, zone):%H:%M}" for at in ticks]


@pytest.mark.parametrize(
    ("begins", "zone", "hours", "expected"),
    [
        (
            datetime(2026, 3, 2, 6, 12, 34, tzinfo=UTC),
            HELSINKI,
            8,
            ["09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00"],
        ),
        (datetime(2026, 3, 2, 6, 12, 34, tzinfo=UTC), KOLKATA, 4, ["12:00", "12:30", "13:00", "13:30", "14:00", "14:30", "15:00", "15:30"]),
        (datetime(2026, 3, 28, 22, 10, tzinfo=UTC), HELSINKI, 8, ["01:00", "02:00", "04:00", "05:00", "06:00", "07:00", "08:00", "09:00"]),
        (datetime(2026, 10, 24, 21, 40, tzinfo=UTC), HELSINKI, 8, ["01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00"]),
    ],
    ids=["morning", "half an hour beside", "the clocks go forward", "the clocks go back"],
)
def test_times_are_round_by_the_fleet_s_own_clock(begins: datetime, zone: ZoneInfo, hours: int, expected: list[str]) -> None:
    assert told(round_times(0, 3600 * hours, (round(begins.timestamp()), zone)), begins, zone) == expected


def test_a_plan_without_a_date_counts_from_its_beginning() -> None:
    assert round_times(7.5, 230, None) == [60.0, 120.0, 180.0]


@given(st.integers(-86_400, 864_000), st.integers(1, 2_000_000), st.integers(0, 2_000_000_000), st.sampled_from([HELSINKI, KOLKATA]))
def test_there_are_never_too_many_and_all_lie_on_the_axis(first: int, span: int, origin: int, zone: ZoneInfo) -> None:
    for ticks in (round_times(first, first + span, (origin, zone)), round_times(first, first + span, None)):
        assert ticks == sorted(set(ticks))
        assert all(first <= at <= first + span for at in ticks)
        assert len(ticks) <= MOST_TICKS + 2
        assert len(ticks) >= min(2, span // (2 * TICKS_S[0])) or span < 2 * TICKS_S[0]
