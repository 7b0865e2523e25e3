"""A real hub and a real unit, joined by nothing but what `provision` wrote: messages both ways, a photo's way, the map's way."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from tests import waiting

from roundsman_hub.broker import free_port
from roundsman_sim import town, town_file

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 1_500
DEADLINE_S = 180.0

pytestmark = pytest.mark.deep


until = partial(waiting.until, within_s=DEADLINE_S)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Both sides' HTTP, and what there is to deliver."""

    hub: httpx.Client
    van: httpx.Client
    vehicle: str
    order: str
    said: Callable[[], str]

    def screen(self) -> dict[str, Any]:
        return dict(self.van.get("/api/screen").json())

    def thread(self) -> list[dict[str, Any]]:
        return list(self.hub.get(f"/v1/vehicles/{self.vehicle}/messages").json()["items"])

    def live(self) -> dict[str, Any]:
        return dict(self.hub.get("/v1/live").json())


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    """`roundsman-hub serve` on a town's extract and `roundsman-agent run`; one order on the van's screen."""
    folder = tmp_path_factory.mktemp("joined")
    place = town.build(columns=12, rows=12)
    town_file.write(place, folder / "town.osm.pbf")
    data, unit, screen = folder / "hub", folder / "unit", free_port()

    def said() -> str:
        return "\n".join((folder / name).read_text(errors="replace") for name in ("hub.log", "agent.log") if (folder / name).exists())

    with ExitStack() as open_until_the_end:

        def program(name: str, *command: str) -> None:
            log = open_until_the_end.enter_context((folder / name).open("w"))
            process = subprocess.Popen([sys.executable, "-m", *command], stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"})
            open_until_the_end.callback(process.wait, 20)
            open_until_the_end.callback(process.terminate)
            until(lambda: process.poll() is not None or (started() if name == "hub.log" else True), said)
            assert process.poll() is None, said()

        def started() -> bool:
            return "vans' broker:" in (folder / "hub.log").read_text()

        ports = ("--api-port", "0", "--vans-port", "0", "--files-port", "0")
        program("hub.log", "roundsman_hub", "serve", "--data", str(data), "--osm", str(folder / "town.osm.pbf"), *ports)
        about = json.loads((data / "hub.json").read_text())
        key = {"Authorization": f"Bearer {(data / 'admin.key').read_text().strip()}"}
        hub = open_until_the_end.enter_context(httpx.Client(base_url=about["api_url"], headers=key, trust_env=False, timeout=20))

        def post(path: str, **body: Any) -> dict[str, Any]:
            answer = hub.post(path, json=body)
            assert answer.is_success, answer.text
            return dict(answer.json())

        now, depot_at, house_at = datetime.now(UTC), place.place(place.depot.door_m), place.place(place.houses[0].door_m)
        hours = [(now + timedelta(hours=h)).isoformat() for h in (0, 4, 8)]
        depot = post("/v1/depots", name="Depot", lat_deg=depot_at.lat_deg, lon_deg=depot_at.lon_deg)["depot"]
        vehicle = post("/v1/vehicles", name="Van", depot=depot, capacity=9, shift_start=hours[0], shift_end=hours[2])["vehicle"]
        order = post(
            "/v1/orders",
            name="Kit",
            kind="pickup",
            lat_deg=house_at.lat_deg,
            lon_deg=house_at.lon_deg,
            window_start=hours[0],
            window_end=hours[1],
            proof=["photo"],
        )["order"]
        provision = [sys.executable, "-m", "roundsman_hub", "provision", vehicle, "--data", str(data), "--out", str(unit)]
        subprocess.run(provision, check=True, capture_output=True, timeout=60)
        toml = (unit / "agent.toml").read_text()
        (unit / "agent.toml").write_text(toml.replace("port = 8070", f"port = {screen}"))
        program("agent.log", "roundsman_agent", "run", "-c", str(unit / "agent.toml"))
        van = open_until_the_end.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{screen}", trust_env=False, timeout=20))

        def answers() -> bool:
            try:
                return van.get("/api/screen").is_success
            except httpx.TransportError:
                return False

        until(answers, said)
        assert van.post("/api/duty", json={"duty": "on"}).is_success
        until(lambda: (van.get("/api/screen").json()["next"] or {}).get("stop") == order, said)
        yield Joined(hub=hub, van=van, vehicle=vehicle, order=order, said=said)


def test_a_message_reaches_the_screen_and_its_answer_the_dispatcher(joined: Joined) -> None:
    words = {"text": "Ring twice, please", "order": joined.order}
    made = joined.hub.post(f"/v1/vehicles/{joined.vehicle}/messages", json=words).json()
    shown = until(lambda: joined.screen()["messages"], joined.said)
    assert [(m["message"], m["text"], m["stop"]) for m in shown] == [(made["message"], "Ring twice, please", joined.order)]
    until(lambda: joined.thread()[0]["state"] == "shown", lambda: f"{joined.thread()} {joined.said()}")
    answer = {"message": "answer-1", "text": "Will do", "about": made["message"]}
    assert joined.van.post("/api/messages", json=answer).is_success
    until(lambda: len(joined.thread()) == 2, joined.said)
    newest, asked = joined.thread()
    assert (newest["said_by"], newest["text"], newest["about"], asked["state"]) == ("driver", "Will do", made["message"], "answered")


def test_a_breakdown_is_in_the_live_picture(joined: Joined) -> None:
    assert joined.van.post("/api/reports", json={"report": "report-1", "topic": "breakdown", "text": "a wheel"}).is_success
    (report,) = until(lambda: joined.live()["reports"], joined.said)
    assert (report["vehicle"], report["topic"], report["text"]) == (joined.vehicle, "breakdown", "a wheel")


def test_a_photo_taken_on_the_page_is_the_orders_proof(joined: Joined) -> None:
    """The hub's config says where photos go; the unit carries it there by itself, over its own certificate."""
    blob = joined.van.put("/api/blobs?kind=photo", content=JPEG, headers={"content-type": "image/jpeg"}).json()
    assert blob["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert joined.van.post("/api/actions", json={"stop": joined.order, "outcome": "arrived"}).is_success
    tap = {"stop": joined.order, "outcome": "delivered", "proofs": [{"kind": "photo", "sha256": blob["sha256"]}]}
    done = joined.van.post("/api/actions", json=tap)
    assert done.is_success, done.text

    def proof() -> dict[str, Any]:
        found = joined.hub.get(f"/v1/orders/{joined.order}").json()["proofs"]
        return dict(found[0]) if found and found[0]["state"] == "whole" else {}

    whole = until(proof, joined.said)
    picture = joined.hub.get(whole["url"])
    assert (picture.content, picture.headers["content-type"]) == (JPEG, "image/jpeg")
    until(lambda: joined.screen()["blobs_waiting"] == 0, joined.said)


def test_the_territorys_map_is_on_the_unit(joined: Joined) -> None:
    until(lambda: joined.van.get("/api/basemap").json()["there"], joined.said)
    with joined.van.stream("GET", "/basemap.geojson.gz") as answer:
        drawn = json.loads(gzip.decompress(b"".join(answer.iter_raw())))
    assert drawn["features"]
