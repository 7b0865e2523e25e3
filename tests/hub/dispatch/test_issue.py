"""Plans are numbered, signed, and issued once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, strategies as st

from roundsman_hub.dispatch.issue import Stale, next_version
from roundsman_hub.store.rows import row, rows
from roundsman_wire.envelopes import hash_of, open_envelope
from roundsman_wire.messages import Sentence

Desk = Any  # the fixture of conftest.py


@given(last=st.integers(min_value=0, max_value=2**53), clock=st.integers(min_value=0, max_value=2**53))
def test_versions_rise_and_never_fall_behind_the_clock(last: int, clock: int) -> None:
    """Invariant 4: also for a hub that was restored from an old backup, whose own numbers are behind its vans'."""
    version = next_version(last, clock)
    assert version > last
    assert version >= clock


def test_what_is_stored_is_what_was_signed(desk: Desk) -> None:
    order = desk.order()
    plan = desk.issue(order)
    signer = desk.pki.signer()

    def verify(key_id: str, signature: bytes, signed: bytes) -> bool:
        try:
            signer.key.public_key().verify(signature, signed)
        except InvalidSignature:
            return False
        return bool(key_id == signer.key_id)

    with desk.db.transaction() as cur:
        stored = row(cur, "SELECT * FROM plans WHERE vehicle_id = %s", (desk.vehicle,))
        tasks = rows(cur, "SELECT order_id, position FROM plan_tasks WHERE vehicle_id = %s", (desk.vehicle,))
        journal = rows(cur, "SELECT kind, body FROM journal WHERE subject = %s", (desk.vehicle,))
    assert stored is not None
    opened = open_envelope(bytes(stored["envelope"]), verify)
    assert opened.payload == plan
    assert opened.hash == stored["hash"] == hash_of(bytes(stored["envelope"]))
    assert (opened.header.vehicle, opened.header.kind, opened.header.version) == (desk.vehicle, "plan", plan.version)
    assert opened.header.valid_until_utc_ms > plan.shift_end_utc_ms
    assert [(t["order_id"], t["position"]) for t in tasks] == [(order, 1)]
    assert [(j["kind"], j["body"]["version"]) for j in journal] == [("plan.issued", plan.version)]


def test_a_plan_made_from_an_older_revision_is_not_issued(desk: Desk) -> None:
    world = desk.world()
    desk.bump()
    with pytest.raises(Stale):
        desk.issue(world=world)
    with desk.db.transaction() as cur:
        assert rows(cur, "SELECT 1 FROM plans WHERE vehicle_id = %s", (desk.vehicle,)) == []


def test_of_two_planners_one_wins(desk: Desk) -> None:
    """Both read the same world, even one in which nothing is left to plan; the second one has to look again."""
    desk.issue()
    world = desk.world()
    assert world.planned == world.revision
    start = threading.Barrier(2)
    outcome: list[str] = []

    def one() -> None:
        start.wait()
        try:
            desk.issue(world=world)
            outcome.append("issued")
        except Stale:
            outcome.append("stale")

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == ["issued", "stale"]


def test_what_was_planned_has_no_reasons_left(desk: Desk) -> None:
    desk.bump()
    desk.issue()
    with desk.db.transaction() as cur:
        planning = row(cur, "SELECT * FROM planning WHERE depot_id = %s", (desk.depot,))
    assert planning is not None
    assert planning["planned"] == planning["revision"]
    assert planning["reasons"] == []


def test_reasons_are_kept_up_to_a_number_that_people_read(desk: Desk) -> None:
    for _ in range(30):
        desk.bump()
    with desk.db.transaction() as cur:
        planning = row(cur, "SELECT * FROM planning WHERE depot_id = %s", (desk.depot,))
    assert planning is not None
    assert len(planning["reasons"]) == 20
    assert planning["revision"] == 31


def test_a_plan_without_stops_ends_the_shift(desk: Desk) -> None:
    plan = desk.issue()
    assert plan.stops == ()
    assert plan.reason_said == (Sentence(code="", params={"text": "a test"}),), (
        "a person's words go as they are, a known sentence by its code"
    )
    later = desk.issue(world=replace(desk.world(), epoch=2))
    assert later.version > plan.version
