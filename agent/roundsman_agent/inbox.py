"""What the hub steers this van with, on the van's own disk: plan, sites, config. Each is a file of the exact sealed bytes.

A file is replaced whole, so a power cut leaves the old document or the new one; and it is opened like one from the
network, so damage is noticed by the signature. Numbers never fall: an older version is stepped over, the same version
with other bytes is refused. A plan that would take away the stop in progress is held, and waits beside the one in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from roundsman_agent.log_file import sync_folder, write_whole
from roundsman_agent.signature import is_genuine
from roundsman_agent.work import Message
from roundsman_core import calls
from roundsman_core.hours import Clocks
from roundsman_wire import WireError, envelopes
from roundsman_wire.envelopes import Envelope
from roundsman_wire.messages import Command, Config, Plan, Sites

MESSAGES_KEPT: Final = 50
KINDS: Final = ("plan", "sites", "config")
Verdict = Literal["new", "again", "older", "refused", "asked"]


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What lies on the driver's desk beside the documents."""

    seen_version: int = 0
    messages: tuple[Message, ...] = ()
    clocks: RunningClocks | None = None


class RunningClocks(msgspec.Struct, frozen=True, kw_only=True):
    """The driver's hours of service at `utc_ms`, counted on from what plan `version` said."""

    clocks: Clocks
    utc_ms: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What became of a document. `envelope` is None where it could not be opened; `reason` is for people. "asked": it is a roll call,
    and every plan that the broker held before it was received before."""

    verdict: Verdict
    envelope: Envelope | None = None
    reason: str = ""


class Inbox:
    """Documents of one van.

    Parameters
    ----------
    folder : Path
        Where they are kept; made when absent.
    vehicle : str
        Documents for another are refused.
    keys : mapping of str to bytes
        Key id → Ed25519 public key of the settings file; a config signed by a trusted key may add more.
    """

    def __init__(self, folder: Path, *, vehicle: str, keys: Mapping[str, bytes]) -> None:
        self._folder = folder
        self._vehicle = vehicle
        self._keys = dict(keys)
        self.damaged: list[str] = []
        """Files that could not be read at the start, each with the reason."""
        folder.mkdir(parents=True, exist_ok=True)
        self._load_keys()
        self._config = self._load("config")
        self._sites = self._load("sites")
        self._in_force = self._load("plan")
        self._held = self._load("plan-held")
        self._desk = self._load_desk()
        if self._held is not None and self._in_force is not None and self._held.header.version <= self._in_force.header.version:
            self._held = None

    # ── what the van goes by ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def plan(self) -> Plan | None:
        """The plan in force."""
        return _payload(self._in_force, Plan)

    @property
    def plan_hash(self) -> str:
        return "" if self._in_force is None else self._in_force.hash

    @property
    def plan_valid_until_utc_ms(self) -> int | None:
        return None if self._in_force is None else self._in_force.header.valid_until_utc_ms

    @property
    def held(self) -> Envelope | None:
        """A newer plan that is on the disk and not yet in force."""
        return self._held

    @property
    def sites(self) -> Sites | None:
        return _payload(self._sites, Sites)

    @property
    def config(self) -> Config | None:
        return _payload(self._config, Config)

    @property
    def versions(self) -> dict[str, int]:
        """Newest version of each kind; 0: none."""
        newest_plan = self._held or self._in_force
        found = {"plan": newest_plan, "sites": self._sites, "config": self._config}
        return {kind: 0 if envelope is None else envelope.header.version for kind, envelope in found.items()}

    @property
    def messages(self) -> tuple[Message, ...]:
        """Messages from the dispatcher, oldest first."""
        return self._desk.messages

    @property
    def seen_version(self) -> int:
        """The newest plan whose changes the driver has seen."""
        return self._desk.seen_version

    # ── receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, kind: str, data: bytes) -> Received:
        """Open a document and, if it is newer, commit it to the disk. After "new" it survives a power cut."""
        try:
            envelope = self._open(kind, data)
        except WireError as error:
            return Received(verdict="refused", reason=str(error))
        if isinstance(envelope.payload, Command):
            return Received(verdict="asked", envelope=envelope)
        newest = {"plan": self._held or self._in_force, "sites": self._sites, "config": self._config}[kind]
        if newest is not None:
            if envelope.header.version < newest.header.version:
                return Received(verdict="older", envelope=envelope, reason=f"version {newest.header.version} is already here")
            if envelope.header.version == newest.header.version:
                if envelope.hash != newest.hash:
                    return Received(verdict="refused", envelope=envelope, reason="same version with other content")
                return Received(verdict="again", envelope=envelope)
        if isinstance(envelope.payload, Config):
            self._add_keys(envelope.payload)
        write_whole(self._file("plan-held" if kind == "plan" else kind), data)
        if kind == "plan":
            self._held = envelope
        elif kind == "sites":
            self._sites = envelope
        else:
            self._config = envelope
        return Received(verdict="new", envelope=envelope)

    def put_in_force(self) -> None:
        """The held plan replaces the one in force; after this the older can never return."""
        if self._held is None:
            return
        self._file("plan-held").replace(self._file("plan"))
        sync_folder(self._folder)
        self._in_force, self._held = self._held, None

    def keep_message(self, message: Message) -> bool:
        """Keep a message; after True it survives a power cut. False: it is here already."""
        if any(kept.command.command == message.command.command for kept in self.messages):
            return False
        self._keep_desk(msgspec.structs.replace(self._desk, messages=(*self.messages, message)[-MESSAGES_KEPT:]))
        return True

    def seen(self, version: int) -> None:
        """The driver has seen what this plan changed."""
        if version > self.seen_version:
            self._keep_desk(msgspec.structs.replace(self._desk, seen_version=version))

    @property
    def clocks(self) -> RunningClocks | None:
        """The driver's hours of service as they were last kept."""
        return self._desk.clocks

    def keep_clocks(self, clocks: RunningClocks) -> None:
        """Keep the hours of service: after a restart they run on from here."""
        self._keep_desk(msgspec.structs.replace(self._desk, clocks=clocks))

    def _keep_desk(self, desk: Desk) -> None:
        write_whole(self._folder / "desk.json", msgspec.json.encode(desk))
        self._desk = desk

    def _load_desk(self) -> Desk:
        try:
            return msgspec.json.decode((self._folder / "desk.json").read_bytes(), type=Desk)
        except FileNotFoundError:
            return Desk()
        except (OSError, msgspec.DecodeError) as error:
            self.damaged.append(f"desk.json: {error}")
            return Desk()

    def open_command(self, data: bytes) -> Envelope:
        """A signed command for this van.

        Raises
        ------
        WireError
            It is not one.
        """
        return self._open("command", data)

    def _open(self, kind: str, data: bytes) -> Envelope:
        envelope = envelopes.open_envelope(data, self._verify)
        header = envelope.header
        roll_call = kind == "plan" and isinstance(envelope.payload, Command) and envelope.payload.verb == "roll_call"
        if header.kind != kind and not roll_call:
            raise WireError(f"a {header.kind} on the channel of the {kind}")
        if header.vehicle != self._vehicle:
            raise WireError(f"a {kind} for vehicle {header.vehicle!r}, not for this one")
        payload = envelope.payload
        if isinstance(payload, Plan) and (payload.vehicle, payload.version) != (header.vehicle, header.version):
            raise WireError("the plan and its envelope disagree about vehicle or version")
        return envelope._replace(payload=calls.distinct(payload)) if isinstance(payload, Plan) else envelope

    def _load(self, name: str) -> Envelope | None:
        file = self._file(name)
        try:
            return self._open(name.removesuffix("-held"), file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, WireError) as error:
            # The hub's broker holds the newest as a retained message: it comes again on the next connect.
            self.damaged.append(f"{file.name}: {error}")
            return None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.sealed"

    def _verify(self, key_id: str, signature: bytes, signed: bytes) -> bool:
        key = self._keys.get(key_id)
        return key is not None and is_genuine(key, signature, signed)

    def _add_keys(self, config: Config) -> None:
        """Keep new keys before the config that brought them: the next config may be signed by one of them alone."""
        new = {key_id: text for key_id, text in config.trusted_keys.items() if key_id not in self._keys and _is_key(text)}
        if new:
            self._keys |= {key_id: bytes.fromhex(text) for key_id, text in new.items()}
            write_whole(self._folder / "keys.json", msgspec.json.encode({key_id: key.hex() for key_id, key in self._keys.items()}))

    def _load_keys(self) -> None:
        try:
            found = msgspec.json.decode((self._folder / "keys.json").read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            self.damaged.append(f"keys.json: {error}")
            return
        for key_id, text in found.items():
            if _is_key(text):
                self._keys.setdefault(key_id, bytes.fromhex(text))


def _is_key(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text)


T = TypeVar("T")


def _payload(envelope: Envelope | None, kind: type[T]) -> T | None:
    return envelope.payload if envelope is not None and isinstance(envelope.payload, kind) else None
