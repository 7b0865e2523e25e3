"""The life of a fix at the hub, top to bottom: counted into its day → simplified → laid on streets → let go → its track let go.

Every step is small transactions that may be interrupted anywhere and done again: a stretch says for itself whether its raw fixes are
still there, and what holds a number twice is counted once.

Streets are asked outside every transaction. Without a road network tracks are simplified alone; one that does not answer is waited for
(`WAITS_FOR_ROADS`), then the fixes go without.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import psycopg

from roundsman_hub.clock import from_ms, to_ms
from roundsman_hub.progress import Progress, quiet
from roundsman_hub.replan.terms import kind_of_words
from roundsman_hub.roads import GreatCircle
from roundsman_hub.roads.network import RoadNetwork, RoadsError
from roundsman_hub.store import day_store, fact_store, matched_store, personal, retention, stretch_store
from roundsman_hub.store.day_store import DayNumbers, Due
from roundsman_hub.store.db import Cursor, Database
from roundsman_hub.store.retention import DAY, RAW_DAYS, Piece, Rule
from roundsman_hub.upkeep.streets import lay
from roundsman_hub.upkeep.stretches import Lead, Stretch, cut, lead

log = logging.getLogger(__name__)

MOST: Final = 500
"""Sessions, days or tracks looked at a time: a transaction each, or (tracks) together."""
WAITS_FOR_ROADS: Final = timedelta(days=1)
"""So much longer raw fixes stay while the road network is away: an evening's repair; `db check` calls two days overdue."""

Going = Callable[[], bool]
"""Should the work go on? Asked between transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """What one pass did: fixes simplified, stretches laid on streets, raw fixes let go (by dropping whole days: `dropped_days`), tracks
    let go, rows whose personal words were blanked or went. `without_roads`: vehicles' days that wait for the road network."""

    simplified: int = 0
    on_streets: int = 0
    without_roads: int = 0
    let_go: int = 0
    dropped_days: int = 0
    late: int = 0
    tracks_let_go: int = 0
    facts_let_go: int = 0
    visits_let_go: int = 0
    busy_days: int = 0
    forgotten: int = 0


def count_days(db: Database, now: datetime, going: Going = lambda: True, *, progress: Progress = quiet) -> int:
    """Bring the rows of days that are over up to date with the log. Returns how many were written."""
    while going():
        with db.transaction() as cur:
            sessions = day_store.changed(cur, MOST)
        for session in sessions:
            if not going():
                return 0
            with db.transaction() as cur:
                day_store.mark(cur, session)
        if len(sessions) < MOST:
            break
    written = 0
    with db.transaction() as cur:
        rules = {rule.fleet_id: rule for rule in retention.rules(cur, now)}
    while going():
        with db.transaction() as cur:
            days = day_store.due(cur, now, MOST)
        for done, day in enumerate(days):
            if not going():
                return written
            progress("vehicles' days counted", done, len(days))
            with db.transaction() as cur:
                rule = rules.get(day.fleet_id)
                if rule is None or not _beyond_recall(day.until, rule):
                    written += day_store.write(cur, day, sum_up(cur, day), now)
                day_store.done(cur, day)
        if len(days) < MOST:
            break
    return written


def _beyond_recall(until: datetime, rule: Rule) -> bool:
    """Is the day's simplified track gone, too, or its visits? Then its row is only ever added to."""
    if (visits_before := rule.before("visit_days")) is not None and until <= visits_before:
        return True
    return rule.aged_through is not None and until <= min(rule.aged_through, rule.tracks_before)


def sum_up(cur: Cursor, day: Due) -> DayNumbers:
    """A vehicle's day from its stretches and from what is still raw."""
    kept = day_store.kept(cur, day)
    track = stretch_store.raw(cur, day.vehicle_id, day.since, day.until)
    told = stretch_store.told_ms(cur, day.vehicle_id, day.since, day.until)
    found = [(stretch, _lead(cur, day.vehicle_id, stretch, told)) for stretch in cut(track, told, [])]
    more = _numbers((stretch, leading or Lead()) for stretch, leading in found)
    return DayNumbers(
        fixes=kept.fixes + more.fixes,
        first_fix_at=min(filter(None, (kept.first_fix_at, more.first_fix_at)), default=None),
        last_fix_at=max(filter(None, (kept.last_fix_at, more.last_fix_at)), default=None),
        driven_m=kept.driven_m + more.driven_m,
        moving_s=kept.moving_s + more.moving_s,
        standing_s=kept.standing_s + more.standing_s,
        max_speed_cm_s=max((x for x in (kept.max_speed_cm_s, more.max_speed_cm_s) if x is not None), default=None),
    )


