"""Doors for API keys: made once, shown once, revoked for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from roundsman_hub.api import keys, models as m
from roundsman_hub.api.desk import AtDesk, KeysWriter
from roundsman_hub.api.problems import documented, not_found
from roundsman_hub.store.rows import Row, row, rows

router = APIRouter(prefix="/v1", tags=["keys"], responses=documented(401, 403, 404, 422, 503))


def _out(r: Row, secret: str | None = None) -> m.Key:
    fields: dict[str, Any] = {field: r[field] for field in ("name", "role", "created_at", "revoked_at")}
    return m.Key(key=r["key_id"], secret=secret, **fields)


@router.get("/keys")
def get_keys(desk: AtDesk, caller: KeysWriter) -> m.Keys:
    """All keys of the fleet, without their secrets."""
    with desk.db.tenant(caller.fleet) as cur:
        return m.Keys(items=[_out(r) for r in rows(cur, "SELECT * FROM api_keys ORDER BY created_at, key_id")])


@router.post("/keys", status_code=201)
def post_key(new: m.NewKey, desk: AtDesk, caller: KeysWriter) -> m.Key:
    """Make a key. Its secret is in this answer only, so this POST takes no Idempotency-Key: answers are kept, secrets are not."""
    secret = keys.create(desk.db, caller.fleet, new.role, new.name)
    with desk.db.tenant(caller.fleet) as cur:
        made = row(cur, "SELECT * FROM api_keys WHERE key_id = %s", (secret.split("_")[1],))
    assert made is not None  # made above
    return _out(made, secret)


@router.post("/keys/{key}/revoke")
def revoke_key(key: str, desk: AtDesk, caller: KeysWriter) -> m.Key:
    """Revoke a key: it is refused from now on. Revoking it again changes nothing."""
    with desk.db.tenant(caller.fleet) as cur:
        found = row(
            cur,
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %s) WHERE key_id = %s RETURNING *",
            (datetime.now(UTC), key),  # real time, as a key's making is
        )
    if found is None:
        raise not_found("key", key, see="/v1/keys")
    return _out(found)
