"""Figures that the database keeps: what waits to be derived, gaps, quarantine, alarms, vans on line. Read at most every few seconds."""

from __future__ import annotations

import threading
import time
from typing import Final, LiteralString

from roundsman_hub.store.db import AWAY, Database
from roundsman_hub.store.health_store import UNWELL, unwell
from roundsman_hub.telemetry.figures import Figures

READS_EVERY_S: Final = 5.0
UNITS_EVERY_S: Final = 60.0
"""Units say how they are every five minutes; of 5,000 of them this is 5,000 look-ups."""

_ONE: Final[LiteralString] = """
    SELECT (SELECT coalesce(sum(w.through_seq - coalesce(d.through_seq, 0)), 0) FROM log.watermarks w
            LEFT JOIN derive_state d USING (session_no) WHERE w.lane = 0)::float8 AS behind,
           (SELECT count(*) FROM log.quarantine WHERE resolved_at IS NULL)::float8 AS quarantined,
           (SELECT count(*) FROM vehicle_now WHERE online)::float8 AS online,
           (SELECT coalesce(sum(backlog), 0) FROM vehicle_now WHERE online)::float8 AS backlog
"""
_GAPS: Final[LiteralString] = "SELECT reason, sum(last_seq - first_seq + 1)::float8 AS numbers FROM log.gaps GROUP BY reason"
_ALARMS: Final[LiteralString] = "SELECT kind, sum(count)::float8 AS times FROM log.alarms GROUP BY kind"


class LogFigures:
    """Reads them for one process. While the database is away, the last ones stand; `roundsman_ready` says so."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._read_at = -READS_EVERY_S
        self._units_at = -UNITS_EVERY_S

    def tell(self, figures: Figures) -> None:
        """Put them, unless that was done a moment ago."""
        with self._lock:
            if time.monotonic() - self._read_at < READS_EVERY_S:
                return
            now_s = self._read_at = time.monotonic()
        units = None
        try:
            with self._db.transaction() as cur:
                one = cur.execute(_ONE).fetchone() or {}
                gaps = cur.execute(_GAPS).fetchall()
                alarms = cur.execute(_ALARMS).fetchall()
                if now_s - self._units_at >= UNITS_EVERY_S:
                    units, self._units_at = unwell(cur), now_s
        except AWAY:
            return
        figures.put("roundsman_derive_behind_entries", one["behind"])
        figures.put("roundsman_quarantined_frames", one["quarantined"])
        figures.put("roundsman_vans_online", one["online"])
        figures.put("roundsman_vans_backlog_entries", one["backlog"])
        for row in gaps:
            figures.put("roundsman_log_gap_entries", row["numbers"], reason=row["reason"])
        for row in alarms:
            figures.put("roundsman_alarms", row["times"], kind=row["kind"])
        if units is not None:
            figures.put("roundsman_vans_oldest_unsent_seconds", units["oldest_unsent_s"])
            for what in UNWELL:
                figures.put("roundsman_vans_unwell", units[what], what=what)
