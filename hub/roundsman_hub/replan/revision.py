"""The level that planning is triggered by: a depot's revision rises with every change; there is work while revision > planned."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from roundsman_hub.clock import Clock
from roundsman_hub.replan.reasons import URGENT_PRIORITY as URGENT_PRIORITY, Kind
from roundsman_hub.store.rows import notify

KEPT_REASONS = 20
"""Reasons told in the next plan; more would not be read."""

_BUMP = """
    INSERT INTO planning AS p (depot_id, fleet_id, revision, reasons, changed_at)
    SELECT depot_id, fleet_id, 1, jsonb_build_array(%(reason)s::jsonb), %(at)s FROM depots WHERE depot_id = %(depot)s
    ON CONFLICT (depot_id) DO UPDATE SET revision = p.revision + 1, changed_at = %(at)s,
        reasons = CASE WHEN jsonb_array_length(p.reasons) >= %(kept)s THEN p.reasons - 0 ELSE p.reasons END || %(reason)s::jsonb
    RETURNING revision, fleet_id
"""


def bump(
    cur: psycopg.Cursor[Any],
    depot_id: str,
    reason: str,
    priority: int = 0,
    *,
    clock: Clock | None = None,
    kind: Kind = "fleet",
    subject: str = "",
) -> int:
    """Say that a depot's work changed, in the transaction of the change itself.

    Parameters
    ----------
    cur : cursor
        Of the open transaction; nothing is told to the planner unless it commits.
    depot_id : str
        Depot whose plans the change may concern.
    reason : str
        A few words for people: shown with the plan that follows.
    priority : int
        0 to 9; from `URGENT_PRIORITY` up the planner starts at once.
    clock : Clock, optional
        Business time of the change.
    kind : Kind
        Its row of the table of reasons.
    subject : str
        Order, vehicle or proposal that it is about.

    Returns
    -------
    int
        The depot's new revision; 0 if there is no such depot.
    """
    if kind == "ordered" and priority >= URGENT_PRIORITY:
        kind = "urgent"
    row = cur.execute(
        _BUMP,
        {
            "depot": depot_id,
            "at": (clock or Clock()).now(),
            "kept": KEPT_REASONS,
            "reason": json.dumps({"reason": reason, "priority": priority, "kind": kind, "subject": subject}),
        },
    ).fetchone()
    if row is None:
        return 0
    revision, fleet_id = row.values() if isinstance(row, dict) else row
    notify(cur, "planning", str(fleet_id), depot_id)
    return int(revision)
