"""What gpsd reports, read with care: the pure part, without a connection."""

from __future__ import annotations

import json

from roundsman_agent.gpsd_source import GpsdStream
from roundsman_agent.nmea import Epoch


def report(**said: object) -> bytes:
    return json.dumps({"class": "TPV", "device": "/dev/a", **said}, separators=(",", ":")).encode() + b"\r\n"


def read(*chunks: bytes, device: str = "") -> tuple[GpsdStream, list[Epoch]]:
    # Only the pure part is used: no connection is needed to read reports.
    stream = GpsdStream(ear=None, device=device)  # type: ignore[arg-type]
    return stream, [epoch for chunk in chunks for epoch in stream.take(chunk)]


FIRST = "2026-06-01T08:00:00.000Z"
SECOND = "2026-06-01T08:00:01.000Z"


def test_two_reports_of_one_instant_are_one_fix() -> None:
    """On GGA + RMC receivers the first comes without a course."""
    _, epochs = read(
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.0, eph=8.0),
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.1, track=90.0),
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=4.1, track=90.0),
    )
    assert [(e.utc_ms, e.speed_mps, e.heading_deg, e.accuracy_m) for e in epochs] == [(1_780_300_800_000, 4.1, 90.0, 4.0)]


def test_a_report_that_stays_without_a_course_is_told_at_the_next_instant_or_a_pause() -> None:
    stream, epochs = read(
        report(mode=2, time=FIRST, lat=60.0, lon=24.0, speed=0.0), report(mode=2, time=SECOND, lat=60.0, lon=24.0, speed=0.0)
    )
    assert [(e.utc_ms, e.mode, e.heading_deg) for e in epochs] == [(1_780_300_800_000, 2, None)]
    last = stream.pause()
    assert last is not None
    assert last.utc_ms == 1_780_300_801_000
    assert stream.pause() is None


def test_absent_is_unknown_and_never_zero() -> None:
    """gpsd-py3 turns a missing latitude into 0.0, and a speed below its error into 0."""
    _, epochs = read(report(mode=1, time=FIRST), report(mode=3, time=SECOND, speed=4.0, track=1.0, eps=9.0))
    assert [e.position for e in epochs] == [None, None]
    assert epochs[1].speed_mps == 4.0


def test_of_two_receivers_the_one_that_was_asked_for_is_believed() -> None:
    both = (
        report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=0.0, track=1.0),
        report(device="/dev/b", mode=3, time=FIRST, lat=61.0, lon=25.0, speed=0.0, track=1.0),
    )
    _, epochs = read(*both, device="/dev/b")
    assert [e.position.lat_deg for e in epochs if e.position] == [61.0]


def test_of_two_receivers_the_first_with_a_fix_is_believed_for_as_long_as_it_has_one() -> None:
    def at(second: int, device: str, mode: int) -> bytes:
        return report(device=device, mode=mode, time=f"2026-06-01T08:00:{second:02d}.000Z", lat=60.0, lon=24.0, speed=0.0, track=1.0)

    script = [("/dev/a", 1), ("/dev/b", 3), ("/dev/a", 3), ("/dev/b", 3)]
    stream, epochs = read(*(at(0, device, mode) for device, mode in script))
    assert stream.believed == "/dev/b"
    assert len(epochs) == 1
    later = [epoch for second in range(1, 9) for epoch in stream.take(at(second, "/dev/a", 3))]
    assert stream.believed == "/dev/a", "the other has said nothing for five seconds"
    assert [e.utc_ms for e in later] == [1_780_300_806_000, 1_780_300_807_000, 1_780_300_808_000]


def test_satellites_are_counted_without_decoding_them() -> None:
    sky = b'{"class":"SKY","satellites":[{"PRN":1,"used":true},{"PRN":2,"used":false},{"PRN":3,"used":true}]}\r\n'
    _, epochs = read(sky, report(mode=3, time=FIRST, lat=60.0, lon=24.0, speed=0.0, track=1.0))
    assert epochs[0].satellites == 2


def test_reports_that_cannot_be_read_are_counted() -> None:
    stream, epochs = read(
        b'{"class":"TPV","mode":"three"}\n{"class":"TPV",\n', b"x" * 300_000, report(mode=3, time="tea", lat=95.0, lon=0.0)
    )
    assert stream.bad == 4, "and a place beyond the globe is none"
    assert epochs == []
    assert stream.pause() is None
