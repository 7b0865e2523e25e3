"""How a running agent is, for a technician: what `status` prints and `/api/status` answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from roundsman_agent import __version__, health
from roundsman_wire.messages import FACTS, TRACK

if TYPE_CHECKING:
    from roundsman_agent.daemon import Daemon


def of(daemon: Daemon) -> Mapping[str, Any]:
    """Everything that is told, by name."""
    unit, uplink = daemon.unit, daemon.uplink
    backlog = daemon.outbox.backlog()
    own = {(lane.session, lane.lane): lane for lane in daemon.outbox.lanes()}
    facts, track = own[daemon.outbox.session, FACTS], own[daemon.outbox.session, TRACK]
    return {
        "vehicle": daemon.config.vehicle,
        "agent_version": __version__,
        "session": daemon.outbox.session,
        "uptime_s": round(time.monotonic() - daemon.started_s),
        "now_utc_ms": daemon.clock.utc_ms(),
        "link": {"online": daemon.link_up, "since_utc_ms": daemon.link_since_utc_ms, "reason": daemon.link_reason},
        "receiver": {"url": daemon.config.receiver_url, "state": unit.receiver},
        "fixes": {"accepted": unit.pipeline.accepted, "rejected": dict(unit.pipeline.rejected), "logged": track.last},
        "duty": unit.board.duty,
        "driver": unit.board.driver,
        "plan": None
        if unit.plan is None
        else {"version": unit.plan.version, "held": unit.inbox.versions["plan"], "stops_left": len(unit.rounds.order())},
        "log": {
            "facts": {"last": facts.last, "acked": facts.acked},
            "track": {"last": track.last, "acked": track.acked},
            "waiting": daemon.journal.waiting,
            "backlog": {"facts": backlog[FACTS], "track": backlog[TRACK]},
            "oldest_unsent_s": unit.oldest_unsent_s(),
            "epoch": daemon.outbox.epoch,
            "sessions_kept": len(own) // 2,
        },
        "store": {
            "path": str(daemon.outbox.path),
            "mb": round(daemon.outbox.path.stat().st_size / 1_048_576, 1),
            "max_mb": daemon.config.store_max_mb,
            "full": daemon.journal.full,
            "disk_free_mb": health.disk_free_mb(daemon.config.store_dir),
        },
        "sent": {"frames": uplink.frames_sent if uplink else 0, "bytes": uplink.bytes_sent if uplink else 0},
        "rss_mb": health.rss_mb(),
        "temperature_c": unit.care.vitals.temperature_c,
        "voltage_v": unit.care.vitals.voltage_v,
        "throttled": list(unit.care.vitals.throttled),
        "disk_wear_pct": unit.care.vitals.disk_wear_pct,
        "disk_written_mb": unit.care.vitals.disk_written_mb,
        "clock": unit.care.vitals.clock,
        "blobs_waiting": unit.blobs_waiting(),
    }
