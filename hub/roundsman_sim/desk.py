"""The hub over HTTP, as a shop and a dispatcher use it."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Sequence
from typing import Any, Final, cast

import httpx

from roundsman_sim import SimError

PAGE: Final = 500
Body = dict[str, Any]


class Desk:
    """The hub's API with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=httpx.Timeout(60.0, connect=5.0), trust_env=False
        )

    async def post(self, path: str, body: Body | None = None) -> Body:
        """POST once (the key makes a repeated request harmless).

        Raises
        ------
        SimError
            The hub refused; with its problem document's own words.
        """
        return self._body(await self._client.post(path, json=body or {}, headers={"Idempotency-Key": uuid.uuid4().hex}))

    async def patch(self, path: str, body: Body) -> Body:
        """PATCH."""
        return self._body(await self._client.patch(path, json=body))

    async def get(self, path: str, **query: Any) -> Body:
        """GET."""
        return self._body(await self._client.get(path, params=query))

    async def listed(self, path: str, **query: Any) -> list[Body]:
        """GET of a door that answers with a list."""
        return cast(list[Body], self._answer(await self._client.get(path, params=query)))

    async def orders(self) -> list[Body]:
        """All orders, as the API shows them."""
        found: list[Body] = []
        cursor = ""
        while True:
            page = await self.get("/v1/orders", limit=PAGE, **({"cursor": cursor} if cursor else {}))
            found += cast(list[Body], page["items"])
            if not page.get("next_cursor"):
                return found
            cursor = page["next_cursor"]

    async def import_orders(self, orders: Sequence[Body], spoilt: Sequence[Body] = ()) -> Body:
        """Send orders as a CSV file (`spoilt`: lines that the hub must report and step over). Returns its report."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(orders[0]))
        writer.writeheader()
        writer.writerows([*orders, *spoilt])
        headers = {"Content-Type": "text/csv", "Idempotency-Key": uuid.uuid4().hex}
        return self._body(await self._client.post("/v1/orders:import", content=text.getvalue().encode(), headers=headers))

    async def close(self) -> None:
        await self._client.aclose()

    def _body(self, answer: httpx.Response) -> Body:
        return cast(Body, self._answer(answer))

    def _answer(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else {}
        request = answer.request
        raise SimError(f"{request.method} {request.url.path}: {answer.status_code} {answer.text[:400]}")
