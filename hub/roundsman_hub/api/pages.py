"""The built pages: dispatch at `/`, their scripts under `/assets`. Built by `.ci/web` into the package's own `web/`."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from roundsman_hub.api.problems import Problem
from roundsman_hub.roads.basemap import write_basemap

router = APIRouter(include_in_schema=False)
WEB: Final = Path(__file__).parents[1] / "web"
_NOT_BUILT: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Roundsman</title>
<h1>The dispatch page is not built</h1><p>Run <code>.ci/web</code> in the project's folder, then load this page again.
The API works without it: <a href="/openapi.json">/openapi.json</a>.</p></html>"""
_HASHED: Final = "public, max-age=31536000, immutable"
_FRESH: Final = "no-cache"
"""Ask whether it changed; the answer is usually 304."""


def extract_of(request: Request) -> tuple[Path, Path] | None:
    """The street extract and the cache folder of the app that serves this request, if it has an extract."""
    found: tuple[Path, Path] | None = request.app.state.extract
    return found


def built(path: str) -> bool:
    """Was this file built?"""
    return (WEB / path).is_file()


@router.get("/")
def dispatch() -> Response:
    """The dispatch page. It asks for an API key itself: nothing in it is a secret."""
    if not built("dispatch.html"):
        return HTMLResponse(_NOT_BUILT, 503)
    return FileResponse(WEB / "dispatch.html", headers={"Cache-Control": _FRESH})


@router.get("/assets/{name}")
def asset(name: str) -> Response:
    """A script or a style sheet of the pages. Names with a hash never change."""
    path = WEB / "assets" / name
    if path.parent != WEB / "assets" or not path.is_file():
        raise Problem(404, "unknown-asset", f"no file {name!r}", next_step="load the page again")
    return FileResponse(path, headers={"Cache-Control": _HASHED if "-" in path.stem else _FRESH})


@router.get("/basemap.geojson")
def basemap(request: Request) -> Response:
    """Streets and water of the hub's extract, for both pages: public, as the extract is. Empty where there is no extract."""
    extract = extract_of(request)
    if extract is None:
        return JSONResponse({"type": "FeatureCollection", "attribution": "", "features": []}, headers={"Cache-Control": _FRESH})
    path = write_basemap(*extract)
    etag = f'"{path.name}"'
    headers = {"Cache-Control": _FRESH, "ETag": etag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(gzip.decompress(path.read_bytes()), headers=headers, media_type="application/geo+json")
    return Response(path.read_bytes(), headers={**headers, "Content-Encoding": "gzip"}, media_type="application/geo+json")
