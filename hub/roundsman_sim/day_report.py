"""What the policies came to, as a table and as a page of pictures: each van's track, and how many orders were late by how much."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from html import escape
from typing import Any, Final

from roundsman_core.geo import LatLon
from roundsman_sim.day_eta import Said
from roundsman_sim.day_result import POLICIES, Result

AHEAD: Final = timedelta(minutes=30)
AROUND_S: Final = 300.0
"""Said 25 to 35 minutes before the arrival counts as said 30 minutes before."""
COLOURS: Final = ("#1b6ca8", "#c8553d", "#3d8b5f", "#8a5aa8", "#b8860b", "#23827f", "#a83d6e", "#5c6b24", "#4056b5", "#8c4a2f")
SIDE: Final = 420
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:84rem;padding:0 1rem;color:#1d2430;background:#fff}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:.2rem 0}.days{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0;flex:1 1 18rem;min-width:0}svg{width:100%;height:auto;border:1px solid #d5dae1;border-radius:6px}
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.15rem .8rem .15rem 0;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}
@media (prefers-color-scheme:dark){body{background:#14181f;color:#e4e8ee}svg{border-color:#39424f;background:#1a2029}}
"""
_MEANS: Final = (
    "On time: service began inside its window, of all orders that were not called off. Cost: what was paid, an extra trip for each order"
    " that was left, and lateness at the fleet's own price. ETA error: the median of what was said half an hour ahead; of the static plan,"
    " what it said in the morning. Inside: arrivals within the interval that was told; it learns to hold four of five from the days before."
)
_HEAD: Final = (
    *("policy", "orders", "served", "on time", "urgent", "late min", "km", "vans", "paid", "cost", "plans", "churn"),
    *("ETA error", "inside"),
)


def eta_error_s(said: Sequence[Said], *, plain: bool = False) -> float | None:
    """Median error of arrival times said 30 minutes ahead, in seconds; `plain`: of the road's times alone, at the same instants."""
    near = [one for one in said if one.at is not None and abs(one.ahead_s - AHEAD.total_seconds()) <= AROUND_S]
    errors = [abs(((one.plain if plain else one.eta) - one.at).total_seconds()) for one in near if one.at is not None]
    return statistics.median(errors) if errors else None


def coverage(said: Sequence[Said]) -> float | None:
    """Share of arrivals inside the interval that was said, over everything that was said before the van stood there."""
    before = [one for one in said if one.at is not None and one.ahead_s > 0]
    return sum(one.low <= one.at <= one.high for one in before if one.at is not None) / len(before) if before else None


def apart(one: Result, others: Sequence[Result]) -> dict[str, dict[str, float]]:
    """How far a day is from the mean of others of the same script, in percent of it, and how far those are from each other."""
    figures = {
        "on_time": [100 * day.on_time_share for day in (one, *others)],
        "km": [day.km for day in (one, *others)],
        "cost": [day.cost_cents / 100 for day in (one, *others)],
        "paid": [day.paid_cents / 100 for day in (one, *others)],
    }
    found = {}
    for name, (own, *rest) in figures.items():
        mean = statistics.fmean(rest)
        spread = 100 * (max(rest) - min(rest)) / mean
        found[name] = {
            "real": round(own, 2),
            "box": round(mean, 2),
            "apart_pct": round(100 * (own - mean) / mean, 2),
            "box_spread_pct": round(spread, 2),
        }
    return found


def _cells(result: Result) -> tuple[str, ...]:
    error = eta_error_s(result.said)
    inside = coverage(result.said) if any(one.low < one.high for one in result.said) else None  # the morning's plan tells none
    return (
        result.policy,
        str(result.orders),
        str(result.served),
        f"{result.on_time_share:.1%}",
        f"{result.urgent_on_time}/{result.urgent}",
        f"{result.late_s / 60:.0f}",
        f"{result.km:.1f}",
        str(result.vans_used),
        f"{result.paid_cents / 100:.0f}",
        f"{result.cost_cents / 100:.0f}",
        str(result.plans),
        str(result.churn),
        "–" if error is None else f"{error / 60:.1f} min",
        "–" if inside is None else f"{inside:.0%}",
    )


def row(result: Result) -> dict[str, Any]:
    """For programs: what `table` says, and the share of arrivals inside the interval that was told."""
    counted = {name: value for name, value in asdict(result).items() if name not in ("said", "tracks")}
    told = {"eta_error_s": eta_error_s(result.said), "eta_coverage": coverage(result.said)}
    return counted | {"on_time_share": result.on_time_share} | told


def table(results: Sequence[Result]) -> str:
    """For people at a terminal."""
    lines = [_HEAD, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))) for line in lines
    )


def page(results: Sequence[Result], homes: Sequence[LatLon], title: str) -> str:
    """One page without any outside address: the table, and each policy's tracks."""
    body = [f"<h1>{escape(title)}</h1>", "<table><tr>" + "".join(f"<th>{escape(word)}</th>" for word in _HEAD) + "</tr>"]
    body += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(result)) + "</tr>" for result in results]
    body.append(f"</table><p>{_MEANS}</p><div class=days>")
    for result in results:
        words = f"{result.policy}: {POLICIES[result.policy]}"
        body.append(f"<figure><h2>{escape(words)}</h2>{_map(result, homes)}</figure>")
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en>{head}{''.join(body)}</div></html>"


def _map(result: Result, homes: Sequence[LatLon]) -> str:
    every = [*homes, *(place for track in result.tracks for place in track)]
    south, north = min(p.lat_deg for p in every), max(p.lat_deg for p in every)
    west, east = min(p.lon_deg for p in every), max(p.lon_deg for p in every)
    stretch = math.cos(math.radians((south + north) / 2))
    scale = (SIDE - 20) / max((east - west) * stretch, north - south, 1e-6)

    def at(place: LatLon) -> str:
        return f"{10 + (place.lon_deg - west) * stretch * scale:.1f},{10 + (north - place.lat_deg) * scale:.1f}"

    high = 20 + (north - south) * scale
    dots = "".join(f"<circle cx='{at(home).split(',')[0]}' cy='{at(home).split(',')[1]}' r='1.6' fill='#69727f'/>" for home in homes)
    lines = "".join(
        f"<polyline points='{' '.join(at(place) for place in track)}' fill='none' stroke='{COLOURS[n % len(COLOURS)]}' stroke-width='1.4'/>"
        for n, track in enumerate(result.tracks)
        if len(track) > 1
    )
    return f"<svg viewBox='0 0 {SIDE} {high:.0f}' role='img' aria-label='tracks of {len(result.tracks)} vans'>{dots}{lines}</svg>"
