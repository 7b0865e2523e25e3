"""What dispatchers and drivers tell each other: written here, said in the van's log, read at both doors."""

from __future__ import annotations

from typing import Any

from roundsman_hub.store.rows import rows

BREAKDOWN = "INSERT INTO reports (session_no, seq, vehicle_id, fleet_id, report, topic, text, order_id, lat_e6, lon_e6, at)"


def test_a_message_is_kept_until_the_van_shows_it_and_the_driver_answers(shop: Any) -> None:
    vehicle = shop.van(shop.depot())
    order = shop.order()["order"]
    made = shop.post(f"/v1/vehicles/{vehicle}/messages", json={"text": "Ring twice", "order": order}, headers={"Idempotency-Key": "m"})
    again = shop.post(f"/v1/vehicles/{vehicle}/messages", json={"text": "Ring twice", "order": order}, headers={"Idempotency-Key": "m"})
    assert (made.status_code, again.json()) == (201, made.json())
    message = made.json()["message"]

    def state() -> str:
        return str(
            next(line["state"] for line in shop.get(f"/v1/vehicles/{vehicle}/messages").json()["items"] if line["message"] == message)
        )

    assert state() == "waiting"
    with shop.db.transaction() as cur:
        cur.execute("UPDATE messages SET published_at = at WHERE message_id = %s", (message,))
    assert state() == "sent"
    with shop.db.transaction() as cur:
        cur.execute("INSERT INTO messages_shown VALUES (1, 1, %s, %s, %s, %s)", (vehicle, shop.fleet, message, shop.clock.now()))
    assert state() == "shown"
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO driver_words (session_no, seq, vehicle_id, fleet_id, message, text, about, at)"
            " VALUES (1, 2, %s, %s, 'w', 'Will do', %s, %s)",
            (vehicle, shop.fleet, message, shop.clock.now()),
        )
    assert state() == "answered"
    answer, asked = shop.get(f"/v1/vehicles/{vehicle}/messages").json()["items"]
    assert (answer["said_by"], answer["text"], answer["about"], asked["order"]) == ("driver", "Will do", message, order)
    assert [line["text"] for line in shop.get("/v1/live").json()["messages"]] == ["Will do", "Ring twice"]


def test_a_message_to_nobody_or_of_nothing_is_refused(shop: Any, make_shop: Any) -> None:
    vehicle = shop.van(shop.depot())
    assert shop.post("/v1/vehicles/v_none/messages", json={"text": "Hello"}).status_code == 404
    assert shop.post(f"/v1/vehicles/{vehicle}/messages", json={"text": "  "}).status_code == 422
    assert shop.post(f"/v1/vehicles/{vehicle}/messages", json={"text": "Hello", "order": "o_none"}).status_code == 422
    assert make_shop().post(f"/v1/vehicles/{vehicle}/messages", json={"text": "Hello"}).status_code == 404, "another fleet's"
    assert shop.get(f"/v1/vehicles/{vehicle}/messages").json()["items"] == []


def reasons(shop: Any) -> list[dict[str, Any]]:
    with shop.db.transaction() as cur:
        return [r for one in rows(cur, "SELECT reasons FROM planning WHERE fleet_id = %s", (shop.fleet,)) for r in one["reasons"]]


def test_a_breakdown_needs_attention_until_somebody_has_seen_to_it(shop: Any) -> None:
    vehicle = shop.van(shop.depot())
    with shop.db.transaction() as cur:
        values = (vehicle, shop.fleet, f"r-{vehicle}", shop.clock.now())
        cur.execute(BREAKDOWN + " VALUES (7, 1, %s, %s, %s, 'breakdown', 'a wheel', NULL, 50000000, 10000000, %s)", values)
    (live,) = shop.get("/v1/live").json()["reports"]
    assert (live["vehicle"], live["topic"], live["text"], live["lat_deg"]) == (vehicle, "breakdown", "a wheel", 50.0)
    (report,) = shop.get(f"/v1/reports?vehicle={vehicle}&unsettled=true").json()["items"]
    assert (report["topic"], report["settled_at"], report["photos"]) == ("breakdown", None, [])
    assert shop.clients["viewer"].post(f"/v1/reports/{report['report']}/settle").status_code == 403
    before = reasons(shop)
    for _ in range(2):
        assert shop.clients["dispatcher"].post(f"/v1/reports/{report['report']}/settle").status_code == 204
    assert len(reasons(shop)) == len(before) + 1, "the van can be given work again; once is enough"
    assert reasons(shop)[-1].items() >= {"kind": "hand", "subject": vehicle}.items()
    assert shop.get("/v1/live").json()["reports"] == []
    (settled,) = shop.get("/v1/reports").json()["items"]
    assert settled["settled_at"] is not None
    assert shop.post("/v1/reports/r-none/settle").status_code == 404


def test_parcels_are_followed_into_the_van_and_out_of_it(shop: Any) -> None:
    vehicle = shop.van(shop.depot())
    order = shop.order(items=["A-1", "A-2"])["order"]
    with shop.db.transaction() as cur:
        for seq, (parcel, event, of) in enumerate([("A-1", "loaded", order), ("B-9", "unknown", None), ("A-1", "unloaded", order)], 1):
            cur.execute(
                "INSERT INTO scans VALUES (9, %s, %s, %s, %s, %s, %s, 'shelf 2', 'scan', NULL, %s)",
                (seq, vehicle, shop.fleet, parcel, event, of, shop.clock.now()),
            )
    of_order = shop.get(f"/v1/scans?order={order}").json()["items"]
    assert [(scan["parcel"], scan["event"]) for scan in of_order] == [("A-1", "unloaded"), ("A-1", "loaded")]
    of_van = shop.get(f"/v1/scans?vehicle={vehicle}").json()["items"]
    assert {scan["parcel"] for scan in of_van} == {"A-1", "B-9"}
    assert {scan["place"] for scan in of_van} == {"shelf 2"}
    assert shop.get("/v1/scans").status_code == 422
    assert shop.get("/v1/scans?order=o_none").status_code == 404


def test_a_plan_is_shown_as_it_is_driven_and_says_whose_order_that_is(shop: Any) -> None:
    vehicle = shop.van(shop.depot())
    first, second = (shop.order()["order"] for _ in range(2))
    shop.in_force(vehicle, [second, first])  # as the driver put them
    stop = '{"stop": "%s", "tasks": ["%s"], "lat_e6": 50000000, "lon_e6": 10000000}'
    stops = ", ".join(stop % (order, order) for order in (first, second))
    with shop.db.transaction() as cur:
        cur.execute("UPDATE plans SET plan = %s WHERE vehicle_id = %s", (f'{{"stops": [{stops}]}}', vehicle))
        cur.execute(
            "INSERT INTO plan_receipts SELECT vehicle_id, version, fleet_id, 'accepted', 'h', NULL, at, received_real_at FROM plan_receipts"
            " WHERE vehicle_id = %s",
            (vehicle,),
        )
    live = shop.get("/v1/live").json()
    (plan,), (van,) = live["plans"], live["vehicles"]
    assert (plan["stops"], plan["own_order"]) == ([second, first], True)
    assert van["plan_state"] == "accepted"
