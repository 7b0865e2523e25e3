"""The program itself, as systemd runs it: started, steered over a real broker, killed like a power cut, asked how it is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests import waiting

from roundsman_hub.broker import free_port
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import Endpoint
from roundsman_wire import envelopes
from roundsman_wire.messages import FACTS, TRACK, BasedOn, EnvelopeHeader, Plan, PlanStop

VEHICLE = "v_0123456789ab"
DEADLINE_S = 90.0


until = partial(waiting.until, within_s=DEADLINE_S)


class Receiver:
    """A receiver on a TCP port: one fix a second along a meridian, at the date of the wall clock, twenty times as fast."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        self._door.settimeout(0.1)
        began = epoch = int(time.time())
        while not self._end.is_set():
            try:
                line, _ = self._door.accept()
            except TimeoutError:
                continue
            with line:
                try:
                    while not self._end.wait(0.05):
                        epoch += 1
                        line.sendall(_sentence(epoch, began))
                except OSError:
                    continue

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._door.close()


def _sentence(epoch: int, began: int) -> bytes:
    """Three metres further north each second, from where it was when it began."""
    at = time.gmtime(epoch)
    minutes = (epoch - began) / 600
    body = f"GNRMC,{time.strftime('%H%M%S', at)}.00,A,60{minutes:07.4f},N,02456.0000,E,19.4,0.0,{time.strftime('%d%m%y', at)},,,A"
    checksum = 0
    for char in body.encode():
        checksum ^= char
    return f"${body}*{checksum:02X}\r\n".encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


class Program:
    """`roundsman-agent run` as a process."""

    def __init__(self, file: Path, port: int) -> None:
        self.file = file
        self.notified: list[bytes] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"\0roundsman-test-{os.getpid()}-{port}"
        self._notify.bind(name)
        environment = {**os.environ, "NOTIFY_SOCKET": "@" + name[1:], "WATCHDOG_USEC": "400000"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "roundsman_agent", "run", "-c", str(file)], env=environment, stderr=subprocess.PIPE
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)
        until(self._answers, "the screen answers")

    def _answers(self) -> bool:
        try:
            return self.client.get("/api/screen").is_success
        except httpx.TransportError:
            assert self.process.poll() is None, "the program ended"
            return False

    def screen(self) -> dict[str, Any]:
        return dict(self.client.get("/api/screen").json())

    def heard_by_systemd(self) -> set[bytes]:
        self._notify.setblocking(False)
        while True:
            try:
                self.notified.append(self._notify.recv(1000))
            except BlockingIOError:
                return set(self.notified)

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        self.client.close()
        self._notify.close()
        assert b"Traceback" not in errors, errors.decode()
        return self.process.returncode