def _numbers(found: Iterable[tuple[Stretch, Lead]]) -> DayNumbers:
    items = list(found)
    return DayNumbers(
        fixes=sum(stretch.fixes for stretch, _ in items),
        first_fix_at=min((from_ms(stretch.start.t_ms) for stretch, _ in items), default=None),
        last_fix_at=max((from_ms(stretch.end.t_ms) for stretch, _ in items), default=None),
        driven_m=sum(stretch.driven_m + leading.driven_m for stretch, leading in items),
        moving_s=sum(stretch.moving_s + leading.moving_s for stretch, leading in items),
        standing_s=sum(stretch.standing_s + leading.standing_s for stretch, leading in items),
        max_speed_cm_s=max((s.max_speed_cm_s for s, _ in items if s.max_speed_cm_s is not None), default=None),
    )


def _lead(cur: Cursor, vehicle: str, stretch: Stretch, told: list[tuple[int, int]]) -> Lead | None:
    """The leg to a stretch from the fix before it; None: there is none, or it is not known."""
    if stretch.broken_before:
        return None
    end = stretch_store.end_before(cur, vehicle, stretch)
    return None if end is None else lead(end, stretch.start, stretch.first_speed_cm_s, told)


def age(db: Database, now: datetime, going: Going = lambda: True, *, roads: RoadNetwork | None = None, progress: Progress = quiet) -> Aged:
    """Simplify, lay on streets and let go what is older than its fleet keeps it. Days must be counted first (`count_days`).

    Parameters
    ----------
    roads : RoadNetwork, optional
        Without one, and with straight lines alone, tracks are simplified and no more.
    """
    if roads is not None and roads.name == GreatCircle.name:
        roads = None
    did: Counter[str] = Counter()
    with db.transaction() as cur:
        rules = {rule.fleet_id: rule for rule in retention.rules(cur, now)}
        default_before = now - timedelta(days=RAW_DAYS)
        newest = max([rule.raw_before for rule in rules.values()], default=default_before)
        pieces = retention.pieces(cur, newest)
    for piece in pieces:
        if not going():
            return Aged(**did)
        did += _age_piece(db, piece, rules, default_before, now, going, roads, progress)
    if not going():
        return Aged(**did)
    for rule in rules.values():
        with db.transaction() as cur:
            retention.aged(cur, rule)
            retention.forget_undated(cur, rule, now)
            retention.forget_quarantined(cur, rule)
            retention.forget_words(cur, rule)
            did["forgotten"] += personal.forget(cur, rule.fleet_id, rule.personal_before)
            vehicles = [row["vehicle_id"] for row in cur.execute("SELECT vehicle_id FROM vehicles WHERE fleet_id = %s", (rule.fleet_id,))]
        while going():
            with db.transaction() as cur:
                gone = stretch_store.expire(cur, vehicles, rule.tracks_before, MOST)
            did["tracks_let_go"] += gone
            if gone < MOST:
                break
        did += _age_facts(db, rule, now, going)
    return Aged(**did)


def _age_facts(db: Database, rule: Rule, now: datetime, going: Going) -> Counter[str]:
    """Facts by whole sessions, then the visits that came from them."""
    did: Counter[str] = Counter()
    facts_before, visits_before = rule.before("fact_days"), rule.before("visit_days")
    while facts_before is not None and going():
        with db.transaction() as cur:
            sessions = fact_store.old_sessions(cur, rule.fleet_id, facts_before, MOST)
        for session in sessions:
            with db.transaction() as cur:
                did["facts_let_go"] += fact_store.let_go(cur, session, now)
        if len(sessions) < MOST:
            break
    if visits_before is not None and going():
        with db.transaction() as cur:
            did["visits_let_go"] += fact_store.forget_visits(cur, rule.fleet_id, visits_before)
    return did


def _age_piece(
    db: Database,
    piece: Piece,
    rules: dict[str, Rule],
    default_before: datetime,
    now: datetime,
    going: Going,
    roads: RoadNetwork | None,
    progress: Progress,
) -> Counter[str]:
    did: Counter[str] = Counter()
    with db.transaction() as cur:
        fleets = retention.vehicles_in(cur, piece)
    over = {v for v, fleet in fleets.items() if piece.until <= (rules[fleet].raw_before if fleet is not None else default_before)}
    whole = piece.table is not None and len(over) == len(fleets)
    if piece.table is not None and not fleets and any(piece.until > rule.raw_before for rule in rules.values()):
        return did  # an empty day that some fleet may still write into
    for done, vehicle in enumerate(sorted(over)):
        if not going():
            return did
        progress(f"vehicles of {piece.since:%Y-%m-%d} looked at", done, len(over))
        with db.transaction() as cur:
            fleet = fleets[vehicle]
            settled, late = settle(cur, vehicle, rules[fleet] if fleet is not None else None, piece, now)
        did["simplified"] += settled
        did["late"] += late
        before = rules[fleet].raw_before if fleet is not None else default_before
        if roads is not None:
            laid = lay_on_streets(db, vehicle, piece, roads)
            did["on_streets"] += laid or 0
            if laid is None and piece.until > before - WAITS_FOR_ROADS:
                did["without_roads"] += 1
                continue
        if not whole:
            with db.transaction() as cur:
                did["let_go"] += retention.delete(cur, vehicle, piece, now)
    if whole and not did["without_roads"]:
        try:
            with db.transaction() as cur:
                gone = retention.drop(cur, piece, sorted(over), now)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            gone = None
        did["busy_days" if gone is None else "dropped_days"] += 1
        did["let_go"] += gone or 0
    return did


def settle(cur: Cursor, vehicle: str, rule: Rule | None, piece: Piece, now: datetime) -> tuple[int, int]:
    """Keep a vehicle's raw fixes of a UTC day as simplified stretches. Returns how many fixes, and how many of them came late."""
    track = stretch_store.raw(cur, vehicle, piece.since, piece.until)
    if not len(track):
        return 0, 0
    zone = ZoneInfo(rule.timezone) if rule else ZoneInfo("UTC")
    told = stretch_store.told_ms(cur, vehicle, piece.since, piece.until)
    midnight = local_midnight(piece.since + DAY, zone)
    is_late = rule is not None and rule.aged_through is not None and piece.until <= rule.aged_through
    late: dict[datetime, list[tuple[Stretch, Lead]]] = {}
    for stretch in cut(track, told, [to_ms(midnight)] if midnight > piece.since else []):
        leading = _lead(cur, vehicle, stretch, told)
        known = stretch.broken_before or leading is not None
        stretch_store.add(cur, vehicle, stretch, leading, led=known)
        after = stretch_store.next_open(cur, stretch)
        if after is not None:
            stretch_store.give_lead(cur, after, lead(stretch.end, after.start, after.first_speed_cm_s, told))
            day_store.set_due(cur, vehicle, local_midnight(from_ms(after.start.t_ms), zone).date())
        day = local_midnight(from_ms(stretch.start.t_ms), zone)
        late.setdefault(day, []).append((stretch, leading or Lead()))
    if rule is None or not is_late:
        return len(track), 0
    for start, found in late.items():
        until = local_midnight(start + DAY * 1.5, zone)
        day_of = Due(vehicle_id=vehicle, day=start.date(), fleet_id=rule.fleet_id, timezone=rule.timezone, since=start, until=until)
        numbers = _numbers(found)
        if _beyond_recall(until, rule):
            day_store.add_late(cur, day_of, numbers, now)
        else:
            day_store.note_late(cur, day_of, numbers.fixes)
    return len(track), len(track)


def lay_on_streets(db: Database, vehicle: str, piece: Piece, roads: RoadNetwork) -> int | None:
    """Lay a vehicle's stretches of a UTC day on streets, from their raw fixes. Returns how many; None: the road network is away."""
    with db.transaction() as cur:
        kind = kind_of_words(*matched_store.kind_words(cur, vehicle))
        stretches = matched_store.waiting(cur, vehicle, piece.since, piece.until)
    laid = []
    for stretch in stretches:
        try:
            found = roads.match(stretch.raw.trace(), profile=kind)
        except RoadsError as error:
            log.warning("the road network does not answer: %s", error)
            return None
        if any(part.network != roads.name for part in found):
            return None
        laid.append((stretch, lay(stretch.line, stretch.raw.t_ms, found, kind)))
    with db.transaction() as cur:
        for stretch, told in laid:
            matched_store.keep(cur, stretch, told)
    return sum(told.matched_m > 0 for _, told in laid)


def local_midnight(at: datetime, zone: ZoneInfo) -> datetime:
    """The midnight at which the local day of an instant began."""
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
