"""The contract as an AsyncAPI 3 document, generated from the table of channels and the structs.

`python -m roundsman_wire.asyncapi` prints it; `asyncapi.json` beside this file is its committed copy, which a test compares.
"""

from __future__ import annotations

import json
import sys
from inspect import cleandoc
from typing import Any, Final

import msgspec

from roundsman_wire import envelopes, frames, plain
from roundsman_wire.channels import CHANNELS, DOWN, SHARDS, UP, Channel
from roundsman_wire.messages import FACTS, LANE_NAMES, AnyEntry, EnvelopeHeader

Json = dict[str, Any]
BINARY: Final = "application/octet-stream"
ENTRY: Final = "Entry"
"""Name of the union of all facts: the structs name only its members."""


def document() -> Json:
    """The AsyncAPI 3.0 document, as the van's unit sees it: it sends what goes up and receives what comes down."""
    structs = [channel.content for channel in CHANNELS if channel.content != "frame"]
    (entry, *_), schemas = msgspec.json.schema_components([AnyEntry, EnvelopeHeader, *structs], ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roundsman: van and hub",
            "version": f"{frames.VERSION}.0.0",
            "description": (
                "What a van's unit and the hub say to each other over MQTT 5. Written from the van's side: it sends what goes up. "
                "The unit stands in every field's name; positions are integers of 10⁻⁶ degree, instants milliseconds since 1970 UTC "
                "(`…_utc_ms`) or on the session's monotonic clock (`mono_ms`)."
            ),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"{_action(channel)}_{channel.name}": _operation(channel) for channel in CHANNELS},
        "components": {
            "parameters": {
                "shard": {
                    "description": f"CRC-32 of the vehicle id's UTF-8 bytes, modulo {SHARDS}, as two hex digits.",
                    "enum": [f"{shard:02x}" for shard in range(SHARDS)],
                },
                "vehicle": {
                    "description": "Opaque, globally unique, never reused: 1 to 64 characters of A-Z a-z 0-9 _ -.",
                    "examples": ["v_0123456789ab"],
                },
            },
            "messages": {channel.name: _message(channel) for channel in CHANNELS},
            "schemas": _draft_07({ENTRY: entry, **dict(sorted(schemas.items()))}),
        },
    }


def _draft_07(schema: Any) -> Any:
    """msgspec writes JSON Schema 2020-12 in OpenAPI's manner; AsyncAPI extends draft 07, with the discriminator a plain name.

    Descriptions are docstrings, which Python dedents from 3.13 on: here they are, whichever Python writes the document.
    """
    if isinstance(schema, list):
        return [_draft_07(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _draft_07(value) for key, value in schema.items()}
    if isinstance(found.get("description"), str):
        found["description"] = cleandoc(found["description"])
    if "prefixItems" in found:
        found["additionalItems"] = found.pop("items", True)
        found["items"] = found.pop("prefixItems")
    if isinstance(found.get("discriminator"), dict):
        found["discriminator"] = found["discriminator"]["propertyName"]
    return found


def _action(channel: Channel) -> str:
    return {UP: "send", DOWN: "receive"}[channel.direction]


def _channel(channel: Channel) -> Json:
    return {
        "address": f"rm/1/{{shard}}/{{vehicle}}/{channel.direction}/{channel.name}",
        "description": channel.meaning,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in ("shard", "vehicle")},
    }


def _operation(channel: Channel) -> Json:
    return {
        "action": _action(channel),
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "summary": channel.meaning,
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }


def _message(channel: Channel) -> Json:
    if channel.content == "frame":
        lane = LANE_NAMES[FACTS]
        limits = f"At most {frames.MAX_FRAME_BYTES} bytes, {frames.MAX_GONE} gone ranges; an entry at most {frames.MAX_ENTRY_BYTES} bytes."
        gone = ", ".join(f"{code} {reason}" for code, reason in frames.GONE_REASONS.items())
        message: Json = {
            "contentType": BINARY,
            "summary": channel.meaning,
            "description": f"{frames.__doc__}\nReasons of gone: {gone}. {limits}",
            "payload": {"type": "string", "format": "binary", "maxLength": frames.MAX_FRAME_BYTES},
        }
        return message | ({"x-entries": {"$ref": f"#/components/schemas/{ENTRY}"}} if channel.name == lane else {})
    content = {"$ref": f"#/components/schemas/{channel.content.__name__}"}
    if channel.envelope:
        return {
            "contentType": BINARY,
            "summary": channel.meaning,
            "description": f"{envelopes.__doc__}\nAt most {envelopes.MAX_PAYLOAD_BYTES} bytes when inflated.",
            "payload": {"type": "string", "format": "binary", "maxLength": envelopes.MAX_ENVELOPE_BYTES},
            "x-header": {"$ref": f"#/components/schemas/{EnvelopeHeader.__name__}"},
            "x-payload": content,
        }
    return {
        "contentType": "application/json",
        "summary": channel.meaning,
        "description": f"At most {plain.MAX_PLAIN_BYTES} bytes.",
        "payload": content,
    }


def text() -> str:
    """The document as it is committed: indented JSON, one final newline."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(text().encode())
