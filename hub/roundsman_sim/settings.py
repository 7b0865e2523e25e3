"""What a demo run is told by its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from roundsman_sim import SimError

MIN_ROUND_S: Final = 5_400.0
"""A round shorter than an hour and a half has no room for slots: a short run then sees only its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """One run.

    Attributes
    ----------
    minutes : float
        Real minutes from the first departure until the end.
    factor : float
        How many times faster than life, 1 to 60.
    osm : Path or None
        A real extract; None: a made-up town.
    headless : bool
        Nobody watches: end after `minutes`, keep nothing.
    """

    minutes: float = 12.0
    factor: float = 30.0
    vans: int = 8
    orders: int = 120
    osm: Path | None = None
    seed: int = 1
    headless: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.factor <= 60:
            raise SimError(f"FACTOR={self.factor:g}: time can run 1 to 60 times faster than life")
        if not 0.2 <= self.minutes <= 600:
            raise SimError(f"MINUTES={self.minutes:g}: a run takes 0.2 to 600 minutes")
        if not 2 <= self.vans <= 40 or not 8 <= self.orders <= 2_000:
            raise SimError(f"VANS={self.vans}, ORDERS={self.orders}: a demo has 2 to 40 vans and 8 to 2,000 orders")
        if self.osm is not None and not self.osm.is_file():
            raise SimError(f"OSM={self.osm}: no such file; give an .osm.pbf extract, or leave it out for a made-up town")

    @property
    def round_s(self) -> float:
        """Business seconds of the round."""
        return max(MIN_ROUND_S, self.minutes * 60 * self.factor)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> DemoSettings:
        """From HEADLESS, MINUTES, FACTOR, VANS, ORDERS, OSM and SEED.

        Raises
        ------
        SimError
            A value that is not a number, or out of range; named.
        """

        def number(name: str, default: float) -> float:
            text = environment.get(name, "").strip()
            try:
                return float(text) if text else default
            except ValueError:
                raise SimError(f"{name}={text}: not a number") from None

        usual = cls()
        osm = environment.get("OSM", "").strip()
        return cls(
            minutes=number("MINUTES", usual.minutes),
            factor=number("FACTOR", usual.factor),
            vans=int(number("VANS", usual.vans)),
            orders=int(number("ORDERS", usual.orders)),
            osm=Path(osm).absolute() if osm else None,
            seed=int(number("SEED", usual.seed)),
            headless=environment.get("HEADLESS", "") not in ("", "0"),
        )
