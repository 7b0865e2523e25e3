"""`make bench-ingest`: how near ingest comes to `psql \\copy` of the same rows, what it costs, how late it is; what questions take.

On each kind of database that there is, part by part. A figure is told as soon as it is known; a part that fails is told, and the next one
begins.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from roundsman_hub import bench_ingest_db as stage
from roundsman_hub.bench_ingest_db import Server
from roundsman_hub.bench_ingest_rounds import FULL, QUICK, VANS, Bench, Row, Size

KINDS: Final = ("partitions", "hypertable")
PARTS: Final[dict[str, tuple[str, Callable[[Bench], Iterator[Row]]]]] = {
    "limits10": ("speed beside \\copy, and CPU, at 10 fixes a frame", lambda bench: bench.limits(10)),
    "limits60": ("the same at 60 fixes a frame", lambda bench: bench.limits(60)),
    "lags": ("from a frame's leaving to its being seen, at light and half load; a van's day of backlog", Bench.lags),
    "questions": ("a filled table: a day's track, 5,000 positions, the picture of all vans, bytes a fix", Bench.questions),
}
HEAD: Final = f"{'row':<34} {'measured':>12}      {'goal':>10}  {'peer':>10}  holds"


def say(text: str) -> None:
    """Tell people how far it is."""
    print(text, flush=True)


def told(row: Row) -> str:
    """A row of the table."""
    goal = "–" if row.goal is None else f"{'≥' if row.least else '≤'} {row.goal:g}"
    value = "–" if row.value is None else f"{row.value:,.4g}" if row.value < 1000 else f"{row.value:,.0f}"
    peer = "" if row.peer is None else f"{row.peer:,.3g}" if row.peer < 1000 else f"{row.peer:,.0f}"
    holds = "" if row.holds is None else "yes" if row.holds else "NO"
    return f"{row.name:<34} {value:>12} {row.unit:<4} {goal:>10}  {peer:>10}  {holds}"


def _parser() -> argparse.ArgumentParser:
    parts = "; ".join(f"{name}: {words}" for name, (words, _) in PARTS.items())
    parser = argparse.ArgumentParser(prog="make bench-ingest", description=__doc__.replace("%", "%%") if __doc__ else None)
    parser.add_argument("--timescaledb-root", type=Path, help="folder that .ci/timescaledb-root prints; without it there is no hypertable")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, one round")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help=f"so many turns of \\copy and ingest (default {FULL.rounds}, quick {QUICK.rounds})"
    )
    parser.add_argument(
        "--rows", type=int, metavar="N", help=f"of the filled table (default {FULL.table_rows:,}, quick {QUICK.table_rows:,})"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        choices=(*KINDS, *PARTS),
        metavar="PART",
        help=f"kinds of database ({', '.join(KINDS)}) and parts, by name; a group of which none is named is done whole. {parts}",
    )
    return parser


def _chosen(group: Sequence[str], only: Sequence[str]) -> list[str]:
    return [name for name in group if name in only] or list(group)


def _measure(server: Server, bench: Bench, parts: Sequence[str], rows: list[Row], failed: list[str]) -> None:
    """Everything that was asked for on one database; what is known is in `rows` at once."""
    suffix = "" if server.kind == "plain" else "@timescaledb"
    for name in parts:
        began = time.monotonic()
        try:
            for row in PARTS[name][1](bench):
                rows.append(replace(row, name=row.name + suffix))
                say(told(rows[-1]))
        except (Exception, SystemExit) as error:  # hours of other parts would be lost with it; it is told, and the exit code says so
            failed.append(name + suffix)
            say(f"  {name} FAILED, going on with the next part: {type(error).__name__}: {error}")
        say(f"  ({name}: {time.monotonic() - began:.0f} s)")


def main() -> int:
    """Measure on every kind of database there is; the last line is JSON. 1: a part failed."""
    options = _parser().parse_args()
    logging.getLogger("roundsman_hub").setLevel(logging.WARNING)
    size: Size = QUICK if options.quick else FULL
    size = replace(size, rounds=options.rounds or size.rounds, table_rows=options.rows or size.table_rows)
    rows: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        kinds: dict[str, Callable[[], AbstractContextManager[Server]]] = {"partitions": lambda: stage.plain(home)}
        if options.timescaledb_root:
            kinds["hypertable"] = lambda: stage.timescaledb(options.timescaledb_root)
        else:
            say("no TimescaleDB here: partitions alone")
        with stage.wires(home) as wires:
            for kind in (name for name in _chosen(KINDS, options.only) if name in kinds):
                with kinds[kind]() as server:
                    say(f"{server.text}, fsync on, {os.cpu_count()} cores; {VANS} vans through mosquitto")
                    say(HEAD)
                    bench = Bench(server, wires, home, size, say)
                    bench.prepare()
                    _measure(server, bench, _chosen(tuple(PARTS), options.only), rows, failed)
    say(HEAD)
    for row in rows:
        say(told(row))
    body = [{name: value for name, value in asdict(row).items() if name != "least"} | {"holds": row.holds} for row in rows]
    say(json.dumps({"bench": "ingest", "rows": body, "short": sum(row.holds is False for row in rows), "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
