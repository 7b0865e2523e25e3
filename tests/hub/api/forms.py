"""A customer's plain forms, as a browser sends them, and the orders that they are about."""

from __future__ import annotations

import re
from typing import Any

import httpx

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


def send(order: dict[str, Any], what: str, **fields: Any) -> tuple[str, str]:
    """Post a form as a browser does; gives (what was said, the page that follows)."""
    files = fields.pop("files", None)
    answer = httpx.post(f"{order['track_url']}/{what}", data=fields or {"x": ""}, files=files, trust_env=False, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    where = answer.headers["location"]
    assert where.startswith("/t/")
    host = order["track_url"].split("/t/")[0]
    page = httpx.get(host + where, trust_env=False, follow_redirects=True)
    assert page.status_code == 200
    found = re.search(r"[&?](said|no)=(\w+)", where)
    assert found is not None
    return f"{found[1]} {found[2]}", page.text


def of(shop: Any, order: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = shop.get(f"/v1/orders/{order['order']}").json()
    return answer


def delivered(shop: Any, **fields: Any) -> dict[str, Any]:
    """An order that was handed over some minutes ago."""
    van = shop.van(shop.depot())
    order: dict[str, Any] = shop.order(**fields)
    shop.resolve(van, order["order"], "delivered", ago_s=600)
    return order
