"""The files for a Pi are read by the programs they are for."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from roundsman_agent import config

FOLDER = Path(__file__).parents[2] / "firmware-config"
UNITS = ("roundsman-agent.service", "roundsman-screen.service")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` on a root of its own, in which the programs that the units start exist."""
    for program in ("opt/roundsman/bin/roundsman-agent", "usr/bin/cage"):
        file = tmp_path / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    system = tmp_path / "etc/systemd/system"
    system.mkdir(parents=True)
    # Debian's own targets, and stand-ins for its services that ours name: what stands in those is not under test.
    for target in Path("/usr/lib/systemd/system").glob("*.target"):
        shutil.copy(target, system / target.name, follow_symlinks=True)
    for name in ("gpsd.service", "systemd-user-sessions.service", "getty@.service"):
        (system / name).write_text("[Service]\nExecStart=/usr/bin/cage\n")
    (system / "gpsd.socket").write_text("[Socket]\nListenStream=1\n")
    for name in UNITS:
        shutil.copy(FOLDER / "systemd" / name, system / name)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--generators=no", f"--root={tmp_path}", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if unit in line or "roundsman" in line]
    assert not said, "\n".join(said)


def test_the_agent_reads_the_settings_and_shows_where_each_came_from() -> None:
    command = [sys.executable, "-m", "roundsman_agent", "config", "-c", str(FOLDER / "agent.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for key in ("vehicle", "broker.host", "receiver.url", "store.max_mb", "sampling.mode"):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(key + " ")]
        assert "agent.toml:" in line


def test_the_kiosk_may_use_its_camera_on_the_agents_page_alone() -> None:
    screen = config.load(FOLDER / "agent.toml")
    page = f"http://{screen.screen_host}:{screen.screen_port}"
    policy = json.loads((FOLDER / "chromium" / "roundsman.json").read_text())
    assert policy["VideoCaptureAllowedUrls"] == [page]
    assert f" {page}/" in (FOLDER / "systemd" / "roundsman-screen.service").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_journal_has_an_end() -> None:
    """Limits that journald knows by name: a word that it does not know would only be a warning, and the disk full."""
    manual = shutil.which("man")
    known = subprocess.run([manual, "-P", "cat", "journald.conf"], capture_output=True, text=True, check=False).stdout if manual else ""
    lines = (FOLDER / "journald" / "roundsman.conf").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    assert settings["SystemMaxUse"] == "64M"
    assert settings["MaxRetentionSec"] == "14day"
    assert subprocess.run(["systemd-analyze", "timespan", settings["MaxRetentionSec"]], capture_output=True, check=False).returncode == 0
    assert not known or all(name in known for name in settings)


@pytest.mark.skipif(shutil.which("gpsd") is None and not Path("/usr/sbin/gpsd").exists(), reason="gpsd is not installed")
def test_gpsd_knows_the_options_that_its_file_gives_it() -> None:
    settings = dict(line.split("=", 1) for line in (FOLDER / "gpsd" / "gpsd").read_text().splitlines() if line and line[0] != "#")
    options = shlex.split(shlex.split(settings["GPSD_OPTIONS"])[0])
    usage = subprocess.run([shutil.which("gpsd") or "/usr/sbin/gpsd", "-h"], capture_output=True, text=True, check=False).stdout
    for option in (word for word in options if word.startswith("-")):
        assert f"\n  {option}" in usage or f"\n  {option}," in usage, f"gpsd -h does not list {option}"


@pytest.mark.skipif(shutil.which("chronyd") is None and not Path("/usr/sbin/chronyd").exists(), reason="chronyd is not installed")
def test_chrony_accepts_its_file() -> None:
    program = shutil.which("chronyd") or "/usr/sbin/chronyd"
    done = subprocess.run([program, "-p", "-f", str(FOLDER / "chrony" / "roundsman.conf")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
