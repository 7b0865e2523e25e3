"""A second judge, slow and obvious, that shares no line with the first: it works in fractions, and tries every pause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from roundsman_hub.planning.problem import Plan, Problem, Task, Van

DRIVE = {"eu_561": 16200, "us_395": 28800}
REST = {"eu_561": 2700, "us_395": 1800}


@dataclass(frozen=True)
class Ran:
    """One way of driving a route to its end. `broken`: what is wrong, by name, with how much of it."""

    back: int
    metres: int
    late: int
    told_late: int
    cents: Fraction
    broken: dict[str, int]

    def worse(self) -> int:
        return sum(self.broken.get(name, 0) for name in ("rest", "deadline", "wait", "shift"))


def judge_slowly(problem: Problem, plan: Plan) -> tuple[Fraction, int, bool]:
    """(cents, lateness in seconds, may it be used)."""
    tasks = {task.task: task for task in problem.tasks}
    places = {f"@{d.depot}" for d in problem.depots} | {f"+{c.charger}" for c in problem.chargers}
    planned = [step for route in plan.routes.values() for step in route if step not in places]
    usable = sorted([*planned, *plan.unassigned]) == sorted(tasks) and all(plan.unassigned.values())
    usable &= {vehicle for vehicle, route in plan.routes.items() if route} <= {van.vehicle for van in problem.vans}
    cents, late, hours = Fraction(0), 0, {}
    for van in problem.vans:
        route = [step for step in plan.routes.get(van.vehicle, ()) if step in tasks or step in places]
        frozen = [task for task in van.frozen if task in tasks]
        ran, least = drive(problem, van, route), drive(problem, van, frozen)
        usable &= route[: len(frozen)] == frozen
        usable &= all(may(problem, van, tasks[step], route) for step in route[len(frozen) :] if step in tasks)
        usable &= all(amount <= least.broken.get(name, 0) for name, amount in ran.broken.items())
        cents, late = cents + ran.cents, late + ran.late
        if route:
            hours[van.vehicle] = ran.back - van.start_s
    for relation in problem.relations:
        at = [(v, list(r).index(t)) for t in relation.tasks for v, r in plan.routes.items() if t in r]
        if relation.kind == "different_vans":
            usable &= len({v for v, _ in at}) == len(at)
        else:
            usable &= len({v for v, _ in at}) <= 1
            usable &= relation.kind == "same_van" or [i for _, i in at] == sorted(i for _, i in at)
    cents += sum(task.left_out_cents for task in problem.tasks if task.task not in planned)
    if hours:
        mean = sum(hours.values()) // len(hours)
        cents += sum(Fraction(problem.fair_cents_per_hour * max(0, worked - mean), 3600) for worked in hours.values())
    for vehicle, held in problem.current.items():
        if vehicle in {van.vehicle for van in problem.vans}:
            nexts = [task for task in held if task in tasks][:3]
            now = [task for task in plan.routes.get(vehicle, ()) if task in tasks]
            cents += problem.churn_cents * sum(1 for at, task in enumerate(nexts) if now[at : at + 1] != [task])
    return cents, late, usable


def may(problem: Problem, van: Van, task: Task, route: list[str]) -> bool:
    """Rights that have nothing to do with time."""
    loads_here = van.at_depot and task.depot in (None, van.depot)
    loads_later = any(task.depot in (None, depot) for depot in van.reloads)
    goods = task.kind == "pickup" or task.shipment is not None or task.on_board == van.vehicle or loads_here or loads_later
    ends = task.kind == "delivery" or task.shipment is not None or task.depot in (None, van.end_depot, *van.reloads)
    held = task.on_board in (None, van.vehicle) and task.may_be_held_by in (None, van.vehicle)
    told = van.reachable or task.on_board is not None or task.task in (*problem.current.get(van.vehicle, ()), *van.frozen)
    kind = task.vehicle_types is None or van.type in task.vehicle_types
    named = task.vans is None or van.vehicle in task.vans
    return goods and ends and held and told and kind and named and task.skills <= van.skills


def drive(problem: Problem, van: Van, route: list[str]) -> Ran:
    """The best of every way to drive the route: least broken, then cheapest."""
    return min(every_way(problem, van, route), key=lambda ran: (ran.worse(), ran.cents))


@dataclass(frozen=True)
class At:
    """Somewhere on the way."""

    clock: int
    place: int
    index: int = 0
    here: bool = False
    """Arrived at step `index`, not yet served; else about to leave for it."""
    arrived: int = 0
    free: int = 0
    """Since when nothing but waiting for the service."""
    breaks: int = 0
    to_break: int = 0
    left: int = 0
    half: bool = False
    metres: int = 0
    late: int = 0
    told_late: int = 0
    waited: int = 0
    driven: int = 0
    paused: int = 0
    extra: int = 0
    range_m: int = 0
    paused_here: int = 0
    fuel: int = 0
    broken: tuple[tuple[str, int], ...] = ()
    left_pickup: tuple[tuple[str, int], ...] = ()

    def breaking(self, name: str, amount: int) -> At:
        return self if amount <= 0 else replace(self, broken=(*self.broken, (name, amount)))


def every_way(problem: Problem, van: Van, route: list[str]) -> Iterator[Ran]:
    loads, ready, wrong = cargo(problem, van, route)
    start = At(clock=van.start_s, place=van.start_place, range_m=van.energy.range_m if van.energy else 0)
    if van.hours:
        start = replace(start, to_break=van.hours.to_break_s, left=van.hours.driving_s, half=van.hours.rested_15)
    for name, amount in wrong:
        start = start.breaking(name, amount)
    if not route and van.at_depot:
        yield ended(problem, van, route, start, van.start_s)
        return
    todo = [start]
    while todo:
        at = todo.pop()
        todo += pauses(van, at)
        last = at.index == len(route)
        if last and (at.here or van.end_place is None):
            yield ended(problem, van, route, at, at.clock)
        elif at.here:
            todo.append(serve(problem, van, route, at))
        else:
            clock = max(at.clock, ready[at.index])
            if clock > at.clock:
                todo += pauses(van, replace(at, clock=clock))
            to = van.end_place if last else place_of(problem, route[at.index])
            assert to is not None
            todo.append(move(problem, van, replace(at, clock=clock), to, loads[at.index]))


def pauses(van: Van, at: At) -> list[At]:
    """Every pause that may begin here and now."""
    out = []
    if at.breaks < len(van.breaks) and at.clock <= van.breaks[at.breaks].latest_s:
        due = van.breaks[at.breaks]
        start = max(at.clock, due.earliest_s)
        while any(since < start < until for since, until in due.gaps_s):
            start += 1
        done = start + due.duration_s
        after = rest(van, replace(at, breaks=at.breaks + 1), done, due.duration_s)
        out.append(replace(after, paused=at.paused + due.duration_s, paused_here=at.paused_here + due.duration_s))
    if van.hours and at.to_break < DRIVE[van.hours.rule]:
        lengths = [REST[van.hours.rule]]
        if van.hours.rule == "eu_561":
            lengths.append(1800 if at.half else 900)
        for seconds in lengths:
            after = rest(van, at, at.clock + seconds, seconds)
            out.append(replace(after, paused=at.paused + seconds, paused_here=at.paused_here + seconds))
    return out


def rest(van: Van, at: At, clock: int, seconds: int) -> At:
    at = replace(at, clock=clock, free=clock)
    if van.hours is None:
        return at
    rule = van.hours.rule
    if seconds >= REST[rule] or (rule == "eu_561" and at.half and seconds >= 1800):
        return replace(at, to_break=DRIVE[rule], half=False)
    return replace(at, half=True) if rule == "eu_561" and seconds >= 900 else at


def move(problem: Problem, van: Van, at: At, to: int, load: tuple[int, ...]) -> At:
    """Drive: as much of the leg in each band as its time allows."""
    profile = problem.profiles.get(van.profile)
    bands = [problem.durations_s] if profile is None else list(profile.durations_s)
    starts = [0] if profile is None else list(profile.band_starts_s)
    metres = int((problem.distances_m if profile is None else profile.distances_m)[at.place][to])
    wholes = [int(band[at.place][to]) for band in bands]
    seconds = travel(at.clock, wholes, starts)
    if seconds is None:
        at, seconds, metres = at.breaking(f"way {at.place} {to}", 1), 0, 0
    clock, pause = at.clock + seconds, 0
    to_break, left, half = at.to_break, at.left, at.half
    if van.hours:
        still = seconds
        while still > to_break:
            still -= to_break
            pause += 1800 if half else REST[van.hours.rule]
            to_break, half = DRIVE[van.hours.rule], False
        to_break, left = to_break - still, left - seconds
        at = at.breaking("rest", max(-left, 0) - max(-at.left, 0))
        clock += pause
        if seconds:
            last = van.start_s + van.hours.duty_s
            at = at.breaking("rest", max(clock - last, 0) - max(at.clock - last, 0))
    range_m = at.range_m
    if van.energy:
        at = at.breaking("range", metres - range_m)
        range_m = max(range_m - metres, 0)
    return replace(
        at,
        clock=clock,
        arrived=clock,
        free=clock,
        paused_here=0,
        place=to,
        here=True,
        metres=at.metres + metres,
        driven=at.driven + seconds,
        paused=at.paused + pause,
        to_break=to_break,
        left=left,
        half=half,
        range_m=range_m,
        fuel=at.fuel + metres * load[0],
    )


def travel(depart: int, wholes: list[int], starts: list[int]) -> int | None:
    """Seconds until the shares of the leg that the bands allow are all of it; None where a band that is driven in has no way."""
    borders = [-(10**12), *starts[1:], 10**12]
    covered, clock = Fraction(0), Fraction(depart)
    for whole, begins, ends in zip(wholes, borders, borders[1:], strict=False):
        if clock >= ends:
            continue
        if whole < 0:
            return None
        here = Fraction(1) if whole == 0 else (ends - max(clock, Fraction(begins))) / whole
        if covered + here >= 1:
            done = clock + (1 - covered) * whole
            return int(-(-done // 1)) - depart
        covered, clock = covered + here, Fraction(ends)
    return None


def serve(problem: Problem, van: Van, route: list[str], at: At) -> At:
    """Wait for a window, and serve."""
    step = route[at.index]
    task: Task | None = next((t for t in problem.tasks if t.task == step), None)
    start, service = at.clock, 0
    windows: tuple[tuple[int, int], ...] = ()
    if task is None:
        for depot in problem.depots:
            if step == f"@{depot.depot}":
                windows, service = depot.windows_s, depot.reload_s
        for charger in problem.chargers:
            if step == f"+{charger.charger}":
                service = charger.charge_s
                at = replace(at, range_m=van.energy.full_m if van.energy else 0)
        if at.index == 0 and van.begun and van.begun.step == step:
            service = min(service, van.begun.left_s)
    else:
        windows = task.windows_s
        came_from = van.start_place if at.index == 0 else place_of(problem, route[at.index - 1])
        service = dict(task.service_by_type).get(van.type, task.service_s) + (
            dict(task.parking_by_type).get(van.type, task.parking_s) if came_from != task.place else 0
        )
        if task.kind == "pickup":
            start = max(start, task.release_s)
        if task.promise_s:
            start = max(start, task.promise_s[0])
    while windows and not any(a <= start <= b for a, b in windows) and any(start < a for a, _ in windows):
        start += 1
    late = start - max(b for _, b in windows) if windows and not any(a <= start <= b for a, b in windows) else 0
    told = max(0, start - task.promise_s[1]) if task and task.promise_s else 0
    extra, left_pickup = at.extra, at.left_pickup
    if task is not None:
        extra += task.reattempt_cents + sum(cents for name, cents in van.familiar if name == task.territory)
        at = at.breaking("deadline", start - task.deadline_s if task.deadline_s is not None else 0)
        if task.shipment and task.kind == "pickup":
            left_pickup = (*left_pickup, (task.shipment, start + service))
        if task.shipment and task.kind == "delivery" and task.max_ride_s is not None and task.shipment in dict(left_pickup):
            at = at.breaking("ride", start - dict(left_pickup)[task.shipment] - task.max_ride_s)
    if problem.max_wait_s is not None:
        at = at.breaking("wait", start - at.free - problem.max_wait_s)
    to_break = at.to_break
    if van.hours and van.hours.rule == "us_395" and start - at.clock + service >= 1800:
        to_break = DRIVE["us_395"]
    return replace(
        at,
        clock=start + service,
        index=at.index + 1,
        here=False,
        paused_here=0,
        late=at.late + late,
        told_late=at.told_late + told,
        waited=at.waited + start - at.arrived - at.paused_here,
        extra=extra,
        to_break=to_break,
        left_pickup=left_pickup,
    )


def ended(problem: Problem, van: Van, route: list[str], at: At, back: int) -> Ran:
    """Pauses missed, limits passed, and the bill."""
    at = at.breaking("rest", sum(due.duration_s for due in van.breaks[at.breaks :] if back > due.latest_s))
    at = at.breaking("shift", back - van.shift_end_s - van.overtime_s)
    work = sum(1 for step in route if not step.startswith(("@", "+")))
    at = at.breaking("tasks", work - van.max_tasks if van.max_tasks is not None else 0)
    at = at.breaking("metres", at.metres - van.max_distance_m if van.max_distance_m is not None else 0)
    stood = back - van.start_s - at.driven - at.paused
    cents = Fraction(van.fixed_cents if route and van.at_depot else 0) + at.extra
    cents += Fraction(van.cents_per_km * at.metres, 1000) + Fraction(van.cents_per_hour * (back - van.start_s), 3600)
    cents += Fraction(van.overtime_cents_per_hour * max(0, back - van.shift_end_s), 3600)
    cents += Fraction(van.waiting_cents_per_hour * at.waited, 3600) + Fraction(van.idling_cents_per_hour * stood, 3600)
    cents += Fraction(problem.lateness_cents_per_min * at.late, 60) + Fraction(problem.promise_cents_per_min * at.told_late, 60)
    cents += Fraction(van.fuel_cents_per_km_per_1000 * at.fuel, 1_000_000)
    broken: dict[str, int] = {}
    for name, amount in at.broken:
        broken[name] = broken.get(name, 0) + amount
    return Ran(back=back, metres=at.metres, late=at.late, told_late=at.told_late, cents=cents, broken=broken)


def place_of(problem: Problem, step: str) -> int:
    places = {task.task: task.place for task in problem.tasks}
    places |= {f"@{depot.depot}": depot.place for depot in problem.depots}
    places |= {f"+{charger.charger}": charger.place for charger in problem.chargers}
    return places[step]


def cargo(problem: Problem, van: Van, route: list[str]) -> tuple[list[tuple[int, ...]], list[int], list[tuple[str, int]]]:
    """(load before each leg, when each leg may begin, what is wrong), keeping every parcel by name."""
    tasks = {task.task: task for task in problem.tasks}
    dims = len(van.capacity)
    aboard = {task.task for task in problem.tasks if task.on_board == van.vehicle}
    collected: set[str] = set()
    carried = list(van.carried or (0,) * dims)
    wrong: list[tuple[str, int]] = []
    loads: list[tuple[int, ...]] = []
    ready: list[int] = []
    most = [0] * dims

    def load_trip(begin: int, depot: str | None, may_load: bool) -> None:
        goods = []
        for step in route[begin:]:
            if step.startswith("@"):
                break
            task = tasks.get(step)
            if task and task.kind == "delivery" and task.on_board is None and task.shipment is None:
                goods.append(task)
                aboard.add(step)
                if not may_load or task.depot not in (None, depot):
                    wrong.append(("goods", 1))
        ready.append(max([task.release_s for task in goods], default=0))

    def weigh() -> None:
        total = tuple(carried[d] + sum(tasks[name].load[d] for name in aboard | collected) for d in range(dims))
        loads.append(total)
        for d in range(dims):
            most[d] = max(most[d], total[d])

    load_trip(0, van.depot, van.at_depot)
    weigh()
    for index, step in enumerate(route):
        task = tasks.get(step)
        if step.startswith("@"):
            carried = [0] * dims
            collected -= {n for n in collected if tasks[n].shipment is None and tasks[n].depot in (None, step[1:])}
            if step[1:] not in van.reloads:
                wrong.append(("goods", 1))
            load_trip(index + 1, step[1:], True)
        else:
            ready.append(0)
        if task and task.kind == "pickup":
            collected.add(step)
            if task.shipment and not any(t.shipment == task.shipment and t.kind == "delivery" and t.task in route for t in problem.tasks):
                wrong.append(("goods", 1))
        elif task and task.shipment and task.on_board is None:
            pickups = [n for n in collected if tasks[n].shipment == task.shipment]
            wrong += [] if pickups else [("goods", 1)]
            collected -= set(pickups)
        elif task:
            aboard.discard(step)
        weigh()
    for name in collected:
        if tasks[name].shipment is None and tasks[name].depot not in (None, van.end_depot):
            wrong.append(("goods", 1))
    for d in range(dims):
        wrong.append((f"load {d}", max(0, most[d] - van.capacity[d])))
    return loads, ready, wrong
