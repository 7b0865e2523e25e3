"""Sentences of the hub's in its answers: English as ever, and beside it codes and parameters, for whoever tells them otherwise."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field, computed_field

from roundsman_hub.domain import sentences


class Sentence(BaseModel):
    """One sentence. `code` "": a person's own words, or another release's, in `params.text`."""

    code: str
    params: dict[str, str | list[Sentence]] = Field(description="names that end in `_said` hold sentences themselves")


class Saying(BaseModel):
    """A model with a sentence of the hub's in one of its fields: `said` is what that field says, by code."""

    says: ClassVar[str] = "reason"

    @computed_field(description="the sentences of its English text, by code; GET /v1/sentences tells them in other languages")  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def said(self) -> list[Sentence]:
        """By code and parameters."""
        return said_of(getattr(self, self.says))


def said_of(text: str | list[str] | tuple[str, ...] | None) -> list[Sentence]:
    """The sentences of a text, or of several."""
    texts = [text] if isinstance(text, str) else text or ()
    return [Sentence.model_validate(one) for part in texts for one in sentences.plain(part)]


class PlanSaying(Saying):
    """A model that also has what a plan changes, in sentences."""

    changes: list[str]

    @computed_field(description="the sentences of `changes`, by code")  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def changes_said(self) -> list[Sentence]:
        """By code and parameters."""
        return said_of(self.changes)
