"""The dispatcher's hand: what is pinned, forbidden, locked or taken back stays so through every later plan; and who is asked first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg.types.json import Jsonb
from tests.hub.replan.under_way import on_the_road

from roundsman_hub.replan import preview
from roundsman_hub.replan.build import build
from roundsman_hub.replan.decide import unsettled
from roundsman_hub.replan.matrix import Matrices
from roundsman_hub.replan.revision import bump
from roundsman_hub.replan.worker import PlanWorker
from roundsman_hub.roads import GreatCircle
from roundsman_hub.store import hand_store, proposal_store
from roundsman_hub.store.rows import rows

Yard = Any  # the fixture of conftest.py


def assign(yard: Yard, order: str, vehicle: str | None, position: int | None = None, forbid: tuple[str, ...] = ()) -> None:
    with yard.db.transaction() as cur:
        before = yard.route(vehicle)[: position - 1] if position else []
        hand_store.assign(
            cur, yard.fleet, order, vehicle=vehicle, position=position, before=before, forbid=forbid, actor="k", at=yard.clock.now()
        )
        bump(cur, yard.depot, "a dispatcher's word", 8, clock=yard.clock, kind="hand", subject=order)


def mode(yard: Yard, word: str) -> None:
    with yard.db.transaction() as cur:
        hand_store.set_mode(cur, yard.depot, word)


def proposals(yard: Yard, state: str | None = None) -> list[dict[str, Any]]:
    with yard.db.transaction() as cur:
        return proposal_store.page(cur, depot=yard.depot, state=state, limit=50)


def test_a_pinned_order_goes_to_its_van_and_stays_there(yard: Yard) -> None:
    """It leaves the one plan first, and enters the other after the receipt; later plans and searches leave it there."""
    one, two = yard.van("One"), yard.van("Two")
    orders = [yard.order(800 * n, 0, name=f"Stop {n}") for n in range(1, 4)]
    yard.plan()
    holder, other = (one, two) if orders[2] in yard.route(one) else (two, one)
    yard.receipt(holder)
    assign(yard, orders[2], other)
    yard.plan()
    assert orders[2] not in yard.route(holder)
    yard.receipt(holder)
    assert [r.kind for r in unsettled(yard.planner.look(yard.depot))] == ["free"]
    yard.bump()
    yard.plan()
    assert orders[2] in yard.route(other)
    yard.receipt(other)
    for _ in range(2):
        yard.bump()
        search = yard.planner.plan(yard.depot)
        yard.planner.adopt(search, type(search.warm)(routes={holder: tuple(orders), other: ()}, unassigned={}))
        assert orders[2] in yard.route(other), "a search may wish for what it likes"


def test_a_pin_waits_for_a_van_that_cannot_be_asked(yard: Yard) -> None:
    away, here = yard.van("Away"), yard.van("Here")
    order = yard.order(900, 0)
    yard.plan()
    holder, other = (away, here) if yard.route(away) else (here, away)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET online = false WHERE vehicle_id = %s", (holder,))
    assign(yard, order, other)
    yard.plan()
    assert yard.route(holder) == [order], "nobody can ask it to let go"
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET online = true WHERE vehicle_id = %s", (holder,))
    yard.bump()
    yard.plan()
    yard.receipt(holder)
    yard.bump()
    yard.plan()
    assert (yard.route(holder), yard.route(other)) == ([], [order])


def test_a_position_is_kept_while_the_stops_before_it_are_done(yard: Yard) -> None:
    van = yard.van()
    for n in range(1, 6):
        yard.order(900 * n, 0, name=f"Stop {n}")
    yard.plan()
    on_the_road(yard, van)
    yard.at(van, 100, 0)
    orders = yard.route(van)
    assign(yard, orders[4], van, position=2)
    yard.plan()
    assert yard.route(van) == [orders[0], orders[4], orders[1], orders[2], orders[3]]
    yard.receipt(van)
    yard.state(van, orders[0], "delivered")
    yard.bump()
    search = yard.planner.plan(yard.depot)
    yard.planner.adopt(search, type(search.warm)(routes={van: tuple(orders[1:])}, unassigned={}))
    assert [stop for stop in yard.route(van) if stop != orders[0]] == [orders[4], orders[1], orders[2], orders[3]]


def test_a_locked_route_gets_nothing_and_loses_only_what_is_cancelled(yard: Yard) -> None:
    van = yard.van()
    orders = [yard.order(900 * n, 0) for n in range(1, 4)]
    yard.plan()
    on_the_road(yard, van)
    route = yard.route(van)
    with yard.db.transaction() as cur:
        hand_store.set_vehicle(cur, yard.fleet, van, locked=True, actor="k", at=yard.clock.now())
    new = yard.order(500, 0, priority=9)
    search = yard.planner.plan(yard.depot)
    assert yard.route(van) == route
    assert new in yard.unassigned()
    yard.planner.adopt(search, type(search.warm)(routes={van: tuple(reversed(orders))}, unassigned={}))
    assert yard.route(van) == route
    yard.cancel(route[2])
    yard.plan()
    assert yard.route(van) == route[:2]


def test_a_locked_route_keeps_its_order_when_what_was_decided_cannot_reach_the_van(yard: Yard) -> None:
    """It has no network and may hold the work: it drives what it has, and nothing may be told as if it were moved."""
    van, _ = yard.van("Away", online=False), yard.van("Other")
    orders = [yard.order(900 * n, 0, bumped=False) for n in range(1, 4)]
    for order in orders:
        assign(yard, order, van)
    yard.plan()
    route, issued = yard.route(van), yard.issued()
    assert set(route) == set(orders)
    with yard.db.transaction() as cur:
        hand_store.set_vehicle(cur, yard.fleet, van, locked=True, actor="k", at=yard.clock.now())
    assign(yard, route[0], None, forbid=(van,))
    yard.plan()
    assert (yard.route(van), yard.issued()) == (route, issued)


def test_a_forbidden_van_never_gets_the_order(yard: Yard) -> None:
    near, far = yard.van("Near"), yard.van("Far")
    order = yard.order(700, 0, bumped=False)
    assign(yard, order, None, forbid=(near, far))
    yard.plan()
    assert order in yard.unassigned()
    assign(yard, order, None, forbid=(near,))
    yard.plan()
    assert (yard.route(near), yard.route(far)) == ([], [order])


def test_every_change_has_a_story_that_a_person_can_read(yard: Yard) -> None:
    van = yard.van("Blue van")
    first = yard.order(900, 0, name="Ann")
    yard.plan()
    urgent = yard.order(500, 0, priority=9, name="Bo")
    yard.plan()
    newest = proposals(yard)[0]
    assert newest["state"] == "adopted"
    assert [r["kind"] for r in newest["reasons"]] == ["urgent"] or newest["reasons"][0]["reason"] == "Bo ordered"
    added = next(c for c in newest["diff"]["changes"] if c["order"] == urgent)
    assert (added["what"], added["vehicle_before"], added["vehicle_after"]) == ("added", None, van)
    assert added["arrival_after_utc"] is not None
    assert "Bo: new for Blue van as stop" in newest["diff"]["text"]
    assert "Why: Bo ordered." in newest["diff"]["text"]
    assert newest["diff"]["saves"]["cost_cents"] < 0, "one order more costs something"
    assert newest["versions"] == {van: yard.newest(van).version}
    yard.cancel(first)
    yard.plan()
    gone = proposals(yard)[0]["diff"]
    assert gone["text"].startswith("Ann: taken from Blue van")
    assert [(c["what"], c["order"], c["vehicle_after"]) for c in gone["changes"] if c["order"] == first] == [("removed", first, None)]


def test_where_a_dispatcher_is_asked_choices_wait_and_truths_do_not(yard: Yard) -> None:
    van = yard.van()
    first, second = yard.order(900, 0, name="Ann"), yard.order(1800, 0, name="Bo")
    yard.plan()
    mode(yard, "ask")
    new = yard.order(500, 0, name="Cy")
    yard.plan()
    assert new not in yard.route(van)
    assert yard.unassigned()[new] == "waits for a dispatcher's approval"
    (waiting,) = proposals(yard, "waiting")
    assert [c["order"] for c in waiting["diff"]["changes"] if c["what"] == "added"] == [new]
    yard.cancel(second)
    yard.plan()
    assert yard.route(van) == [first], "a cancelled order leaves the van at once, and nothing else happens"
    with yard.db.transaction() as cur:
        kept = proposal_store.waiting(cur, yard.depot)
    assert kept is None or kept.proposal_id != waiting["proposal_id"]
    yard.order(700, 0, name="Di")
    yard.plan()
    (waiting,) = proposals(yard, "waiting")
    with yard.db.transaction() as cur:
        assert proposal_store.decide(cur, waiting["proposal_id"], was="waiting", state="adopted", actor="k", at=yard.clock.now())
        bump(cur, yard.depot, "approved", 8, clock=yard.clock, kind="approved", subject=waiting["proposal_id"])
    yard.plan()
    assert set(yard.route(van)) >= {first, new}
    assert yard.unassigned() == {}
    with yard.db.transaction() as cur:
        told = proposal_store.one(cur, waiting["proposal_id"])
    assert told is not None
    assert told["versions"] == {van: yard.newest(van).version}


def test_what_a_dispatcher_rejected_is_not_proposed_again_with_the_next_news(yard: Yard) -> None:
    """It waits for their own word; other news is proposed without it."""
    van = yard.van()
    first = yard.order(900, 0, name="Ann")
    yard.plan()
    yard.receipt(van)
    mode(yard, "ask")
    new = yard.order(500, 0, name="Cy")
    yard.plan()
    (waiting,) = proposals(yard, "waiting")
    with yard.db.transaction() as cur:
        proposal_store.decide(cur, waiting["proposal_id"], was="waiting", state="rejected", actor="k", at=yard.clock.now())
    yard.bump()
    search = yard.planner.plan(yard.depot)
    assert proposals(yard, "waiting") == []
    if search is not None:
        yard.planner.adopt(search, type(search.warm)(routes={van: (new, first)}, unassigned={}))
    assert proposals(yard, "waiting") == []
    assert yard.unassigned() == {new: "waits for a dispatcher's approval"}
    other = yard.order(1300, 0, name="Di")
    yard.plan()
    (waiting,) = proposals(yard, "waiting")
    assert [c["order"] for c in waiting["diff"]["changes"] if c["what"] == "added"] == [other]


def test_an_order_that_no_van_may_have_says_so(yard: Yard) -> None:
    vans = yard.van("One"), yard.van("Two")
    order = yard.order(700, 0, bumped=False)
    assign(yard, order, None, forbid=vans)
    yard.plan()
    assert yard.unassigned() == {order: "it is forbidden to every van"}


def test_where_planning_is_off_only_a_dispatcher_plans(yard: Yard) -> None:
    van = yard.van()
    yard.order(900, 0)
    yard.plan()
    mode(yard, "off")
    new, other = yard.order(500, 0), yard.order(600, 0)
    yard.plan()
    assert yard.issued() == 1
    assert set(yard.unassigned().values()) == {"planning is off: a dispatcher gives it to a van"}
    assert unsettled(yard.planner.look(yard.depot)) == []
    assign(yard, new, van)
    yard.plan()
    assert new in yard.route(van)
    assert other not in yard.route(van)


def test_what_is_taken_back_does_not_come_back(yard: Yard) -> None:
    """The order that the last plan gave to a van is forbidden to it, and the search may not find the same change again."""
    van = yard.van()
    for n in range(1, 4):
        yard.order(900 * n, 0)
    yard.plan()
    orders = yard.route(van)
    yard.receipt(van)
    new = yard.order(500, 0, name="New")
    yard.plan()
    assert new in yard.route(van)
    yard.receipt(van)
    with yard.db.transaction() as cur:
        last = proposal_store.last_adopted(cur, yard.depot)
        assert last is not None
        proposal_store.decide(cur, last["proposal_id"], was="adopted", state="rejected", actor="k", at=yard.clock.now(), note="taken back")
        hand_store.assign(cur, yard.fleet, new, vehicle=None, position=None, before=(), forbid=[van], actor="k", at=yard.clock.now())
        bump(cur, yard.depot, "taken back", 8, clock=yard.clock, kind="undone", subject=last["proposal_id"])
    yard.plan()
    assert yard.route(van) == orders
    yard.receipt(van)
    yard.bump()
    search = yard.planner.plan(yard.depot)
    yard.planner.adopt(search, type(search.warm)(routes={van: (new, *orders)}, unassigned={}))
    assert yard.route(van) == orders
    assert new in yard.unassigned()


def test_taking_back_another_order_of_stops_shows_and_brings_the_one_before(yard: Yard) -> None:
    """No van is given anything by such a plan: what is shown first is what happens."""
    van = yard.van()
    orders = tuple(yard.order(4_000 * n, 0) for n in range(1, 4))
    search = yard.planner.plan(yard.depot)
    poor = (orders[1], orders[0], orders[2])
    yard.planner.adopt(search, type(search.warm)(routes={van: poor}, unassigned={}))
    yard.receipt(van)
    yard.bump()
    search = yard.planner.plan(yard.depot)
    yard.planner.adopt(search, type(search.warm)(routes={van: orders}, unassigned={}))
    assert tuple(yard.route(van)) == orders
    yard.receipt(van)
    with yard.db.transaction() as cur:
        last = proposal_store.last_adopted(cur, yard.depot)
    assert last is not None
    ways = Matrices(GreatCircle())
    world = yard.planner.look(yard.depot)
    shown = preview.without(world, lambda now: build(now, *ways.of(now), may_move=True), {}, routes=last["before"])
    assert (shown.feasible, shown.routes) == (True, {van: poor})
    assert shown.cost_cents > 0
    with yard.db.transaction() as cur:
        proposal_store.decide(cur, last["proposal_id"], was="adopted", state="rejected", actor="k", at=yard.clock.now(), note="taken back")
        bump(cur, yard.depot, "taken back", 8, clock=yard.clock, kind="undone", subject=last["proposal_id"])
    yard.plan()
    assert tuple(yard.route(van)) == poor


def test_news_is_answered_once_and_storms_are_one_revision(yard: Yard) -> None:
    van = yard.van()
    orders = [yard.order(900 * n, 0) for n in range(1, 7)]
    yard.plan()
    on_the_road(yard, van)
    for order in orders[:5]:
        yard.state(van, order, "failed")
        with yard.db.transaction() as cur:
            cur.execute("UPDATE order_states SET action = order_id WHERE order_id = %s", (order,))
    worker = PlanWorker(yard.db, yard.planner, yard.clock, None)
    told = []
    for _ in range(4):
        world = yard.planner.look(yard.depot)
        told.append(worker.answer_news(world, unsettled(world)))
    assert told == [3, 2, 0, 0]
    with yard.db.transaction() as cur:
        (planning,) = rows(cur, "SELECT reasons FROM planning WHERE depot_id = %s", (yard.depot,))
    assert {reason["kind"] for reason in planning["reasons"]} == {"failed"}


def test_a_driver_who_leaves_out_a_stop_is_news(yard: Yard) -> None:
    van = yard.van("Van")
    for n in range(1, 4):
        yard.order(900 * n, 0, name="Skipped")
    yard.plan()
    orders = yard.route(van)
    on_the_road(yard, van)
    with yard.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET next_stop = %s WHERE vehicle_id = %s", (orders[1], van))
    (reason,) = unsettled(yard.planner.look(yard.depot))
    assert (reason.kind, reason.text) == ("skipped", "Van left out Skipped")


def test_a_proposal_is_stored_whole(yard: Yard) -> None:
    """What the diff says is what `/v1/proposals` reads: no instant or number is lost on the way."""
    van = yard.van()
    order = yard.order(900, 0)
    yard.plan()
    (first,) = proposals(yard)
    assert first["after"] == {van: [order]}
    assert Jsonb(first["diff"]).obj["changes"][0]["position_after"] == 1


def test_a_position_that_cannot_be_kept_any_more_goes_and_its_van_stays(yard: Yard) -> None:
    """Stops before it take so long by now that it would miss its deadline: it comes earlier, in the same van, and people are told."""
    van = yard.van("One")
    orders = [yard.order(900 * n, 0, name=f"Stop {n}") for n in range(1, 5)]
    yard.plan()
    on_the_road(yard, van)
    route = yard.route(van)
    assign(yard, route[1], van, position=5)
    yard.plan()
    yard.receipt(van)
    assert yard.route(van) == [route[0], route[2], route[3], route[1]], "it can be kept"
    with yard.db.transaction() as cur:
        deadline = Jsonb({"deadline": (yard.clock.now() + timedelta(hours=1)).isoformat()})
        cur.execute("UPDATE orders SET needs = needs || %s WHERE order_id = %s", (deadline, route[1]))
        cur.execute("UPDATE orders SET service_s = 3000 WHERE order_id = ANY(%s)", (route[2:],))
    yard.bump("stops take longer")
    yard.plan()
    assert yard.route(van)[:2] == route[:2]
    with yard.db.transaction() as cur:
        hand = hand_store.assignment(cur, route[1])
        alerts = rows(cur, "SELECT kind, vehicle_id, order_id FROM alerts WHERE fleet_id = %s", (yard.fleet,))
    assert hand is not None
    assert (hand["vehicle_id"], hand["position"], hand["before"]) == (van, None, [])
    assert alerts == [{"kind": "position_dropped", "vehicle_id": van, "order_id": route[1]}]
    assert "its position in One cannot be kept, the van can" in proposals(yard)[0]["diff"]["text"]
    assert set(yard.route(van)) == set(orders)
    again = yard.issued()
    yard.bump()
    yard.plan()
    assert yard.issued() == again, "told once"
