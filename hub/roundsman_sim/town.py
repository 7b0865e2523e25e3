"""A made-up but believable town: arterials, one-way streets, a river with few bridges, parks, houses with addresses.

Built in a flat frame of metres, from a seed; `town_file.py` writes it as .osm.pbf. It lies in the open sea, so that
nobody takes it for a place of this world.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import shapely

from roundsman_core.geo import LatLon, LocalFrame

CENTRE: Final = LatLon(48.0, -20.0)
CITY: Final = "Brackwater"
POSTCODES: Final = ("7100", "7200")
"""North and south of the river."""

BLOCK_EAST_M: Final = 118.0
BLOCK_NORTH_M: Final = 92.0
"""Blocks of an old European inner town: about 100 by 80 m between the kerbs."""
ARTERIAL_EVERY: Final = 6
RIVER_WIDTH_M: Final = 46.0
HOUSE_EVERY_M: Final = 17.0
BUILT_SHARE: Final = 0.62
"""The rest are yards, garages and gaps."""
DEAD_END_SHARE: Final = 0.07

_FIRST = (
    "Alder", "Anchor", "Ash", "Baker", "Barley", "Beacon", "Birch", "Brewer", "Bridge", "Chandler", "Chapel", "Cherry", "Clover", "Cooper",
    "Copper", "Cordwainer", "Crane", "Elder", "Ferry", "Finch", "Fletcher", "Foundry", "Garden", "Glover", "Granary", "Harbour", "Hawthorn",
    "Hazel", "Heron", "Juniper", "Kiln", "Lantern", "Larch", "Linden", "Lock", "Maple", "Market", "Mason", "Meadow", "Mill", "Orchard",
    "Otter",
    "Pear", "Pump", "Quarry", "Quay", "Reed", "Ropewalk", "Rowan", "Saddler", "School", "Signal", "Sorrel", "Spring", "Swan", "Tanner",
    "Thistle", "Tower", "Walnut", "Weaver", "Well", "Willow", "Wren", "Yarrow",
)  # fmt: skip

Crossing = tuple[int, int]
"""Column from the west, row from the south."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A stretch of one street between two neighbouring crossings, driven from `start` to `end` (and back, unless one-way)."""

    start: Crossing
    end: Crossing
    name: str
    highway: str
    max_kmh: int
    oneway: bool = False
    bridge: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A building with an address. `corners_m`: its ground plan, (east, north) around the town's centre."""

    street: str
    number: str
    postcode: str
    door_m: tuple[float, float]
    corners_m: tuple[tuple[float, float], ...]

    @property
    def address(self) -> str:
        return f"{self.street} {self.number}, {self.postcode} {CITY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The whole town in metres around `frame.origin`."""

    frame: LocalFrame
    crossings_m: dict[Crossing, tuple[float, float]]
    signals: frozenset[Crossing]
    streets: tuple[Street, ...]
    houses: tuple[House, ...]
    river_m: tuple[tuple[float, float], ...]
    parks_m: tuple[tuple[tuple[float, float], ...], ...]
    depot: House

    def place(self, at_m: tuple[float, float]) -> LatLon:
        """Position of a point of the town."""
        return self.frame.to_latlon(*at_m)


