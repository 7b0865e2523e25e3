"""The contract between van and hub: messages, channels and frames. Depends on msgspec alone.

Read `messages.py` first (what is said), then `channels.py` (where), then `frames.py` (in which bytes).
"""

from __future__ import annotations


class WireError(ValueError):
    """Bytes or values that are not of the contract. The only error that decoding raises."""
