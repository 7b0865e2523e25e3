"""After a restore: nothing is planned before the vans were heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roundsman_hub.clock import to_ms
from roundsman_hub.replan.holds import HEARD_WITHIN
from roundsman_hub.store import log_store, now_store, talk_store
from roundsman_hub.store.rows import row, rows

Yard = Any  # the fixture of conftest.py


@pytest.fixture
def restored(yard: Yard) -> Iterator[Callable[[], None]]:
    """Function: the database is as after a restore, for as long as this test runs."""

    def do() -> None:
        with yard.db.transaction() as cur:
            log_store.restored(cur)

    yield do
    with yard.db.transaction() as cur:
        cur.execute("UPDATE log.epoch SET raised_real_at = NULL")


def speaks(yard: Yard, van: str) -> None:
    """Some word of the van's comes: it is on line, and no more is known."""
    with yard.db.transaction() as cur:
        now_store.set_online(cur, van, yard.fleet, online=True, at_real=yard.clock.real_now())


def heard(yard: Yard, van: str) -> None:
    """The van answers the roll call: what waited for it at the broker is taken."""
    speaks(yard, van)
    with yard.db.transaction() as cur:
        epoch = row(cur, "SELECT raised_real_at FROM log.epoch")
        assert epoch is not None
        call = talk_store.roll_call(epoch["raised_real_at"])
        session_no = log_store.session_numbers(cur, [(van, f"{int(van[2:], 16):016x}")]).popitem()[1]
        cur.execute(
            "INSERT INTO messages_shown (vehicle_id, fleet_id, session_no, seq, message, at) VALUES (%s, %s, %s, 1, %s, %s)",
            (van, yard.fleet, session_no, call, yard.clock.now()),
        )


def test_after_a_restore_nothing_is_planned_before_the_vans_were_heard(yard: Yard, restored: Callable[[], None]) -> None:
    """What a van was told after the backup is known to that van alone: it is asked first, and only then work is given to another."""
    one, two = yard.van("One"), yard.van("Two")
    order = yard.order(900, 0)
    restored()
    speaks(yard, one)
    speaks(yard, two)
    assert yard.planner.plan(yard.depot) is None
    assert (yard.issued(), yard.unassigned()) == (0, {})
    heard(yard, one)
    assert yard.planner.plan(yard.depot) is None
    assert yard.planner.awaiting == {yard.depot: (two,)}
    with yard.db.transaction() as cur:
        said = rows(cur, "SELECT detail FROM log.alarms WHERE kind = 'planning waits' AND subject = %s", (yard.depot,))
    assert [r["detail"] for r in said] == ["restored: planning waits to hear of Two, 90 s at most"]
    heard(yard, two)
    unknown_plan(yard, two, order)
    yard.plan()
    assert yard.planner.awaiting == {}
    assert order in yard.route(two) or order in yard.unassigned(), "it may hold it: nobody else gets it"
    assert yard.route(one) == []


def unknown_plan(yard: Yard, van: str, order: str) -> None:
    """The van's receipts tell of a plan that this database does not have."""
    with yard.db.transaction() as cur:
        cur.execute(
            "INSERT INTO plan_receipts (vehicle_id, version, fleet_id, state, hash, at, received_real_at)"
            " VALUES (%s, %s, %s, 'in_force', '', %s, %s)",
            (van, to_ms(yard.clock.now()), yard.fleet, yard.clock.now(), yard.clock.real_now()),
        )


def test_a_van_that_says_nothing_after_a_restore_keeps_what_it_held(yard: Yard, restored: Callable[[], None]) -> None:
    """It is waited for, for a while; then the others are planned, and what it was told stays with it."""
    one, two = yard.van("One"), yard.van("Two")
    held = yard.order(900, 0)
    yard.plan()
    holder, other = (one, two) if yard.route(one) else (two, one)
    yard.receipt(holder)
    yard.duty(holder, "on")
    yard.at(holder, 300, 0)
    restored()
    heard(yard, other)
    new = yard.order(700, 0, priority=9)
    yard.plan()
    assert yard.route(other) == []
    with yard.db.transaction() as cur:
        cur.execute("UPDATE log.epoch SET raised_real_at = raised_real_at - %s", (HEARD_WITHIN,))
    yard.plan()
    assert yard.planner.awaiting == {}
    assert (yard.route(holder), yard.route(other)) == ([held], [new])


def test_a_van_that_comes_back_after_the_wait_is_told_anew_and_the_work_has_one_van(yard: Yard, restored: Callable[[], None]) -> None:
    """What it was told after the backup may be with another by then: both let go of it, and once both have said so, one has it."""
    vans = yard.van("One"), yard.van("Two")
    order = yard.order(900, 0)
    restored()
    with yard.db.transaction() as cur:
        cur.execute("UPDATE log.epoch SET raised_real_at = raised_real_at - %s", (HEARD_WITHIN,))
    yard.plan()
    one, late = vans if yard.route(vans[0]) else vans[::-1]
    assert (yard.route(one), yard.route(late)) == ([order], [])
    yard.receipt(one)
    speaks(yard, late)
    unknown_plan(yard, late, order)
    yard.plan()
    assert (yard.route(one), yard.route(late), order in yard.unassigned()) == ([], [], True)
    yard.receipt(one)
    yard.receipt(late)
    yard.plan()
    assert sorted([*yard.route(one), *yard.route(late)]) == [order]
