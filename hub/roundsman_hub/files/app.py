"""What vans may ask of the hub's files: put a blob piece by piece, and fetch the map. Each speaks in its certificate's name."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from roundsman_hub.clock import Clock
from roundsman_hub.pki import Pki
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.blobs import MAX_BYTES, MEDIA_TYPES, BlobStore, NoRoom, Spoilt, WrongPlace

ENDS_WITHIN_S: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_RANGE: Final = re.compile(r"bytes (\d{1,9})-(\d{1,9})/(\d{1,9})\Z")


class VanProtocol(H11Protocol):
    """HTTP whose requests know the vehicle that asks: the common name of the certificate that TLS has checked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # narrowed as in uvicorn
        super().connection_made(transport)
        certificate = transport.get_extra_info("peercert") or {}
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        inner = self.app

        async def named(scope: Scope, receive: Receive, send: Send) -> None:
            scope["vehicle"] = names[0] if len(names) == 1 else ""
            await inner(scope, receive, send)

        self.app = named


def problem(status: int, title: str, detail: str, **more: Any) -> Response:
    """An RFC 9457 problem."""
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail, **more}
    return JSONResponse(body, status, media_type="application/problem+json")


class Files:
    """The routes.

    Parameters
    ----------
    basemap : callable
        The map's file, made when it is first asked for; None: this hub has no extract.
    """

    def __init__(self, store: BlobStore, clock: Clock, basemap: Callable[[], Path | None]) -> None:
        self._store, self._clock, self._basemap = store, clock, basemap
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def blob(self, request: Request) -> Response:
        """GET: how much of a blob is here. PUT: its next bytes (`Content-Range: bytes FIRST-LAST/TOTAL`)."""
        vehicle, sha256 = str(request.scope.get("vehicle", "")), request.path_params["sha256"]
        fleet = await asyncio.to_thread(self._store.fleet_of, vehicle)
        if fleet is None:
            return problem(403, "Unknown vehicle", "This certificate's vehicle is not in service here.")
        if not _SHA256.match(sha256):
            return problem(404, "No such blob", "A blob is named by its SHA-256, 64 lower-case hex digits.")
        # One at a time of each: a van that gave up and came again must not be written between.
        lock = self._locks.setdefault((vehicle, sha256), asyncio.Lock())
        try:
            async with lock:
                return await self._locked(request, fleet, vehicle, sha256)
        finally:
            if not lock.locked():
                self._locks.pop((vehicle, sha256), None)

    async def _locked(self, request: Request, fleet: str, vehicle: str, sha256: str) -> Response:
        here = await asyncio.to_thread(self._store.received, fleet, vehicle, sha256)
        if request.method == "GET" or here.whole:
            return JSONResponse({"received": here.received, "whole": here.whole})
        media_type = request.headers.get("content-type", "").partition(";")[0].strip()
        if media_type not in MEDIA_TYPES:
            return problem(415, "Not a photo or signature", f"{media_type or 'nothing'} is none of {', '.join(sorted(MEDIA_TYPES))}.")
        asked = _RANGE.match(request.headers.get("content-range", ""))
        if asked is None:
            return problem(411, "Which bytes?", "Send Content-Range: bytes FIRST-LAST/TOTAL.")
        first, last, total = map(int, asked.groups())
        if total > MAX_BYTES:
            return problem(413, "Too large", f"{total} bytes; at most {MAX_BYTES}.")
        if not first <= last < total:
            return problem(422, "Not a range", f"bytes {first} to {last} of {total}.")
        at = first
        try:
            async for data in request.stream():
                if at + len(data) > last + 1:
                    return problem(422, "More than was said", f"at most {last + 1 - first} bytes.", received=at)
                if data:
                    at = await asyncio.to_thread(self._store.add, vehicle, sha256, at, data)
            if at == total:
                await asyncio.to_thread(self._store.finish, fleet, vehicle, sha256, media_type, self._clock.now())
        except WrongPlace as error:
            return problem(409, "Go on where it ended", f"{error.received} bytes are here.", received=error.received)
        except NoRoom:
            return problem(507, "The hub's disk is full", "Keep it, and try again later.", received=at)
        except Spoilt:
            return problem(422, "Not what its name says", "The bytes have another SHA-256: send them anew.", received=0)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it; what came is kept
        return JSONResponse({"received": at, "whole": at == total}, 201 if at == total else 200)

    async def basemap(self, request: Request) -> Response:
        """The map, gzipped GeoJSON; in pieces where the van asks so."""
        path = await asyncio.to_thread(self._basemap)
        if path is None:
            return problem(404, "No map", "This hub has no street extract: start it with --osm.")
        etag = f'"{path.name}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return FileResponse(path, media_type="application/gzip", headers={"etag": etag})


def application(store: BlobStore, clock: Clock, basemap: Callable[[], Path | None]) -> Starlette:
    """The vans' files as an ASGI application; serve it with `VanProtocol`, under TLS that requires certificates."""
    files = Files(store, clock, basemap)
    return Starlette(
        routes=[
            Route("/v1/blobs/{sha256}", files.blob, methods=["GET", "PUT"]),
            Route("/basemap.geojson.gz", files.basemap),
        ]
    )


def server_of(app: Starlette, at: Endpoint, pki: Pki) -> uvicorn.Server:
    """A server that speaks with certified units only."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=at.host,
            port=at.port,
            http=VanProtocol,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=ENDS_WITHIN_S,
            ssl_certfile=pki.broker_cert_file,
            ssl_keyfile=pki.broker_key_file,
            ssl_ca_certs=str(pki.ca_file),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )
    )
