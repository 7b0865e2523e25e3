"""Why a unit does not work: looks at settings, certificates, broker, receiver, disk, clock and store, and says what to do."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from roundsman_agent import AgentError, checkup, config, status, vitals
from roundsman_agent.clock import Clock
from roundsman_agent.config import AgentConfig, Broker
from roundsman_agent.findings import Finding, Patient, Verdict
from roundsman_agent.fix import Fix, SourceEvent
from roundsman_agent.link import Link, LinkDown, tls_context
from roundsman_agent.sources import open_source
from roundsman_wire.messages import Presence
from roundsman_wire.plain import encode_plain

NETWORK_S: Final = 5.0
RECEIVER_S: Final = 5.0
"""A receiver speaks every second."""
EXPIRES_SOON: Final = timedelta(days=30)
SPARE_MB: Final = 64

MARKS: Final = {"good": "ok  ", "look": "look", "bad": "BAD "}


def examine(path: Path) -> list[Finding]:
    """Everything, in the order in which one thing rests on another."""
    try:
        found = config.load(path)
    except config.BadConfig as error:
        return [Finding(subject="settings", verdict="bad", text=str(error))]
    try:
        running = status.ask(found) if found.screen_enabled else None
    except AgentError:
        running = None
    folder = found.store_dir
    while not folder.exists():
        folder = folder.parent
    in_use = running is not None or checkup.store_in_use(found)
    patient = Patient(config=found, running=running, in_use=in_use, vitals=vitals.read(folder))
    findings = [Finding(subject="settings", verdict="good", text=f"{path}: vehicle {found.vehicle}")]
    for check in CHECKS:
        findings += check(patient)
    return findings


def describe(findings: list[Finding]) -> str:
    """For people: one line a thing, then what it comes to."""
    bad, look = (sum(f.verdict == verdict for f in findings) for verdict in ("bad", "look"))
    if bad:
        sums = f"{bad} of {len(findings)} do not work; begin with the first BAD line"
    else:
        sums = f"everything works; {look} to look at" if look else "everything works"
    return f"{_lines(findings)}\n\n{sums}"


def _lines(findings: list[Finding]) -> str:
    return "\n".join(f"{MARKS[f.verdict]}  {f.subject:<12} {f.text}" for f in findings)


def _keys(patient: Patient) -> Iterator[Finding]:
    found = patient.config
    if not found.hub_keys:
        yield Finding(
            subject="hub's keys", verdict="bad", text="none in [hub] keys: no plan will be believed; take agent.toml from the hub again"
        )
    else:
        yield Finding(subject="hub's keys", verdict="good", text=", ".join(sorted(found.hub_keys)))


def _certificates(patient: Patient) -> Iterator[Finding]:
    found = patient.config
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


def _broker(patient: Patient) -> Iterator[Finding]:
    found = patient.config
    if found.broker is None:
        return
    reached = _reach(found.broker)
    yield reached
    link = None if patient.running is None else patient.running["link"]
    if link is not None and link["online"]:
        yield Finding(subject="login", verdict="good", text="the running agent is logged in")
    elif link is None and patient.in_use:
        yield Finding(subject="login", verdict="good", text="not tried: an agent runs with this certificate, and would be put off the line")
    elif link is None and reached.verdict == "good":
        yield asyncio.run(_log_in(found.broker, found.vehicle))


async def _log_in(broker: Broker, vehicle: str) -> Finding:
    """As the agent does. Only while none runs: the broker lets a certificate in once, and would end the agent's own connection."""
    link = Link(broker, vehicle, encode_plain(Presence(online=False)))
    try:
        await link.open()
    except LinkDown as why:
        return Finding(subject="login", verdict="bad", text=f"{why}; have the hub provision this vehicle again")
    finally:
        await link.close()
    return Finding(subject="login", verdict="good", text=f"the broker knows {vehicle}")


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


def _receiver(patient: Patient) -> Iterator[Finding]:
    found = patient.config
    running = patient.running
    if running is not None and not found.receiver_url.startswith("gpsd:"):
        # A serial line has one reader: a second one would take sentences away from the agent.
        state = running["receiver"]["state"]
        good = state == "ok" or state.startswith("resting")
        yield Finding(subject="receiver", verdict="good" if good else "look", text=f"{found.receiver_url}: the running agent says: {state}")
        return
    if patient.in_use and not found.receiver_url.startswith("gpsd:"):
        text = f"{found.receiver_url}: the running agent has this line; journalctl -u roundsman-agent says what it hears"
        yield Finding(subject="receiver", verdict="good", text=text)
        return
    try:
        yield asyncio.run(_listen(found))
    except AgentError as error:
        yield Finding(subject="receiver", verdict="bad", text=str(error))


async def _listen(found: AgentConfig) -> Finding:
    url, heard = found.receiver_url, ""
    first: Fix | None = None
    source = open_source(url, Clock(base=found.time_base))
    try:
        async with asyncio.timeout(RECEIVER_S):
            async for item in source:
                if isinstance(item, Fix) and first is None:
                    first = item
                elif isinstance(item, Fix) and first is not None and item.utc_ms != first.utc_ms:
                    satellites = f"{item.satellites} satellites" if item.satellites else "satellites not said"
                    accuracy = "" if item.accuracy_m is None else f", {item.accuracy_m:.0f} m"
                    return Finding(subject="receiver", verdict="good", text=f"{url}: a fix ({satellites}{accuracy})")
                if isinstance(item, SourceEvent):
                    heard = f"{item.kind} {item.text}".strip()
    except TimeoutError:
        pass
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
    if first is not None:
        text = f"{url}: one fix, and then none with a later time: it is frozen; pull its plug, or restart gpsd"
        return Finding(subject="receiver", verdict="bad", text=text)
    verdict: Verdict = "look" if heard.startswith(("searching", "open")) else "bad"
    advice = "; give it a view of the sky" if verdict == "look" else "; is it plugged in, and is gpsd running?"
    return Finding(subject="receiver", verdict=verdict, text=f"{url}: no fix within {RECEIVER_S:g} s ({heard or 'silent'}){advice}")


def _disk(patient: Patient) -> Iterator[Finding]:
    found = patient.config
    free_mb = checkup.disk_free_mb(patient)
    file = found.store_dir / "log.db"
    used_mb = file.stat().st_size // 1_048_576 if file.exists() else 0
    may_need_mb = found.store_max_mb - used_mb + SPARE_MB
    if free_mb < may_need_mb:
        text = f"{free_mb} MB free, the log may need {may_need_mb} more: make store.max_mb smaller (now {found.store_max_mb}), or free some"
        yield Finding(subject="disk", verdict="bad", text=text)
    else:
        yield Finding(subject="disk", verdict="good", text=f"{free_mb} MB free at {found.store_dir}")


def _store(patient: Patient) -> Iterator[Finding]:
    found = patient.config
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


CHECKS: Final[tuple[Callable[[Patient], Iterator[Finding]], ...]] = (
    checkup.versions,
    checkup.clock,
    checkup.power,
    checkup.temperature,
    _disk,
    checkup.wear,
    _store,
    _keys,
    _certificates,
    _broker,
    checkup.files,
    _receiver,
    checkup.backlog,
    checkup.agent,
)
