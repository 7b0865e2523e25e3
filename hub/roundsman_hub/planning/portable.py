"""Problems and plans as JSON, so that one from production can be sent by mail and solved again. Names as in the code, matrices as rows."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np

from roundsman_hub.planning.problem import Plan, Problem, Verdict

FORMAT: Final = "roundsman-problem/1"
PLAN_FORMAT: Final = "roundsman-plan/1"
MAX_PLACES: Final = 20_000
LARGEST: Final = 2**31 - 1
LATEST_S: Final = 2**33
"""In the year 2242: an origin beyond it is in other units than seconds."""
PRICES: Final = ("lateness_cents_per_min", "promise_cents_per_min", "fair_cents_per_hour", "churn_cents")
MOST_CENTS: Final = 10**9


class BadProblem(ValueError):
    """The text is no problem, or contradicts itself. `str` names the place in it."""


def problem_to_json(problem: Problem) -> bytes:
    """A problem's JSON."""
    plain = msgspec.to_builtins(problem, enc_hook=_rows)
    return msgspec.json.encode({"format": FORMAT, **plain})


def problem_from_json(text: bytes | str) -> Problem:
    """A problem from its JSON.

    Raises
    ------
    BadProblem
        Not JSON, a field that is unknown, missing or of the wrong type, or matrices that do not fit the places.
    """
    found = _object(text, FORMAT)
    unknown = sorted(set(found) - set(Problem.__slots__))
    if unknown:
        raise BadProblem(f"unknown field {unknown[0]!r}; known are {', '.join(Problem.__slots__)}")
    try:
        problem = msgspec.convert(found, type=Problem, dec_hook=_table)
    except msgspec.ValidationError as error:
        raise BadProblem(str(error)) from error
    check(problem)
    return problem


