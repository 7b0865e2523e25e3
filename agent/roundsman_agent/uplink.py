"""The van's end of the log protocol: sends both lanes from the outbox in small windows, and releases only on the hub's ack.

The rules are `roundsman_core.lanes` (pure); here are the clock, the sockets and the disk. Nothing is published, and
nothing is kept for later, while there is no connection: the outbox is the only queue. Time here is real time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from roundsman_agent.config import Broker
from roundsman_agent.link import Link, LinkDown, Message
from roundsman_agent.outbox import Outbox
from roundsman_core import lanes
from roundsman_core.backoff import pause_s
from roundsman_core.lanes import MIN_WINDOW, SendLane
from roundsman_core.pacing import ACK_ENTRIES, ACK_WAIT_S, is_owed
from roundsman_wire import WireError
from roundsman_wire.messages import FACTS, LANE_NAMES, LANES, TRACK, Now, Presence, SessionId
from roundsman_wire.plain import decode_plain, encode_plain

log = logging.getLogger(__name__)

MOST_ENTRIES: Final = {FACTS: 64, TRACK: ACK_ENTRIES}
"""In a frame: four minutes at 1 Hz are under 3 kB, two packets of a mobile network."""
ACK_TIMEOUT_S: Final = 5.0
"""A hub under load commits within a second; on a mobile network a round trip may take two."""
LONGEST_BACKOFF_S: Final = 60.0
RETRY_PAUSE_S: Final = 0.2
"""Between two times of sending the same again because the hub asked: bounds what a confused pair can cost."""
REPEAT_S: Final = 0.5
RECONNECT_S: Final = (0.5, 3.0)
"""An outage that heals is over for the van within five seconds; a try without a network costs it next to nothing."""
NOW_S: Final = (1.0, 14.0)
"""Shortest and usual time between two live markers far from stops, so also how long the unit may sleep there (`calm`). A marker
is about 250 bytes on the wire, and a waking costs what fifty fixes' work does; in that time a van in town moves 140 m, seven pixels on
a map of the town, whose page says how old each place is. Longer ones would need heartbeats of their own to keep the link, and more of
the track would go with a power cut. Near a stop, and wherever the hub asks for it (`now_interval_s`), they come more often."""
NOW_JITTER_S: Final = 0.2
"""A marker leaves in the turn of a fix, and a receiver's second is not this loop's."""
STEADY_S: Final = 10.0
"""A connection that lasted so long was a good one: the next attempt comes at once."""


@dataclass(slots=True)
class Flight:
    """What is under way of one lane."""

    state: SendLane
    frames: deque[int] = field(default_factory=deque)
    """Last number of each frame that is not acknowledged."""
    waits_since_s: float = 0.0
    """For the next ack."""
    not_before_s: float = 0.0

    def forget(self) -> None:
        self.frames.clear()


class Uplink:
    """Keeps a connection while there is a way, and the log moving over it.

    Parameters
    ----------
    outbox : Outbox
        The log.
    store : Executor
        Where the outbox is read: the disk may be slow, the loop must not be.
    presence : callable
        What to say of this van on each connection.
    now : callable
        The newest position, for the live marker; None: there is none to tell (off shift).
    on_document : callable
        Called with (channel, bytes) of plan, sites, config and command; awaited, in order.
    on_link : callable
        Called when the link comes up or goes down, with the reason.
    now_interval_s : float
        Real seconds between two live markers, at least.
    """

    def __init__(
        self,
        broker: Broker,
        vehicle: str,
        *,
        outbox: Outbox,
        store: Executor,
        presence: Callable[[], Presence],
        now: Callable[[], Now | None],
        on_document: Callable[[str, bytes], Awaitable[None]],
        on_link: Callable[[bool, str], None],
        now_interval_s: float = NOW_S[0],
    ) -> None:
        self._broker, self._vehicle = broker, vehicle
        self._outbox, self._store = outbox, store
        self._presence, self._now, self._on_document, self._on_link = presence, now, on_document, on_link
        self._flights: dict[tuple[SessionId, int], Flight] = {(x.session, x.lane): Flight(x) for x in outbox.lanes()}
        self._wake = asyncio.Event()
        self._presence_due_s = float("inf")
        self._link: Link | None = None
        self._now_sent_s = float("-inf")
        self.now_interval_s = now_interval_s
        self.resting = False
        """Nothing more will be logged soon: the last acks are not waited for, but asked for."""
        self.frames_sent = 0
        self._bytes_before = 0
        self.bad_messages = 0

    @property
    def bytes_sent(self) -> int:
        """Of messages, on all connections; what TLS and TCP add is not counted."""
        return self._bytes_before + (0 if self._link is None else self._link.bytes_sent)

    def grown(self, facts_last: int, track_last: int) -> None:
        """The outbox has committed this session's lanes through these numbers."""
        for lane, last in ((FACTS, facts_last), (TRACK, track_last)):
            flight = self._flights[self._outbox.session, lane]
            flight.state = lanes.committed(flight.state, last)
        self._wake.set()

    def moved(self, within_s: float = math.inf) -> None:
        """There is a newer position than the one that was told. When it is time, it is told now, in the turn of the fix.

        `within_s`: what happens here is told so soon (`calm`).
        """
        link = self._link
        if link is None:
            return
        now_s = time.monotonic()
        if now_s - self._now_sent_s >= min(self.now_interval_s, within_s) - NOW_JITTER_S:
            now = self._now()
            if now is not None and link.publish("now", encode_plain(now)):
                self._now_sent_s = now_s

    def repeat_presence(self) -> None:
        """Tell the hub soon what is believed here. Not at once: its other acks of the same answer are still on their way."""
        self._presence_due_s = min(self._presence_due_s, time.monotonic() + REPEAT_S)
        self._wake.set()

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        attempt = 0
        last_reason = ""
        while True:
            link = Link(self._broker, self._vehicle, encode_plain(Presence(online=False)))
            began_s = time.monotonic()
            goodbye = None
            try:
                await link.open()
                self._on_link(True, "")
                await self._serve(link)
            except LinkDown as why:
                if str(why) != last_reason:
                    log.warning("no link to the hub: %s", why)
                last_reason = str(why)
                self._on_link(False, str(why))
            except asyncio.CancelledError:
                goodbye = encode_plain(Presence(online=False))
                raise
            finally:
                self._bytes_before += link.bytes_sent
                await link.close(goodbye)
            attempt = 0 if time.monotonic() - began_s > STEADY_S else attempt + 1
            # Jitter, because after an outage all vans come at once.
            await asyncio.sleep(pause_s(attempt + 1, *RECONNECT_S, random.random()))

    # ── one connection ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self, link: Link) -> None:
        self._flights = {(x.session, x.lane): Flight(lanes.reconnected(x)) for x in self._outbox.lanes()}
        self._say_presence(link)
        listener = asyncio.create_task(self._listen(link))
        listener.add_done_callback(lambda _: self._wake.set())
        self._link = link
        try:
            while not listener.done():
                self._wake.clear()
                await self._send(link)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._until_next()):
                        await self._wake.wait()
                if time.monotonic() >= self._presence_due_s:
                    self._say_presence(link)
            await listener
        finally:
            self._link = None
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    def _say_presence(self, link: Link) -> None:
        link.publish("presence", encode_plain(self._presence()))
        self._presence_due_s = time.monotonic() + lanes.PRESENCE_EVERY_S * random.uniform(0.8, 1.0)

    async def _listen(self, link: Link) -> None:
        while True:
            message = await link.next()
            if message.channel == "ack":
                self._acknowledged(message)
            else:
                await self._on_document(message.channel, message.payload)

    def _acknowledged(self, message: Message) -> None:
        try:
            ack = decode_plain("ack", message.payload)
        except WireError:
            self.bad_messages += 1
            return
        flight = self._flights.get((ack.session, ack.lane))
        if flight is None or not self._outbox.keeps(ack.session):
            return
        before, epoch_before = flight.state, self._outbox.epoch
        flight.state, epoch = lanes.acked(before, epoch_before, ack)
        self._outbox.release(ack.session, ack.lane, flight.state.acked, epoch)
        now_s = time.monotonic()
        while flight.frames and flight.frames[0] <= flight.state.acked:
            flight.frames.popleft()
        if flight.state.sent < before.sent:
            flight.forget()
            flight.not_before_s = now_s + RETRY_PAUSE_S
        elif before.stalls and not flight.frames:
            flight.not_before_s = min(flight.not_before_s, now_s + RETRY_PAUSE_S)
        if flight.state.acked > before.acked:
            flight.waits_since_s = now_s
        if epoch > epoch_before and epoch_before:
            self.repeat_presence()
        # With nothing under way any more, the alarm for its ack would wake the whole program later, for nothing.
        if not flight.frames or any(x.state.sent < x.state.last for x in self._flights.values()):
            self._wake.set()

    async def _send(self, link: Link) -> None:
        """Facts before fixes, older sessions before newer; a lane that is stuck does not hold up those behind it.

        Sent is enough for the next session to follow: the hub may hold back the ack of an old session's last fixes.
        """
        for lane in LANES:
            for flight in [flight for (_, number), flight in self._flights.items() if number == lane]:
                self._give_up_waiting(flight)
                await self._send_lane(link, flight)
                if flight.state.sent < flight.state.last and not flight.state.stalls:
                    break

    async def _send_lane(self, link: Link, flight: Flight) -> None:
        while time.monotonic() >= flight.not_before_s:
            state = flight.state
            wanted = lanes.next_range(state, MOST_ENTRIES[state.lane], len(flight.frames))
            if wanted is None:
                return
            asked = state.session, state.lane, *wanted
            found = self._outbox.fresh_frame(*asked)
            if found is None:
                found = await asyncio.get_running_loop().run_in_executor(self._store, self._outbox.frame, *asked)
                if flight.state.sent != state.sent:
                    continue  # an ack moved the lane while the disk was read
            data, through = found
            if not link.publish(LANE_NAMES[state.lane], data):
                return
            self.frames_sent += 1
            if not flight.frames:
                flight.waits_since_s = time.monotonic()
            flight.state = lanes.sent(flight.state, through)
            flight.frames.append(through)

    def _give_up_waiting(self, flight: Flight) -> None:
        now_s = time.monotonic()
        if not flight.frames or now_s < self._patient_until_s(flight):
            return
        backoff_s = pause_s(flight.state.stalls + 1, ACK_TIMEOUT_S, LONGEST_BACKOFF_S, random.random())
        flight.state = lanes.no_progress(flight.state)
        flight.forget()
        # The first time at once: most often a single ack was lost.
        flight.not_before_s = now_s if flight.state.stalls == 1 else now_s + backoff_s

    def _patient_until_s(self, flight: Flight) -> float:
        """Fixes that are not owed an ack yet wait longer. Who rests, or is not sure of the hub, sends again: that is answered."""
        state = flight.state
        owed = state.lane == FACTS or state.window == MIN_WINDOW or is_owed(len(flight.frames), state.sent - state.acked)
        return flight.waits_since_s + ACK_TIMEOUT_S + (0.0 if owed or self.resting else ACK_WAIT_S)

    def _until_next(self) -> float:
        """Seconds until something is due without a wake."""
        now_s = time.monotonic()
        due = [self._presence_due_s]
        for flight in self._flights.values():
            if flight.frames:
                due.append(self._patient_until_s(flight))
            elif flight.state.sent < flight.state.last:
                due.append(flight.not_before_s)
        return max(0.01, min(due) - now_s)
