"""What changed between two plans, in sentences that a driver or a dispatcher can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roundsman_hub.planning.work import TaskId, VehicleId


def diff(before: Sequence[TaskId], after: Sequence[TaskId], names: Mapping[TaskId, str]) -> list[str]:
    """Changes of one van's route.

    Parameters
    ----------
    before, after : sequence of TaskId
        What remains to be served, in driving order. Work done meanwhile belongs in neither.
    names : mapping of TaskId to str
        What people call each stop; its id where it has no name.

    Returns
    -------
    list of str
        Added, removed, then moved stops. Only those count as moved that must, for the others to keep their order.
    """
    old, new = dict.fromkeys(before), {task: at for at, task in enumerate(after)}
    out = [f"Added: {names.get(task, task)} as stop {at + 1}" for task, at in new.items() if task not in old]
    out += [f"Removed: {names.get(task, task)}" for task in old if task not in new]
    kept = [task for task in old if task in new]
    stays = stays_in_order([new[task] for task in kept])
    out += [f"Moved: {names.get(task, task)} is now stop {new[task] + 1}" for task in kept if new[task] not in stays]
    return out


def diff_plans(
    before: Mapping[VehicleId, Sequence[TaskId]], after: Mapping[VehicleId, Sequence[TaskId]], names: Mapping[TaskId, str]
) -> dict[VehicleId, list[str]]:
    """Changes van by van; vans whose route stays as it is are left out."""
    vehicles = dict.fromkeys([*before, *after])
    changes = {vehicle: diff(before.get(vehicle, ()), after.get(vehicle, ()), names) for vehicle in vehicles}
    return {vehicle: lines for vehicle, lines in changes.items() if lines}


def stays_in_order(positions: Sequence[int]) -> set[int]:
    """Of positions, as many as can keep their order: a longest increasing subsequence."""
    chains: list[list[int]] = []
    longest: list[int] = []
    for at, position in enumerate(positions):
        before = max((chains[i] for i in range(at) if positions[i] < position), key=len, default=list[int]())
        chains.append([*before, position])
        longest = max(longest, chains[at], key=len)
    return set(longest)
