"""Roles: one table of what each may do. The API asks it at every door; the OpenAPI document quotes it."""

from __future__ import annotations

from typing import Final, Literal, get_args

Role = Literal["admin", "dispatcher", "shop", "viewer"]
Permission = Literal[
    "orders.read", "orders.write", "places.write", "fleet.read", "fleet.write", "live.read", "drivers.write", "plans.write",
    "metrics.read", "keys.write",
]  # fmt: skip

PERMISSIONS: Final[dict[Permission, str]] = {
    "orders.read": "see orders, their states, arrival times and customers' links",
    "orders.write": "create, change, cancel and import orders",
    "places.write": "settle an address that waits for a person",
    "fleet.read": "see depots, drivers, vehicles and fences",
    "fleet.write": "create and change depots, drivers, vehicles and fences",
    "live.read": "see where vans are, their plans and their tracks",
    "drivers.write": "write to drivers, and settle what they report",
    "plans.write": "decide about plans: move, pin, lock, approve, take back",
    "metrics.read": "see the numbers",
    "keys.write": "make and revoke API keys",
}

ROLES: Final[dict[Role, frozenset[Permission]]] = {
    "admin": frozenset(get_args(Permission)),
    "dispatcher": frozenset(
        {"orders.read", "orders.write", "places.write", "fleet.read", "live.read", "drivers.write", "plans.write", "metrics.read"}
    ),
    # A shop's till: it hands orders over and asks after them; where drivers are is not its business.
    "shop": frozenset({"orders.read", "orders.write"}),
    "viewer": frozenset({"orders.read", "fleet.read", "live.read", "metrics.read"}),
}


def may(role: Role, permission: Permission) -> bool:
    """Does the table allow it?"""
    return permission in ROLES[role]


def who_may(permission: Permission) -> list[Role]:
    """The roles that may, in the table's order: for the sentence that refuses the others."""
    return [role for role, allowed in ROLES.items() if permission in allowed]
