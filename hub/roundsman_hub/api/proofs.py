"""The pictures themselves, for who may read orders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from roundsman_hub.api.desk import AtDesk, OrdersReader
from roundsman_hub.api.problems import documented, not_found
from roundsman_hub.store.rows import row

router = APIRouter(prefix="/v1", tags=["orders"], responses=documented(401, 403, 404, 503))
HEADERS: Final = {
    "Cache-Control": "private, max-age=31536000, immutable",
    # A signature is an SVG that a van made: it may draw, and nothing else.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
}
ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/svg+xml": "svg"}


@router.get("/proofs/{sha256}", response_class=FileResponse)
def get_proof(sha256: str, request: Request, desk: AtDesk, caller: OrdersReader) -> FileResponse:
    """A photo or a signature. Until the van has sent all of it there is none: the order says `pending`."""
    with desk.db.tenant(caller.fleet) as cur:
        found = row(cur, "SELECT media_type FROM blobs WHERE sha256 = %s", (sha256,))
    folder: Path = request.app.state.blobs_dir
    path = folder / sha256[:2] / sha256
    if found is None or not path.is_file():
        raise not_found("proof", sha256, see="/v1/orders/{order}")
    name = f"{sha256[:12]}.{ENDINGS.get(found['media_type'], 'bin')}"
    return FileResponse(path, media_type=found["media_type"], filename=name, content_disposition_type="inline", headers=HEADERS)
