"""A log line as an object, and what it is about."""

from __future__ import annotations

import json
import logging
import sys

from roundsman_hub.telemetry.logs import JsonLines


def test_a_line_says_which_vehicle_session_and_number_it_is_about() -> None:
    record = logging.makeLogRecord(
        {
            "name": "roundsman_hub.ingest",
            "levelname": "WARNING",
            "msg": "frame of %s\n",
            "args": ("v_1",),
            "vehicle": "v_1",
            "session": "0a",
            "seq": 7,
        }
    )
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert {"level": "warning", "message": "frame of v_1\n", "vehicle": "v_1", "session": "0a", "seq": 7}.items() <= told.items()
    assert told["at"].endswith("+00:00")


def test_a_failure_stays_on_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.makeLogRecord({"msg": "it failed", "exc_info": sys.exc_info()})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["error"]
