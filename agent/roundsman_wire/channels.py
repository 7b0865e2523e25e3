"""One table of channels: direction, QoS, retained, content. Builds and parses topics `rm/1/{shard}/{vehicle}/{up|down}/{channel}`."""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal, NamedTuple

import msgspec

from roundsman_wire import WireError
from roundsman_wire.messages import Ack, Command, Config, Now, Plan, Presence, Sites

Direction = Literal["up", "down"]
UP: Final = "up"
DOWN: Final = "down"
SHARDS: Final = 64
"""Fixed for ever: shards are how ingest spreads over workers, and a topic names its shard."""


class Channel(NamedTuple):
    """One row of the table. `content` is the struct, or the name of the binary form (`frames.py`, `envelopes.py`)."""

    name: str
    direction: Direction
    qos: Literal[0, 1]
    retained: bool
    content: type[msgspec.Struct] | Literal["frame"]
    envelope: bool
    meaning: str


# Why the lanes are QoS 0. The hub's ack after COMMIT is the guarantee; a broker's would add none: a reader that stood still while 60,000
# frames of 176 B came lost, at mosquitto 2.0.11 with a queue of 20,000, everything after the 39,993rd at QoS 0 (20,000 in the queue, the
# rest in the socket), and at QoS 1 everything between the 20,020th and what came once its queue moved again: 26,771 arrived, with holes,
# though each had its PUBACK, and the broker needed five times the time. At QoS 0 what arrives has no hole but its end: the hub stores it,
# and one `rewind` asks for the rest.
CHANNELS: Final = (
    #       name        dir   qos retained content   envelope meaning
    Channel("facts", UP, 0, False, "frame", False, "the log's lane of visits, crossings, actions, receipts, health; acked after COMMIT"),
    Channel("track", UP, 0, False, "frame", False, "the log's lane of fixes, packed rows; acked after COMMIT"),
    Channel("now", UP, 0, False, Now, False, "newest position, speed, next stop, backlog: the live marker, never stored as track"),
    Channel("presence", UP, 1, True, Presence, False, "online or offline (last will), the sessions it keeps, what it believes acked"),
    Channel("ack", DOWN, 0, False, Ack, False, "what the hub has committed of a lane"),
    Channel("plan", DOWN, 1, True, Plan, True, "the whole current plan; after a restore a roll call behind it, not retained"),
    Channel("sites", DOWN, 1, True, Sites, True, "standing fences within the van's reach"),
    Channel("config", DOWN, 1, True, Config, True, "sampling, thresholds, keys, the newest row format the van may send"),
    Channel("command", DOWN, 1, False, Command, True, "diagnose, locate"),
)
BY_NAME: Final = {channel.name: channel for channel in CHANNELS}

_VEHICLE = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SHARD = re.compile(r"[0-3][0-9a-f]\Z")


class Topic(NamedTuple):
    """A parsed topic: who says or hears what."""

    vehicle: str
    channel: Channel


def shard_of(vehicle: str) -> str:
    """Shard of a vehicle: CRC-32 of the id's UTF-8 bytes, modulo 64, as two hex digits."""
    return f"{zlib.crc32(vehicle.encode()) % SHARDS:02x}"


def topic(vehicle: str, channel: str) -> str:
    """Topic of a vehicle's channel.

    Raises
    ------
    WireError
        The vehicle id is not 1 to 64 characters of `A-Z a-z 0-9 _ -`, or there is no such channel.
    """
    if not _VEHICLE.match(vehicle):
        raise WireError(f"vehicle id {vehicle!r} is not 1 to 64 characters of A-Z a-z 0-9 _ -")
    found = BY_NAME.get(channel)
    if found is None:
        raise WireError(f"no channel {channel!r}")
    return f"rm/1/{shard_of(vehicle)}/{vehicle}/{found.direction}/{channel}"


def parse_topic(text: str) -> Topic:
    """Parse a topic, checking version, shard, direction and channel.

    Raises
    ------
    WireError
        Anything that `topic` would not have built.
    """
    parts = text.split("/")
    if len(parts) != 6 or parts[0] != "rm" or parts[1] != "1":
        raise WireError(f"topic {text!r} is not rm/1/SHARD/VEHICLE/DIRECTION/CHANNEL")
    _, _, shard, vehicle, direction, name = parts
    channel = BY_NAME.get(name)
    if channel is None or channel.direction != direction:
        raise WireError(f"topic {text!r}: no channel {name!r} in direction {direction!r}")
    if not _VEHICLE.match(vehicle):
        raise WireError(f"topic {text!r}: bad vehicle id")
    if not _SHARD.match(shard) or shard != shard_of(vehicle):
        raise WireError(f"topic {text!r}: shard {shard!r} is not that vehicle's ({shard_of(vehicle)})")
    return Topic(vehicle, channel)


def subscription(channel: str, *, shard: str = "+", vehicle: str = "+") -> str:
    """Topic filter for one channel of many vehicles (the hub's side)."""
    return f"rm/1/{shard}/{vehicle}/{BY_NAME[channel].direction}/{channel}"
