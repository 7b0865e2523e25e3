"""The demo: one command that shows the whole product on real parts, and counts afterwards what became of every stop and every fix."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from roundsman_sim import audit, events, genesis, orders
from roundsman_sim.orders import Day
from roundsman_sim.settings import DemoSettings
from roundsman_sim.world import Say, World, until

LOADING_S: Final = 15.0
"""Real seconds between the orders and the first departure: the planner's first search takes ten."""
PLANNED_WITHIN_S: Final = 90.0
DRAINS_WITHIN_S: Final = 120.0
STORIES_S: Final = 1.0
ENOUGH: Final = 0.9
"""Share of the stops that fell due which a run must have resolved."""
VAGUE: Final = "The house with the blue door"
BAD_LINES: Final = (
    {"reference": "BAD-1", "address": "", "window_start": "yesterday"},
    {"reference": "BAD-2", "address": "1 Nowhere", "parcels": "many"},
)


async def run(settings: DemoSettings, say: Say) -> dict[str, Any]:
    """Play one round.

    Returns
    -------
    dict
        The figures, ready for the last line: see `report`.

    Raises
    ------
    SimError
        Something did not start or did not come back; the folder with all logs is kept and named.
    """
    directory = Path(tempfile.mkdtemp(prefix="roundsman-demo-"))
    try:
        async with genesis.world(settings, directory, say) as made:
            figures = await _round(made)
    except BaseException:
        say(f"logs are kept in {directory}")
        raise
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return figures


async def _round(made: World) -> dict[str, Any]:
    settings, diary = made.settings, events.Diary()
    day = await plan_the_day(made)
    await _where_to_look(made)
    drivers = set_out(made, day)
    happenings = asyncio.create_task(events.play(made, diary), name="events")
    stories = asyncio.create_task(_tell_stories(made), name="stories")
    try:
        ends_ms = round(day.start.timestamp() * 1000) + round(settings.minutes * 60_000 * settings.factor)
        await _watch(made, [*drivers, happenings, stories], ends_ms)
    finally:
        await cancel([*drivers, happenings, stories])
    ended = made.clock.now()
    made.say("the round ends: drivers stop, vans tell what they still have to tell")
    await drain(made)
    all_orders = await made.desk.orders()
    storage, plans = await made.ask(audit.storage), await made.ask(audit.plans)
    for van in made.vans:
        await van.agent.stop()
    fixes = await made.ask(audit.fixes, made.vans)
    return _figures(made, diary, all_orders, ended, fixes, storage, plans)


async def plan_the_day(made: World) -> Day:
    """Orders come in, addresses are settled, the first plans reach the screens."""
    settings = made.settings
    start = made.clock.now() + timedelta(seconds=LOADING_S * settings.factor)
    day = Day(start=start, length_s=settings.round_s)
    for van in made.vans:
        await made.desk.patch(f"/v1/vehicles/{van.vehicle}", {"shift_start": start.isoformat(), "shift_end": _shift_end(day).isoformat()})
    wanted = orders.draw(made.homes, settings.orders, day, settings.seed)
    places = {body["reference"]: home for body, home in zip(wanted, _homes_of(made, wanted), strict=True)}
    wanted[-1]["address"] = VAGUE  # one customer writes no address at all: a person finds out, and pins it
    report = await made.desk.import_orders(wanted, spoilt=[{**wanted[0], **bad} for bad in BAD_LINES])
    bad, waiting = len(report["bad"]), report["waiting_for_place"]
    made.say(f"{report['imported']} orders imported, {bad} bad lines reported, {waiting} addresses wait for a person")
    for lost in (await made.desk.get("/v1/geocode-queue"))["items"]:
        at = places[lost["reference"]]
        await made.desk.post(f"/v1/orders/{lost['order']}/pin", {"lat_deg": at.lat_deg, "lon_deg": at.lon_deg, "remember": False})
        made.say(f"pinned by hand: {lost['address']!r} ({lost['reason']})")
    imported_s = time.monotonic()
    await until(lambda: _all_planned(made), within_s=PLANNED_WITHIN_S, what="first plans on the screens")
    made.say(f"first plans are on {sum(bool(van.screen.stops) for van in made.vans)} screens after {time.monotonic() - imported_s:.1f} s")
    return day


def set_out(made: World, day: Day) -> list[asyncio.Task[None]]:
    """Everybody's day begins."""
    starts_ms = round(day.start.timestamp() * 1000)
    return [asyncio.create_task(van.driver.day(starts_ms), name=van.driver.name) for van in made.vans]


def _homes_of(made: World, wanted: Sequence[dict[str, Any]]) -> list[Any]:
    by_text = {home.text: home.position for home in made.homes}
    return [by_text[body["address"]] for body in wanted]


