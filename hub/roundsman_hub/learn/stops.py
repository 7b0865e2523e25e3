"""From visits in the database to the stops that teach: how long each stood, and what of it its evidence tells apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.learn.service import Stop
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
    """By session and visit: from when the van came near until it stood, without the drive from there to the order's place."""
    by_kind: defaultdict[str, list[tuple[tuple[int, int], float, tuple[LatLon, LatLon, str]]]] = defaultdict(list)
    for row in rows:
        near = came_near.get(_key(row))
        if near is not None and near[0] <= row["arrived_at"]:
            kind = kind_of_words(row["terms"].get("profile", ""), row["terms"].get("type", ""))
            took_s = (row["arrived_at"] - near[0]).total_seconds()
            by_kind[kind].append((_key(row), took_s, (near[1], _place(row), band_at(near[0].astimezone(zone)))))
    out = {}
    for kind, found in by_kind.items():
        for (key, took_s, _), drive_s in zip(found, ways.drives_s(kind, [way for _, _, way in found], speeds), strict=True):
            if drive_s is not None:
                out[key] = took_s - drive_s
    return out


def _key(row: Mapping[str, Any]) -> tuple[int, int]:
    return int(row["session_no"]), int(row["visit"])


def _place(row: Mapping[str, Any]) -> LatLon:
    return LatLon.from_e6(row["lat_e6"], row["lon_e6"])
