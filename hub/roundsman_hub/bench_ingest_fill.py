"""A table of fixes filled as a fleet would have filled it, for `make bench-ingest`: binary COPY of columns made by numpy, index after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import psycopg

from roundsman_hub.clock import to_ms
from roundsman_hub.ingest import rows

DAYS: Final = 7
LEAST_VEHICLES: Final = 100
DAY_FIXES: Final = 28_800
"""Of a van: eight hours at one a second."""
PER_FRAME: Final = 10
"""Consecutive fixes of one van that lie side by side on disk: those of a frame, and between them the other vans'. The shortest frames
make the worst case."""
BLOCK_FRAMES: Final = 60
"""Of every van, made and copied at once: 60,000 rows of a hundred vans."""
SAYS_EVERY_S: Final = 10.0
COLUMNS: Final = "time, vehicle_id, session_no, seq, mono_ms, lat_e6, lon_e6, speed_cm_s, heading_cdeg, accuracy_dm, satellites, flags"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What the table holds: `DAYS` days before today of `vehicles` vans, `day_fixes` of each and day."""

    vehicles: int
    day_fixes: int

    @classmethod
    def of(cls, count: int) -> Filled:
        """About `count` rows: whole days of a hundred vans or more, or shorter ones of a hundred."""
        day_fixes = min(DAY_FIXES, max(count // (DAYS * LEAST_VEHICLES * PER_FRAME), 1) * PER_FRAME)
        return cls(vehicles=max(count // (DAYS * day_fixes), LEAST_VEHICLES), day_fixes=day_fixes)

    @property
    def rows(self) -> int:
        return DAYS * self.vehicles * self.day_fixes

    def vehicle(self, number: int) -> str:
        """The id of the `number`-th van, counted round."""
        return f"v_{number % self.vehicles:012x}"


def midnight(days_ago: int) -> datetime:
    """The UTC midnight at which a day of the table begins."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def fill(connection: psycopg.Connection[Any], table: Filled, say: Callable[[str], None]) -> None:
    """Fill the emptied table; the index is built after."""
    began = said = time.monotonic()
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET maintenance_work_mem = '512MB'")
    connection.execute("DROP INDEX log.fixes_by_vehicle")
    names, numbers = [table.vehicle(van) for van in range(table.vehicles)], range(1, table.vehicles + 1)
    frames = table.day_fixes // PER_FRAME
    step = max(BLOCK_FRAMES * LEAST_VEHICLES // table.vehicles, 1)
    done = 0
    for day in range(1, DAYS + 1):
        with (
            connection.transaction(),
            connection.cursor() as cur,
            cur.copy(f"COPY log.fixes ({COLUMNS}) FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.write(rows.COPY_HEAD)
            for first in range(0, frames, step):
                block = _block(table, day, first, min(step, frames - first))
                copy.write(rows.copy_bytes(block, names, numbers, timed=True))
                done += len(block)
                if time.monotonic() - said > SAYS_EVERY_S:
                    said = time.monotonic()
                    say(f"  … {done:,} of {table.rows:,} rows after {said - began:.0f} s")
            copy.write(rows.COPY_TAIL)
    copied = time.monotonic()
    connection.execute("CREATE INDEX fixes_by_vehicle ON log.fixes (vehicle_id, time)")
    indexed = time.monotonic()
    connection.execute("VACUUM (ANALYZE) log.fixes")
    told = f"copied {copied - began:.0f} s, index {indexed - copied:.0f} s, vacuum {time.monotonic() - indexed:.0f} s"
    say(f"  filled with {table.rows:,} rows of {table.vehicles} vans and {DAYS} days: {told}")


def _block(table: Filled, day: int, first: int, frames: int) -> rows.Fixes:
    """Some frames of every van, in the order in which they would arrive: frame by frame, in each van by van, in each by number."""
    frame, van, row = (axis.ravel() for axis in np.indices((frames, table.vehicles, PER_FRAME)))
    n = (first + frame) * PER_FRAME + row
    constant = np.full_like
    return rows.Fixes(
        frame=van,
        seq=(DAYS - day) * table.day_fixes + n + 1,
        mono_ms=n * 1000,
        utc_ms=to_ms(midnight(day)) + (21_600 + n) * 1000,
        lat_e6=47_000_000 + van * 1000 + n,
        lon_e6=9_500_000 - n,
        speed_cm_s=1000 + n % 7,
        heading_cdeg=150 * (n % 240),
        accuracy_dm=constant(n, 15),
        satellites=constant(n, 9),
        flags=constant(n, 0),
    )
