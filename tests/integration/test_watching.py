"""A whole hub is watched from outside: /readyz tells the truth when a part dies, figures and traces follow a frame to its COMMIT."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests import waiting

from roundsman_hub.broker import free_port
from roundsman_hub.roads.polyline import decode_polyline
from roundsman_hub.roles import ROLES
from roundsman_wire import frames
from roundsman_wire.channels import topic
from roundsman_wire.messages import FACTS, TRACK, FixRow, SessionStarted

WITHIN_S = 90.0
SESSION = "00000000000050a1"
FIXES = 30


until = partial(waiting.until, within_s=WITHIN_S)


@dataclass
class Collector:
    """A real receiver of OTLP over HTTP: keeps every span that is sent."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)

    def named(self, name: str, **attributes: Any) -> list[Any]:
        return [
            span
            for span in list(self.spans)
            if span.name == name and all((key, str(value)) in self.attributes(span) for key, value in attributes.items())
        ]

    @staticmethod
    def attributes(span: Any) -> set[tuple[str, str]]:
        return {(item.key, str(getattr(item.value, item.value.WhichOneof("value")))) for item in span.attributes}


def serving(handler: type[BaseHTTPRequestHandler], port: int = 0) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def traces_installed() -> bool:
    """Whether the extra [traces] is there; a hub without it is watched all the same."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collected = Collector()
    if not traces_installed():
        yield collected
        return
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    collected.spans.extend(scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = serving(Receiver)
    collected.url = f"http://127.0.0.1:{server.server_port}"
    yield collected
    server.shutdown()
    server.server_close()


class Everywhere(BaseHTTPRequestHandler):
    """What an OSRM says of places and tables, in a country that is all road and where nothing is far."""

    def do_GET(self) -> None:
        path, _, query = unquote(self.path).partition("?")
        if path.startswith("/table"):
            some = len(decode_polyline(path[path.index("(") + 1 : path.rindex(")")], 5))
            chosen = {name: values[0].count(";") + 1 for name, values in parse_qs(query, separator="&").items()}
            zeros = [[0.0] * chosen.get("destinations", some)] * chosen.get("sources", some)
            told: dict[str, Any] = {"code": "Ok", "durations": zeros, "distances": zeros}
        else:
            place = [float(part) for part in path.rsplit("/", 1)[1].split(",")]
            told = {"code": "Ok", "waypoints": [{"location": place, "distance": 0.0}]}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Hub:
    data: Path
    osrm: ThreadingHTTPServer
    vehicle: str = ""

    @property
    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.data / "hub.json").read_text())
        return told

    def ready(self) -> dict[str, str] | None:
        """What the hub lacks, by name; None: nobody answers."""
        try:
            answer = httpx.get(f"{self.about['metrics_url']}/readyz", trust_env=False, timeout=60)
        except httpx.HTTPError:
            return None
        problems: dict[str, str] = answer.json()["problems"]
        assert answer.status_code == (503 if problems else 200)
        return problems

    def lacks(self, name: str, why: str) -> bool:
        return any(re.fullmatch(name, key) and why in text for key, text in (self.ready() or {}).items())

    def is_ready(self) -> bool:
        return self.ready() == {}

    def metric(self, name: str) -> float:
        """Sum of a figure's samples that begin so."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.figures().splitlines() if line.startswith(name))

    def figures(self) -> str:
        return httpx.get(f"{self.about['metrics_url']}/metrics", trust_env=False, timeout=60).text


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("watched")
    osrm = serving(Everywhere, free_port())  # it is closed and opened again: no connection of anybody's may take it meanwhile
    environment = os.environ | {"OTEL_BSP_SCHEDULE_DELAY": "200", "NO_PROXY": "127.0.0.1"}
    if collector.url:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    command = [sys.executable, "-m", "roundsman_hub", "--log-format", "json", "serve", "--data", str(folder / "hub")]
    command += ["--api-port", "0", "--vans-port", "0", "--metrics", "127.0.0.1:0", "--osrm-url", f"http://127.0.0.1:{osrm.server_port}"]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    made = Hub(data=folder / "hub", osrm=osrm)
    try:

        def ready() -> bool:
            assert process.poll() is None, (folder / "serve.log").read_text()
            return (made.data / "hub.json").exists() and made.is_ready()

        until(ready, lambda: f"a hub: {(folder / 'serve.log').read_text()}")
        made.vehicle = with_a_van(made)
        yield made
    finally:
        process.terminate()
        process.wait(90)
        osrm.shutdown()
        osrm.server_close()


