"""What phones and trackers say becomes a report, or is refused with a reason; and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.gateway import words
from roundsman_hub.gateway.words import EARLIEST_MS, Report, Unfit

NOW_MS = 1_790_000_000_000


def test_a_traccar_clients_request() -> None:
    said = {"id": "1", "lat": "60.1708", "lon": "24.9356", "timestamp": "1789999990", "speed": "10", "bearing": "90", "accuracy": "4.2"}
    report = words.osmand(said | {"batt": "80", "hdop": "0.9"}, NOW_MS)
    assert (report.utc_ms, report.lat_deg, report.lon_deg, report.heading_deg) == (1_789_999_990_000, 60.1708, 24.9356, 90.0)
    assert report.speed_mps == pytest.approx(5.144, abs=1e-3)
    assert report.accuracy_m == 4.2


def test_a_traccar_client_of_today_speaks_json() -> None:
    """Metres a second, not knots; no speed and no heading are said as -1."""
    coords = {"latitude": 60.1708, "longitude": 24.9356, "accuracy": 4.2, "speed": 9.5, "heading": 90, "altitude": 12}
    said = {"timestamp": "2026-09-21T14:13:10.000Z", "coords": coords, "is_moving": True, "battery": {"level": 0.8}}
    report = words.traccar_client(said, NOW_MS)
    assert report == Report(utc_ms=1_789_999_990_000, lat_deg=60.1708, lon_deg=24.9356, speed_mps=9.5, heading_deg=90.0, accuracy_m=4.2)
    standing = words.traccar_client(said | {"coords": coords | {"speed": -1, "heading": -1}}, NOW_MS)
    assert (standing.speed_mps, standing.heading_deg) == (None, None)
    wrong: list[Any] = [None, [], {}, {"coords": None}, {"coords": {"latitude": 1}}, said | {"timestamp": [1]}]
    for bad in wrong:
        with pytest.raises(Unfit):
            words.traccar_client(bad, NOW_MS)


@pytest.mark.parametrize("timestamp", ["1789999990", "1789999990000", "2026-09-21T13:46:30Z", "2026-09-21T15:46:30+02:00"])
def test_three_ways_to_say_when(timestamp: str) -> None:
    assert words.osmand({"lat": "1", "lon": "2", "timestamp": timestamp}, NOW_MS).utc_ms == 1_789_998_390_000 + (
        1_600_000 if timestamp[0] == "1" else 0
    )


def test_an_owntracks_location() -> None:
    said = {"_type": "location", "lat": 60.1708, "lon": 24.9356, "tst": 1_789_999_990, "vel": 36, "cog": 270, "acc": 8, "tid": "ab"}
    assert words.owntracks(said, NOW_MS) == Report(
        utc_ms=1_789_999_990_000, lat_deg=60.1708, lon_deg=24.9356, speed_mps=10.0, heading_deg=270.0, accuracy_m=8.0
    )
    assert words.owntracks({"_type": "waypoint", "desc": "home", "lat": 1, "lon": 2, "tst": 3}, NOW_MS) is None


@pytest.mark.parametrize(
    "said",
    [
        {"lat": "91", "lon": "2"},
        {"lat": "0", "lon": "0"},
        {"lat": "nan", "lon": "2"},
        {"lon": "2"},
        {"lat": "1", "lon": "2", "timestamp": "0"},
        {"lat": "1", "lon": "2", "timestamp": "1890000000"},
        {"lat": "1", "lon": "2", "timestamp": "yesterday"},
        {"lat": "1", "lon": "2", "accuracy": "2500"},
        {"lat": "1", "lon": "2", "valid": "false"},
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(Unfit):
        words.osmand(said, NOW_MS)


@given(st.dictionaries(st.sampled_from(["lat", "lon", "timestamp", "speed", "bearing", "accuracy", "location"]), st.text(max_size=20)))
def test_no_request_is_more_than_refused(said: dict[str, str]) -> None:
    """Invariant: nothing out of range is taken, and nothing but `Unfit` is raised."""
    try:
        report = words.osmand(said, NOW_MS)
    except Unfit:
        return
    assert abs(report.lat_deg) <= 90
    assert report.utc_ms >= EARLIEST_MS


JSON: Any = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.integers(), max_size=2))


@given(st.fixed_dictionaries({"_type": st.just("location"), "lat": JSON, "lon": JSON, "tst": JSON, "vel": JSON, "acc": JSON}))
def test_no_message_is_more_than_refused(said: dict[str, Any]) -> None:
    try:
        report = words.owntracks(said, NOW_MS)
    except Unfit:
        return
    assert report is not None
    assert abs(report.lon_deg) <= 180
