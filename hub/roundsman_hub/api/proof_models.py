"""Parcels, proofs and how a stop ended, as they go over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


class Said(BaseModel):
    """A request's body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


def _split(value: object) -> object:
    """A list as a cell of a file has it: words between spaces, commas or semicolons."""
    return value.replace(",", " ").replace(";", " ").split() if isinstance(value, str) else value


def _items(value: object) -> object:
    """Parcels may be named by their barcodes alone."""
    value = _split(value)
    return [{"parcel": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


class Item(Said):
    """One parcel of an order. `parcel` is what its barcode says."""

    parcel: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f]+$", strip_whitespace=True)]
    name: Annotated[str, StringConstraints(max_length=120, strip_whitespace=True)] = ""
    weight_g: int | None = Field(default=None, ge=0, le=10_000_000)


Items = Annotated[list[Item], Field(max_length=200, description="its parcels, by barcode; or the barcodes alone"), BeforeValidator(_items)]
ProofKind = Literal["photo", "signature", "code"]
Proofs = Annotated[list[ProofKind], Field(max_length=3, description="what must be shown to have delivered"), BeforeValidator(_split)]
DeliveryCode = Annotated[str, StringConstraints(min_length=4, max_length=12, pattern=r"^[0-9A-Za-z]+$", strip_whitespace=True)]


def unlike(items: list[Item]) -> None:
    """Refuse a barcode that is there twice."""
    if len({item.parcel for item in items}) < len(items):
        raise ValueError("items: a barcode is there twice")


class ProofShown(BaseModel):
    """A photo or signature that a driver took. The word that there is one comes with the log, the picture itself may come later."""

    kind: Literal["photo", "signature"]
    sha256: str
    bytes: int
    media_type: str
    at: datetime | None
    action: str = Field(description="the action that names it")
    state: Literal["pending", "whole"] = Field(description="pending: it is still on its way from the van")
    url: str | None = Field(description="where it is, with the same key; null while it is pending")


class Handover(BaseModel):
    """How the stop ended, in the driver's words."""

    outcome: Literal["delivered", "partial", "refused", "damaged", "failed"]
    parcels: list[str] = Field(description="those that the outcome is about")
    received_by: str | None
    note: str | None
    at: datetime
    by_code: bool = Field(description="the receiver told the order's code")
    lat_deg: float | None = Field(description="where the van was as the driver said it; null: its receiver did not know")
    lon_deg: float | None
