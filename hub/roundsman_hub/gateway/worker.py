"""The gateway at work: a server for devices, and a thread that hands what they said to ingest's `take`."""

from __future__ import annotations

import logging
import random
import threading
from typing import Final

import uvicorn

from roundsman_core.backoff import pause_s
from roundsman_hub import HubError
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.gateway.door import Devices, Door
from roundsman_hub.gateway.spool import Spool, Waiting
from roundsman_hub.ingest.take import LogFrame, Taken, take
from roundsman_hub.settings import Settings
from roundsman_hub.store.db import AWAY, Cursor, Database, Notice, is_away, notify
from roundsman_hub.store.log_store import LostRace
from roundsman_hub.store.rows import Row, rows
from roundsman_wire import channels
from roundsman_wire.frames import decode_header
from roundsman_wire.messages import LANE_NAMES

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 0.5
BACKOFF_S: Final = (0.5, 30.0)
ENDS_WITHIN_S: Final = 2

DEVICES: Final = """
SELECT d.token_sha256, d.kind, d.unique_id, v.vehicle_id, v.driver_id, v.shift_start, v.shift_end
FROM devices d JOIN vehicles v USING (vehicle_id) WHERE v.retired_at IS NULL
"""


class Sender:
    """Brings the spool to the database, and the devices' registrations to the door."""

    def __init__(self, db: Database, spool: Spool, devices: Devices, clock: Clock) -> None:
        self._db, self._spool, self._devices, self._clock = db, spool, devices, clock

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; while the database is away, the spool keeps what comes."""
        failures = 0
        while not stop.is_set():
            try:
                self.step()
                failures = 0
                stop.wait(LOOKS_EVERY_S)
            except LostRace:
                continue
            except AWAY as error:
                if not is_away(error):
                    raise
                if not failures:
                    log.warning("the database is away: devices' words wait on disk (%s)", str(error).strip())
                failures += 1
                stop.wait(pause_s(failures, *BACKOFF_S, random.random()))

    def step(self) -> None:
        """Read the registrations, end shifts that are over, send all that waits."""
        with self._db.transaction() as cur:
            found = rows(cur, DEVICES)
        self._devices.known = {device["token_sha256"]: device for device in found}
        self._end_shifts({device["vehicle_id"]: device for device in found})
        while waiting := self._spool.waiting():
            with self._db.transaction() as cur:
                taken = self._take(cur, waiting)
            self._spool.taken([ack for _, ack in taken.acks])
            if not taken.acks:  # of a vehicle that the hub does not know any more
                return

    def _take(self, cur: Cursor, waiting: list[Waiting]) -> Taken:
        frames = [
            LogFrame(
                topic=channels.topic(frame.vehicle, LANE_NAMES[frame.lane]),
                vehicle=frame.vehicle,
                header=decode_header(frame.data),
                data=frame.data,
            )
            for frame in waiting
        ]
        taken = take(cur, frames, self._clock)
        notify(cur, *(Notice(topic="log", fleet_id=fleet, subject=vehicle) for vehicle, fleet in sorted(taken.new_facts.items())))
        return taken

    def _end_shifts(self, devices: dict[str, Row]) -> None:
        now_ms = self._clock.utc_ms()
        for vehicle in self._spool.on_shift():
            device = devices.get(vehicle)
            ends_ms = now_ms if device is None else to_ms(device["shift_end"])
            if ends_ms <= now_ms:
                self._spool.end_shift(vehicle, ends_ms)
                log.info("shift of %s ended at %s", vehicle, from_ms(ends_ms))


def run(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    """Serve devices until `stop`.

    Raises
    ------
    HubError
        The port cannot be had.
    """
    assert settings.gateway is not None
    spool, devices = Spool(settings.data_dir / "gateway" / "spool.db", clock.utc_ms), Devices()
    with Database.connect(settings.database_url, max_size=2) as db:
        sending = threading.Thread(target=Sender(db, spool, devices, clock).run, args=(stop,), name="sender")
        server = uvicorn.Server(
            uvicorn.Config(
                Door(devices, spool, clock).application(),
                host=settings.gateway.host,
                port=settings.gateway.port,
                log_level="warning",
                access_log=False,  # an address line would hold a token, and a place
                timeout_graceful_shutdown=ENDS_WITHIN_S,
            )
        )
        sending.start()
        try:
            threading.Thread(target=_end, args=(server, stop), name="end", daemon=True).start()
            server.run()
        finally:
            stop.set()
            sending.join()
            spool.close()
        if not server.started:
            raise HubError(f"the gateway did not start on {settings.gateway}")


def _end(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True
