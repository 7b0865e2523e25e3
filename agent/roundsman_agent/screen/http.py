"""What every route of the screen needs: JSON in, JSON or an RFC 9457 problem out."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from roundsman_agent import AgentError

MAX_BODY_BYTES: Final = 16_384
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""Drawn by the page, so that a repeated request is one tap."""
Text = Annotated[str, msgspec.Meta(max_length=200, pattern="^[^\\x00]*$")]
LongText = Annotated[str, msgspec.Meta(max_length=1_000, pattern="^[^\\x00]*$")]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

S = TypeVar("S", bound=msgspec.Struct)


class BadRequest(AgentError):
    """A body that is not what the path wants."""


def problem(status: int, title: str, detail: str) -> Response:
    """An RFC 9457 problem; `detail` says what to do next."""
    body = msgspec.json.encode({"type": "about:blank", "status": status, "title": title, "detail": detail})
    return Response(body, status, media_type="application/problem+json")


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer that nobody caches."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, media_type="application/json")


async def body_of(request: Request, most_bytes: int) -> bytes:
    """The request's body.

    Raises
    ------
    BadRequest
        It is larger than that.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise BadRequest(f"At most {most_bytes} bytes.")
    return bytes(body)


async def read(request: Request, kind: type[S]) -> S:
    """The request's JSON body.

    Raises
    ------
    BadRequest
        It is something else.
    """
    # A page of another origin can post plain text here without asking; JSON it cannot.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequest("Send content-type application/json.")
    try:
        return msgspec.json.decode(await body_of(request, MAX_BODY_BYTES), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{error}.") from None
