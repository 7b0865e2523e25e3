"""Proposals: each change of a depot's plans with its diff, its reasons, who decided about it; and news that was answered already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, cast

from psycopg.types.json import Jsonb

from roundsman_hub.replan.reasons import BY_KIND, Kind
from roundsman_hub.replan.world import Reason, Said
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, new_id, notify, row, rows

MOST_REASONS: Final = 30
MOST_WISHES: Final = 50
Routes = Mapping[str, Sequence[str]]

_SAID: LiteralString = "SELECT proposal_id, before, after, reasons FROM proposals WHERE depot_id = %s AND "


def reason_of(r: Mapping[str, Any]) -> Reason:
    """A reason as the planning table and proposals keep it."""
    kind = r.get("kind", "fleet")
    return Reason(
        text=r["reason"], priority=r["priority"], kind=cast(Kind, kind if kind in BY_KIND else "fleet"), subject=r.get("subject", "")
    )


def _said(r: Row) -> Said:
    return Said(
        proposal_id=r["proposal_id"],
        before={vehicle: tuple(route) for vehicle, route in r["before"].items()},
        after={vehicle: tuple(route) for vehicle, route in r["after"].items()},
        kinds=frozenset(f"{reason['kind']}:{reason['subject']}:{reason['reason']}" for reason in r["reasons"]),
    )


def refused(cur: Cursor, depot: str, since: datetime) -> tuple[Said, ...]:
    """What dispatchers rejected or took back since."""
    found = rows(cur, _SAID + "state = 'rejected' AND decided_at >= %s ORDER BY decided_at, proposal_id", (depot, since))
    return tuple(_said(r) for r in found)


def named(cur: Cursor, depot: str, proposals: Sequence[str]) -> dict[str, Said]:
    """These proposals."""
    if not proposals:
        return {}
    return {r["proposal_id"]: _said(r) for r in rows(cur, _SAID + "proposal_id = ANY(%s)", (depot, list(proposals)))}


def waiting(cur: Cursor, depot: str) -> Said | None:
    """The proposal that waits for a dispatcher."""
    found = row(cur, _SAID + "state = 'waiting' ORDER BY at DESC LIMIT 1", (depot,))
    return None if found is None else _said(found)


def add(
    cur: Cursor,
    *,
    fleet: str,
    depot: str,
    at: datetime,
    state: str,
    reasons: Sequence[Reason],
    diff: Mapping[str, Any],
    before: Routes,
    after: Routes,
    versions: Mapping[str, int],
    actor: str | None,
) -> str:
    """Write down a change. One that waits takes the place of the one that waited; an adopted one leaves it without ground."""
    if state == "waiting":  # it answers what the one before it answered, too
        before_it = row(cur, "SELECT reasons FROM proposals WHERE depot_id = %s AND state = 'waiting'", (depot,))
        older = [reason_of(r) for r in before_it["reasons"]] if before_it else []
        reasons = [*(r for r in older if r not in reasons), *reasons][-MOST_REASONS:]
    supersede(cur, fleet, depot, at, "a newer proposal took its place" if state == "waiting" else "the plans changed meanwhile")
    proposal = new_id("pr")
    told = [{"reason": r.text, "priority": r.priority, "kind": r.kind, "subject": r.subject} for r in reasons]
    cur.execute(
        "INSERT INTO proposals (proposal_id, fleet_id, depot_id, at, state, reasons, diff, before, after, versions, decided_at, actor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(proposal, fleet, depot, at, state, Jsonb(told), Jsonb(diff), Jsonb(_lists(before)), Jsonb(_lists(after))),
            *(Jsonb(dict(versions)), at if state == "adopted" else None, actor),
        ),
    )
    notify(cur, "proposal", fleet, depot)
    return proposal


def supersede(cur: Cursor, fleet: str, depot: str, at: datetime, note: str) -> None:
    """What waited has no ground any more."""
    gone = cur.execute(
        "UPDATE proposals SET state = 'superseded', decided_at = %s, note = %s WHERE depot_id = %s AND state = 'waiting'", (at, note, depot)
    )
    if gone.rowcount:
        notify(cur, "proposal", fleet, depot)


def decide(cur: Cursor, proposal: str, *, was: str, state: str, actor: str, at: datetime, note: str = "") -> Row | None:
    """A dispatcher's word on a proposal; None: it is not in the state `was` any more."""
    found = row(
        cur,
        "UPDATE proposals SET state = %s, actor = %s, decided_at = %s, note = %s WHERE proposal_id = %s AND state = %s RETURNING *",
        (state, actor, at, note, proposal, was),
    )
    if found is not None:
        notify(cur, "proposal", found["fleet_id"], found["depot_id"])
    return found


