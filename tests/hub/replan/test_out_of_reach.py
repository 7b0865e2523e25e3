"""Work of vans that are broken, silent, or by an expired plan: what others may have of it, and when."""

from __future__ import annotations

from typing import Any

from tests.hub.replan.under_way import on_the_road

from roundsman_hub.replan.decide import unsettled
from roundsman_hub.store import hand_store

Yard = Any  # the fixture of conftest.py


def test_work_of_a_broken_van_goes_to_others_and_goods_on_board_only_by_a_hand_over(yard: Yard) -> None:
    one, two = yard.van("One"), yard.van("Two")
    goods = yard.order(900, 0, kind="delivery", name="Parcel")
    yard.plan()
    holder, other = (one, two) if yard.route(one) else (two, one)
    on_the_road(yard, holder, other)
    pickup = yard.order(950, 0, name="Pickup")
    yard.plan()
    assert pickup in yard.route(holder)
    yard.receipt(holder)
    with yard.db.transaction() as cur:
        hand_store.set_vehicle(cur, yard.fleet, holder, out=("broken_down",), actor="k", at=yard.clock.now())
    assert [r.kind for r in unsettled(yard.planner.look(yard.depot))] == ["breakdown"]
    yard.bump()
    yard.plan()
    assert yard.route(holder) == []
    assert unsettled(yard.planner.look(yard.depot)) == []
    yard.receipt(holder)
    assert {r.kind for r in unsettled(yard.planner.look(yard.depot))} == {"free"}, "nobody has to ask for it"
    yard.bump()
    yard.plan()
    assert unsettled(yard.planner.look(yard.depot)) == [], "goods on board are not free, whoever looks"
    assert yard.route(other) == [pickup]
    assert goods in yard.unassigned()
    with yard.db.transaction() as cur:
        hand_store.hand_over(cur, yard.fleet, [goods], holder, to=other, said="both drivers", actor="k", at=yard.clock.now())
    yard.bump()
    yard.plan()
    assert set(yard.route(other)) == {goods, pickup}


def test_work_that_a_silent_van_may_hold_is_free_once_its_plan_has_expired(yard: Yard) -> None:
    """The van blocks expired stops: from then on nobody else can serve it twice. What is on board stays."""
    van, other = yard.van("Silent"), yard.van("Other")
    orders = [yard.order(900 * n, 0, within_h=(0, 20)) for n in range(1, 3)]
    yard.plan()
    holder, free = (van, other) if yard.route(van) else (other, van)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET online = false WHERE vehicle_id = %s", (holder,))
        hand_store.set_vehicle(cur, yard.fleet, holder, out=("broken_down",), actor="k", at=yard.clock.now())
    yard.bump()
    yard.plan()
    assert yard.route(free) == [], "it may still serve them"
    with yard.db.transaction() as cur:
        cur.execute("UPDATE plans SET valid_until = %s - interval '10 min' WHERE vehicle_id = %s", (yard.clock.now(), holder))
    yard.bump()
    yard.plan()
    assert sorted(yard.route(free)) == sorted(orders)


def test_goods_on_board_of_an_expired_plan_stay_with_their_van(yard: Yard) -> None:
    """Its driver may still hand them over (the van blocks only what is not on board): nobody else is sent there without them."""
    van, other = yard.van("Silent"), yard.van("Other")
    goods, pickup = yard.order(900, 0, kind="delivery", within_h=(0, 20)), yard.order(1000, 0, within_h=(0, 20))
    yard.plan()
    holder, free = (van, other) if yard.route(van) else (other, van)
    assert set(yard.route(holder)) == {goods, pickup}
    on_the_road(yard, holder)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET online = false WHERE vehicle_id = %s", (holder,))
        hand_store.set_vehicle(cur, yard.fleet, holder, out=("broken_down",), actor="k", at=yard.clock.now())
        cur.execute("UPDATE plans SET valid_until = %s - interval '10 min' WHERE vehicle_id = %s", (yard.clock.now(), holder))
    yard.bump()
    yard.plan()
    assert yard.route(free) == [pickup]
    assert goods in yard.unassigned()


def test_an_older_plan_that_a_van_may_still_have_expires_by_its_own_time(yard: Yard) -> None:
    """A shift that was shortened tells a van so; one without network does not hear it, and goes on by what it has."""
    van, other = yard.van("Silent"), yard.van("Other")
    order = yard.order(900, 0, within_h=(0, 20), name="Before")
    yard.plan()
    holder, free = (van, other) if yard.route(van) else (other, van)
    yard.receipt(holder)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE orders SET name = 'After' WHERE order_id = %s", (order,))
    yard.bump()
    yard.plan()
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET online = false WHERE vehicle_id = %s", (holder,))
        hand_store.set_vehicle(cur, yard.fleet, holder, out=("broken_down",), actor="k", at=yard.clock.now())
        ended = "UPDATE plans SET valid_until = %s - interval '10 min' WHERE vehicle_id = %s AND version = %s"
        cur.execute(ended, (yard.clock.now(), holder, yard.newest(holder).version))
    yard.bump()
    yard.plan()
    assert yard.route(free) == [], "the van may not have that plan, and serve the order by the one before"
