"""`roundsman-hub solve`, `plot` and `explain`: planning from files, without a hub. Reasons and refusals are in the reader's language."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from roundsman_hub import HubError
from roundsman_hub.domain.sentences import LANGUAGES, told
from roundsman_hub.domain.words import preferred
from roundsman_hub.planning import spoken
from roundsman_hub.planning.answering import Progress, answer
from roundsman_hub.planning.elsewhere import cluster
from roundsman_hub.planning.evaluate import evaluate
from roundsman_hub.planning.instances import BadInstance, parse
from roundsman_hub.planning.picture import layout, page, undrawable
from roundsman_hub.planning.portable import BadProblem, check, plan_from_json, plan_to_json, problem_from_json
from roundsman_hub.planning.problem import Plan, Problem, Verdict
from roundsman_hub.planning.reasoning import Asking, explained
from roundsman_hub.planning.soundness import sound

MOST_PROCESSES: Final = 256
LOCALE: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Where a shell says its language, in the order in which POSIX has them count."""


class CannotRead(HubError):
    """A file that is not what its command needs."""


def run_solve(arguments: Sequence[str], _: Path) -> int:
    """Plan a file. Exit code 2 where something was wrong with the question, as the answer says."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub solve",
        description="Plan a problem (JSON), or a Solomon, Gehring & Homberger, Li & Lim or VRPLIB instance.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=_seconds, default=10.0, help="real seconds of search; 0: insertion alone")
    parser.add_argument("--objective", choices=("distance", "fewest"), default="distance", help="of an instance: fewest vans first")
    parser.add_argument("--seed", type=_count, default=0)
    parser.add_argument("--json", action="store_true", help="one line: cost, vehicles, routes, unassigned")
    parser.add_argument("--costs", action="store_true", help="what each delivery costs: marginally, and on average")
    parser.add_argument("--out", type=Path, help="write the plan there, with when everything happens")
    parser.add_argument("--warm", type=Path, metavar="PLAN", help="begin with this plan")
    parser.add_argument("--processes", type=_processes, default=1, help="engines that search at the same time")
    parser.add_argument("--cluster", metavar="ADDRESS", help="search in parts on a Dask cluster: its scheduler, as tcp://10.0.0.5:8786")
    parser.add_argument("--progress", action="store_true", help="tell how far the search is, even where nobody looks at a terminal")
    _speaks(parser)
    options = parser.parse_args(arguments)
    language = _language(options.language)
    problem = _problem(options.file, options.objective, language)
    warm = None if options.warm is None else _plan(options.warm, language)
    with ExitStack() as machines:
        try:
            executor = machines.enter_context(cluster(options.cluster)) if options.cluster else None
        except ValueError as error:
            raise CannotRead(str(error)) from None
        found = answer(
            problem,
            warm,
            budget_s=options.seconds,
            seed=options.seed,
            processes=options.processes,
            executor=executor,
            on_progress=_tell if options.progress or sys.stderr.isatty() else lambda _: None,
        )
    if options.out is not None:
        options.out.write_bytes(_with_places(plan_to_json(found.plan, found.verdict), problem))
    wrong = {("task", task): reason for task, reason in found.wrong_tasks.items()}
    wrong |= {("van", van): reason for van, reason in found.wrong_vans.items()}
    if options.json:
        said = options.language or "en"
        body = {
            "cost": cost(problem, found.verdict),
            "cost_cents": found.verdict.cost_cents,
            "bound_cents": found.bound_cents,
            "vehicles": found.vehicles,
            "routes": {van: list(route) for van, route in found.plan.routes.items() if route},
            "unassigned": {task: told(reason, said) for task, reason in found.plan.unassigned.items()},
            "late_s": found.verdict.lateness_s,
            "by": found.by,
            "wrong": {f"{thing} {name}": told(reason, said) for (thing, name), reason in wrong.items()},
        }
        print(json.dumps(body | ({"costs": {task: asdict(one) for task, one in found.costs().items()}} if options.costs else {})))
    else:
        print(f"{told(spoken.summed_up(cost(problem, found.verdict), found.vehicles), language)} ({found.by}; {found.note})")
        for van, route in found.plan.routes.items():
            if route:
                print(f"{van}: {' '.join(route)}")
        for task, one in found.costs().items() if options.costs else ():
            print(told(spoken.share(task, one.marginal_cents, one.average_cents), language))
        for task, reason in found.plan.unassigned.items():
            print(told(spoken.left_out(task, reason), language))
        for (thing, name), reason in wrong.items():
            print(told(spoken.wrong(thing, name, reason), language), file=sys.stderr)
    return 2 if wrong else 0


def cost(problem: Problem, verdict: Verdict) -> float:
    """What a plan is compared by: of an instance its distance in the instance's own units, else its price in whole money."""
    benchmark = all(van.cents_per_hour == 0 and van.cents_per_km == 1_000 for van in problem.vans) and problem.vans
    return verdict.distance_m / problem.distance_scale if benchmark else verdict.cost_cents / 100


