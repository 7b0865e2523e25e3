"""A pretend day: what is ordered, what goes wrong, and how long things really take. From a seed; nobody at the hub sees it. Pure.

What planners believe (the roads' times, the orders' planned service) and what is true differ by what every fleet knows: rush hours, a day's
own traffic, jams in one quarter for an hour or two, a driver's pace, looking for a place to park and the walk from there, doors that take
longer than others. The first and those from the fourth on are the same on all days of a town, so they can be learned; the others are that
day's luck.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon, distance_m

SHIFT: Final = (time(8, 0), time(16, 0))
ORDERED: Final = (time(8, 40), time(13, 30))
"""Same-day orders come in between."""
SLOT_SHARE: Final = 0.6
SLOT_S: Final = 5_400
PICKUP_SHARE: Final = 0.25
"""Returns and collections: half of a parcel round's stops in a business quarter, a tenth in a suburb."""
URGENT_S: Final = 3_600
NO_SHOW: Final = 0.05
SERVICE_S: Final = 180
"""What an order has whose shop says nothing of its service: most say nothing."""
PARKING_S: Final = (25.0, 110.0)
"""A van looks for a place, and its driver walks to the door: nobody plans it, everybody does it."""
BANDS: Final = ((0, 1.05), (7.5, 1.45), (9.5, 1.18), (11.5, 1.25), (13.5, 1.15), (15.5, 1.5), (18.5, 1.1))
"""(hour, times the roads' own duration): a European town's usual working day."""
SEARCH_SHARE: Final = (0.2, 0.7)
"""Of that, before the van stands."""
ZONE: Final = ZoneInfo("Europe/Helsinki")
WITH_THINGS: Final = (("breakdown", 1, (35, 70)), ("no_network", 2, (15, 45)))
"""(kind, vans, minutes) of each day."""
WITH_PEOPLE: Final = (("pause", 2, (10, 25)), ("declines", 2, (60, 150)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """An order as it is placed. `known_at`: when. `cancelled_at`: when its customer thinks better of it."""

    order: str
    home: LatLon
    address: str
    kind: str
    opens: datetime
    closes: datetime
    service_s: int
    parcels: int
    priority: int
    known_at: datetime
    cancelled_at: datetime | None = None

    @property
    def urgent(self) -> bool:
        """Collect within the hour."""
        return self.priority >= 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Jam:
    """One quarter stands for a while."""

    centre: LatLon
    radius_m: float
    since: datetime
    until: datetime
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A van breaks down and is mended, or has no network; its driver rests without a word before, or says no to every other order of the
    same stops. `van`: its number."""

    van: int
    kind: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Script:
    """One day of one town.

    Attributes
    ----------
    paces : tuple of float
        Each driver's driving time over the roads', and
    hands : tuple of float
        their time at doors over others'.
    """

    day: date
    seed: int
    start: datetime
    end: datetime
    asks: tuple[Ask, ...]
    jams: tuple[Jam, ...]
    troubles: tuple[Trouble, ...]
    paces: tuple[float, ...]
    hands: tuple[float, ...]
    mood: float = 1.0
    no_shows: frozenset[str] = field(default_factory=frozenset)


def script(addresses: Sequence[tuple[str, LatLon]], *, vans: int, orders: int, day: date, seed: int, town_seed: int = 1) -> Script:
    """Write a day.

    Parameters
    ----------
    addresses : sequence of (text, place)
        Where customers live.
    seed : int
        Another seed, another day; drivers and doors are those of `town_seed`.
    """
    rng = random.Random(seed * 7_919 + 13)
    start, end = (datetime.combine(day, at, ZONE) for at in SHIFT)
    asks = [_ask(rng, addresses, f"o_{day:%m%d}_{number:04d}", start, end) for number in range(orders)]
    asks += [
        _same_day(rng, addresses, f"o_{day:%m%d}_s{number:03d}", day, end, urgent=number % 2 == 0) for number in range(max(4, orders // 10))
    ]
    given_up = rng.sample(asks[:orders], max(1, orders // 40))
    for ask in given_up:
        at = asks.index(ask)
        late = start + timedelta(seconds=rng.uniform(0.1, 0.6) * (end - start).total_seconds())
        asks[at] = Ask(**{name: getattr(ask, name) for name in Ask.__slots__ if name != "cancelled_at"}, cancelled_at=late)
    people = random.Random(town_seed)
    places = [place for _, place in addresses]
    return Script(
        day=day,
        seed=seed,
        start=start,
        end=end,
        asks=tuple(asks),
        jams=tuple(_jam(rng, places, start) for _ in range(rng.randint(2, 4))),
        troubles=(*_troubles(rng, vans, start, WITH_THINGS), *_troubles(random.Random(seed * 104_729 + 5), vans, start, WITH_PEOPLE)),
        paces=tuple(people.uniform(0.96, 1.16) for _ in range(vans)),
        hands=tuple(people.uniform(0.9, 1.3) for _ in range(vans)),
        mood=math.exp(rng.gauss(0.0, 0.05)),
        no_shows=frozenset(ask.order for ask in asks if ask.kind == "delivery" and rng.random() < NO_SHOW),
    )


def _ask(rng: random.Random, addresses: Sequence[tuple[str, LatLon]], name: str, start: datetime, end: datetime) -> Ask:
    address, home = rng.choice(addresses)
    length_s = (end - start).total_seconds()
    opens, closes = start, start + timedelta(seconds=0.8 * length_s)
    if rng.random() < SLOT_SHARE:
        opens = start + timedelta(seconds=900 * round(rng.uniform(0.05, 0.75) * (length_s - SLOT_S) / 900))
        closes = opens + timedelta(seconds=SLOT_S)
    parcels = rng.choices((1, 2, 3, 4), (55, 28, 12, 5))[0]
    return Ask(
        order=name,
        home=home,
        address=address,
        kind="pickup" if rng.random() < PICKUP_SHARE else "delivery",
        opens=opens,
        closes=closes,
        service_s=SERVICE_S,
        parcels=parcels,
        priority=rng.choices((0, 3, 5), (80, 15, 5))[0],
        known_at=start - timedelta(hours=12),
    )


def _same_day(rng: random.Random, addresses: Sequence[tuple[str, LatLon]], name: str, day: date, end: datetime, *, urgent: bool) -> Ask:
    """A collection that nobody knew of in the morning: within the hour, or in the next hours."""
    address, home = rng.choice(addresses)
    first, last = (datetime.combine(day, at, ZONE) for at in ORDERED)
    at = first + timedelta(seconds=round(rng.uniform(0, (last - first).total_seconds())))
    closes = at + timedelta(seconds=URGENT_S) if urgent else min(at + timedelta(hours=3), end - timedelta(minutes=45))
    return Ask(
        order=name,
        home=home,
        address=address,
        kind="pickup",
        opens=at,
        closes=closes,
        service_s=SERVICE_S,
        parcels=1,
        priority=9 if urgent else 3,
        known_at=at,
    )


def _jam(rng: random.Random, places: Sequence[LatLon], start: datetime) -> Jam:
    since = start + timedelta(minutes=rng.uniform(15, 330))
    return Jam(
        centre=rng.choice(places),
        radius_m=rng.uniform(500, 1_100),
        since=since,
        until=since + timedelta(minutes=rng.uniform(40, 110)),
        factor=rng.uniform(1.8, 3.2),
    )


def _troubles(rng: random.Random, vans: int, start: datetime, kinds: Sequence[tuple[str, int, tuple[int, int]]]) -> list[Trouble]:
    found = []
    for kind, count, minutes in kinds:
        for van in rng.sample(range(vans), min(count, vans)):
            since = start + timedelta(minutes=rng.uniform(45, 260))
            found.append(Trouble(van=van, kind=kind, since=since, until=since + timedelta(minutes=rng.uniform(*minutes))))
    return found


# ── what is true ────────────────────────────────────────────────────────────────────────────────────────────────────────


def drive_s(day: Script, van: int, a: LatLon, b: LatLon, roads_s: float, at: datetime) -> float:
    """How long a leg really takes that begins at `at`: the same for every policy that drives it then."""
    luck = math.exp(_draw(day.seed, "leg", a, b).gauss(0.0, 0.10))
    return roads_s * _usual(at) * day.mood * day.paces[van] * luck * _jammed(day, a, b, at)


def _usual(at: datetime) -> float:
    """The factor of the hour, going over from band to band within half an hour, as traffic does."""
    hour = at.astimezone(ZONE).hour + at.astimezone(ZONE).minute / 60
    before = BANDS[-1][1]
    for since, factor in BANDS:
        if hour < since:
            break
        before = factor if hour >= since + 0.5 else before + (factor - before) * (hour - since) / 0.5
    return before


def _jammed(day: Script, a: LatLon, b: LatLon, at: datetime) -> float:
    """Legs through a jammed quarter are slower by the share of them inside it."""
    factor = 1.0
    for jam in day.jams:
        if jam.since <= at < jam.until:
            along = [LatLon(a.lat_deg + (b.lat_deg - a.lat_deg) * s / 8, a.lon_deg + (b.lon_deg - a.lon_deg) * s / 8) for s in range(9)]
            inside = sum(distance_m(place, jam.centre) <= jam.radius_m for place in along) / 9
            factor += (jam.factor - 1) * inside
    return factor


def stop_s(day: Script, van: int, ask: Ask) -> tuple[float, float, float]:
    """(looking for a place, walking to the door, service) that a stop really takes. A door is slow or quick on all days; the rest is
    luck."""
    door = _draw(0, "door", ask.home, ask.home)
    parking_s = door.uniform(*PARKING_S)
    search_s = parking_s * _draw(0, "street", ask.home, ask.home).uniform(*SEARCH_SHARE)
    habit = math.exp(door.gauss(0.0, 0.2))
    luck = math.exp(_draw(day.seed, ask.order, ask.home, ask.home).gauss(0.0, 0.2))
    return search_s, parking_s - search_s, max(30.0, (120 + 35 * ask.parcels) * habit * luck * day.hands[van])


def _draw(seed: int, what: str, a: LatLon, b: LatLon) -> random.Random:
    return random.Random(f"{seed} {what} {a.lat_e6} {a.lon_e6} {b.lat_e6} {b.lon_e6}")
