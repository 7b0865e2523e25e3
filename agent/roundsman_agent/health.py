"""How the process itself is: its memory, its disk; and the word to systemd that it is alive."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path


def rss_mb() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576)


def give_back_memory() -> None:
    """Return what a start or a large document needed for a moment; the C library would keep it for the process's whole life."""
    with suppress(AttributeError, OSError):  # another C library keeps nothing
        ctypes.CDLL(None).malloc_trim(0)


def disk_free_mb(folder: Path) -> int:
    """Free space where the store is."""
    return shutil.disk_usage(folder).free // 1_048_576


def tell_systemd(state: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=…` or `STOPPING=1`; nothing happens where systemd does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        # Where nobody reads, a word is lost; the loop must not wait for it.
        notify.setblocking(False)
        with suppress(BlockingIOError):
            notify.connect(address)
            notify.send(state.encode())


def watchdog_every_s() -> float | None:
    """Half of what systemd waits for; None where there is no watchdog."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if text.isdigit() and int(text) > 0 else None
