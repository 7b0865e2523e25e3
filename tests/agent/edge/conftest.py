"""A hub's signing key, plans under it, and real agents in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests import waiting

from roundsman_agent import config, daemon
from roundsman_agent.config import AgentConfig
from roundsman_agent.ear import DozingLoop
from roundsman_wire import envelopes
from roundsman_wire.messages import BasedOn, EnvelopeHeader, Plan, PlanStop

VEHICLE = "v_0123456789ab"
DEADLINE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Someone who may steer the van: seals plans with a key that it trusts."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    key_id: str = "k1"

    @property
    def keys(self) -> dict[str, bytes]:
        return {self.key_id: self.key.public_key().public_bytes_raw()}

    def stop(self, name: str, /, **changes: Any) -> PlanStop:
        stop = PlanStop(
            stop=name,
            tasks=(name,),
            kind="delivery",
            lat_e6=37_426_000,
            lon_e6=-122_093_000,
            fence_radius_m=40,
            leg_s=300,
            leg_m=2_000,
            service_s=90,
            arrival_utc_ms=1_600_000_000_000,
            name=f"Customer {name}",
            address=f"{name} Street 1",
        )
        return PlanStop(**{f: changes.get(f, getattr(stop, f)) for f in stop.__struct_fields__})

    def plan(self, version: int, *stops: PlanStop | str, **changes: Any) -> Plan:
        whole = tuple(self.stop(s) if isinstance(s, str) else s for s in stops)
        fields: dict[str, Any] = {"vehicle": VEHICLE, "issued_utc_ms": 1_600_000_000_000, "reason": "test"} | changes
        return Plan(plan=f"p{version}", version=version, based_on=BasedOn(session=None, facts_seq=0), stops=whole, **fields)

    def seal(
        self, payload: envelopes.Payload, *, kind: Any = "plan", version: int | None = None, vehicle: str = VEHICLE, **header: Any
    ) -> bytes:
        number = version if version is not None else getattr(payload, "version", 1)
        head = EnvelopeHeader(vehicle=vehicle, kind=kind, epoch=1, version=number, key_id=self.key_id, **header)
        return envelopes.seal(head, payload, self.key.sign)


@pytest.fixture
def hub() -> Hub:
    return Hub()


until = partial(waiting.until, within_s=DEADLINE_S)


@pytest.fixture
def wait() -> Callable[[Callable[[], Any], str], Any]:
    return until


@dataclass(kw_only=True)
class Running:
    """An agent at work."""

    daemon: daemon.Daemon
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    client: httpx.Client

    def screen(self) -> dict[str, Any]:
        return dict(self.client.get("/api/screen").json())

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self.client.post(path, json=body)

    def give(self, kind: str, data: bytes) -> None:
        """A document, as the uplink hands it over."""
        asyncio.run_coroutine_threadsafe(self.daemon.unit.document(kind, data), self.loop).result(DEADLINE_S)

    def facts(self, *kinds: str) -> list[Any]:
        return list(self.daemon.outbox.facts_of(*kinds))

    def stop(self) -> None:
        self.client.close()
        self.loop.call_soon_threadsafe(self.daemon.stop)
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def settings(tmp_path: Path, hub: Hub) -> AgentConfig:
    """A unit without broker, its receiver a port where nobody listens."""
    file = tmp_path / "agent.toml"
    file.write_text(
        f'vehicle = "{VEHICLE}"\n[receiver]\nurl = "tcp://127.0.0.1:1"\n[store]\ndir = "store"\nmax_mb = 16\n[screen]\nport = 0\n'
    )
    return replace(config.load(file), hub_keys=hub.keys)


Start = Callable[..., Running]


@pytest.fixture
def start(settings: AgentConfig) -> Iterator[Start]:
    """Start an agent with changed settings; all are stopped with the test."""
    running: list[Running] = []

    def begin(**changes: Any) -> Running:
        ready: list[tuple[daemon.Daemon, asyncio.AbstractEventLoop]] = []
        failed: list[BaseException] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            await daemon.run(replace(settings, **changes), on_ready=lambda made: ready.append((made, loop)))

        def work() -> None:
            try:
                with asyncio.Runner(loop_factory=DozingLoop) as runner:
                    runner.run(main())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: ready or failed, "the agent starts")
        if failed:
            thread.join()
            raise failed[0]
        made, loop = ready[0]
        assert made.screen_url is not None
        one = Running(
            daemon=made, loop=loop, thread=thread, client=httpx.Client(base_url=made.screen_url, timeout=DEADLINE_S, trust_env=False)
        )
        running.append(one)
        until(lambda: _answers(one.client), "the screen answers")
        return one

    yield begin
    for one in running:
        if one.thread.is_alive():
            one.stop()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/screen").is_success
    except httpx.TransportError:
        return False
