"""The log's form: lines for people, or one JSON object a line with the vehicle, session and number that it is about."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

PLAIN: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ABOUT: Final = ("vehicle", "session", "lane", "seq", "fleet", "depot", "trace_id", "span_id")
"""What a record may be about: given as `extra={"vehicle": …}`."""
FORMATS: Final = ("text", "json")


class JsonLines(logging.Formatter):
    """One JSON object a line: `at` (RFC 3339, UTC), `level`, `logger`, `message`, `pid`, then what it is about, then `error`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            "thread": record.threadName,
        }
        line |= {name: getattr(record, name) for name in ABOUT if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str, form: str) -> None:
    """Log to stderr in one of `FORMATS`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(PLAIN))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
