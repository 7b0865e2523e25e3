"""Doors that plan whatever they are sent, and touch nothing of the fleet: our own problems, and VROOM's."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, StreamingResponse

from roundsman_core.geo import LatLon
from roundsman_hub.api.desk import AtDesk, FleetReader
from roundsman_hub.api.problems import Problem as Refusal, documented, language_of, not_found
from roundsman_hub.domain.sentences import told
from roundsman_hub.planning import vroom_check, vroom_json, vroom_plan, vroom_told
from roundsman_hub.planning.answering import Answer, Progress, answer, standing
from roundsman_hub.planning.candidates import Candidate, candidates
from roundsman_hub.planning.explain import NOT_YET
from roundsman_hub.planning.portable import BadProblem, plan_from_json, problem_from_json, problem_schema
from roundsman_hub.planning.problem import Plan, Problem
from roundsman_hub.planning.soundness import sound
from roundsman_hub.planning.vroom_errors import MOST, TooLarge, VroomError
from roundsman_hub.planning.vroom_ways import Matrix
from roundsman_hub.roads import RoadNetwork, RoadsError
from roundsman_hub.roads.polyline import encode_polyline
from roundsman_hub.roads.profiles import CAR, PROFILES

router = APIRouter(tags=["planning"], responses=documented(401, 403, 413, 422, 429))
MAX_BYTES: Final = 40_000_000
"""A matrix of 1,500 places, written out twice."""
MAX_TASKS: Final = MOST["tasks"]
MAX_VANS: Final = 5_000
MAX_STOPS: Final = MOST["kinds of vehicle times tasks"]
LONGEST_S: Final = 60.0
AT_ONCE: Final = 2
"""Searches beside the fleet's own planning: more would only slow each other down."""
VROOM_INTERNAL: Final = 1
VROOM_INPUT: Final = 2
VROOM_ROUTING: Final = 3
VROOM_TOO_LARGE: Final = 4
VROOM_STATUS: Final[Mapping[int, int]] = {VROOM_INTERNAL: 500, VROOM_INPUT: 400, VROOM_ROUTING: 500, VROOM_TOO_LARGE: 413}
"""As VROOM and vroom-express have them."""
USUAL_EFFORT: Final = 3
USUAL_S: Final = 2.0
_places = threading.BoundedSemaphore(AT_ONCE)
Seconds = Annotated[float, Query(ge=0, le=LONGEST_S, allow_inf_nan=False, description="real seconds of search; 0: insertion alone")]
Seed = Annotated[int, Query(ge=0, le=2**31 - 1, description="of the searches' dice")]

_SCHEMA: Final = problem_schema()
_WARM: Final = {"type": "object", "description": "a plan to begin with (format roundsman-plan/1: `routes`, `unassigned`)"}
_BODY: Final = {"schema": {**_SCHEMA, "properties": {**_SCHEMA["properties"], "warm": _WARM}}}
_PROBLEM: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {"application/json": _BODY}}}
Plans = Annotated[bool, Query(description="of a stream: tell each better plan at once, whole")]
OpenStreets = Annotated[bool, Query(description="ways as if nothing were closed, imported or slow just now: for a plan of another day")]


@router.post(
    "/v1/solve",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "text/event-stream": {}}, "description": "the plan, and what was wrong"}},
    openapi_extra=_PROBLEM,
)
async def post_solve(request: Request, _: FleetReader, seconds: Seconds = 2.0, seed: Seed = 0, plans: Plans = False) -> Response:
    """Plan a problem (format `roundsman-problem/1`; `warm`: a plan to begin with).

    `costs` says of each delivery what its round would save without it (`marginal_cents`), and its share of the round (`average_cents`).
    Tasks and vans that contradict themselves are named in `problems`, each with its reason, and everything else is planned. With
    `Accept: text/event-stream` the answer is a stream: `progress` (bound, best, routes), then `plan`; with
    `plans=true` also `better`, each better plan as soon as it is found, to be used as it is. The matrices are the problem's own:
    what your fleet has closed is in them only if you put it there (`/v1/whatif` plans the fleet's day by its roads as they are now).
    """
    problem, warm = await run_in_threadpool(_read, await _body(request))
    _take_place()
    if "text/event-stream" in request.headers.get("accept", ""):
        events = _started(problem, warm, seconds, seed, language_of(request), plans=plans)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
    try:
        found = await run_in_threadpool(answer, problem, warm, budget_s=seconds, seed=seed)
    finally:
        _places.release()
    return Response(_told(found, language_of(request)), media_type="application/json")


