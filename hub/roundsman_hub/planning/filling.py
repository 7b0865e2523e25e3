"""Work put into rows of routes: by regret as long as there is effort for it, in haste after that.

With several tasks the one with most to lose goes first: the largest difference between its best and its second-best van (regret, Potvin
and Rousseau 1993).
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Final

from roundsman_hub.planning.bids import UNKNOWN
from roundsman_hub.planning.effort import PAIR_US, PICKUPS, PLACE_US, WALKS_EACH
from roundsman_hub.planning.lookups import UNITS_PER_CENT
from roundsman_hub.planning.rides import Job, Place, place_of
from roundsman_hub.planning.row import Row
from roundsman_hub.planning.work import TaskId, VehicleId

MANY: Final = 200
"""From so many new tasks on they go one by one instead of by regret, which looks at each of them again after every insertion
(1,000 tasks: 57 s of CPU)."""
NEAREST: Final = 6
"""In haste a job is offered to so many vans, those whose routes come nearest to it."""
SPARE: Final = 3
"""In haste all of them are asked only while there is so many times the effort that the others need with the first place for each: what that
takes is known roughly. (With 1, mends left 19 tasks over where it leaves 6, 88 where it leaves 7.)"""
GROWN: Final = 3.0
"""So many times as long do routes become, at most, for all that is known of what walking them will take by then."""
AHEAD: Final = 8
"""So many shares of the effort may the jobs that are looked at first take more than their own, before it is seen that all is too much."""


class _Rows:
    """The rows while they are being filled: where every task is, and who may still take a job."""

    def __init__(self, rows: dict[VehicleId, Row]) -> None:
        self.rows = rows
        self.ground = next(iter(rows.values())).ground
        self.where = {step: vehicle for vehicle, row in rows.items() for step in row.route} if self.ground.relations_of else {}

    def place(self, vehicle: VehicleId, job: Job, *, late_allowed: bool) -> Place | None:
        if self.where and any(self.ground.unrelated(task.task, vehicle, self.where) for task in job):
            return None
        return place_of(self.rows[vehicle], job, late_allowed=late_allowed)

    def floor(self, vehicle: VehicleId, job: Job, *, late_allowed: bool) -> int | None:
        """What the van asks for at least; None where it cannot take the job."""
        return self.rows[vehicle].floor(job[0], late_allowed=late_allowed) if len(job) == 1 else UNKNOWN

    def hasty_us(self, jobs: Collection[Job]) -> float:
        """Effort that it takes, about, to put these somewhere in haste."""
        rows = [row for row in self.rows.values() if row.route] or list(self.rows.values())
        had = sum(len(row.route) for row in rows)
        grown = min(GROWN, 1 + sum(map(len, jobs)) / max(1, had))
        walk_us = grown * sum(row.walk_us for row in rows) / len(rows)
        stops = grown * had / len(rows)
        pairs = sum(len(job) > 1 for job in jobs)
        return len(jobs) * (WALKS_EACH * walk_us + 2 * PLACE_US * stops) + pairs * 2 * PICKUPS * PAIR_US[1] * stops

    def nearest(self, job: Job) -> list[VehicleId]:
        """The vans whose routes come nearest to both its ends, and one that has nothing to do yet."""

        def away_m(vehicle: VehicleId) -> int:
            van = self.rows[vehicle].van
            metres, stops = self.ground.travel[van.profile].distances_m, self.ground.stops[van.type]
            places = [van.start_place, *(stops[step].place for step in self.rows[vehicle].route)]
            return sum(min(metres[place][task.place] for place in places) for task in job)

        ordered = sorted(self.rows, key=lambda vehicle: (away_m(vehicle), vehicle))
        able = (name for name in ordered[NEAREST:] if not any(self.ground.refusal(self.rows[name].van, task) for task in job))
        return [*ordered[:NEAREST], *islice((name for name in able if not self.rows[name].route), 1)]

    def put(self, vehicle: VehicleId, job: Job, place: Place) -> None:
        self.rows[vehicle] = self.rows[vehicle].with_(job[0], place)
        if self.ground.relations_of:
            self.where.update({task.task: vehicle for task in job})


def _worth_units(job: Job) -> int:
    return sum(task.left_out_cents for task in job) * UNITS_PER_CENT


class _Offers:
    """What the vans ask for one job: exactly, as far as its cheapest and second-cheapest van have to be known."""

    def __init__(self, board: _Rows, job: Job, *, late_allowed: bool) -> None:
        self.board, self.job, self.late_allowed = board, job, late_allowed
        self.floors: dict[VehicleId, int] = {}
        self.places: dict[VehicleId, Place] = {}
        for vehicle in board.rows:
            if board.ground.effort.hasty:
                break
            self.ask(vehicle)

    def ask(self, vehicle: VehicleId) -> None:
        """Forget what a van asked for, and look at what it asks for at least."""
        self.places.pop(vehicle, None)
        self.floors.pop(vehicle, None)
        floor = self.board.floor(vehicle, self.job, late_allowed=self.late_allowed)
        if floor is not None:
            self.floors[vehicle] = floor

    def near(self, *, first: bool) -> tuple[int, VehicleId] | None:
        """The cheapest of the places that the vans nearest to it offer, or the first that will do."""
        limit, best = _worth_units(self.job), None
        for vehicle in self.board.nearest(self.job):
            place = self.board.place(vehicle, self.job, late_allowed=self.late_allowed)
            if place is not None and place.units < limit:
                self.places[vehicle] = place
                best = min(best or (place.units, vehicle), (place.units, vehicle))
                if first or self.board.ground.effort.over:
                    break
        return best

    def ranked(self, limit: int) -> list[tuple[int, VehicleId]]:
        """The offers below a limit, cheapest first: right in the first two."""
        found = sorted((place.units, vehicle) for vehicle, place in self.places.items() if place.units < limit)
        for floor, vehicle in sorted((floor, vehicle) for vehicle, floor in self.floors.items()):
            if floor >= limit or (len(found) > 1 and floor > found[1][0]) or self.board.ground.effort.hasty:
                break
            del self.floors[vehicle]
            place = self.board.place(vehicle, self.job, late_allowed=self.late_allowed)
            if place is not None:
                self.places[vehicle] = place
                if place.units < limit:
                    found = sorted([*found, (place.units, vehicle)])
        return found


def fill(rows: dict[VehicleId, Row], jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """Insert by largest regret until nothing more fits; returns what is left over. `rows` are replaced as they grow."""
    if not rows or not jobs:
        return jobs
    board = _Rows(rows)
    effort = board.ground.effort
    effort.keep(board.hasty_us(jobs))
    if len(jobs) > MANY:
        return _fill_one_by_one(board, jobs, late_allowed=late_allowed)
    waiting = {job[0].task: job for job in jobs}
    offers = {name: _Offers(board, job, late_allowed=late_allowed) for name, job in waiting.items()}
    while waiting:
        effort.keep(board.hasty_us(waiting.values()))
        if effort.hasty:
            return _fill_in_haste(board, list(waiting.values()), late_allowed=late_allowed)
        chosen: tuple[int, int, TaskId, VehicleId] | None = None
        shares = effort.shares(len(waiting))
        for at, (name, job) in enumerate(waiting.items()):
            effort.cut_us = shares[min(at + AHEAD, len(shares) - 1)] if shares else None
            limit = _worth_units(job)
            ranked = offers[name].ranked(limit)
            if ranked:
                second = ranked[1][0] if len(ranked) > 1 else limit
                key = (second - ranked[0][0], -ranked[0][0], name, ranked[0][1])
                chosen = key if chosen is None else max(chosen, key)
            if not effort.affords(0):  # what is known of some of them helps nobody
                return _fill_in_haste(board, list(waiting.values()), late_allowed=late_allowed)
        if chosen is None:
            break
        _, _, name, vehicle = chosen
        job = waiting.pop(name)
        board.put(vehicle, job, offers[name].places[vehicle])
        related = {other for task in job for relation in board.ground.relations_of.get(task.task, ()) for other in relation.tasks}
        for other_name, other in waiting.items():
            for van in list(rows) if related & {task.task for task in other} else [vehicle]:
                offers[other_name].ask(van)
    return list(waiting.values())


def _urgency(job: Job) -> tuple[int, int, TaskId]:
    """The dearest to leave out first, then whose window closes first."""
    closes = min(max((closes for _, closes in task.windows_s), default=1 << 40) for task in job)
    return -_worth_units(job), closes, job[0].task


def _fill_in_haste(board: _Rows, jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """One by one, each at the first place that will do; at the cheapest of some as long as there is effort for the others, too."""
    left_over, effort, ordered = [], board.ground.effort, sorted(jobs, key=_urgency)
    for at, job in enumerate(ordered):
        offers = _Offers(board, job, late_allowed=late_allowed)
        found = None if effort.over else offers.near(first=not effort.spares(SPARE * board.hasty_us(ordered[at:])))
        if found is None:
            left_over.append(job)
        else:
            board.put(found[1], job, offers.places[found[1]])
    return left_over


def _fill_one_by_one(board: _Rows, jobs: list[Job], *, late_allowed: bool) -> list[Job]:
    """The most urgent first; each where it costs least."""
    left_over: list[Job] = []
    ordered = sorted(jobs, key=_urgency)
    for at, job in enumerate(ordered):
        board.ground.effort.keep(board.hasty_us(ordered[at:]))
        if board.ground.effort.hasty:
            return left_over + _fill_in_haste(board, ordered[at:], late_allowed=late_allowed)
        limit = _worth_units(job)
        offers = _Offers(board, job, late_allowed=late_allowed)
        ranked = offers.ranked(limit)
        if ranked:
            board.put(ranked[0][1], job, offers.places[ranked[0][1]])
        else:
            left_over.append(job)
    return left_over