def run_plot(arguments: Sequence[str], _: Path) -> int:
    """Pictures of a plan."""
    parser = argparse.ArgumentParser(prog="roundsman-hub plot", description="One page of pictures: routes, the day of each van, load.")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--problem", type=Path, help="its problem: the plan is judged anew, and times are times of day")
    parser.add_argument("--out", type=Path, help="file to write (default: the plan's name with .html)")
    options = parser.parse_args(arguments)
    plan = _plan(options.plan)
    title = f"Plan {options.plan.stem}"
    if options.problem is not None:
        problem = sound(_problem(options.problem, "distance")).problem
        verdict, places = evaluate(problem, plan), layout(problem)
        origin, timezone = problem.origin_utc_s or None, problem.timezone
    else:
        body = _json(options.plan)
        if "verdict" not in body:
            raise CannotRead(f"{options.plan} does not say when anything happens: give its problem with --problem")
        try:
            verdict = msgspec.convert(body["verdict"], Verdict)
            places = msgspec.convert(body.get("places", {}), dict[str, tuple[float, float]])
            origin = msgspec.convert(body.get("origin_utc_s"), int | None)
        except msgspec.ValidationError as error:
            raise CannotRead(f"{options.plan}: {error}") from None
        timezone = str(body.get("timezone", "UTC"))
    if wrong := undrawable(verdict, places, origin, timezone):
        raise CannotRead(f"{options.plan} cannot be drawn: {wrong}")
    text = page(plan, verdict, places, title=title, origin_utc_s=origin, timezone=timezone)
    out: Path = options.out or options.plan.with_suffix(".html")
    out.write_text(text, encoding="utf-8")
    print(out)
    return 0


def run_explain(arguments: Sequence[str], _: Path) -> int:
    """Why tasks are left out or late."""
    parser = argparse.ArgumentParser(
        prog="roundsman-hub explain", description="For each task that is left out or late: what would have to give way, and its price."
    )
    parser.add_argument("problem", type=Path)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--task", action="append", help="only these (may be repeated)")
    parser.add_argument(
        "--resolve",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="of search for each task: prices by planning all anew, while they last",
    )
    parser.add_argument("--progress", action="store_true", help="tell what was tried, even where nobody looks at a terminal")
    parser.add_argument("--json", action="store_true")
    _speaks(parser)
    options = parser.parse_args(arguments)
    language = _language(options.language)
    whole = sound(_problem(options.problem, "distance", language))
    plan = _plan(options.plan, language)
    plan = Plan(routes=plan.routes, unassigned={task: why_ for task, why_ in plan.unassigned.items() if task not in whole.tasks})
    verdict = evaluate(whole.problem, plan)
    if verdict.violations:
        raise CannotRead(told(spoken.no_plan_for(options.plan, options.problem, verdict.violations[0]), language))
    late = [visit.task for route in verdict.routes.values() for visit in route if visit.lateness_s or visit.promise_late_s]
    asked = options.task or [*plan.unassigned, *late]
    known = {task.task for task in whole.problem.tasks}

    answers: list[dict[str, Any]] = []
    for task in asked:
        if task in whole.tasks:
            answers.append({"task": task, "reason": whole.tasks[task], "relaxations": []})
        elif task not in known:
            raise CannotRead(told(spoken.no_task(task, options.problem), language))
        else:
            tell = partial(_tell_asking, task) if options.progress or sys.stderr.isatty() else lambda _: None
            found_ = explained(whole.problem, plan, task, resolve_s=options.resolve, on_progress=tell)
            answers.append(msgspec.to_builtins(found_))
    if options.json:
        print(json.dumps([found | {"reason": told(found["reason"], options.language or "en")} for found in answers]))
        return 0
    for found in answers:
        print(f"{found['task']}: {told(found['reason'], language)}")
        for one in found["relaxations"]:
            how = "" if one["searched"] or not options.resolve else f" ({told(spoken.HURRIED, language)})"
            print(f"  {told(spoken.without(one['constraints'], one['vehicle'], one['price_cents']), language)}{how}")
        if not found["relaxations"]:
            print(f"  {told(spoken.NOT_EVEN_SO, language)}")
    return 0


