"""The hub's roles, each with the adapters that the settings name. `serve` runs all of them as processes; each can also run alone.

Each imports its own rooms when it starts: a role's process carries, and waits for, only what it needs.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.roads import GreatCircle, OsrmRoads, RoadNetwork
from roundsman_hub.roads.addresses import SERVED_FILE, Served
from roundsman_hub.settings import Endpoint, Settings
from roundsman_hub.telemetry.door import watched
from roundsman_hub.telemetry.figures import FIGURES
from roundsman_hub.telemetry.traces import TRACES
from roundsman_hub.telemetry.vitals import VITALS, database_answers, osrm_answers
from roundsman_hub.tether import die_with_parent

if TYPE_CHECKING:
    from roundsman_hub.store.db import Database

log = logging.getLogger(__name__)

API_ENDS_WITHIN_S: Final = 1
"""Live streams never end by themselves."""


def run_ingest(settings: Settings, stop: threading.Event) -> None:
    """Store what vans say, and acknowledge it."""
    from roundsman_hub.ingest import role

    role.run(settings, Clock(settings.time_base), stop)


def run_derive(settings: Settings, stop: threading.Event) -> None:
    """Fold the log into visits, order states, receipts."""
    from roundsman_hub.derive import worker

    worker.run(settings, Clock(settings.time_base), stop)


def run_plan(settings: Settings, stop: threading.Event) -> None:
    """Plan and re-plan, publish plans and other steering documents, tell arrival times."""
    from roundsman_hub.dispatch.publisher import Publisher
    from roundsman_hub.eta.worker import EtaWorker
    from roundsman_hub.pki import open_pki
    from roundsman_hub.planning.engines.process import EngineProcess
    from roundsman_hub.replan.planner import Planner
    from roundsman_hub.replan.worker import PlanWorker
    from roundsman_hub.store.db import Database

    clock = Clock(settings.time_base)
    signer = open_pki(settings.pki_dir).signer()
    with contextlib.ExitStack() as opened:
        db = opened.enter_context(Database.connect(settings.database_url))
        roads, eta_roads = (opened.enter_context(contextlib.closing(open_settings_roads(settings, db))) for _ in range(2))
        with (
            EngineProcess("pyvrp") as pyvrp,
            EngineProcess("ortools") as ortools,  # these three are started with the first plan that needs what they know
            EngineProcess("vroom") as vroom,
            EngineProcess("ruin") as ruin,
            Publisher(db, settings.hub_broker, signer, clock, files_url=settings.files_url) as publisher,
        ):
            planner = Planner(db, roads, signer, clock, publisher.wake)
            _stands_on(settings, db, osrm=True)
            at = Endpoint(host=settings.hub_broker.host, port=settings.hub_broker.port)
            VITALS.must(
                "broker",
                lambda: None if publisher.connected else f"the broker at {at} is away",
            )
            FIGURES.source(lambda figures: figures.put("roundsman_broker_connected", publisher.connected))
            eta = threading.Thread(target=EtaWorker(db, eta_roads, clock).run, args=(stop,), name="eta", daemon=True)
            eta.start()
            PlanWorker(db, planner, clock, (pyvrp, ortools, vroom, ruin), publisher.wake).run(stop)
            eta.join(1.0)


def run_api(settings: Settings, stop: threading.Event) -> None:
    """The HTTP API, the live stream and the pages."""
    from roundsman_hub.api.app import create_app
    from roundsman_hub.geocode import open_geocoder
    from roundsman_hub.store.db import Database

    with contextlib.ExitStack() as opened:
        db = opened.enter_context(Database.connect(settings.database_url, max_size=16))
        roads = opened.enter_context(contextlib.closing(open_settings_roads(settings, db)))
        _stands_on(settings, db, osrm=True)
        geocoder = open_geocoder(settings.osm, settings.nominatim_url, settings.photon_url)
        app = create_app(settings, db, Clock(settings.time_base), geocoder, roads)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=settings.api.host,
                port=settings.api.port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=API_ENDS_WITHIN_S,
            )
        )
        _serve_until(server, stop)
        if not server.started:
            raise HubError(f"the API did not start on {settings.api}")


def run_upkeep(settings: Settings, stop: threading.Event) -> None:
    """Count days, lay old tracks on streets, let go what is older than its fleet keeps it, compress. At night: plan tomorrow, learn."""
    from roundsman_hub.nightly import timer
    from roundsman_hub.upkeep import worker

    clock = Clock(settings.time_base)
    nights = threading.Thread(target=timer.run, args=(settings, clock, stop), name="nights", daemon=True)
    nights.start()
    with contextlib.closing(open_settings_roads(settings)) as roads:
        worker.run(settings, clock, stop, roads)
    nights.join(timer.ENDS_WITHIN_S)


def run_notify(settings: Settings, stop: threading.Event) -> None:
    """Tell customers and shops what is worth telling."""
    from roundsman_hub.notify import worker

    worker.run(settings, Clock(settings.time_base), stop)


def run_files(settings: Settings, stop: threading.Event) -> None:
    """Take vans' photos, and give them the map."""
    from roundsman_hub.files.app import application, server_of
    from roundsman_hub.pki import open_pki
    from roundsman_hub.roads.basemap import write_basemap
    from roundsman_hub.store.blobs import BlobStore
    from roundsman_hub.store.db import Database

    if settings.files is None:
        VITALS.must("files", lambda: None)  # nothing to do, and so always ready
        stop.wait()
        return
    pki = open_pki(settings.pki_dir, hosts=[settings.files.host])
    osm, cache_dir = settings.osm, settings.cache_dir
    with Database.connect(settings.database_url, max_size=4) as db:
        _stands_on(settings, db, osrm=False)
        store = BlobStore(db, settings.blobs_dir)
        app = application(store, Clock(settings.time_base), lambda: write_basemap(osm, cache_dir) if osm is not None else None)
        server = server_of(app, settings.files, pki)
        _serve_until(server, stop)
        if not server.started:
            raise HubError(f"the vans' files could not be served on {settings.files}")


