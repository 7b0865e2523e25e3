"""The instances that route planners are compared on, as problems: Solomon, Gehring & Homberger, Li & Lim, and VRPLIB files.

Their coordinates are a plane, and time is distance. One unit becomes `SCALE` metres and seconds, rounded down as DIMACS' competition
did; so a plan that is feasible here can be late by rounding in the original's real numbers by less than a hundredth a leg.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from roundsman_hub.planning.problem import Problem, Task, Van
from roundsman_hub.planning.soundness import FAR_M

SCALE: Final = 100
"""Metres and seconds in one unit of an instance."""
FEWEST_CENTS: Final = 10_000_000
"""A van's price where fewer vans come first: more than any way that one could save."""
UNLIMITED: Final = 8_000_000
"""An instance without a longest route or a horizon: within what `soundness` takes for a shift."""
Objective = Literal["distance", "fewest"]
Table = npt.NDArray[np.int32]
ROUNDED: Final[Mapping[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]]] = {
    "EUC_2D": lambda exact: np.floor(exact + 0.5),
    "CEIL_2D": np.ceil,
}
FULL: Final = "FULL_MATRIX"
HALVES: Final = {
    # EDGE_WEIGHT_FORMAT: (the lower half?, with its diagonal?)
    "LOWER_ROW": (True, False),
    "LOWER_DIAG_ROW": (True, True),
    "UPPER_ROW": (False, False),
    "UPPER_DIAG_ROW": (False, True),
}


class BadInstance(ValueError):
    """The file is none of the forms that are read here. `str` says where it stopped making sense."""


def parse(text: str, objective: Objective = "distance") -> Problem:
    """An instance's text as a problem.

    Parameters
    ----------
    text : str
        The file's content; its form is recognised by itself.
    objective : str
        "distance": the shortest routes, however many vans. "fewest": the fewest vans, then the shortest routes.

    Raises
    ------
    BadInstance
        It is none of the forms.
    """
    lines = [line.strip() for line in text.replace("\t", " ").splitlines() if line.strip()]
    try:
        if any(re.match(r"DIMENSION\s*:", line) for line in lines):
            return _vrplib(lines, objective)
        if any(line.upper().startswith("VEHICLE") for line in lines[:4]):
            return _solomon(lines, objective)
        if lines and len(lines[0].split()) == 3 and len(lines) > 1 and len(lines[1].split()) == 9:
            return _li_lim(lines, objective)
    except KeyError as error:
        raise BadInstance(f"this looked like an instance, but: it lacks {error.args[0]}") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise BadInstance(f"this looked like an instance, but: {error}") from error
    raise BadInstance("neither a Solomon, Gehring & Homberger, Li & Lim nor VRPLIB file")


def plane(points: Sequence[tuple[float, float]], scale: int = SCALE) -> Table:
    """Straight distances between points, in whole units of 1 / `scale`."""
    xy = np.array(points, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        return _whole_numbers(np.floor(scale * np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) + 1e-9))


def _whole_numbers(exact: npt.NDArray[np.float64]) -> Table:
    """What is no number, or more than can be counted, is no way."""
    counted = np.isfinite(exact) & (exact < FAR_M)
    return np.where(counted, exact, -1).astype(np.int32)


def _solomon(lines: Sequence[str], objective: Objective) -> Problem:
    start = next((at for at, line in enumerate(lines) if line.upper().startswith("NUMBER")), len(lines))
    if start + 1 >= len(lines):
        raise KeyError("NUMBER")
    vans, capacity = (int(float(word)) for word in lines[start + 1].split()[:2])
    rows = [[float(word) for word in line.split()] for line in lines[start + 2 :] if re.match(r"^\d", line)]
    if not rows or any(len(row) != 7 for row in rows):
        raise BadInstance("a customer's line is not seven numbers")
    table = plane([(row[1], row[2]) for row in rows])
    tasks = tuple(
        Task(
            task=str(int(row[0])),
            place=at,
            kind="delivery",
            load=(round(row[3]),),
            service_s=round(SCALE * row[6]),
            windows_s=((round(SCALE * row[4]), round(SCALE * row[5])),),
            left_out_cents=FEWEST_CENTS * 10,
        )
        for at, row in enumerate(rows)
        if at
    )
    return _problem(tasks, table, vans, capacity, round(SCALE * rows[0][5]), objective)


def _li_lim(lines: Sequence[str], objective: Objective) -> Problem:
    vans, capacity, _ = (int(float(word)) for word in lines[0].split())
    rows = [[float(word) for word in line.split()] for line in lines[1:]]
    if any(len(row) != 9 for row in rows):
        raise BadInstance("a task's line is not nine numbers")
    table = plane([(row[1], row[2]) for row in rows])
    tasks = []
    for at, row in enumerate(rows):
        if not at:
            continue
        number, picks_at, delivers_at = int(row[0]), int(row[7]), int(row[8])
        tasks.append(
            Task(
                task=str(number),
                place=at,
                kind="pickup" if delivers_at else "delivery",
                load=(abs(round(row[3])),),
                service_s=round(SCALE * row[6]),
                windows_s=((round(SCALE * row[4]), round(SCALE * row[5])),),
                left_out_cents=FEWEST_CENTS * 10,
                shipment=f"{number}-{delivers_at}" if delivers_at else f"{picks_at}-{number}",
            )
        )
    return _problem(tuple(tasks), table, vans, capacity, round(SCALE * rows[0][5]), objective)


