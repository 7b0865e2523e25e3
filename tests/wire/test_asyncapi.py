"""The generated document: the committed copy is current, has AsyncAPI 3.0's shape, and describes what is really sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import roundsman_wire
from roundsman_wire import asyncapi, plain
from roundsman_wire.channels import CHANNELS
from roundsman_wire.frames import encode_entry
from roundsman_wire.messages import (
    Ack,
    AnyEntry,
    BasedOn,
    Config,
    Fence,
    LaneState,
    Note,
    Now,
    Plan,
    PlanStop,
    Presence,
    Receipt,
    SessionStarted,
    SessionState,
    Sites,
)

COMMITTED = Path(roundsman_wire.__file__).with_name("asyncapi.json")
SESSION = "0123456789abcdef"
REF = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string", "pattern": "^#/"}}, "additionalProperties": False}
# The parts of https://www.asyncapi.com/definitions/3.0.0.json that this document uses; fields outside them are refused.
SHAPE: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["asyncapi", "info"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "additionalProperties": False,
            "properties": {
                "title": {"type": "string"},
                "version": {"type": "string"},
                "description": {"type": "string"},
                "license": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "url": {"type": "string"}}},
            },
        },
        "defaultContentType": {"type": "string"},
        "channels": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "address": {"type": "string"},
                    "description": {"type": "string"},
                    "messages": {"type": "object", "additionalProperties": REF},
                    "parameters": {"type": "object", "additionalProperties": REF},
                },
            },
        },
        "operations": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REF,
                    "summary": {"type": "string"},
                    "messages": {"type": "array", "items": REF},
                    "bindings": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "mqtt": {
                                "type": "object",
                                "additionalProperties": False,
                                "properties": {
                                    "qos": {"enum": [0, 1, 2]},
                                    "retain": {"type": "boolean"},
                                    "bindingVersion": {"const": "0.2.0"},
                                },
                            }
                        },
                    },
                },
            },
        },
        "components": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "parameters": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"description": {"type": "string"}, "enum": {"type": "array"}, "examples": {"type": "array"}},
                    },
                },
                "messages": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "patternProperties": {"^x-": {}},
                        "properties": {
                            "contentType": {"type": "string"},
                            "summary": {"type": "string"},
                            "description": {"type": "string"},
                            "payload": {"type": "object"},
                        },
                    },
                },
                "schemas": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "properties": {"discriminator": {"type": "string"}}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi.document()


def test_the_committed_document_is_the_generated_one() -> None:
    printed = subprocess.run([sys.executable, "-m", "roundsman_wire.asyncapi"], capture_output=True, check=True)
    how = "run: python -m roundsman_wire.asyncapi > agent/roundsman_wire/asyncapi.json"
    assert COMMITTED.read_bytes() == printed.stdout, how


def test_it_has_the_shape_of_asyncapi_3(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(SHAPE).validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


def refs(node: Any) -> Iterator[str]:
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if isinstance(value, str) and value.startswith("#/"):
            yield value
        yield from refs(value)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(refs(document))
    assert found
    for ref in found:
        at: Any = document
        for step in ref.removeprefix("#/").split("/"):
            at = at[step]
    assert not set(document["components"]["schemas"]) - {ref.rsplit("/", 1)[-1] for ref in found}, "a schema that nothing uses"


def test_each_channel_of_the_table_is_in_it_with_its_quality_of_service(document: dict[str, Any]) -> None:
    assert list(document["channels"]) == [channel.name for channel in CHANNELS]
    for channel in CHANNELS:
        operation = document["operations"][f"{'send' if channel.direction == 'up' else 'receive'}_{channel.name}"]
        assert operation["bindings"]["mqtt"] == {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}
        assert f"/{channel.direction}/{channel.name}" in document["channels"][channel.name]["address"]


STOP = PlanStop(
    stop="o_1",
    tasks=("o_1",),
    kind="delivery",
    lat_e6=1,
    lon_e6=2,
    fence_radius_m=40,
    leg_s=60,
    leg_m=500,
    service_s=90,
    arrival_utc_ms=5,
)
MESSAGES = [
    ("Ack", Ack(epoch=1, session=SESSION, lane=1, through_seq=7, rewind=True)),
    ("Now", Now(session=SESSION, order=3, mono_ms=9, utc_ms=None, lat_e6=-1, lon_e6=2)),
    (
        "Presence",
        Presence(
            online=True,
            session=SESSION,
            sessions=(SessionState(session=SESSION, previous=None, lanes=(LaneState(lane=0, first_kept=1, last=2, acked=1),)),),
        ),
    ),
    (
        "Plan",
        Plan(
            plan="p",
            vehicle="v",
            version=4,
            issued_utc_ms=1,
            based_on=BasedOn(session=SESSION, facts_seq=2),
            stops=(STOP,),
            matrix_s=b"\x01\x02",
        ),
    ),
    ("Sites", Sites(version=1, fences=(Fence(fence="f", name="yard", rings_e6=(((1, 2), (3, 4)),)),))),
    ("Config", Config(version=1, trusted_keys={"k": "00"})),
    ("Entry", SessionStarted(mono_ms=0, session=SESSION, previous=None, agent_version="1", row_format=1)),
    ("Entry", Receipt(mono_ms=1, utc_ms=2, plan_version=3, plan_hash="a", state="held")),
    ("Entry", Note(mono_ms=1, topic="disk", text="full")),
]


@pytest.mark.parametrize(("schema", "message"), MESSAGES, ids=[type(message).__name__ for _, message in MESSAGES])
def test_what_is_sent_is_what_the_document_says(document: dict[str, Any], schema: str, message: msgspec.Struct) -> None:
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    sent = encode_entry(message) if isinstance(message, AnyEntry) else msgspec.json.encode(message)
    jsonschema.Draft7Validator(whole).validate(json.loads(sent))


def test_what_the_document_refuses_is_refused(document: dict[str, Any]) -> None:
    bad = {"epoch": 1, "session": "not sixteen hex", "lane": 1, "through_seq": 7}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator({"$ref": "#/components/schemas/Ack", "components": document["components"]}).validate(bad)
    with pytest.raises(roundsman_wire.WireError):
        plain.decode_plain("ack", json.dumps(bad).encode())
