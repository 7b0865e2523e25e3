"""One real unit under the meter: `roundsman-agent run` with a real gpsd, a thousand fences, a plan, and a broker over mutual TLS."""

from __future__ import annotations

import contextlib
import math
import os
import random
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from roundsman_core import lanes
from roundsman_core.geo import LatLon, LocalFrame
from roundsman_core.pacing import Pace
from roundsman_hub import broker
from roundsman_hub.broker import free_port
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.provision import Unit, provision
from roundsman_hub.settings import BrokerLogin, Endpoint
from roundsman_sim import SimError
from roundsman_sim.feed import gpsd_program
from roundsman_sim.receiver import Receiver, Truth
from roundsman_wire import envelopes
from roundsman_wire.channels import BY_NAME, parse_topic, topic
from roundsman_wire.frames import decode_header
from roundsman_wire.messages import Ack, BasedOn, EnvelopeHeader, Fence, Plan, PlanStop, Presence, Sites
from roundsman_wire.plain import decode_plain, encode_plain

VEHICLE: Final = "v_0123456789ab"
CENTRE: Final = LatLon(50.0, 10.0)
FENCES: Final = 1_000
TOWN_M: Final = 16_000.0
"""A thousand fences on sixteen by sixteen kilometres: one every 500 m, everywhere that a van goes in a day."""
STOPS: Final = 40
SPEED_MPS: Final = 10.0
LAP_S: Final = 300.0
"""A lap passes the same fences each time, and whoever measures for a lap measures the same as the one after."""
ROUND_M: Final = SPEED_MPS * LAP_S / math.tau
ROUND_AT_M: Final = (0.0, -1_500.0)
"""Among fences, and further than a turn from the next planned stop."""
STARTS_WITHIN_S: Final = 60.0


class Hub:
    """The least that a hub does for a van: follows its lanes by the contract's rules and acknowledges at the hub's own pace."""

    def __init__(self, login: BrokerLogin) -> None:
        self.entries = 0
        self.frames = 0
        self._through: dict[tuple[str, int], int] = {}
        self._pace = Pace()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(login.username, login.password)
        self._client.on_connect = lambda client, *_: client.subscribe("rm/1/+/+/up/#")
        self._client.on_message = self._on_message
        self._client.connect(login.host, login.port)
        self._client.loop_start()

    def steer(self, channel: str, data: bytes) -> None:
        """Publish a steering document."""
        row = BY_NAME[channel]
        self._client.publish(topic(VEHICLE, channel), data, qos=row.qos, retain=row.retained).wait_for_publish(10)

    def newest_session(self) -> str:
        """Of which an entry came last."""
        return next(reversed(self._through), ("", 0))[0]

    def holds(self, session: str, lane: int) -> int:
        """Through which number it has a lane."""
        return self._through.get((session, lane), 0)

    def close(self) -> None:
        """Go."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        channel = parse_topic(message.topic).channel.name
        if channel == "presence":
            presence: Presence = decode_plain("presence", bytes(message.payload))
            for ack in lanes.answer_presence(1, self._through, presence)[1]:
                self._say(ack)
            self._pace.forget(VEHICLE)
        elif channel in ("facts", "track"):
            header = decode_header(bytes(message.payload))
            key = header.session, header.lane
            through = self._through.get(key, 0)
            verdict = lanes.follow(through, header.first_seq, header.last_seq)
            if isinstance(verdict, lanes.Take):
                self.frames += 1
                self.entries += verdict.last - verdict.first + 1
                self._through[key] = through = verdict.last
            ack = Ack(epoch=1, session=header.session, lane=header.lane, through_seq=through, rewind=isinstance(verdict, lanes.Gap))
            entries = header.last_seq - header.first_seq + 1
            for due in self._pace.committed(VEHICLE, ack, 1, entries, time.monotonic()):
                self._say(due)
            for _, due in self._pace.overdue(time.monotonic()):
                self._say(due)

    def _say(self, ack: Ack) -> None:
        self._client.publish(topic(VEHICLE, "ack"), encode_plain(ack))


class Line:
    """A receiver on a pty that a real gpsd reads: one epoch a second of a van on its round through the town."""

    def __init__(self, directory: Path) -> None:
        program = gpsd_program()
        if program is None:
            raise SimError("gpsd is not installed; please install it: apt-get install gpsd")
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self._slave = slave
        self.port = free_port()
        self.epochs = 0
        self._end = threading.Event()
        arguments = ["-N", "-n", "-S", str(self.port), "-F", str(directory / "gpsd.sock"), os.ttyname(slave)]
        self._gpsd = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._thread = threading.Thread(target=self._speak, name="receiver")
        self._thread.start()

    def _speak(self) -> None:
        receiver, frame = Receiver(1), LocalFrame(CENTRE)
        begun_s = time.monotonic()
        while not self._end.wait(max(0.0, begun_s + self.epochs - time.monotonic())):
            angle = self.epochs * SPEED_MPS / ROUND_M
            place = frame.to_latlon(ROUND_AT_M[0] + ROUND_M * math.cos(angle), ROUND_AT_M[1] + ROUND_M * math.sin(angle))
            truth = Truth(utc_ms=round(time.time()) * 1000, position=place, speed_mps=SPEED_MPS, heading_deg=math.degrees(-angle) % 360.0)
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, receiver.listen(truth).sentences)
            self.epochs += 1

    def close(self) -> None:
        """Unplug it."""
        self._end.set()
        self._thread.join()
        self._gpsd.terminate()
        self._gpsd.wait()
        os.close(self._master)
        os.close(self._slave)


@dataclass(kw_only=True)
class Rig:
    """Broker, hub and receiver, and the settings of the unit between them."""

    directory: Path
    pki: Pki
    broker: broker.Broker
    hub: Hub
    line: Line
    unit_file: Path
    screen_port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def without_screen(self) -> Path:
        """The same settings, with no screen served."""
        text = self.unit_file.read_text().replace("[screen]\n", "[screen]\nenabled = false\n")
        file = self.unit_file.with_name("agent-alone.toml")
        file.write_text(text)
        return file

    def start(self, file: Path) -> subprocess.Popen[bytes]:
        """Start the unit."""
        process = subprocess.Popen([sys.executable, "-m", "roundsman_agent", "run", "-c", str(file)], stderr=subprocess.PIPE)
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End the unit in good order."""
        process.terminate()
        process.communicate(timeout=STARTS_WITHIN_S)
        self.processes.remove(process)

    def screen(self) -> httpx.Client:
        """A client of the unit's screen."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.screen_port}", trust_env=False, timeout=10)


@contextlib.contextmanager
def rig(directory: Path) -> Iterator[Rig]:
    """Build everything around a unit; take it down afterwards."""
    pki = open_pki(directory / "pki")
    doors = [Endpoint(host="127.0.0.1", port=free_port()) for _ in range(2)]
    made = broker.prepare(directory / "broker", pki, vans=doors[0], hub=doors[1])
    with broker.running(made), contextlib.ExitStack() as stack:
        hub = Hub(made.hub)
        stack.callback(hub.close)
        line = Line(directory)
        stack.callback(line.close)
        port = free_port()
        file = provision(
            pki,
            Unit(
                vehicle_id=VEHICLE,
                broker=made.vans,
                receiver_url=f"gpsd://127.0.0.1:{line.port}",
                screen=Endpoint(host="127.0.0.1", port=port),
                sampling="full",
            ),
            directory / "unit",
        )
        _steer(pki, hub)
        one = Rig(directory=directory, pki=pki, broker=made, hub=hub, line=line, unit_file=file, screen_port=port)
        try:
            yield one
        finally:
            for process in one.processes:
                process.kill()
                process.communicate()


def _steer(pki: Pki, hub: Hub) -> None:
    signer, rng = pki.signer(), random.Random(1)
    for kind, payload in (("sites", fences(rng)), ("plan", _plan(rng))):
        head = EnvelopeHeader(vehicle=VEHICLE, kind=kind, epoch=1, version=payload.version, key_id=signer.key_id)  # type: ignore[arg-type]
        hub.steer(kind, envelopes.seal(head, payload, signer.sign))


def fences(rng: random.Random) -> Sites:
    """A town's worth of standing areas: circles, polygons, and every fifth polygon with a hole."""
    frame = LocalFrame(CENTRE)
    made = []
    for number in range(FENCES):
        east, north = (rng.uniform(-TOWN_M / 2, TOWN_M / 2) for _ in range(2))
        radius_m = rng.uniform(15.0, 80.0)

        def ring(r_m: float, east: float = east, north: float = north) -> tuple[tuple[int, int], ...]:
            corners = (frame.to_latlon(east + r_m * math.cos(a), north + r_m * math.sin(a)) for a in (0, 1, 2, 3, 4, 5))
            return tuple((c.lat_e6, c.lon_e6) for c in corners)

        if number % 2:
            rings = (ring(radius_m), ring(radius_m / 3)) if number % 5 == 0 else (ring(radius_m),)
            made.append(Fence(fence=f"f{number}", name=f"area {number}", rings_e6=rings))
        else:
            at = frame.to_latlon(east, north)
            made.append(Fence(fence=f"f{number}", name=f"yard {number}", rings_e6=(((at.lat_e6, at.lon_e6),),), radius_m=radius_m))
    return Sites(version=1, fences=tuple(made))


