"""Ties a child process to its parent: when the parent dies, however it dies, the child is ended too (Linux).

`python -m roundsman_hub.tether COMMAND…` runs a program that way: the tie survives exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

PR_SET_PDEATHSIG = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
"""Opened here, so that nothing is loaded between fork and exec."""


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel for a signal when the parent ends. Elsewhere than on Linux: nothing, `serve` still ends its children itself."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    _LIBC.prctl(PR_SET_PDEATHSIG, by, 0, 0, 0)
    if os.getppid() != parent:  # it died before the tie held
        os.kill(os.getpid(), by)


def tie(by: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`, where the child cannot run this module (another user, who may not read it). None: not from this thread.

    The kernel counts the end of the thread that started the child as its parent's end: only the main thread lives as long as the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return None
    return lambda: die_with_parent(by)


def tethered(command: list[str]) -> list[str]:
    """The command that runs `command` tied to whoever starts it."""
    return [sys.executable, "-m", "roundsman_hub.tether", *command]


if __name__ == "__main__":
    die_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])
