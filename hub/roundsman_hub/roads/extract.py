"""From a street extract (.osm.pbf) to OSRM's dataset, once per file: extract, partition, customize (MLD).

Datasets live in a cache folder under the hash of the extract, so a new extract is a new dataset and a half-made one is never used.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from roundsman_hub.roads.network import RoadsError

PROFILE: Final = "car"
STEP_LIMIT_S: Final = 6 * 3600
"""A country takes an hour or two; what takes longer than six is stuck."""
COMPONENT_NODES: Final = 100
"""From how many nodes on a connected piece of network is worth snapping to, unlike a closed yard. OSRM's own 1,000 leaves the extract
of a city's centre without any (Helsinki: 42 % of the pairs of addresses had no way; with 100 none, with 10 28 %)."""
READY: Final = "ready"
"""File that marks a whole dataset; holds the name of its base path."""

Progress = Callable[[str], None]


def osrm_folder() -> Path | None:
    """Where the `osrm-bindings` wheel keeps its programs and profiles; None without the wheel (it needs Python 3.12)."""
    spec = importlib.util.find_spec("osrm")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return folder if (folder / "bin" / "osrm-routed").is_file() else None


def dataset(osm: Path, cache_dir: Path, progress: Progress) -> Path:
    """OSRM's dataset of an extract, made if it is not in the cache yet.

    Parameters
    ----------
    osm : Path
        The street extract, .osm.pbf.
    cache_dir : Path
        Where datasets are kept.
    progress : callable
        Is told each step in a line.

    Returns
    -------
    Path
        Base path for `osrm-routed`.

    Raises
    ------
    RoadsError
        No wheel, no such extract, or a step that fails; with the step's own last words.
    """
    programs = osrm_folder()
    if programs is None:
        raise RoadsError("the osrm-bindings wheel is not installed (it needs Python 3.12 or newer)")
    if not osm.is_file():
        raise RoadsError(f"there is no street extract {osm}")
    home = cache_dir / f"osrm-{_key(osm)}"
    if not (home / READY).is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="osrm-making-", dir=cache_dir) as making:
            _make(programs, osm, Path(making), progress)
            _move_into_place(Path(making), home)
    return home / "roads.osrm"


def _key(osm: Path) -> str:
    digest = hashlib.sha256(f"{importlib.metadata.version('osrm-bindings')} {PROFILE} {COMPONENT_NODES}".encode())
    with osm.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def _make(programs: Path, osm: Path, folder: Path, progress: Progress) -> None:
    base = str(folder / "roads.osrm")
    profile = str(programs / "share" / "profiles" / f"{PROFILE}.lua")
    choices = ["-p", profile, "--small-component-size", str(COMPONENT_NODES)]
    _step(programs, "extract", [*choices, "-o", base, str(osm)], osm.name, progress)
    _step(programs, "partition", [base], osm.name, progress)
    _step(programs, "customize", [base], osm.name, progress)


def _step(programs: Path, name: str, arguments: list[str], osm_name: str, progress: Progress) -> None:
    """Run one of OSRM's programs."""
    began = time.monotonic()
    progress(f"roads: {name} {osm_name} …")
    command = [str(programs / "bin" / f"osrm-{name}"), "-l", "WARNING", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=STEP_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise RoadsError(f"osrm-{name} did not end within {STEP_LIMIT_S} s") from None
    if done.returncode != 0:
        last = (done.stderr + done.stdout).strip().splitlines()[-3:]
        raise RoadsError(f"osrm-{name} failed on {osm_name}: {' / '.join(last) or f'code {done.returncode}'}")
    progress(f"roads: {name} done in {time.monotonic() - began:.1f} s")


def _move_into_place(made: Path, home: Path) -> None:
    """Under its final name the dataset appears whole; if another process was faster, its dataset is as good."""
    (made / READY).write_text("roads.osrm\n")
    if home.exists() and not (home / READY).is_file():
        shutil.rmtree(home)
    try:
        os.rename(made, home)
    except OSError:
        if not (home / READY).is_file():
            raise
        return
    made.mkdir()  # the temporary folder's owner removes it again
