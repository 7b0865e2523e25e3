"""Idempotency-Key: the same request sent N times happens once, and answers N times alike.

The key's row is written first, in the transaction of the work itself. A twin that arrives meanwhile waits on that row and then
replays the answer; work that fails rolls the row back, so a corrected request may use the key again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from roundsman_hub.api.desk import Desk, desk_of
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.problems import Problem
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import row

Work = Callable[[Cursor], BaseModel]


class Once:
    """Runs a request's work in one transaction of the caller's fleet, at most once per Idempotency-Key."""

    def __init__(self, desk: Desk, key: str | None, request_hash: str) -> None:
        self._desk, self._key, self._hash = desk, key, request_hash

    def run(self, caller: Caller, work: Work, *, status: int = 200) -> Response:
        """Do the work, or replay its answer.

        Raises
        ------
        Problem
            422 when the key was used for another request.
        """
        with self._desk.db.tenant(caller.fleet) as cur:
            if self._key is not None and not self._claim(cur, caller):
                return self._replay(cur, caller)
            body = work(cur).model_dump_json()
            if self._key is not None:
                cur.execute(
                    "UPDATE idempotency SET status = %s, body = %s WHERE fleet_id = %s AND key = %s",
                    (status, body, caller.fleet, self._key),
                )
        return Response(body, status, media_type="application/json")

    def _claim(self, cur: Cursor, caller: Caller) -> bool:
        claimed = cur.execute(
            "INSERT INTO idempotency (fleet_id, key, request_hash, status, body, at) VALUES (%s, %s, %s, 0, '', %s) ON CONFLICT DO NOTHING",
            (caller.fleet, self._key, self._hash, self._desk.clock.now()),
        )
        return claimed.rowcount == 1

    def _replay(self, cur: Cursor, caller: Caller) -> Response:
        kept = row(cur, "SELECT request_hash, status, body FROM idempotency WHERE fleet_id = %s AND key = %s", (caller.fleet, self._key))
        if kept is None or kept["request_hash"] != self._hash:
            raise Problem(
                422,
                "idempotency-key-reused",
                f"Idempotency-Key {self._key!r} was already used for another request",
                next_step="use a new key for a new request; repeat a key only with the very same body",
            )
        return Response(kept["body"], kept["status"], {"Idempotency-Replayed": "true"}, "application/json")


async def once_of(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="any text of yours; the same key with the same body happens once")
    ] = None,
) -> Once:
    """Dependency: the request's own `Once`."""
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    return Once(desk_of(request), idempotency_key, digest.hexdigest())


OnlyOnce = Annotated[Once, Depends(once_of)]
