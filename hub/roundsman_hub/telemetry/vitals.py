"""Whether a process can do its work now: what it stands on, asked when somebody wants to know, and whether its loops still turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg

Check = Callable[[], str | None]
"""None: it is there. Otherwise why not, for people."""

ANSWERS_WITHIN_S: Final = 2
STARTING: Final = {"start": "the role is starting"}


class Vitals:
    """What one process stands on. It is ready when every check says None; before the first is known, it is starting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checks: dict[str, Check] = {}
        self._beats: dict[str, tuple[float, float]] = {}
        self.known = False
        """Whether this process is a role's, and so has a door that tells of it."""

    def must(self, name: str, check: Check) -> None:
        """From now on it is ready only if this holds, too."""
        with self._lock:
            self._checks[name] = check

    def beat(self, name: str, within_s: float) -> None:
        """The loop `name` turns; if it does not say so again within that time, it hangs."""
        with self._lock:
            self._beats[name] = time.monotonic(), within_s

    def problems(self) -> dict[str, str]:
        """What is not there, by name, and why. Empty: ready. All checks are asked at once."""
        with self._lock:
            checks, beats = dict(self._checks), dict(self._beats)
        if not checks:
            return dict(STARTING)
        with ThreadPoolExecutor(len(checks)) as threads:
            said = dict(zip(checks, threads.map(_asked, checks.values()), strict=True))
        problems = {name: why for name, why in said.items() if why is not None}
        for name, (at, within_s) in beats.items():
            if (still_s := time.monotonic() - at) > within_s:
                problems[name] = f"has not turned for {still_s:.0f} s"
        return problems


def _asked(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # a check that fails is an answer
        return f"{type(error).__name__}: {error}"


def database_answers(dsn: str) -> Check:
    """A database that takes a connection and answers on it. Not through the pool, whose connections may all be at work."""

    def check() -> str | None:
        try:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=ANSWERS_WITHIN_S) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            return f"the database is away: {' '.join(str(error).split())[:200]}"
        return None

    return check


def osrm_answers(url: str | None) -> Check:
    """An OSRM that answers anything at all. Without one the great circle serves, which is always there."""

    def check() -> str | None:
        if url is None:
            return None
        import httpx  # most roles have no other use for it

        try:
            httpx.get(f"{url}/nearest/v1/driving/0,0", timeout=ANSWERS_WITHIN_S, trust_env=False)
        except httpx.HTTPError as error:
            return f"OSRM does not answer on {url}: {error or type(error).__name__}"
        return None

    return check


VITALS = Vitals()
"""This process's own."""
