"""Breaks and driving-time rules along one route: where a driver pauses, so that the law and the schedule are kept at the least cost.

A pause is taken before leaving a place, or on arriving at one, before the service; only a leg that is longer than the rule allows to
drive in one go is interrupted on the way. Every such choice is followed, as labels that are dropped when another is at least as
good in everything (see `Label`), so the pauses that the judge places are the best there are; but where being earlier can be worse (a
limit on waiting; driving-time rules in traffic, where who leaves later may drive for less time) they are only good ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from roundsman_hub.planning.fleet import Break, Hours, Van
from roundsman_hub.planning.problem import PlannedBreak

DRIVE_S: Final = {"eu_561": 16_200, "us_395": 28_800}
"""Driving between two breaks."""
REST_S: Final = {"eu_561": 2_700, "us_395": 1_800}
"""The break that starts the count anew."""
SPLIT_S: Final = (900, 1_800)
"""EU: the two parts of a break, in this order."""
LONGEST_S: Final = max(REST_S.values())
NEAR_S: Final = 300
"""In traffic every pause leaves some other seconds of driving, and hardly any way of pausing beats another in all. So little is no matter
there: the judge's breaks are good ones, not the best, and 300 tasks are mended in a seventh
of the time."""
UNBOUND: Final = 1 << 40
Where = Literal["leaving", "way", "arriving"]


class Label(NamedTuple):
    """One way of having come so far. `bad`: seconds by which rules are broken; `units`: what is paid beyond the hours.

    `breaks`: how many of the schedule's are done. `to_break_s`, `driving_s`: driving left. `half`: EU, 15 min are taken.
    """

    bad: int
    clock_s: int
    units: int
    breaks: int
    to_break_s: int
    driving_s: int
    half: bool
    paused: PausedTrail | None

    def beats(self, other: Label, waiting_units: int, near_s: int = 0) -> bool:
        """At least as good in everything that the rest of the route can feel. Being earlier costs at most the waiting.

        near_s : so many seconds less of driving left are no matter.
        """
        sooner_s = other.clock_s - self.clock_s
        return (
            self.bad <= other.bad
            and sooner_s >= 0
            and self.units + sooner_s * waiting_units <= other.units
            and self.breaks >= other.breaks
            and self.to_break_s + near_s >= other.to_break_s
            and self.driving_s + near_s >= other.driving_s
            and self.half >= other.half
        )


class PausedTrail(NamedTuple):
    """The pauses taken so far, newest first."""

    pause: PlannedBreak
    where: Where
    before: PausedTrail | None


def first(van: Van, leave_s: int) -> Label:
    """The driver at the start of the route."""
    hours = van.hours
    return Label(
        bad=0,
        clock_s=leave_s,
        units=0,
        breaks=0,
        to_break_s=UNBOUND if hours is None else hours.to_break_s,
        driving_s=UNBOUND if hours is None else hours.driving_s,
        half=hours is not None and hours.rested_15,
        paused=None,
    )


def pruned(labels: list[Label], waiting_units: int, near_s: int = 0) -> list[Label]:
    """Only those that no other beats."""
    if len(labels) < 2:
        return labels
    kept: list[Label] = []
    for label in sorted(labels, key=lambda found: found[:-1]):
        if not any(other.beats(label, waiting_units, near_s) for other in kept):
            kept = [*(other for other in kept if not label.beats(other, waiting_units, near_s)), label]
    return kept


def pauses(
    van: Van, label: Label, after: int, where: Where, waiting_units: int, *, due: bool = True, rest: bool = True, every: bool = True
) -> Iterator[Label]:
    """The label as it is, and with each pause that may be taken here and now (and those that may follow it).

    waiting_units : price of a second in which the driver waits until a scheduled break may begin.
    due, rest : whether the schedule's next break, and a rest that the driving-time rules ask for, are worth looking at here.
    every : also rests that are longer than they need to be. They are of use only where waiting has a price, or a limit.
    """
    yield label
    if due and label.breaks < len(van.breaks):
        now = van.breaks[label.breaks]
        start_s = now.begins_s(label.clock_s)
        if start_s is not None:
            waited = label._replace(clock_s=start_s, units=label.units + (start_s - label.clock_s) * waiting_units)
            paused = _scheduled(van.hours, waited, now, after, where)
            yield from pauses(van, paused, after, where, waiting_units, rest=rest, every=every)
    hours = van.hours
    if not rest or hours is None or label.to_break_s >= DRIVE_S[hours.rule]:
        return
    split = hours.rule == "eu_561"
    rests = [] if split and label.half and not every else [_rested(hours, label, REST_S[hours.rule], after, where)]
    if split and label.half:
        rests.append(_rested(hours, label, SPLIT_S[1], after, where))
    elif split:
        rests.append(_paused(label, SPLIT_S[0], after, "driving time, first part", where)._replace(half=True))
    for rested in rests:
        # Both parts one after the other are a whole rest, which is looked at already.
        yield from pauses(van, rested, after, where, waiting_units, due=due, rest=every, every=every)


def driven(van: Van, label: Label, leg_s: int, after: int) -> Label:
    """After a leg: with the breaks on the way without which it may not be driven. Driving beyond the day's limits is `bad`."""
    hours = van.hours
    if hours is None:
        return Label(label.bad, label.clock_s + leg_s, *label[2:])
    over_s, late_s = _over(van, hours, label.clock_s, label.driving_s)
    left_s = leg_s
    while left_s > label.to_break_s:
        left_s -= label.to_break_s
        label = label._replace(clock_s=label.clock_s + label.to_break_s, driving_s=label.driving_s - label.to_break_s, to_break_s=0)
        label = _rested(hours, label, SPLIT_S[1] if label.half else REST_S[hours.rule], after, "way")
    clock_s, driving_s = label.clock_s + left_s, label.driving_s - left_s
    over_then_s, late_then_s = _over(van, hours, clock_s, driving_s)
    bad = label.bad + over_then_s - over_s + (max(late_then_s - late_s, 0) if leg_s else 0)
    # Made anew: `_replace` takes five times as long.
    return Label(bad, clock_s, label.units, label.breaks, label.to_break_s - left_s, driving_s, label.half, label.paused)


