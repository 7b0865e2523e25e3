"""Ingest between a real broker and a real database, each of which goes away: nothing lost, nothing twice, acks stop and resume."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.lane_hub import Hub, until

from roundsman_hub import broker as brokers
from roundsman_hub.derive import worker as derive_worker
from roundsman_hub.ingest.inbox import MOST_WAITING_BYTES
from roundsman_hub.store import embedded
from roundsman_hub.store.db import DatabaseAway
from roundsman_wire.messages import Duty


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    folder = Path(tempfile.mkdtemp(prefix="roundsman-ingest-"))
    made = Hub(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


def test_what_is_acknowledged_is_stored(hub: Hub) -> None:
    vans = [hub.van() for _ in range(3)]
    with hub.running():
        for van in vans:
            van.drive(120)
        until(hub.all_acked(*vans), "acks")
        hub.check(*vans)


def test_vans_wait_for_a_hub_that_is_not_there(hub: Hub) -> None:
    van = hub.van()
    van.drive(40)
    trying = hub.all_acked(van)
    until(lambda: trying() or van.lane.sent > 0, "the van to send")
    assert van.acked == 0
    with hub.running():
        until(hub.all_acked(van), "acks after the hub came")
        hub.check(van)


def test_the_database_is_killed_and_comes_back(hub: Hub) -> None:
    """Acks stop while it is away, and resume by themselves; nothing is lost, nothing is stored twice."""
    vans = [hub.van() for _ in range(2)]
    with hub.running(), hub.running(derive_worker.run):
        for van in vans:
            van.drive(60)
        until(hub.all_acked(*vans), "acks before")
        os.kill(hub.postgres.pid, signal.SIGKILL)
        until(lambda: not hub.postgres.alive(), "the database to die")
        hub.postgres.stop()
        before = [van.acked for van in vans]
        for van in vans:
            van.drive(200)
        with pytest.raises(DatabaseAway):
            hub.audit(vans[0])
        assert [van.acked for van in vans] == before, "nothing is acknowledged that is not committed"

        def started() -> bool:
            try:
                hub.postgres = embedded.start(hub.folder / "pg", settings={"fsync": "off"})
            except embedded.PostgresFailed:  # orphaned server processes are still ending
                return False
            return True

        until(started, "the database to start again")
        until(hub.all_acked(*vans), "acks after the database came back")
        until(hub.answers, "this program's own connections to come back")
        hub.check(*vans)
        vans[0].tell(Duty(mono_ms=1, utc_ms=1_772_438_400_000, duty="on", driver=None))
        until(lambda: hub.duties(vans[0]) == ["on"], "the fact to be derived")


def test_the_broker_is_killed_and_comes_back(hub: Hub) -> None:
    van = hub.van()
    with hub.running():
        van.drive(50)
        until(hub.all_acked(van), "acks before")
        hub.mosquitto.kill()
        hub.mosquitto.wait()
        van.drive(50)
        hub.mosquitto = brokers.start(hub.broker)
        until(hub.all_acked(van), "acks after the broker came back")
        hub.check(van)


def test_a_second_worker_takes_over(hub: Hub) -> None:
    """Correctness does not rest on it: both may serve a van for a moment, and each fix is stored once."""
    van = hub.van()
    first, second = hub.running(), hub.running()
    with second:
        with first:
            van.drive(100)
            until(hub.all_acked(van), "acks of either")
        van.drive(100)
        until(hub.all_acked(van), "acks of the second")
    hub.check(van)


def test_half_of_the_shards_move_to_a_second_process_and_come_back_when_it_is_killed(hub: Hub) -> None:
    """Stated: two looks (2 s) after it starts, one look (1 s) after it is killed. Each entry is stored once, whoever served its van."""
    vans = [hub.van() for _ in range(12)]
    with hub.process():
        until(lambda: hub.shares() == [64], "the first to serve all")
        for van in vans:
            van.drive(100)
        with hub.process() as second:
            until(lambda: hub.shares() == [32, 32], "the second to have half")
            for van in vans:
                van.drive(100)
            until(hub.all_acked(*vans), "acks of both")
            for van in vans:
                van.drive(300)
            second.kill()
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [64], "the first to serve all again")
        until(hub.all_acked(*vans), "acks of the first")
    hub.check(*vans)


@pytest.mark.deep
def test_a_process_that_hangs_loses_its_shards(hub: Hub) -> None:
    """It keeps its connection, so its locks would last for ever; when it goes on, it takes its share anew."""
    vans = [hub.van() for _ in range(12)]
    with hub.process(), hub.process() as second:
        until(lambda: hub.shares() == [32, 32], "each to have half")
        second.send_signal(signal.SIGSTOP)
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [64], "the first to serve all")
        until(hub.all_acked(*vans), "acks of the first")
        second.send_signal(signal.SIGCONT)
        for van in vans:
            van.drive(100)
        until(lambda: hub.shares() == [32, 32], "the second to be back")
        until(hub.all_acked(*vans), "acks of both")
    hub.check(*vans)


def test_a_database_that_stands_still_stops_the_acks_and_not_the_memory(hub: Hub) -> None:
    """Back-pressure: the hub keeps so much and no more, its vans keep the rest, and all of it arrives."""
    vans = [hub.van() for _ in range(2)]
    sent_bytes = 100_000_000
    with hub.process() as process:
        until(lambda: hub.shares() == [64], "all shards to be served")
        for van in vans:
            van.drive(20)
        until(hub.all_acked(*vans), "acks before")
        before = resident(process.pid)
        stopped = [hub.postgres.pid, *children(hub.postgres.pid)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            for van in vans:
                van.drive(4_000)
            done = 0
            while done < sent_bytes:
                done += sum(van.repeat(4_000) for van in vans)
            most = resident(process.pid)
            assert [van.acked for van in vans] == [20, 20], "nothing is acknowledged that is not committed"
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        until(hub.all_acked(*vans), "acks after")
        assert most - before < 2 * MOST_WAITING_BYTES + 30_000_000 < sent_bytes
    hub.check(*vans)


def resident(pid: int) -> int:
    """Bytes of a process in memory, at most until now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such line")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
