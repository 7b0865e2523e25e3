"""Proof of delivery, chained: each hand-over's link holds the one before it, the van's own log entry and the hashes of its pictures.

Whoever changes an entry, a picture or the order of hand-overs afterwards breaks every link from there on. A picture that was let go
after its time breaks nothing: its hash stays in the link.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, LiteralString

from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row, row, rows

MOST: Final = 1_000
START: Final = "roundsman"
"""What the first link of a van stands on."""
_NEW: LiteralString = """
    SELECT e.vehicle_id, v.fleet_id, e.session_no, e.seq, e.body, array_agg(DISTINCT a.order_id ORDER BY a.order_id) AS orders,
           (SELECT coalesce(array_agg(DISTINCT p.sha256 ORDER BY p.sha256), '{}') FROM proofs p
            WHERE p.session_no = e.session_no AND p.seq = e.seq) AS proofs
    FROM actions a JOIN log.entries e USING (session_no, seq) JOIN vehicles v ON v.vehicle_id = e.vehicle_id
    JOIN log.sessions s ON s.session_no = e.session_no
    WHERE a.outcome IN ('delivered', 'failed')
      AND NOT EXISTS (SELECT FROM proof_chain c WHERE c.session_no = e.session_no AND c.seq = e.seq)
    GROUP BY e.vehicle_id, v.fleet_id, e.session_no, e.seq, e.body, s.ordinal ORDER BY e.vehicle_id, s.ordinal, e.seq LIMIT %s
"""
_CHAIN: LiteralString = """
    SELECT c.n, c.session_no, c.seq, c.orders, c.proofs, c.entry_sha256, c.link, e.body,
           EXISTS (SELECT FROM log.facts_aged a WHERE a.session_no = c.session_no) AS aged
    FROM proof_chain c LEFT JOIN log.entries e USING (session_no, seq) WHERE c.vehicle_id = %s ORDER BY c.n
"""


@dataclass(kw_only=True)
class Verdict:
    """What a van's chain is worth. `broken`: (link's number, what is wrong), the first first."""

    links: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)
    whole: int = 0
    not_here: int = 0
    """Still on their way, or let go after their time."""
    spoilt: list[str] = field(default_factory=list)
    let_go: int = 0
    """Links whose log entry went after its time: they still hold its hash."""


def link_of(before: str, entry_sha256: str, proofs: list[str]) -> str:
    """The link over the one before it."""
    return hashlib.sha256(f"{before}\n{entry_sha256}\n{json.dumps(sorted(proofs))}".encode()).hexdigest()


def extend(cur: Cursor, at: datetime) -> int:
    """Chain hand-overs that are new. A log that arrives late is chained when it arrives: the chain is in the order of hearing."""
    last: dict[str, tuple[int, str]] = {}
    found = rows(cur, _NEW, (MOST,))
    for new in found:
        vehicle = new["vehicle_id"]
        n, before = last.get(vehicle) or _last(cur, vehicle)
        digest = hashlib.sha256(new["body"].encode()).hexdigest()
        link = link_of(before, digest, new["proofs"])
        cur.execute(
            "INSERT INTO proof_chain VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(vehicle, n + 1, new["fleet_id"], new["session_no"], new["seq"]),
                *(Jsonb(new["orders"]), Jsonb(new["proofs"]), digest, link, at),
            ),
        )
        last[vehicle] = n + 1, link
    return len(found)


def _last(cur: Cursor, vehicle: str) -> tuple[int, str]:
    found = row(cur, "SELECT n, link FROM proof_chain WHERE vehicle_id = %s ORDER BY n DESC LIMIT 1", (vehicle,))
    return (0, START) if found is None else (int(found["n"]), str(found["link"]))


def verify(cur: Cursor, vehicle: str, blobs: Path) -> Verdict:
    """Compute a van's chain anew from its log, and look at every picture that should be here. Not as a tenant: it reads the log."""
    verdict, before = Verdict(), START
    for link in rows(cur, _CHAIN, (vehicle,)):
        verdict.links += 1
        if link["n"] != verdict.links:
            verdict.broken.append((link["n"], "a link before this one is missing"))
        if link["body"] is None and link["aged"]:
            verdict.let_go += 1
        elif link["body"] is None:
            verdict.broken.append((link["n"], "the log entry is gone"))
        elif hashlib.sha256(link["body"].encode()).hexdigest() != link["entry_sha256"]:
            verdict.broken.append((link["n"], "the log entry was changed"))
        if link_of(before, link["entry_sha256"], link["proofs"]) != link["link"]:
            verdict.broken.append((link["n"], "the link does not hold what stands beside it"))
        before = link["link"]
        _look(cur, link, blobs, verdict)
    return verdict


def _look(cur: Cursor, link: Row, blobs: Path, verdict: Verdict) -> None:
    for sha256 in link["proofs"]:
        path = blobs / sha256[:2] / sha256
        if row(cur, "SELECT 1 FROM blobs WHERE sha256 = %s LIMIT 1", (sha256,)) is None:
            verdict.not_here += 1
        elif path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
            verdict.whole += 1
        else:
            verdict.spoilt.append(sha256)
