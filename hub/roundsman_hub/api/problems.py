"""RFC 9457: every error is a problem document that says what is wrong, where, and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg.errors import UniqueViolation
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from roundsman_hub import HubError
from roundsman_hub.store.db import DatabaseAway

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str = Field(description="where in the request, as a dotted path")
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem, with `next_step` for the person who reads it."""

    type: str
    title: str
    status: int
    detail: str
    next_step: str
    errors: list[FieldError] = []


class Problem(HubError):
    """An expected refusal. `kind` names it for programs; `detail` and `next_step` are for people."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        next_step: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.next_step = status, kind, detail, next_step
        self.errors, self.headers = list(errors), dict(headers or {})

    def document(self) -> ProblemDocument:
        """The problem as it goes over the wire."""
        return ProblemDocument(
            type=f"urn:roundsman:problem:{self.kind}",
            title=self.kind.replace("-", " "),
            status=self.status,
            detail=self.detail,
            next_step=self.next_step,
            errors=self.errors,
        )

    def response(self) -> JSONResponse:
        """The problem as an answer."""
        return JSONResponse(self.document().model_dump(exclude_defaults=True), self.status, self.headers, MEDIA_TYPE)


def not_found(noun: str, wanted: str, *, see: str, status: int = 404) -> Problem:
    """For something that is not there, or is another fleet's: the two look the same."""
    return Problem(status, f"unknown-{noun}", f"no {noun} {wanted!r} in this fleet", next_step=f"look it up with GET {see}")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for the problems that a door may answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status in statuses
    }


def _of_validation(error: RequestValidationError) -> Problem:
    errors = [FieldError(field=".".join(str(part) for part in e["loc"]) or "body", detail=e["msg"]) for e in error.errors()]
    return Problem(
        422,
        "invalid-request",
        "; ".join(f"{e.field}: {e.detail}" for e in errors[:3]) + (" …" if len(errors) > 3 else ""),
        next_step="correct the fields named in `errors`; GET /openapi.json describes them",
        errors=errors,
    )


def _of_http(error: HTTPException) -> Problem:
    steps = {404: "GET /openapi.json lists every address", 405: "see the `Allow` header for what this address takes"}
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:
        phrase = "error"
    return Problem(
        error.status_code,
        phrase.lower().replace(" ", "-").replace("'", ""),
        str(error.detail or phrase),
        next_step=steps.get(error.status_code, "GET /openapi.json describes this address"),
        headers=error.headers,
    )


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem document."""

    def answer(problem: Problem) -> JSONResponse:
        return problem.response()

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return answer(error)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(_of_validation(error))

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return answer(_of_http(error))

    async def database_away(_: Request, error: Exception) -> JSONResponse:
        log.warning("database away: %s", error)
        return answer(
            Problem(
                503,
                "database-away",
                "the hub cannot reach its database just now; nothing was changed",
                next_step="send the same request again with the same Idempotency-Key in a few seconds",
                headers={"Retry-After": "3"},
            )
        )

    async def twin(_: Request, error: Exception) -> JSONResponse:
        return answer(
            Problem(
                409,
                "made-meanwhile",
                "somebody else made the same thing at the same moment",
                next_step="look it up, or send the request again",
            )
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return answer(
            Problem(
                500,
                "unexpected",
                "the hub failed on this request; nothing was changed",
                next_step=f"the hub's log has the cause: {request.method} {request.url.path}, {type(error).__name__}",
            )
        )

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(DatabaseAway, database_away)
    app.add_exception_handler(UniqueViolation, twin)
    app.add_exception_handler(Exception, unexpected)
