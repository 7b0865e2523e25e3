"""What happens during the round: a table of moments, each a thing that goes wrong or comes in; told in real seconds as it shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from roundsman_sim import audit, orders
from roundsman_sim.van import Van, anywhere
from roundsman_sim.world import World, until

URGENT_WITHIN_S: Final = 2_400.0
"""Business time until an urgent collection's window closes."""
SHOWS_WITHIN_S: Final = 25.0
DELAY_SHARE: Final = 0.07
"""Of the round: how long the delayed van stands."""
CUT_SHARE: Final = 0.22
BREAK_S: Final = 420.0
CUT_VAN, DELAYED_VAN, RESTING_VAN = 1, 3, 4
"""Places in the crew. The one that loses its network is the one behind a real gpsd."""


@dataclass(kw_only=True)
class Diary:
    """What the events left to be counted."""

    urgent_s: list[float] = field(default_factory=list)
    """Real seconds from the API's 201 to the receipt, back at the hub, of a plan that holds the order and that the van's screen shows."""
    urgent_lost: int = 0
    cancelled: set[str] = field(default_factory=set)


class Moment(NamedTuple):
    """One row of the table: when (share of the round), and what."""

    share: float
    happens: Callable[[World, Diary], Awaitable[None]]


async def play(made: World, diary: Diary) -> None:
    """Let everything of the table happen in its time; ends after the last."""
    started_ms = made.clock.utc_ms()
    async with asyncio.TaskGroup() as group:
        for moment in TABLE:
            group.create_task(_at(made, diary, started_ms + round(moment.share * made.settings.round_s * 1000), moment))


async def _at(made: World, diary: Diary, utc_ms: int, moment: Moment) -> None:
    await made.clock.sleep(max(0.0, (utc_ms - made.clock.utc_ms()) / 1000))
    await moment.happens(made, diary)


async def urgent_order(made: World, diary: Diary) -> None:
    """A collection that cannot wait comes in."""
    number = len(diary.urgent_s) + diary.urgent_lost + 1
    body = orders.urgent(made.rng, made.rng.choice(made.homes), made.clock.now(), number, URGENT_WITHIN_S)
    way = await order_to_screen(made, body)
    if way is None:
        diary.urgent_lost += 1
        made.say(f"urgent: {body['address']} – on nobody's screen after {SHOWS_WITHIN_S:g} s")
    else:
        diary.urgent_s.append(way.back_s)
        made.say(f"urgent: {body['address']} – {way}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an order came to a driver, in real seconds after the API's 201."""

    van: str
    planned_s: float
    screen_s: float
    back_s: float
    """On the screen, and its receipt at the hub."""

    def __str__(self) -> str:
        return f"planned in {self.planned_s:.2f} s, on {self.van}'s screen in {self.screen_s:.2f} s, receipt back in {self.back_s:.2f} s"


async def order_to_screen(made: World, body: dict[str, Any]) -> Way | None:
    """Send an order and follow it to the right van's screen, and the receipt back; None when that takes too long."""
    placed = await made.desk.post("/v1/orders", body)
    accepted_s, accepted_at = time.monotonic(), time.time()
    order: str = placed["order"]
    states = ["shown"] if made.tablets else ["held", "in_force"]
    by_id = {van.vehicle: van for van in made.vans}
    while time.monotonic() < accepted_s + SHOWS_WITHIN_S:
        found = await made.ask(audit.receipt, order, states)
        if found is not None and order in (van := by_id[found["vehicle_id"]]).first_seen_s:
            screen_s = van.first_seen_s[order] - accepted_s
            return Way(
                van=van.name,
                planned_s=found["issued_real_at"].timestamp() - accepted_at,
                screen_s=screen_s,
                back_s=max(found["received_real_at"].timestamp() - accepted_at, screen_s),
            )
        await asyncio.sleep(0.02)
    return None


async def cancellation(made: World, diary: Diary) -> None:
    """A customer no longer wants it: it leaves the screen of the van that has it on board."""
    van = max(made.vans, key=lambda candidate: len(candidate.screen.stops))
    if len(van.screen.stops) < 3:
        return
    stop = van.screen.stops[2]
    await made.desk.post(f"/v1/orders/{stop}/cancel")
    diary.cancelled.add(stop)
    asked_s = time.monotonic()
    await until(
        lambda: anywhere(made.vans, stop) is None, within_s=SHOWS_WITHIN_S, what="a cancelled stop to leave the screen", every_s=0.02
    )
    made.say(f"cancelled: a stop of {van.name}'s – gone from its screen after {time.monotonic() - asked_s:.2f} s")


async def delay(made: World, diary: Diary) -> None:
    """A van stands in a jam."""
    van = _crew(made, DELAYED_VAN)
    held_s = DELAY_SHARE * made.settings.round_s
    van.body.hold(held_s)
    before = await _eta(made, van)
    made.say(f"delayed: {van.name} stands still for {held_s / 60:.0f} minutes of its day")
    await made.clock.sleep(held_s * 0.9)
    after = await _eta(made, van)
    if before is not None and after is not None:
        made.say(f"delayed: {van.name}'s last arrival moved by {(after - before) / 60:+.0f} minutes")


async def _eta(made: World, van: Van) -> float | None:
    """When the hub expects that van at its last stop, seconds since 1970."""

    def read(database: Any) -> float | None:
        with database.transaction() as cur:
            cur.execute("SELECT extract(epoch FROM max(eta))::float8 AS at FROM etas WHERE vehicle_id = %s", (van.vehicle,))
            row = cur.fetchone()
            return None if row is None or row["at"] is None else float(row["at"])

    return await made.ask(read)


async def no_network(made: World, diary: Diary) -> None:
    """A van loses its network for a while, and has everything told afterwards."""
    van = _crew(made, CUT_VAN)
    van.link.cut()
    made.say(f"no network: {van.name} is cut off")
    await made.clock.sleep(CUT_SHARE * made.settings.round_s)
    waiting = van.screen.state.get("backlog", 0)
    van.link.heal()
    healed_s = time.monotonic()
    await until(lambda: bool(van.screen.state.get("backlog", 1) < 100), within_s=120, what=f"{van.name} to catch up")
    made.say(f"network back: {van.name} had {waiting} entries to tell, caught up in {time.monotonic() - healed_s:.1f} s")


async def rest(made: World, diary: Diary) -> None:
    """A driver takes a break."""
    van = _crew(made, RESTING_VAN)
    van.driver.wants_break_s = BREAK_S
    made.say(f"break: {van.driver.name} rests after this stop")


def _crew(made: World, place: int) -> Van:
    return made.vans[place % len(made.vans)]


TABLE: Final = (
    #      share  what happens
    Moment(0.12, urgent_order),
    Moment(0.20, cancellation),
    Moment(0.25, delay),
    Moment(0.30, no_network),
    Moment(0.40, urgent_order),
    Moment(0.45, rest),
    Moment(0.60, urgent_order),
)
