"""What a night came to, as figures: read back from the sentences in which it was written down. Pure.

The sentences are what is kept (`work.py`, `learn/commands.py`); a page that speaks another language tells the figures itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

What = Literal["draft", "kept", "no_roster", "no_orders", "released", "still_out", "speeds", "service", "other"]
Part = Literal["search", "walking", "back"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFound:
    """One part of a stop that was told apart: how long it usually lasts, and how far the table is off about it, and would be if it were the
    usual everywhere; on stops of later days that told it."""

    part: Part
    usual_s: float
    told: int
    error_s: float
    alike_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a night came to.

    Attributes
    ----------
    what : str
        Of a plan: `draft`; `kept`: one that a person made stands; `no_roster`, `no_orders`: nothing to plan; `released` to the
        vans; `still_out`: a van's driver is still on duty, it waits for that. Of learning: `speeds` of the
        streets, `service` times of the fleet's stops. `other`: only `text` tells.
    text : str
        As it was written down, in English.
    stops, vans, without_van : int, optional
        Of a draft; `vans` of a release, too.
    learned_from, held_out, days_held_out : int, optional
        Drives or stops that a table was learned from; those, and their days, that it was judged on and had not seen.
    error, error_in_force : float, optional
        On what was held out, of the new table and of the one in force. Speeds: median share of a drive's time; service: mean seconds.
    adopted : bool, optional
        Whether the new table is in force; None: there was too little to learn from or to judge by.
    parts : tuple of PartFound
        Of service times: what could be told apart of a stop.
    """

    what: What
    text: str
    stops: int | None = None
    vans: int | None = None
    without_van: int | None = None
    learned_from: int | None = None
    held_out: int | None = None
    days_held_out: int | None = None
    error: float | None = None
    error_in_force: float | None = None
    adopted: bool | None = None
    parts: tuple[PartFound, ...] = ()


_PLANS: Final[tuple[tuple[What, re.Pattern[str]], ...]] = (
    ("draft", re.compile(r"a draft of (?P<stops>\d+) stops for (?P<vans>\d+) vans, (?P<without_van>\d+) without a van: .*")),
    ("kept", re.compile(r"it has a plan of .*: left as it is")),
    ("no_roster", re.compile(r"nobody is on the roster of .*")),
    ("released", re.compile(r"the approved plan is released to (?P<vans>\d+) vans")),
    ("still_out", re.compile(r".* (?:is|are) still on duty: .*")),
    ("no_orders", re.compile(r"no order has its window on .*")),
)
_NUMBERS: Final = re.compile(
    r"learned from (?P<learned_from>\d+), judged on (?P<held_out>\d+) of (?P<days_held_out>\d+) later days: "
    r"error (?P<error>\S+), in force (?P<error_in_force>\S+) \(.*"
)
_TABLE: Final = re.compile(r"(?P<what>speeds|service)(?: of \S+)?: (?:(?:parking|walking) and service (?:in one|apart): )?(?P<rest>.*)")
_PART: Final = re.compile(
    r"part (?P<part>search|walking|back): (?P<usual_s>\d+) s, off by (?P<error_s>\S+) s, were all alike by (?P<alike_s>\S+); "
    r"(?P<told>\d+) told it"
)
_IN_FORCE: Final = re.compile(r"table \S+ is in force")
_NOT_BETTER: Final = "not published: what is in force is as good"
_NOTHING: Final = "nothing was learned: "


def of_plan(says: str) -> list[Finding]:
    """What making a day's plan came to."""
    if not says:
        return []
    for what, pattern in _PLANS:
        if (found := pattern.fullmatch(says)) is not None:
            counts = {name: int(value) for name, value in found.groupdict().items()}
            return [
                Finding(what=what, text=says, stops=counts.get("stops"), vans=counts.get("vans"), without_van=counts.get("without_van"))
            ]
    return [Finding(what="other", text=says)]


def of_learning(says: str) -> list[Finding]:
    """What learning came to: one finding for each table that it tried, with its numbers and whether it is in force."""
    out: list[Finding] = []
    for line in filter(None, says.splitlines()):
        table = _TABLE.fullmatch(line)
        if table is None:
            out.append(Finding(what="other", text=line))
            continue
        what: What = "speeds" if table["what"] == "speeds" else "service"
        rest = table["rest"]
        if (numbers := _NUMBERS.fullmatch(rest)) is not None:
            judged = Finding(
                what=what,
                text=line,
                learned_from=int(numbers["learned_from"]),
                held_out=int(numbers["held_out"]),
                days_held_out=int(numbers["days_held_out"]),
                error=float(numbers["error"]),
                error_in_force=float(numbers["error_in_force"]),
                adopted=False,
            )
            out.append(judged)
        elif (part := _PART.fullmatch(rest)) is not None and out and out[-1].what == what:
            out[-1] = replace(out[-1], text=f"{out[-1].text}\n{line}", parts=(*out[-1].parts, _part(part)))
        elif _IN_FORCE.fullmatch(rest) is not None and out and out[-1].what == what:
            out[-1] = _with(out[-1], line, adopted=True)
        elif rest == _NOT_BETTER and out and out[-1].what == what:
            out[-1] = _with(out[-1], line, adopted=False)
        elif rest.startswith(_NOTHING):
            out.append(Finding(what=what, text=line))
        else:
            out.append(Finding(what="other", text=line))
    return out


def _part(told: re.Match[str]) -> PartFound:
    part: Part = "search" if told["part"] == "search" else "walking" if told["part"] == "walking" else "back"
    return PartFound(
        part=part,
        usual_s=float(told["usual_s"]),
        told=int(told["told"]),
        error_s=float(told["error_s"]),
        alike_s=float(told["alike_s"]),
    )


def _with(before: Finding, line: str, *, adopted: bool) -> Finding:
    return replace(before, text=f"{before.text}\n{line}", adopted=adopted)
