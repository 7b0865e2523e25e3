"""From a van's log to what its stops teach: the search, the walk, the service and the way back are told apart, each by its own evidence."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from roundsman_core.geo import LatLon, LocalFrame
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.derive.worker import catch_up
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.learn.service import Stop
from roundsman_hub.learn.speeds import SpeedTable
from roundsman_hub.learn.stops import stops_of
from roundsman_hub.learn.ways import Ways
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import road_store
from roundsman_wire import channels, frames
from roundsman_wire.messages import FACTS, Ack, Action, AnyEntry, SessionStarted, Visit

Yard = Any  # the fixture of conftest.py
SESSION = "00000000000000aa"
CENTRE = LocalFrame(LatLon(50.0, 10.0))


class Silent:
    """Acks are not what these tests are about."""

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        pass


def said(yard: Yard, vehicle: str, entries: Sequence[AnyEntry]) -> None:
    """The van's log arrives, and is derived."""
    log = [SessionStarted(mono_ms=0, session=SESSION, previous=None, agent_version="1", row_format=1), *entries]
    data = frames.encode_frame(SESSION, FACTS, 1, len(log), frames.pack_entries([frames.encode_entry(entry) for entry in log]))
    Ingest(yard.db, yard.clock, Silent()).process([Message(topic=channels.topic(vehicle, "facts"), payload=data)])
    catch_up(yard.db, Clock())


def told_stops(yard: Yard, cache: Path, speeds: SpeedTable | None = None) -> list[Stop]:
    until = yard.clock.now() + timedelta(hours=5)
    with yard.db.transaction() as cur:
        rows = road_store.served_stops(cur, yard.fleet, yard.clock.now() - timedelta(hours=1), until)
        near = road_store.approaches(cur, yard.fleet, yard.clock.now() - timedelta(hours=1), until)
    with Ways(None, None, cache) as ways:
        return stops_of(rows, near, ZoneInfo("UTC"), ways, speeds or SpeedTable())


class Log:
    """What a van says from a given instant on, by seconds."""

    def __init__(self, yard: Yard, order: str) -> None:
        self._zero_ms = to_ms(yard.clock.now())
        self._order = order
        self.entries: list[AnyEntry] = []

    def visit(self, at_s: int, phase: Any, east_m: float, north_m: float) -> None:
        at = CENTRE.to_latlon(east_m, north_m)
        self.entries.append(
            Visit(
                mono_ms=1000 * at_s,
                utc_ms=self._zero_ms + 1000 * at_s,
                visit=1,
                phase=phase,
                stop=self._order,
                lat_e6=at.lat_e6,
                lon_e6=at.lon_e6,
            )
        )

    def tap(self, at_s: int, outcome: Any, undoes: str | None = None) -> None:
        self.entries.append(
            Action(
                mono_ms=1000 * at_s,
                utc_ms=self._zero_ms + 1000 * at_s,
                action=f"{self._order}-{outcome}-{at_s}",
                stop=self._order,
                tasks=(self._order,),
                outcome=outcome,
                undoes=undoes,
            )
        )


def test_each_part_of_a_stop_has_its_own_evidence(yard: Yard, tmp_path: Path) -> None:
    """Near at 100 s, standing at 220, 40 m from the door; at the door at 260, done there at 400, off again at 430."""
    van, order = yard.van(), yard.order(1_000, 0)
    log = Log(yard, order)
    log.visit(100, "approaching", 700, 0)
    log.visit(220, "arrived", 1_000, 40)
    log.tap(225, "arrived")  # a slip of the finger
    log.tap(227, "undo", undoes=f"{order}-arrived-225")
    log.tap(260, "arrived")
    log.tap(400, "delivered")
    log.tap(410, "failed")
    log.tap(412, "undo", undoes=f"{order}-failed-410")
    log.visit(430, "left", 1_000, 40)
    said(yard, van, log.entries)
    (stop,) = told_stops(yard, tmp_path)
    drive_s = int(GreatCircle().matrix([CENTRE.to_latlon(700, 0)], [CENTRE.to_latlon(1_000, 0)]).durations_s[0, 0])
    assert stop.searched_s == 120 - drive_s
    assert stop.apart_m == pytest.approx(40, abs=1)
    assert (stop.stood_s, stop.walked_s, stop.back_s) == (210, 40, 30)


def test_what_nobody_said_is_not_known(yard: Yard, tmp_path: Path) -> None:
    """No word of coming near, and no tap at the door before the van drove on."""
    van, order = yard.van(), yard.order(1_000, 0)
    log = Log(yard, order)
    log.visit(220, "arrived", 1_000, 0)
    log.visit(430, "left", 1_000, 0)
    log.tap(500, "arrived")
    log.tap(600, "delivered")
    said(yard, van, log.entries)
    (stop,) = told_stops(yard, tmp_path)
    assert (stop.searched_s, stop.walked_s, stop.back_s) == (None, None, None)
    assert stop.stood_s == 210


class SlowRoads(Ways):
    """Drives of half a minute to two, by how far north the order is."""

    def drives_s(self, kind: str, ways: Sequence[tuple[LatLon, LatLon, str]], speeds: SpeedTable) -> list[float | None]:
        return [30.0 + 90.0 * (end.lat_deg - 50.0) for _, end, _ in ways]


def test_streets_that_are_slower_than_the_roads_know_are_no_search(tmp_path: Path) -> None:
    """Everything takes 1.4 times as long as the roads say, and then half a minute of looking for a place."""
    rng = random.Random(1)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    near = {}
    for visit in range(200):
        north = rng.random()
        drive_s = 30.0 + 90.0 * north
        arrived = noon + timedelta(minutes=visit)
        near[1, visit] = arrived - timedelta(seconds=1.4 * drive_s + rng.uniform(0, 60)), LatLon(50.0, 10.0)
        at = LatLon(50.0 + north, 10.0)
        place = {"lat_e6": at.lat_e6, "lon_e6": at.lon_e6, "stood_lat_e6": at.lat_e6, "stood_lon_e6": at.lon_e6}
        who = {"session_no": 1, "visit": visit, "terms": {}, "driver": "a", "parcels": 1, "served_at": None, "ended_at": None}
        rows.append({**place, **who, "arrived_at": arrived, "left_at": arrived + timedelta(minutes=3), "window_start": noon})
    with SlowRoads(None, None, tmp_path) as ways:
        found = [stop.searched_s or 0.0 for stop in stops_of(rows, near, ZoneInfo("UTC"), ways, SpeedTable())]
    assert sum(found) / len(found) == pytest.approx(30, abs=8)
    far = [seconds for seconds, row in zip(found, rows, strict=True) if row["lat_e6"] > 50_500_000]
    assert sum(far) / len(far) == pytest.approx(30, abs=8)  # and the long drives' are not longer
