"""Every figure that a hub tells, as a table: name, kind, labels, meaning. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
AGES_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)
"""From a fix to its COMMIT: half a second is the goal, a day is a van that was out of reach."""
MANY: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure. `buckets`: upper bounds of a histogram's."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS: Final = (
    # ── every process ──
    Metric(name="roundsman_up", kind="gauge", says="1: the process answers"),
    Metric(name="roundsman_ready", kind="gauge", says="1: everything that the role stands on is there"),
    Metric(name="process_cpu_seconds_total", kind="counter", says="CPU time, user and system"),
    Metric(name="process_resident_memory_bytes", kind="gauge", says="Memory in RAM"),
    Metric(name="process_start_time_seconds", kind="gauge", says="Start, seconds since 1970"),
    Metric(name="roundsman_db_pool_connections", kind="gauge", labels=("state",), says="Pooled connections: open, idle; requests waiting"),
    Metric(name="roundsman_db_pool_requests_total", kind="counter", says="Connections asked of the pool"),
    Metric(name="roundsman_db_pool_errors_total", kind="counter", says="Connections that the pool could not give in time"),
    Metric(name="roundsman_db_pool_wait_seconds_total", kind="counter", says="Time that requests waited for a connection"),
    # ── ingest ──
    Metric(name="roundsman_ingest_events_total", kind="counter", labels=("what",), says="Fixes, entries, frames stored; duplicates, …"),
    Metric(name="roundsman_ingest_acks_total", kind="counter", says="Acks that left after COMMIT"),
    Metric(name="roundsman_ingest_batch_messages", kind="histogram", buckets=MANY, says="Messages in a batch"),
    Metric(name="roundsman_ingest_batch_seconds", kind="histogram", buckets=SECONDS, says="From a batch in hand to its acks"),
    Metric(name="roundsman_ingest_fix_age_seconds", kind="histogram", buckets=AGES_S, says="From each batch's newest fix to its COMMIT"),
    Metric(name="roundsman_ingest_waiting_messages", kind="gauge", says="Messages heard and not yet in hand"),
    Metric(name="roundsman_ingest_dropped_total", kind="counter", says="Messages that found the inbox full; their vans send them again"),
    Metric(name="roundsman_ingest_shards", kind="gauge", says="Shards that this process serves, of 64"),
    Metric(name="roundsman_broker_connected", kind="gauge", says="1: connected to the broker"),
    # ── derive: what the database tells ──
    Metric(name="roundsman_derive_seconds", kind="histogram", buckets=SECONDS, says="One catching-up with the log"),
    Metric(name="roundsman_derive_behind_entries", kind="gauge", says="Facts stored and not yet derived"),
    Metric(name="roundsman_derive_sessions_total", kind="counter", says="Sessions brought up to their watermark"),
    Metric(name="roundsman_quarantined_frames", kind="gauge", says="Frames set aside and not yet read"),
    Metric(name="roundsman_log_gap_entries", kind="gauge", labels=("reason",), says="Numbers that will not come, by reason"),
    Metric(name="roundsman_alarms", kind="gauge", labels=("kind",), says="How often each alarm rang, over all subjects"),
    Metric(name="roundsman_vans_online", kind="gauge", says="Vans on line"),
    Metric(name="roundsman_vans_backlog_entries", kind="gauge", says="What vans on line said they have unacknowledged, in all"),
    Metric(name="roundsman_vans_unwell", kind="gauge", labels=("what",), says="Vans on line whose unit says so: hot, throttled, disk, …"),
    Metric(name="roundsman_vans_oldest_unsent_seconds", kind="gauge", says="For how long a van on line has had something to send, at most"),
    Metric(
        name="roundsman_gateway_passed_over_total", kind="counter", labels=("kind",), says="What telephones said besides positions, by kind"
    ),
    # ── plan, API ──
    Metric(name="roundsman_plan_seconds", kind="histogram", labels=("step",), buckets=SECONDS, says="A depot planned: insertion or search"),
    Metric(name="roundsman_http_request_seconds", kind="histogram", labels=("route", "status"), buckets=SECONDS, says="API requests"),
    Metric(name="roundsman_sse_listeners", kind="gauge", says="Open live streams"),
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}
