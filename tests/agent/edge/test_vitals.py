"""What the board says of itself, read from a kernel's files as a Raspberry Pi shows them; and what it does not say."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent import vitals
from roundsman_agent.care import HOT_C, matters
from roundsman_agent.vitals import Vitals
from roundsman_wire.messages import Health


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_board_that_says_nothing_is_not_made_up(tmp_path: Path) -> None:
    seen = vitals.read(tmp_path, tmp_path / "root")
    assert (seen.temperature_c, seen.voltage_v, seen.throttled, seen.disk_wear_pct, seen.rtc) == (None, None, (), None, False)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("0x0", ()),
        ("50005", ("under voltage", "throttled")),
        ("0x50000", ("under voltage since boot", "throttled since boot")),
        ("throttled=0x80008", ("too hot",)),
        ("nonsense", ()),
    ],
)
def test_the_firmwares_bits_become_words(tmp_path: Path, mask: str, words: tuple[str, ...]) -> None:
    write(tmp_path, vitals.FIRMWARE, mask + "\n")
    assert vitals.throttled(tmp_path) == words


def test_a_kernel_without_the_firmwares_word_still_tells_of_low_voltage(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    write(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    write(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    assert vitals.throttled(tmp_path) == ()
    write(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert vitals.throttled(tmp_path) == ("under voltage",)


def test_an_emmc_tells_its_age_also_to_its_partition_and_an_sd_card_does_not(tmp_path: Path) -> None:
    number = os.stat(tmp_path).st_dev
    disk, root = "sys/devices/mmc/block/mmcblk0", tmp_path / "root"
    write(root, f"{disk}/device/type", "MMC\n")
    (root / disk / "mmcblk0p2").mkdir()
    (root / "sys/dev/block").mkdir(parents=True)
    (root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}").symlink_to(root / disk / "mmcblk0p2")
    assert vitals.disk_wear_pct(tmp_path, root) is None
    write(root, f"{disk}/device/life_time", "0x02 0x03\n")
    assert vitals.disk_wear_pct(tmp_path, root) == 30
    write(root, f"{disk}/device/life_time", "0x0b 0x03\n")
    assert vitals.disk_wear_pct(tmp_path, root) == 100


def test_temperature_written_bytes_and_clock_are_read(tmp_path: Path) -> None:
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48312\n")
    write(tmp_path, "proc/self/io", "rchar: 1\nwrite_bytes: 314572800\ncancelled_write_bytes: 0\n")
    write(tmp_path, "sys/class/rtc/rtc0/name", "rtc-pcf85063a\n")
    seen = vitals.read(tmp_path, tmp_path)
    assert (seen.temperature_c, seen.disk_written_mb, seen.rtc) == (48.312, 300, True)
    assert seen.clock.endswith(", with a clock battery")
    assert replace(seen, synchronised=True, rtc=False).clock == "synchronised, no clock battery"


def health(**changes: Any) -> Health:
    fields: dict[str, Any] = {
        "mono_ms": 1,
        "agent_version": "1",
        "backlog_facts": 0,
        "backlog_track": 0,
        "oldest_unsent_s": 0,
        "disk_free_mb": 9_000,
        "rss_mb": 60,
        "fixes_accepted": 0,
        "receiver": "ok",
        "clock": Vitals(synchronised=True).clock,
    }
    return Health(**fields | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"receiver": "lost: tcp://10.0.0.1:1: refused"},
        {"throttled": ("under voltage",)},
        {"clock": Vitals(synchronised=False).clock},
        {"disk_free_mb": 100},
        {"temperature_c": HOT_C},
        {"disk_wear_pct": 80},
        {"rejected": {"store full": 3}},
    ],
)
def test_what_a_technician_would_act_on_is_told_at_once(changes: dict[str, Any]) -> None:
    assert matters(health(), health(**changes))


def test_what_changes_all_the_time_waits_for_its_turn() -> None:
    assert not matters(health(), health(mono_ms=9, backlog_track=50, rss_mb=61, fixes_accepted=60, temperature_c=51.0, store_mb=3))
    assert not matters(health(receiver="lost: refused"), health(receiver="lost: no route"))


def test_a_health_entry_tells_everything_it_knows(start: Any, wait: Any) -> None:
    van = start()
    (told,) = wait(lambda: van.facts("health"), "its first word")
    assert isinstance(told, Health)
    assert told.receiver == "resting: off shift"
    assert told.versions["python"].startswith("3.")
    assert {"agent", "system", "kernel", "sqlite"} < set(told.versions)
    assert told.clock
    van.stop()
