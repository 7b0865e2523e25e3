"""Ranges of the contract's numbers and ids: what decoding refuses outside them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

FACTS: Final = 0
"""Lane of visits, crossings, driver's actions, receipts, health. Sent first, never thinned."""
TRACK: Final = 1
"""Lane of fixes."""
LANES: Final = (FACTS, TRACK)
LANE_NAMES: Final = {FACTS: "facts", TRACK: "track"}

MAX_MS: Final = 2**53
"""Largest instant, exactly representable in every JSON reader."""
MAX_SEQ: Final = 2**32 - 1
MAX_EPOCH: Final = 2**31 - 2
MAX_LAT_E6: Final = 90_000_000
MAX_LON_E6: Final = 180_000_000

SessionId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$", max_length=16)]
"""Sixteen lower-case hex digits: a random 64-bit number drawn at each start of the agent."""
Ms = Annotated[int, msgspec.Meta(ge=0, le=MAX_MS)]
LatE6 = Annotated[int, msgspec.Meta(ge=-MAX_LAT_E6, le=MAX_LAT_E6)]
LonE6 = Annotated[int, msgspec.Meta(ge=-MAX_LON_E6, le=MAX_LON_E6)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]
Epoch = Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)]
Version = Annotated[int, msgspec.Meta(ge=0, le=MAX_MS)]
"""Of a plan: milliseconds since 1970, or one more than the last."""
Kind = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$", max_length=32)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
