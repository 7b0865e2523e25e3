"""The Grafana dashboard as one table of panels. `python dashboards/grafana/panels.py > dashboards/grafana/fleet.json` writes it.

Every statement runs as it stands on both kinds of database; the tests expand Grafana's macros and run each of them.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final, NamedTuple

DATASOURCE: Final = {"type": "grafana-postgresql-datasource", "uid": "roundsman"}


class Panel(NamedTuple):
    """One panel: where it stands on the 24-column grid, how it is drawn, and what it asks."""

    title: str
    help: str
    draw: str
    unit: str
    x: int
    y: int
    w: int
    h: int
    sql: str


PANELS: Final = (
    Panel("Vans on line", "Vehicles whose unit is connected now.", "stat", "none", 0, 0, 4, 4,
          "SELECT count(*) FILTER (WHERE online) AS \"on line\" FROM vehicle_now"),
    Panel("On-time share", "Deliveries inside their window, of all in the period.", "stat", "percentunit", 4, 0, 5, 4,
          "SELECT avg((coalesce(s.arrived_at, s.at) <= o.window_end)::int) AS \"on time\""
          " FROM order_states s JOIN orders o USING (order_id) WHERE s.state = 'delivered' AND $__timeFilter(s.at)"),
    Panel("Predicted late", "Open stops whose arrival is now expected after their window.", "stat", "none", 9, 0, 5, 4,
          "SELECT count(*) AS late FROM etas e JOIN orders o USING (order_id) LEFT JOIN order_states s USING (order_id)"
          " WHERE s.order_id IS NULL AND o.cancelled_at IS NULL AND e.eta > o.window_end"),
    Panel("Without a van", "Orders that no plan takes, each with its reason in the API.", "stat", "none", 14, 0, 5, 4,
          "SELECT count(*) AS unassigned FROM unassigned u JOIN orders o USING (order_id) WHERE o.cancelled_at IS NULL"),
    Panel("Frames in quarantine", "Frames of vans whose bytes could not be read, not yet resolved.", "stat", "none", 19, 0, 5, 4,
          "SELECT count(*) AS quarantined FROM log.quarantine WHERE resolved_at IS NULL"),
    Panel("Stops by outcome", "Delivered and failed stops over time.", "timeseries", "none", 0, 4, 12, 8,
          "SELECT $__timeGroupAlias(at, '5m'), state AS metric, count(*) AS stops FROM order_states"
          " WHERE $__timeFilter(at) GROUP BY 1, 2 ORDER BY 1"),
    Panel("Fixes stored", "Fixes by the time at which they were made: late ones fill in.", "timeseries", "none", 12, 4, 12, 8,
          "SELECT $__timeGroupAlias(time, '1m'), count(*) AS fixes FROM log.fixes WHERE $__timeFilter(time) GROUP BY 1 ORDER BY 1"),
    Panel("Plans issued, and why", "Each plan that was sent to a van.", "table", "none", 0, 12, 12, 9,
          "SELECT p.issued_at AS time, v.name AS van, p.reason, p.changes::text AS changes FROM plans p JOIN vehicles v USING (vehicle_id)"
          " WHERE $__timeFilter(p.issued_at) ORDER BY p.issued_at DESC LIMIT 100"),
    Panel("Vans", "Newest word from each van.", "table", "none", 12, 12, 12, 9,
          "SELECT v.name AS van, n.online, n.time, n.duty, n.next_stop AS \"next stop\", n.backlog, n.plan_version AS plan"
          " FROM vehicles v LEFT JOIN vehicle_now n USING (vehicle_id) WHERE v.retired_at IS NULL ORDER BY n.online, v.name"),
    Panel("Numbers that will not come", "Ranges of the vans' logs that are not held, by reason.", "table", "none", 0, 21, 24, 6,
          "SELECT g.noted_at AS time, s.vehicle_id AS vehicle, g.lane, g.first_seq, g.last_seq, g.reason FROM log.gaps g"
          " JOIN log.sessions s USING (session_no) WHERE $__timeFilter(g.noted_at) ORDER BY g.noted_at DESC LIMIT 100"),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana's JSON model, schema version 39 (Grafana 10.4 and newer read it)."""
    return {
        "uid": "roundsman-fleet",
        "title": "Roundsman fleet",
        "tags": ["roundsman"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-12h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "templating": {"list": []},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS, start=1)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.draw,
        "title": panel.title,
        "description": panel.help,
        "datasource": DATASOURCE,
        "gridPos": {"x": panel.x, "y": panel.y, "w": panel.w, "h": panel.h},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": "A",
                "datasource": DATASOURCE,
                "editorMode": "code",
                "rawQuery": True,
                "format": "time_series" if panel.draw == "timeseries" else "table",
                "rawSql": panel.sql,
            }
        ],
    }


if __name__ == "__main__":
    json.dump(dashboard(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
