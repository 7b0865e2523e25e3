"""A van of a pretend day: drives the plan that it holds, and keeps a numbered log that goes to the hub as real frames.

It stands in for the agent (whose own code is tested elsewhere): the same contract, the same facts, no receiver and no screen. Without
network its log waits, and so do plans for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from roundsman_core.geo import LatLon, bearing_deg, distance_m
from roundsman_hub.clock import to_ms
from roundsman_hub.ingest.packets import Message
from roundsman_sim.day_leg import Leg
from roundsman_sim.day_log import DayLog
from roundsman_sim.day_world import Ask, Script, Trouble, drive_s, stop_s
from roundsman_wire.messages import Action, Duty, FixRow, Health, Now, Plan, PlanStop, Receipt, Report, Visit

Road = Callable[[LatLon, LatLon], tuple[tuple[LatLon, ...], float, float]]
"""From, to → the way, its seconds by the roads, its metres."""
FIX_EVERY_S: Final = 20
HEALTH_EVERY: Final = timedelta(minutes=5)
"""As a real unit: what a long service and a rest are told apart from silence by."""
NEAR_M: Final = 310
"""From a stop's point: there a real unit says that it comes near (its fence, and 250 m)."""
NO_SHOW_SHARE: Final = 0.5
"""Of the service: the bell, a minute's patience, a card."""


class DayVan:
    """One van. `advance` lives on to an instant; `say` gives what it sends then.

    Attributes
    ----------
    served : dict
        Stop → (service began, ended, whether it was a failure).
    arrived : dict
        Stop → when the van stood there.
    driven_m : float
        By the roads' distances.
    track : list of LatLon
        Every fix.
    """

    def __init__(
        self,
        *,
        number: int,
        vehicle: str,
        session: str,
        previous: str | None,
        day: Script,
        home: LatLon,
        road: Road,
        driver: str | None = None,
    ) -> None:
        self.number, self.vehicle, self.session = number, vehicle, session
        self._day, self._home, self._road = day, home, road
        self._driver = driver
        self.asks: dict[str, Ask] = {}
        self.log = DayLog(vehicle, session, previous, day.start - timedelta(hours=2))
        self._leg: Leg | None = None
        self._serving: tuple[str, datetime, bool] | None = None
        self._visit = 0
        self._near_at: datetime | None = None
        self._approached: str | None = None
        self._acts = 0
        self._next_fix = day.start
        self._next_health = day.start
        self._order = 0
        self.plan: Plan | None = None
        self.at = home
        self.served: dict[str, tuple[datetime, datetime, bool]] = {}
        self.arrived: dict[str, datetime] = {}
        self.cancelled: set[str] = set()
        self.track: list[LatLon] = [home]
        self.left_at: datetime | None = None
        self.home_at: datetime | None = None
        self.on_duty = False
        self.driven_m = 0.0
        self.held_until: datetime | None = None
        self._broken = [t for t in day.troubles if t.van == number and t.kind == "breakdown"]
        self._pauses = [t for t in day.troubles if t.van == number and t.kind == "pause"]
        self._stubborn = [t for t in day.troubles if t.van == number and t.kind == "declines"]
        self.resting = False
        self.declined: list[int] = []
        self._silent = [t for t in day.troubles if t.van == number and t.kind == "no_network"]
        self.report: str | None = None

    # ── what the hub gives it ───────────────────────────────────────────────────────────────────────────────────────

    def know(self, ask: Ask) -> None:
        """What is at a stop's door; the plan says the rest."""
        self.asks[ask.order] = ask

    def linked(self, now: datetime) -> bool:
        """Whether it has network."""
        return not any(t.since <= now < t.until for t in self._silent)

    def take(self, plan: Plan, hash_: str, now: datetime) -> None:
        """Hold a newer plan, and act by it: what is done stays done."""
        if self.plan is not None and plan.version <= self.plan.version:
            return
        self.log.tell(Receipt(mono_ms=0, plan_version=plan.version, plan_hash=hash_, state="held"), now)
        if self._says_no(plan, now):
            self.declined.append(plan.version)
            self.log.tell(
                Receipt(mono_ms=0, plan_version=plan.version, plan_hash=hash_, state="declined", reason="my order is better"), now
            )
            return
        self.plan = plan
        self.log.tell(Receipt(mono_ms=0, plan_version=plan.version, plan_hash=hash_, state="in_force"), now)
        if self._leg is not None and (stop := self._next()) is not None and stop.stop != self._leg.stop:
            self._turn_off(now)
        if self._leg is not None and self._leg.stop is not None and self._next() is None:
            self._turn_off(now)

    def _says_no(self, plan: Plan, now: datetime) -> bool:
        """Only another order of the same stops may be declined, and only where the plan says so."""
        return self.plan is not None and plan.may_decline and any(t.since <= now < t.until for t in self._stubborn)

    def append(self, ask: Ask) -> None:
        """One more stop after all others, told by telephone: the hub's plan does not know of it."""
        assert self.plan is not None
        stop = PlanStop(
            stop=ask.order,
            tasks=(ask.order,),
            kind="pickup",
            lat_e6=ask.home.lat_e6,
            lon_e6=ask.home.lon_e6,
            fence_radius_m=60,
            leg_s=0,
            leg_m=0,
            service_s=ask.service_s,
            arrival_utc_ms=to_ms(ask.closes),
        )
        self.plan = msgspec.structs.replace(self.plan, stops=(*self.plan.stops, stop))

    @property
    def ends_at(self) -> LatLon:
        """Where its last stop is."""
        left = self.left
        return LatLon.from_e6(left[-1].lat_e6, left[-1].lon_e6) if left else self.at

    # ── living ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, now: datetime) -> None:
        """Live on until `now`."""
        while (at := self._happens_next(now)) is not None and at <= now:
            self._fixes(at)
            self._happen(at)
        self._fixes(now)

    def _fixes(self, until: datetime) -> None:
        """Those that are due by then; a fix says where the van was, not what happened after."""
        while self._next_fix <= until:
            if self.on_duty:
                self._fix(self._next_fix)
            self._next_fix += timedelta(seconds=FIX_EVERY_S)
        while self._next_health <= until:
            self.log.tell(self._health(), self._next_health)
            self._next_health += HEALTH_EVERY

    def _happens_next(self, now: datetime) -> datetime | None:
        if self.held_until is not None:
            return self.held_until
        candidates = [t.since for t in self._broken if self.on_duty]
        if self._serving is not None:
            candidates.append(self._serving[1])
        elif self._leg is not None:
            candidates.append(self._near_at or self._leg.since + timedelta(seconds=self._leg.takes_s))
        elif not self.on_duty and self.left_at is None:
            if self._next() is not None:
                candidates.append(self._day.start)
        elif self._next() is not None or distance_m(self.at, self._home) > 30:
            candidates.append(now)
        return min(candidates, default=None)

    def _happen(self, at: datetime) -> None:
        if self.held_until is not None:
            self.held_until = None
            if self.resting:
                self.resting = False
                self.log.tell(Duty(mono_ms=0, duty="on", driver=self._driver), at)
            return
        if self.on_duty and self._broken and self._broken[0].since <= at and self._serving is None:
            self._break_down(self._broken.pop(0), at)
        elif self._serving is not None and self._serving[1] <= at:
            self._finish(at)
        elif self._serving is not None:  # broken down at a door: noticed when it wants to drive on
            self._broken[0] = Trouble(van=self.number, kind="breakdown", since=self._serving[1], until=self._broken[0].until)
        elif self._near_at is not None:
            self._come_near(at)
        elif self._leg is not None:
            self._arrive(at)
        elif not self.on_duty:
            self.log.tell(Duty(mono_ms=0, duty="on", driver=self._driver), at)
            self.on_duty, self.left_at, self._next_fix = True, at, at
            self._set_out(at)
        else:
            self._set_out(at)

    def _set_out(self, at: datetime) -> None:
        stop = self._next()
        to = LatLon.from_e6(stop.lat_e6, stop.lon_e6) if stop is not None else self._home
        if stop is not None:
            self.home_at = None
        geometry, roads_s, metres = self._road(self.at, to)
        takes_s = max(1.0, drive_s(self._day, self.number, self.at, to, roads_s, at))
        since = at if self.held_until is None else max(at, self.held_until)
        self._drive(Leg(geometry=geometry, since=since, takes_s=takes_s, metres=metres, stop=stop.stop if stop else None))

    def _drive(self, leg: Leg) -> None:
        self._leg, self._near_at = leg, None
        if leg.stop is not None and leg.stop != self._approached:
            self._near_at = leg.since + timedelta(seconds=leg.near_share(NEAR_M) * leg.takes_s)

    def _come_near(self, at: datetime) -> None:
        assert self._leg is not None
        assert self._leg.stop is not None
        where = self.where(at)
        self._near_at, self._approached = None, self._leg.stop
        self._visit += 1
        visit = Visit(mono_ms=0, visit=self._visit, phase="approaching", stop=self._leg.stop, lat_e6=where.lat_e6, lon_e6=where.lon_e6)
        self.log.tell(visit, at)

    def _turn_off(self, at: datetime) -> None:
        """Another stop is next: leave the road where the van is."""
        leg = self._leg
        assert leg is not None
        share = leg.share(at)
        self.at, self.driven_m, self._leg = self.sets_out_from(at), self.driven_m + share * leg.metres, None
        self._near_at = self._approached = None
        self._set_out(at)

    def _arrive(self, at: datetime) -> None:
        leg = self._leg
        assert leg is not None
        self.at, self.driven_m, self._leg = leg.geometry[-1], self.driven_m + leg.metres, None
        if leg.stop is None:
            self.home_at = at
            return
        ask = self.asks[leg.stop]
        search_s, walk_s, service_s = stop_s(self._day, self.number, ask)
        if not leg.searching:
            self._drive(leg.search(at, search_s))
            return
        serves_at = at + timedelta(seconds=walk_s)
        self._approached = None
        failed = leg.stop in self._day.no_shows
        begins = max(serves_at, ask.opens)
        ends = begins + timedelta(seconds=service_s * (NO_SHOW_SHARE if failed else 1.0))
        self.log.tell(self._stood("arrived", leg.stop), at)
        self.log.tell(self._action(leg.stop, "arrived"), serves_at)
        self._serving = (leg.stop, ends, failed)
        self.served[leg.stop], self.arrived[leg.stop] = (begins, ends, failed), at

    def _finish(self, at: datetime) -> None:
        assert self._serving is not None
        stop, ends, failed = self._serving
        self.log.tell(self._action(stop, "failed" if failed else "delivered", "nobody home" if failed else None), ends)
        self.log.tell(self._stood("left", stop), ends)
        self._serving = None
        if self._pauses and self._pauses[0].since <= at:
            rest = self._pauses.pop(0)
            self.resting, self.held_until = True, at + (rest.until - rest.since)
            self.log.tell(Duty(mono_ms=0, duty="break", driver=self._driver), at)
        elif self._next() is not None:
            self._set_out(at)

    def _break_down(self, trouble: Trouble, at: datetime) -> None:
        until = max(at, trouble.until)
        self.held_until = until
        if self._leg is not None:
            self._stand_until(self._leg, at, until)
        self.report = f"{self.session}-r"
        where = self.where(at)
        report = Report(mono_ms=0, report=self.report, topic="breakdown", text="will be mended", lat_e6=where.lat_e6, lon_e6=where.lon_e6)
        self.log.tell(report, at)

    def _stand_until(self, leg: Leg, at: datetime, until: datetime) -> None:
        """On the road, where it is: the rest of the leg begins then."""
        share = leg.share(at)
        self.at, self.driven_m = self.sets_out_from(at), self.driven_m + share * leg.metres
        self._drive(leg.rest(share, until))

    def _action(self, stop: str, outcome: str, reason: str | None = None) -> Action:
        self._acts += 1
        where = {"lat_e6": self.at.lat_e6, "lon_e6": self.at.lon_e6}
        return Action(mono_ms=0, action=f"{self.session}-{self._acts}", stop=stop, tasks=(stop,), outcome=outcome, reason=reason, **where)  # type: ignore[arg-type]

    def _stood(self, phase: Literal["arrived", "left"], stop: str) -> Visit:
        return Visit(mono_ms=0, visit=self._visit, phase=phase, stop=stop, lat_e6=self.at.lat_e6, lon_e6=self.at.lon_e6)

    def end(self, at: datetime) -> None:
        """The driver goes off shift."""
        if self.on_duty:
            self.on_duty = False
            self.log.tell(Duty(mono_ms=0, duty="off", driver=self._driver), at)

    @property
    def idle(self) -> bool:
        """Nothing left, and at home."""
        return (
            self._serving is None
            and self._next() is None
            and (not self.on_duty or (self._leg is None and distance_m(self.at, self._home) <= 30))
        )

    def _next(self) -> PlanStop | None:
        """The first stop of the plan that is neither done nor called off."""
        if self.plan is None:
            return None
        return next(
            (s for s in self.plan.stops if s.stop in self.asks and s.stop not in self.served and s.stop not in self.cancelled), None
        )

    @property
    def left(self) -> list[PlanStop]:
        """Stops that it still has to arrive at, in the order that it drives them."""
        if self.plan is None:
            return []
        return [s for s in self.plan.stops if s.stop in self.asks and s.stop not in self.served and s.stop not in self.cancelled]

    @property
    def serving_until(self) -> tuple[str, datetime] | None:
        """The stop that it stands at, and when its service began."""
        return None if self._serving is None else (self._serving[0], self.served[self._serving[0]][0])

    # ── saying ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, now: datetime) -> list[Message]:
        """What it sends now; nothing without network."""
        linked = self.linked(now)
        return self.log.say(self.marker(now) if self.on_duty and linked else None, linked=linked)

    def marker(self, now: datetime) -> Now:
        """Where it is and what it does, for the live map."""
        self._order += 1
        where, stop = self.where(now), self._next()
        return Now(
            session=self.session,
            order=self._order,
            mono_ms=self.log.mono_ms(now),
            utc_ms=to_ms(now),
            lat_e6=where.lat_e6,
            lon_e6=where.lon_e6,
            duty="break" if self.resting else "on",
            next_stop=self._serving[0] if self._serving else stop.stop if stop else None,
            plan_version=self.plan.version if self.plan else 0,
        )

    def _fix(self, at: datetime) -> None:
        where = self.where(at)
        self.track.append(where)
        moving = self._leg is not None and self.held_until is None
        speed = None if self._leg is None else round(100 * self._leg.metres / self._leg.takes_s) if moving else 0
        heading = None
        if moving and self._leg is not None and distance_m(where, self._leg.geometry[-1]) > 5:
            heading = round(100 * bearing_deg(where, self._leg.geometry[-1])) % 36_000
        self.log.fix(
            FixRow(
                mono_ms=self.log.mono_ms(at),
                utc_ms=to_ms(at),
                lat_e6=where.lat_e6,
                lon_e6=where.lon_e6,
                speed_cm_s=speed if speed is not None else 0,
                heading_cdeg=heading,
                accuracy_dm=40,
                satellites=9,
            )
        )

    def _health(self) -> Health:
        """The unit's, which is well."""
        return Health(
            mono_ms=0,
            agent_version="day",
            backlog_facts=0,
            backlog_track=0,
            oldest_unsent_s=0,
            disk_free_mb=8_000,
            rss_mb=70,
            fixes_accepted=len(self.track),
        )

    def sets_out_from(self, at: datetime) -> LatLon:
        """Where a way from here begins: while it looks for a place, at the stop, from which all roads are known."""
        return self.at if self._leg is not None and self._leg.searching else self.where(at)

    def where(self, at: datetime) -> LatLon:
        """Where it is."""
        return self.at if self._leg is None else self._leg.place(self._leg.share(at))