def problem_schema() -> dict[str, Any]:
    """The JSON Schema of a problem, without references: each task, van, depot … is written out where it stands."""
    whole = msgspec.json.schema(Problem, schema_hook=_matrix_schema)
    named = whole.pop("$defs")

    def whole_of(part: Any) -> Any:
        if isinstance(part, list):
            return [whole_of(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return whole_of(named[part["$ref"].rsplit("/", 1)[-1]])
        return {key: whole_of(value) for key, value in part.items()}

    out: dict[str, Any] = whole_of(whole)
    form = {"const": FORMAT, "type": "string"}
    return {**out, "required": ["format", *out["required"]], "properties": {"format": form, **out["properties"]}}


def plan_to_json(plan: Plan, verdict: Verdict | None = None) -> bytes:
    """A plan's JSON; with the verdict, also when everything happens and what it costs."""
    out: dict[str, Any] = {"format": PLAN_FORMAT, "routes": plan.routes, "unassigned": plan.unassigned}
    if verdict is not None:
        out["verdict"] = msgspec.to_builtins(verdict)
    return msgspec.json.encode(out)


def plan_from_json(text: bytes | str) -> Plan:
    """A plan from its JSON; a verdict in it is not believed.

    Raises
    ------
    BadProblem
        It is no plan.
    """
    found = _object(text, PLAN_FORMAT)
    try:
        return msgspec.convert({"routes": found.get("routes"), "unassigned": found.get("unassigned")}, type=Plan)
    except msgspec.ValidationError as error:
        raise BadProblem(f"this is no plan: {error}") from error


def _object(text: bytes | str, form: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadProblem(f"this is not JSON: {error}") from error
    if not isinstance(found, dict) or found.pop("format", None) != form:
        raise BadProblem(f'this does not begin with "format": "{form}"')
    return found


def _rows(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(type(value))


def _matrix_schema(_: type) -> dict[str, Any]:
    row = {"type": ["array", "null"], "items": {"type": ["integer", "array", "null"]}}
    return {"type": "array", "items": row, "description": "rows; of a profile's times, such rows by band; -1 or null: no way"}


def _table(_: type, found: Any) -> Any:
    _square(found)
    try:
        table: Any = np.array(_no_holes(found, len(found) if isinstance(found, list) else 0))
    except (ValueError, TypeError, OverflowError):
        raise ValueError("not a matrix of whole numbers") from None
    if table.size and table.dtype.kind != "i":
        raise ValueError("not a matrix of whole numbers")
    if table.ndim not in (2, 3) or table.shape[-1] != table.shape[-2]:
        raise ValueError(f"a matrix of the shape {table.shape} is not places × places")
    if table.size and not (table.min() >= -1 and table.max() <= LARGEST):
        raise ValueError(f"a matrix's numbers go from -1 (no way) to {LARGEST:,}; here {table.min()} to {table.max()}")
    return table.astype(np.int32)


def _no_holes(rows: Any, places: int) -> Any:
    """What is not known of a matrix, a cell or a row, is no way."""
    if not isinstance(rows, list):
        return rows
    if any(isinstance(row, list) for row in rows):
        return [[-1] * places if row is None else _no_holes(row, len(row) if isinstance(row, list) else 0) for row in rows]
    return [-1 if cell is None else cell for cell in rows]


def _square(found: Any) -> None:
    """Name the row that is too long or too short: it is not known which places it lacks."""
    if (
        isinstance(found, list)
        and found
        and all(row is None or (isinstance(row, list) and row and not isinstance(row[0], list)) for row in found)
    ):
        for number, row in enumerate(found):
            if row is not None and len(row) != len(found):
                raise ValueError(f"a matrix of {len(found)} rows whose row {number} has {len(row)} numbers is not places × places")


def check(problem: Problem) -> None:
    """What the types cannot say: sizes that agree, names that are there once.

    Raises
    ------
    BadProblem
        With what does not agree.
    """
    n = len(problem.durations_s)
    if n > MAX_PLACES:
        raise BadProblem(f"{n} places are more than {MAX_PLACES}")
    if problem.durations_s.ndim != 2 or problem.distances_m.shape != (n, n):
        raise BadProblem(f"durations_s has the shape {problem.durations_s.shape}, distances_m {problem.distances_m.shape}: both are n × n")
    for name, profile in problem.profiles.items():
        bands = len(profile.band_starts_s)
        if profile.durations_s.shape != (bands, n, n) or profile.distances_m.shape != (n, n):
            raise BadProblem(f"profile {name!r}: durations_s is bands × n × n, distances_m n × n, with {bands} bands and n = {n}")
        if any(abs(at) > LATEST_S for at in profile.band_starts_s):
            raise BadProblem(f"profile {name!r}: band_starts_s goes to {max(profile.band_starts_s, key=abs)}; at most {LATEST_S:,} s")
        if not bands or list(profile.band_starts_s) != sorted(set(profile.band_starts_s)):
            raise BadProblem(f"profile {name!r}: band_starts_s is not ascending")
    dims = {len(van.capacity) for van in problem.vans} | {len(task.load) for task in problem.tasks}
    dims |= {len(van.carried) for van in problem.vans if van.carried}
    if len(dims) > 1:
        raise BadProblem(f"loads and capacities have {' and '.join(map(str, sorted(dims)))} dimensions; all must have as many")
    for name in PRICES:
        if not 0 <= getattr(problem, name) <= MOST_CENTS:
            raise BadProblem(f"{name} is {getattr(problem, name)}; prices go from 0 to {MOST_CENTS:,} cents")
    if problem.max_wait_s is not None and problem.max_wait_s < 0:
        raise BadProblem(f"max_wait_s is {problem.max_wait_s}")
    if not 0 <= problem.origin_utc_s <= LATEST_S:
        raise BadProblem(f"origin_utc_s is {problem.origin_utc_s}: seconds since 1970 are meant")
    if problem.distance_scale < 1:
        raise BadProblem(f"distance_scale is {problem.distance_scale}")
    try:
        ZoneInfo(problem.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadProblem(f"timezone {problem.timezone!r} is none that is known, as Europe/Helsinki") from None
    for depot in problem.depots:
        if not 0 <= depot.place < n or not 0 <= depot.reload_s <= LARGEST:
            raise BadProblem(f"depot {depot.depot}: place {depot.place} of {n}, reload_s {depot.reload_s}")
    for charger in problem.chargers:
        if not 0 <= charger.place < n or not 0 <= charger.charge_s <= LARGEST:
            raise BadProblem(f"charger {charger.charger}: place {charger.place} of {n}, charge_s {charger.charge_s}")
    for van in problem.vans:
        if van.profile and van.profile not in problem.profiles:
            raise BadProblem(f"van {van.vehicle}: there is no profile {van.profile!r}")
    things = {
        "task": [task.task for task in problem.tasks],
        "van": [van.vehicle for van in problem.vans],
        "depot": [depot.depot for depot in problem.depots],
        "charger": [charger.charger for charger in problem.chargers],
    }
    for what, names in things.items():
        for name, times in Counter(names).items():
            if times > 1:
                raise BadProblem(f"{what} {name} is there {times} times")
            if not name or name.startswith(("@", "+")):
                raise BadProblem(f"{what} {name!r}: an id is not empty and does not begin with @ or +")
