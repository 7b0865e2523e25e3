"""From visits in the database to the stops that teach: how long each stood, and what of it its evidence tells apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.learn.lasting import slopes
from roundsman_hub.learn.service import Stop, can_be_search
from roundsman_hub.learn.speeds import SpeedTable
from roundsman_hub.learn.ways import Ways
from roundsman_hub.replan.terms import kind_of_words
from roundsman_hub.roads.bands import band_at

CameNear = Mapping[tuple[int, int], tuple[datetime, LatLon]]
"""By session and visit: when and where the van was, as it told that it came near."""


def stops_of(rows: Sequence[Mapping[str, Any]], came_near: CameNear, zone: ZoneInfo, ways: Ways, speeds: SpeedTable) -> list[Stop]:
    """Stops as `learn_service` wants them.

    Parameters
    ----------
    rows : sequence of mapping
        Of `road_store.served_stops`.
    zone : ZoneInfo
        The fleet's.
    speeds : SpeedTable
        What is known of streets: what the drive takes is no search.
    """
    searched = _searched_s(rows, came_near, zone, ways, speeds)
    out = []
    for row in rows:
        arrived, left, local = row["arrived_at"], row["left_at"], row["arrived_at"].astimezone(zone)
        place = _place(row)
        out.append(
            Stop(
                position=place,
                parcels=int(row["parcels"]),
                driver=row["driver"],
                local_hour=local.hour,
                day=local.date().isoformat(),
                stood_s=(left - arrived).total_seconds(),
                waited_s=max(0.0, (min(row["window_start"], left) - arrived).total_seconds()),
                searched_s=searched.get(_key(row)),
                apart_m=distance_m(place, LatLon.from_e6(row["stood_lat_e6"], row["stood_lon_e6"])),
                walked_s=None if row["served_at"] is None else (row["served_at"] - arrived).total_seconds(),
                back_s=None if row["ended_at"] is None else (left - row["ended_at"]).total_seconds(),
            )
        )
    return out


def _searched_s(
    rows: Sequence[Mapping[str, Any]], came_near: CameNear, zone: ZoneInfo, ways: Ways, speeds: SpeedTable
) -> dict[tuple[int, int], float]:
    """By session and visit: from when the van came near until it stood, without the drive from there to the order's place.

    Whatever of it grows with that drive is the streets' pace where the roads do not have it yet, and no search: least squares tell them
    apart, for some vans are told near a minute before the door and others at the door before.
    """
    by_kind: defaultdict[str, list[tuple[tuple[int, int], float, tuple[LatLon, LatLon, str]]]] = defaultdict(list)
    for row in rows:
        near = came_near.get(_key(row))
        if near is not None and near[0] <= row["arrived_at"]:
            kind = kind_of_words(row["terms"].get("profile", ""), row["terms"].get("type", ""))
            took_s = (row["arrived_at"] - near[0]).total_seconds()
            by_kind[kind].append((_key(row), took_s, (near[1], _place(row), band_at(near[0].astimezone(zone)))))
    out: dict[tuple[int, int], float] = {}
    for kind, found in by_kind.items():
        drives_s = ways.drives_s(kind, [way for _, _, way in found], speeds)
        known = [(key, took_s - drive_s, drive_s) for (key, took_s, _), drive_s in zip(found, drives_s, strict=True) if drive_s is not None]
        sane = [(more_s, drive_s) for _, more_s, drive_s in known if can_be_search(more_s)]
        slower = slopes(np.array([[drive_s] for _, drive_s in sane]), np.array([more_s for more_s, _ in sane])) if sane else (0.0,)
        out |= {key: more_s - float(slower[0]) * drive_s for key, more_s, drive_s in known}
    return out


def _key(row: Mapping[str, Any]) -> tuple[int, int]:
    return int(row["session_no"]), int(row["visit"])


def _place(row: Mapping[str, Any]) -> LatLon:
    return LatLon.from_e6(row["lat_e6"], row["lon_e6"])
