"""RFC 9457: every error is a problem document that says what is wrong, where, and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg.errors import UniqueViolation
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from roundsman_hub import HubError
from roundsman_hub.api.saying import Sentence, said_of
from roundsman_hub.domain.sentences import told
from roundsman_hub.domain.words import preferred
from roundsman_hub.store.db import DatabaseAway

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str = Field(description="where in the request, as a dotted path")
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457 problem, with `next_step` for the person who reads it.

    `type` and `title` name it for programs and never change; `detail`, `next_step` and what `errors` say are in the language that
    `Accept-Language` asks for, as `Content-Language` says; `said` is the detail by its codes.
    """

    type: str
    title: str
    status: int
    detail: str
    next_step: str
    errors: list[FieldError] = []
    said: list[Sentence] = []


class Problem(HubError):
    """An expected refusal. `kind` names it for programs; `detail` and `next_step` are for people, in English, from which they are told in
    the reader's language; or the detail is in `language` already."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        next_step: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        language: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.language = language
        self.status, self.kind, self.detail, self.next_step = status, kind, detail, next_step
        self.errors, self.headers = list(errors), dict(headers or {})

    def document(self, language: str = "en") -> ProblemDocument:
        """The problem as it goes over the wire."""
        return ProblemDocument(
            type=f"urn:roundsman:problem:{self.kind}",
            title=self.kind.replace("-", " "),
            status=self.status,
            detail=told(self.detail, language),
            next_step=told(self.next_step, language),
            errors=[FieldError(field=error.field, detail=told(error.detail, language)) for error in self.errors],
            said=said_of(self.detail),
        )

    def response(self, language: str = "en") -> JSONResponse:
        """The problem as an answer, in a language."""
        language = self.language or language
        headers = {**self.headers, "Content-Language": language, "Vary": "Accept-Language"}
        body = self.document(language).model_dump(exclude_defaults=True) | self.more()
        return JSONResponse(body, self.status, headers, MEDIA_TYPE)

    def more(self) -> dict[str, Any]:
        """Members of its own (RFC 9457, 3.2)."""
        return {}


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


INSTANT: Final = "Input should be an instant: RFC 3339 with an offset, as 2026-03-02T10:00:00Z"
DATE: Final = "Input should be a date: YYYY-MM-DD"
WHOLE: Final = "Input should be a valid integer"
NUMBER: Final = "Input should be a valid number"
TRUTH: Final = "Input should be true or false"
OBJECT: Final = "Input should be an object"
COMPLAINTS: Final[Mapping[str, str]] = {
    # pydantic's own words where they are long, or hold another library's; gaps are filled from what it tells of the error
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "dict_type": OBJECT,
    "bool_type": TRUTH,
    "bool_parsing": TRUTH,
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "string_unicode": "Input should be a valid string",
    "literal_error": "Input should be one of: {expected}",
    "enum": "Input should be one of: {expected}",
    "too_short": "There should be at least {min_length}, not {actual_length}",
    "too_long": "There should be at most {max_length}",
    "datetime_type": INSTANT,
    "datetime_parsing": INSTANT,
    "datetime_object_invalid": INSTANT,
    "datetime_from_date_parsing": INSTANT,
    "timezone_aware": INSTANT,
    "date_type": DATE,
    "date_parsing": DATE,
    "date_from_datetime_parsing": DATE,
    "date_from_datetime_inexact": DATE,
    "time_type": "Input should be a time of day: HH:MM",
    "time_parsing": "Input should be a time of day: HH:MM",
    "json_invalid": "the body is no JSON",
    "value_error": "{error}",
}


def complaint(error: Mapping[str, Any]) -> str:
    """What is wrong with one field, in English: pydantic's words or ours; both can be told in the reader's language."""
    said = COMPLAINTS.get(error["type"])
    if said is None:
        return str(error["msg"])
    known = {name: str(value) for name, value in error.get("ctx", {}).items()}
    if "expected" in known:
        known["expected"] = known["expected"].replace(" or ", ", ")
    return said.format(**known)


def _of_validation(error: RequestValidationError) -> Problem:
    errors = [FieldError(field=".".join(str(part) for part in e["loc"]) or "body", detail=complaint(e)) for e in error.errors()]
    return Problem(
        422,
        "invalid-request",
        "; ".join([f"{e.field}: {e.detail}" for e in errors[:3]] + ["…"] * (len(errors) > 3)),
        next_step="correct the fields named in `errors`; GET /openapi.json describes them",
        errors=errors,
    )


KINDS: Final = {413: "body-too-large"}
"""What Python 3.13 calls otherwise than 3.11."""


def _of_http(error: HTTPException) -> Problem:
    steps = {404: "GET /openapi.json lists every address", 405: "see the `Allow` header for what this address takes"}
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:
        phrase = "error"
    return Problem(
        error.status_code,
        KINDS.get(error.status_code) or phrase.lower().replace(" ", "-").replace("'", ""),
        str(error.detail or phrase),
        next_step=steps.get(error.status_code, "GET /openapi.json describes this address"),
        headers=error.headers,
    )


def language_of(request: Request) -> str:
    """The reader's: what a page asks for by `lang`, else what `Accept-Language` prefers."""
    return preferred(request.query_params.get("lang") or request.headers.get("accept-language", ""))


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem document."""

    def answer(problem: Problem, request: Request) -> JSONResponse:
        return problem.response(language_of(request))

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return answer(error, request)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(_of_validation(error), request)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return answer(_of_http(error), request)

    async def database_away(request: Request, error: Exception) -> JSONResponse:
        log.warning("database away: %s", error)
        return answer(
            Problem(
                503,
                "database-away",
                "the hub cannot reach its database just now; nothing was changed",
                next_step="send the same request again with the same Idempotency-Key in a few seconds",
                headers={"Retry-After": "3"},
            ),
            request,
        )

    async def twin(request: Request, error: Exception) -> JSONResponse:
        return answer(
            Problem(
                409,
                "made-meanwhile",
                "somebody else made the same thing at the same moment",
                next_step="look it up, or send the request again",
            ),
            request,
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return answer(
            Problem(
                500,
                "unexpected",
                "the hub failed on this request; nothing was changed",
                next_step=f"the hub's log has the cause: {request.method} {request.url.path}, {type(error).__name__}",
            ),
            request,
        )

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(DatabaseAway, database_away)
    app.add_exception_handler(UniqueViolation, twin)
    app.add_exception_handler(Exception, unexpected)