@router.post(
    "/v1/solve/candidates",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "the vans, the best first, and what was wrong"}},
    openapi_extra=_PROBLEM,
)
async def post_candidates(
    request: Request, _: FleetReader, task: Annotated[str, Query(description="who could take this task of the problem?")]
) -> Response:
    """Rank a problem's vans by what a task would add to their rounds, from where each is (format and `warm` as `POST /v1/solve`).

    What the vans hold now is `warm`, or else the problem's `current`; all other work is placed first. Feasible vans come first, by cost;
    then those that would make somebody late; then those that cannot, with the reason. `GET /v1/candidates` asks it of the live depot.
    """
    problem, warm = await run_in_threadpool(_read, await _body(request))
    if task not in {one.task for one in problem.tasks}:
        raise not_found("task", task, see="/v1/solve", status=422)
    _take_place()
    try:
        return Response(await run_in_threadpool(_ranked, problem, warm, task, language_of(request)), media_type="application/json")
    finally:
        _places.release()


@router.post(
    "/vroom", response_class=Response, openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
)
async def post_vroom(request: Request, desk: AtDesk, caller: FleetReader, open_streets: OpenStreets = False) -> Response:
    """Plan a request of VROOM's API and answer as VROOM does: jobs, shipments, vehicles, breaks, skills, priorities, matrices or places.

    Ways between places that are coordinates are those of your fleet now, for the kind of vehicle that `profile` names: what it has
    closed, imported or met in the last minutes counts, and `roads` says by which network they were told. Matrices are taken as they are.
    `options.l`: seconds of search; or `options.x`, 0 to 5: 0.25 s, and each step twice as long (3, if neither is said); `options.g`: the
    ways as `geometry`. Vehicles' `steps` are the routes to begin with; with `options.c` they are the routes, of which VROOM itself tells
    the times and what they break. Keys that are not known are named in `ignored`; those that would forbid plans are refused. Errors have
    VROOM's codes: 1 (500) no answer, 2 (400) what was sent, 3 (500) no ways to be had, 4 (413) too large.
    """
    asked_of: set[str] = set()
    roads = desk.roads if open_streets else desk.roads.of_fleet(caller.fleet)
    matrix = _matrix_of(roads, asked_of)
    try:
        read = await run_in_threadpool(_understood, await _body(request), matrix)
        if isinstance(read.asked, vroom_plan.Given):
            found = await _timed(read.asked, read.seconds)
        else:
            found = await _planned(read.asked, read.seconds, language_of(request))
        if read.geometry:
            await run_in_threadpool(_draw, found, read.kinds, roads)
    except Refusal as refusal:
        if refusal.status != VROOM_STATUS[VROOM_TOO_LARGE]:
            raise
        return _vroom_error(VROOM_TOO_LARGE, refusal.detail)
    except RoadsError as error:
        return _vroom_error(VROOM_ROUTING, str(error))
    except vroom_check.CheckFailed as error:
        return _vroom_error(VROOM_INTERNAL, str(error))
    except (VroomError, vroom_check.CheckRefused) as error:
        return _vroom_error(VROOM_TOO_LARGE if isinstance(error, TooLarge) else VROOM_INPUT, str(error))
    return JSONResponse(found | ({"roads": sorted(asked_of)} if asked_of else {}))


class _Understood(NamedTuple):
    """A body of VROOM's: what to plan or to time, the seconds for it, whether ways are drawn, and by vehicle on which kind of road."""

    asked: vroom_json.Asked | vroom_plan.Given
    seconds: float
    geometry: bool
    kinds: Mapping[Any, str]


