"""One numpy pass reads exactly what the wire's own decoder reads."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings, strategies as st

from roundsman_hub.ingest import rows
from roundsman_wire import WireError, frames
from roundsman_wire.messages import TRACK, FixRow

fixes = st.builds(
    FixRow,
    mono_ms=st.integers(0, 2**40),
    utc_ms=st.none() | st.integers(0, 2**45),
    lat_e6=st.integers(-90_000_000, 90_000_000),
    lon_e6=st.integers(-180_000_000, 180_000_000),
    speed_cm_s=st.none() | st.integers(0, 65_534),
    heading_cdeg=st.none() | st.integers(0, 239).map(lambda step: step * 150),
    accuracy_dm=st.none() | st.integers(0, 254).map(lambda step: step * 5),
    satellites=st.integers(0, 255),
    flags=st.integers(0, 255),
)


@st.composite
def drives(draw: st.DrawFn) -> list[FixRow]:
    """Fixes near each other, as a drive has them, with jumps between some."""
    start = draw(fixes)
    out = [start]
    for _ in range(draw(st.integers(0, 8))):
        before, jump = out[-1], draw(st.booleans())
        if jump:
            out.append(draw(fixes))
        else:
            lat = max(min(before.lat_e6 + draw(st.integers(-500, 500)), 90_000_000), -90_000_000)
            utc = None if before.utc_ms is None else before.utc_ms + 1000
            out.append(msgspec.structs.replace(before, mono_ms=before.mono_ms + 1000, utc_ms=utc, lat_e6=lat))
    return out


def as_rows(columns: rows.Fixes, frame: int) -> list[FixRow]:
    def known(value: int) -> int | None:
        return None if value == rows.NONE else int(value)

    some = columns.where(columns.frame == frame)
    return [
        FixRow(
            mono_ms=int(some.mono_ms[i]),
            utc_ms=None if some.utc_ms[i] == frames.NO_UTC else int(some.utc_ms[i]),
            lat_e6=int(some.lat_e6[i]),
            lon_e6=int(some.lon_e6[i]),
            speed_cm_s=known(some.speed_cm_s[i]),
            heading_cdeg=known(some.heading_cdeg[i]),
            accuracy_dm=known(some.accuracy_dm[i]),
            satellites=int(some.satellites[i]),
            flags=int(some.flags[i]),
        )
        for i in range(len(some))
    ]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(drives(), st.binary(max_size=60), st.booleans()), max_size=5))
def test_many_frames_at_once_are_read_as_each_alone(drawn: list[tuple[list[FixRow], bytes, bool]]) -> None:
    batch = []
    for drive, noise, damaged in drawn:
        body = frames.pack_rows([frames.quantise(row) for row in drive])
        body = noise + body[len(noise) :] if damaged else body  # the CRC is made of what is sent: only the content is wrong
        data = frames.encode_frame("00000000000000aa", TRACK, 7, 6 + len(drive), body)
        batch.append((frames.decode_header(data), data))
    columns, refused = rows.unpack(batch)
    for index, (header, data) in enumerate(batch):
        try:
            expected = frames.decode_rows(header, data)
        except WireError:
            assert index in refused
            assert as_rows(columns, index) == []
        else:
            assert index not in refused
            assert as_rows(columns, index) == expected
            assert columns.where(columns.frame == index).seq.tolist() == list(range(7, 7 + len(expected)))