def with_a_van(hub: Hub) -> str:
    key = (hub.data / "admin.key").read_text().strip()
    with httpx.Client(base_url=hub.about["api_url"], headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as http:
        depot = http.post("/v1/depots", json={"name": "Depot", "lat_deg": 50.0, "lon_deg": 10.0}).raise_for_status().json()["depot"]
        now = datetime.now(UTC)
        shift = {"shift_start": now.isoformat(), "shift_end": (now + timedelta(hours=8)).isoformat()}
        body = {"name": "Van", "depot": depot, "capacity": 5, **shift}
        vehicle: str = http.post("/v1/vehicles", json=body).raise_for_status().json()["vehicle"]
    out = hub.data.parent / "unit"
    subprocess.run(
        [sys.executable, "-m", "roundsman_hub", "provision", vehicle, "--data", str(hub.data), "--out", str(out)],
        check=True,
        capture_output=True,
    )
    return vehicle


def say(hub: Hub, *said: tuple[str, bytes]) -> None:
    """Publish as the van."""
    unit = hub.data.parent / "unit"
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.tls_set(str(unit / "ca.pem"), str(unit / "unit.pem"), str(unit / "unit.key"))
    client.connect(hub.about["broker"]["host"], hub.about["broker"]["port"])
    client.loop_start()
    for channel, payload in said:
        client.publish(topic(hub.vehicle, channel), payload).wait_for_publish(WITHIN_S)
    client.disconnect()
    client.loop_stop()


def track() -> bytes:
    now_ms = int(time.time() * 1000)
    rows = [
        FixRow(mono_ms=n, utc_ms=now_ms + n, lat_e6=n, lon_e6=n, speed_cm_s=9, heading_cdeg=None, accuracy_dm=None, satellites=9)
        for n in range(1, FIXES + 1)
    ]
    return frames.encode_frame(SESSION, TRACK, 1, FIXES, frames.pack_rows(rows))


def facts() -> bytes:
    started = SessionStarted(mono_ms=1, utc_ms=int(time.time() * 1000), session=SESSION, previous=None, agent_version="1", row_format=1)
    return frames.encode_frame(SESSION, FACTS, 1, 1, frames.pack_entries([frames.encode_entry(started)]))


def counted(text: str, what: str) -> list[float]:
    """What each ingest worker has counted of something."""
    lines = [line for line in text.splitlines() if line.startswith("roundsman_ingest_events_total") and f'what="{what}"' in line]
    return [float(line.rsplit(" ", 1)[1]) for line in lines]


def speak(hub: Hub) -> None:
    """The van's facts and track, until both are stored: the lanes are QoS 0, and a young hub may not listen to this shard yet."""

    def stored() -> bool:
        said = hub.figures()
        if sum(counted(said, "entries")) and sum(counted(said, "fixes")):
            return True
        say(hub, ("facts", facts()), ("track", track()))
        return False

    until(stored, lambda: f"figures of ingest: {hub.figures()}")


def test_a_frame_is_followed_to_its_commit_and_on_to_what_is_derived(hub: Hub, collector: Collector) -> None:
    speak(hub)
    if not collector.url:
        pytest.skip("the extra [traces] is not installed")
    until(lambda: bool(collector.named("ingest.frame", vehicle=hub.vehicle, lane=TRACK)), lambda: "the track's frame")

    def followed() -> bool:
        """One of its frames: what was not acknowledged in time is said again, and only the first of them is new."""
        batches = {span.span_id for span in collector.named("ingest.batch")}
        commits, derived = (
            {span.trace_id for span in spans}
            for spans in (collector.named("ingest.commit"), collector.named("derive.vehicle", vehicle=hub.vehicle))
        )
        named = {("session", SESSION), ("first_seq", "1"), ("last_seq", "1")}
        return any(
            named <= collector.attributes(frame) and frame.parent_span_id in batches and frame.trace_id in commits & derived
            for frame in collector.named("ingest.frame", vehicle=hub.vehicle, lane=FACTS)
        )

    until(followed, lambda: f"a frame, its batch, its COMMIT and its derivation in one trace: {[span.name for span in collector.spans]}")


def test_figures_of_all_roles_are_told_in_one_place(hub: Hub) -> None:
    speak(hub)

    def roles() -> set[str]:
        return set(re.findall(r'^roundsman_up\{role="([a-z]+)",pid="\d+"\} 1$', hub.figures(), re.MULTILINE))

    until(lambda: roles() == set(ROLES), lambda: f"all roles: {roles()}")
    assert len(re.findall("^# TYPE roundsman_up ", hub.figures(), re.MULTILINE)) == 1
    until(lambda: hub.metric("roundsman_ingest_shards") == 64, lambda: "all shards to be served")
    assert counted(hub.figures(), "fixes") == [FIXES]


def test_top_shows_the_roles_once_and_as_json(hub: Hub) -> None:
    until(lambda: hub.metric("roundsman_ingest_shards") == 64, lambda: "all shards to be served")
    command = [sys.executable, "-m", "roundsman_hub", "top", "--data", str(hub.data)]
    shown = subprocess.run([*command, "--once"], capture_output=True, text=True, check=False).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert set(ROLES) <= {line.split(" ")[0] for line in shown.splitlines()}
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=False).stdout)
    assert sum(worker["shards"] for worker in told["ingest"]["workers"]) == 64
    assert {role["role"] for role in told["roles"] if not role["problems"]} == set(ROLES)


