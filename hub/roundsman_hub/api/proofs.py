"""The pictures themselves, for who may read orders."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import AtDesk, FleetWriter, OrdersReader
from roundsman_hub.api.fleet import known_vehicle
from roundsman_hub.api.problems import documented, not_found
from roundsman_hub.api.proof_models import Said
from roundsman_hub.store import proof_chain, retention
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


class ChainShown(BaseModel):
    """Whether a van's hand-overs are as they were told: computed anew from its log."""

    vehicle: str
    intact: bool
    links: int = Field(description="hand-overs in the chain")
    broken: list[str] = Field(description="the first first; every link after a broken one stands on it")
    pictures_whole: int
    pictures_not_here: int = Field(description="still on their way, or let go after their time: their hashes stay in the chain")
    pictures_spoilt: list[str] = Field(description="hashes whose files are not what they were")
    entries_let_go: int = Field(description="log entries that went after their time: their hashes stay in the chain")


class Keeping(Said):
    days: int = Field(ge=1, le=36_500, description="so long photos and signatures are kept")


@router.get("/vehicles/{vehicle}/proof-chain")
def get_chain(vehicle: str, request: Request, desk: AtDesk, caller: OrdersReader) -> ChainShown:
    """Verify a van's proof of delivery: every hand-over's log entry, link and picture."""
    with desk.db.tenant(caller.fleet) as cur:
        known_vehicle(cur, vehicle)
    with desk.db.transaction() as cur:
        found = proof_chain.verify(cur, vehicle, request.app.state.blobs_dir)
    return ChainShown(
        vehicle=vehicle,
        intact=not (found.broken or found.spoilt),
        links=found.links,
        broken=[f"link {n}: {what}" for n, what in found.broken],
        pictures_whole=found.whole,
        pictures_not_here=found.not_here,
        pictures_spoilt=found.spoilt,
        entries_let_go=found.let_go,
    )


@router.put("/proofs:keep")
def put_keeping(keeping: Keeping, desk: AtDesk, caller: FleetWriter) -> Keeping:
    """How long photos and signatures are kept; a year, unless a fleet says otherwise. What they proved stays in the chain."""
    with desk.db.transaction() as cur:
        retention.choose(cur, caller.fleet, at=desk.clock.now(), actor=caller.key_id, proof_days=keeping.days)
    return keeping
