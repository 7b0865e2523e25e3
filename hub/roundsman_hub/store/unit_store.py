"""What a fleet sets on its vans' units. SQL beside its function; call inside a tenant's transaction."""

from __future__ import annotations

from typing import Any, Final

from psycopg.types.json import Jsonb

from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import row

ALL: Final = ""
"""In the place of a vehicle: every one of the fleet."""


def settings_of(cur: Cursor, fleet: str, vehicle: str = ALL) -> dict[str, Any]:
    """What was set for a vehicle itself, or for all of the fleet; empty: nothing."""
    found = row(cur, "SELECT settings FROM unit_settings WHERE fleet_id = %s AND vehicle_id = %s", (fleet, vehicle))
    return {} if found is None else dict(found["settings"])


def set_settings(cur: Cursor, fleet: str, vehicle: str, settings: dict[str, Any]) -> None:
    """Set them whole: what is not named is no longer set."""
    cur.execute(
        "INSERT INTO unit_settings (fleet_id, vehicle_id, settings) VALUES (%s, %s, %s)"
        " ON CONFLICT (fleet_id, vehicle_id) DO UPDATE SET settings = excluded.settings",
        (fleet, vehicle, Jsonb(settings)),
    )
