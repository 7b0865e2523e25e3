"""The root: reads the command line and the environment, and chooses every adapter. `roundsman-hub serve` runs a whole hub."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from roundsman_core.timebase import TimeBase
from roundsman_hub import HubError
from roundsman_hub.instants import instant
from roundsman_hub.settings import ADMIN_KEY_FILE, BrokerLogin, Endpoint, load
from roundsman_hub.telemetry.logs import FORMATS, set_up

DEFAULT_DATA: Final = Path("var/hub")
IMPORT_WITHIN_S: Final = 300.0
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the process's exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(argv)
    own = options.run in (_told, _db, _day_command, _plan_command, _roads, _learn)
    if rest and not own:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    os.environ["ROUNDSMAN_LOG_FORMAT"] = options.log_format  # so that the roles that `serve` starts write the same
    set_up(options.log_level, options.log_format)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if own:  # says it once, in its own words
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    run: Command = options.run
    try:
        return run(options)
    except HubError as error:
        from roundsman_hub.store.db import DatabaseAway

        hint = " (is the hub running? hub.json in its folder says where its database is)" if own and isinstance(error, DatabaseAway) else ""
        print(f"roundsman-hub: {error}{hint}", file=sys.stderr)
        return 1
    except (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError) as error:
        if not own or error.filename is None:
            raise
        print(f"roundsman-hub: {error.filename}: {error.strerror}: is the folder there, and may you write or read in it?", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="roundsman-hub", description="The hub: keeps the vans' logs, plans, and tells arrival times.")
    parser.add_argument("--log-level", default=os.environ.get("ROUNDSMAN_LOG", "info"), help="debug, info, warning, error")
    parser.add_argument(
        "--log-format", choices=FORMATS, default=os.environ.get("ROUNDSMAN_LOG_FORMAT", "text"), help="json: an object a line"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = _command(commands, "serve", _serve, "run a whole hub: database, broker, roads, and every role")
    serve.add_argument("--osm", type=Path, help="street extract (.osm.pbf): roads, addresses, base map")
    serve.add_argument("--osrm-url", help="a running OSRM, instead of a side process on --osm")
    serve.add_argument("--nominatim-url", help="a Nominatim, asked where the extract's own addresses know nothing")
    serve.add_argument("--photon-url", help="a Photon, likewise")
    serve.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="PostgreSQL 16+; default: the embedded one")
    serve.add_argument("--wal-archive", metavar="DIR", help="from now on, copy the embedded database's WAL there; off: no longer")
    serve.add_argument("--mqtt", metavar="mqtt://USER:PASSWORD@HOST:PORT", help="a broker run elsewhere, as the hub's programs reach it")
    serve.add_argument("--vans-host", default="127.0.0.1", help="address that vans reach the broker at (default: loopback only)")
    serve.add_argument("--files-port", type=int, help="port of the vans' files; 0: any free one (default: 8884, or as before)")
    serve.add_argument("--gateway-port", type=int, help="let phones and trackers send to this port; 0: any free one (default: not at all)")
    serve.add_argument(
        "--gateway-mqtt-port", type=int, help="let OwnTracks phones log in to the broker on this port (TLS); 0: any free one"
    )
    serve.add_argument("--gateway-host", default="127.0.0.1", help="address of the gateway (default: loopback only)")
    serve.add_argument("--vans-port", type=int, help="port of the vans' listener; 0: any free one (default: 8883, or as before)")
    serve.add_argument("--api-host", default="127.0.0.1")
    serve.add_argument("--api-port", type=int, default=8080, help="0: any free one")
    serve.add_argument("--metrics", metavar="HOST:PORT", help="where Prometheus asks (default: 127.0.0.1:9464, or any free port)")
    serve.add_argument("--time-base", default=os.environ.get("ROUNDSMAN_TIME_BASE", ""), help="business time, for a pretend world")

    for name, words in (
        ("ingest", "store what vans say"),
        ("derive", "fold the log into visits and order states"),
        ("plan", "plan, publish, tell arrival times"),
        ("api", "serve the API and the pages"),
        ("files", "take vans' photos, and give them the map"),
        ("gateway", "let phones and trackers stand in for vans"),
        ("notify", "write to customers and shops what is worth telling"),
        ("upkeep", "count days, lay old tracks on streets, let go what is old, compress; plan and learn at night"),
        ("traffic", "keep learned speeds, closures and traffic in service"),
    ):
        role = _command(commands, name, _role, f"run one role alone: {words}")
        role.set_defaults(role=name)
        role.add_argument("--tied", action="store_true", help="end with the parent process")
        if name == "derive":
            role.set_defaults(run=_derive)
            role.add_argument("--vehicle", help="derive this vehicle's log again, show what differs, and end (code 1 if anything does)")
            role.add_argument("--from", dest="since", type=instant, help="of this stretch: RFC 3339, with an offset or Z")
            role.add_argument("--to", dest="until", type=instant, help="RFC 3339, exclusive")
            role.add_argument("--check", action="store_true", help="write nothing; without --vehicle, every vehicle")
            role.add_argument("--json", action="store_true")

    top = _command(commands, "top", _top, "watch a hub in the terminal: rates, lag, shards, quarantine, by role")
    top.add_argument("--once", action="store_true", help="show it once and end")
    top.add_argument("--json", action="store_true", help="one JSON object, once")
    top.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between two looks")

    migrate = _command(commands, "migrate", _migrate, "bring a database to this release's schema")
    migrate.add_argument("--database-url", default=os.environ.get("DATABASE_URL"))
    migrate.add_argument("--to", type=int, metavar="N", help="go to just after step N, forward or back (vans' logs are taken meanwhile)")
    migrate.add_argument(
        "--restored", action="store_true", help="it was restored from a backup, or promoted: ask the vans for what is missing"
    )

    imports = _command(commands, "import", _import, "import orders from a CSV file; tells every line that is not good")
    imports.add_argument("file", type=Path)
    imports.add_argument("--key", default=os.environ.get("ROUNDSMAN_KEY"), help="API key (default: the admin's of --data)")

    provision = _command(commands, "provision", _provision, "make a van's folder: certificate, keys, agent.toml")
    provision.add_argument("vehicle", help="vehicle id, as the API gave it")
    provision.add_argument("--out", type=Path, required=True, help="folder to write")
    provision.add_argument("--receiver", help="receiver's address for agent.toml, such as gpsd://127.0.0.1:2947")

    bench = _command(commands, "bench", _bench, "measure, on data of its own: a table, and JSON as the last line")
    bench.add_argument("name", choices=["plan"])

    for name, words in (("export", "export a vehicle's track with its gaps"), ("metrics", "on-time share, distances, stops a day")):
        told = _command(commands, name, _told, words, add_help=False)
        told.set_defaults(told=name)

    _command(commands, "learn", _learn, "learn speeds and service times from the fleet's own days", add_help=False)
    _command(commands, "nightly", _nightly, "do what is due at night and not done: tomorrow's plans, learning (a hub looks by itself)")
    _command(commands, "roads", _roads, "make the road datasets of a street extract, for each kind of vehicle", add_help=False)
    _command(commands, "db", _db, "check, size, retention, backup, restore: look after the database", add_help=False)
    for name, words in (
        ("record", "write a fleet's day into one file"),
        ("replay", "let a recorded day happen again, in an empty hub"),
        ("simulate", "live through pretend days by policy, or drive a recorded one, and compare"),
    ):
        _command(commands, name, _day_command, words, add_help=False).set_defaults(day_command=name)
    for name, words in (
        ("solve", "plan a problem from a file, or a published instance"),
        ("plot", "draw a plan: routes, the day of each van, load"),
        ("explain", "tell why tasks are left out or late, and what would let them in"),
    ):
        _command(commands, name, _plan_command, words, add_help=False).set_defaults(plan_command=name)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Command, words: str, *, add_help: bool = True
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=words, description=words, add_help=add_help, allow_abbrev=False)
    made.add_argument("--data", type=Path, default=Path(os.environ.get("ROUNDSMAN_DATA", DEFAULT_DATA)), help="the hub's folder")
    made.set_defaults(run=run)
    return made


def _serve(options: argparse.Namespace) -> int:
    from roundsman_hub.serve import Options, serve

    try:
        time_base = TimeBase.parse(options.time_base)
    except ValueError as error:
        raise HubError(f"--time-base: {error}") from None
    if options.osm is not None and not options.osm.is_file():
        raise HubError(f"--osm {options.osm}: there is no such file")
    return serve(
        Options(
            data_dir=options.data,
            api=Endpoint(host=options.api_host, port=options.api_port),
            vans_host=options.vans_host,
            vans_port=options.vans_port,
            files_port=options.files_port,
            gateway=None if options.gateway_port is None else Endpoint(host=options.gateway_host, port=options.gateway_port),
            phones=None if options.gateway_mqtt_port is None else Endpoint(host=options.gateway_host, port=options.gateway_mqtt_port),
            broker=_broker_login(options.mqtt) if options.mqtt else None,
            database_url=options.database_url or None,
            wal_archive=options.wal_archive,
            osm=options.osm,
            osrm_url=options.osrm_url,
            nominatim_url=options.nominatim_url,
            photon_url=options.photon_url,
            time_base=time_base,
            metrics=_endpoint(options.metrics) if options.metrics else None,
        ),
        say=lambda text: print(text, flush=True),
    )


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise HubError(f"--metrics {text}: not HOST:PORT")
    return Endpoint(host=host.strip("[]"), port=int(port))


def _broker_login(url: str) -> BrokerLogin:
    parts = urlsplit(url)
    if parts.scheme != "mqtt" or not parts.hostname or not parts.username or parts.password is None:
        raise HubError("--mqtt is not mqtt://USER:PASSWORD@HOST:PORT")
    return BrokerLogin(host=parts.hostname, port=parts.port or 1883, username=parts.username, password=parts.password)


def _role(options: argparse.Namespace) -> int:
    from roundsman_hub.roles import run_role

    return run_role(options.role, load(options.data), tied=options.tied)


def _derive(options: argparse.Namespace) -> int:
    """The role; or, asked for a vehicle or a check, one derivation of what is there."""
    if options.vehicle is None and not options.check:
        return _role(options)
    from roundsman_hub.derive import check

    return check.main(load(options.data), options)


def _top(options: argparse.Namespace) -> int:
    from roundsman_hub.telemetry import top

    return top.main(options.data, once=options.once, as_json=options.json, every_s=options.every)


def _migrate(options: argparse.Namespace) -> int:
    from roundsman_hub.store import log_store
    from roundsman_hub.store.db import Database
    from roundsman_hub.store.migrate import migrate

    dsn = options.database_url or load(options.data).database_url
    print(migrate(dsn, to=options.to).text)
    if options.restored:
        with Database.connect(dsn, max_size=1) as db, db.transaction() as cur:
            epoch = log_store.restored(cur)
        print(f"epoch {epoch}: at its next presence each van takes back its releases and sends what this database misses")
    return 0


def _import(options: argparse.Namespace) -> int:
    """Through the API, like any other client: the hub looks the addresses up and checks the shifts."""
    settings = load(options.data)
    try:
        key = options.key or (options.data / ADMIN_KEY_FILE).read_text().strip()
        body = options.file.read_bytes()
        answer = httpx.post(
            f"{settings.api_url}/v1/orders:import",
            content=body,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "text/csv"},
            timeout=IMPORT_WITHIN_S,
            trust_env=False,
        )
    except OSError as error:
        raise HubError(f"{error.strerror}: {error.filename}") from None
    except httpx.HTTPError as error:
        raise HubError(f"the hub does not answer on {settings.api_url} ({error}): start it with roundsman-hub serve") from None
    if not answer.is_success:
        raise HubError(f"the hub refused the file: {answer.text}")
    report = answer.json()
    for bad in report["bad"]:
        print(f"line {bad['line']}: {bad['field']}: {bad['detail']}", file=sys.stderr)
    print(json.dumps({key: value for key, value in report.items() if key not in ("bad", "orders")} | {"bad": len(report["bad"])}))
    return 0 if not report["bad"] else 2


def _provision(options: argparse.Namespace) -> int:
    from roundsman_hub.pki import open_pki
    from roundsman_hub.provision import Unit, provision
    from roundsman_hub.store.db import Database
    from roundsman_hub.store.rows import row

    settings = load(options.data)
    with Database.connect(settings.database_url, max_size=1) as db, db.transaction() as cur:
        if row(cur, "SELECT 1 FROM vehicles WHERE vehicle_id = %s AND retired_at IS NULL", (options.vehicle,)) is None:
            raise HubError(f"no vehicle {options.vehicle!r}: GET {settings.api_url}/v1/vehicles lists them")
    base = "" if settings.time_base.factor == 1 and not settings.time_base.origin_real_ms else str(settings.time_base)
    unit = Unit(vehicle_id=options.vehicle, broker=settings.vans_broker, time_base=base)
    if options.receiver:
        unit = Unit(vehicle_id=options.vehicle, broker=settings.vans_broker, time_base=base, receiver_url=options.receiver)
    print(provision(open_pki(settings.pki_dir), unit, options.out))
    return 0


def _bench(options: argparse.Namespace) -> int:
    from roundsman_hub import bench

    logging.getLogger("roundsman_hub").setLevel(logging.WARNING)
    return bench.main(options.name)


def _db(options: argparse.Namespace) -> int:
    from roundsman_hub.upkeep import commands

    return commands.main(options.rest, options.data)


def _roads(options: argparse.Namespace) -> int:
    from roundsman_hub.roads import commands

    return commands.main(options.rest, options.data)


def _learn(options: argparse.Namespace) -> int:
    from roundsman_hub.learn import commands

    return commands.main(options.rest, options.data)


def _nightly(options: argparse.Namespace) -> int:
    from roundsman_hub.nightly import work

    return work.main(options.data)


def _day_command(options: argparse.Namespace) -> int:
    from roundsman_hub.record import commands

    return commands.COMMANDS[options.day_command](options.rest, options.data)


def _plan_command(options: argparse.Namespace) -> int:
    from roundsman_hub.planning import commands

    return commands.COMMANDS[options.plan_command](options.rest, options.data)


def _told(options: argparse.Namespace) -> int:
    """Commands with options of their own: what is not known here is theirs."""
    from roundsman_hub import export, metrics

    command = {"export": export.main, "metrics": metrics.main}[options.told]
    return command(load(options.data), options.rest)


if __name__ == "__main__":
    sys.exit(main())