def _over(van: Van, hours: Hours, clock_s: int, driving_s: int) -> tuple[int, int]:
    """Seconds beyond the day's driving, and past the time from when on nothing may be driven."""
    return max(-driving_s, 0), max(clock_s - van.start_s - hours.duty_s, 0)


def stood(van: Van, label: Label, seconds: int) -> Label:
    """After standing somewhere without a break: under `us_395` half an hour of anything but driving counts as one."""
    hours = van.hours
    if hours is not None and hours.rule == "us_395" and seconds >= REST_S["us_395"]:
        return label._replace(to_break_s=DRIVE_S["us_395"])
    return label


def missing(van: Van, label: Label, back_s: int) -> int:
    """Seconds of pauses that the schedule asks for and that were not taken, for a driver who is done then."""
    return sum(due.duration_s for due in van.breaks[label.breaks :] if back_s > due.latest_s)


def trail(label: Label) -> tuple[tuple[PlannedBreak, Where], ...]:
    """The pauses of a label, in order, and where each is taken: before a leg, on the way, or after it."""
    out: list[tuple[PlannedBreak, Where]] = []
    at = label.paused
    while at is not None:
        out.append((at.pause, at.where))
        at = at.before
    return tuple(reversed(out))


def _scheduled(hours: Hours | None, label: Label, due: Break, after: int, where: Where) -> Label:
    label = _paused(label._replace(breaks=label.breaks + 1), due.duration_s, after, due.reason, where)
    if hours is None:
        return label
    if due.duration_s >= (SPLIT_S[1] if label.half else REST_S[hours.rule]):
        return label._replace(to_break_s=DRIVE_S[hours.rule], half=False)
    return label._replace(half=True) if hours.rule == "eu_561" and due.duration_s >= SPLIT_S[0] else label


def _rested(hours: Hours, label: Label, seconds: int, after: int, where: Where) -> Label:
    return _paused(label, seconds, after, "driving time", where)._replace(to_break_s=DRIVE_S[hours.rule], half=False)


def _paused(label: Label, seconds: int, after: int, reason: str, where: Where) -> Label:
    pause = PlannedBreak(start_s=label.clock_s, duration_s=seconds, after=after, reason=reason)
    return label._replace(clock_s=label.clock_s + seconds, paused=PausedTrail(pause, where, label.paused))
