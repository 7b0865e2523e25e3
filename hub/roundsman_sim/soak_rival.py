"""A second hub that respects nobody's shards: it hears every van and stores what it hears, beside the hub that does the same."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from roundsman_hub.clock import Clock
from roundsman_hub.ingest import role
from roundsman_hub.ingest.mqtt import Line
from roundsman_hub.settings import load
from roundsman_hub.store.db import Database
from roundsman_wire.channels import SHARDS


def _serve_all(_db: Database, line: Line, stop: threading.Event, _clock: Clock) -> None:
    line.serve(frozenset(range(SHARDS)))
    stop.wait()


def main(data_dir: Path) -> None:
    """Hear and store until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = load(data_dir)
    role.run(settings, Clock(settings.time_base), stop, share=_serve_all)


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    main(Path(sys.argv[1]))
