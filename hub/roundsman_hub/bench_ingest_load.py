"""The vans of `make bench-ingest`: one program that publishes frames made beforehand, over one connection, by the log protocol's rules.

Reads one JSON command a line on stdin and answers each with one JSON line: `copy` writes the rows as `\\copy` wants them, `flood` sends
everything as fast as it is acknowledged, `pace` sends at a rate, says when all is sent, and tells when each frame left. Both listen for
acks until the next line, which says that it is enough: whoever commands knows when all is stored.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from roundsman_core.lanes import MAX_WINDOW
from roundsman_hub.bench_ingest_lines import packet, text
from roundsman_hub.ingest import rows
from roundsman_hub.ingest.packets import publish, split
from roundsman_wire import frames
from roundsman_wire.channels import parse_topic, topic
from roundsman_wire.messages import TRACK, Ack, FixRow

STALLED_S: Final = 3.0
"""Without any ack: send again from what is acknowledged."""
AHEAD_BYTES: Final = 100_000
"""Handed to the socket at once."""
ROWS_A_COPY: Final = 2_000


@dataclass(slots=True)
class Lane:
    """One van's track lane."""

    vehicle: str
    session: str
    packets: list[bytes]
    sent: int = 0
    acked: int = 0
    """Frames, not fixes."""
    queued: bool = False


