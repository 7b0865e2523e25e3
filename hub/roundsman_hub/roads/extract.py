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
from roundsman_hub.roads.profiles import CAR, PROFILES, lua

STEP_LIMIT_S = 6 * 3600
"""A country takes an hour or two; what takes longer than six is stuck."""
TOLD_EVERY_S = 10.0
"""Much of that is one step: whoever waits is told that it goes on."""
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


def dataset(osm: Path, cache_dir: Path, progress: Progress, profile: str = CAR) -> Path:
    """OSRM's dataset of an extract for a kind of vehicle, made if it is not in the cache yet.

    Parameters
    ----------
    osm : Path
        The street extract, .osm.pbf.
    cache_dir : Path
        Where datasets are kept.
    progress : callable
        Is told each step in a line.
    profile : str
        A name of `profiles.PROFILES`.

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
    if profile not in PROFILES:
        raise RoadsError(f"no profile {profile!r}: there are {', '.join(PROFILES)}")
    if not osm.is_file():
        raise RoadsError(f"there is no street extract {osm}")
    words = lua(PROFILES[profile], programs / "share" / "profiles")
    home = cache_dir / f"osrm-{profile}-{_key(osm, profile)}"
    if not (home / READY).is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="osrm-making-", dir=cache_dir) as making:
            _make(programs, osm, Path(making), words, progress)
            _move_into_place(Path(making), home)
    return home / "roads.osrm"


def _key(osm: Path, profile: str) -> str:
    # The profile's parameters are in it, the place where the wheel keeps OSRM's own is not: that is in its version.
    digest = hashlib.sha256(f"{importlib.metadata.version('osrm-bindings')} {COMPONENT_NODES}".encode())
    digest.update(lua(PROFILES[profile], Path()).encode())
    with osm.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def _make(programs: Path, osm: Path, folder: Path, words: str, progress: Progress) -> None:
    base = str(folder / "roads.osrm")
    profile = folder / "profile.lua"
    profile.write_text(words)
    choices = ["-p", str(profile), "--small-component-size", str(COMPONENT_NODES)]
    _step(programs, "extract", [*choices, "-o", base, str(osm)], osm.name, progress)
    _step(programs, "partition", [base], osm.name, progress)
    _step(programs, "customize", [base], osm.name, progress)


CUSTOMIZED: Final = ("cell_metrics", "mldgr", "geometry", "datasource_names", "enw", "turn_duration_penalties", "turn_weight_penalties")
"""Files that `osrm-customize` writes when it is given speeds. It would write them into the dataset itself, where the next speeds would lie
on top of these: so each pace has copies of its own of them, and shares all other files."""


def paced(base: Path, speeds: Path, home: Path) -> Path:
    """A dataset with other speeds, beside the one that it is made from.

    Parameters
    ----------
    base : Path
        As `dataset` gave it.
    speeds : Path
        OSRM's speed file: lines of `from,to,kmh` (nodes of OpenStreetMap).
    home : Path
        Folder to make it in; must not be there yet.

    Returns
    -------
    Path
        Base path for `osrm-routed`. A town takes 0.2 s.
    """
    programs = osrm_folder()
    if programs is None:
        raise RoadsError("the osrm-bindings wheel is not installed (it needs Python 3.12 or newer)")
    home.mkdir(parents=True)
    for file in base.parent.glob(f"{base.name}.*"):
        kind = file.name.removeprefix(f"{base.name}.")
        if kind in CUSTOMIZED:
            shutil.copy2(file, home / file.name)
        else:
            os.link(file, home / file.name)
    made = home / base.name
    _step(programs, "customize", ["--segment-speed-file", str(speeds), str(made)], speeds.name, lambda line: None)
    return made


def _step(programs: Path, name: str, arguments: list[str], osm_name: str, progress: Progress) -> None:
    """Run one of OSRM's programs."""
    began = time.monotonic()
    progress(f"roads: {name} {osm_name} …")
    command = [str(programs / "bin" / f"osrm-{name}"), "-l", "WARNING", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as step:
        try:
            words = _waited(step, lambda s: progress(f"roads: {name} {osm_name} … {s:.0f} s"))
        except BaseException:
            step.kill()
            raise
    if words is None:
        raise RoadsError(f"osrm-{name} did not end within {STEP_LIMIT_S} s")
    if step.returncode != 0:
        last = words.strip().splitlines()[-3:]
        raise RoadsError(f"osrm-{name} failed on {osm_name}: {' / '.join(last) or f'code {step.returncode}'}")
    progress(f"roads: {name} done in {time.monotonic() - began:.1f} s")


def _waited(step: subprocess.Popen[str], told: Callable[[float], None]) -> str | None:
    """What a program said until its end, with a word each `TOLD_EVERY_S` that it is still at it; None: it was ended, out of time."""
    began = time.monotonic()
    while True:
        try:
            words, _ = step.communicate(timeout=TOLD_EVERY_S)
        except subprocess.TimeoutExpired:
            took_s = time.monotonic() - began
            if took_s > STEP_LIMIT_S:
                step.kill()
                step.communicate()
                return None
            told(took_s)
        else:
            return words


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
