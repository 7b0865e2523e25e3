"""Looks once a minute whether something is due at night, and lets a process of its own do it.

A search, or matching whole days, then costs the hub's other roles no memory.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from typing import Final

from roundsman_hub.clock import Clock
from roundsman_hub.nightly.work import due
from roundsman_hub.settings import Settings
from roundsman_hub.store.db import Database, is_away
from roundsman_hub.tether import tethered

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 60.0
ENDS_WITHIN_S: Final = 10.0


def run(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Work until `stop`. The process that is at work is ended then; what it had claimed is taken up again after half an hour."""
    working: subprocess.Popen[bytes] | None = None
    command = tethered([sys.executable, "-m", "roundsman_hub", "nightly", "--data", str(settings.data_dir)])
    with Database.connect(settings.database_url, max_size=1) as db:
        while not stop.is_set():
            try:
                if working is None or working.poll() is not None:
                    with db.transaction() as cur:
                        waiting = due(cur, clock)
                    if waiting:
                        log.info("due tonight: %s", ", ".join(f"{one.kind} of {one.subject} for {one.day}" for one in waiting))
                        working = subprocess.Popen(command, start_new_session=True)
            except Exception as error:
                if not is_away(error):
                    raise
                log.warning("%s; looking again", error)
            stop.wait(LOOKS_EVERY_S)
    if working is not None and working.poll() is None:
        working.terminate()
        try:
            working.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            working.kill()
