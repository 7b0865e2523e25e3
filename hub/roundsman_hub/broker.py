"""The broker: mosquitto with two doors (a third for telephones, where it is wanted), closed from the first day.

Vans come in by mutual TLS, their certificate's common name is their user name and client id, and the access list lets each
write only its own `up/#` and read only its own `down/#`. The hub's programs have a listener of their own on loopback, by
password: under the vans' rule "user name = client id" they would evict each other. Telephones come in by TLS and password, each as
the vehicle that it stands in for: their client ids are their user names too, so none can take another's, or a van's.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundsman_hub import HubError
from roundsman_hub.pki import Pki
from roundsman_hub.settings import BrokerLogin, Endpoint, write_private
from roundsman_hub.tether import tethered

CHOSEN_FROM: Final = 10_240
CHOSEN_BELOW: Final = 32_768

HUB_USER = "hub"
STARTS_WITHIN_S = 30.0
STOPS_WITHIN_S = 2.0
PASSWORD_ROUNDS = 101
"""Mosquitto's own default. The password is 256 random bits, so stretching it would add nothing."""

VANS_ACL = """\
# %u is the certificate's common name: the vehicle id. Nothing else is granted to anyone.
pattern write rm/1/+/%u/up/#
pattern read rm/1/+/%u/down/#
"""
HUB_ACL = f"""\
user {HUB_USER}
topic read rm/1/+/+/up/#
topic write rm/1/+/+/down/#
"""
PHONES_ACL = """\
# %u is the vehicle that a telephone stands in for, by its password. OwnTracks' own topics, and nothing else.
pattern write owntracks/%u/#
pattern read owntracks/%u/+/cmd
"""
HUB_HEARS_PHONES = "topic readwrite owntracks/#\n"
"""It writes only to let go of what telephones had the broker keep."""


class PortTaken(HubError):
    """Another program listens where this hub was told to."""


class BrokerFailed(HubError):
    """The broker is not installed, or did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Files and doors of one broker. `prepare` makes them, `start` runs it."""

    directory: Path
    vans: Endpoint
    hub: BrokerLogin
    phones: Endpoint | None = None

    @property
    def phones_file(self) -> Path:
        """The telephones' passwords: the gateway writes it, whoever keeps the broker has it read again."""
        return phones_file(self.directory)

    @property
    def config_file(self) -> Path:
        return self.directory / "mosquitto.conf"

    @property
    def log_file(self) -> Path:
        return self.directory / "mosquitto.log"


def phones_file(directory: Path) -> Path:
    """Where the passwords of telephones are kept, in the broker's folder."""
    return directory / "phones.passwords"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago.

    Below those that Linux lends to outgoing connections (32768 and up): one of them could be taken before whoever asked has bound it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (*(CHOSEN_FROM + secrets.randbelow(CHOSEN_BELOW - CHOSEN_FROM) for _ in range(50)), 0):
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise OSError(f"no free port at {host}")


def require_free(endpoint: Endpoint, *, what: str, option: str) -> None:
    """Refuse early and clearly when a port is taken.

    Raises
    ------
    PortTaken
        Naming the port, what it was for, and the option that changes it.
    """
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            raise PortTaken(
                f"cannot listen on {endpoint} for {what}: {error.strerror or error}. "
                f"Stop the program that holds the port, or choose another with {option}"
            ) from None


