"""Vans whose logs are already stored: long ago, yesterday, or just now."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from math import cos, radians, sin
from typing import Any

import pytest

from roundsman_hub.export import stream_track
from roundsman_hub.store.audit import TrackAudit, audit_tracks
from roundsman_hub.store.db import Database

LONG_AGO = datetime(2026, 3, 2, 8, tzinfo=UTC)
_ids = count(1)


@dataclass
class Van:
    """A van of a fleet of its own that drives, stands and drives, a fix a second."""

    db: Database
    fleet: str
    vehicle: str
    session_no: int

    def drive(self, first: int, last: int, *, at: datetime = LONG_AGO, flags: int = 0) -> None:
        """Numbers `first` to `last` of its track; number n is n seconds after `at`. It stands still every third minute."""
        rows = []
        for seq in range(first, last + 1):
            minutes, rest = divmod(seq, 60)
            moved_s = (minutes - minutes // 3) * 60 + (0 if minutes % 3 == 2 else rest)
            angle = radians(moved_s / 8)
            lat, lon = 60_000_000 + round(4000 * sin(angle)) + 60 * moved_s, 25_000_000 + round(8000 * cos(angle))
            standing = minutes % 3 == 2
            rows.append((at + timedelta(seconds=seq), seq, 1000 * seq, lat, lon, 0 if standing else 1000, flags if seq == first else 0))
        with self.db.transaction() as cur:
            with cur.copy(
                "COPY log.fixes (vehicle_id, session_no, time, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, flags, satellites) FROM STDIN"
            ) as copy:
                for row in rows:
                    copy.write_row((self.vehicle, self.session_no, *row, 9))
            cur.execute(
                "INSERT INTO log.watermarks VALUES (%s, 1, %s) ON CONFLICT (session_no, lane) "
                "DO UPDATE SET through_seq = greatest(watermarks.through_seq, excluded.through_seq)",
                (self.session_no, last),
            )

    def note(self, sql: str, *values: Any) -> None:
        with self.db.transaction() as cur:
            cur.execute(sql, values)

    def ask(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        with self.db.transaction() as cur:
            return cur.execute(sql, values).fetchall()

    def days(self) -> list[dict[str, Any]]:
        return self.ask("SELECT * FROM vehicle_days WHERE vehicle_id = %s ORDER BY day", self.vehicle)

    def raw(self) -> int:
        return int(self.ask("SELECT count(*) AS n FROM log.fixes WHERE vehicle_id = %s", self.vehicle)[0]["n"])

    def gaps(self) -> list[tuple[int, int, str]]:
        found = self.ask("SELECT first_seq, last_seq, reason FROM log.gaps WHERE session_no = %s ORDER BY 1", self.session_no)
        return [(row["first_seq"], row["last_seq"], row["reason"]) for row in found]

    def track(self) -> list[dict[str, Any]]:
        """What an export draws."""
        features: list[dict[str, Any]] = json.loads("".join(stream_track(self.db, self.vehicle, "geojson")))["features"]
        return features

    def audit(self) -> TrackAudit:
        with self.db.transaction() as cur:
            [found] = audit_tracks(cur, [self.vehicle])
        return found


@pytest.fixture
def make_van(database: Database) -> Callable[..., Van]:
    """Function: a van, in a fleet of its own in a zone, with one session."""

    def make(zone: str = "Europe/Helsinki", fleet: str | None = None) -> Van:
        number = next(_ids)
        own = fleet or f"fl_up{number}"
        vehicle = f"v_up{number}"
        with database.transaction() as cur:
            cur.execute("INSERT INTO fleets VALUES (%s, 'Fleet', %s) ON CONFLICT DO NOTHING", (own, zone))
            cur.execute("INSERT INTO depots VALUES (%s, %s, 'D', '', 0, 0)", (f"p_{vehicle}", own))
            cur.execute(
                "INSERT INTO vehicles VALUES (%s, %s, 'Van', %s, NULL, 10, '2026-03-02T08:00Z', '2026-03-02T16:00Z', NULL)",
                (vehicle, own, f"p_{vehicle}"),
            )
            cur.execute("INSERT INTO log.sessions (vehicle_id, session) VALUES (%s, %s) RETURNING session_no", (vehicle, f"{number:016x}"))
            return Van(db=database, fleet=own, vehicle=vehicle, session_no=cur.fetchall()[0]["session_no"])

    return make


@pytest.fixture
def van(make_van: Callable[..., Van]) -> Van:
    return make_van()