def test_a_frame_that_cannot_be_read_is_logged_with_its_vehicle(hub: Hub) -> None:
    def logged() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (hub.data / "log" / "ingest.log").read_text().splitlines()]
        return [line for line in lines if line.get("vehicle") == hub.vehicle]

    def heard() -> bool:
        say(hub, ("track", b"rubbish"))  # again until it is heard: a QoS 0 frame is lost while its shard changes hands
        return bool(logged())

    until(heard, lambda: "the log's line")
    assert logged()[0]["level"] == "warning"
    until(lambda: hub.metric("roundsman_quarantined_frames") >= 1, lambda: "the quarantine's figure")


def killed(hub: Hub, process: str) -> Callable[[str, str], bool]:
    """A condition that kills the process, again each time that its absence was too short to be seen."""
    dead: set[int] = set()

    def is_missed(name: str, why: str) -> bool:
        pid = hub.about["pids"][process]
        if pid is not None and pid not in dead and not hub.lacks(name, why):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return False
            dead.add(pid)
        return hub.lacks(name, why)

    return is_missed


@pytest.mark.parametrize(
    ("process", "name", "why"),
    [
        ("ingest", "ingest: (role|start)", ""),
        ("derive", "derive: (role|start)", ""),
        ("plan", "plan: (role|start)", ""),
        ("broker", "ingest: broker", "not connected"),
        ("database", "(ingest|derive|api|plan|upkeep|files): database", "the database is away"),
    ],
)
def test_readiness_says_who_was_killed_and_returns(hub: Hub, process: str, name: str, why: str) -> None:
    is_missed = killed(hub, process)
    until(lambda: is_missed(name, why), lambda: f"{name} to be missed: {hub.ready()}")
    until(hub.is_ready, lambda: f"the hub to be ready again: {hub.ready()}")


def test_a_role_that_hangs_is_not_ready(hub: Hub) -> None:
    pid = hub.about["pids"]["derive"]
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: hub.lacks("derive: role", "does not answer"), lambda: f"derive to be missed: {hub.ready()}")
        answer = httpx.get(f"{hub.about['api_url']}/readyz", trust_env=False, timeout=20)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:roundsman:problem:not-ready")
        assert "derive" in answer.json()["detail"]
        assert httpx.get(f"{hub.about['api_url']}/healthz", trust_env=False, timeout=20).is_success
    finally:
        os.kill(pid, signal.SIGCONT)
    until(hub.is_ready, lambda: f"the hub to be ready again: {hub.ready()}")


def test_roads_that_are_away_are_missed_by_who_uses_them(hub: Hub) -> None:
    port = hub.osrm.server_port
    hub.osrm.shutdown()
    hub.osrm.server_close()
    until(lambda: hub.lacks("plan: roads", "OSRM"), lambda: f"roads to be missed: {hub.ready()}")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    hub.osrm = serving(Everywhere, port)
    until(hub.is_ready, lambda: f"the hub to be ready again: {hub.ready()}")
