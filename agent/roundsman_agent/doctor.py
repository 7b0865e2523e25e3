"""Why a unit does not work: looks at settings, certificates, broker, receiver, disk, clock and store, and says what to do."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from roundsman_agent import AgentError, config
from roundsman_agent.clock import Clock
from roundsman_agent.config import AgentConfig, Broker
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.link import tls_context
from roundsman_agent.sources import open_source

NETWORK_S: Final = 5.0
RECEIVER_S: Final = 5.0
"""A receiver speaks every second."""
EXPIRES_SOON: Final = timedelta(days=30)
EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No unit was made before; a Pi without a network begins at its last shutdown or in 1970."""
SPARE_MB: Final = 64

Verdict = Literal["good", "look", "bad"]
MARKS: Final = {"good": "ok  ", "look": "look", "bad": "BAD "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `look`: works, and somebody should know."""

    subject: str
    verdict: Verdict
    text: str


def examine(path: Path) -> list[Finding]:
    """Everything, in the order in which one thing rests on another."""
    try:
        found = config.load(path)
    except config.BadConfig as error:
        return [Finding(subject="settings", verdict="bad", text=str(error))]
    findings = [Finding(subject="settings", verdict="good", text=f"{path}: vehicle {found.vehicle}")]
    for check in CHECKS:
        findings += check(found)
    return findings


def describe(findings: list[Finding]) -> str:
    """For people."""
    return "\n".join(f"{MARKS[f.verdict]}  {f.subject:<12} {f.text}" for f in findings)


def _clock(_: AgentConfig) -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < EARLIEST:
        yield Finding(
            subject="clock",
            verdict="bad",
            text=f"it is {now:%Y-%m-%d} here: set the time, or give chrony a source (certificates fail until then)",
        )
        return
    try:
        # The kernel's own word, as chrony and timesyncd set it.
        synchronised = Path("/run/systemd/timesync/synchronized").exists() or shutil.which("chronyc") is not None
    except OSError:
        synchronised = False
    verdict: Verdict = "good" if synchronised else "look"
    yield Finding(
        subject="clock",
        verdict=verdict,
        text=f"{now:%Y-%m-%d %H:%M:%S} UTC" + ("" if synchronised else "; nothing seems to keep it (chrony)"),
    )


def _keys(found: AgentConfig) -> Iterator[Finding]:
    if not found.hub_keys:
        yield Finding(
            subject="hub's keys", verdict="bad", text="none in [hub] keys: no plan will be believed; take agent.toml from the hub again"
        )
    else:
        yield Finding(subject="hub's keys", verdict="good", text=", ".join(sorted(found.hub_keys)))


def _certificates(found: AgentConfig) -> Iterator[Finding]:
    if found.broker is None:
        yield Finding(subject="broker", verdict="look", text="none set: the unit works alone and keeps its log")
        return
    for subject, file in (("authority", found.broker.ca), ("certificate", found.broker.cert)):
        yield _certificate(subject, file, found.vehicle if subject == "certificate" else None)
    try:
        tls_context(found.broker)
    except (OSError, ValueError) as error:
        yield Finding(subject="key", verdict="bad", text=f"certificate and key do not work together: {error}")
    else:
        mode = found.broker.key.stat().st_mode & 0o077
        text = f"{found.broker.key}" + (f": others may read it; chmod 600 {found.broker.key}" if mode else "")
        yield Finding(subject="key", verdict="look" if mode else "good", text=text)


def _certificate(subject: str, file: Path, name: str | None) -> Finding:
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        return Finding(subject=subject, verdict="bad", text=f"{file}: {error}")
    now, ends = datetime.now(UTC), certificate.not_valid_after_utc
    if not certificate.not_valid_before_utc <= now:
        return Finding(
            subject=subject,
            verdict="bad",
            text=f"{file}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d}; is the clock right?",
        )
    if ends < now:
        return Finding(subject=subject, verdict="bad", text=f"{file}: ended on {ends:%Y-%m-%d}; have the hub provision this vehicle again")
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if name is not None and names != [name]:
        return Finding(subject=subject, verdict="bad", text=f"{file}: is for {', '.join(names) or 'nobody'}, this vehicle is {name}")
    verdict: Verdict = "look" if ends - now < EXPIRES_SOON else "good"
    return Finding(subject=subject, verdict=verdict, text=f"{file}: until {ends:%Y-%m-%d}")


def _broker(found: AgentConfig) -> Iterator[Finding]:
    if found.broker is not None:
        yield _reach(found.broker)


def _reach(broker: Broker) -> Finding:
    where = f"{broker.host}:{broker.port}"
    began_s = time.monotonic()
    try:
        context = tls_context(broker)
        with (
            socket.create_connection((broker.host, broker.port), timeout=NETWORK_S) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as tls,
        ):
            # In TLS 1.3 a refused client certificate is heard of only when something is read; a broker itself says nothing first.
            tls.settimeout(0.5)
            try:
                closed = tls.recv(1) == b""
            except TimeoutError:
                closed = False
            if closed:
                return Finding(
                    subject="broker", verdict="bad", text=f"{where}: closes the connection; it may not know this unit's certificate"
                )
            took_ms = round((time.monotonic() - began_s) * 1000)
            return Finding(subject="broker", verdict="good", text=f"{where}: {tls.version()}, both certificates hold ({took_ms} ms)")
    except ssl.SSLCertVerificationError as error:
        return Finding(subject="broker", verdict="bad", text=f"{where}: its certificate does not hold: {error.verify_message}")
    except ssl.SSLError as error:
        return Finding(subject="broker", verdict="bad", text=f"{where}: TLS: {error.reason}")
    except OSError as error:
        return Finding(subject="broker", verdict="bad", text=f"{where}: {error}; the unit keeps its log and sends it later")


def _receiver(found: AgentConfig) -> Iterator[Finding]:
    try:
        yield asyncio.run(_listen(found))
    except AgentError as error:
        yield Finding(subject="receiver", verdict="bad", text=str(error))


async def _listen(found: AgentConfig) -> Finding:
    url, heard = found.receiver_url, ""
    source = open_source(url, Clock(base=found.time_base))
    try:
        async with asyncio.timeout(RECEIVER_S):
            async for item in source:
                if isinstance(item, Fix):
                    accuracy = "" if item.accuracy_m is None else f", {item.accuracy_m:.0f} m"
                    return Finding(subject="receiver", verdict="good", text=f"{url}: a fix ({item.satellites} satellites{accuracy})")
                if isinstance(item, SourceEvent):
                    heard = f"{item.kind} {item.text}".strip()
    except TimeoutError:
        pass
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
    verdict: Verdict = "look" if heard.startswith(("searching", "open")) else "bad"
    advice = "; give it a view of the sky" if verdict == "look" else "; is it plugged in, and is gpsd running?"
    return Finding(subject="receiver", verdict=verdict, text=f"{url}: no fix within {RECEIVER_S:g} s ({heard or 'silent'}){advice}")


def _disk(found: AgentConfig) -> Iterator[Finding]:
    folder = found.store_dir
    while not folder.exists():
        folder = folder.parent
    free_mb = shutil.disk_usage(folder).free // 1_048_576
    file = found.store_dir / "log.db"
    used_mb = file.stat().st_size // 1_048_576 if file.exists() else 0
    may_need_mb = found.store_max_mb - used_mb + SPARE_MB
    if free_mb < may_need_mb:
        text = f"{free_mb} MB free, the log may need {may_need_mb} more: make store.max_mb smaller (now {found.store_max_mb}), or free some"
        yield Finding(subject="disk", verdict="bad", text=text)
    else:
        yield Finding(subject="disk", verdict="good", text=f"{free_mb} MB free at {folder}")


def _store(found: AgentConfig) -> Iterator[Finding]:
    file = found.store_dir / "log.db"
    aside = sorted(found.store_dir.glob("log.db.damaged-*")) if found.store_dir.exists() else []
    if aside:
        yield Finding(
            subject="store",
            verdict="look",
            text=f"set aside, because it was damaged: {', '.join(a.name for a in aside)}; delete when looked at",
        )
    if not file.exists():
        yield Finding(subject="store", verdict="good", text=f"{file}: will be made at the first start")
        return
    try:
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=0.5)
        try:
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            db.close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            yield Finding(subject="store", verdict="good", text=f"{file}: in use by the running agent")
            return
        verdict = str(error)
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict == "ok":
        yield Finding(subject="store", verdict="good", text=f"{file}: sound")
    else:
        yield Finding(subject="store", verdict="bad", text=f"{file}: {verdict}; it is set aside at the next start")


CHECKS: Final[tuple[Callable[[AgentConfig], Iterator[Finding]], ...]] = (_clock, _keys, _certificates, _broker, _receiver, _disk, _store)
