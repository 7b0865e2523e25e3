"""Off shift no position is collected: not kept, not logged, not told, not even heard."""

from __future__ import annotations

import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from roundsman_wire.messages import Command, Duty, Note

LAT_MIN, LON_MIN = "10.24680", "56.13579"
PLACES_E6 = (60_170_780, 24_935_597)
"""The same in whole millionths: as the log keeps it."""
DEGREES = rb"(?<!\d)(?:60(?:\.170|170\d{3})|24(?:\.935|935\d{3}))"
"""The same in degrees or in digits, to a tenth of a kilometre, at the beginning of a number: within one, four such digits are also in many
an instant's milliseconds, in sessions and in ports."""


class Receiver:
    """Says where it is ten times a second to whoever listens, and counts who came."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(0.05)
        self.url = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self.listeners = self.heard = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        epoch = int(time.time())
        while not self._end.is_set():
            try:
                line, _ = self._door.accept()
            except TimeoutError:
                continue
            self.listeners += 1
            with line:
                try:
                    while not self._end.wait(0.1):
                        epoch += 1
                        line.sendall(_sentence(epoch))
                        self.heard += 1
                except OSError:
                    self.listeners -= 1

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._door.close()


def _sentence(epoch: int) -> bytes:
    at = time.gmtime(epoch)
    body = f"GPRMC,{time.strftime('%H%M%S', at)}.00,A,60{LAT_MIN},N,024{LON_MIN},E,0.0,,{time.strftime('%d%m%y', at)},,,A"
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def stall() -> Iterator[Callable[[Any], threading.Event]]:
    """Make an agent's disk wait, until the event is set or the test ends."""
    events: list[threading.Event] = []

    def begin(daemon: Any) -> threading.Event:
        events.append(threading.Event())
        daemon._store.submit(events[-1].wait)
        return events[-1]

    yield begin
    for event in events:
        event.set()


def traces(folder: Path, said: str) -> list[str]:
    """Where the receiver's place can be found, in any form in which this agent writes one."""
    forms = [DEGREES, *(re.escape(minutes.encode()) for minutes in (LAT_MIN, LON_MIN))]
    forms += [re.escape(struct.pack(order + "i", place)) for place in PLACES_E6 for order in "<>"]
    texts = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} | {"log": said.encode()}
    return [f"{name}: {form!r}" for name, text in texts.items() for form in forms if re.search(form, text)]


def test_a_place_is_found_in_every_form_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    """A machine whose clock, ports or sessions happen to have the place's digits in them has told of no place."""
    for number, text in enumerate(
        (b'"lat_e6":60170780', b"at 60.1708", b"[24.93560]", b"GPRMC,6010.24680", struct.pack("<i", PLACES_E6[1]))
    ):
        (tmp_path / f"told{number}").write_bytes(text)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "log.db").write_bytes(b'{"utc_ms":1796017024935,"mono_ms":60170} a60179f 127.0.0.1:42493')
    assert sorted(found.split(":")[0] for found in traces(tmp_path, "no place")) == [f"told{number}" for number in range(5)]


def test_off_shift_nothing_is_heard_kept_told_or_logged(
    start: Any, wait: Any, hub: Any, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Invariant 10: no location is collected while a driver is off shift, on the device and not by a filter at the hub."""
    caplog.set_level(logging.DEBUG)
    van = start(receiver_url=receiver.url)
    locate = Command(command="c1", verb="locate")
    van.give("command", hub.seal(locate, kind="command", version=1))
    (answer,) = (note for note in van.facts("note") if isinstance(note, Note))
    assert answer.text == "refused: off shift, no position is collected"
    wait(lambda: van.facts("health"), "it has told how it is")
    daemon = van.daemon
    assert (receiver.listeners, receiver.heard) == (0, 0)
    assert daemon.unit.receiver == "resting: off shift"
    assert daemon.now() is None
    assert daemon.outbox.backlog()[1] == 0
    assert daemon.unit.presence().sessions
    van.stop()
    assert traces(tmp_path, caplog.text) == []


def test_the_receiver_is_let_go_when_the_shift_ends(start: Any, wait: Any, receiver: Receiver) -> None:
    van = start(receiver_url=receiver.url)
    van.post("/api/duty", {"duty": "on"})
    wait(lambda: van.daemon.unit.position, "a first fix")
    assert receiver.listeners == 1
    van.post("/api/duty", {"duty": "off"})
    wait(lambda: receiver.listeners == 0, "nobody listens any more")
    assert van.daemon.unit.position is None
    assert van.daemon.now() is None
    assert "position" not in van.screen() or van.screen()["position"] is None
    van.post("/api/duty", {"duty": "on"})
    wait(lambda: van.daemon.unit.position, "the next shift's first fix")
    van.post("/api/duty", {"duty": "off"})
    van.stop()


def test_the_shift_ends_with_the_tap_however_slow_the_disk_is(start: Any, wait: Any, receiver: Receiver, stall: Any) -> None:
    """A fix that comes in while the shift's end is being written is not the employer's any more."""
    van = start(receiver_url=receiver.url)
    van.post("/api/duty", {"duty": "on"})
    wait(lambda: van.daemon.unit.position, "a first fix")
    free = stall(van.daemon)
    tapping = threading.Thread(target=van.post, args=("/api/duty", {"duty": "off"}))
    tapping.start()
    wait(lambda: van.daemon.unit._ending, "the end is being written")
    at_the_end, heard = van.daemon.unit.pipeline.accepted, receiver.heard
    wait(lambda: receiver.heard >= heard + 5, "the receiver speaks on")
    assert van.daemon.unit.pipeline.accepted == at_the_end
    free.set()
    tapping.join()
    (ended,) = (duty for duty in van.facts("duty") if isinstance(duty, Duty) and duty.duty == "off")
    wait(lambda: receiver.listeners == 0, "nobody listens any more")
    assert van.daemon.unit.pipeline.accepted == at_the_end
    assert ended.mono_ms > 0
    van.stop()
