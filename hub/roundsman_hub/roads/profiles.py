"""Kinds of vehicle as roads see them. Each is a parameter set laid over one of OSRM's own profiles, which stay where the wheel put them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Base = Literal["car", "bicycle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadProfile:
    """One kind of vehicle.

    Attributes
    ----------
    base : str
        OSRM's profile that it begins from.
    height_m, width_m, length_m, weight_kg : float
        With load; a way that a sign closes to such a vehicle is closed.
    max_kmh : float or None
        It drives no faster, whatever the street allows.
    pace : float
        How many times as long as a car it is on its way where nothing is known but the distance (no road data, or no dataset of its
        own). Median over the pairs of 60 places in Baltimore, Helsinki and Liechtenstein by the profiles below.
    access : tuple of str
        Tags of access, the strictest first, that are about such vehicles beside motor vehicles.
    turn_penalty_s : float or None
        The most that a sharp turn costs; None: as in OSRM's.
    """

    name: str
    base: Base
    height_m: float
    width_m: float
    length_m: float
    weight_kg: float
    max_kmh: float | None
    pace: float
    access: tuple[str, ...] = ()
    turn_penalty_s: float | None = None


CAR: Final = "car"
PROFILES: Final = {
    profile.name: profile
    for profile in (
        # OSRM's own car, unchanged.
        RoadProfile(name="car", base="car", height_m=2.0, width_m=1.9, length_m=4.8, weight_kg=2_000, max_kmh=None, pace=1.0),
        # A long, high panel van of 3.5 t: what a car licence drives. Turns cost it more, and 130 km/h is where most are limited.
        RoadProfile(
            name="van", base="car", height_m=2.8, width_m=2.1, length_m=6.9, weight_kg=3_500, max_kmh=130, pace=1.01, turn_penalty_s=9.0
        ),
        # A distribution truck of two axles. 80 km/h: the limit of goods vehicles over 3.5 t on most of Europe's main roads.
        RoadProfile(
            name="truck",
            base="car",
            height_m=3.8,
            width_m=2.55,
            length_m=9.0,
            weight_kg=12_000,
            max_kmh=80,
            pace=1.03,
            access=("hgv", "goods"),
            turn_penalty_s=12.0,
        ),
        # A loaded bicycle with help up to 25 km/h. Its load makes it slower than OSRM's leisurely 15 km/h bicycle only where it is pushed.
        RoadProfile(name="cargo_bike", base="bicycle", height_m=1.9, width_m=1.0, length_m=2.6, weight_kg=300, max_kmh=25, pace=2.3),
    )
}


def lua(profile: RoadProfile, shipped: Path) -> str:
    """The profile as OSRM reads it: its own, by `require`, with other parameters.

    Parameters
    ----------
    shipped : Path
        Folder of the profiles that came with OSRM.
    """
    lines = [f'package.path = "{shipped.as_posix()}/?.lua;" .. package.path', f'local base = require("{profile.base}")']
    lines += ["local shipped_setup = base.setup", "local function setup()", "  local profile = shipped_setup()"]
    settings: dict[str, object] = {}
    if profile.name != CAR:
        settings |= {
            "vehicle_height": profile.height_m,
            "vehicle_width": profile.width_m,
            "vehicle_length": profile.length_m,
            "vehicle_weight": profile.weight_kg,
        }
        if profile.max_kmh is not None:
            settings["vehicle_max_speed"] = profile.max_kmh
        if profile.turn_penalty_s is not None:
            settings["turn_penalty"] = profile.turn_penalty_s
    lines += [f"  profile.{name} = {value}" for name, value in settings.items()]
    if profile.access:
        named = ", ".join(f'"{tag}"' for tag in profile.access)
        lines += [f"  local own = {{{named}}}", "  local tags, limits = {}, {}"]
        lines += ["  for _, tag in ipairs(own) do table.insert(tags, tag); table.insert(limits, tag) end"]
        lines += ["  for _, tag in ipairs(profile.access_tags_hierarchy) do table.insert(tags, tag) end"]
        lines += ["  for _, tag in ipairs(profile.restrictions) do table.insert(limits, tag) end"]
        lines += ["  profile.access_tags_hierarchy, profile.restrictions = Sequence(tags), Sequence(limits)"]
    if profile.base == "bicycle":
        # A cargo bike with help keeps 18 km/h where OSRM's bicycle rides 15, and does not climb steps or narrow footways.
        lines += ["  for name, speed in pairs(profile.bicycle_speeds) do", "    if speed >= 15 then profile.bicycle_speeds[name] = 18 end"]
        lines += ["  end", "  profile.default_speed = 18"]
    lines += ["  return profile", "end"]
    lines += [
        "return { setup = setup, process_way = base.process_way, process_node = base.process_node, process_turn = base.process_turn }"
    ]
    return "\n".join(lines) + "\n"
