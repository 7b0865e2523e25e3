"""Hours-of-service clocks: what is left of a driver's day, from motion and duty. Pure; van and hub count alike.

Advisory: no tachograph, no logbook, and no proof of having kept the law. The daily rules alone are counted; those of a week or a
fortnight are not, nor are the exceptions (ten hours twice a week, reduced rests, adverse conditions).

`eu_561` (Regulation (EC) No 561/2006): art. 7, a break of 45 min after 4.5 h of driving, or 15 min followed by 30; art. 6, 9 h of
driving a day; art. 8, 11 h of rest within 24 h of the last, so 13 h from the first to the last minute.
`us_395` (49 CFR 395.3): (a)(3)(i) 11 h of driving, (a)(2) within 14 consecutive hours after 10 h off, (a)(3)(ii) no driving after 8 h
of driving without 30 consecutive minutes in which the driver does not drive, whatever else is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal, NamedTuple

RuleName = Literal["none", "eu_561", "us_395"]
Activity = Literal["drive", "work", "rest"]
H: Final = 3_600
MIN: Final = 60


class Rule(NamedTuple):
    """Seconds. `break_counts`: what may be done in a break. `fresh_after_s`: the rest that begins a new day."""

    to_break_s: int
    break_s: int
    break_counts: frozenset[Activity]
    driving_s: int
    duty_s: int
    fresh_after_s: int


RULES: Final[dict[str, Rule]] = {
    "eu_561": Rule(4 * H + 30 * MIN, 45 * MIN, frozenset({"rest"}), 9 * H, 13 * H, 11 * H),
    "us_395": Rule(8 * H, 30 * MIN, frozenset({"rest", "work"}), 11 * H, 14 * H, 10 * H),
}
SPLIT_S: Final = (15 * MIN, 30 * MIN)
"""EU: the two parts of a break, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What is left, in seconds; never below 0.

    `to_break_s`: driving before a break; `driving_s`: driving today; `duty_s`: until the driver may drive no more. `paused_s`: how long
    the present break lasts so far; `resting_s`: the present rest. `rested_15`: EU, the first part of a split break is taken.
    """

    rule: RuleName
    to_break_s: int
    driving_s: int
    duty_s: int
    rested_15: bool = False
    paused_s: int = 0
    resting_s: int = 0

    @property
    def drivable_s(self) -> int:
        """Seconds that the driver may go on driving now."""
        return min(self.to_break_s, self.driving_s, self.duty_s)


def fresh(rule: RuleName) -> Clocks:
    """A rested driver's clocks.

    Raises
    ------
    KeyError
        No such rule set; "none" has no clocks.
    """
    law = RULES[rule]
    return Clocks(rule=rule, to_break_s=law.to_break_s, driving_s=law.driving_s, duty_s=law.duty_s)


def step(clocks: Clocks, activity: Activity, seconds: int) -> Clocks:
    """The clocks after so many seconds of one activity.

    In pieces or at once, the result is the same: a break and a rest are counted through.
    """
    law = RULES[clocks.rule]
    duty_s = max(0, clocks.duty_s - seconds)
    if activity == "drive":
        return replace(
            clocks,
            to_break_s=max(0, clocks.to_break_s - seconds),
            driving_s=max(0, clocks.driving_s - seconds),
            duty_s=duty_s,
            rested_15=clocks.rested_15 or _first_part(clocks),
            paused_s=0,
            resting_s=0,
        )
    resting_s = clocks.resting_s + seconds if activity == "rest" else 0
    if resting_s >= law.fresh_after_s:
        return replace(fresh(clocks.rule), paused_s=resting_s, resting_s=resting_s)
    counts = activity in law.break_counts
    paused_s = clocks.paused_s + seconds if counts else 0
    rested_15 = clocks.rested_15 or (not counts and _first_part(clocks))
    enough_s = SPLIT_S[1] if clocks.rule == "eu_561" and rested_15 else law.break_s
    whole = counts and paused_s >= enough_s
    return replace(
        clocks,
        to_break_s=law.to_break_s if whole else clocks.to_break_s,
        duty_s=duty_s,
        # A part that a whole break has used up is no first part of another.
        rested_15=rested_15 and not whole,
        paused_s=paused_s,
        resting_s=resting_s,
    )


def _first_part(clocks: Clocks) -> bool:
    """Whether the break that ends here was the first part of a split one: long enough, and not a whole one."""
    return clocks.rule == "eu_561" and SPLIT_S[0] <= clocks.paused_s < RULES["eu_561"].break_s and clocks.to_break_s < _unbroken(clocks)


def _unbroken(clocks: Clocks) -> int:
    return RULES[clocks.rule].to_break_s


def counted(clocks: Clocks, spells: Iterable[tuple[Activity, int]]) -> Clocks:
    """The clocks after a day's spells: (activity, seconds)."""
    for activity, seconds in spells:
        clocks = step(clocks, activity, seconds)
    return clocks


def spells(
    since_ms: int, until_ms: int, duties: Sequence[tuple[int, str]], stands: Sequence[tuple[int, int | None]]
) -> Iterator[tuple[Activity, int]]:
    """What a driver did, from what the van's log tells.

    Parameters
    ----------
    since_ms, until_ms : int
        UTC, ms since 1970.
    duties : sequence of (ms, word)
        "on", "break" and "off", oldest first; before the first the driver rests.
    stands : sequence of (from ms, to ms or None)
        When the van stood at a stop or elsewhere, oldest first; None: it still does. On duty it drives at all other times: waiting at
        lights and in queues is driving, as for a tachograph's minute.
    """
    marks = {since_ms, until_ms}
    marks.update(at for at, _ in duties)
    marks.update(edge for stand in stands for edge in stand if edge is not None)
    edges = sorted(edge for edge in marks if since_ms <= edge <= until_ms)
    for start, end in pairwise(edges):
        word = next((word for at, word in reversed(duties) if at <= start), "off")
        standing = any(a <= start and (b is None or b >= end) for a, b in stands)
        activity: Activity = "rest" if word != "on" else "work" if standing else "drive"
        yield activity, (end - start) // 1000
