"""The hub's own certificate authority: who may speak to the broker, and whose plans a van obeys.

    DIR/pki/ca.pem ca.key            signs the certificates below
    DIR/pki/broker.pem broker.key    the broker's vans' listener
    DIR/pki/signing.key signing.json Ed25519: seals plans, sites, config; its public half is in every van's agent.toml

Keys are P-256: small handshakes, and every TLS library has it. A vehicle's certificate carries its id as common name; the broker
takes the user name from there.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roundsman_hub import HubError
from roundsman_hub.settings import write_private

CA_DAYS = 3650
LEAF_DAYS = 825
"""Longest that common TLS clients accept for a leaf certificate; `doctor` on the van warns before it ends."""
BACKDATED = timedelta(days=1)
"""A van whose clock is a little behind must not find its new certificate invalid."""


class PkiDamaged(HubError):
    """A file of the certificate authority is missing or unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certificate and its private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes


@dataclass(frozen=True, slots=True)
class Pki:
    """The authority in one directory. `open_pki` makes what is absent."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def broker_cert_file(self) -> Path:
        return self.directory / "broker.pem"

    @property
    def broker_key_file(self) -> Path:
        return self.directory / "broker.key"

    @property
    def signing_key_file(self) -> Path:
        return self.directory / "signing.key"

    def issue_vehicle(self, vehicle_id: str) -> Certified:
        """A new certificate for a van; its common name is the vehicle id, which is all the broker goes by."""
        return self._issue(vehicle_id, usage=ExtendedKeyUsageOID.CLIENT_AUTH, names=())

    def issue_server(self, names: Sequence[str]) -> Certified:
        """A new certificate for a server that is reached by these host names and addresses."""
        return self._issue(names[0], usage=ExtendedKeyUsageOID.SERVER_AUTH, names=names)

    def signer(self) -> Signer:
        """The key that seals steering documents."""
        try:
            facts = json.loads((self.directory / "signing.json").read_text())
            key = serialization.load_pem_private_key(self.signing_key_file.read_bytes(), None)
        except (OSError, ValueError) as error:
            raise PkiDamaged(f"the signing key in {self.directory} cannot be read: {error}") from error
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise PkiDamaged(f"{self.signing_key_file} is not an Ed25519 key")
        return Signer(key=key, key_id=facts["key_id"], made_utc_ms=facts["made_utc_ms"])

    def _issue(self, common_name: str, *, usage: x509.ObjectIdentifier, names: Sequence[str]) -> Certified:
        try:
            ca = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
            ca_key = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), None)
        except (OSError, ValueError) as error:
            raise PkiDamaged(f"the certificate authority in {self.directory} cannot be read: {error}") from error
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise PkiDamaged(f"{self.directory / 'ca.key'} is not an EC key")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _base(common_name, days=LEAF_DAYS, public_key=key.public_key())
            .issuer_name(ca.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        return Certified(certificate_pem=_pem(builder.sign(ca_key, hashes.SHA256())), key_pem=_key_pem(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Seals steering documents. `sign` is what `envelopes.seal` asks for. Ed25519 is deterministic: same document, same bytes."""

    key: ed25519.Ed25519PrivateKey
    key_id: str
    made_utc_ms: int

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)

    @property
    def public_hex(self) -> str:
        """Public half, as agent.toml and `Config.trusted_keys` carry it."""
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return raw.hex()


def open_pki(directory: Path, *, hosts: Sequence[str] = ()) -> Pki:
    """The authority in `directory`; makes what is absent, and a new broker certificate when `hosts` has a name it lacks.

    Parameters
    ----------
    directory : Path
        Created (0700) if absent.
    hosts : sequence of str
        Names and addresses that vans reach the broker by; loopback and this machine's name are always in.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    pki = Pki(directory)
    if not pki.ca_file.exists():
        _make_authority(directory)
    if not pki.signing_key_file.exists():
        _make_signing_key(directory)
    wanted = list(dict.fromkeys(["localhost", "127.0.0.1", "::1", socket.gethostname(), *hosts]))
    if not pki.broker_cert_file.exists() or not _covers(pki.broker_cert_file, wanted):
        broker = pki.issue_server(wanted)
        write_private(pki.broker_key_file, broker.key_pem)
        write_private(pki.broker_cert_file, broker.certificate_pem)
    return pki


def _make_authority(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _base("Roundsman hub", days=CA_DAYS, public_key=key.public_key())
        .issuer_name(_name("Roundsman hub"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    write_private(directory / "ca.key", _key_pem(key))
    write_private(directory / "ca.pem", _pem(certificate))


def _make_signing_key(directory: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    made_utc_ms = round(datetime.now(UTC).timestamp() * 1000)
    write_private(directory / "signing.json", json.dumps({"key_id": f"k_{raw.hex()[:12]}", "made_utc_ms": made_utc_ms}))
    write_private(directory / "signing.key", _key_pem(key))


def _base(common_name: str, *, days: int, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _covers(certificate_file: Path, names: Sequence[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    if certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=30):
        return False
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_general_name(name) in held for name in names)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
