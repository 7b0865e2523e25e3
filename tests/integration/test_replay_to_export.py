"""A recorded drive goes through gpsd, the agent, the broker and the hub, and comes out as a track: held against the survey-grade truth."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from roundsman_core.geo import LatLon, distance_m

GNSS = Path(__file__).parents[3] / "shared" / "data" / "gnss" / "mountain-view"
DRIVE = GNSS / "MTV.Local1.ublox-F9K.20200206-181434.nmea"
TRUTH = GNSS / "MTV.Local1.SPAN.20200206-181434.gga"
SPEED = 20
"""Times life: gpsd keeps up with 60 epochs a second."""
START_S = 90.0

pytestmark = [
    pytest.mark.deep,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not DRIVE.exists(), reason="recorded drives are not here (../shared/data/gnss)"),
    pytest.mark.skipif(not Path("/usr/sbin/gpsd").exists(), reason="gpsd is not installed"),
]


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


@pytest.fixture
def hub() -> Iterator[Path]:
    """The data folder of a running hub, as `roundsman-hub serve` makes one."""
    with tempfile.TemporaryDirectory(prefix="roundsman-replay-") as folder:
        data = Path(folder) / "hub"
        log = (Path(folder) / "serve.log").open("wb")
        serve = subprocess.Popen(
            command("roundsman_hub", "serve", "--data", str(data), "--api-port", "0", "--vans-port", "0"), stdout=log, stderr=log
        )
        try:
            ends = time.monotonic() + START_S
            while not answers(data):
                assert serve.poll() is None, (Path(folder) / "serve.log").read_text()
                assert time.monotonic() < ends, "the hub did not come up"
                time.sleep(0.2)
            yield data
        finally:
            serve.terminate()
            serve.wait(timeout=30)
            log.close()


def answers(data: Path) -> bool:
    try:
        url = json.loads((data / "hub.json").read_text())["api_url"]
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except (OSError, ValueError, httpx.HTTPError):
        return False


def vehicle_of(data: Path) -> str:
    """A fleet's first vehicle, made over the API."""
    key = (data / "admin.key").read_text().strip()
    url = json.loads((data / "hub.json").read_text())["api_url"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as client:

        def make(what: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = client.post(f"/v1/{what}", json=body)
            assert answer.status_code == 201, answer.text
            return dict(answer.json())

        depot = make("depots", {"name": "Depot", "lat_deg": 37.4, "lon_deg": -122.08})
        now = datetime.now(UTC)
        van = make(
            "vehicles",
            {
                "name": "Van 1",
                "depot": depot["depot"],
                "capacity": 10,
                "shift_start": now.isoformat(),
                "shift_end": (now + timedelta(hours=8)).isoformat(),
            },
        )
        return str(van["vehicle"])


def truth() -> dict[int, LatLon]:
    """Where the antenna was, by UTC in ms. The file's GGA lines; its name has the day before, by local time."""
    places = {}
    day = datetime(2020, 2, 7, tzinfo=UTC)
    for line in TRUTH.read_text().splitlines():
        if line.startswith("$GPGGA"):
            _, clock, lat, ns, lon, ew, *_ = line.split(",")
            at = day.replace(hour=int(clock[:2]), minute=int(clock[2:4]), second=int(clock[4:6]), microsecond=round(float(clock[6:]) * 1e6))
            degrees = [int(text[:width]) + float(text[width:]) / 60 for text, width in ((lat, 2), (lon, 3))]
            places[round(at.timestamp() * 1000)] = LatLon(degrees[0] * (1 if ns == "N" else -1), degrees[1] * (1 if ew == "E" else -1))
    return places


def test_the_exported_track_lies_where_the_van_was(hub: Path, tmp_path: Path) -> None:
    """Horizontal error p50 ≤ 1 m, p95 ≤ 2 m, max ≤ 5 m; length within 1 % over the same unbroken stretches; gaps are told, never drawn."""
    vehicle = vehicle_of(hub)
    unit = tmp_path / "unit"
    subprocess.run(command("roundsman_hub", "provision", "--data", str(hub), vehicle, "--out", str(unit)), check=True, capture_output=True)
    replay = command("roundsman_agent", "replay", str(DRIVE), "--through-gpsd", "--speed", str(SPEED), "-c", str(unit / "agent.toml"))
    done = subprocess.run(replay, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    export = command("roundsman_hub", "export", "--data", str(hub), "track", "--vehicle", vehicle, "--format", "geojson")
    track = json.loads(subprocess.run(export, capture_output=True, text=True, check=True).stdout)

    places = truth()
    errors_m: list[float] = []
    length_m = true_m = 0.0
    for feature in track["features"]:
        if feature["properties"]["kind"] != "track":
            continue
        times = [round(datetime.fromisoformat(text).timestamp() * 1000) for text in feature["properties"]["coordTimes"]]
        coordinates = (
            feature["geometry"]["coordinates"] if feature["geometry"]["type"] == "LineString" else [feature["geometry"]["coordinates"]]
        )
        fixes = [(time_ms, LatLon(lat, lon)) for time_ms, (lon, lat) in zip(times, coordinates, strict=True)]
        assert all(later - earlier <= 3_000 for earlier, later in pairwise(times)), "a gap is drawn as a line"
        errors_m += [distance_m(at, places[time_ms]) for time_ms, at in fixes if time_ms in places]
        for (from_ms, a), (to_ms, b) in pairwise(fixes):
            if from_ms in places and to_ms in places:
                length_m += distance_m(a, b)
                true_m += distance_m(places[from_ms], places[to_ms])
    errors_m.sort()
    figures = errors_m[len(errors_m) // 2], errors_m[int(len(errors_m) * 0.95)], errors_m[-1], length_m / true_m
    print("p50 {:.2f} m, p95 {:.2f} m, max {:.2f} m, length × {:.5f}".format(*figures), f"of {len(errors_m)} fixes, {true_m:.0f} m")
    assert len(errors_m) > 1_600, "nearly all of the drive's 1,654 fixes (gpsd takes a moment to start)"
    assert figures[0] <= 1.0
    assert figures[1] <= 2.0
    assert figures[2] <= 5.0
    assert figures[3] == pytest.approx(1.0, abs=0.01)
    assert true_m > 8_000
    gaps = [feature["properties"] for feature in track["features"] if feature["properties"]["kind"] == "gap"]
    assert len(gaps) == 5, gaps  # a single missing epoch is none
