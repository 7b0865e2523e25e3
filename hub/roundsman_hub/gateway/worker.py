"""The gateway at work: a server for devices, and a thread that hands what they said to ingest's `take`."""

from __future__ import annotations

import logging
import random
import threading
from pathlib import Path
from typing import Final

import uvicorn

from roundsman_core.backoff import pause_s
from roundsman_hub import HubError
from roundsman_hub.broker import phones_file
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.gateway import phones
from roundsman_hub.gateway.door import Devices, Door
from roundsman_hub.gateway.spool import Spool, Waiting
from roundsman_hub.ingest.said import hear_now
from roundsman_hub.ingest.take import LogFrame, Taken, take
from roundsman_hub.settings import Settings
from roundsman_hub.store.db import AWAY, Cursor, Database, Notice, is_away, notify
from roundsman_hub.store.log_store import LostRace
from roundsman_hub.store.now_store import set_online
from roundsman_hub.store.rows import Row, rows
from roundsman_wire import channels
from roundsman_wire.frames import decode_header, decode_rows
from roundsman_wire.messages import LANE_NAMES, TRACK, Now

log = logging.getLogger(__name__)

LOOKS_EVERY_S: Final = 0.5
BACKOFF_S: Final = (0.5, 30.0)
ENDS_WITHIN_S: Final = 2

DEVICES: Final = """
SELECT d.token_sha256, d.kind, d.unique_id, d.broker_password, v.vehicle_id, v.fleet_id, v.driver_id, v.shift_start, v.shift_end
FROM devices d JOIN vehicles v USING (vehicle_id) WHERE v.retired_at IS NULL
"""


class Sender:
    """Brings the spool to the database, and the devices' registrations to the door."""

    def __init__(self, db: Database, spool: Spool, devices: Devices, clock: Clock, passwords: Path | None = None) -> None:
        self._db, self._spool, self._devices, self._clock, self._passwords = db, spool, devices, clock, passwords

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
        self._devices.take(found)
        if self._passwords is not None and self._devices.listening:
            phones.write_passwords(self._passwords, found)
        vehicles = {device["vehicle_id"]: device for device in found}
        self._end_shifts(vehicles)
        while waiting := self._spool.waiting():
            with self._db.transaction() as cur:
                taken = self._take(cur, waiting)
                self._mark(cur, waiting, vehicles)
            self._spool.taken([ack for _, ack in taken.acks])
            if not taken.acks:  # of a vehicle that the hub does not know any more
                break
        self._tell_lost(vehicles)

    def _tell_lost(self, vehicles: dict[str, Row]) -> None:
        """Links that were lost; one that came back meanwhile is none (see `Phones`)."""
        for vehicle in list(self._devices.lost):
            device = vehicles.get(vehicle)
            if device is not None:
                with self._db.transaction() as cur:
                    if set_online(cur, vehicle, device["fleet_id"], online=False, at_real=self._clock.real_now()):
                        notify(cur, Notice(topic="vehicle", fleet_id=device["fleet_id"], subject=vehicle))
            self._devices.lost.discard(vehicle)

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

    def _mark(self, cur: Cursor, waiting: list[Waiting], vehicles: dict[str, Row]) -> None:
        """Move the live markers: a device says nothing of itself but its positions, so the newest of those is its marker."""
        newest: dict[str, Now] = {}
        for frame in waiting:
            marker = _marker(frame.data) if frame.lane == TRACK and frame.vehicle in vehicles else None
            before = newest.get(frame.vehicle)
            if marker is not None and (before is None or (before.utc_ms or 0) < (marker.utc_ms or 0)):
                newest[frame.vehicle] = marker
        if newest:
            moved = hear_now(cur, [(vehicle, vehicles[vehicle]["fleet_id"], now) for vehicle, now in newest.items()], self._clock)
            notify(cur, *(Notice(topic="vehicle", fleet_id=fleet, subject=vehicle) for vehicle, fleet in moved))

    def _end_shifts(self, devices: dict[str, Row]) -> None:
        now_ms = self._clock.utc_ms()
        for vehicle in self._spool.on_shift():
            device = devices.get(vehicle)
            ends_ms = now_ms if device is None else to_ms(device["shift_end"])
            if ends_ms <= now_ms:
                self._spool.end_shift(vehicle, ends_ms)
                if device is not None:
                    with self._db.transaction() as cur:
                        set_online(cur, vehicle, device["fleet_id"], online=False, at_real=self._clock.real_now())
                log.info("shift of %s ended at %s", vehicle, from_ms(ends_ms))


def _marker(frame: bytes) -> Now | None:
    """The newest position of a frame of the track lane; None: it only says what is gone."""
    header = decode_header(frame)
    held = decode_rows(header, frame)
    if not held:
        return None
    newest = held[-1]
    return Now(
        session=header.session,
        order=header.last_seq,
        mono_ms=newest.mono_ms,
        utc_ms=newest.utc_ms,
        lat_e6=newest.lat_e6,
        lon_e6=newest.lon_e6,
        speed_cm_s=newest.speed_cm_s,
        heading_cdeg=newest.heading_cdeg,
    )


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
        passwords = phones_file(settings.data_dir / "broker") if settings.phones is not None else None
        sending = threading.Thread(target=Sender(db, spool, devices, clock, passwords).run, args=(stop,), name="sender")
        if settings.phones is not None:
            hearing = threading.Thread(target=phones.Phones(settings.hub_broker, devices, spool, clock).run, args=(stop,), name="phones")
            hearing.start()
        else:
            hearing = None
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
            if hearing is not None:
                hearing.join()
            spool.close()
        if not server.started:
            raise HubError(f"the gateway did not start on {settings.gateway}")


def _end(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True
