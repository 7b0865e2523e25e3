"""What one customer's page is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from roundsman_hub.domain.customers import CustomerView
from roundsman_hub.domain.words import Words
from roundsman_hub.store.rows import Row


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Everything that one customer's page is made from: of this order alone."""

    words: Words
    now: datetime
    place_zone: ZoneInfo
    """Whose days are meant where one is chosen."""
    fleet: str
    seen: CustomerView
    base: str = ""
    script: str | None = None
    currency: str = "EUR"
    channels: tuple[str, ...] = ()
    channels_by_default: tuple[str, ...] = ()
    items: list[Row] = field(default_factory=list)
    recipient: Mapping[str, Any] = field(default_factory=dict)
    contact_free: bool = False
    phone: bool = False
    offers: list[Row] = field(default_factory=list)
    proofs: list[Row] = field(default_factory=list)
    handover: Mapping[str, Any] | None = None
    thread: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)
    links: Mapping[str, str] = field(default_factory=dict)
    """Of pickups that belong to this customer's own returns."""
    said: str = ""
    refused: str = ""
    other_days: tuple[date, ...] = ()
    """On which it can come, where the day that was asked for cannot be kept."""
    other_windows: tuple[tuple[datetime, datetime], ...] = ()
    """In which it could be brought to `other_place`, where the promised one cannot be kept there."""
    other_place: str = ""
    other_places: tuple[str, ...] = ()
    """That the address which was written may mean."""
    may_talk: bool = False
    life: str = ""
    """Where the goods of a stop that failed are, as `domain.afterlife` has it."""
    open: tuple[str, ...] = ()
    """What can be chosen for them."""
    stood: Mapping[str, Any] = field(default_factory=dict)
    """When and how far from the address the van stood, where its log says so: `m`, `arrived_at`, `left_at`."""

    @property
    def has_proof(self) -> bool:
        """Is there anything that the visit has left?"""
        return bool(self.proofs or self.handover or self.stood)

    def t(self, key: str) -> str:
        """A phrase, ready for HTML."""
        return escape(self.words(key))
