"""`roundsman-hub roads build FILE`: makes the datasets of an extract before a hub needs them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from roundsman_hub import HubError
from roundsman_hub.roads.extract import dataset
from roundsman_hub.roads.network import RoadsError
from roundsman_hub.roads.profiles import PROFILES


def main(arguments: Sequence[str], data_dir: Path) -> int:
    """Run it; gives the process's exit code."""
    parser = argparse.ArgumentParser(prog="roundsman-hub roads", description="Make the road datasets of a street extract.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="extract, partition and customize, one dataset for each kind of vehicle")
    build.add_argument("file", type=Path, help="street extract, .osm.pbf")
    build.add_argument(
        "--profile", action="append", choices=list(PROFILES), metavar="KIND", help=f"{', '.join(PROFILES)} (default: all); may be repeated"
    )
    options = parser.parse_args(arguments)
    kinds = options.profile or list(PROFILES)
    for number, kind in enumerate(dict.fromkeys(kinds), start=1):
        began = time.monotonic()
        head = f"[{number}/{len(kinds)} {kind}]"
        try:
            base = dataset(options.file, data_dir / "cache", partial(print, head, flush=True), kind)
        except RoadsError as error:
            raise HubError(f"roads build: {error}") from None
        size = sum(file.stat().st_size for file in base.parent.iterdir()) / 1e6
        print(f"{head} ready in {time.monotonic() - began:.1f} s, {size:.1f} MB: {base.parent}", flush=True)
    return 0
