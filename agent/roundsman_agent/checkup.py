"""Checks of the board, and of what a running agent says of itself."""

from __future__ import annotations

import http.client
import sqlite3
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from roundsman_agent import health, vitals
from roundsman_agent.care import HOT_C
from roundsman_agent.config import AgentConfig
from roundsman_agent.findings import Finding, Patient
from roundsman_agent.inbox import Inbox

NETWORK_S: Final = 5.0
EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No unit was made before; a Pi without a network begins at its last shutdown or in 1970."""
WORN_PCT: Final = 80
UNSENT_S: Final = 3_600
"""A tunnel is minutes, a valley an hour."""


def clock(patient: Patient) -> Iterator[Finding]:
    """Right, kept, and surviving a night without power."""
    now, seen = datetime.now(UTC), patient.vitals
    if now < EARLIEST:
        text = f"it is {now:%Y-%m-%d} here: set the time, or give chrony a source (certificates fail until then)"
        yield Finding(subject="clock", verdict="bad", text=text)
        return
    advice = "" if seen.synchronised is not False else ": look at `chronyc tracking`; it needs the network or the receiver"
    yield Finding(
        subject="clock",
        verdict="look" if seen.synchronised is False else "good",
        text=f"{now:%Y-%m-%d %H:%M:%S} UTC, {seen.clock}{advice}",
    )


def power(patient: Patient) -> Iterator[Finding]:
    """Voltage, and what the board does without because of it, or because of heat."""
    seen = patient.vitals
    volts = "" if seen.voltage_v is None else f"{seen.voltage_v:.2f} V, "
    if not seen.throttled:
        yield Finding(subject="power", verdict="good", text=f"{volts}nothing is held back, as far as this board can tell")
        return
    bad = any(not word.endswith("since boot") for word in seen.throttled)
    advice = "; use a supply and a cable made for this board" if any("voltage" in word for word in seen.throttled) else ""
    yield Finding(subject="power", verdict="bad" if bad else "look", text=volts + ", ".join(seen.throttled) + advice)


def temperature(patient: Patient) -> Iterator[Finding]:
    """Of the board."""
    degrees = patient.vitals.temperature_c
    if degrees is None:
        yield Finding(subject="temperature", verdict="good", text="this board does not say")
    elif degrees >= HOT_C:
        yield Finding(subject="temperature", verdict="look", text=f"{degrees:.0f} °C: it slows down; move it out of the sun, or cool it")
    else:
        yield Finding(subject="temperature", verdict="good", text=f"{degrees:.0f} °C")


def wear(patient: Patient) -> Iterator[Finding]:
    """How much of the disk's life is used."""
    percent = patient.vitals.disk_wear_pct
    if percent is None:
        yield Finding(subject="wear", verdict="good", text="this disk does not say (SD cards never do: change them every few years)")
    elif percent >= WORN_PCT:
        yield Finding(subject="wear", verdict="look", text=f"{percent} % of this disk's life is used: plan to change it")
    else:
        yield Finding(subject="wear", verdict="good", text=f"{percent} % of this disk's life is used")


def backlog(patient: Patient) -> Iterator[Finding]:
    """What the hub does not have yet, and for how long."""
    if patient.running is not None:
        log = patient.running["log"]
        waits, oldest_s = sum(log["backlog"].values()), int(log.get("oldest_unsent_s", 0))
        long = oldest_s > UNSENT_S
        text = f"{waits} entries wait for the hub" + (f", the oldest for {oldest_s // 60} min: see link and broker" if long else "")
        yield Finding(subject="backlog", verdict="look" if long else "good", text=text)
        return
    file = patient.config.store_dir / "log.db"
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.5)) as db:
            waits = db.execute("SELECT coalesce(sum(last - acked), 0) FROM lanes").fetchone()[0]
    except sqlite3.Error:
        return  # `store` says why
    yield Finding(subject="backlog", verdict="good", text=f"{waits} entries wait for the hub; they go when the agent runs")


def store_in_use(config: AgentConfig) -> bool:
    """Whether an agent runs on this unit's store: it lets nobody else in."""
    file = config.store_dir / "log.db"
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.5)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return "locked" in str(error)
    return False


def agent(patient: Patient) -> Iterator[Finding]:
    """Whether it runs, and serves its screen."""
    told = patient.running
    if told is None and patient.in_use:
        asleep = not patient.config.screen_enabled
        text = "runs, and serves no screen ([screen] enabled = false)" if asleep else "runs, and its screen does not answer"
        yield Finding(subject="agent", verdict="good" if asleep else "look", text=f"{text}: journalctl -u roundsman-agent -n 50")
        return
    if told is None:
        text = "does not run, or its screen is not served: systemctl status roundsman-agent; journalctl -u roundsman-agent -n 50"
        yield Finding(subject="agent", verdict="look", text=text)
        return
    link = told["link"]
    text = f"runs since {told['uptime_s'] // 60} min, {told['rss_mb']} MB; link {'up' if link['online'] else 'down: ' + link['reason']}"
    yield Finding(subject="agent", verdict="good" if link["online"] or patient.config.broker is None else "look", text=text)


def files(patient: Patient) -> Iterator[Finding]:
    """Whether photos and the map have a way to the hub."""
    broker = patient.config.broker
    if broker is None or not (patient.config.store_dir / "inbox").is_dir():
        return
    told = Inbox(patient.config.store_dir / "inbox", vehicle=patient.config.vehicle, keys=patient.config.hub_keys).config
    url = urlsplit((told.blobs_url if told is not None else None) or "")
    if url.scheme != "https" or not url.hostname:
        yield Finding(subject="files", verdict="good", text="the hub takes no photos, or has not said where")
        return
    where = f"{url.hostname}:{url.port or 443}"
    try:
        context = ssl.create_default_context(cafile=str(broker.ca))
        context.load_cert_chain(broker.cert, broker.key)
        with closing(http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=NETWORK_S, context=context)) as connection:
            connection.request("GET", f"/v1/blobs/{'0' * 64}")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        yield Finding(subject="files", verdict="look", text=f"{where}: {error}; photos wait on this unit until there is a way")
        return
    good = status in (200, 404)
    text = f"{where}: answers, and knows this unit" if good else f"{where}: answers {status}; does the hub know this unit's certificate?"
    yield Finding(subject="files", verdict="good" if good else "look", text=text)


def versions(_: Patient) -> Iterator[Finding]:
    """What runs here."""
    yield Finding(subject="versions", verdict="good", text=", ".join(f"{name} {text}" for name, text in vitals.versions().items()))


def disk_free_mb(patient: Patient) -> int:
    """Free space where the store is, or will be."""
    folder = patient.config.store_dir
    while not folder.exists():
        folder = folder.parent
    return health.disk_free_mb(folder)
