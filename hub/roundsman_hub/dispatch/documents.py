"""The other steering documents: a fleet's standing fences (sites), what the hub sets on the units (config), messages to drivers."""

from __future__ import annotations

import hashlib
import zlib
from typing import Any, LiteralString

import msgspec
from psycopg import Cursor

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.clock import Clock, to_ms
from roundsman_hub.pki import Signer
from roundsman_hub.store import talk_store
from roundsman_hub.store.rows import Row, rows
from roundsman_wire.envelopes import MAX_PAYLOAD_BYTES, seal
from roundsman_wire.messages import ActiveHours, Command, Config, EnvelopeHeader, Fence, Sites, SteeringKind

MAX_SITES_BYTES = 65_536
"""Fences of one van, deflated as they travel (some 2,000 circles): the nearest to its depot are kept when there are more."""
SPARE_BYTES = 8_192
"""What deflation still holds back when it is asked for its size, and the document around the fences."""

_UNITS: LiteralString = """
    SELECT v.vehicle_id, v.fleet_id, coalesce(s.version, 0) AS sites_version, d.lat_e6, d.lon_e6, e.epoch, f.timezone,
           c.version AS config_version, c.hash AS config_hash,
           coalesce((SELECT u.settings FROM unit_settings u WHERE u.fleet_id = v.fleet_id AND u.vehicle_id = ''), '{}')
               || coalesce((SELECT u.settings FROM unit_settings u WHERE u.fleet_id = v.fleet_id AND u.vehicle_id = v.vehicle_id), '{}')
               AS settings
    FROM vehicles v JOIN depots d USING (depot_id) JOIN fleets f ON f.fleet_id = v.fleet_id
    LEFT JOIN sites_versions s ON s.fleet_id = v.fleet_id LEFT JOIN unit_configs c USING (vehicle_id) CROSS JOIN log.epoch e
    WHERE v.retired_at IS NULL ORDER BY v.vehicle_id
"""
_FENCES: LiteralString = "SELECT * FROM fences WHERE fleet_id = %s AND deleted_at IS NULL ORDER BY fence_id"


_TOLD: LiteralString = """
    INSERT INTO unit_configs (vehicle_id, fleet_id, version, hash) VALUES (%s, %s, %s, %s)
    ON CONFLICT (vehicle_id) DO UPDATE SET version = excluded.version, hash = excluded.hash
"""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed steering document, ready to be published. `name`: a command's own, by which its van knows it."""

    vehicle_id: str
    kind: SteeringKind
    version: int
    envelope: bytes
    name: str = ""


def units(cur: Cursor[Any]) -> list[Row]:
    """Every vehicle, with the version of its fleet's fences and the place of its depot."""
    return rows(cur, _UNITS)


def config_of(cur: Cursor[Any], unit: Row, signer: Signer, files_url: str, clock: Clock, *, told: int) -> Document | None:
    """A unit's config: the signing keys to trust, where its large things go, whose time it keeps, and what its fleet has set; None if
    version `told` says the same.

    What was said before keeps its version; anything else gets a higher one, also after the database was restored.
    """
    own = Config(version=0, trusted_keys={signer.key_id: signer.public_hex}, blobs_url=files_url or None, time_zone=unit["timezone"])
    config = msgspec.convert(unit["settings"] | msgspec.to_builtins(own), Config)
    text = hashlib.sha256(msgspec.json.encode(config)).hexdigest()[:16]
    version = unit["config_version"] or 0
    if text != unit["config_hash"]:
        version = max(version + 1, signer.made_utc_ms, clock.utc_ms())
        cur.execute(_TOLD, (unit["vehicle_id"], unit["fleet_id"], version, text))
    if version == told:
        return None
    return _sealed(unit, "config", version, msgspec.structs.replace(config, version=version), signer)


def sites_of(cur: Cursor[Any], unit: Row, signer: Signer) -> Document | None:
    """A unit's standing fences; None while its fleet never had any."""
    if not unit["sites_version"]:
        return None
    depot = LatLon.from_e6(unit["lat_e6"], unit["lon_e6"])
    fences = [_fence(r) for r in rows(cur, _FENCES, (unit["fleet_id"],))]
    fences.sort(key=lambda fence: distance_m(depot, LatLon.from_e6(*fence.rings_e6[0][0])))
    kept: list[Fence] = []
    deflated, raw, size = zlib.compressobj(9), 0, 0
    for fence in fences:
        text = msgspec.json.encode(fence) + b","
        raw += len(text)
        size += len(deflated.compress(text))
        if raw > MAX_PAYLOAD_BYTES - SPARE_BYTES or size > MAX_SITES_BYTES - SPARE_BYTES:
            break
        kept.append(fence)
    sites = Sites(version=unit["sites_version"], fences=tuple(kept))
    return _sealed(unit, "sites", sites.version, sites, signer)


def message_of(r: Row, signer: Signer) -> Document:
    """A message to a driver, as a command that its van answers (see `talk_store.unshown`)."""
    header = EnvelopeHeader(
        vehicle=r["vehicle_id"],
        kind="command",
        epoch=r["epoch"],
        version=to_ms(r["at"]),
        key_id=signer.key_id,
        valid_until_utc_ms=to_ms(r["valid_until"]),
    )
    command = Command(command=r["message_id"], verb="message", text=r["text"], stop=r["order_id"])
    envelope = seal(header, command, signer.sign)
    return Document(vehicle_id=r["vehicle_id"], kind="command", version=header.version, envelope=envelope, name=r["message_id"])


def roll_call_of(r: Row, signer: Signer) -> Document:
    """The question whether a van has taken every plan that waited for it when the database was restored (see `talk_store.absent`)."""
    raised_ms = to_ms(r["raised_real_at"])
    header = EnvelopeHeader(vehicle=r["vehicle_id"], kind="command", epoch=r["epoch"], version=raised_ms, key_id=signer.key_id)
    name = talk_store.roll_call(r["raised_real_at"])
    envelope = seal(header, Command(command=name, verb="roll_call"), signer.sign)
    return Document(vehicle_id=r["vehicle_id"], kind="command", version=header.version, envelope=envelope, name=name)


def _fence(r: Row) -> Fence:
    return Fence(
        fence=r["fence_id"],
        name=r["name"],
        rings_e6=tuple(tuple((lat, lon) for lat, lon in ring) for ring in r["rings_e6"]),
        radius_m=r["radius_m"],
        dwell_s=r["dwell_s"],
        speed_limit_cm_s=r["speed_limit_cm_s"],
        active=() if r["active"] is None else msgspec.convert(r["active"], tuple[ActiveHours, ...]),
        time_zone=r["time_zone"] if r["active"] else "UTC",
    )


def _sealed(unit: Row, kind: SteeringKind, version: int, payload: Config | Sites, signer: Signer) -> Document:
    header = EnvelopeHeader(vehicle=unit["vehicle_id"], kind=kind, epoch=unit["epoch"], version=version, key_id=signer.key_id)
    return Document(vehicle_id=unit["vehicle_id"], kind=kind, version=version, envelope=seal(header, payload, signer.sign))
