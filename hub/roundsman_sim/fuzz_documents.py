"""Damaged frames and steering documents: refused, or, where their seals are made anew, read into values inside their ranges."""

from __future__ import annotations

import random
import zlib
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from roundsman_agent.pipeline import PipelineConfig, PipelineState, PlanChanged, SitesChanged, step
from roundsman_sim.fuzz_outcome import Outcome, flipped
from roundsman_wire import WireError, envelopes, frames
from roundsman_wire.messages import BasedOn, Config, EnvelopeHeader, Fence, FixRow, Plan, PlanStop, Sites, SteeringKind

START_UTC_MS: Final = 1_790_000_000_000


def fuzz_frames(inputs: int, rng: random.Random, outcome: Outcome) -> None:
    """The decoder that a van's and a hub's tests share: damaged bytes raise `WireError` alone, and what it reads is in range."""
    row = FixRow(
        mono_ms=5_000,
        utc_ms=START_UTC_MS,
        lat_e6=60_170_000,
        lon_e6=24_940_000,
        speed_cm_s=900,
        heading_cdeg=9_000,
        accuracy_dm=20,
        satellites=9,
    )
    body = frames.pack_rows([frames.quantise(row)] * 20)
    whole = frames.encode_frame("0123456789abcdef", 1, 1, 20, body)
    for _ in range(inputs):
        outcome.inputs += 1
        resealed = rng.random() < 0.5
        if resealed:
            data = frames.encode_frame("0123456789abcdef", 1, 1, 20, flipped(flipped(body, rng), rng))
        else:
            data = flipped(whole, rng) if rng.random() < 0.7 else whole[: rng.randrange(len(whole))] + rng.randbytes(rng.randrange(9))
        try:
            read = frames.decode_rows(frames.decode_header(data), data)
        except WireError:
            continue
        except Exception as error:
            outcome.crashes.append(f"frames: {error!r}")
            continue
        if (not resealed and data != whole) or any(
            abs(r.lat_e6) > 90_000_000 or abs(r.lon_e6) > 180_000_000 or r.mono_ms < 0 for r in read
        ):
            outcome.wrong.append(f"frames: {data.hex()} was read")


def fuzz_plans(inputs: int, rng: random.Random, outcome: Outcome) -> None:
    """Steering documents: a damaged one never opens; one that the hub itself sealed with nonsense in it is refused, or harms nothing."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key()

    def verify(key_id: str, signature: bytes, signed: bytes) -> bool:
        try:
            public.verify(signature, signed)
        except InvalidSignature:
            return False
        return key_id == "k"

    documents = _documents()
    state, config = PipelineState(), PipelineConfig.of("full")
    for _ in range(inputs):
        outcome.inputs += 1
        document = rng.choice(documents)
        header = EnvelopeHeader(vehicle="v_1", kind=_kind(document), epoch=1, version=7, key_id="k")
        try:
            sealed = envelopes.seal(header, document, key.sign)
            if rng.random() < 0.5:
                damaged = flipped(sealed, rng)
                envelopes.open_envelope(damaged, verify)
                outcome.wrong.append(f"plans: {damaged.hex()} was opened")
                continue
            payload = envelopes.open_envelope(_resealed(sealed, rng, key), verify).payload
            match payload:
                case Plan():
                    state, _ = step(state, PlanChanged.of(payload.stops), config)
                case Sites():
                    state, _ = step(state, SitesChanged.of(payload)[0], config)
                case Config():
                    config = PipelineConfig.of("full", None, payload)
        except WireError:
            continue
        except Exception as error:
            outcome.crashes.append(f"plans: {error!r}")


def _kind(document: envelopes.Payload) -> SteeringKind:
    return "plan" if isinstance(document, Plan) else "sites" if isinstance(document, Sites) else "config"


def _resealed(sealed: bytes, rng: random.Random, key: Ed25519PrivateKey) -> bytes:
    """The same document with damage inside, under a seal that holds."""
    payload_at = 3 + int.from_bytes(sealed[1:3], "little")
    raw = zlib.decompress(sealed[payload_at : -envelopes.SIGNATURE_BYTES])
    text = raw
    for _ in range(rng.randint(1, 3)):
        digits = [i for i, byte in enumerate(text) if 48 <= byte <= 57]
        i = rng.choice(digits) if rng.random() < 0.8 else rng.randrange(len(text))
        text = text[:i] + rng.choice((b"0", b"9", b"-", b"99999999999", b"1e99", b'"', b"null", b"")) + text[i + 1 :]
    signed = sealed[:payload_at] + zlib.compress(text)
    return signed + key.sign(signed)


def _documents() -> list[envelopes.Payload]:
    stops = tuple(
        PlanStop(
            stop=f"o_{n}",
            tasks=(f"t_{n}",),
            kind="delivery",
            lat_e6=60_170_000 + 900 * n,
            lon_e6=24_940_000,
            fence_radius_m=40,
            leg_s=60,
            leg_m=500,
            service_s=90,
            arrival_utc_ms=START_UTC_MS + 60_000 * n,
        )
        for n in range(5)
    )
    square = ((60_170_000, 24_940_000), (60_171_000, 24_940_000), (60_171_000, 24_942_000), (60_170_000, 24_942_000))
    return [
        Plan(plan="p", vehicle="v_1", version=7, issued_utc_ms=START_UTC_MS, based_on=BasedOn(session=None, facts_seq=0), stops=stops),
        Sites(version=7, fences=(Fence(fence="f", name="yard", rings_e6=(square,)),)),
        Config(
            version=7, sampling="evidence", evidence_s=10.0, evidence_m=100.0, evidence_deg=10.0, live_error_m=15.0, parked_every_s=60.0
        ),
    ]
