"""Runs a whole hub: database, keys, broker, roads, then its roles as child processes. Restarts what dies; ends as one group."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx
import psycopg

from roundsman_core.timebase import TimeBase
from roundsman_hub import HubError, broker
from roundsman_hub.api import keys
from roundsman_hub.broker import free_port, require_free
from roundsman_hub.clock import REAL_TIME
from roundsman_hub.pki import open_pki
from roundsman_hub.roads import RoadsError, start_osrm
from roundsman_hub.roads.osrm import PROCESS_TABLE
from roundsman_hub.roles import ROLES
from roundsman_hub.settings import ADMIN_KEY_FILE, HUB_FILE, BrokerLogin, Endpoint, Settings, write_private
from roundsman_hub.store.db import Database
from roundsman_hub.store.embedded import archive_wal
from roundsman_hub.store.migrate import migrate
from roundsman_hub.supervise import BrokerKeeper, DatabaseKeeper, Say, Supervisor, last_line
from roundsman_hub.telemetry.door import open_door
from roundsman_hub.telemetry.gather import problems_of, samples_of

VANS_PORT: Final = 8883
"""The registered port of MQTT over TLS."""
FILES_PORT: Final = 8884
METRICS_PORT: Final = 9464
"""Where Prometheus looks by OpenTelemetry's custom."""
READY_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line chose. `broker`: the hub's login at a broker that is run elsewhere; a port 0: any free one."""

    data_dir: Path
    api: Endpoint
    vans_host: str = "127.0.0.1"
    vans_port: int | None = None
    files_port: int | None = None
    gateway: Endpoint | None = None
    phones: Endpoint | None = None
    broker: BrokerLogin | None = None
    database_url: str | None = None
    wal_archive: str | None = None
    osm: Path | None = None
    osrm_url: str | None = None
    nominatim_url: str | None = None
    photon_url: str | None = None
    time_base: TimeBase = REAL_TIME
    metrics: Endpoint | None = None


class Stopped(Exception):
    """SIGTERM or SIGINT came while the hub was starting."""


