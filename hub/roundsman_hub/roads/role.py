"""The role `traffic`: what is learned, closed, imported or slow just now reaches matrix, ETA and plan, and ends by itself."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from roundsman_hub.clock import Clock
from roundsman_hub.learn.drives import drives_of, moving
from roundsman_hub.learn.speeds import Drive, Now, SpeedTable, learn_now
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.terms import kind_of_words
from roundsman_hub.roads.addresses import SERVED_FILE
from roundsman_hub.roads.extract import dataset, osrm_folder
from roundsman_hub.roads.keeper import Keeper
from roundsman_hub.roads.network import RoadNetwork
from roundsman_hub.roads.osrm import PROCESS_TABLE, OsrmRoads
from roundsman_hub.roads.osrm_process import OsrmProcess
from roundsman_hub.roads.profiles import CAR, PROFILES
from roundsman_hub.roads.streets import Streets
from roundsman_hub.roads.wanted import Traffic, told, wanted
from roundsman_hub.settings import Settings
from roundsman_hub.store import road_store, track_store
from roundsman_hub.store.db import Database, is_away
from roundsman_hub.telemetry.vitals import VITALS, database_answers

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""A closure counts within a second or two of its beginning."""
NOW_EVERY: Final = timedelta(seconds=60)
NOW_LEAST_S: Final = 15.0
"""Real seconds between two looks at traffic, where time runs faster: a server that is replaced stays as long (`keeper.GRACE_S`)."""
NOW_SPAN: Final = timedelta(minutes=15)
SLOWER: Final = 0.15
"""The last minutes ask for another plan when all streets are this much slower or faster than when the plan was last asked for."""
TRAFFIC_PRIORITY: Final = 4


Holds = dict[str, dict[str, tuple[str, ...]]]
"""By fleet and kind of vehicle: names of what is closed or slow."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner was last told of the roads. `paces`: by fleet and kind, where its last minutes differ, in steps of `SLOWER`."""

    holds: dict[str, dict[str, tuple[str, ...]]] = {}
    learned: int = 0
    paces: dict[str, dict[str, int]] = {}


