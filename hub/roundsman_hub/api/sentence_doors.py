"""The tables by which a page tells what the hub says, in its reader's language."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from roundsman_hub.api.desk import LiveReader
from roundsman_hub.api.problems import documented
from roundsman_hub.domain import sentences

router = APIRouter(prefix="/v1", tags=["words"], responses=documented(401, 403, 422))
Language = Literal["en", "de", "es", "fr"]


class Sentences(BaseModel):
    """All that the hub says, in one language. A parameter's value may have words of its own: `state.failed` for `{state}` = failed."""

    language: Language
    sentences: dict[str, str] = Field(description="template by code; `{name}` is a parameter")


@router.get("/sentences")
def get_sentences(
    _caller: LiveReader, response: Response, language: Annotated[Language, Query(description="to tell them in")] = "en"
) -> Sentences:
    """The tables by which a page tells what the hub says: reasons, changes, refusals."""
    response.headers["Cache-Control"] = "private, max-age=3600"
    return Sentences(language=language, sentences=dict(sentences.LANGUAGES[language]))
