"""A technician asks the hub how a van's unit is, before driving to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from roundsman_hub.clock import Clock
from roundsman_hub.telemetry.figures import Figures
from roundsman_hub.telemetry.log_figures import LogFigures
from roundsman_wire.frames import encode_entry
from roundsman_wire.messages import Health

sessions = itertools.count(0xA000)


def session(shop: Any, van: str, ordinal: int) -> int:
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO log.sessions (vehicle_id, session, ordinal) VALUES (%s, %s, %s) RETURNING session_no",
            (van, f"{next(sessions):016x}", ordinal),
        )
        return int(cur.fetchall()[0]["session_no"])


def say(shop: Any, clock: Clock, van: str, session_no: int, seq: int, **told: Any) -> None:
    usual: dict[str, Any] = {
        "agent_version": "1",
        "backlog_facts": 0,
        "backlog_track": 3,
        "oldest_unsent_s": 7,
        "disk_free_mb": 900,
        "rss_mb": 60,
        "fixes_accepted": 9,
    }
    entry = Health(mono_ms=seq, utc_ms=None, **(usual | {"receiver": "ok"} | told))
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO log.entries VALUES (%s, %s, %s, 'health', %s, %s, %s, %s, %s)",
            (van, session_no, seq, seq, clock.now() + timedelta(seconds=seq), clock.now(), clock.now(), encode_entry(entry).decode()),
        )


def test_newest_word_of_the_newest_session_is_told_whatever_the_dates_say(shop: Any, clock: Clock) -> None:
    """ "Latest" is the highest (session, seq): the van's dates run backwards here."""
    van = shop.van(shop.depot())
    before, after = session(shop, van, 1), session(shop, van, 2)
    say(shop, clock, van, after, 4, temperature_c=50.0)
    say(
        shop,
        clock,
        van,
        after,
        9,
        temperature_c=81.5,
        throttled=("too hot",),
        voltage_v=4.9,
        disk_wear_pct=3,
        versions={"gpsd": "3.22"},
        blobs_waiting=2,
    )
    say(shop, clock, van, before, 99, temperature_c=20.0)
    told = shop.get(f"/v1/vehicles/{van}/health").json()
    assert (told["temperature_c"], told["throttled"], told["voltage_v"], told["disk_wear_pct"]) == (81.5, ["too hot"], 4.9, 3)
    assert (told["versions"], told["blobs_waiting"], told["receiver"], told["vehicle"]) == ({"gpsd": "3.22"}, 2, "ok", van)


def test_van_that_never_said_and_another_fleets_van_say_nothing(shop: Any, make_shop: Callable[[], Any], clock: Clock) -> None:
    van, other = shop.van(shop.depot()), make_shop()
    assert shop.get(f"/v1/vehicles/{van}/health").json()["type"].endswith("no-health-yet")
    theirs = other.van(other.depot())
    say(other, clock, theirs, session(other, theirs, 1), 1)
    assert other.get(f"/v1/vehicles/{theirs}/health").status_code == 200
    assert shop.get(f"/v1/vehicles/{theirs}/health").status_code == 404


def test_watchers_are_told_how_many_vans_are_unwell(shop: Any, clock: Clock) -> None:
    def counted() -> dict[str, float]:
        figures = Figures()
        LogFigures(shop.db).tell(figures)
        return {
            "".join(value for _, value in sample.labels) or sample.family: sample.value
            for sample in figures.samples()
            if sample.family.startswith(("roundsman_vans_unwell", "roundsman_vans_oldest"))
        }

    before = counted()
    cases: tuple[dict[str, Any], ...] = (
        {"temperature_c": 84.0},
        {"receiver": "lost: unplugged", "disk_free_mb": 20},
        {"receiver": "resting: off shift"},
    )
    for number, told in enumerate(cases):
        van = shop.van(shop.depot())
        say(shop, clock, van, session(shop, van, 1), 1, oldest_unsent_s=4_000 + number, **told)
        with shop.db.transaction() as cur:
            cur.execute(
                "INSERT INTO vehicle_now (vehicle_id, fleet_id, session_ordinal, online) VALUES (%s, %s, 1, true) "
                "ON CONFLICT (vehicle_id) DO UPDATE SET session_ordinal = 1, online = true",
                (van, shop.fleet),
            )
    after = counted()
    assert {what: after[what] - before[what] for what in ("hot", "receiver", "disk", "throttled", "wear", "store")} == {
        "hot": 1, "receiver": 1, "disk": 1, "throttled": 0, "wear": 0, "store": 0,
    }  # fmt: skip
    assert after["roundsman_vans_oldest_unsent_seconds"] == 4_002