def prepare(directory: Path, pki: Pki, *, vans: Endpoint, hub: Endpoint, phones: Endpoint | None = None) -> Broker:
    """Write the broker's configuration. The hub's password is made once and kept.

    Parameters
    ----------
    directory : Path
        The broker's own: configuration, access lists, retained messages, log.
    vans, hub : Endpoint
        The two listeners; `hub` should be loopback, its traffic is in the clear.
    phones : Endpoint, optional
        A listener for telephones (TLS, passwords).
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    secret = directory / "hub.password"
    if not secret.exists():
        write_private(secret, secrets.token_urlsafe(32))
    password = secret.read_text()
    write_private(directory / "vans.acl", VANS_ACL)
    write_private(directory / "hub.acl", HUB_ACL + (HUB_HEARS_PHONES if phones else ""))
    write_private(directory / "phones.acl", PHONES_ACL)
    if not phones_file(directory).exists():
        write_private(phones_file(directory), "")
    write_private(directory / "hub.passwords", f"{HUB_USER}:{password_hash(password)}\n")
    broker = Broker(
        directory=directory.absolute(),
        vans=vans,
        hub=BrokerLogin(host=hub.host, port=hub.port, username=HUB_USER, password=password),
        phones=phones,
    )
    write_private(broker.config_file, _configuration(broker, pki))
    return broker


def _configuration(broker: Broker, pki: Pki) -> str:
    at = broker.directory
    return f"""\
# Written by roundsman-hub at each start: changes here are lost.
user {getpass.getuser()}
per_listener_settings true
persistence true
persistence_location {at}/
persistence_file mosquitto.db
# Retained plans are published again by the hub whenever it connects, so what a crash loses in between comes back.
autosave_interval 30
log_dest file {broker.log_file}
log_type error
log_type warning
log_type notice
connection_messages true
max_packet_size 300000
# The one bound of what waits for a reader that stands still (max_queued_bytes does not count QoS 0): small frames fill its socket with some
# 20,000 first, whole ones of 64 kB are 330 MB at most. What is beyond is dropped, newest first; vans send it again.
max_queued_messages 5000
# Small log frames must not wait for each other.
set_tcp_nodelay true

listener {broker.vans.port} {broker.vans.host}
allow_anonymous false
cafile {pki.ca_file.absolute()}
certfile {pki.broker_cert_file.absolute()}
keyfile {pki.broker_key_file.absolute()}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
max_topic_alias 16
acl_file {at / "vans.acl"}

listener {broker.hub.port} {broker.hub.host}
allow_anonymous false
password_file {at / "hub.passwords"}
acl_file {at / "hub.acl"}
{"" if broker.phones is None else _phones_door(broker, broker.phones, pki)}"""


def _phones_door(broker: Broker, door: Endpoint, pki: Pki) -> str:
    return f"""
listener {door.port} {door.host}
allow_anonymous false
certfile {pki.broker_cert_file.absolute()}
keyfile {pki.broker_key_file.absolute()}
tls_version tlsv1.2
use_username_as_clientid true
password_file {broker.phones_file}
acl_file {broker.directory / "phones.acl"}
"""


def password_hash(password: str) -> str:
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PASSWORD_ROUNDS)
    return f"$7${PASSWORD_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def start(broker: Broker) -> subprocess.Popen[bytes]:
    """Start mosquitto and return once both doors are open. It ends with this process, however that ends.

    Raises
    ------
    BrokerFailed
        Not installed, or it ended at once: with the last lines of its log.
    """
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise BrokerFailed("mosquitto is not installed. Install it (Debian: apt install mosquitto), or give a broker with --mqtt")
    process = subprocess.Popen(
        tethered([program, "-c", str(broker.config_file)]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal reaches serve alone, which ends its children in order
    )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        for door in (broker.vans, Endpoint(host=broker.hub.host, port=broker.hub.port)):
            while not _answers(door):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BrokerFailed(f"mosquitto did not start: {_last_lines(broker.log_file) or 'it wrote nothing to its log'}")
                time.sleep(0.02)
    except BaseException:
        stop(process)
        raise
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the broker: it saves its retained messages first; killed when it takes too long."""
    process.terminate()
    try:
        process.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[subprocess.Popen[bytes]]:
    """The broker, for as long as the block runs."""
    process = start(broker)
    try:
        yield process
    finally:
        stop(process)


def _answers(door: Endpoint) -> bool:
    try:
        with socket.create_connection((door.host, door.port), timeout=1.0):
            return True
    except OSError:
        return False


def _last_lines(path: Path, count: int = 3) -> str:
    try:
        return " / ".join(path.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return ""
