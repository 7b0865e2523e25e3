"""Hours of service of a depot's drivers: SQL beside its function. Nothing is asked where nobody has a rule set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

import msgspec

from roundsman_core.hours import Clocks
from roundsman_hub.clock import to_ms
from roundsman_hub.domain.terms import HoursTerms, VehicleTerms
from roundsman_hub.replan.clocks import Spoken, Stand, Word, clocks_of, of_driver, sits
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, rows

BACK: Final = timedelta(hours=36)
"""A day of duty and the rest before it."""
_RULES: LiteralString = """
    SELECT driver_id, terms -> 'hours' AS hours FROM drivers WHERE fleet_id = %s AND jsonb_typeof(terms -> 'hours') = 'object'
"""
_WORDS: LiteralString = """
    SELECT d.vehicle_id, coalesce(k.driver_id, v.driver_id) AS driver_id, d.duty, d.at
    FROM vehicles v JOIN duties d USING (vehicle_id) JOIN log.sessions s USING (session_no)
    LEFT JOIN drivers k ON k.driver_id = d.driver_id AND k.fleet_id = v.fleet_id
    WHERE v.fleet_id = %s AND d.at >= %s ORDER BY d.at, s.ordinal, s.session_no, d.seq
"""
_STANDS: LiteralString = """
    SELECT vehicle_id, arrived_at, left_at FROM visits
    WHERE vehicle_id = ANY(%s) AND arrived_at IS NOT NULL AND coalesce(left_at, arrived_at) >= %s ORDER BY arrived_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriversClocks:
    """Of the driver who sits in a van, or is to."""

    driver: str | None
    clocks: Clocks


def driver_clocks(cur: Cursor, fleet_id: str, vehicles: Sequence[Row], now: datetime, before_shift: timedelta) -> dict[str, DriversClocks]:
    """By vehicle; those whose driver has no rule are left out.

    Parameters
    ----------
    vehicles : sequence of rows
        vehicle_id, driver_id, shift_start, terms.
    before_shift : timedelta
        How long before its shift a word in a van may be the first of it.
    """
    drivers = {r["driver_id"]: msgspec.convert(r["hours"], HoursTerms) for r in rows(cur, _RULES, (fleet_id,))}
    if not drivers and not any(v["terms"].get("hours") for v in vehicles):
        return {}
    said = [
        Word(at_ms=to_ms(r["at"]), duty=r["duty"], vehicle=r["vehicle_id"], driver=r["driver_id"])
        for r in rows(cur, _WORDS, (fleet_id, now - BACK))
    ]
    stands: dict[str, list[Stand]] = defaultdict(list)
    for r in rows(cur, _STANDS, (sorted({word.vehicle for word in said}), now - BACK)):
        stands[r["vehicle_id"]].append((to_ms(r["arrived_at"]), to_ms(r["left_at"]) if r["left_at"] else None))
    out = {}
    for v in vehicles:
        vehicle = v["vehicle_id"]
        driver = sits(vehicle, v["driver_id"], said)
        own = drivers.get(driver or "")
        spoken = of_driver(driver, vehicle, said, stands)
        if own is None:
            shift = to_ms(v["shift_start"] - before_shift)
            spoken = Spoken(words=tuple(word for word in spoken.words if word[0] >= shift), stands=spoken.stands)
        of_vehicle = msgspec.convert(v["terms"], VehicleTerms).hours
        clocks = clocks_of(own, of_vehicle, shift_start=v["shift_start"], spoken=spoken, now=now)
        if clocks is not None:
            out[vehicle] = DriversClocks(driver=driver, clocks=clocks)
    return out
