"""Database away: the API says so, and what to do; nothing else stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from roundsman_hub.api.app import create_app
from roundsman_hub.clock import Clock
from roundsman_hub.roads import GreatCircle
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database


def test_database_away_is_a_problem_that_asks_to_come_again(tmp_path: Path) -> None:
    nowhere = f"host={tmp_path} dbname=roundsman connect_timeout=1"
    login = BrokerLogin(host="127.0.0.1", port=0, username="", password="")
    here = Endpoint(host="127.0.0.1", port=0)
    settings = Settings(data_dir=tmp_path, database_url=nowhere, hub_broker=login, vans_broker=here, api=here)
    with Database.connect(nowhere) as db:
        app = create_app(settings, db, Clock(), None, GreatCircle())

        async def story() -> list[httpx.Response]:
            key = {"Authorization": "Bearer rk_000000000000_" + "x" * 32}
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub", headers=key) as client:
                return list(
                    await asyncio.gather(*(client.get(path) for path in ("/healthz", "/readyz", "/v1/orders", "/t/some-link/state")))
                )

        alive, *away = asyncio.run(story())
    assert alive.status_code == 200
    for answer in away:
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.headers["retry-after"] == "3"
        assert "Idempotency-Key" in answer.json()["next_step"]
