"""VROOM's plan mode (`options.c`): when each step of given routes happens, and what they break. VROOM itself answers (`vroom_check`).

Here a request becomes one that VROOM can read without asking anybody for ways: places get matrices, and what is no way in them is found
before a route is timed over it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from roundsman_hub.planning.vroom_errors import VroomError
from roundsman_hub.planning.vroom_json import Reader
from roundsman_hub.planning.vroom_ways import Matrix, Table

INDEX: Final = {"location": "location_index", "start": "start_index", "end": "end_index"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """`body`: what VROOM is asked. `indexed`: the request has places, and the answer is not to speak of indices."""

    body: dict[str, Any]
    ignored: tuple[str, ...]
    indexed: bool


def given(body: Any, matrix: Matrix) -> Given:
    """Read a request with routes in its vehicles' `steps`.

    Raises
    ------
    VroomError
        With the field that is wrong, or the two places of a route between which there is no way.
    """
    try:
        reader = Reader(body, matrix, given=True)
        asked = reader.read()
        if asked.warm is None and not any(vehicle.get("steps") for vehicle in body["vehicles"]):
            raise VroomError("Invalid input: options.c asks for the times of given routes, and no vehicle has steps.")
        places = reader.ways.places if reader.ways.tables is None else None
        tables = {kind: reader.ways.tables_of(kind) for kind in {str(vehicle.get("profile", "car")) for vehicle in body["vehicles"]}}
        whole: dict[str, Any] = {
            "jobs": [_indexed(job, places) for job in body.get("jobs") or ()],
            "shipments": [one | {end: _indexed(one[end], places) for end in ("pickup", "delivery")} for one in body.get("shipments") or ()],
            "vehicles": [_indexed(vehicle, places) for vehicle in body["vehicles"]],
        }
        for vehicle in whole["vehicles"]:
            _passable(vehicle, tables[str(vehicle.get("profile", "car"))][0], dict(_located(whole)))
        whole["matrices"] = {kind: _plain(*found) for kind, found in tables.items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if isinstance(error, VroomError):
            raise
        raise VroomError(f"Invalid input: {type(error).__name__}: {error}") from error
    return Given(body=whole, ignored=asked.ignored, indexed=places is not None)


def without_indices(answer: dict[str, Any]) -> dict[str, Any]:
    """VROOM's answer without the indices that the request did not have."""
    for step in (*answer.get("unassigned", ()), *(step for route in answer.get("routes", ()) for step in route["steps"])):
        step.pop("location_index", None)
    return answer


def _indexed(found: Mapping[str, Any], places: Mapping[tuple[float, float], int] | None) -> dict[str, Any]:
    if places is None:
        return dict(found)
    at = {INDEX[key]: places[tuple(map(float, found[key]))] for key in INDEX if key in found}  # type: ignore[index]  # a pair, as it was read
    return {**found, **at}


def _located(whole: Mapping[str, Any]) -> Iterator[tuple[tuple[str, Any], int]]:
    for job in whole["jobs"]:
        yield ("job", job["id"]), job["location_index"]
    for one in whole["shipments"]:
        for end in ("pickup", "delivery"):
            yield (end, one[end]["id"]), one[end]["location_index"]


def _passable(vehicle: Mapping[str, Any], seconds: Table, at: Mapping[tuple[str, Any], int]) -> None:
    """Refuse a route over what is no way: VROOM would time it."""
    stops = [at[step["type"], step["id"]] for step in vehicle.get("steps") or () if (step["type"], step.get("id")) in at]
    if not stops:
        return
    way = [vehicle[key] for key in ("start_index",) if key in vehicle] + stops + [vehicle[key] for key in ("end_index",) if key in vehicle]
    for before, after in pairwise(way):
        if max(before, after) >= len(seconds) or min(before, after) < 0:
            raise VroomError(f"Invalid steps of vehicle {vehicle['id']}: place {max(before, after)} is not in the matrix.")
        if seconds[before, after] < 0:
            raise VroomError(f"Invalid steps of vehicle {vehicle['id']}: there is no way from place {before} to place {after}.")


def _plain(durations: Table, distances: Table, costs: Table | None) -> dict[str, Any]:
    """Matrices as VROOM reads them. No route goes where there is no way."""
    named = {"durations": durations, "distances": distances, "costs": costs}
    return {name: np.maximum(table, 0).tolist() for name, table in named.items() if table is not None}
