"""Photos from the unit's disk to the dispatcher, over a real HTTPS connection under the unit's own certificate; and the map back."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from roundsman_agent import courier as couriers
from roundsman_agent.basemap import Basemap
from roundsman_agent.blobs import BadBlob, Blobs, NoRoom
from roundsman_agent.config import Broker
from roundsman_agent.courier import Courier, NoWay
from roundsman_hub.broker import free_port
from roundsman_hub.clock import Clock
from roundsman_hub.files.app import application, server_of
from roundsman_hub.pki import Pki, open_pki
from roundsman_hub.settings import Endpoint
from roundsman_hub.store.blobs import BlobStore
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import new_id

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 2_000
HOST = "127.0.0.1"


@dataclass(kw_only=True)
class Site:
    """A hub's files, and one van of its fleet."""

    db: Database
    pki: Pki
    folder: Path
    vehicle: str
    fleet: str
    port: int
    store: BlobStore
    basemap: list[Path] = field(default_factory=list)
    free_mb: int = 10_000

    def unit(self, name: str) -> Broker:
        """The certificates of a unit."""
        made = self.pki.issue_vehicle(name)
        home = self.folder / f"unit-{name}"
        home.mkdir(exist_ok=True)
        (home / "ca.pem").write_bytes(self.pki.ca_file.read_bytes())
        (home / "unit.pem").write_bytes(made.certificate_pem)
        (home / "unit.key").write_bytes(made.key_pem)
        return Broker(host=HOST, port=1, ca=home / "ca.pem", cert=home / "unit.pem", key=home / "unit.key")

    def courier(self, blobs: Blobs, basemap: Basemap, vehicle: str = "") -> Courier:
        return Courier(
            self.unit(vehicle or self.vehicle),
            blobs=blobs,
            basemap=basemap,
            url=lambda: f"https://{HOST}:{self.port}",
            now_utc_ms=lambda: 1_700_000_000_000,
            on_change=lambda: None,
        )

    def connect(self, certified: bool = True) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.pki.ca_file))
        if certified:
            files = self.unit(self.vehicle)
            context.load_cert_chain(files.cert, files.key)
        return http.client.HTTPSConnection(HOST, self.port, timeout=20, context=context)


def eventually(holds: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def site(plain_database: Database, tmp_path: Path) -> Iterator[Site]:
    fleet, depot, vehicle = new_id("fl"), new_id("p"), new_id("v")
    start = datetime.now(UTC)
    with plain_database.transaction() as cur:
        cur.execute("INSERT INTO fleets (fleet_id, name) VALUES (%s, 'Fleet')", (fleet,))
        cur.execute("INSERT INTO depots (depot_id, fleet_id, name, lat_e6, lon_e6) VALUES (%s, %s, 'D', 0, 0)", (depot, fleet))
        cur.execute(
            "INSERT INTO vehicles (vehicle_id, fleet_id, name, depot_id, capacity, shift_start, shift_end) VALUES (%s,%s,'Van',%s,9,%s,%s)",
            (vehicle, fleet, depot, start, start + timedelta(hours=8)),
        )
    pki = open_pki(tmp_path / "pki", hosts=[HOST])
    store = BlobStore(plain_database, tmp_path / "blobs", free_mb=lambda _: made.free_mb)
    made = Site(db=plain_database, pki=pki, folder=tmp_path, vehicle=vehicle, fleet=fleet, port=free_port(), store=store)
    app = application(store, Clock(), lambda: made.basemap[0] if made.basemap else None)
    server = server_of(app, Endpoint(host=HOST, port=made.port), pki)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, "the files are served")
    yield made
    server.should_exit = True
    thread.join(20)


def whole(site: Site) -> list[tuple[str, int, str]]:
    with site.db.transaction() as cur:
        found = cur.execute("SELECT sha256, bytes, media_type FROM blobs WHERE fleet_id = %s", (site.fleet,)).fetchall()
    return [(r["sha256"], r["bytes"], r["media_type"]) for r in found]


def test_a_photo_arrives_whole_and_leaves_the_unit(site: Site, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "unit")
    blob = blobs.put(JPEG, "image/jpeg")
    assert blobs.put(JPEG, "image/jpeg") == blob, "the same photo twice is one"
    assert Blobs(tmp_path / "unit").waiting == 1, "it waits over a power cut"

    async def carry() -> None:
        task = asyncio.create_task(site.courier(blobs, Basemap(tmp_path / "map")).run())
        while blobs.waiting:
            await asyncio.sleep(0.02)
        task.cancel()

    couriers_looks, couriers.LOOKS_EVERY_S = couriers.LOOKS_EVERY_S, (0.05, 0.05)  # type: ignore[misc]  # the test does not wait for it
    try:
        asyncio.run(asyncio.wait_for(carry(), 60))
    finally:
        couriers.LOOKS_EVERY_S = couriers_looks  # type: ignore[misc]  # as above
    assert whole(site) == [(blob.sha256, len(JPEG), "image/jpeg")]
    assert site.store.path(blob.sha256).read_bytes() == JPEG
    again = Blobs(tmp_path / "unit")
    known = again.get(blob.sha256)
    assert (again.waiting, known and known.path, known and known.bytes) == (0, None, len(JPEG)), "an action may still name it"


