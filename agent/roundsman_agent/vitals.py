"""How the board under the agent is: temperature, voltage, throttling, the disk's wear, what keeps the clock. What it cannot tell is absent.

Read from the kernel's own files (`/sys`, `/proc`), and where a Raspberry Pi's firmware knows more, from `vcgencmd`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from roundsman_agent import __version__

ROOT: Final = Path("/")
VCGENCMD_S: Final = 2.0
TIME_ERROR: Final = 5
"""adjtimex(2): nothing has set this clock, or not for long. chrony, timesyncd and ntpd all report through it."""
TIMEX_BYTES: Final = 512
"""`struct timex` is 208 bytes; modes = 0 only asks."""

NOW_BITS: Final = ((0, "under voltage"), (1, "frequency capped"), (2, "throttled"), (3, "too hot"))
SINCE_BOOT: Final = 16
"""The same bits, so much higher: it has been so since the board was switched on."""
FIRMWARE: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One look at the board. `None` and empty: it does not say.

    disk_written_mb : what this process has written to disks since it began.
    disk_wear_pct : how much of its life the disk says is used, in steps of 10; eMMC says so, SD cards do not.
    synchronised : whether something keeps the system's clock.
    rtc : whether a clock runs on while the board has no power.
    """

    temperature_c: float | None = None
    voltage_v: float | None = None
    throttled: tuple[str, ...] = ()
    disk_written_mb: int = 0
    disk_wear_pct: int | None = None
    synchronised: bool | None = None
    rtc: bool = False

    @property
    def clock(self) -> str:
        """In words: what keeps the time."""
        kept = {True: "synchronised", False: "not synchronised", None: "unknown"}[self.synchronised]
        return kept + (", with a clock battery" if self.rtc else ", no clock battery")


def read(folder: Path, root: Path = ROOT) -> Vitals:
    """Look once. Takes milliseconds, on a Pi tens of them: not for the loop.

    Parameters
    ----------
    folder : Path
        On the disk whose wear is asked for.
    root : Path, optional
        Where `/sys` and `/proc` are.
    """
    firmware = root == ROOT and _has_vcgencmd()
    return Vitals(
        temperature_c=temperature_c(root),
        voltage_v=_firmware_v() if firmware else None,
        throttled=throttled(root) or (_firmware_throttled() if firmware else ()),
        disk_written_mb=disk_written_mb(root),
        disk_wear_pct=disk_wear_pct(folder, root),
        synchronised=synchronised(),
        rtc=(root / "sys/class/rtc/rtc0").exists(),
    )


def versions() -> MappingProxyType[str, str]:
    """What runs here."""
    system = platform.system()
    with suppress(OSError):
        system = platform.freedesktop_os_release().get("PRETTY_NAME", system)
    return MappingProxyType(
        {
            "agent": __version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "system": system,
            "kernel": platform.release(),
        }
    )


def temperature_c(root: Path = ROOT) -> float | None:
    """Of the board's first thermal zone."""
    text = _text(root / "sys/class/thermal/thermal_zone0/temp")
    return int(text) / 1000 if text.lstrip("-").isdigit() else None


def throttled(root: Path = ROOT) -> tuple[str, ...]:
    """What the board's power or heat makes it do without; also what was so since it was switched on."""
    text = _text(root / FIRMWARE)
    if text:
        return _bits(text)
    for monitor in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _text(monitor / "name") == "rpi_volt" and _text(monitor / "in0_lcrit_alarm") == "1":
            return ("under voltage",)
    return ()


def disk_written_mb(root: Path = ROOT) -> int:
    """What this process has written since it began, as the kernel counts it (whole pages, without the file system's own bookkeeping)."""
    found = re.search(r"^write_bytes: (\d+)", _text(root / "proc/self/io"), re.MULTILINE)
    return 0 if found is None else int(found[1]) // 1_048_576


def disk_wear_pct(folder: Path, root: Path = ROOT) -> int | None:
    """What the disk under a folder says of its own age. eMMC counts tenths of a life, for two kinds of cells: the older one counts."""
    try:
        number = os.stat(folder).st_dev
    except OSError:
        return None
    for place in _disks(root, number):
        tenths = [int(word, 16) for word in re.findall(r"0x[0-9a-fA-F]{1,2}", _text(place / "device/life_time"))]
        if any(tenths):
            return min(max(tenths) * 10, 100)
    return None


@cache
def _disks(root: Path, number: int) -> tuple[Path, Path]:
    """A device, and what it may be a partition of."""
    device = (root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    return device, device.parent


@cache
def _has_vcgencmd() -> bool:
    """A board does not become a Raspberry Pi while this runs."""
    return shutil.which("vcgencmd") is not None


def synchronised() -> bool | None:
    """The kernel's own word on whether its clock is kept."""
    if sys.platform != "linux":
        return None
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def _bits(text: str) -> tuple[str, ...]:
    try:
        mask = int(text.rpartition("=")[2], 16)
    except ValueError:
        return ()
    now = tuple(word for bit, word in NOW_BITS if mask >> bit & 1)
    return now + tuple(f"{word} since boot" for bit, word in NOW_BITS if mask >> bit + SINCE_BOOT & 1 and not mask >> bit & 1)


def _firmware_throttled() -> tuple[str, ...]:
    return _bits(_vcgencmd("get_throttled"))


def _firmware_v() -> float | None:
    """The board's supply: a Pi 5 measures it, older ones only notice when it is too low."""
    found = re.search(r"EXT5V_V volt\(\d+\)=([\d.]+)V", _vcgencmd("pmic_read_adc", "EXT5V_V"))
    return None if found is None else float(found[1])


def _vcgencmd(*words: str) -> str:
    try:
        done = subprocess.run(["vcgencmd", *words], capture_output=True, text=True, timeout=VCGENCMD_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