def applied(
    cur: Cursor, proposal: str, *, diff: Mapping[str, Any] | None, before: Routes, after: Routes, versions: Mapping[str, int]
) -> None:
    """What became of an approved proposal, in the world as it was by then; without a diff nothing was left to change."""
    if diff is None:
        cur.execute("UPDATE proposals SET note = 'nothing was left to change' WHERE proposal_id = %s", (proposal,))
    else:
        cur.execute(
            "UPDATE proposals SET diff = %s, before = %s, after = %s, versions = versions || %s WHERE proposal_id = %s",
            (Jsonb(diff), Jsonb(_lists(before)), Jsonb(_lists(after)), Jsonb(dict(versions)), proposal),
        )


def one(cur: Cursor, proposal: str) -> Row | None:
    """One proposal."""
    return row(cur, "SELECT * FROM proposals WHERE proposal_id = %s", (proposal,))


def page(cur: Cursor, *, depot: str | None, state: str | None, limit: int) -> list[Row]:
    """Newest first; None: of every depot, in every state."""
    return rows(
        cur,
        "SELECT * FROM proposals WHERE (%(depot)s::text IS NULL OR depot_id = %(depot)s)"
        " AND (%(state)s::text IS NULL OR state = %(state)s) ORDER BY at DESC, proposal_id LIMIT %(limit)s",
        {"depot": depot, "state": state, "limit": limit},
    )


def last_adopted(cur: Cursor, depot: str) -> Row | None:
    """The newest change that the vans were told."""
    return row(cur, "SELECT * FROM proposals WHERE depot_id = %s AND state = 'adopted' ORDER BY at DESC, proposal_id LIMIT 1", (depot,))


def wished(cur: Cursor, depot: str, orders: Sequence[str], since: datetime) -> dict[str, tuple[str, ...]]:
    """Routes of the newest changes since then that had a place for these orders, by vehicle."""
    found = rows(
        cur,
        "SELECT after FROM proposals WHERE depot_id = %s AND state = 'adopted' AND at >= %s ORDER BY at DESC, proposal_id LIMIT %s",
        (depot, since, MOST_WISHES),
    )
    left, out = set(orders), dict[str, tuple[str, ...]]()
    for after in (r["after"] for r in found):
        for vehicle, route in after.items():
            if left.intersection(route):
                out.setdefault(vehicle, tuple(route))
        left.difference_update(*after.values())
    return out


def claim(cur: Cursor, *, fleet: str, depot: str, kind: str, subject: str, level: float, step: float, at: datetime) -> bool:
    """Whether this is news: never heard of, or larger by `step` than what was answered last. Whoever gets True has to answer it."""
    found = cur.execute(
        "INSERT INTO triggers AS t (depot_id, fleet_id, kind, subject, level, at) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (depot_id, kind, subject) DO UPDATE SET level = excluded.level, at = excluded.at"
        " WHERE excluded.level >= t.level + %s AND %s > 0",
        (depot, fleet, kind, subject, level, at, step, step),
    )
    return found.rowcount > 0


def forget(cur: Cursor, depot: str, kind: str, subject: str) -> None:
    """It is over: the next time is news again."""
    cur.execute("DELETE FROM triggers WHERE depot_id = %s AND kind = %s AND subject = %s", (depot, kind, subject))


def _lists(routes: Routes) -> dict[str, list[str]]:
    return {vehicle: list(route) for vehicle, route in routes.items()}
