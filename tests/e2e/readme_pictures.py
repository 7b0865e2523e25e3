"""The README's pictures, made anew by the walks that show what is on them: `make pictures`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

KEPT: Final = Path(__file__).parents[2] / "dashboards" / "web" / "pictures"
WALKS: Final = {
    "test_board.py": ("picture_of_now", {"dispatch": "dispatch"}),
    "test_board_walks.py": (
        "urgent or dragged_to_another",
        {"walk-urgent": "urgent", "walk-breakdown": "breakdown", "board": "board"},
    ),
    "test_round_walk.py": (
        "through_a_loss",
        {"walk-driver-next": "screen", "walk-driver-arrived": "screen-arrived", "walk-driver-alone": "screen-alone"},
    ),
    "test_customer_walk.py": (
        "telephone",
        {
            "track-next-320": "track",
            "track-times-320": "track-times",
            "track-cases-320": "track-cases",
            "track-day-no-320": "track-day",
            "track-exchange-320": "track-exchange",
        },
    ),
}
"""Walk → which of its tests, and which of their pictures under which name."""
COLOURS: Final = 256
"""Flat pages need no more, and are a third as large. Rare ones count as much as frequent ones: they are what needs a person."""
TALLEST_PX: Final = 1_000
TALL_PX: Final = {"board": 520, "track-cases": 1_700}
"""Below is empty ground; or what it is about is further down."""


def main(*walks: str) -> int:
    """Run the walks, or those of these files, keep their pictures small; gives 1 where a walk failed or a picture was not taken."""
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        for walk, (which, pictures) in WALKS.items():
            if walks and walk not in walks:
                continue
            command = (sys.executable, "-m", "pytest", "-q", f"tests/e2e/{walk}", "-k", which, "-m", "")
            done = subprocess.run(command, cwd=KEPT.parents[2], env=os.environ | {"ROUNDSMAN_PICTURES": folder}, check=False)
            wrong |= done.returncode
            for taken, kept in pictures.items():
                wrong |= not small(Path(folder) / f"{taken}.png", KEPT / f"{kept}.png")
    return 1 if wrong else 0


def small(taken: Path, kept: Path) -> bool:
    """Keep a picture in few colours, and not taller than somebody scrolls in a README."""
    if not taken.exists():
        print(f"{taken.name}: was not taken", file=sys.stderr)
        return False
    with Image.open(taken) as picture:
        whole = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, TALL_PX.get(kept.stem, TALLEST_PX))))
        whole.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE).save(kept, optimize=True)
    print(f"{kept.name}: {kept.stat().st_size / 1000:.0f} kB")
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
