"""What a receiver says, put together; and what it never says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import xor

import pytest
from hypothesis import given, settings, strategies as st

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


# ── receivers that say it otherwise, and two on one line ────────────────────────────────────────────────────────────

Sentence = Callable[[str], bytes]


def test_a_receiver_of_many_constellations_says_it_in_gns_and_vtg(sentence: Sentence) -> None:
    """ericsson-gru04: ZDA, GNS, VTG, GLL, and neither RMC nor GGA."""
    lines = []
    for second in (0, 1):
        lines += [
            sentence(f"GPZDA,12000{second}.00,01,06,2026,00,00"),
            sentence(f"GNGNS,12000{second}.00,6010.0000,N,02456.0000,E,AAN,11,0.8,12.0,18.0,,"),
            sentence("GPVTG,90.0,T,,M,10.00,N,18.52,K,A"),
            sentence(f"GPGLL,6010.0000,N,02456.0000,E,12000{second}.00,A,A"),
        ]
    state, epochs = read(lines)
    _, last = nmea.flush(state)
    assert last is not None
    for epoch, utc_ms in zip([*epochs, last], (1_780_315_200_000, 1_780_315_201_000), strict=True):
        assert (epoch.utc_ms, epoch.satellites, epoch.mode, epoch.heading_deg) == (utc_ms, 11, 3, 90.0)
        assert epoch.speed_mps == pytest.approx(5.144, abs=1e-3)


def test_a_receiver_that_says_gll_alone_has_a_place(sentence: Sentence) -> None:
    state, _ = read([sentence("GPGLL,6010.0000,N,02456.0000,E,120000.00,A,A")])
    _, epoch = nmea.flush(state)
    assert epoch is not None
    assert epoch.position is not None
    assert (epoch.utc_ms, epoch.mode) == (None, 2)


def test_a_second_receiver_on_the_line_is_not_mixed_in(sentence: Sentence) -> None:
    """Two antennas three metres apart, half a second apart: in turn they would zigzag for kilometres."""

    def says(talker: str, t: float, east_min: float) -> list[bytes]:
        clock, place = f"1200{t:05.2f}", f"6010.0000,N,02456.{round(east_min * 1e4):04d},E"
        rmc = sentence(f"{talker}RMC,{clock},A,{place},5.00,90.00,010626,,,A")
        return [rmc, sentence(f"{talker}GGA,{clock},{place},1,09,1.00,12.0,M,18.0,M,,")]

    lines = [*says("GP", 1, 0.0), *says("GP", 2, 0.0)]
    for second in range(3, 20):
        lines += says("GP", second, 0.0) + says("GN", second + 0.5, 0.003)
    _, epochs = read(lines)
    assert {e.position.lon_e6 for e in epochs if e.position} == {24_933_333}
    assert len(epochs) == 19
    _, later = read([line for second in range(21, 26) for line in says("GN", second + 0.5, 0.003)], read(lines)[0])
    assert len(later) == 5, "the first one has fallen silent"


def test_a_receiver_that_changes_its_talker_loses_nothing(epoch_lines: Callable[..., bytes]) -> None:
    """GP while it uses GPS alone, GN with others: street by street."""
    lines = []
    for second in range(20):
        for line in epoch_lines(second).splitlines():
            body = line[1 : line.rfind(b"*")]
            body = (b"GP" if second // 3 % 2 else b"GN") + body[2:]
            lines.append(b"$%s*%02X" % (body, reduce(xor, body)))
    assert len(read(lines)[1]) == 20


def test_rmc_and_gga_that_name_different_places_are_not_believed(sentence: Sentence) -> None:
    """One bad line in 256 passes eight bits of checksum: the other sentence of the same instant does not lie with it."""
    rmc = sentence("GPRMC,120000.00,A,6010.0,N,02456.0,E,0.0,,010626,,,A")
    _, epochs = read([rmc, sentence("GPGGA,120000.00,6011.0,N,02456.0,E,1,09,1.0,12.0,M,18.0,M,,")])
    assert [e.doubt for e in epochs] == ["contradiction"]
    _, epochs = read([rmc, sentence("GPGGA,120000.00,6010.0,N,02456.0,E,6,00,1.0,12.0,M,18.0,M,,")])
    assert [e.doubt for e in epochs] == ["estimated"]


def test_a_sentence_whose_witness_was_lost_is_doubted_until_the_receiver_says_no_more(epoch_lines: Callable[..., bytes]) -> None:
    state, epochs = read(epoch_lines(0).splitlines())
    doubts = []
    for second in range(1, 7):
        state, _ = read(epoch_lines(second).splitlines()[:1], state)
        state, epoch = nmea.flush(state)
        assert epoch is not None
        doubts.append(epoch.doubt)
    assert [e.doubt for e in epochs] == [""]
    assert doubts == ["partial", "partial", "partial", "", "", ""]


@pytest.mark.parametrize("kind", ["RMC", "GGA", "GNS", "GLL", "VTG", "ZDA", "GSA", "GST"])
def test_worth_feeding_finds_every_sentence_that_says_something(kind: str, sentence: Sentence) -> None:
    line = sentence(f"GN{kind},120000.00,1,2,3").strip()
    data = b"\x00\xff$GPGSV,3,1\r\n$GP" + line + b"\r\n" + line[:9] + line + b"\n"
    assert sum(found.startswith(line) for found in nmea.worth_feeding(data, len(data))) == 2


def test_what_the_parser_takes_and_the_standard_does_not_is_refused(sentence: Sentence) -> None:
    """pynmea2 takes a maker's sentence for a talker that begins with P, `540.32` for 5 degrees, and what `float` takes for a number."""
    state, epochs = read([sentence("PARMC,120000.00,A,6010.0,N,02456.0,E,0.0,,010626,,,A")])
    assert (state.bad, state.pending, epochs) == (1, False, [])
    for place in ("610.0,N,02456.0,E", "6010.0,N,2456.0,E", "6_10.0,N,02456.0,E", "6010.0,N,02456.0,"):
        state, _ = read([sentence(f"GPRMC,120000.00,A,{place},0.0,,010626,,,A")])
        _, epoch = nmea.flush(state)
        assert epoch is not None
        assert epoch.position is None, place
    for knots in ("nan", "inf", "-1.0", "1e2", "1_0"):
        state, _ = read([sentence(f"GPRMC,120000.00,A,6010.0,N,02456.0,E,{knots},{knots},010626,,,A")])
        _, epoch = nmea.flush(state)
        assert epoch is not None
        assert (epoch.speed_mps, epoch.heading_deg) == (None, None), knots


def test_a_leap_second_is_a_second(sentence: Sentence) -> None:
    state, _ = read([sentence("GPRMC,235960.00,A,6010.0,N,02456.0,E,0.0,,311216,,,A")])
    _, epoch = nmea.flush(state)
    assert epoch is not None
    assert epoch.utc_ms == 1_483_228_800_000
