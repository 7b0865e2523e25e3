"""How much may be looked at before an answer is due, counted and not timed: the same question has the same answer on any machine.

Nearly any change to a plan is mended exactly in some hundredths of a second. Driving-time rules in traffic, or shipments between
breaks, can take a hundred times as long: each place that is tried is a whole route walked in many ways. So what is tried
is counted, in microseconds that it took on a quiet core. When most of them are spent, work goes to the first place that will do, of
the vans nearest to it; when all are, what is left waits for the search, which begins with it. A plan that is made and not mended, and
insertion within a search, may take `PATIENT_US`: more than they need, but where shipments meet driving-time rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LABEL_US: Final = 9
"""One way of having paused, driven on to the next stop (`walk`)."""
STEP_US: Final = 5
"""One step of a route, timed and laden."""
ROUTE_US: Final = 14
"""A route, however short."""
PLACE_US: Final = 4
"""One place for one task looked at without walking."""
USUAL_TASKS: Final = 300
"""A larger problem has as many times the effort: that its vans are looked at once takes as long."""
PAIR_US: Final = (3, 6)
"""The same for a shipment: where travel times are the same all day, and in traffic."""
CELLS_PER_US: Final = 25
"""How much of a table of travel times is made ready to be looked up."""
END_US: Final = 82_000
"""Of the tenth of a second that a problem of `USUAL_TASKS` has; the rest goes into what is not counted."""
PATIENT_US: Final = 2_500_000
"""The same for whoever is patient. (First plans of 300 tasks count 1,600,000 with second trips, 2,400,000 with shipments in traffic, and
next to nothing on plain days; with shipments and driving-time rules they took 24 s.)"""
SHORTENING: Final = 0.5
"""Share of it after which routes that hold too much are shortened by guess, so that there is time for what was taken out."""
WALKS_EACH: Final = 2.5
"""How many routes are walked to put a task somewhere in haste."""
PICKUPS: Final = 4
"""How many positions are looked at for a shipment's pickup in haste: those with the smallest detour."""


def patient_us(tasks: int) -> int:
    """What a first plan may take, or insertion between searches."""
    return round(PATIENT_US * max(1.0, tasks / USUAL_TASKS))


@dataclass(slots=True)
class Effort:
    """What was spent, and what may be. Without limits unless they are said.

    cut_us : from then on the first place that will do is taken. end_us : from then on nothing more is tried.
    """

    spent_us: int = 0
    cut_us: int | None = None
    end_us: int | None = None

    @classmethod
    def at_once(cls, tasks: int, cells: int) -> Effort:
        """For an answer in a tenth of a second. `cells`: of all tables that are looked up."""
        times = max(1.0, tasks / USUAL_TASKS)
        return cls(spent_us=cells // CELLS_PER_US, cut_us=round(SHORTENING * END_US * times), end_us=round(END_US * times))

    @classmethod
    def patient(cls, tasks: int, most_s: float = math.inf) -> Effort:
        """For a first plan, and for insertion between searches: seconds. `most_s`: no more than that, but what there is at once."""
        end_us = round(min(patient_us(tasks), max(most_s * 1_000_000, END_US * max(1.0, tasks / USUAL_TASKS))))
        return cls(cut_us=end_us, end_us=end_us)

    def keep(self, needed_us: float) -> None:
        """Be exact only as long as so much is left, for what is still to be put somewhere in haste."""
        if self.end_us is not None:
            self.cut_us = self.end_us - round(needed_us)

    def affords(self, needed_us: float) -> bool:
        """Whether something can be looked at exactly, and not be hasty after it."""
        return self.cut_us is None or self.spent_us + needed_us < self.cut_us

    def spares(self, needed_us: float) -> bool:
        """Whether so much more than a little is left."""
        return self.end_us is None or self.spent_us + needed_us < self.end_us

    def shares(self, count: int) -> list[int]:
        """Up to where each of so many may come, if what is left to be exact is shared out evenly; nothing where there is no limit."""
        if self.cut_us is None:
            return []
        left_us = self.cut_us - self.spent_us
        return [self.spent_us + left_us * at // count for at in range(1, count + 1)]

    @property
    def hasty(self) -> bool:
        """Whether the first place that will do is taken."""
        return self.cut_us is not None and self.spent_us >= self.cut_us

    @property
    def over(self) -> bool:
        """Whether nothing more is tried."""
        return self.end_us is not None and self.spent_us >= self.end_us