def _understood(data: bytes, matrix: Matrix) -> _Understood:
    """Read a body.

    Raises
    ------
    VroomError
        Whatever is wrong with it.
    """
    try:
        body = msgspec.json.decode(data)
        if not isinstance(body, dict):
            raise VroomError("Invalid input: not an object.")
        options = body.get("options") or {}
        seconds = _seconds(options)
        asked = vroom_plan.given(body, matrix) if options.get("c") else vroom_json.asked(body, matrix)
        kinds = {vehicle["id"]: str(vehicle.get("profile", CAR)) for vehicle in body["vehicles"]}
    except VroomError:
        raise
    except msgspec.DecodeError as error:
        raise VroomError(f"Invalid JSON: {error}") from error
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        raise VroomError(str(error)) from error
    return _Understood(asked, seconds, bool(options.get("g")), kinds)


async def _planned(asked: vroom_json.Asked, seconds: float, language: str) -> dict[str, Any]:
    """A search's answer, in VROOM's words."""
    _take_place()
    began = time.monotonic()
    try:
        found = await run_in_threadpool(answer, asked.problem, asked.warm, budget_s=seconds)
    finally:
        _places.release()
    spent_ms = round(1000 * (time.monotonic() - began))
    plan, verdict = vroom_told.together(asked, found.plan, found.verdict)
    plan = replace(plan, unassigned={task: told(reason, language) for task, reason in plan.unassigned.items()})
    wrong = {van: told(reason, language) for van, reason in found.wrong_vans.items()}
    return vroom_told.told(asked, plan, verdict, wrong_vans=wrong, computing_ms=spent_ms)


async def _timed(given: vroom_plan.Given, seconds: float) -> dict[str, Any]:
    """VROOM's own answer of what its plan mode is asked."""
    _take_place()
    try:
        found = await run_in_threadpool(vroom_check.checked, given.body, seconds)
    finally:
        _places.release()
    found = vroom_plan.without_indices(found) if given.indexed else found
    return found | ({"ignored": list(given.ignored)} if given.ignored else {})


def _vroom_error(code: int, words: str) -> JSONResponse:
    return JSONResponse({"code": code, "error": words}, VROOM_STATUS[code])


def _seconds(options: Mapping[str, Any]) -> float:
    """How long to search."""
    effort = min(5, max(0, int(options.get("x", USUAL_EFFORT))))
    seconds = float(options.get("l", USUAL_S * 2 ** (effort - USUAL_EFFORT)))
    if not math.isfinite(seconds):
        raise VroomError("Invalid input: options.l is no number of seconds.")
    return min(LONGEST_S, max(0.0, seconds))


def _draw(body_out: Mapping[str, Any], kinds: Mapping[Any, str], roads: RoadNetwork) -> None:
    """The ways of the routes, as polylines of five digits, where all of their places are coordinates."""
    for route in body_out["routes"]:
        at = [step["location"] for step in route["steps"] if "location" in step]
        if len(at) >= 2:
            kind = kinds[route["vehicle"]]
            way = roads.route([LatLon(lat, lon) for lon, lat in at], profile=kind if kind in PROFILES else CAR)
            route["geometry"] = encode_polyline(way.geometry, 5)


async def _body(request: Request) -> bytes:
    """The request's body, never more than is allowed of it."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            raise Refusal(413, "problem-too-large", f"more than {MAX_BYTES:,} bytes", next_step="leave out places that nothing happens at")
        parts.append(part)
    return b"".join(parts)


def _read(data: bytes) -> tuple[Problem, Plan | None]:
    try:
        body = msgspec.json.decode(data)
        warm = body.pop("warm", None) if isinstance(body, dict) else None
        problem = problem_from_json(msgspec.json.encode(body) if warm is not None else data)
        first = None if warm is None else plan_from_json(msgspec.json.encode(warm))
    except (BadProblem, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(
            422, "no-problem", str(error), next_step="send the format roundsman-problem/1: the planner's README lists its fields"
        ) from None
    tasks, vans, kinds = len(problem.tasks), len(problem.vans), len({van.type for van in problem.vans})
    split = "split it by depot or day"
    if tasks > MAX_TASKS:
        raise Refusal(413, "problem-too-large", f"{tasks} tasks; at most {MAX_TASKS}", next_step=split)
    if vans > MAX_VANS:
        raise Refusal(413, "problem-too-large", f"{vans} vans; at most {MAX_VANS}", next_step=split)
    if tasks * kinds > MAX_STOPS:
        words = f"{kinds} kinds of vehicle for {tasks} tasks; at most {MAX_STOPS // max(tasks, 1)}"
        raise Refusal(413, "problem-too-large", words, next_step=split)
    return problem, first


def _take_place() -> None:
    if not _places.acquire(blocking=False):
        raise Refusal(
            429,
            "busy-planning",
            f"{AT_ONCE} problems are being planned already",
            next_step="send it again in a few seconds",
            headers={"Retry-After": "5"},
        )


def _ranked(problem: Problem, warm: Plan | None, task: str, language: str) -> bytes:
    whole = sound(problem)
    found: Sequence[Candidate] = ()
    if task not in whole.tasks:
        found = candidates(whole.problem, standing(whole.problem, warm), task)
    return msgspec.json.encode(
        {"task": task, "candidates": [_in_words(one, language) for one in found], "problems": _problems(whole.tasks, whole.vans, language)},
    )


def _in_words(one: Candidate, language: str) -> dict[str, Any]:
    """A candidate with its reason in the reader's language."""
    return {**msgspec.to_builtins(one), "reason": told(one.reason, language)}


