"""A clear no to a customer or a shop."""

from __future__ import annotations

from roundsman_hub import HubError


class Refused(HubError):
    """A clear no. Whoever asked is offered what can still be had, in a transaction of its own: this one changes nothing."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind
