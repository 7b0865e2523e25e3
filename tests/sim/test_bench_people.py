"""The privacy property, on fewer cases than `make bench-people` draws; and that it would notice a leak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roundsman_hub.api import customer
from roundsman_hub.clock import Clock
from roundsman_hub.store.db import Database
from roundsman_sim import bench_people_fleet as fleets, bench_people_privacy as privacy


@pytest.fixture(scope="module")
def made(plain_database: Database) -> fleets.Fleet:
    return fleets.make(plain_database, Clock(), vans=2, orders=10, seed=1, planned=True)


def test_no_customer_reads_a_word_or_a_place_that_is_anothers(plain_database: Database, made: fleets.Fleet) -> None:
    read = privacy.look(plain_database, Clock(), made, 60, seed=4)
    drawn = privacy.draw(plain_database, Clock(), made, 400, seed=5)
    assert (read.all, drawn.all) == (0, 0)
    assert drawn.seen_vans > 20, "the van is shown often enough for the rule to be tried"


def test_a_leak_would_be_noticed(plain_database: Database, made: fleets.Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    true = customer.shown

    def leaky(*args: Any, **kwargs: Any) -> Any:
        return replace(true(*args, **kwargs), fleet=f"next to {fleets.marker(3)}")

    monkeypatch.setattr(customer, "shown", leaky)
    assert privacy.draw(plain_database, Clock(), made, 60, seed=6).words > 20
