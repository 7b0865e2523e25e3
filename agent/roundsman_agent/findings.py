"""What `doctor` looks at, and what it says: one finding a thing, with what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from roundsman_agent.config import AgentConfig
from roundsman_agent.vitals import Vitals

Verdict = Literal["good", "look", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `look`: works, and somebody should know."""

    subject: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The unit under examination. `running` is the agent's own word, if one runs and serves its screen; `in_use`: one runs, whatever it
    serves. What it uses is not to be used beside it."""

    config: AgentConfig
    running: Mapping[str, Any] | None
    in_use: bool
    vitals: Vitals