def _shift_end(day: Day) -> datetime:
    return day.start + timedelta(seconds=day.length_s * 1.25)


def _all_planned(made: World) -> bool:
    made.require_alive()
    return sum(len(van.screen.stops) for van in made.vans) >= 0.8 * made.settings.orders


async def _where_to_look(made: World) -> None:
    """For people: where everything is."""
    say = made.say
    say(f"dispatch map: {made.desk.url}/    its key: {(made.directory / 'hub' / 'admin.key').read_text().strip()}")
    for order in (await made.desk.get("/v1/orders", state="planned", limit=1))["items"]:
        say(f"a customer's page: {order['track_url']}")
    if not made.settings.headless:
        say("Ctrl-C ends everything")
    say("drivers' screens: " + "  ".join(f"{van.name} {van.screen.url}" for van in made.vans))


async def _tell_stories(made: World) -> None:
    """Say what each new plan changed, for whom and why: the same words that the board shows. Until cancelled."""
    told = {story["id"] for story in await made.desk.listed("/v1/proposals", limit=100)}
    while True:
        for story in reversed(await made.desk.listed("/v1/proposals", limit=20)):
            if story["id"] not in told:
                told.add(story["id"])
                made.say(f"plan {story['state']}: {story['diff']['text']}")
        await asyncio.sleep(STORIES_S)


async def _watch(made: World, tasks: Sequence[asyncio.Task[None]], ends_ms: int) -> None:
    """Let the round go on to its end; a program or a driver that fails ends it at once."""
    told_s = time.monotonic()
    while made.clock.utc_ms() < ends_ms or not made.settings.headless:  # a person ends it with Ctrl-C
        made.require_alive()
        for task in tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error
        if time.monotonic() - told_s > 30:
            told_s = time.monotonic()
            made.say(f"{made.clock.now():%H:%M}: {sum(len(van.screen.stops) for van in made.vans)} stops to go")
        await asyncio.sleep(0.2)


async def cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def drain(made: World) -> None:
    """Shifts end; every van tells the hub all it has, and the hub derives all it was told."""
    for van in made.vans:
        van.link.heal()
        await van.screen.duty("off")
    told = lambda: all(van.screen.state.get("backlog", 1) == 0 for van in made.vans)  # noqa: E731
    await until(told, within_s=DRAINS_WITHIN_S, what="the vans to tell everything")
    await until(lambda: made.ask(audit.caught_up), within_s=DRAINS_WITHIN_S, what="the hub to derive everything")


def _figures(
    made: World,
    diary: events.Diary,
    all_orders: Sequence[dict[str, Any]],
    ended: datetime,
    fixes: audit.Fixes,
    storage: str,
    plans: dict[str, int],
) -> dict[str, Any]:
    """What became of everything. A stop fell due when its window closed before the round ended."""
    due = [order for order in all_orders if order["state"] != "cancelled" and datetime.fromisoformat(order["window_end"]) <= ended]
    states = [order["state"] for order in all_orders]
    resolved = sum(order["state"] in ("delivered", "failed") for order in due)
    return {
        "vans": len(made.vans),
        "orders": len(all_orders),
        "fixes_made": fixes.made,
        "fixes_stored": fixes.stored,
        "fixes_missing": fixes.missing,
        "fixes_twice": fixes.twice,
        "fixes_unheard": fixes.unheard,
        **plans,
        "urgent_to_screen_s": {
            "median": round(statistics.median(diary.urgent_s), 2) if diary.urgent_s else None,
            "worst": round(max(diary.urgent_s), 2) if diary.urgent_s else None,
        },
        "urgent_lost": diary.urgent_lost,
        "due": len(due),
        "due_resolved": resolved,
        "delivered": states.count("delivered"),
        "failed": states.count("failed"),
        "cancelled": states.count("cancelled"),
        "storage": storage,
        "roads": made.roads.name,
    }


def shortcomings(figures: dict[str, Any]) -> list[str]:
    """What a run must not end with; empty: the loop runs."""
    found = []
    if figures["due"] and figures["due_resolved"] < ENOUGH * figures["due"]:
        found.append(f"{figures['due_resolved']} of {figures['due']} stops that fell due were resolved; at least {ENOUGH:.0%} must be")
    if figures["fixes_missing"] or figures["fixes_twice"]:
        found.append(f"{figures['fixes_missing']} fixes missing at the hub, {figures['fixes_twice']} there twice; both must be 0")
    if figures["fixes_made"] == 0:
        found.append("no van made a single fix")
    return found


def last_line(figures: dict[str, Any]) -> str:
    """The figures as one line of JSON."""
    return json.dumps(figures)
