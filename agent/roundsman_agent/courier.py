"""Carries large things between unit and hub, over HTTPS under the unit's own certificate: photos and signatures up, the map down.

Nothing here is urgent: the log goes first, and says by hash what will follow. A transfer that breaks off goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import logging
import random
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from roundsman_agent import AgentError
from roundsman_agent.basemap import BadMap, Basemap
from roundsman_agent.blobs import Blob, Blobs
from roundsman_agent.config import Broker
from roundsman_core.backoff import pause_s

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = (60.0, 300.0)
"""While something waits, and while nothing does. Somebody says so when there is something to carry; this is for what was left from before,
and for a hub that has just said where to."""
PART_BYTES: Final = 131_072
"""Ten seconds of a poor mobile network: what a break costs at most."""
TIMEOUT_S: Final = 30.0
BACKOFF_S: Final = (5.0, 300.0)
MAP_EVERY_S: Final = 6 * 3_600.0
"""Streets change slowly; the question is a few hundred bytes."""


class NoWay(AgentError):
    """The hub cannot be reached, or does not answer as it should. Tried again later."""


class Courier:
    """The transfers of one unit.

    Parameters
    ----------
    broker : Broker
        Whose certificates are the unit's own.
    url : callable
        Where the hub takes large things, from its config; "": nowhere yet.
    now_utc_ms : callable
        Business UTC.
    on_change : callable
        Called when something is done that is shown.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        blobs: Blobs,
        basemap: Basemap,
        url: Callable[[], str],
        now_utc_ms: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._broker, self._blobs, self._basemap = broker, blobs, basemap
        self._url, self._now_utc_ms, self._on_change = url, now_utc_ms, on_change
        self._failures = 0
        self._map_due_s = 0.0
        self._called = asyncio.Event()

    def call(self) -> None:
        """There may be something to carry."""
        self._called.set()

    async def run(self) -> None:
        """Carry what there is to carry, until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), LOOKS_EVERY_S[not self._blobs.waiting])
            self._called.clear()
            try:
                while self._url() and (blob := self._blobs.oldest()) is not None:
                    await asyncio.to_thread(self.send, blob)
                    self._on_change()
                if self._url() and time.monotonic() >= self._map_due_s:
                    await asyncio.to_thread(self.fetch_map)
                    self._map_due_s = time.monotonic() + MAP_EVERY_S
                    self._on_change()
                self._failures = 0
            except NoWay as error:
                log.log(logging.DEBUG if self._failures else logging.INFO, "%s", error)
                self._failures += 1
                await asyncio.sleep(pause_s(self._failures, *BACKOFF_S, random.random()))

    # ── up ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, blob: Blob) -> None:
        """Send what the hub does not have of a blob yet."""
        path = f"/v1/blobs/{blob.sha256}"
        with closing(self._connect()) as connection:
            status, told = self._ask(connection, "GET", path)
            if status not in (200, 404):
                raise self._refusal(blob, status, told)
            at = int(told.get("received", 0)) if status == 200 else 0
            data = b"" if blob.path is None else blob.path.read_bytes()
            if hashlib.sha256(data).hexdigest() != blob.sha256:
                log.error("%s was damaged on this disk, and cannot be sent", blob.path)
                self._blobs.lost(blob)
                return
            whole = bool(told.get("whole"))
            while not whole:
                part = data[at : at + PART_BYTES]
                headers = {
                    "content-type": blob.media_type,
                    "content-range": f"bytes {at}-{at + len(part) - 1}/{len(data)}",
                }
                status, told = self._ask(connection, "PUT", path, part, headers)
                if status == 409:  # the hub has another idea of how far it is: its word counts
                    at = int(told.get("received", 0))
                elif status in (200, 201):
                    at, whole = int(told.get("received", 0)), bool(told.get("whole"))
                else:
                    raise self._refusal(blob, status, told)
        self._blobs.sent(blob)

    def _refusal(self, blob: Blob, status: int, told: dict[str, Any]) -> NoWay:
        self._blobs.later(blob)
        return NoWay(f"the hub does not take {blob.sha256[:12]}… ({status}): {told.get('detail') or told.get('title') or ''}")

    # ── down ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def fetch_map(self) -> None:
        """Fetch the map if it is another than the one that is kept; go on where the last attempt ended."""
        begun, size = self._basemap.begun()
        headers = {"range": f"bytes={size}-", "if-range": begun} if begun and size else {}
        kept = self._basemap.about
        if kept is not None and not headers:
            headers["if-none-match"] = kept.etag
        try:
            with closing(self._connect()) as connection:
                connection.request("GET", "/basemap.geojson.gz", headers=headers)
                answer = connection.getresponse()
                if answer.status in (304, 404):
                    answer.read()
                    return
                if answer.status == 200:
                    self._basemap.begin(answer.headers.get("etag", ""))
                elif answer.status != 206:
                    self._basemap.forget_part()
                    raise NoWay(f"the hub gives no map: {answer.status} {answer.reason}")
                while data := answer.read(PART_BYTES):
                    self._basemap.add(data)
                if answer.length:
                    raise NoWay("the map broke off; it goes on later")
            self._basemap.finish(self._now_utc_ms())
        except BadMap as error:
            self._basemap.forget_part()
            raise NoWay(str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise NoWay(f"the hub's files at {self._url()}: {error}") from None

    # ── the connection ──────────────────────────────────────────────────────────────────────────────────────────────

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urlsplit(self._url())
        if parts.scheme != "https" or not parts.hostname:
            raise NoWay(f"the hub's address for files, {self._url()!r}, is no https address")
        try:
            context = ssl.create_default_context(cafile=str(self._broker.ca))
            context.load_cert_chain(self._broker.cert, self._broker.key)
        except OSError as error:
            raise NoWay(f"the unit's certificate cannot be read: {error}") from None
        return http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=TIMEOUT_S, context=context)

    def _ask(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            data = answer.read(65_536)
        except (OSError, http.client.HTTPException) as error:
            raise NoWay(f"the hub's files at {self._url()}: {error}") from None
        try:
            told = msgspec.json.decode(data) if data else {}
        except msgspec.DecodeError:
            told = {}
        return answer.status, told if isinstance(told, dict) else {}
