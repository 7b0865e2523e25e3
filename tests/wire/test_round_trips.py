"""What is encoded comes back equal, whatever it holds: rows, entries, frames, steering documents."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from roundsman_wire import WireError, channels, envelopes, frames
from roundsman_wire.frames import RUN, Gone
from roundsman_wire.messages import (
    FACTS,
    GAP_BEFORE,
    MAX_LAT_E6,
    MAX_LON_E6,
    MAX_MS,
    TRACK,
    Action,
    AnyEntry,
    BasedOn,
    Clock,
    Config,
    Crossing,
    Duty,
    EnvelopeHeader,
    FixGap,
    FixRow,
    Health,
    Note,
    Plan,
    PlanStop,
    Receipt,
    SessionStarted,
    UnknownEntry,
    Visit,
)

SESSION = "fedcba9876543210"
many = settings(max_examples=200, deadline=None, database=None)

fixes = st.builds(
    FixRow,
    mono_ms=st.integers(0, MAX_MS),
    utc_ms=st.none() | st.integers(0, MAX_MS),
    lat_e6=st.integers(-MAX_LAT_E6, MAX_LAT_E6),
    lon_e6=st.integers(-MAX_LON_E6, MAX_LON_E6),
    speed_cm_s=st.none() | st.integers(-5, 100_000),
    heading_cdeg=st.none() | st.integers(-36_000, 72_000),
    accuracy_dm=st.none() | st.integers(-5, 5_000),
    satellites=st.integers(-1, 300),
    flags=st.integers(0, 511),
)


def drive(count: int, *, start_ms: int = 1_000) -> list[FixRow]:
    """A van at 1 Hz and about 36 km/h, its clock known."""
    return [
        FixRow(
            mono_ms=start_ms + at * 1000,
            utc_ms=1_700_000_000_000 + at * 1000,
            lat_e6=52_000_000 + at * 90,
            lon_e6=13_000_000 + at * 4,
            speed_cm_s=1_000,
            heading_cdeg=150,
            accuracy_dm=20,
            satellites=11,
        )
        for at in range(count)
    ]


@many
@given(st.lists(fixes, max_size=30))
def test_the_hub_reads_the_rows_that_the_van_keeps(rows: list[FixRow]) -> None:
    """Invariant 2: hub's bytes = edge's bytes, once they are quantised; and quantising twice changes nothing."""
    kept = [frames.quantise(row) for row in rows]
    assert [frames.quantise(row) for row in kept] == kept
    frame = frames.encode_frame(SESSION, TRACK, 1, max(1, len(kept)), frames.pack_rows(kept), [] if kept else [Gone(1, 1, 1)])
    assert frames.decode_rows(frames.decode_header(frame), frame) == kept


@many
@given(st.lists(st.builds(lambda at, step: (at, step), st.integers(0, 10**6), st.integers(-40_000, 40_000)), min_size=1, max_size=20))
def test_a_jump_too_far_for_its_field_starts_a_new_run(walk: list[tuple[int, int]]) -> None:
    lat, mono, rows = 0, 0, []
    for at, step in walk:
        lat, mono = lat + step, mono + at
        rows.append(msgspec.structs.replace(drive(1)[0], lat_e6=lat, mono_ms=mono, utc_ms=mono))
    frame = frames.encode_frame(SESSION, TRACK, 1, len(rows), frames.pack_rows(rows))
    assert frames.decode_rows(frames.decode_header(frame), frame) == rows


def test_a_minute_of_driving_takes_twelve_bytes_a_fix() -> None:
    assert len(frames.pack_rows(drive(60))) == RUN.size + 60 * 12


def test_a_long_backlog_fits_one_run_and_one_frame() -> None:
    rows = drive(5_000)
    frame = frames.encode_frame(SESSION, TRACK, 7, 5_006, frames.pack_rows(rows))
    assert frames.decode_rows(frames.decode_header(frame), frame) == rows


def test_gone_numbers_are_named_and_the_rest_keeps_its_place() -> None:
    gone = [Gone(3, 4, 1), Gone(5, 5, 4), Gone(9, 10, 2)]
    frame = frames.encode_frame(SESSION, TRACK, 2, 10, frames.pack_rows(drive(4)), gone)
    header = frames.decode_header(frame)
    assert list(header.held_seqs()) == [2, 6, 7, 8]
    assert (header.session, header.lane, header.first_seq, header.last_seq, header.gone) == (SESSION, TRACK, 2, 10, tuple(gone))
    assert len(frames.decode_rows(header, frame)) == header.held == 4


def test_a_frame_of_nothing_but_gone_numbers_has_no_body() -> None:
    frame = frames.encode_frame(SESSION, TRACK, 1, 4_000_000_000, b"", [Gone(1, 4_000_000_000, 4)])
    header = frames.decode_header(frame)
    assert (header.held, frames.decode_rows(header, frame)) == (0, [])


def test_a_damaged_body_still_says_which_numbers_it_was() -> None:
    frame = frames.encode_frame(SESSION, TRACK, 5, 7, frames.pack_rows(drive(3)))
    broken = frame[:-1] + bytes([frame[-1] ^ 1])
    header = frames.decode_header(broken)
    assert (header.first_seq, header.last_seq) == (5, 7)
    with pytest.raises(WireError, match="CRC"):
        frames.decode_rows(header, broken)


def test_a_body_that_holds_more_or_less_than_claimed_is_refused() -> None:
    for count in (2, 4):
        frame = frames.encode_frame(SESSION, TRACK, 1, 3, frames.pack_rows(drive(count)))
        with pytest.raises(WireError):
            frames.decode_rows(frames.decode_header(frame), frame)


def test_a_lane_is_not_read_as_the_other() -> None:
    frame = frames.encode_frame(SESSION, TRACK, 1, 1, frames.pack_rows(drive(1)))
    with pytest.raises(WireError, match="not a facts frame"):
        frames.decode_entries(frames.decode_header(frame), frame)


ENTRIES: list[AnyEntry] = [
    SessionStarted(mono_ms=0, session=SESSION, previous=None, agent_version="0.1.0", row_format=1),
    Clock(mono_ms=5, utc_ms=1_700_000_000_000, source="gnss"),
    Visit(mono_ms=9, utc_ms=1, visit=3, phase="left", stop="o_1", lat_e6=-1, lon_e6=2, dwell_s=95, confidence=0.5),
    Crossing(mono_ms=9, fence="f_1", event="enter", sites_version=3, lat_e6=1, lon_e6=2, inferred=True),
    Action(mono_ms=10, action="a-1", stop="o_1", tasks=("o_1",), outcome="failed", reason="niemand da: Tür 3½", driver="d_1"),
    Duty(mono_ms=11, duty="break", driver=None),
    Receipt(mono_ms=12, plan_version=2**53, plan_hash="00", state="in_force"),
    Health(
        mono_ms=13, agent_version="1", backlog_facts=1, backlog_track=2, oldest_unsent_s=3, disk_free_mb=4, rss_mb=5, fixes_accepted=6,
        rejected={"jump": 2}, temperature_c=41.5,
    ),
    FixGap(mono_ms=14, utc_ms=20, from_utc_ms=10, reason="silent"),
    Note(mono_ms=15, topic="disk", text='full: "var" \\ 0 B'),
]  # fmt: skip


def test_every_kind_of_fact_comes_back() -> None:
    raw = [frames.encode_entry(entry) for entry in ENTRIES]
    frame = frames.encode_frame(SESSION, FACTS, 1, len(raw), frames.pack_entries(raw))
    received = frames.decode_entries(frames.decode_header(frame), frame)
    assert received == raw
    assert [frames.parse_entry(entry) for entry in received] == ENTRIES


@many
@given(st.text(max_size=200))
def test_any_text_of_a_driver_comes_back_or_is_refused_at_once(text: str) -> None:
    note = Note(mono_ms=1, topic="note", text=text)
    try:
        raw = frames.encode_entry(note)
    except WireError:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
        return
    assert frames.parse_entry(raw) == note


def test_a_kind_from_the_future_is_kept_and_passed_on_as_received() -> None:
    raw = b'{"kind":"tyre_pressure","mono_ms":7,"bar":[2.4,2.5]}'
    frame = frames.encode_frame(SESSION, FACTS, 1, 1, frames.pack_entries([raw]))
    assert frames.decode_entries(frames.decode_header(frame), frame) == [raw]
    assert frames.parse_entry(raw) == UnknownEntry(kind="tyre_pressure", mono_ms=7)


def test_a_known_kind_with_a_field_from_the_future_is_still_that_kind() -> None:
    assert frames.parse_entry(b'{"kind":"duty","mono_ms":7,"duty":"on","driver":null,"vest":true}') == Duty(
        mono_ms=7, duty="on", driver=None
    )


def sealed(version: int = 4) -> bytes:
    stop = PlanStop(
        stop="o_1",
        tasks=("o_1",),
        kind="pickup",
        lat_e6=1,
        lon_e6=2,
        fence_radius_m=40,
        leg_s=60,
        leg_m=500,
        service_s=90,
        arrival_utc_ms=5,
    )
    plan = Plan(
        plan="p",
        vehicle="v_1",
        version=version,
        issued_utc_ms=1,
        based_on=BasedOn(session=SESSION, facts_seq=2),
        stops=(stop,),
        matrix_s=bytes(range(32)),
        reason="first of the day",
    )
    header = EnvelopeHeader(vehicle="v_1", kind="plan", epoch=1, version=version, key_id="k1", valid_until_utc_ms=9)
    return envelopes.seal(header, plan, lambda signed: bytes(64))


def test_a_steering_document_comes_back_under_the_hash_that_both_sides_compute() -> None:
    data = sealed()
    seen: list[tuple[str, bytes, bytes]] = []

    def verify(key: str, signature: bytes, signed: bytes) -> bool:
        seen.append((key, signature, signed))
        return True

    opened = envelopes.open_envelope(data, verify)
    assert isinstance(opened.payload, Plan)
    assert (opened.payload.stops[0].kind, opened.header.valid_until_utc_ms) == ("pickup", 9)
    assert opened.hash == envelopes.hash_of(data) != envelopes.hash_of(sealed(5))
    assert seen == [("k1", data[-64:], data[:-64])]


def test_two_payloads_of_one_version_have_two_hashes() -> None:
    header = EnvelopeHeader(vehicle="v", kind="config", epoch=1, version=1, key_id="k")
    one, other = (envelopes.seal(header, Config(version=1, sampling=mode), lambda _: bytes(64)) for mode in ("full", "sparse"))
    assert envelopes.hash_of(one) != envelopes.hash_of(other)


@many
@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.sampled_from(channels.CHANNELS))
def test_topics_come_back_and_every_subscription_matches_its_own(vehicle: str, channel: channels.Channel) -> None:
    text = channels.topic(vehicle, channel.name)
    assert channels.parse_topic(text) == (vehicle, channel)
    for wanted in (
        channels.subscription(channel.name),
        channels.subscription(channel.name, shard=channels.shard_of(vehicle)),
        channels.subscription(channel.name, vehicle=vehicle),
    ):
        assert all(want in ("+", part) for want, part in zip(wanted.split("/"), text.split("/"), strict=True))


def test_a_topic_under_another_shard_than_its_vehicle_s_is_refused() -> None:
    text = channels.topic("v_1", "facts")
    wrong = "00" if channels.shard_of("v_1") != "00" else "01"
    with pytest.raises(WireError, match="shard"):
        channels.parse_topic(text.replace(f"/{channels.shard_of('v_1')}/", f"/{wrong}/"))


def test_a_gap_before_a_fix_survives_the_wire() -> None:
    row = frames.quantise(msgspec.structs.replace(drive(1)[0], flags=GAP_BEFORE))
    frame = frames.encode_frame(SESSION, TRACK, 1, 1, frames.pack_rows([row]))
    assert frames.decode_rows(frames.decode_header(frame), frame)[0].flags & GAP_BEFORE
