"""The hub: keeps the vans' logs, tells arrival times, plans and re-plans, and publishes the plans."""

from __future__ import annotations


class HubError(Exception):
    """Root of the hub's expected errors. `str` says what is wrong and what to do next."""