def run_gateway(settings: Settings, stop: threading.Event) -> None:
    """Let phones and trackers stand in for vans."""
    if settings.gateway is None:
        VITALS.must("gateway", lambda: None)  # nothing to do, and so always ready
        stop.wait()
        return
    from roundsman_hub.gateway import worker

    VITALS.must("database", database_answers(settings.database_url))
    worker.run(settings, Clock(settings.time_base), stop)


def run_traffic(settings: Settings, stop: threading.Event) -> None:
    """Keep every kind's and every hour's pace in service, with what closes or slows streets now."""
    from roundsman_hub.roads import role

    role.run(settings, Clock(settings.time_base), stop)


def _stands_on(settings: Settings, db: Database, *, osrm: bool) -> None:
    """From now on the role is ready when its database answers, and its roads, where it uses them."""
    VITALS.must("database", database_answers(settings.database_url))
    if osrm:
        VITALS.must("roads", osrm_answers(settings.osrm_url))
    FIGURES.source(db.tell)


def _serve_until(server: uvicorn.Server, stop: threading.Event) -> None:
    """Serve until told to end."""

    def end_when_told() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=end_when_told, name="end", daemon=True).start()
    server.run()


def open_settings_roads(settings: Settings, db: Database | None = None) -> RoadNetwork:
    """The roads that the settings name. `serve` owns the side process for cars, the role `traffic` all others; everybody shares their
    addresses. Streets that are not ours to close (none, or a server that somebody else runs) are passed by, with a database to ask."""
    if settings.osrm_url is not None and settings.osrm_table:
        served = Served(settings.data_dir / SERVED_FILE, settings.osrm_url)
        return OsrmRoads(settings.osrm_url, table_size=settings.osrm_table, addresses=served)
    roads: RoadNetwork = GreatCircle() if settings.osrm_url is None else OsrmRoads(settings.osrm_url)
    if db is None:
        return roads
    from roundsman_hub.roads.closed import ClosedRoads
    from roundsman_hub.roads.held import Held

    return ClosedRoads(roads, Held(db, Clock(settings.time_base)))


ROLES: Final[dict[str, Callable[[Settings, threading.Event], None]]] = {
    "ingest": run_ingest,
    "derive": run_derive,
    "plan": run_plan,
    "api": run_api,
    "files": run_files,
    "notify": run_notify,
    "upkeep": run_upkeep,
    "gateway": run_gateway,
    "traffic": run_traffic,
}


def run_role(name: str, settings: Settings, *, tied: bool) -> int:
    """Run a role until SIGTERM or SIGINT. What is unexpected in any of its threads ends it: whoever started it starts it again.

    Parameters
    ----------
    tied : bool
        End with the parent process, too.
    """
    if tied:
        die_with_parent()
    stop = threading.Event()
    failed = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    def on_thread_failure(args: threading.ExceptHookArgs) -> None:
        log.critical("thread %s failed", args.thread.name if args.thread else "?", exc_info=args.exc_value)
        failed.set()
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.excepthook = on_thread_failure
    TRACES.start(name)
    try:
        with watched(settings.data_dir, name):
            ROLES[name](settings, stop)
    finally:
        TRACES.stop()
    return 1 if failed.is_set() else 0
