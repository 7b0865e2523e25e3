"""Where everything of one hub is. `serve` decides it and writes it to DIR/hub.json; every other role and command reads it there."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from roundsman_core.timebase import TimeBase
from roundsman_hub import HubError
from roundsman_hub.clock import REAL_TIME

HUB_FILE: Final = "hub.json"
BLOBS: Final = "blobs"
ADMIN_KEY_FILE = "admin.key"


class NotSetUp(HubError):
    """There is no hub in this data directory, or its hub.json cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLogin:
    """How the hub's own programs reach the broker: a listener of their own, by password (see `broker.py`)."""

    host: str
    port: int
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One hub's addresses, files and choices.

    Attributes
    ----------
    data_dir : Path
        Everything the hub keeps on disk: database, keys, broker's state, caches.
    database_url : str
        PostgreSQL connection string.
    hub_broker : BrokerLogin
        The broker's listener for the hub's programs.
    vans_broker : Endpoint
        The broker's listener for vans (mutual TLS): what `provision` writes into a van's agent.toml.
    api : Endpoint
        Where the HTTP API and the pages are.
    files : Endpoint or None
        Where vans put photos and fetch the map (HTTPS, mutual TLS); None: nowhere.
    gateway : Endpoint or None
        Where phones and trackers send to (see `gateway`); None: nowhere.
    phones : Endpoint or None
        The broker's listener for telephones (OwnTracks over MQTT); None: it has none.
    osm : Path or None
        Street extract (.osm.pbf): roads, addresses, base map.
    osrm_url : str or None
        A running OSRM (or our own side process); without one, travel times are great circle × detour.
    osrm_table : int or None
        How many places it takes in one table, where that is known.
    nominatim_url, photon_url : str or None
        Geocoders that are asked where the extract's own addresses know nothing.
    """

    data_dir: Path
    database_url: str
    hub_broker: BrokerLogin
    vans_broker: Endpoint
    api: Endpoint
    files: Endpoint | None = None
    gateway: Endpoint | None = None
    phones: Endpoint | None = None
    osm: Path | None = None
    osrm_url: str | None = None
    osrm_table: int | None = None
    nominatim_url: str | None = None
    photon_url: str | None = None
    time_base: TimeBase = REAL_TIME

    @property
    def pki_dir(self) -> Path:
        """The hub's certificate authority and keys (see `pki.py`)."""
        return self.data_dir / "pki"

    @property
    def cache_dir(self) -> Path:
        """What can be made again: prepared road networks, base maps."""
        return self.data_dir / "cache"

    @property
    def api_url(self) -> str:
        return f"http://{self.api}"

    @property
    def files_url(self) -> str:
        """What vans are told of `files`; empty: nowhere."""
        return f"https://{self.files}" if self.files is not None else ""

    @property
    def blobs_dir(self) -> Path:
        """Photos and signatures that vans sent."""
        return self.data_dir / BLOBS

    def save(self, **also: Any) -> None:
        """Write DIR/hub.json (0600: it holds the hub's own broker password). `also`: what people and tests look up, such as pids."""
        body = {
            "api_url": self.api_url,
            "api": {"host": self.api.host, "port": self.api.port},
            "broker": {"host": self.vans_broker.host, "port": self.vans_broker.port},
            "files": {"host": self.files.host, "port": self.files.port} if self.files else None,
            "gateway": {"host": self.gateway.host, "port": self.gateway.port} if self.gateway else None,
            "phones": {"host": self.phones.host, "port": self.phones.port} if self.phones else None,
            "hub_broker": {
                "host": self.hub_broker.host,
                "port": self.hub_broker.port,
                "username": self.hub_broker.username,
                "password": self.hub_broker.password,
            },
            "database_url": self.database_url,
            "osm": str(self.osm) if self.osm else None,
            "osrm_url": self.osrm_url,
            "osrm_table": self.osrm_table,
            "nominatim_url": self.nominatim_url,
            "photon_url": self.photon_url,
            "time_base": str(self.time_base),
            **also,
        }
        write_private(self.data_dir / HUB_FILE, json.dumps(body, indent=2) + "\n")


def load(data_dir: Path) -> Settings:
    """Settings of the hub that keeps its data in `data_dir`.

    Raises
    ------
    NotSetUp
        `serve` never ran there, or its hub.json is damaged.
    """
    path = data_dir / HUB_FILE
    try:
        body = json.loads(path.read_text())
        return Settings(
            data_dir=data_dir.absolute(),
            database_url=body["database_url"],
            hub_broker=BrokerLogin(**body["hub_broker"]),
            vans_broker=Endpoint(**body["broker"]),
            api=Endpoint(**body["api"]),
            files=Endpoint(**body["files"]) if body.get("files") else None,
            gateway=Endpoint(**body["gateway"]) if body.get("gateway") else None,
            phones=Endpoint(**body["phones"]) if body.get("phones") else None,
            osm=Path(body["osm"]) if body["osm"] else None,
            osrm_url=body["osrm_url"],
            osrm_table=body["osrm_table"],
            nominatim_url=body["nominatim_url"],
            photon_url=body["photon_url"],
            time_base=TimeBase.parse(body["time_base"]),
        )
    except FileNotFoundError:
        raise NotSetUp(f"no hub in {data_dir}: {path} does not exist. Start one with: roundsman-hub serve --data {data_dir}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise NotSetUp(f"{path} cannot be read ({error}). Stop the hub and start it again: `serve` writes this file anew") from None


def write_private(path: Path, text: str | bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
