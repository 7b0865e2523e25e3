"""The dispatcher's board under load, in a real browser: what an update costs the page's thread, what an hour of them leaves, and axe.

Script on the main thread is read off a trace of Chromium's own, in the thread's CPU time: everything that runs JavaScript there (events,
timers, frames, microtasks, collections of garbage), nested things once. Rendering is by software. `--quick` takes a minute for each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from roundsman_hub.store import embedded
from roundsman_hub.store.db import Database
from roundsman_hub.store.migrate import migrate
from roundsman_sim import SimError
from roundsman_sim.bench_table import Row, last_line, table
from roundsman_sim.board_hub import BoardHub, board_hub
from roundsman_sim.board_stage import staged
from roundsman_sim.board_states import VIEWS, prepare, states

Say = Callable[[str], None]
VANS: Final = 5_000
TRACED_S: Final = 30
HOUR_UPDATES: Final = 3_600
PLAYED_S: Final = 600
"""An hour's updates in ten minutes."""
QUICK_PLAYED_S: Final = 60
WARM_S: Final = 20
LOOKS_AT_HEAP: Final = 12
GOALS: Final = {"map_block_ms": 20.0, "map_growth_mb_h": 2.0, "axe_violations": 0.0}
SCRIPT: Final = frozenset(
    {"FunctionCall", "EvaluateScript", "TimerFire", "FireAnimationFrame", "RunMicrotasks", "EventDispatch", "HandlePostMessage"}
    | {"MinorGC", "MajorGC", "V8.GC_MARK_COMPACTOR", "V8.GCScavenger", "v8.callFunction", "v8.run", "BlinkGC.AtomicPhase"}
)
FLAGS: Final = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--enable-unsafe-swiftshader", "--enable-precise-memory-info"),
)
AXE: Final = Path(__file__).parents[2] / "dashboards" / "web" / "node_modules" / "axe-core" / "axe.min.js"
WCAG: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
LOOKS: Final = (
    *((320, 640, "light"), (1440, 900, "dark"), (1440, 900, "light"), (320, 640, "dark")),
    *((1280, 720, "light"), (1280, 720, "dark"), (2560, 1440, "light"), (2560, 1440, "dark")),
)


PARTS: Final = ("block", "growth", "axe")


def measure(say: Say, *, quick: bool | None = None, parts: Sequence[str] = PARTS) -> list[Row]:
    """The board's rows of `make bench-people`. `quick`: a minute for each; left out, as the environment's `QUICK` says."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SimError("no chromium on this machine: apt-get install chromium")
    if quick is None:
        quick = bool(os.environ.get("QUICK"))
    rows: list[Row] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            if "block" in parts:
                rows += _block(browser, say)
            if "growth" in parts:
                rows += _growth(browser, say, QUICK_PLAYED_S if quick else PLAYED_S)
            if "axe" in parts:
                rows += _axe(browser, LOOKS[:2] if quick else LOOKS, say)
        finally:
            browser.close()
    return rows


def _enter(page: Page, url: str, key: str, view: str = "now") -> None:
    page.set_default_timeout(120_000)
    page.goto(f"{url}/#/{view}")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Show the fleet").click()
    page.wait_for_selector(".link.live")


def _block(browser: Browser, say: Say) -> list[Row]:
    say(f"{VANS} moving vans, one update a second, traced for {TRACED_S} s")
    with tempfile.TemporaryDirectory(prefix="roundsman-board-") as folder, staged(Path(folder), VANS, every_s=1.0) as url:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        _enter(page, url, "stage")
        page.wait_for_selector("body[data-map=ready]")
        time.sleep(WARM_S)  # the first frames compile shaders and cut tiles
        session = page.context.new_cdp_session(page)
        events: list[dict[str, Any]] = []
        done: list[bool] = []
        session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
        session.on("Tracing.tracingComplete", lambda _: done.append(True))
        wanted = ["devtools.timeline", "v8", "blink.user_timing", "disabled-by-default-v8.gc", "__metadata"]
        session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": {"includedCategories": wanted}})
        page.wait_for_timeout(TRACED_S * 1000)
        session.send("Tracing.end")
        while not done:
            page.wait_for_timeout(50)
        page.close()
    spent = script_ms(events, TRACED_S)
    p95 = statistics.quantiles(spent, n=20)[-1]
    return [
        Row("map_block_ms", round(p95, 2), "ms", GOALS["map_block_ms"]),
        Row("map_block_median_ms", round(statistics.median(spent), 2), "ms"),
    ]


def script_ms(events: Iterable[dict[str, Any]], seconds: int) -> list[float]:
    """CPU milliseconds of script on the page's main thread, for each second of a trace."""
    events = list(events)
    mains = {(e["pid"], e["tid"]) for e in events if e.get("name") == "thread_name" and e["args"]["name"] == "CrRendererMain"}
    script = [e for e in events if e.get("ph") == "X" and e["name"] in SCRIPT and (e["pid"], e["tid"]) in mains and "tdur" in e]
    if not script:
        raise SimError("the trace has no script: Chromium's names have changed")
    by_thread: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in script:
        by_thread.setdefault((event["pid"], event["tid"]), []).append(event)
    busiest = max(by_thread.values(), key=lambda found: sum(e["tdur"] for e in found))
    begun = min(e["ts"] for e in busiest)
    spent = [0.0] * seconds
    reached = -1.0
    for event in sorted(busiest, key=lambda e: (e["tts"], -e["tdur"])):
        ends = event["tts"] + event["tdur"]
        if ends <= reached:
            continue  # inside the one before
        second = int((event["ts"] - begun) / 1e6)
        if second < seconds:
            spent[second] += (ends - max(event["tts"], reached)) / 1000
        reached = ends
    return spent