def serve(options: Options, say: Say) -> int:
    """Run a hub until SIGTERM or SIGINT; then end everything that was started, within five seconds.

    Raises
    ------
    HubError
        It cannot start: a port is taken, another hub uses the folder, a part is not installed. Nothing is left running.
    """
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not stopping.is_set():
            stopping.set()
            raise Stopped

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with contextlib.suppress(Stopped), contextlib.ExitStack() as stack:
            _run(options, say, stack)
        say("the hub has ended")
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(options: Options, say: Say, stack: contextlib.ExitStack) -> None:
    data_dir = options.data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    stack.enter_context(_only_one(data_dir))
    if options.api.port:
        require_free(options.api, what="the API", option="--api-port")
    (data_dir / HUB_FILE).unlink(missing_ok=True)  # whoever finds it finds a hub that runs
    stack.callback((data_dir / HUB_FILE).unlink, missing_ok=True)
    pki = open_pki(data_dir / "pki", hosts=[options.vans_host, *([options.phones.host] if options.phones else [])])
    steps: list[Callable[[], None]] = []
    pids: dict[str, Callable[[], int | None]] = {"serve": os.getpid}
    ends = stack.enter_context(_together())

    vans = Endpoint(host=options.vans_host, port=_port(options, options.vans_port, VANS_PORT, data_dir / "broker" / "vans.port"))
    files_port = options.files_port if options.files_port is not None else 0 if options.vans_port == 0 else None
    files = Endpoint(host=options.vans_host, port=_port(options, files_port, FILES_PORT, data_dir / "broker" / "files.port"))
    require_free(files, what="the vans' files", option="--files-port")
    write_private(data_dir / "broker" / "files.port", str(files.port))
    gateway = options.gateway
    if gateway is not None and not gateway.port:
        gateway = replace(gateway, port=free_port(gateway.host))
    if gateway is not None:
        require_free(gateway, what="the gateway", option="--gateway-port")
    phones = options.phones
    if phones is not None:
        if gateway is None or options.broker is not None:
            raise HubError("--gateway-mqtt-port needs --gateway-port, and the hub's own broker (no --mqtt)")
        phones = replace(phones, port=phones.port or free_port(phones.host))
        require_free(phones, what="telephones over MQTT", option="--gateway-mqtt-port")
    login = options.broker
    if login is None:
        require_free(vans, what="the vans' broker", option="--vans-port")
        made = broker.prepare(data_dir / "broker", pki, vans=vans, hub=Endpoint(host="127.0.0.1", port=free_port()), phones=phones)
        keeper = BrokerKeeper(made, say)
        ends.append(keeper.stop)
        steps.append(keeper.step)
        pids["broker"] = lambda: keeper.pid
        login = made.hub
        write_private(data_dir / "broker" / "vans.port", str(vans.port))

    database_url = options.database_url
    if database_url is None:
        say("database: starting the embedded PostgreSQL (the first start takes some seconds)")
        if options.wal_archive:
            archive_wal(data_dir / "postgres", None if options.wal_archive == "off" else Path(options.wal_archive))
        database = DatabaseKeeper(data_dir / "postgres", say)
        ends.append(database.stop)
        steps.append(database.step)
        pids["database"] = lambda: database.pid
        database_url = database.dsn
    storage = _migrated(database_url)

    settings = Settings(
        data_dir=data_dir,
        database_url=database_url,
        hub_broker=login,
        vans_broker=vans,
        files=files,
        gateway=gateway,
        phones=phones,
        api=replace(options.api, port=options.api.port or free_port(options.api.host)),
        osm=options.osm.absolute() if options.osm else None,
        osrm_url=options.osrm_url,
        nominatim_url=options.nominatim_url,
        photon_url=options.photon_url,
        time_base=options.time_base,
    )
    roads = "osrm" if options.osrm_url else "great_circle"
    if options.osm is not None and options.osrm_url is None:
        try:
            osrm = start_osrm(options.osm, settings.cache_dir, say)
        except RoadsError as error:
            say(f"roads: great circle ({error})")
        else:
            ends.append(osrm.close)
            steps.append(lambda: _step_osrm(osrm.ensure, say))
            pids["osrm"] = lambda: osrm.pid
            roads, settings = "osrm", replace(settings, osrm_url=osrm.url, osrm_table=PROCESS_TABLE)
    _first_key(settings, say)

    about: dict[str, Any] = {"roads": roads, "storage": storage, "signing_key_id": pki.signer().key_id, "roles": list(ROLES)}
    watch = stack.enter_context(open_door(_metrics_door(options.metrics), partial(samples_of, data_dir), partial(problems_of, data_dir)))
    about["metrics_url"] = watch
    settings.save(**about)
    supervisor = Supervisor(data_dir, say)
    stack.callback(supervisor.stop)  # roles first, then what they stand on

    def written(before: dict[str, int | None]) -> dict[str, int | None]:
        """Who runs now; written down if that has changed."""
        now = {name: pid() for name, pid in pids.items()} | supervisor.pids()
        if now != before:
            settings.save(**about, pids=now)
        return now

    supervisor.step()
    running = written({})
    _wait_until_ready(settings, supervisor)
    say(f"dispatch and API: {settings.api_url}/   (key: {data_dir / ADMIN_KEY_FILE})")
    say(f"vans' broker: {vans} (mutual TLS; a van's folder: roundsman-hub provision VEHICLE --data {data_dir} --out DIR)")
    say(f"figures: {watch}/metrics · state of all roles: {watch}/readyz")
    say(f"storage: {storage} · roads: {roads} · logs: {data_dir / 'log'}")
    while True:
        for step in steps:
            step()
        supervisor.step()
        running = written(running)
        time.sleep(0.2)


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    lock = os.open(data_dir / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubError(f"another hub is running on {data_dir}: stop it, or choose another --data") from None
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def _together() -> Iterator[list[Callable[[], None]]]:
    """What is put in the list is called at the end, all at once: the slowest part decides how long it takes, not the sum."""
    ends: list[Callable[[], None]] = []
    try:
        yield ends
    finally:
        threads = [threading.Thread(target=end) for end in ends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _port(options: Options, chosen: int | None, usual: int, told: Path) -> int:
    """The port that was chosen; else the one that vans were told before; else the usual one, or a free one where that is taken."""
    if chosen is not None:
        return chosen or free_port(options.vans_host)
    if told.exists():
        return int(told.read_text())
    try:
        require_free(Endpoint(host=options.vans_host, port=usual), what="vans", option="a port option")
    except broker.PortTaken:
        return free_port(options.vans_host)
    return usual


def _metrics_door(chosen: Endpoint | None) -> Endpoint:
    """Where the figures are told: as chosen, which must be free; else the usual port of the loopback, or any free one."""
    if chosen is not None:
        if chosen.port:
            require_free(chosen, what="the figures", option="--metrics")
        return chosen
    usual = Endpoint(host="127.0.0.1", port=METRICS_PORT)
    try:
        require_free(usual, what="the figures", option="--metrics")
    except broker.PortTaken:
        return replace(usual, port=0)
    return usual


def _migrated(database_url: str) -> str:
    try:
        return migrate(database_url).text
    except psycopg.OperationalError as error:
        raise HubError(f"the database cannot be reached: {str(error).strip()}. Is --database-url right, and the server running?") from None


def _step_osrm(ensure: Callable[[], None], say: Say) -> None:
    try:
        ensure()
    except RoadsError as error:
        say(f"roads: {error}")


def _first_key(settings: Settings, say: Say) -> None:
    """On the first start: a fleet, and a key for its admin."""
    path = settings.data_dir / ADMIN_KEY_FILE
    with Database.connect(settings.database_url, max_size=1) as db:
        fleet_id, is_new = keys.first_fleet(db)
        if is_new or not path.exists():
            write_private(path, keys.create(db, fleet_id, "admin", "first key") + "\n")
            say(f"made an admin's API key: {path}")


def _wait_until_ready(settings: Settings, supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{settings.api_url}/healthz").is_success:
                    return
            if time.monotonic() > deadline:
                log = settings.data_dir / "log" / "api.log"
                raise HubError(f"the API did not answer on {settings.api_url}: {last_line(log)} ({log})")
            supervisor.step()
            time.sleep(0.05)
