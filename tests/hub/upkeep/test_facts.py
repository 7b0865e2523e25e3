"""Facts and visits stay for good, unless their fleet says otherwise; then they go, and nothing that came of them is lost or undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from roundsman_hub import HubError
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.derive import check
from roundsman_hub.derive.fold import RULES
from roundsman_hub.derive.vehicle import Vehicle
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.instants import BEGINNING, END
from roundsman_hub.store import derived_store, retention
from roundsman_hub.store.partitions import ensure_days
from roundsman_hub.upkeep.ageing import age, count_days
from roundsman_wire import frames
from roundsman_wire.messages import FACTS, AnyEntry, Crossing, Duty, Visit

EIGHT = datetime(2026, 3, 2, 8, tzinfo=UTC)
A_YEAR_ON = EIGHT + timedelta(days=400)


def tell(van: Any, session_no: int, at: datetime, entries: list[AnyEntry], first: int = 1) -> None:
    """These came from the van at an instant."""
    with van.db.transaction() as cur:
        for seq, entry in enumerate(entries, first):
            cur.execute(
                "INSERT INTO log.entries (vehicle_id, session_no, seq, kind, mono_ms, time, received_at, received_real_at, body) "
                "VALUES (%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0), %s, %s, %s)",
                (
                    *(van.vehicle, session_no, seq, str(entry.__struct_config__.tag), entry.mono_ms, entry.utc_ms, at, at),
                    frames.encode_entry(entry).decode(),
                ),
            )
        cur.execute(
            "INSERT INTO log.watermarks VALUES (%s, %s, %s) ON CONFLICT (session_no, lane) "
            "DO UPDATE SET through_seq = excluded.through_seq",
            (session_no, FACTS, first + len(entries) - 1),
        )


def a_day(at: datetime) -> list[AnyEntry]:
    """On duty, a standstill of four minutes, through a gate, off duty."""

    def ms(minutes: int) -> dict[str, Any]:
        return {"mono_ms": minutes * 60_000, "utc_ms": to_ms(at) + minutes * 60_000}

    return [
        Duty(**ms(0), duty="on", driver=None),
        Visit(**ms(1), visit=1, phase="arrived", stop=None, lat_e6=60_000_000, lon_e6=25_000_000),
        Visit(**ms(5), visit=1, phase="left", stop=None, lat_e6=60_000_000, lon_e6=25_000_000),
        Crossing(**ms(6), fence="f_1", sites_version=1, event="exit", lat_e6=1, lon_e6=2, inferred=False),
        Duty(**ms(9), duty="off", driver=None),
    ]


@pytest.fixture
def van(make_van: Callable[..., Any]) -> Any:
    """Two starts of its agent, four hundred days apart, derived."""
    made = make_van()
    with made.db.transaction() as cur:
        ensure_days(cur, EIGHT)
        cur.execute("UPDATE log.sessions SET ordinal = 1 WHERE session_no = %s", (made.session_no,))
        cur.execute(
            "INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, 2) RETURNING session_no",
            (made.vehicle, f"f{made.session_no:015x}"),
        )
        [row] = cur.fetchall()
    tell(made, made.session_no, EIGHT, a_day(EIGHT))
    tell(made, row["session_no"], A_YEAR_ON, a_day(A_YEAR_ON))
    catch_up(made.db, Clock())
    count_days(made.db, A_YEAR_ON)
    return made


def keep(van: Any, **days: int | None) -> None:
    with van.db.transaction() as cur:
        retention.choose(cur, van.fleet, at=EIGHT, actor="test", **days)


def facts(van: Any) -> list[int]:
    return [row["session_no"] for row in van.ask("SELECT session_no FROM log.entries WHERE vehicle_id = %s ORDER BY 1", van.vehicle)]


def visits(van: Any) -> list[int]:
    return [row["session_no"] for row in van.ask("SELECT session_no FROM visits WHERE vehicle_id = %s ORDER BY 1", van.vehicle)]


def test_facts_and_visits_stay_unless_a_fleet_says_otherwise(van: Any) -> None:
    did = age(van.db, A_YEAR_ON + timedelta(days=4_000))
    assert (did.facts_let_go, did.visits_let_go) == (0, 0)
    assert len(facts(van)) == 10


def test_facts_go_by_whole_sessions_and_what_they_came_to_stays(van: Any) -> None:
    keep(van, fact_days=200)
    assert age(van.db, A_YEAR_ON + timedelta(days=500)).facts_let_go == 5
    assert set(facts(van)) == {van.session_no + 1}, "the newest session goes on, however old"
    assert visits(van) == [van.session_no, van.session_no + 1]
    gaps = van.ask("SELECT lane, first_seq, last_seq, reason FROM log.gaps WHERE session_no = %s", van.session_no)
    assert gaps == [{"lane": FACTS, "first_seq": 1, "last_seq": 5, "reason": "aged"}], "every number keeps its place"
    assert age(van.db, A_YEAR_ON).facts_let_go == 0


def test_nothing_that_is_gone_is_derived_anew(van: Any) -> None:
    """Not by a check, not by a release with other rules."""
    keep(van, fact_days=200)
    age(van.db, A_YEAR_ON)
    found = check.check(van.db, Vehicle(vehicle_id=van.vehicle, fleet_id=van.fleet), BEGINNING, END, A_YEAR_ON)
    assert (found.sessions, found.differences) == (1, ())
    van.note(
        "UPDATE derive_state SET state = jsonb_set(state, '{rules}', %s::text::jsonb) WHERE session_no = %s", RULES - 1, van.session_no
    )
    with van.db.transaction() as cur:
        assert [session.session_no for session in derived_store.behind(cur) if session.vehicle_id == van.vehicle] == []
    assert visits(van) == [van.session_no, van.session_no + 1]


def test_a_log_that_comes_after_its_session_has_aged_goes_on_from_there(van: Any) -> None:
    keep(van, fact_days=200)
    age(van.db, A_YEAR_ON)
    late = [entry for entry in a_day(EIGHT + timedelta(hours=1)) if isinstance(entry, Visit)]
    numbered = [Visit(mono_ms=e.mono_ms, utc_ms=e.utc_ms, visit=2, phase=e.phase, stop=None, lat_e6=1, lon_e6=2) for e in late]
    tell(van, van.session_no, A_YEAR_ON, list(numbered), first=6)
    catch_up(van.db, Clock())
    assert visits(van) == [van.session_no, van.session_no, van.session_no + 1]
    with van.db.transaction() as cur:
        assert cur.execute("SELECT count(*) AS n FROM corrections WHERE vehicle_id = %s", (van.vehicle,)).fetchall() == [{"n": 0}]


def test_visits_go_with_their_facts_and_the_days_numbers_stay(van: Any) -> None:
    keep(van, fact_days=200, visit_days=300)
    before = van.days()
    did = age(van.db, A_YEAR_ON)
    assert visits(van) == [van.session_no + 1]
    assert did.visits_let_go >= 1
    assert van.ask("SELECT FROM crossings WHERE session_no = %s", van.session_no) == []
    van.note("INSERT INTO log.days_due VALUES (%s, '2026-03-02') ON CONFLICT DO NOTHING", van.vehicle)
    count_days(van.db, A_YEAR_ON)
    assert [(day["day"], day["other_stops"]) for day in van.days()] == [(day["day"], day["other_stops"]) for day in before]
    assert before[0]["other_stops"] == 1


def test_a_session_that_is_not_derived_to_its_end_is_still_needed(van: Any) -> None:
    keep(van, fact_days=200)
    van.note("UPDATE derive_state SET through_seq = 4 WHERE session_no = %s", van.session_no)
    assert age(van.db, A_YEAR_ON).facts_let_go == 0


@pytest.mark.parametrize(
    "days", [{"visit_days": 300}, {"fact_days": 200, "visit_days": 199}, {"fact_days": 89}, {"raw_days": None}, {"proof_days": 0}]
)
def test_what_cannot_be_is_refused_with_the_reason(van: Any, days: dict[str, int | None]) -> None:
    with pytest.raises(HubError, match=r"kept|days"):
        keep(van, **days)


def test_a_fleet_may_keep_for_good_again(van: Any) -> None:
    keep(van, fact_days=200, visit_days=300)
    keep(van, visit_days=None)
    keep(van, fact_days=None)
    assert age(van.db, A_YEAR_ON).facts_let_go == 0