class TrafficRole:
    """Looks every second at what holds, and brings it into service.

    Parameters
    ----------
    least_s : float
        Real seconds between two looks at traffic, at least.
    """

    def __init__(self, settings: Settings, db: Database, clock: Clock, *, least_s: float = NOW_LEAST_S) -> None:
        self._settings, self._db, self._clock, self._least_s = settings, db, clock, least_s
        self._ours = settings.osm is not None and settings.osrm_table is not None and osrm_folder() is not None
        self._keeper: Keeper | None = None
        if self._ours and settings.osm is not None:
            self._keeper = Keeper(settings.osm, settings.cache_dir, settings.data_dir / SERVED_FILE, log.info)
        self._streets: Streets | None = None
        self._plain: dict[str, RoadNetwork] = {}
        self._table, self._version = SpeedTable(), 0
        self._now: dict[tuple[str, str], Now] = {}
        self._now_at, self._now_real_s = datetime.min.replace(tzinfo=UTC), float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop`."""
        try:
            while not stop.is_set():
                try:
                    self.step()
                except Exception as error:
                    if not is_away(error):
                        raise
                    log.warning("%s; trying again", error)
                stop.wait(EVERY_S)
        finally:
            self.close()

    def step(self) -> None:
        """One look."""
        at = self._clock.now()
        with self._db.transaction() as cur:
            closed, imported = road_store.closed(cur, at), road_store.imported(cur, at)
            kinds = {kind_of_words(*words) for words in road_store.words_in_use(cur)} if self._ours else set()
            if (version := road_store.speeds_version(cur)) != self._version:
                self._table, self._version = road_store.speeds(cur), version
            zones = dict(road_store.fleets(cur))
        if self._keeper is not None:
            if at >= self._now_at and time.monotonic() >= self._now_real_s:
                self._now = self._look_at_traffic()
                self._now_at, self._now_real_s = at + NOW_EVERY, time.monotonic() + self._least_s
            traffic = Traffic(table=self._table, closed=closed, imported=imported, now=self._now)
            self._keeper.mend()
            if self._keeper.serve(wanted(traffic, kinds, at, zones, lambda ring: self._known_streets().within(ring))):
                log.info("roads: the paces in service have changed")
        self._ask(told(closed, imported, PROFILES, at))

    def close(self) -> None:
        """End everything that was started."""
        if self._keeper is not None:
            self._keeper.close()
        for roads in self._plain.values():
            roads.close()

    def _ask(self, holds: Holds) -> None:
        """Ask for another plan when something began or ended, or the streets are slower than they were: once, however many hubs look.

        What a fleet has closed, and how its own vans get on, asks its own depots alone; what was learned asks everybody's.
        """
        paces: dict[str, dict[str, int]] = {}
        for (fleet, kind), last in self._now.items():
            if (steps := round(last.factor / SLOWER)) != round(1 / SLOWER):
                paces.setdefault(fleet, {})[kind] = steps
        now = State(holds=holds, learned=self._version, paces=paces)
        with self._db.transaction() as cur:
            row = cur.execute("SELECT told FROM road_state").fetchone()
            if row is not None and msgspec.json.decode(row["told"], type=State) == now:
                return
            told_before = road_store.swap_told(cur, msgspec.json.encode(now).decode())
            if told_before is None and not holds and not self._version:
                return
            before = State() if told_before is None else msgspec.json.decode(told_before, type=State)
            reasons = {}
            for fleet, depot in road_store.depots(cur):
                if (reason := _reason(before, now, fleet)) is not None:
                    reasons[fleet] = reason
                    bump(cur, depot, reason, TRAFFIC_PRIORITY, clock=self._clock, kind="traffic")
        for fleet, reason in reasons.items():
            log.info("roads of %s: %s", fleet, reason)

    def _look_at_traffic(self) -> dict[tuple[str, str], Now]:
        """Each fleet's own last minutes, by fleet and kind of vehicle."""
        until = self._clock.now()
        drives: dict[tuple[str, str], list[Drive]] = {}
        with self._db.transaction() as cur:
            for vehicle in road_store.moving(cur, until - NOW_SPAN):
                stands = road_store.stands(cur, vehicle["vehicle_id"], until - NOW_SPAN, until)
                points = track_store.points(cur, vehicle["vehicle_id"], until - NOW_SPAN, until)
                kind = kind_of_words(vehicle["terms"].get("profile", ""), vehicle["terms"].get("type", ""))
                for trace in moving(points, stands):
                    found = drives_of(trace, self._network_of(kind), kind, vehicle["timezone"])
                    drives.setdefault((vehicle["fleet_id"], kind), []).extend(found)
        return {whose: learn_now(listed, self._table) for whose, listed in drives.items() if listed}

    def _network_of(self, kind: str) -> RoadNetwork:
        """The network's own pace of a kind, which everything learned is times of."""
        if kind not in self._plain:
            assert self._settings.osm is not None
            if kind == CAR and self._settings.osrm_url is not None:
                self._plain[kind] = OsrmRoads(self._settings.osrm_url, table_size=PROCESS_TABLE)
            else:
                process = OsrmProcess(dataset(self._settings.osm, self._settings.cache_dir, log.info, kind), mapped=True)
                self._plain[kind] = OsrmRoads(process.url, process=process, table_size=PROCESS_TABLE)
        return self._plain[kind]

    def _known_streets(self) -> Streets:
        if self._streets is None:
            assert self._settings.osm is not None
            self._streets = Streets(self._settings.osm)
        return self._streets


def run(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """The role."""
    VITALS.must("database", database_answers(settings.database_url))
    with Database.connect(settings.database_url, max_size=2) as db:
        TrafficRole(settings, db, clock).run(stop)


def _reason(before: State, now: State, fleet: str) -> str | None:
    """For people: what began and what ended. None: nothing that is this fleet's business."""

    def names(state: State) -> set[str]:
        return {name for listed in state.holds.get(fleet, {}).values() for name in listed}

    begun, ended = sorted(names(now) - names(before)), sorted(names(before) - names(now))
    said = [f"closed or slow from now on: {', '.join(begun)}"] if begun else []
    said += [f"over: {', '.join(ended)}"] if ended else []
    if now.learned != before.learned:
        said.append("newly learned speeds of streets")
    if now.paces.get(fleet) != before.paces.get(fleet):
        said.append("traffic has changed")
    if not said and now.holds.get(fleet) != before.holds.get(fleet):
        said.append("the roads have changed")
    return "; ".join(said) or None