@dataclass(slots=True)
class _Draft:
    """What the building steps below fill in together."""

    rng: random.Random
    columns: int
    rows: int
    at_m: dict[Crossing, tuple[float, float]] = field(default_factory=dict)

    @property
    def east_arterials(self) -> range:
        return range(ARTERIAL_EVERY // 2, self.columns, ARTERIAL_EVERY)

    @property
    def north_arterials(self) -> range:
        return range(ARTERIAL_EVERY // 2, self.rows, ARTERIAL_EVERY)


def build(seed: int = 1, *, columns: int = 30, rows: int = 22) -> Town:
    """Build a town.

    Parameters
    ----------
    seed : int
        The same seed gives the same town.
    columns, rows : int
        Crossings from west to east and from south to north; at least 12 each, so that there are arterials and bridges.
    """
    if columns < 12 or rows < 12 or columns + rows > len(_FIRST):
        raise ValueError(f"a town needs 12 crossings each way and {len(_FIRST)} street names at most, not {columns} and {rows}")
    draft = _Draft(random.Random(seed), columns, rows)
    _lay_crossings(draft)
    parks = _parks(draft)
    streets = _reachable(list(_streets(draft, parks)))
    used = {crossing for street in streets for crossing in (street.start, street.end)}
    outlines = tuple(_park_outline(draft, park) for park in parks)
    houses = tuple(_houses(draft, streets, outlines))
    signals = frozenset(c for c in used if c[0] in draft.east_arterials and c[1] in draft.north_arterials)
    return Town(
        frame=LocalFrame(CENTRE),
        crossings_m={c: m for c, m in draft.at_m.items() if c in used},
        signals=signals,
        streets=tuple(streets),
        houses=houses,
        river_m=_river_bank(draft),
        parks_m=outlines,
        depot=_depot(draft, houses),
    )


def river_north_m(east_m: float) -> float:
    """Where the river's middle is: it winds through the town from west to east."""
    return 120.0 + 170.0 * math.sin(east_m / 620.0) + 40.0 * math.sin(east_m / 190.0 + 1.0)


def _lay_crossings(draft: _Draft) -> None:
    """A grid that the centuries have bent: two slow waves, and a few metres of chance at every corner."""
    phase = draft.rng.uniform(0.0, 6.0)
    for column in range(draft.columns):
        for row in range(draft.rows):
            east = (column - (draft.columns - 1) / 2) * BLOCK_EAST_M
            north = (row - (draft.rows - 1) / 2) * BLOCK_NORTH_M
            east += 38.0 * math.sin(north / 410.0 + phase) + draft.rng.uniform(-7.0, 7.0)
            north += 30.0 * math.sin(east / 530.0 + phase * 1.7) + draft.rng.uniform(-6.0, 6.0)
            draft.at_m[column, row] = (east, north)


def _parks(draft: _Draft) -> list[tuple[Crossing, Crossing]]:
    """Two parks, each three by two blocks between residential streets: south-west and north-east of the middle."""
    return [
        ((draft.columns // 4 + 1, draft.rows // 4 - 1), (draft.columns // 4 + 4, draft.rows // 4 + 1)),
        ((draft.columns * 2 // 3, draft.rows * 3 // 4), (draft.columns * 2 // 3 + 3, draft.rows * 3 // 4 + 2)),
    ]


def _inside(park: tuple[Crossing, Crossing], a: Crossing, b: Crossing) -> bool:
    (west, south), (east, north) = park
    mid_column, mid_row = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
    return west < mid_column < east and south < mid_row < north


def _park_outline(draft: _Draft, park: tuple[Crossing, Crossing]) -> tuple[tuple[float, float], ...]:
    (west, south), (east, north) = park
    ring = [(column, south) for column in range(west, east + 1)] + [(column, north) for column in range(east, west - 1, -1)]
    return tuple(draft.at_m[crossing] for crossing in ring)


def _streets(draft: _Draft, parks: list[tuple[Crossing, Crossing]]) -> Iterator[Street]:
    names = list(_FIRST)
    draft.rng.shuffle(names)
    bridges = set(draft.east_arterials[::2])
    for column in range(draft.columns):
        yield from _line(
            draft, parks, f"{names[column]} Street", [(column, row) for row in range(draft.rows)], column in draft.east_arterials, bridges
        )
    for row in range(draft.rows):
        name = f"{names[draft.columns + row]} Lane"
        yield from _line(draft, parks, name, [(column, row) for column in range(draft.columns)], row in draft.north_arterials, set())


def _line(
    draft: _Draft, parks: list[tuple[Crossing, Crossing]], name: str, crossings: list[Crossing], arterial: bool, bridges: set[int]
) -> Iterator[Street]:
    """All stretches of one street. One-ways alternate among the narrow streets of the old town, the middle third."""
    number = crossings[0][0] if crossings[0][0] == crossings[-1][0] else crossings[0][1]
    along_columns = crossings[0][0] == crossings[-1][0]
    middle = (draft.columns if along_columns else draft.rows) / 2
    oneway = not arterial and abs(number - middle) < middle / 3
    if oneway and number % 2:
        crossings = crossings[::-1]
    highway, max_kmh = ("primary" if number % 4 else "secondary", 50) if arterial else ("residential", 30)
    for start, end in itertools.pairwise(crossings):
        over_water = _crosses_river(draft.at_m[start], draft.at_m[end])
        if over_water and not (along_columns and number in bridges):
            continue
        if not arterial and (any(_inside(park, start, end) for park in parks) or draft.rng.random() < DEAD_END_SHARE):
            continue
        yield Street(start=start, end=end, name=name, highway=highway, max_kmh=max_kmh, oneway=oneway, bridge=over_water)


def _crosses_river(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether the stretch touches the water: some tenth of it lies on the other bank, or in the river."""
    sides = set()
    for tenth in range(11):
        east, north = a[0] + (b[0] - a[0]) * tenth / 10, a[1] + (b[1] - a[1]) * tenth / 10
        off = north - river_north_m(east)
        sides.add(0 if abs(off) < RIVER_WIDTH_M / 2 else 1 if off > 0 else -1)
    return len(sides) > 1 or sides == {0}


def _reachable(streets: list[Street]) -> list[Street]:
    """The streets of the largest part in which every crossing can be driven to from every other."""
    out: dict[Crossing, list[Crossing]] = {}
    back: dict[Crossing, list[Crossing]] = {}
    for street in streets:
        for a, b in [(street.start, street.end)] + ([] if street.oneway else [(street.end, street.start)]):
            out.setdefault(a, []).append(b)
            back.setdefault(b, []).append(a)
    best: set[Crossing] = set()
    left = set(out) | set(back)
    while len(left) > len(best):
        root = min(left)
        part = _flood(root, out) & _flood(root, back)
        left -= part
        if len(part) > len(best):
            best = part
    return [street for street in streets if street.start in best and street.end in best]


def _flood(root: Crossing, edges: dict[Crossing, list[Crossing]]) -> set[Crossing]:
    seen, todo = {root}, [root]
    while todo:
        for following in edges.get(todo.pop(), ()):
            if following not in seen:
                seen.add(following)
                todo.append(following)
    return seen


def _houses(draft: _Draft, streets: list[Street], parks_m: tuple[tuple[tuple[float, float], ...], ...]) -> Iterator[House]:
    """Houses on both sides of every street but the bridges: odd numbers on the left, even ones on the right, rising along the street."""
    numbers: dict[str, int] = {}
    green = shapely.union_all([shapely.Polygon(outline) for outline in parks_m])
    for street in sorted(streets, key=lambda s: (s.name, min(s.start, s.end))):
        first = numbers.get(street.name, 1)
        if street.bridge:
            continue
        (x0, y0), (x1, y1) = draft.at_m[min(street.start, street.end)], draft.at_m[max(street.start, street.end)]
        length = math.hypot(x1 - x0, y1 - y0)
        ahead, left = ((x1 - x0) / length, (y1 - y0) / length), (-(y1 - y0) / length, (x1 - x0) / length)
        lots = int((length - 26.0) // HOUSE_EVERY_M)
        for lot in range(lots):
            along = 13.0 + (lot + 0.5) * HOUSE_EVERY_M
            for side, parity in ((1.0, 0), (-1.0, 1)):
                if draft.rng.random() > BUILT_SHARE:
                    continue
                half, deep = draft.rng.uniform(5.0, 7.5), draft.rng.uniform(9.0, 13.0)
                near = 8.0 if street.highway == "residential" else 11.0
                corners = [(along - half, near), (along + half, near), (along + half, near + deep), (along - half, near + deep)]
                door = (x0 + ahead[0] * along + left[0] * near * side, y0 + ahead[1] * along + left[1] * near * side)
                if abs(door[1] - river_north_m(door[0])) < RIVER_WIDTH_M / 2 + 15.0 or green.contains(shapely.Point(door)):
                    continue
                yield House(
                    street=street.name,
                    number=str(first + lot * 2 + parity),
                    postcode=POSTCODES[0] if door[1] > river_north_m(door[0]) else POSTCODES[1],
                    door_m=door,
                    corners_m=tuple((x0 + ahead[0] * a + left[0] * d * side, y0 + ahead[1] * a + left[1] * d * side) for a, d in corners),
                )
        numbers[street.name] = first + lots * 2 + lots % 2


def _depot(draft: _Draft, houses: tuple[House, ...]) -> House:
    """The depot: the house on an arterial that is nearest to the town's south-western corner, where land is cheap."""
    south_west = draft.at_m[ARTERIAL_EVERY // 2, 1]
    return min(houses, key=lambda house: math.hypot(house.door_m[0] - south_west[0], house.door_m[1] - south_west[1]))


def _river_bank(draft: _Draft) -> tuple[tuple[float, float], ...]:
    half = draft.columns * BLOCK_EAST_M / 2 + 120.0
    steps = [-half + step * 2 * half / 80 for step in range(81)]
    north = [(east, river_north_m(east) + RIVER_WIDTH_M / 2) for east in steps]
    south = [(east, river_north_m(east) - RIVER_WIDTH_M / 2) for east in reversed(steps)]
    return tuple(north + south)
