"""`make bench-living`: pretend days, a day of real processes beside them, roads, urgent orders: each part in a process of its own.

What a part prints comes through as it is printed; a part that fails or hangs costs its own rows only, and is named at the end. QUICK=1:
two days, eight minutes in all (8 min 15 s, of which 7 min 50 s of CPU, on a machine with two cores that did little else).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from roundsman_sim.bench_table import row_of, table


class Part(NamedTuple):
    """One program. `most_s`: it is ended after so long. `full`: what it is told besides when it is not quick."""

    name: str
    module: str
    most_s: int
    quick_most_s: int
    full: tuple[str, ...] = ()


ENDS_WITHIN_S: Final = 30
"""A part that is ended ends its database and its roads, too."""
KEPT_IN: Final = "var/pretend-days"
"""Twenty days are half an hour with little else going on, their lessons some minutes more; whoever is interrupted goes on there."""
PARTS: Final = (
    Part("roads", "roundsman_sim.bench_roads", 1_200, 240),
    Part("urgent", "roundsman_sim.bench_urgent", 900, 300),
    Part("days", "roundsman_sim.bench_days", 7_200, 900, ("--keep", KEPT_IN)),
)


def measured(part: Part, *, quick: bool) -> tuple[list[dict[str, Any]], str]:
    """Run a part; gives its rows, and what went wrong with it ("": nothing)."""
    command = [sys.executable, "-m", part.module, *(["--quick"] if quick else part.full)]
    most_s = part.quick_most_s if quick else part.most_s
    last, rows, late = "", [], threading.Event()

    def end() -> None:
        late.set()
        running.terminate()

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        ends, last_of_it = threading.Timer(most_s, end), threading.Timer(most_s + ENDS_WITHIN_S, running.kill)
        for timer in (ends, last_of_it):
            timer.start()
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("{"):
                last = line
            else:
                print(line, end="", flush=True)
        code = running.wait()
        for timer in (ends, last_of_it):
            timer.cancel()
    try:
        rows = json.loads(last)["rows"]
    except (KeyError, ValueError):
        return [], f"ended after {most_s} s" if late.is_set() else f"ended with {code} and told no figures"
    return rows, "" if code == 0 else f"ended with {code}; its rows are not all"


def run(parts: Sequence[Part], *, quick: bool) -> int:
    """Every part, then all rows in one table and one line for programs; 1 where a part failed."""
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for part in parts:
        print(f"── {part.name}", flush=True)
        found, wrong = measured(part, quick=quick)
        rows += found
        if wrong:
            failed[part.name] = wrong
            print(f"FAILED: {part.name} {wrong}", flush=True)
    print(table([row_of(row) for row in rows]), flush=True)
    short = sum(row["holds"] is False for row in rows)
    print(json.dumps({"bench": "living", "rows": rows, "short": short, "failed": failed}), flush=True)
    return 1 if failed else 0


def main() -> int:
    """The exit code says whether everything could be measured; the last line, what holds."""
    return run(PARTS, quick=os.environ.get("QUICK", "") not in ("", "0"))


if __name__ == "__main__":
    sys.exit(main())