COMMANDS: Final[dict[str, Callable[[Sequence[str], Path], int]]] = {"solve": run_solve, "plot": run_plot, "explain": run_explain}


def _tell(at: Progress) -> None:
    left_out = f", {at.unassigned} left out" if at.unassigned else ""
    money = f"bound {at.bound_cents / 100:,.2f}  best {at.best_cents / 100:,.2f}"
    print(f"{at.elapsed_s:6.1f} s  {money}  {at.routes} routes{left_out}  ({at.by})", file=sys.stderr, flush=True)


def _tell_asking(task: str, at: Asking) -> None:
    what = " and ".join(at.constraints) or "nothing"
    came = "not enough" if at.price_cents is None else f"{at.price_cents / 100:,.2f} more"
    print(f"{at.elapsed_s:6.1f} s  {task} without {what}: {came}", file=sys.stderr, flush=True)


def _seconds(said: str) -> float:
    """Seconds of search."""
    seconds = float(said)
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError("from 0 on, and not for ever")
    return seconds


def _count(said: str) -> int:
    number = int(said)
    if not 0 <= number < 1 << 31:
        raise argparse.ArgumentTypeError("from 0 on, below 2³¹")
    return number


def _processes(said: str) -> int:
    number = int(said)
    if not 1 <= number <= MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_PROCESSES}")
    return number


def _speaks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", choices=sorted(LANGUAGES), help="of reasons and refusals; else the locale's (with --json: English)")


def _language(asked: str | None) -> str:
    """The language that was asked for, or the locale's: what the environment says of messages."""
    locale = next((said for name in LOCALE if (said := os.environ.get(name))), "")
    return asked or preferred(locale)


def _problem(path: Path, objective: Any, language: str = "en") -> Problem:
    text = _text(path)
    try:
        if text.lstrip().startswith("{"):
            return problem_from_json(text)
        problem = parse(text, objective)
        check(problem)
        return problem
    except (BadProblem, BadInstance) as error:
        raise CannotRead(f"{path}: {told(str(error), language)}") from None


def _plan(path: Path, language: str = "en") -> Plan:
    try:
        return plan_from_json(_text(path))
    except BadProblem as error:
        raise CannotRead(f"{path}: {told(str(error), language)}") from None


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(path))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CannotRead(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CannotRead(f"{path} is not text") from None


def _with_places(plan: bytes, problem: Problem) -> bytes:
    """The plan with where its stops lie, so that it can be drawn without its problem."""
    body = msgspec.json.decode(plan)
    places = {step: [round(x, 1), round(y, 1)] for step, (x, y) in layout(problem).items()}
    return msgspec.json.encode({**body, "places": places, "origin_utc_s": problem.origin_utc_s or None, "timezone": problem.timezone})