def _whole(flat: Table, n: int, lower: bool, diagonal: bool) -> Table:
    """A matrix from one half of it, row by row."""
    if len(flat) != (all_ := n * (n + 1 if diagonal else n - 1) // 2):
        raise BadInstance(f"{len(flat)} of {all_} edge weights")
    at = np.tril_indices(n, 0 if diagonal else -1) if lower else np.triu_indices(n, 0 if diagonal else 1)
    half = np.zeros((n, n), np.int32)
    half[at] = flat
    return np.maximum(half, half.T)


def _vrplib(lines: Sequence[str], objective: Objective) -> Problem:
    """CVRPLIB's CVRP (with a longest route, where `DISTANCE` gives one) and VRPTW: coordinates, or a matrix, whole or half of it."""
    head: dict[str, str] = {}
    sections: dict[str, list[list[float]]] = {}
    section = ""
    for line in lines:
        if ":" in line and not section:
            name, value = line.split(":", 1)
            head[name.strip().upper()] = value.strip()
        elif re.match(r"^[A-Z_]+(_SECTION)?$", line):
            section = line
            sections[section] = []
            if line == "EOF":
                break
        elif section:
            sections[section].append([float(word) for word in line.split()])
        else:
            raise BadInstance(f"unexpected line {line!r}")
    n, capacity = int(head["DIMENSION"]), int(float(head["CAPACITY"]))
    kind = head.get("EDGE_WEIGHT_TYPE", "EUC_2D")
    scale = SCALE
    if kind in ROUNDED:
        scale = 1 if "TIME_WINDOW_SECTION" not in sections else SCALE
        xy = np.array([row[1:3] for row in sections["NODE_COORD_SECTION"]])
        exact = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
        # CVRPLIB's CVRP rounds each leg to the nearest whole unit; its VRPTW instances do not.
        table = _whole_numbers(ROUNDED[kind](exact) if scale == 1 else np.floor(scale * exact + 1e-9))
    elif kind == "EXPLICIT" and head.get("EDGE_WEIGHT_FORMAT") in (FULL, *HALVES):
        scale = 1
        flat = _whole_numbers(np.array([value for row in sections["EDGE_WEIGHT_SECTION"] for value in row]))
        table = flat.reshape(n, n) if head["EDGE_WEIGHT_FORMAT"] == FULL else _whole(flat, n, *HALVES[head["EDGE_WEIGHT_FORMAT"]])
    else:
        how = " ".join(filter(None, (kind, head.get("EDGE_WEIGHT_FORMAT"))))
        raise BadInstance(f"EDGE_WEIGHT_TYPE {how} is not read here")
    demand = {int(row[0]): round(row[1]) for row in sections["DEMAND_SECTION"]}
    depot = int(sections["DEPOT_SECTION"][0][0])
    if depot != 1:
        raise BadInstance("the depot is not the first node")
    windows = {int(row[0]): (round(scale * row[1]), round(scale * row[2])) for row in sections.get("TIME_WINDOW_SECTION", [])}
    service = {int(row[0]): round(scale * row[1]) for row in sections.get("SERVICE_TIME_SECTION", [])}
    everywhere_s = round(scale * float(head.get("SERVICE_TIME", 0)))
    tasks = tuple(
        Task(
            task=str(node),
            place=node - 1,
            kind="delivery",
            load=(demand[node],),
            service_s=service.get(node, everywhere_s),
            windows_s=(windows[node],) if node in windows else (),
            left_out_cents=FEWEST_CENTS * 10,
        )
        for node in range(2, n + 1)
    )
    vans = int(head.get("VEHICLES", n - 1))
    end_s = windows[1][1] if 1 in windows else round(scale * float(head.get("DISTANCE", UNLIMITED)))
    return _problem(tasks, table, vans, capacity, end_s, objective, scale=scale)


def _problem(
    tasks: tuple[Task, ...], table: Table, vans: int, capacity: int, end_s: int, objective: Objective, *, scale: int = SCALE
) -> Problem:
    """Distance is the only money, a cent for a hundredth of a unit (`scale` 1: for a unit)."""
    if not math.isfinite(capacity) or capacity < 0 or vans < 1:
        raise BadInstance(f"{vans} vans of capacity {capacity}")
    fleet = tuple(
        Van(
            vehicle=f"v{number}",
            start_place=0,
            end_place=0,
            start_s=0,
            shift_end_s=end_s,
            capacity=(capacity,),
            at_depot=True,
            fixed_cents=FEWEST_CENTS if objective == "fewest" else 0,
            cents_per_hour=0,
            cents_per_km=1_000,
        )
        for number in range(1, min(vans, max(len(tasks), 1)) + 1)  # more would only stand there
    )
    return Problem(origin_utc_s=0, tasks=tasks, vans=fleet, durations_s=table, distances_m=table, distance_scale=scale)
