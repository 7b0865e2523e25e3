"""The order of a vehicle's sessions: each names the one before it. Clocks have no say in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.log_store import session_numbers


def chain(sessions: Sequence[tuple[int, str, str | None]]) -> list[int]:
    """Session numbers in the order in which the sessions were.

    Parameters
    ----------
    sessions : sequence of (number, session, previous)
        All sessions known of one vehicle. Where the one before is not known (the first of all, or not yet heard of), and
        among two that name the same one (a van set back to an old image), the number decides: the order of hearing.
    """
    after: defaultdict[str | None, list[tuple[int, str]]] = defaultdict(list)
    known = {session for _, session, _ in sessions}
    for number, session, previous in sorted(sessions):
        after[previous if previous in known and previous != session else None].append((number, session))
    order: list[int] = []
    waiting = list(reversed(after.pop(None, [])))
    while waiting:
        number, session = waiting.pop()
        order.append(number)
        waiting += reversed(after.pop(session, []))
    # Sessions that name each other in a ring are a broken store's doing; they stand last.
    return order + sorted(number for ring in after.values() for number, _ in ring)


def link(cur: Cursor, vehicle: str, previous_of: Mapping[str, str | None]) -> None:
    """Note which session came before which, and order the vehicle's chain anew. Sessions only heard of by name are entered, too.

    When the order changes, the live marker's guard moves along: it counts places in this order, and never goes back to an older session.
    Derived tables that stand on the order are folded anew (see `derived_store.moved`).
    """
    if not previous_of:
        return
    told = {session: previous for session, previous in previous_of.items() if previous is not None}
    session_numbers(cur, ((vehicle, previous) for previous in told.values()))
    cur.execute(
        "UPDATE log.sessions s SET previous = n.previous FROM unnest(%s::text[], %s::text[]) AS n (session, previous) "
        "WHERE s.vehicle_id = %s AND s.session = n.session AND s.previous IS NULL",
        (list(told), list(told.values()), vehicle),
    )
    cur.execute("SELECT session_no, session, previous, ordinal FROM log.sessions WHERE vehicle_id = %s ORDER BY session_no", (vehicle,))
    rows = cur.fetchall()
    order = chain([(row["session_no"], row["session"], row["previous"]) for row in rows])
    before: dict[int, int] = {row["session_no"]: row["ordinal"] for row in rows}
    moved = [(place, number) for place, number in enumerate(order, 1) if before[number] != place]
    if moved:
        in_lock_order = sorted(moved, key=lambda pair: pair[1])
        cur.executemany("UPDATE log.sessions SET ordinal = %s WHERE session_no = %s", in_lock_order)
        cur.execute(
            "UPDATE vehicle_now n SET session_ordinal = coalesce("
            "(SELECT s.ordinal FROM log.sessions s WHERE s.vehicle_id = n.vehicle_id AND s.session = n.session), %s) "
            "WHERE n.vehicle_id = %s AND n.session IS NOT NULL",
            (len(order) + 1, vehicle),
        )
        cur.execute(
            "INSERT INTO derive_vehicles AS d (vehicle_id, fleet_id, moved) SELECT vehicle_id, fleet_id, 1 FROM vehicles "
            "WHERE vehicle_id = %s ON CONFLICT (vehicle_id) DO UPDATE SET moved = d.moved + 1",
            (vehicle,),
        )
