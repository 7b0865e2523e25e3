"""A jam in the box: the hub hears of it from its own vans' last minutes alone, believes it while it lasts, and forgets it by itself."""

from __future__ import annotations

import statistics
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from roundsman_hub.clock import Clock
from roundsman_hub.roads.extract import osrm_folder
from roundsman_hub.roads.role import NOW_SPAN, TrafficRole
from roundsman_hub.store.db import Database
from roundsman_sim.day_box import TRAFFIC_EVERY, Box
from roundsman_sim.day_setting import FIRST_DAY, setting
from roundsman_sim.day_town import copy_database
from roundsman_sim.day_world import Jam

CRAWL = 3.0


@pytest.mark.deep
@pytest.mark.skipif(osrm_folder() is None, reason="there is no OSRM here (it needs Python 3.12)")
def test_a_jam_is_heard_of_by_the_fleets_own_vans_and_is_over_when_it_is() -> None:
    said: list[tuple[datetime, int]] = []
    with setting(None, vans=5, orders=80, town_seed=1, say=lambda _: None) as made:
        plain = made.script(4, FIRST_DAY)
        since = plain.start + timedelta(minutes=90)
        jam = Jam(centre=made.town.depot_at, radius_m=20_000, since=since, until=since + timedelta(minutes=120), factor=CRAWL)
        day = replace(plain, jams=(jam,), troubles=())
        far = made.homes[-1][1]

        class Listened(TrafficRole):
            def step(self) -> None:
                super().step()
                way = made.town.roads.of_fleet(made.town.fleet).matrix([made.town.depot_at], [far])
                said.append((self._clock.now(), int(way.durations_s[0, 0])))

        def listened(db: Database, clock: Clock) -> TrafficRole:
            return Listened(made.place.hub, db, clock, least_s=0.0)

        copy_database(made.server.postgres, made.template, "jam")
        with Database.connect(made.server.dsn("jam"), max_size=2, checked=False) as db:
            Box(db, made.town, day, "living", engine=made.engine, search_s=0.1, first_search_s=0.5, traffic=listened).run()
        assert made.town.roads.of_fleet(made.town.fleet).version() == "base", "after the day nothing is left in the streets"
    heard, over = jam.since + NOW_SPAN + TRAFFIC_EVERY, jam.until + NOW_SPAN + 2 * TRAFFIC_EVERY
    before = [s for at, s in said if jam.since - timedelta(minutes=45) <= at < jam.since]
    during = [s for at, s in said if heard <= at < jam.until]
    after = [s for at, s in said if over <= at < over + timedelta(hours=1)]
    quiet, slow, again = (statistics.median(listed) for listed in (before, during, after))
    assert slow > 1.12 * quiet, "ten minutes of driving are not believed of a whole town at once"
    assert again - quiet < 0.6 * (slow - quiet)
