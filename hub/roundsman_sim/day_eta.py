"""What was said of arrivals, and what happened: the hub's own times against plain ones, asked at the same instants.

Plain is what one would do without learning: the road's time from where the van is to its first stop, then each leg and each planned
service after it, waiting where a window is not open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from roundsman_core.geo import LatLon
from roundsman_hub.clock import from_ms
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import rows

if TYPE_CHECKING:
    from roundsman_sim.day_town import Town
    from roundsman_sim.day_van import DayVan

EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One arrival time, as it was said. `at`: when it happened; None: never."""

    stop: str
    said_at: datetime
    eta: datetime
    low: datetime
    high: datetime
    plain: datetime
    at: datetime | None = None

    @property
    def ahead_s(self) -> float:
        """How long before the arrival it was said."""
        return -1.0 if self.at is None else (self.at - self.said_at).total_seconds()


class Watch:
    """Writes down every five minutes what the hub says of each stop; `by_plan`: what the plan says, where nobody looks after it."""

    def __init__(self, db: Database, town: Town, vans: Sequence[DayVan], *, by_plan: bool = False) -> None:
        self._db, self._town, self._vans, self._by_plan = db, town, vans, by_plan
        self._next: datetime | None = None
        self._said: list[Said] = []

    def look(self, now: datetime) -> None:
        """Note what is said now, if it is time."""
        if self._next is not None and now < self._next:
            return
        self._next = now + EVERY
        told = self._told()
        for van in self._vans:
            if not van.on_duty or not van.linked(now):
                continue
            for stop, plain in self._plain(van, now):
                if (words := told.get(stop)) is not None:
                    eta, low, high = words
                    self._said.append(Said(stop=stop, said_at=now, eta=eta, low=low, high=high, plain=plain))

    def _told(self) -> dict[str, tuple[datetime, datetime, datetime]]:
        """(expected, from, to) of each stop."""
        if self._by_plan:
            return {stop.stop: (from_ms(stop.arrival_utc_ms),) * 3 for van in self._vans for stop in van.left}
        with self._db.transaction() as cur:
            found = rows(cur, "SELECT order_id, eta, low, high FROM etas WHERE fleet_id = %s", (self._town.fleet,))
        return {r["order_id"]: (r["eta"], r["low"], r["high"]) for r in found}

    def _plain(self, van: DayVan, now: datetime) -> list[tuple[str, datetime]]:
        at, here = now, van.sets_out_from(now)
        if (serving := van.serving_until) is not None:
            planned = timedelta(seconds=van.asks[serving[0]].service_s)
            at = max(now, serving[1] + planned)
        out = []
        for stop in van.left:
            ask = van.asks[stop.stop]
            to = LatLon.from_e6(stop.lat_e6, stop.lon_e6)
            at += timedelta(seconds=self._town.way(here, to)[1])
            out.append((stop.stop, at))
            at = max(at, ask.opens) + timedelta(seconds=ask.service_s)
            here = to
        return out

    def settled(self, arrived: dict[str, datetime]) -> tuple[Said, ...]:
        """Everything said of stops that were reached, with the arrival."""
        return tuple(replace(said, at=arrived[said.stop]) for said in self._said if said.stop in arrived)
