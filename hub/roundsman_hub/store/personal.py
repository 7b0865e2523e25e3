"""What is personal goes after its time: who received and where they live, what was said, what was sent to them. A table of rules.

Rows stay where they are facts (an order, a case, a notice and when it was sent); the words in them are blanked. Visits, proofs' hashes
and places of the log are facts, too. Every rule may be run again: what is blank already is not touched.

Out of reach: what drivers wrote into their logs (who took it in, notes), a depot's day plans and proposals, remembered pins, files of
days, and backups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from roundsman_hub.store.db import Cursor

LEAST_DAYS: Final = 14
"""An order that failed is tried again for days, and a customer complains within two weeks."""
MOST_DAYS: Final = 36_500
DAYS: Final[Mapping[str, int]] = {"personal_days": 365, "word_days": 365, "notice_days": 90}
"""What the release keeps, by the rule's column: a year, as proofs; notices a quarter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """One rule. `days`: whose time it goes by. `where`: what is over, of table `x`. `blank`: what is set then; "": the rows go."""

    days: str
    table: LiteralString
    where: LiteralString
    blank: LiteralString = ""


_ROOT_OVER: Final[LiteralString] = (
    "(SELECT o.window_end FROM orders o WHERE o.order_id = x.root_id) < %(before)s AND NOT EXISTS "
    "(SELECT FROM order_turns t JOIN orders o ON o.order_id = t.next_order_id WHERE t.root_id = x.root_id AND o.window_end >= %(before)s)"
)
"""No attempt of the order is younger: all have the same customer."""

RULES: Final = (
    Forget(
        days="personal_days",
        table="recipients",
        where=_ROOT_OVER + " AND (x.email, x.push_url, x.safe_place, x.neighbour, x.note) <> ('', '', '', '', '')",
        blank="email = '', push_url = '', safe_place = '', neighbour = '', note = '', shop_instructions = NULL",
    ),
    Forget(
        days="personal_days",
        table="journal",
        where="x.body ?| ARRAY['name', 'phone', 'address', 'instructions'] "
        "AND (SELECT o.window_end FROM orders o WHERE o.order_id = x.subject) < %(before)s",
        blank="body = x.body - ARRAY['name', 'phone', 'address', 'instructions']",
    ),
    Forget(
        days="personal_days",
        table="geocode_queue",
        where="(SELECT o.window_end FROM orders o WHERE o.order_id = x.order_id) < %(before)s",
    ),
    Forget(days="personal_days", table="idempotency", where="x.at < %(before)s"),
    Forget(
        days="personal_days",
        table="plans",
        where="x.issued_at < %(before)s AND x.version < (SELECT max(q.version) FROM plans q WHERE q.vehicle_id = x.vehicle_id) "
        "AND (x.envelope <> '' OR jsonb_path_exists(x.plan, '$.stops[*].keyvalue() ? "
        """(@.key == "name" || @.key == "phone" || @.key == "address" || @.key == "instructions")'))""",
        blank="envelope = '', plan = jsonb_set(x.plan, '{stops}', coalesce((SELECT jsonb_agg(stop - ARRAY['name', 'phone', 'address', "
        "'instructions'] ORDER BY n) FROM jsonb_array_elements(x.plan -> 'stops') WITH ORDINALITY AS s (stop, n)), '[]'))",
    ),
    Forget(
        days="personal_days",
        table="orders",
        where="x.window_end < %(before)s AND ((x.name, x.phone, x.address, x.instructions) <> ('', '', '', '') "
        "OR x.delivery_code IS NOT NULL)",
        blank="name = '', phone = '', address = '', instructions = '', delivery_code = NULL",
    ),
    Forget(days="word_days", table="chat", where="x.at < %(before)s"),
    Forget(
        days="word_days",
        table="journal",
        where="x.kind = 'order.agreed' AND x.body ?| ARRAY['agreed', 'transcript'] AND x.at < %(before)s",
        blank="body = x.body - ARRAY['agreed', 'transcript']",
    ),
    Forget(
        days="word_days",
        table="messages",
        where="x.at < %(before)s AND NOT EXISTS (SELECT FROM chat c WHERE c.message_id = x.message_id)",
    ),
    Forget(
        days="word_days",
        table="case_photos",
        where="x.at < %(before)s AND (SELECT c.changed_at FROM cases c WHERE c.case_id = x.case_id) < %(before)s",
    ),
    Forget(
        days="word_days",
        table="case_steps",
        where="x.note <> '' AND (SELECT c.changed_at FROM cases c WHERE c.case_id = x.case_id) < %(before)s",
        blank="note = ''",
    ),
    Forget(
        days="word_days",
        table="cases",
        where="x.changed_at < %(before)s AND ((x.text, x.answer) <> ('', '') OR x.code IS NOT NULL OR x.evidence ? 'received_by')",
        blank="text = '', answer = '', code = NULL, evidence = x.evidence - 'received_by'",
    ),
    Forget(
        days="notice_days",
        table="outbox",
        where="x.written_at < %(before)s AND x.state IN ('sent', 'dead') AND (x.address, x.subject, x.body) <> ('', '', '')",
        blank="address = '', subject = '', body = ''",
    ),
)
"""In this order: what an order's own row says is read by the rules before it."""


def forget(cur: Cursor, fleet_id: str, before: Mapping[str, datetime]) -> int:
    """Blank or delete what a fleet keeps no longer. Returns how many rows that were.

    Parameters
    ----------
    before : mapping of str to datetime
        By the rule's column (`DAYS`): what is older goes.
    """
    gone = 0
    for rule in RULES:
        over: LiteralString = " AS x SET " + rule.blank if rule.blank else " AS x"
        verb: LiteralString = "UPDATE " if rule.blank else "DELETE FROM "
        cur.execute(
            verb + rule.table + over + " WHERE x.fleet_id = %(fleet)s AND " + rule.where, {"fleet": fleet_id, "before": before[rule.days]}
        )
        gone += cur.rowcount
    return gone


def count_over(cur: Cursor, fleet_id: str, before: Mapping[str, datetime]) -> dict[str, int]:
    """How many rows `forget` would touch, by the rule's column."""
    total = dict.fromkeys(DAYS, 0)
    for rule in RULES:
        query: LiteralString = "SELECT count(*) AS n FROM " + rule.table + " AS x WHERE x.fleet_id = %(fleet)s AND " + rule.where
        row = cur.execute(query, {"fleet": fleet_id, "before": before[rule.days]}).fetchone()
        total[rule.days] += int(row["n"]) if row else 0
    return total