def _problems(tasks: Mapping[str, str], vans: Mapping[str, str], language: str) -> list[dict[str, Any]]:
    """What was wrong with the question, each with its name, in the reader's language."""
    return [
        Refusal(422, f"{kind}-cannot-be-planned", f"{kind} {name}: {reason}", next_step="correct it; everything else is planned")
        .document(language)
        .model_dump(exclude_defaults=True)
        for kind, wrong in (("task", tasks), ("van", vans))
        for name, reason in wrong.items()
    ]


def _told(found: Answer, language: str) -> bytes:
    """Reasons, violations and problems in the reader's language."""
    verdict = msgspec.to_builtins(found.verdict)
    unassigned = {task: told(reason, language) for task, reason in found.plan.unassigned.items()}
    return msgspec.json.encode(
        {
            "plan": {"format": "roundsman-plan/1", "routes": found.plan.routes, "unassigned": unassigned},
            "verdict": verdict | {"violations": [told(one, language) for one in verdict["violations"]]},
            "vehicles": found.vehicles,
            "costs": found.costs(),
            "bound_cents": found.bound_cents,
            "by": found.by,
            "note": found.note,
            "problems": _problems(found.wrong_tasks, found.wrong_vans, language),
        }
    )


def _so_far(at: Progress, language: str) -> bytes:
    """A plan that may be used as it is, and be sent as `warm`. Why it leaves something out is told of the last one only."""
    waits = told(NOT_YET, language)
    plan = {"format": "roundsman-plan/1", "routes": at.plan.routes, "unassigned": dict.fromkeys(at.plan.unassigned, waits)}
    return msgspec.json.encode({"plan": plan, "cost_cents": at.best_cents, "by": at.by})


def _started(problem: Problem, warm: Plan | None, seconds: float, seed: int, language: str, *, plans: bool) -> AsyncIterator[bytes]:
    """Search at once, and tell of it to whoever listens; a listener who leaves does not end the search before its time."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Progress | None] = asyncio.Queue()

    def tell(at: Progress | None) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, at)

    def work() -> Answer:
        try:
            return answer(problem, warm, budget_s=seconds, seed=seed, on_progress=tell)
        finally:
            _places.release()
            tell(None)

    working = loop.run_in_executor(None, work)

    async def events() -> AsyncIterator[bytes]:
        best: Plan | None = None
        while (at := await heard.get()) is not None:
            said = {field.name: getattr(at, field.name) for field in fields(at) if field.name != "plan"}
            yield b"event: progress\ndata: " + msgspec.json.encode(said) + b"\n\n"
            if plans and at.plan != best:
                best = at.plan
                yield b"event: better\ndata: " + _so_far(at, language) + b"\n\n"
        yield b"event: plan\ndata: " + _told(await working, language) + b"\n\n"

    return events()


def _matrix_of(roads: RoadNetwork, asked_of: set[str]) -> Matrix:
    def matrix(places: Sequence[tuple[float, float]], kind: str) -> tuple[Any, Any]:
        try:
            at = [LatLon(lat, lon) for lon, lat in places]
        except ValueError as error:
            raise VroomError(f"Invalid location: {error}") from None
        found = roads.matrix(at, at, profile=kind if kind in PROFILES else CAR)
        asked_of.add(found.network)
        return found.durations_s, found.distances_m

    return matrix
