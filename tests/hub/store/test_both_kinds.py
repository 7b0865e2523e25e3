"""A run that could have had TimescaleDB's half and has not is a failed run; where it cannot be had, the half is skipped and says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ONE_TEST = "tests/hub/store/test_schema.py::test_the_kind_of_the_database_is_told"


def run(folder: Path, *, mirror_answers: bool) -> subprocess.CompletedProcess[str]:
    """One test of both kinds, on a machine whose debootstrap fails."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "debootstrap").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    (programs / "debootstrap").chmod(0o755)
    (folder / "mirror" / "dists" / "trixie").mkdir(parents=True)
    if mirror_answers:
        (folder / "mirror" / "dists" / "trixie" / "Release").write_text("Suite: trixie\n")
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL_TIMESCALE"}
    environment |= {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ROUNDSMAN_TIMESCALEDB_ROOT": str(folder / "root"),
        "ROUNDSMAN_DEBIAN_MIRROR": f"file://{folder}/mirror",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", ONE_TEST],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could make TimescaleDB's root")
@pytest.mark.skipif(not Path("/usr/lib/apt/apt-helper").exists(), reason="no apt here")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mirror_answers", [True, False])
def test_half_a_run_is_never_taken_for_a_whole_one(tmp_path: Path, mirror_answers: bool) -> None:
    done = run(tmp_path, mirror_answers=mirror_answers)
    assert done.returncode == (1 if mirror_answers else 0), done.stdout + done.stderr
    assert "could not be made" in done.stdout
    assert ("SKIPPED" in done.stdout) != mirror_answers
