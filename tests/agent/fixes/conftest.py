"""Vans on a plane of metres, receivers' sentences, and the recorded drives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from roundsman_agent.fix import Fix
from roundsman_agent.nmea import Epoch
from roundsman_agent.pipeline import DutyChanged, Input, Output, PipelineConfig, PipelineState, step
from roundsman_agent.sampling import Policy
from roundsman_agent.sources import fix_of
from roundsman_agent.times import MonoMs
from roundsman_core.geo import LatLon, LocalFrame

START_UTC_MS = 1_760_000_000_000
FRAME = LocalFrame(LatLon(60.17, 24.94))


@pytest.fixture
def place() -> Callable[[float, float], LatLon]:
    """A position `east_m`, `north_m` from the depot."""
    return FRAME.to_latlon


@pytest.fixture
def make_fix() -> Callable[..., Fix]:
    """A fix `t_s` seconds into the shift, `east_m`, `north_m` from the depot; anything else by keyword."""

    def make(t_s: float, east_m: float = 0.0, north_m: float = 0.0, speed_mps: float | None = 0.0, **more: object) -> Fix:
        said: dict[str, object] = {"mono_ms": round(t_s * 1000), "utc_ms": START_UTC_MS + round(t_s * 1000), "accuracy_m": 2.0, **more}
        return Fix(position=FRAME.to_latlon(east_m, north_m), speed_mps=speed_mps, **said)  # type: ignore[arg-type]

    return make


@pytest.fixture
def drive() -> Callable[..., tuple[PipelineState, list[Output]]]:
    """Run inputs through the pipeline, on shift from the start; gives the state and everything that came out."""

    def run(
        inputs: Iterable[Input], *, config: PipelineConfig | None = None, state: PipelineState | None = None
    ) -> tuple[PipelineState, list[Output]]:
        config = config or PipelineConfig(policy=Policy(mode="full"))
        if state is None:
            state, _ = step(PipelineState(), DutyChanged(duty="on", mono_ms=0, utc_ms=START_UTC_MS), config)
        out: list[Output] = []
        for item in inputs:
            state, told = step(state, item, config)
            out += told
        return state, out

    return run


def _sentence(body: str) -> bytes:
    return f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode()


@pytest.fixture
def sentence() -> Callable[[str], bytes]:
    """A sentence with its checksum, from what stands between `$` and `*`."""
    return _sentence


@pytest.fixture
def epoch_lines() -> Callable[..., bytes]:
    """RMC and GGA of the second `t` of 2026-06-01, at 60°10'N 24°56'E plus `north_min` minutes."""

    def lines(t: int, *, north_min: float = 0.0, knots: float = 10.0, valid: bool = True) -> bytes:
        clock = f"{8 + t // 3600:02d}{t // 60 % 60:02d}{t % 60:02d}.00"
        lat = f"60{10 + north_min:08.5f},N,02456.00000,E"
        rmc = _sentence(f"GNRMC,{clock},{'A' if valid else 'V'},{lat if valid else ',,,'},{knots:.2f},90.00,010626,,,A")
        gga = _sentence(f"GNGGA,{clock},{lat if valid else ',,,'},{int(valid)},09,1.00,12.0,M,18.0,M,,")
        return rmc + gga

    return lines


@pytest.fixture
def fixes_of() -> Callable[[list[Epoch]], list[Fix]]:
    """Epochs as fixes that arrived when they were taken; a receiver that says no date speaks once a second."""

    def make(epochs: list[Epoch]) -> list[Fix]:
        fixes: list[Fix] = []
        mono_ms = 0
        newest: int | None = None
        for epoch in epochs:
            passed_ms = 1_000 if newest is None or epoch.utc_ms is None else epoch.utc_ms - newest
            mono_ms += passed_ms if 0 < passed_ms < 600_000 else 1_000
            newest = epoch.utc_ms if epoch.utc_ms is not None else newest
            if epoch.position is not None:
                fixes.append(fix_of(epoch, MonoMs(mono_ms), ""))
        return fixes

    return make


@pytest.fixture
def gnss_data() -> Path:
    """The folder of recorded drives, beside the project."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "gnss"
    if not folder.is_dir():
        pytest.skip("recorded drives are not here (../shared/data/gnss)")
    return folder
