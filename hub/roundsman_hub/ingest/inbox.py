"""Messages that wait to be stored: so many and no more, whatever the database does."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from roundsman_hub.ingest.packets import Message

MOST_WAITING: Final = 10_000
MOST_WAITING_BYTES: Final = 16_000_000
"""What a hub keeps of a database that stands still: some 2,000,000 fixes in minutes' frames. Beyond it the vans keep them."""
OVERHEAD_BYTES: Final = 200
"""Of a message besides its payload: topic, object, place in the queue."""


class Inbox:
    """A bounded queue between the line and one storing thread. What does not fit is dropped, unacknowledged: the van sends it again.

    Dropping the newest keeps what follows each van's watermark; what is dropped shows as a gap, and the ack says from where to go on.
    """

    def __init__(self, *, most: int = MOST_WAITING, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._came = threading.Condition()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, messages: Sequence[Message]) -> None:
        """Add what fits."""
        with self._came:
            for taken, message in enumerate(messages):
                size = len(message.payload) + OVERHEAD_BYTES
                if len(self._waiting) >= self._most or self._bytes + size > self._most_bytes:
                    self.dropped += len(messages) - taken
                    break
                self._bytes += size
                self._waiting.append(message)
            self._came.notify()

    def collect(self, wait_s: float, *, linger_s: float, most: int, most_bytes: int) -> list[Message]:
        """Messages in order: waits for the first, then a little for its fellows, which makes transactions worth their while."""
        with self._came:
            if not self._waiting:
                self._came.wait(wait_s)
            until = time.monotonic() + linger_s
            while self._waiting and len(self._waiting) < most and self._bytes < most_bytes and (left := until - time.monotonic()) > 0:
                self._came.wait(left)
            found: list[Message] = []
            taken = 0
            while self._waiting and len(found) < most and taken < most_bytes:
                message = self._waiting.popleft()
                taken += len(message.payload) + OVERHEAD_BYTES
                found.append(message)
            self._bytes -= taken
            return found
