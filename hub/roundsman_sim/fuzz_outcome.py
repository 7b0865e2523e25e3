"""What came of damaged inputs, and the smallest damage there is."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What came of the inputs. `worst_m`: of all believed fixes. `believed` of `offered` epochs: it is easy to be right and say nothing."""

    inputs: int = 0
    crashes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    offered: int = 0
    believed: int = 0
    worst_m: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)


def flipped(data: bytes, rng: random.Random) -> bytes:
    """With one bit of it the other way."""
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
