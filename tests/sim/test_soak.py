"""The soak in short, and that its audit notices what it is there to notice."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent.outbox import Outbox
from roundsman_hub.clock import Clock
from roundsman_hub.ingest.packets import Message
from roundsman_hub.ingest.worker import Ingest
from roundsman_hub.store.db import Database
from roundsman_sim import SimError, soak
from roundsman_sim.soak import SoakSettings
from roundsman_sim.soak_audit import Verdict, audit
from roundsman_sim.soak_faults import FAULTS
from roundsman_sim.soak_van import Generator, last_index
from roundsman_wire.channels import topic
from roundsman_wire.messages import LANE_NAMES, Ack

QUICK = ("van killed", "broker killed", "role killed", "database killed", "messages shuffled", "poison")
VEHICLE = "v_50a000000000"


def play(settings: SoakSettings) -> dict[str, Any]:
    lines: list[str] = []
    try:
        return asyncio.run(soak.run(settings, lines.append))
    except SimError as error:
        pytest.fail(f"{error}\n" + "\n".join(lines))


def clean(told: dict[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("lost", "twice", "altered", "destroyed")}


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_altered_by_six_faults(tmp_path: Path) -> None:
    """Invariants 1, 2, 3, 8 and 11 with real processes."""
    told = play(SoakSettings(fixes=3_000, faults=len(QUICK), vans=2, seed=1, directory=tmp_path / "soak", only=QUICK))
    assert clean(told) == {"lost": 0, "twice": 0, "altered": 0, "destroyed": 0}
    assert told["played"] == dict.fromkeys(QUICK, 1)
    assert told["sent"] == told["stored"] >= 3_000


@pytest.mark.deep
@pytest.mark.timeout(1_200)
def test_nothing_is_lost_doubled_or_altered_by_every_kind_of_fault(tmp_path: Path) -> None:
    told = play(SoakSettings(fixes=soak.THINS_FROM, faults=len(FAULTS), vans=4, seed=3, directory=tmp_path / "soak"))
    assert {name: told[name] for name in ("lost", "twice", "altered")} == {"lost": 0, "twice": 0, "altered": 0}
    assert sum(told["played"].values()) == len(FAULTS)


def test_the_seed_decides_which_faults_come_and_each_kind_comes_before_any_comes_again() -> None:
    settings = SoakSettings(faults=2 * len(FAULTS), fixes=soak.THINS_FROM)
    one, other = (soak.dealt(settings, random.Random(seed), disks=True) for seed in (1, 2))
    assert one == soak.dealt(settings, random.Random(1), disks=True)
    assert one != other
    for half in (one[: len(FAULTS)], one[len(FAULTS) :]):
        assert {fault.name for fault in half} == {fault.name for fault in FAULTS}


@pytest.mark.parametrize("environment", [{"FIXES": "many"}, {"ONLY": "earthquake"}])
def test_a_setting_that_cannot_be_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SimError, match=next(iter(environment.values()))):
        SoakSettings.read(environment)


class Deaf:
    """An uplink without a network, and a hub's mouth that nobody hears."""

    def grown(self, _facts_last: int, _track_last: int) -> None:
        return None

    def acknowledge(self, acks: Sequence[tuple[str, Ack]]) -> None:
        return None


@pytest.fixture
def drive(tmp_path: Path, plain_database: Database) -> Callable[[], Verdict]:
    """A van that generated 60 fixes and two facts, all of which the hub has; gives its audit."""
    spec = {
        "seed": 5,
        "van": 0,
        "base_utc_ms": int(time.time() * 1000) - 60_000,
        "journal": str(tmp_path / "journal"),
        "store": str(tmp_path),
    }
    outbox = Outbox(tmp_path / "log.db", max_mb=5, version="1", now=lambda: (int(time.time() * 1000), 0))
    with ThreadPoolExecutor(1) as store:
        generator = Generator(spec, outbox, Deaf(), store)  # type: ignore[arg-type]  # of the uplink it only uses `grown`
        for _ in range(3):
            generator._commit(20)
    with plain_database.transaction() as cur:
        for table in ("fixes", "fixes_untimed", "entries"):
            cur.execute(f"DELETE FROM log.{table} WHERE vehicle_id = %s", (VEHICLE,))
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES ('f_soak', 'Fleet') ON CONFLICT DO NOTHING")
        cur.execute(
            "INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES ('p_s', 'f_soak', 'D', 0, 0) ON CONFLICT DO NOTHING"
        )
        cur.execute(
            "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) "
            "VALUES (%s, 'f_soak', 'Van', 'p_s', 1, now(), now() + interval '8 hours') ON CONFLICT DO NOTHING",
            (VEHICLE,),
        )
    hub = Ingest(plain_database, Clock(), Deaf())
    for lane in outbox.lanes():
        data, _ = outbox.frame(lane.session, lane.lane, 1, lane.last)
        hub.process([Message(topic(VEHICLE, LANE_NAMES[lane.lane]), data)])
    outbox.close()
    assert last_index(tmp_path / "journal") == 60
    return lambda: audit(plain_database.dsn, VEHICLE, spec, [])


def test_a_clean_drive_passes_the_audit(drive: Callable[[], Verdict]) -> None:
    found = drive()
    assert (found.sent, found.stored, found.lost, found.twice, found.altered) == (62, 62, 0, 0, 0)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("DELETE FROM log.fixes WHERE vehicle_id = %s AND seq = 17", "lost"),
        ("DELETE FROM log.entries WHERE vehicle_id = %s AND seq = 2", "lost"),
        ("INSERT INTO log.fixes SELECT * FROM log.fixes WHERE vehicle_id = %s AND seq = 17", "twice"),
        ("UPDATE log.fixes SET lat_e6 = lat_e6 + 1 WHERE vehicle_id = %s AND seq = 17", "altered"),
        ("UPDATE log.fixes SET time = time + interval '1 ms' WHERE vehicle_id = %s AND seq = 17", "altered"),
        ("UPDATE log.entries SET body = replace(body, 'soak', 'soap') WHERE vehicle_id = %s AND seq = 2", "altered"),
    ],
)
def test_one_wrong_row_among_many_is_noticed(drive: Callable[[], Verdict], plain_database: Database, statement: str, name: str) -> None:
    with plain_database.transaction() as cur:
        cur.execute(statement, (VEHICLE,))
    found = drive()
    assert {n: getattr(found, n) for n in ("lost", "twice", "altered")} == {"lost": 0, "twice": 0, "altered": 0} | {name: 1}
    assert json.dumps(found.examples)
