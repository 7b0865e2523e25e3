"""A driver's eyes and thumb: reads the van's own screen as its page does (the event stream), and taps as its page does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import httpx

RETRY_S: Final = 0.5
SILENT_S: Final = 10.0
"""The unit says something every two seconds; after five times that the stream is dead."""

Outcome = Literal["arrived", "delivered", "failed"]


class Screen:
    """One van's screen over HTTP. `watch` keeps `state` fresh; the rest taps."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.state: dict[str, Any] = {}
        self.changed: Callable[[Screen], None] = lambda _: None
        """Told after each new state."""
        self.seen_real_s = 0.0
        self._client = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(5.0), trust_env=False)

    @property
    def next(self) -> dict[str, Any] | None:
        """The stop that the screen shows as next."""
        stop = self.state.get("next")
        return stop if isinstance(stop, dict) else None

    @property
    def next_stop(self) -> str | None:
        return self.next["stop"] if self.next else None

    @property
    def stops(self) -> list[str]:
        """All stops that the screen lists, in driving order."""
        return ([self.next["stop"]] if self.next else []) + [stop["stop"] for stop in self.state.get("following", [])]

    async def watch(self) -> None:
        """Follow the screen until cancelled; a screen that is away is asked again."""
        while True:
            with contextlib.suppress(httpx.HTTPError, TimeoutError, ValueError):
                async with self._client.stream("GET", "/api/events", timeout=httpx.Timeout(5.0, read=SILENT_S)) as answer:
                    answer.raise_for_status()
                    name = ""
                    async for line in answer.aiter_lines():
                        if line.startswith("event:"):
                            name = line[6:].strip()
                        elif line.startswith("data:"):
                            told = json.loads(line[5:])
                            self._take(told if name != "moved" else self._moved(told))
                            name = ""
            await asyncio.sleep(RETRY_S)

    def _moved(self, told: dict[str, Any]) -> dict[str, Any]:
        """The newest state with what time and place have changed of it."""
        return {**self.state, **told, "next": told["next"] and {**self.state["next"], **told["next"]}}

    def _take(self, state: dict[str, Any]) -> None:
        self.state, self.seen_real_s = state, time.monotonic()
        self.changed(self)

    async def duty(self, duty: Literal["on", "break", "off"], driver: str | None = None) -> bool:
        """Tap shift start, break or shift end."""
        return await self._post("/api/duty", {"duty": duty} | ({"driver": driver} if driver else {})) is not None

    async def act(self, stop: str, outcome: Outcome, reason: str | None = None) -> str | None:
        """Tap arrived, delivered or failed. Returns the action's id, or None when the screen refused or was away."""
        answer = await self._post("/api/actions", {"stop": stop, "outcome": outcome} | ({"reason": reason} if reason else {}))
        return str(answer["action"]) if answer else None

    async def call_over(self, stop: str, event: Literal["loaded", "charged"]) -> bool:
        """Tap that a call at a depot or charger is over."""
        return await self._post("/api/calls", {"stop": stop, "event": event}) is not None

    async def undo(self, action: str) -> bool:
        """Tap undo."""
        return await self._post(f"/api/actions/{action}/undo", {}) is not None

    async def answer_offer(self, yes: bool) -> bool:
        """Tap accept or decline on a changed plan, where the screen asks. False: it asks nothing, or did not take it."""
        offer = self.state.get("offer")
        if not offer or not offer["safe"] or not (yes or offer["may_decline"]):
            return False
        body = {"answer": "accept"} if yes else {"answer": "decline", "reason": "I know a better way"}
        return await self._post(f"/api/offers/{offer['version']}", body) is not None

    async def status(self) -> dict[str, Any]:
        """What `roundsman-agent status` asks the daemon."""
        answer = await self._client.get("/api/status")
        answer.raise_for_status()
        return dict(answer.json())

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        try:
            answer = await self._client.post(path, json=body)
        except httpx.HTTPError:
            return None
        return dict(answer.json()) if answer.is_success and answer.content else {} if answer.is_success else None
