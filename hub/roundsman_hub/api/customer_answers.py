"""What a customer's form is answered with: the page again, or a word for programs; with a clear no, what can be had instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from roundsman_hub.api.customer import PRIVATE, Reading
from roundsman_hub.api.customer_forms import window_text
from roundsman_hub.api.customer_page import refusal_in
from roundsman_hub.api.problems import Problem
from roundsman_hub.offers.slots import Window


@dataclass(frozen=True, kw_only=True)
class Instead:
    """What can be had instead: days, windows at the other place, or places that the address may mean."""

    days: Sequence[date] = ()
    windows: Sequence[Window] = ()
    place: str = ""
    places: Sequence[str] = ()

    def query(self) -> str:
        """For the page that follows."""
        days = f"&days={','.join(map(str, self.days))}" if self.days else ""
        places = f"&places={quote('|'.join(self.places))}" if self.places else ""
        if not self.windows:
            return days + places
        return f"{days}{places}&windows={','.join(map(window_text, self.windows))}&place={quote(self.place)}"


class Declined(Problem):
    """A customer's wish that cannot be carried out, in their language; with `days`, `windows` or `places` that can be had instead."""

    def __init__(self, kind: str, detail: str, step: str, language: str, instead: Instead) -> None:
        super().__init__(409, kind, detail, next_step=step, language=language)
        self.instead = instead

    def more(self) -> dict[str, Any]:
        """The days, the windows or the places, where that is what was asked."""
        days = [str(day) for day in self.instead.days]
        windows = [[at.isoformat() for at in window] for window in self.instead.windows]
        places = list(self.instead.places)
        return {name: value for name, value in (("days", days), ("windows", windows), ("places", places)) if value}


def answered(request: Request, reading: Reading, said: str, refused: str, instead: Instead) -> Response:
    """A browser is led back to the page; a program is told in one word, or by a problem."""
    if request.headers.get("accept", "").startswith("application/json"):
        if refused:
            words = reading.words
            step = "load the page: it shows what can"
            raise Declined(refused.replace("_", "-"), refusal_in(words, refused), step, words.language, instead)
        return JSONResponse({"said": said}, headers=PRIVATE)
    result = f"no={refused}" if refused else f"said={said}"
    return RedirectResponse(f"{reading.base}?{reading.query}&{result}{instead.query()}#said", 303, PRIVATE)
