"""How a running agent is: asked of its own screen, told to people or as JSON."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roundsman_agent import AgentError
from roundsman_agent.checkup import UNSENT_S, WORN_PCT
from roundsman_agent.config import AgentConfig

TIMEOUT_S: Final = 5.0
NOT_RUNNING: Final = 3
"""Exit code, as `systemctl status` has it."""


def ask(config: AgentConfig) -> Mapping[str, Any]:
    """The running agent's own answer.

    Raises
    ------
    AgentError
        No agent answers there.
    """
    if not config.screen_enabled:
        raise AgentError("this unit serves no screen ([screen] enabled = false), which alone answers: ask `roundsman-agent doctor`")
    host = f"[{config.screen_host}]" if ":" in config.screen_host else config.screen_host
    url = f"http://{host}:{config.screen_port}/api/status"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            told: Mapping[str, Any] = msgspec.json.decode(response.read(), type=dict[str, Any])
    except (urllib.error.URLError, OSError, msgspec.DecodeError) as error:
        reason = getattr(error, "reason", error)
        raise AgentError(f"no agent answers at {url} ({reason}); is it running? systemctl status roundsman-agent") from None
    return told


def describe(told: Mapping[str, Any]) -> str:
    """For people, one line a subject; what needs attention is marked with `!`."""
    return "\n".join(f"{' ' if good else '!'} {name:<9} {text}" for good, name, text in _rows(told) if name)


def needs_attention(told: Mapping[str, Any]) -> bool:
    """Whether `describe` marks anything."""
    return any(not good for good, _, _ in _rows(told))


def _rows(told: Mapping[str, Any]) -> tuple[tuple[bool, str, str], ...]:
    link, log, store, fixes = told["link"], told["log"], told["store"], told["fixes"]
    since = datetime.fromtimestamp(link["since_utc_ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(fixes["rejected"].items())) or "none"
    plan = told["plan"]
    return (
        (True, "vehicle", f"{told['vehicle']}, agent {told['agent_version']}, session {told['session']}, up {told['uptime_s']} s"),
        (link["online"], "link", f"{'up' if link['online'] else 'down'} since {since}" + (f": {link['reason']}" if link["reason"] else "")),
        (
            told["receiver"]["state"] == "ok" or told["duty"] == "off",
            "receiver",
            f"{told['receiver']['state']} ({told['receiver']['url']})",
        ),
        (True, "fixes", f"{fixes['accepted']} accepted, {fixes['logged']} logged, refused: {rejected}"),
        (True, "duty", told["duty"] + (f", driver {told['driver']}" if told["driver"] else "")),
        (True, "plan", "none" if plan is None else f"version {plan['version']}, {plan['stops_left']} stops left"),
        (plan is None or plan["held"] == plan["version"], "waiting", "a newer plan waits for the stop in progress")
        if plan is not None and plan["held"] != plan["version"]
        else (True, "", ""),
        (
            True,
            "log",
            f"facts {log['facts']['acked']}/{log['facts']['last']}, fixes {log['track']['acked']}/{log['track']['last']} at the hub",
        ),
        (
            log["oldest_unsent_s"] < UNSENT_S,
            "backlog",
            f"{log['backlog']['facts']} facts, {log['backlog']['track']} fixes, {log['waiting']} not on the disk yet"
            + (f"; the oldest has waited {log['oldest_unsent_s']} s" if log["oldest_unsent_s"] else "")
            + (f"; {told['blobs_waiting']} photos" if told["blobs_waiting"] else ""),
        ),
        (not store["full"], "store", f"{store['mb']} of {store['max_mb']} MB at {store['path']}, {store['disk_free_mb']} MB of disk free"),
        (True, "sent", f"{told['sent']['frames']} frames, {told['sent']['bytes']} bytes"),
        (
            told["disk_wear_pct"] is None or told["disk_wear_pct"] < WORN_PCT,
            "disk",
            f"{told['disk_written_mb']} MB written since the start, "
            + ("says nothing of its wear" if told["disk_wear_pct"] is None else f"{told['disk_wear_pct']} % worn"),
        ),
        (True, "memory", f"{told['rss_mb']} MB"),
        (
            not told["throttled"],
            "board",
            ", ".join(
                word
                for word in (
                    "" if told["temperature_c"] is None else f"{told['temperature_c']:.0f} °C",
                    "" if told["voltage_v"] is None else f"{told['voltage_v']:.2f} V",
                    *told["throttled"],
                )
                if word
            )
            or "says nothing of heat and voltage",
        ),
        (True, "clock", told["clock"]),
    )