def _growth(browser: Browser, say: Say, played_s: int) -> list[Row]:
    every_s = PLAYED_S / HOUR_UPDATES
    say(f"{VANS} moving vans, {1 / every_s:g} updates a second, for {played_s} s")
    with tempfile.TemporaryDirectory(prefix="roundsman-board-") as folder, staged(Path(folder), VANS, every_s=every_s) as url:
        page = browser.new_page(viewport={"width": 1024, "height": 700})
        _enter(page, url, "stage")
        page.wait_for_selector("body[data-map=ready]")
        page.wait_for_timeout(WARM_S * 1000)
        session = page.context.new_cdp_session(page)

        def held_mb() -> float:
            session.send("HeapProfiler.collectGarbage")
            return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

        def clock_min() -> int:
            hours, minutes = page.evaluate("document.querySelector('.clock time').textContent").split(":")
            return int(hours) * 60 + int(minutes)

        held = []
        for _ in range(LOOKS_AT_HEAP + 1):
            held.append((clock_min(), held_mb()))
            page.wait_for_timeout(played_s * 1000 / LOOKS_AT_HEAP)
        page.close()
    later = held[len(held) // 3 :]  # what is compiled and kept once is behind it
    slope, _ = statistics.linear_regression([at for at, _ in later], [mb for _, mb in later])
    return [
        Row("map_growth_mb_h", round(max(0.0, slope * 60), 2), "MB an hour of updates", GOALS["map_growth_mb_h"]),
        Row("map_heap_mb", round(held[-1][1], 1), "MB"),
        Row("map_played_min", held[-1][0] - held[0][0], "min of updates that the page took in"),
    ]


def _axe(browser: Browser, looks: Sequence[tuple[int, int, Any]], say: Say) -> list[Row]:
    say("axe on every view and state of the board")
    if not AXE.exists():
        raise SimError("axe-core is not there: run .ci/web in the project's folder")
    with tempfile.TemporaryDirectory(prefix="roundsman-board-") as folder:
        home = Path(folder)
        with embedded.start(home / "postgres") as server:
            migrate(server.dsn())
            with Database.connect(server.dsn(), max_size=8) as db, board_hub(db, home) as hub:
                prepare(hub)
                found = [text for look in looks for text in _looked_at(browser, hub, look)]
    for text in found:
        say(text)
    return [Row("axe_violations", len(found), "on every page and state of the board", GOALS["axe_violations"])]


def _looked_at(browser: Browser, hub: BoardHub, look: tuple[int, int, Any]) -> list[str]:
    width, height, scheme = look
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    source = AXE.read_text(encoding="utf-8")
    found: list[str] = []

    def check(what: str) -> None:
        page.wait_for_timeout(300)
        page.get_by_text("Asking the hub").first.wait_for(state="detached")
        page.evaluate(f"window.axe || (() => {{ {source} }})()")
        answer = page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", list(WCAG))
        found.extend(f"{what} at {width} px, {scheme}: {v['id']}: {n['html'][:120]}" for v in answer["violations"] for n in v["nodes"])

    page.goto(hub.url)
    page.get_by_label("API key").fill("rk_000000000000_" + "x" * 32)
    check("the key")
    page.get_by_role("button", name="Show the fleet").click()
    page.get_by_text("unknown or revoked").wait_for()
    check("a key refused")
    _enter(page, hub.url, hub.key)
    for view in VIEWS:
        page.evaluate("view => location.hash = `#/${view}`", view)
        check(view)
    for state in states(page, hub):
        check(state)
    page.close()
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0 whatever holds: the last line says it."""
    parser = argparse.ArgumentParser(prog="python -m roundsman_sim.bench_board", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute's updates, not an hour's; two sizes and themes, not four")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part alone; may be given more than once")
    asked = parser.parse_args(argv)
    rows = measure(lambda text: print(text, flush=True), quick=asked.quick or None, parts=asked.only or PARTS)
    print(table(rows))
    print(last_line("board", rows), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
