"""Ties a child process to its parent: when the parent dies, however it dies, the child is ended too (Linux).

`python -m roundsman_hub.tether COMMAND…` runs a program that way: the tie survives exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends. Elsewhere than on Linux: nothing, `serve` still ends its children itself."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before the tie held
        os.kill(os.getpid(), signal.SIGTERM)


def tethered(command: list[str]) -> list[str]:
    """The command that runs `command` tied to whoever starts it."""
    return [sys.executable, "-m", "roundsman_hub.tether", *command]


if __name__ == "__main__":
    die_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])