def _plan(rng: random.Random) -> Plan:
    frame, now_ms = LocalFrame(CENTRE), round(time.time() * 1000)
    places = [frame.to_latlon(rng.uniform(-TOWN_M / 2, TOWN_M / 2), rng.uniform(-TOWN_M / 2, TOWN_M / 2)) for _ in range(STOPS)]
    stops = tuple(
        PlanStop(
            stop=f"o_{number}",
            tasks=(f"o_{number}",),
            kind="delivery",
            lat_e6=place.lat_e6,
            lon_e6=place.lon_e6,
            fence_radius_m=30,
            leg_s=240,
            leg_m=1_500,
            service_s=120,
            arrival_utc_ms=now_ms + 360_000 * (number + 1),
            window_start_utc_ms=now_ms,
            window_end_utc_ms=now_ms + 4 * 3_600_000,
            name=f"Customer {number}",
            address=f"{number} Long Street, Town",
        )
        for number, place in enumerate(places)
    )
    return Plan(
        plan="p1",
        vehicle=VEHICLE,
        version=1,
        issued_utc_ms=now_ms,
        based_on=BasedOn(session=None, facts_seq=0),
        stops=stops,
        reason="morning",
    )


class Watcher:
    """A screen that is looked at: reads the stream of events."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self.events = 0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(b"GET /api/events HTTP/1.1\r\nhost: unit\r\n\r\n")
        self._thread = threading.Thread(target=self._read, name="watcher")
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65_536):
                self.bytes += len(data)
                self.events += data.count(b"data: ")

    def close(self) -> None:
        """Look away."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


def until(condition: Callable[[], Any], what: str, within_s: float = STARTS_WITHIN_S) -> None:
    """Wait for something true.

    Raises
    ------
    SimError
        It did not come.
    """
    ends_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends_s:
            raise SimError(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)


def cpu_ns(pid: int) -> int:
    """CPU time that all threads of a process have used, those that ended included (the kernel's own count, in ns)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def written_bytes(pid: int) -> int:
    """What a process has caused to be written to disks."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))
