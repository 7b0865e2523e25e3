"""API keys: `rk_<id>_<secret>`. The secret has 192 random bits, so its plain SHA-256 is a safe thing to store; it is shown once."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from roundsman_hub import HubError
from roundsman_hub.domain.roles import ROLES, Role
from roundsman_hub.store.rows import new_id, row

if TYPE_CHECKING:
    from roundsman_hub.store.db import Database

_KEY = re.compile(r"rk_([0-9a-f]{12})_([A-Za-z0-9_-]{32})\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who is asking, by the key that was shown."""

    fleet: str
    key_id: str
    role: Role
    name: str


def create(db: Database, fleet: str, role: Role, name: str) -> str:
    """Make a key for a fleet and give its text: the only time that it can be read.

    Raises
    ------
    HubError
        No such fleet, or no such role.
    """
    if role not in ROLES:
        raise HubError(f"no role {role!r}; roles: {', '.join(ROLES)}")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(24)
    with db.transaction() as cur:
        if row(cur, "SELECT 1 FROM fleets WHERE fleet_id = %s", (fleet,)) is None:
            raise HubError(f"no fleet {fleet!r}; make it first (`first_fleet`)")
        cur.execute(
            "INSERT INTO api_keys (key_id, fleet_id, hash, role, name, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
            # Real time, not the fleet's business time: a key's age is the operator's affair.
            (key_id, fleet, hash_of(secret), role, name, datetime.now(UTC)),
        )
    return f"rk_{key_id}_{secret}"


def first_fleet(db: Database, name: str = "Fleet", timezone: str = "UTC") -> tuple[str, bool]:
    """The oldest fleet's id, made if there is none. The flag says whether it was made now (then it needs its admin key)."""
    with db.transaction() as cur:
        cur.execute("LOCK TABLE fleets IN SHARE ROW EXCLUSIVE MODE")  # two hubs starting at once make one
        found = row(cur, "SELECT fleet_id FROM fleets ORDER BY fleet_id LIMIT 1")
        if found is not None:
            return found["fleet_id"], False
        fleet = new_id("fl")
        cur.execute("INSERT INTO fleets (fleet_id, name, timezone) VALUES (%s, %s, %s)", (fleet, name, timezone))
    return fleet, True


def hash_of(secret: str) -> str:
    """What is stored of a key's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def caller_of(db: Database, text: str) -> Caller | None:
    """The caller that a key's text stands for; None for anything that is not a key in use."""
    parsed = _KEY.match(text)
    if parsed is None:
        return None
    with db.transaction() as cur:
        found = row(cur, "SELECT fleet_id, hash, role, name FROM api_keys WHERE key_id = %s AND revoked_at IS NULL", (parsed[1],))
    if found is None or not hmac.compare_digest(found["hash"], hash_of(parsed[2])):
        return None
    return Caller(fleet=found["fleet_id"], key_id=parsed[1], role=cast(Role, found["role"]), name=found["name"])
