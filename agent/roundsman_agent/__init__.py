"""What runs in the van: fixes, visits and fences into a numbered log; plans onto the driver's screen.

Read `pipeline.py` first: the life of a fix, from top to bottom.
"""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"


class AgentError(Exception):
    """What the agent cannot go on with, said so that a technician can act on it. Root of all its errors."""
