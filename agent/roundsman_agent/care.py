"""How the unit is, as a fact for the hub: every few minutes, and at once when it changes what a technician would do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from roundsman_agent import __version__, health, vitals
from roundsman_agent.vitals import Vitals
from roundsman_wire.messages import TRACK, Health

if TYPE_CHECKING:
    from roundsman_agent.unit import Unit

EVERY_S: Final = 300.0
"""About 100 kB a day on the wire; a technician looks at hours, not seconds."""
LOOK_S: Final = 120.0
"""How often the board is looked at: so late what matters is told, and so often at most. A look is 1 ms, nearly all of it memory that the
cache has lost; what happens to a board, happens in minutes."""
HOT_C: Final = 80.0
"""Where a Raspberry Pi begins to slow down."""
LOW_DISK_MB: Final = 256


def matters(before: Health, now: Health) -> bool:
    """Whether a technician would do something else than a moment ago."""

    def signs(seen: Health) -> tuple[object, ...]:
        return (
            seen.receiver.partition(":")[0],
            seen.throttled,
            seen.clock,
            seen.disk_free_mb < LOW_DISK_MB,
            seen.disk_wear_pct,
            (seen.temperature_c or 0.0) >= HOT_C,
            "store full" in seen.rejected,
        )

    return signs(before) != signs(now)


class Care:
    """What is known of the unit itself."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._began_s = time.monotonic()
        self._told: Health | None = None
        self.vitals = Vitals()

    @property
    def uptime_s(self) -> int:
        """Since the session began."""
        return round(time.monotonic() - self._began_s)

    def health(self) -> Health:
        """The unit's state now, with the newest look at the board."""
        unit, board = self._unit, self.vitals
        backlog = unit.outbox.backlog()
        rejected = {**unit.pipeline.rejected}
        if unit.journal.fixes_without_room:
            rejected["store full"] = unit.journal.fixes_without_room
        return Health(
            **unit.instant(),
            agent_version=__version__,
            backlog_facts=backlog[0],
            backlog_track=backlog[TRACK],
            oldest_unsent_s=unit.oldest_unsent_s(),
            disk_free_mb=health.disk_free_mb(unit.outbox.path.parent),
            rss_mb=health.rss_mb(),
            fixes_accepted=unit.pipeline.accepted,
            rejected=rejected,
            receiver=unit.receiver,
            temperature_c=board.temperature_c,
            uptime_s=self.uptime_s,
            store_mb=unit.outbox.path.stat().st_size // 1_048_576,
            disk_written_mb=board.disk_written_mb,
            disk_wear_pct=board.disk_wear_pct,
            voltage_v=board.voltage_v,
            throttled=board.throttled,
            clock=board.clock,
            versions=dict(vitals.versions()),
            blobs_waiting=unit.blobs_waiting(),
        )

    def look(self, seen: Vitals) -> Health | None:
        """A new look at the board; the fact to log, if it is time or something changed that matters."""
        self.vitals = seen
        now = self.health()
        if self._told is not None and not matters(self._told, now) and now.uptime_s - self._told.uptime_s < EVERY_S:
            return None
        self._told = now
        return now
