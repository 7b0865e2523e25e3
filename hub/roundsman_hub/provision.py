"""Everything a new van's unit needs to speak to this hub, in one folder: certificate, key, authority, trusted signing key, agent.toml."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from roundsman_hub.pki import Pki
from roundsman_hub.settings import Endpoint, write_private

AGENT_FILE = "agent.toml"
DEFAULT_SCREEN = Endpoint(host="127.0.0.1", port=8070)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is written into a van's agent.toml beside its keys. Its files are named as they lie beside it: the folder can be carried.

    `time_base` is empty in life; a pretend world's vans share the hub's.
    """

    vehicle_id: str
    broker: Endpoint
    receiver_url: str = "gpsd://127.0.0.1:2947"
    store_dir: Path | None = None
    screen: Endpoint = DEFAULT_SCREEN
    sampling: str = "evidence"
    time_base: str = ""


def provision(pki: Pki, unit: Unit, out: Path) -> Path:
    """Write a unit's folder; a new certificate and key each time (the old certificate stays valid until it ends).

    Returns
    -------
    Path
        The agent.toml: `roundsman-agent run -c` takes it.
    """
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)
    certified = pki.issue_vehicle(unit.vehicle_id)
    write_private(out / "ca.pem", pki.ca_file.read_bytes())
    write_private(out / "unit.pem", certified.certificate_pem)
    write_private(out / "unit.key", certified.key_pem)
    signer = pki.signer()
    write_private(out / AGENT_FILE, _agent_toml(unit, {signer.key_id: signer.public_hex}))
    return out / AGENT_FILE


def _agent_toml(unit: Unit, keys: dict[str, str]) -> str:
    def text(value: object) -> str:
        return json.dumps(str(value), ensure_ascii=False)  # a JSON string is a TOML basic string

    lines = [
        "# Written by roundsman-hub provision. `roundsman-agent config -c FILE` shows every setting and where it came from.",
        f"vehicle = {text(unit.vehicle_id)}",
        "",
        "[broker]",
        f"host = {text(unit.broker.host)}",
        f"port = {unit.broker.port}",
        f"ca = {text('ca.pem')}",
        f"cert = {text('unit.pem')}",
        f"key = {text('unit.key')}",
        "",
        "[receiver]",
        f"url = {text(unit.receiver_url)}",
        "",
        "[store]",
        f"dir = {text(unit.store_dir or 'store')}",
        "",
        "[screen]",
        f"host = {text(unit.screen.host)}",
        f"port = {unit.screen.port}",
        "",
        "[sampling]",
        f"mode = {text(unit.sampling)}",
        "",
        "[hub.keys]",
        *(f"{key_id} = {text(public)}" for key_id, public in keys.items()),
    ]
    if unit.time_base:
        lines += ["", "[time]", f"base = {text(unit.time_base)}"]
    return "\n".join(lines) + "\n"
