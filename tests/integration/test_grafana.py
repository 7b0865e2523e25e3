"""The provisioned dashboard is what its table says, and every panel's SQL runs on both kinds of database."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "dashboards" / "grafana"
TABLE = runpy.run_path(str(FOLDER / "panels.py"))
PANELS = TABLE["PANELS"]


def expand(sql: str) -> str:
    """Grafana's macros as its PostgreSQL data source expands them (documented there), for one hour of 2026."""
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN '2026-03-02T08:00:00Z' AND '2026-03-02T09:00:00Z'", sql)
    minutes = {"1m": 60, "5m": 300}

    def group(match: re.Match[str]) -> str:
        step = minutes[match[2]]
        return f'floor(extract(epoch FROM {match[1]})/{step})*{step} AS "time"'

    return re.sub(r"\$__timeGroupAlias\(([\w.]+), '(\w+)'\)", group, sql)


def test_the_committed_dashboard_is_the_tables() -> None:
    committed = json.loads((FOLDER / "fleet.json").read_text())
    assert committed == TABLE["dashboard"](), "run: python dashboards/grafana/panels.py > dashboards/grafana/fleet.json"


def test_no_two_panels_share_a_place_on_the_grid() -> None:
    cells: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        assert panel.x + panel.w <= 24
        for cell in ((x, y) for x in range(panel.x, panel.x + panel.w) for y in range(panel.y, panel.y + panel.h)):
            assert cells.setdefault(cell, panel.title) == panel.title


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel.title))
def test_a_panels_sql_runs(panel: Any, database: Any) -> None:
    with database.transaction() as cursor:
        cursor.execute(expand(panel.sql))
        cursor.fetchall()
    assert "$__" not in expand(panel.sql)