class Load:
    """Vans `first` to before `first + vans`, each with `frames` frames of `per` fixes."""

    def __init__(self, port: int, *, vans: int, first: int, count: int, per: int) -> None:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._base_ms = int(midnight.timestamp() * 1000)
        self._per = per
        self._lanes = {f"v_{number:012x}": self._lane(number, count) for number in range(first, first + vans)}
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(packet(0x10, text("MQTT") + b"\x05\x02" + struct.pack(">HB", 0, 0) + text(f"load-{first}-{per}")))
        self._socket.recv(1_000)
        self._socket.sendall(packet(0x82, b"\x00\x01\x00" + text("rm/1/+/+/down/ack") + b"\x00"))
        self._socket.recv(1_000)
        self._socket.setblocking(False)
        self._rest = b""
        self._enough = False
        self._acks = msgspec.json.Decoder(Ack)
        self._out = bytearray()

    def _lane(self, number: int, count: int) -> Lane:
        vehicle, session = f"v_{number:012x}", f"{number:016x}"
        packets = []
        for frame in range(count):
            first, last = frame * self._per + 1, (frame + 1) * self._per
            fixes = [self._fix(number, seq) for seq in range(first, last + 1)]
            data = frames.encode_frame(session, TRACK, first, last, frames.pack_rows(fixes))
            packets.append(publish(topic(vehicle, "track"), data))
        return Lane(vehicle, session, packets)

    def _fix(self, number: int, seq: int) -> FixRow:
        """A van that drives a slow zigzag; every field known, as on a road."""
        across = abs(seq % 20_000 - 10_000)
        return FixRow(
            mono_ms=1000 * seq,
            utc_ms=self._base_ms + 1000 * seq + number,
            lat_e6=47_000_000 + number * 1_000 + 90 * across,
            lon_e6=9_500_000 - 30 * across,
            speed_cm_s=1_000 + seq % 7,
            heading_cdeg=150 * (seq % 240),
            accuracy_dm=15,
            satellites=9,
        )

    def copy(self, path: str) -> dict[str, Any]:
        """The rows of all frames, in the order in which `flood` sends them, as one binary COPY file."""
        lanes = list(self._lanes.values())
        with Path(path).open("wb") as file:
            file.write(rows.COPY_HEAD)
            order = [(number, lane.packets[at]) for at in range(len(lanes[0].packets)) for number, lane in enumerate(lanes, 1)]
            for start in range(0, len(order), ROWS_A_COPY):
                some = order[start : start + ROWS_A_COPY]
                found = [split(data)[0][0] for _, data in some]
                fixes, _ = rows.unpack([(frames.decode_header(message.payload), message.payload) for message in found])
                vehicles = [parse_topic(message.topic).vehicle for message in found]
                file.write(rows.copy_bytes(fixes, vehicles, [number for number, _ in some], timed=True))
            file.write(rows.COPY_TAIL)
        return {"fixes": len(order) * self._per}

    def flood(self) -> dict[str, Any]:
        """Send all, at most `MAX_WINDOW` frames of each van unacknowledged, until told that it is enough."""
        while self._turn(0.5):  # acks of the round before, which would count for this one
            pass
        for lane in self._lanes.values():
            lane.sent, lane.acked, lane.queued = 0, 0, True
        ready = deque(self._lanes.values())
        fixes = sum(len(lane.packets) for lane in self._lanes.values()) * self._per
        began = moved = time.monotonic()
        resent = 0
        while not self._enough:
            while ready and len(self._out) < AHEAD_BYTES:
                lane = ready.popleft()
                lane.queued = False
                if lane.sent < min(lane.acked + MAX_WINDOW, len(lane.packets)):
                    self._out += lane.packets[lane.sent]
                    lane.sent += 1
                    lane.queued = True
                    ready.append(lane)
            for lane, rewound in self._turn(1.0):
                moved = time.monotonic()
                resent += rewound
                if lane.acked < len(lane.packets) and not lane.queued:
                    lane.queued = True
                    ready.append(lane)
            if time.monotonic() - moved > STALLED_S:
                moved = time.monotonic()
                for lane in self._lanes.values():
                    resent += lane.sent - lane.acked
                    lane.sent, lane.queued = lane.acked, lane.acked < len(lane.packets)
                ready = deque(lane for lane in self._lanes.values() if lane.queued)
        return {"fixes": fixes, "began": began, "resent_frames": resent}

    def pace(self, frames_s: float, seconds: float) -> dict[str, Any]:
        """Send `frames_s` frames a second, the vans in turn, and go on listening until told that it is enough.

        Gives when each frame of each session left.
        """
        turn = deque(self._lanes.values())
        left: dict[str, list[float]] = {lane.session: [] for lane in turn}
        for lane in turn:
            lane.sent = lane.acked = 0
        began, sent, resent = time.monotonic(), 0, 0
        wanted = int(frames_s * seconds)
        while not self._enough:
            now = time.monotonic()
            due = min(int((now - began) * frames_s) + 1, wanted)
            while sent < due:
                lane = turn[0]
                turn.rotate(-1)
                if lane.sent == len(lane.packets):
                    raise SystemExit("too few frames were made for this pace")
                left[lane.session].append(now)
                self._out += lane.packets[lane.sent]
                lane.sent += 1
                sent += 1
            if sent == wanted:
                self.say({"sent": {session: len(instants) * self._per for session, instants in left.items() if instants}})
                wanted += 1  # said once; `frames_s` of nothing is not due
                frames_s = 0.0
            pause = 0.2 if frames_s == 0.0 else max(0.0, began + sent / frames_s - time.monotonic())
            for lane, rewound in self._turn(min(pause, 0.2)):
                if rewound:
                    resent += rewound
                    self._out += b"".join(lane.packets[lane.acked : lane.acked + rewound])
                    lane.sent = lane.acked + rewound
        return {"left": left, "resent_frames": resent}

    def obey(self, what: str, arguments: dict[str, Any]) -> None:
        """One command, and its answer."""
        self._enough = False
        self.say(getattr(self, what)(**arguments))

    @staticmethod
    def say(answer: dict[str, Any]) -> None:
        """One line to who commands."""
        print(json.dumps(answer), flush=True)

    def _turn(self, wait_s: float) -> list[tuple[Lane, int]]:
        """Write what is to be written, read what came: lanes whose ack moved, and how many frames a `rewind` asks for again."""
        readable, writable, _ = select.select([self._socket, sys.stdin], [self._socket] if self._out else [], [], wait_s)
        if writable:
            del self._out[: self._socket.send(self._out)]
        if sys.stdin in readable:
            sys.stdin.readline()
            self._enough = True
        moved: dict[str, tuple[Lane, int]] = {}
        if self._socket in readable:
            data = self._socket.recv(262_144)
            if not data:
                raise SystemExit("the broker ended the connection")
            heard, _, self._rest = split(self._rest + data)
            for message in heard:
                vehicle = message.topic.split("/", 4)[3]
                lane = self._lanes.get(vehicle)
                if lane is None:
                    continue
                ack = self._acks.decode(message.payload)
                lane.acked = max(lane.acked, ack.through_seq // self._per)
                rewound = moved.get(vehicle, (lane, 0))[1]
                if ack.rewind:
                    rewound = lane.sent - lane.acked
                    lane.sent = lane.acked
                moved[vehicle] = lane, rewound
        return list(moved.values())


def main() -> None:
    """Make the frames that argv tells, then obey."""
    options = json.loads(sys.argv[1])
    load = Load(options["port"], vans=options["vans"], first=options["first"], count=options["frames"], per=options["per"])
    load.say({"ready": True})
    while line := sys.stdin.readline():  # no iteration: it would read ahead of `select`
        command = json.loads(line)
        load.obey(command.pop("do"), command)


if __name__ == "__main__":
    main()