@pytest.fixture
def begin(pki: Any, broker: Any, receiver: Receiver, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    port = free_port()
    unit = Unit(
        vehicle_id=VEHICLE,
        broker=broker.broker.vans,
        receiver_url=f"tcp://127.0.0.1:{receiver.port}",
        screen=Endpoint(host="127.0.0.1", port=port),
        sampling="full",
    )
    file = provision(pki, unit, tmp_path / "unit")
    programs: list[Program] = []

    def start(receiver_url: str = "") -> Program:
        if receiver_url:
            file.write_text(file.read_text().replace(f"tcp://127.0.0.1:{receiver.port}", receiver_url))
        programs.append(Program(file, port))
        return programs[-1]

    yield start
    for program in programs:
        if program.process.poll() is None:
            program.end(signal.SIGKILL)


def sealed(pki: Any, version: int, *stops: str) -> bytes:
    signer = pki.signer()
    plan = Plan(
        plan=f"p{version}",
        vehicle=VEHICLE,
        version=version,
        issued_utc_ms=round(time.time() * 1000),
        based_on=BasedOn(session=None, facts_seq=0),
        stops=tuple(
            PlanStop(
                stop=stop,
                tasks=(stop,),
                kind="delivery",
                lat_e6=60_200_000,
                lon_e6=24_930_000,
                fence_radius_m=40,
                leg_s=600,
                leg_m=5000,
                service_s=60,
                arrival_utc_ms=0,
                address=stop,
            )
            for stop in stops
        ),
    )
    header = EnvelopeHeader(vehicle=VEHICLE, kind="plan", epoch=1, version=version, key_id=signer.key_id)
    return envelopes.seal(header, plan, signer.sign)


def receipts(follower: Any) -> list[tuple[int, str]]:
    facts = [
        msgspec.json.decode(entry)
        for (_, lane), entries in follower.snapshot().entries.items()
        if lane == FACTS
        for _, entry in sorted(entries.items())
    ]
    return [(fact["plan_version"], fact["state"]) for fact in facts if fact["kind"] == "receipt"]


def test_plan_arrives_is_receipted_and_outlives_a_power_cut(begin: Any, follower: Any, pki: Any, broker: Any) -> None:
    program = begin()
    until(lambda: program.screen()["link"]["state"] == "online", "the link is up")
    follower.say("plan", sealed(pki, 1, "o_1", "o_2"))
    until(lambda: program.screen()["plan"], "the plan is shown")
    until(lambda: receipts(follower) == [(1, "held"), (1, "in_force")], "its receipts are at the hub")
    assert program.client.post("/api/duty", json={"duty": "on"}).is_success
    assert program.client.post("/api/actions", json={"stop": "o_1", "outcome": "delivered"}).is_success
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    broker.kill()  # and no network when the power is back
    again = begin()
    state = again.screen()
    assert (state["plan"]["version"], state["next"]["stop"], state["duty"]) == (1, "o_2", "on")
    assert again.end(signal.SIGTERM) == 0


def test_fixes_of_a_drive_are_at_the_hub_after_the_program_ended(begin: Any, follower: Any) -> None:
    program = begin()
    assert program.client.post("/api/duty", json={"duty": "on"}).is_success
    until(lambda: program.client.get("/api/status").json()["fixes"]["accepted"] > 100, "it drives")
    until(lambda: {b"READY=1", b"WATCHDOG=1"} <= program.heard_by_systemd(), "systemd hears of it")
    until(lambda: follower.nows, "the live marker moves")
    told = subprocess.run(
        [sys.executable, "-m", "roundsman_agent", "status", "--json", "-c", str(program.file)],
        capture_output=True,
        check=True,
        timeout=DEADLINE_S,
    )
    assert json.loads(told.stdout)["link"]["online"] is True
    assert program.client.post("/api/duty", json={"duty": "off"}).is_success
    until(lambda: program.client.get("/api/status").json()["log"]["waiting"] == 0, "all is on the disk")
    until(lambda: sum(program.client.get("/api/status").json()["log"]["backlog"].values()) == 0, "all is at the hub")
    status = program.client.get("/api/status").json()
    book = follower.snapshot()
    (rows,) = [entries for (_, lane), entries in book.entries.items() if lane == TRACK]
    assert len(rows) == status["fixes"]["logged"] == status["fixes"]["accepted"]
    assert program.end(signal.SIGTERM) == 0
    until(lambda: not follower.presences[-1].online, "it said goodbye")


@pytest.fixture
def gpsd(receiver: Receiver) -> Iterator[str]:
    """The real one, on the pretend receiver's line."""
    program = shutil.which("gpsd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("gpsd is not installed (Debian: apt-get install gpsd)")
    port = free_port()
    process = subprocess.Popen([program, "-N", "-n", "-S", str(port), f"tcp://127.0.0.1:{receiver.port}"], stderr=subprocess.DEVNULL)
    yield f"gpsd://127.0.0.1:{port}"
    process.terminate()
    process.wait(DEADLINE_S)


def test_technician_is_told_how_a_unit_is_that_runs_on_gpsd_and_a_broker(begin: Any, gpsd: str, follower: Any) -> None:
    """What `status` says of the board, and what the van's health entries carry to the hub, is the same."""
    program = begin(gpsd)
    asked = [sys.executable, "-m", "roundsman_agent"]
    assert program.client.post("/api/duty", json={"duty": "on"}).is_success
    until(lambda: program.client.get("/api/status").json()["fixes"]["accepted"] > 10, "it hears gpsd")
    until(lambda: program.client.get("/api/status").json()["link"]["online"], "it has its broker")
    until(lambda: (sent := program.client.get("/api/status").json()["sent"])["frames"] and sent["bytes"], "what it sent is counted at once")
    status = subprocess.run([*asked, "status", "-c", str(program.file)], capture_output=True, text=True, timeout=120, check=False)
    lines = {line[2:12].strip(): line for line in status.stdout.splitlines()}
    assert {"link", "receiver", "fixes", "backlog", "store", "disk", "memory", "board", "clock"} <= set(lines), status.stdout
    assert "up since" in lines["link"]
    assert f"ok ({gpsd})" in lines["receiver"]
    assert "MB written since the start" in lines["disk"]
    doctor = subprocess.run([*asked, "doctor", "-c", str(program.file)], capture_output=True, text=True, timeout=120, check=False)
    assert doctor.returncode == 0, doctor.stdout
    assert "everything works" in doctor.stdout

    def healths() -> list[dict[str, Any]]:
        book = follower.snapshot()
        facts = [msgspec.json.decode(e) for (_, lane), entries in book.entries.items() if lane == FACTS for e in entries.values()]
        return [fact for fact in facts if fact["kind"] == "health"]

    told = until(healths, "its health is at the hub")[0]
    assert told["rss_mb"] > 10
    assert told["disk_free_mb"] > 0
    assert told["oldest_unsent_s"] >= 0
    assert told["versions"]["agent"] == told["agent_version"]
    assert program.end(signal.SIGTERM) == 0


def test_a_unit_without_a_screen_is_examined_beside_its_agent_and_keeps_its_line(begin: Any, follower: Any) -> None:
    """A second login with the same certificate would end the agent's own; a second reader of a serial line would take half of it away."""
    program = begin()
    program.end(signal.SIGTERM)
    file = program.file
    file.write_text(file.read_text().replace("[screen]\n", "[screen]\nenabled = false\n"))
    asked = [sys.executable, "-m", "roundsman_agent"]
    before = (file.parent / "store" / "session").read_text()
    alone = subprocess.Popen([*asked, "run", "-c", str(file)], stderr=subprocess.PIPE)
    try:
        until(lambda: (file.parent / "store" / "session").read_text() != before, "its session begins")
        session = (file.parent / "store" / "session").read_text().strip()
        until(lambda: (session, FACTS) in follower.snapshot().entries, "it is at the hub")
        doctor = subprocess.run([*asked, "doctor", "-c", str(file)], capture_output=True, text=True, timeout=120, check=False)
        assert doctor.returncode == 0, doctor.stdout
        assert "runs, and serves no screen" in doctor.stdout
        assert "not tried: an agent runs with this certificate" in doctor.stdout
        assert "the running agent has this line" in doctor.stdout
        status = subprocess.run([*asked, "status", "-c", str(file)], capture_output=True, text=True, timeout=120, check=False)
        assert status.returncode == 3
        assert "roundsman-agent doctor" in status.stderr
    finally:
        alone.terminate()
        _, errors = alone.communicate(timeout=DEADLINE_S)
    assert b"no link to the hub" not in errors, "it was put off the line"


def test_doctor_finds_what_is_wrong(begin: Any, broker: Any, pki: Any, tmp_path: Path) -> None:
    program = begin()
    file = program.file

    def ask() -> tuple[int, str]:
        command = [sys.executable, "-m", "roundsman_agent", "doctor", "-c", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout

    code, well = ask()
    assert code == 0, well
    assert "the running agent is logged in" in well
    assert "everything works" in well
    assert "both certificates hold" in well
    assert "in use by the running agent" in well
    program.end(signal.SIGTERM)
    broker.kill()
    other = pki.issue_vehicle("v_ffffffffffff")
    (tmp_path / "unit" / "unit.pem").write_bytes(other.certificate_pem)
    (tmp_path / "unit" / "unit.key").write_bytes(other.key_pem)
    (tmp_path / "unit" / "store" / "log.db").write_bytes(b"nothing of a database" * 500)
    code, ill = ask()
    assert code == 1
    assert "begin with the first BAD line" in ill
    assert "does not run" in ill
    asked = [sys.executable, "-m", "roundsman_agent"]
    told = subprocess.run([*asked, "doctor", "--json", "-c", str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert json.loads(told.stdout)["works"] is False
    assert told.returncode == 1
    assert subprocess.run([*asked, "status", "-c", str(file)], capture_output=True, timeout=120, check=False).returncode == 3
    assert "this vehicle is" in ill
    assert "refused" in ill
    assert "it is set aside at the next start" in ill


def test_recorded_drive_is_replayed_into_a_hub(begin: Any, follower: Any, tmp_path: Path) -> None:
    program = begin()  # a unit's settings; two connections of one certificate would evict each other, so it ends first
    file = program.file
    program.end(signal.SIGTERM)
    drive = tmp_path / "drive.nmea"
    drive.write_bytes(b"".join(_sentence(1_700_000_000 + second, 1_700_000_000) for second in range(200) if second not in range(90, 110)))
    command = [sys.executable, "-m", "roundsman_agent", "replay", str(drive), "--speed", "100", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "180 of 180 fixes" in done.stdout
    replayed = done.stdout.split("session ")[1][:16]
    book = follower.snapshot()
    rows = book.entries[replayed, TRACK]
    assert [row.utc_ms for _, row in sorted(rows.items())][:3] == [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]
    kinds = [msgspec.json.decode(entry)["kind"] for _, entry in sorted(book.entries[replayed, FACTS].items())]
    assert "gap" in kinds
    alone = subprocess.run(command[:-2], capture_output=True, text=True, timeout=60, check=True)
    assert "180 fixes in 199 s" in alone.stdout
