"""What a receiver says, put together; and what it never says."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundsman_agent import nmea
from roundsman_agent.nmea import Assembly, Epoch


def read(lines: Iterable[bytes], state: Assembly | None = None) -> tuple[Assembly, list[Epoch]]:
    state = state or Assembly()
    epochs = []
    for line in lines:
        state, epoch = nmea.feed(state, line)
        if epoch is not None:
            epochs.append(epoch)
    return state, epochs


def test_an_epoch_is_told_as_soon_as_position_and_motion_are_there(epoch_lines: Callable[..., bytes]) -> None:
    _, epochs = read(epoch_lines(0).splitlines())
    assert len(epochs) == 1
    told = epochs[0]
    assert told.position is not None
    assert (told.position.lat_e6, told.position.lon_e6) == (60_166_667, 24_933_333)
    assert told.utc_ms == 1_780_300_800_000
    assert told.speed_mps == pytest.approx(5.144, abs=1e-3)
    assert told.heading_deg == 90.0
    assert told.satellites == 9
    assert told.accuracy_m == 3.0


def test_each_instant_is_told_once_whatever_the_order_and_number_of_its_sentences(epoch_lines: Callable[..., bytes]) -> None:
    rmc, gga = epoch_lines(0).splitlines()
    other_talker = epoch_lines(0).splitlines()
    _, epochs = read([gga, rmc, *other_talker, *epoch_lines(1).splitlines()])
    assert [e.utc_ms for e in epochs] == [1_780_300_800_000, 1_780_300_801_000]


def test_a_receiver_without_gga_is_told_when_its_next_instant_begins_or_it_pauses(epoch_lines: Callable[..., bytes]) -> None:
    state, epochs = read([epoch_lines(0).splitlines()[0], epoch_lines(1).splitlines()[0]])
    assert [e.utc_ms for e in epochs] == [1_780_300_800_000]
    assert state.pending
    state, epoch = nmea.flush(state)
    assert epoch is not None
    assert epoch.utc_ms == 1_780_300_801_000
    assert not state.pending


def test_a_receiver_without_rmc_keeps_its_day_past_midnight(sentence: Callable[[str], bytes]) -> None:
    def gga(clock: str) -> bytes:
        return sentence(f"GPGGA,{clock},6010.0,N,02456.0,E,1,09,1.0,12.0,M,18.0,M,,")

    zda = sentence("GPZDA,235958.00,01,06,2026,00,00")
    _, epochs = read([zda, gga("235958.00"), gga("235959.00"), gga("000000.00"), gga("000001.00")])
    assert [e.utc_ms for e in epochs] == [1_780_358_398_000, 1_780_358_399_000, 1_780_358_400_000]


def test_no_date_is_no_date(sentence: Callable[[str], bytes]) -> None:
    state, _ = read([sentence("GPGGA,120000.00,6010.0,N,02456.0,E,1,09,1.0,12.0,M,18.0,M,,")])
    _, epoch = nmea.flush(state)
    assert epoch is not None
    assert epoch.utc_ms is None
    assert epoch.position is not None


def test_a_truncated_line_is_counted_and_never_becomes_latitude_zero() -> None:
    """Without its checksum `$GPRMC,134733.361,A,5540.32` parses to latitude 0.0."""
    state, epochs = read([b"$GPRMC,134733.361,A,5540.32", b"$GPRMC,134733.361,A,5540.3231,N,01231.2946,E,10.1"])
    assert epochs == []
    assert state.bad == 2
    assert not state.pending


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,120000.00,V,6010.0,N,02456.0,E,0.0,,010626,,",
        "GPRMC,120000.00,A,6010.0,N,02456.0,E,0.0,,010626,,,N",
        "GPRMC,120000.00,A,,,,,0.0,,010626,,",
        "GPRMC,120000.00,A,9910.0,N,02456.0,E,0.0,,010626,,",
        "GPRMC,120000.00,A,6010.0,X,02456.0,E,0.0,,010626,,",
        "GPRMC,120000.00,A,6x10.0,N,02456.0,E,0.0,,010626,,",
        "GPGGA,120000.00,6010.0,N,02456.0,E,0,00,99.9,,M,,M,,",
    ],
)
def test_a_sentence_without_a_position_of_its_own_gives_none(body: str, sentence: Callable[[str], bytes]) -> None:
    state, _ = read([sentence(body)])
    _, epoch = nmea.flush(state)
    assert epoch is not None
    assert epoch.position is None


@pytest.mark.parametrize("body", ["GPGGA,120000.00,6010.0,N", "GPRMC,120000.00,A,6010.0,N,02456.0", "GPGLL,6010.0,N", "GNGNS,1,2"])
def test_a_sound_sentence_that_ends_too_early_is_counted(body: str, sentence: Callable[[str], bytes]) -> None:
    state, epochs = read([sentence(body)])
    assert (state.bad, state.pending, epochs) == (1, False, [])


def test_doubt_in_one_sentence_is_doubt(sentence: Callable[[str], bytes]) -> None:
    rmc = sentence("GPRMC,120000.00,V,6010.0,N,02456.0,E,0.0,,010626,,")
    gga = sentence("GPGGA,120000.00,6010.0,N,02456.0,E,1,09,1.0,12.0,M,18.0,M,,")
    _, epochs = read([rmc, gga])
    assert [e.position for e in epochs] == [None]


def test_a_flat_fix_is_said_to_be_flat_and_an_unused_constellation_is_not_asked(
    sentence: Callable[[str], bytes], epoch_lines: Callable[..., bytes]
) -> None:
    used, unused = sentence("GPGSA,A,3,17,02,06,04,,,,,,,,,1.5,0.8,1.3"), sentence("GLGSA,A,1,,,,,,,,,,,,,,,")
    rmc = epoch_lines(0).splitlines()[0]
    flat = sentence("GNGGA,080000.00,6010.00000,N,02456.00000,E,1,03,1.00,,M,,M,,")
    _, epochs = read(
        [rmc, flat, used, unused, *epoch_lines(1).splitlines()[:1], flat.replace(b"00.00,6", b"01.00,6").replace(b"*5C", b"*5D")]
    )
    assert [e.mode for e in epochs] == [2]


def test_the_receivers_own_error_figure_is_taken_before_a_guess_from_geometry(
    sentence: Callable[[str], bytes], epoch_lines: Callable[..., bytes]
) -> None:
    _, epochs = read([sentence("GNGST,080000.00,2.1,1.1,0.9,10.0,0.7,0.9,1.6"), *epoch_lines(0).splitlines()])
    assert epochs[0].accuracy_m == 0.9


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=90).map(lambda t: b"$GPRMC," + t.encode())), max_size=40))
def test_no_bytes_end_the_reading(lines: list[bytes]) -> None:
    """Invariant: any bytes are read or counted; nothing is raised, and nothing out of range is told."""
    state, epochs = read(lines)
    _, last = nmea.flush(state)
    for epoch in [*epochs, *([last] if last else [])]:
        assert epoch.position is None or -90 <= epoch.position.lat_deg <= 90
        assert epoch.speed_mps is None or 0 <= epoch.speed_mps < 600


@settings(deadline=None)
@given(
    st.lists(st.text(alphabet="0123456789.,ANSEWV-*x", max_size=12), min_size=9, max_size=16),
    st.sampled_from(["RMC", "GGA", "GSA", "GST", "ZDA"]),
)
def test_no_field_of_a_sound_sentence_ends_the_reading(fields: list[str], kind: str) -> None:
    """Accessors of the parser raise after a good parse: each is guarded."""
    body = f"GP{kind}," + ",".join(fields).replace("*", "")
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    state, _ = read([f"${body}*{checksum:02X}".encode()])
    nmea.flush(state)