def test_a_transfer_goes_on_where_it_broke_off(site: Site, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "unit")
    blob = blobs.put(JPEG, "image/jpeg")
    half = 200_000
    connection = site.connect()
    headers = {"content-type": "image/jpeg", "content-range": f"bytes 0-{len(JPEG) - 1}/{len(JPEG)}", "content-length": str(len(JPEG))}
    connection.putrequest("PUT", f"/v1/blobs/{blob.sha256}")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(JPEG[:half])
    eventually(lambda: site.store.received(site.fleet, site.vehicle, blob.sha256).received == half, "what came is kept")
    connection.close()  # the tunnel begins here
    told = ask(site, "PUT", blob.sha256, JPEG[:10], "bytes 0-9/10")
    assert (told["status"], told["received"]) == (409, half), "it cannot be begun in the middle of another attempt"
    site.courier(blobs, Basemap(tmp_path / "map")).send(blob)
    assert whole(site) == [(blob.sha256, len(JPEG), "image/jpeg")]


def ask(site: Site, method: str, sha256: str, body: bytes = b"", asked: str = "", media_type: str = "image/jpeg") -> dict[str, Any]:
    connection = site.connect()
    try:
        headers = {"content-type": media_type} | ({"content-range": asked} if asked else {})
        connection.request(method, f"/v1/blobs/{sha256}", body or None, headers)
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        return {"status": answer.status} | told
    finally:
        connection.close()


def test_what_may_not_come_in_is_refused(site: Site, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(JPEG).hexdigest()
    assert ask(site, "PUT", sha256, b"MZ", "bytes 0-1/2", "application/x-dosexec")["status"] == 415
    assert ask(site, "PUT", sha256, b"xx")["status"] == 411
    assert ask(site, "PUT", sha256, b"xx", "bytes 0-1/99999999")["status"] == 413
    assert ask(site, "PUT", sha256, b"xx", "bytes 5-1/9")["status"] == 422
    assert ask(site, "PUT", "UP", b"xx", "bytes 0-1/2")["status"] == 404
    spoilt = ask(site, "PUT", sha256, b"other bytes", "bytes 0-10/11")
    assert (spoilt["status"], spoilt["received"]) == (422, 0)
    assert ask(site, "GET", sha256) == {"status": 200, "received": 0, "whole": False}
    site.free_mb = 1
    assert ask(site, "PUT", sha256, JPEG[:9], f"bytes 0-8/{len(JPEG)}")["status"] == 507
    stranger = site.courier(Blobs(tmp_path / "b"), Basemap(tmp_path / "m"), vehicle="v_nobody")
    with pytest.raises(NoWay, match="403"):
        stranger.send(Blobs(tmp_path / "c").put(JPEG, "image/jpeg"))
    nameless = site.connect(certified=False)

    def ask_nameless() -> None:
        nameless.request("GET", f"/v1/blobs/{sha256}")
        nameless.getresponse().read()

    with pytest.raises((OSError, http.client.HTTPException)):
        ask_nameless()
    nameless.close()
    assert whole(site) == []


def test_a_full_disk_in_the_van_is_told(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "unit", free_mb=lambda _: 3)
    with pytest.raises(NoRoom):
        blobs.put(JPEG, "image/jpeg")
    with pytest.raises(BadBlob):
        blobs.put(b"", "image/jpeg")


def test_a_photo_that_was_damaged_on_the_disk_does_not_block_the_others(site: Site, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "unit")
    damaged, good = blobs.put(JPEG, "image/jpeg"), blobs.put(JPEG[:999], "image/jpeg")
    assert damaged.path is not None
    damaged.path.write_bytes(b"rust")
    courier = site.courier(blobs, Basemap(tmp_path / "map"))
    courier.send(damaged)
    courier.send(good)
    assert [sha256 for sha256, _, _ in whole(site)] == [good.sha256]
    assert blobs.waiting == 0


def fetched(basemap: Basemap) -> bytes:
    """The map that is kept."""
    assert basemap.path is not None
    return basemap.path.read_bytes()


def test_the_map_is_fetched_resumed_and_kept(site: Site, tmp_path: Path) -> None:
    kept = Basemap(tmp_path / "map")
    courier = site.courier(Blobs(tmp_path / "unit"), kept)
    courier.fetch_map()
    assert kept.about is None, "a hub without an extract has no map"
    features = [{"type": "Feature", "n": n} for n in range(5_000)]
    body = {"type": "FeatureCollection", "attribution": "© somebody", "features": features}
    first = tmp_path / "basemap-1.geojson.gz"
    first.write_bytes(gzip.compress(json.dumps(body, ensure_ascii=False).encode()))
    site.basemap.append(first)
    data = first.read_bytes()
    kept.begin('"basemap-1.geojson.gz"')
    kept.add(data[: len(data) // 2])  # the last attempt ended here
    courier.fetch_map()
    assert fetched(kept) == data
    about = Basemap(tmp_path / "map").about
    assert about is not None
    assert (about.bytes, about.attribution, about.fetched_utc_ms) == (len(data), "© somebody", 1_700_000_000_000)
    second = tmp_path / "basemap-2.geojson.gz"
    second.write_bytes(gzip.compress(json.dumps(body | {"attribution": "others"}).encode()))
    site.basemap[0] = second
    kept.begin('"basemap-1.geojson.gz"')
    kept.add(data[:100])  # of the old map: useless for the new one
    courier.fetch_map()
    assert fetched(kept) == second.read_bytes()
    second.write_bytes(b"not a map")
    site.basemap[0] = second.rename(tmp_path / "basemap-3.geojson.gz")
    with pytest.raises(NoWay, match="unpacked"):
        courier.fetch_map()
    assert Basemap(tmp_path / "map").path is not None, "the old one stays"
