"""Orders from a CSV file. Every line is taken or reported: a bad line never stops a good one."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, Request
from pydantic import ValidationError

from roundsman_hub.api.cells import read as read_cell
from roundsman_hub.api.desk import Desk
from roundsman_hub.api.intake import accept, depot_for, refuse_outside, shifts_of, windowed
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.models import BadLine, ImportReport, NewOrder
from roundsman_hub.api.places import Place, place_of
from roundsman_hub.api.problems import Problem, complaint
from roundsman_hub.domain.shifts import Shift
from roundsman_hub.domain.terms import OrderNeeds, columns
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as fleet_store
from roundsman_hub.store.db import Cursor

MAX_BYTES: Final = 5_000_000
MAX_LINES: Final = 20_000
NEEDS: Final = columns(OrderNeeds)
COLUMNS: Final = (*(name for name in NewOrder.model_fields if name != "needs"), *NEEDS)
GROUPS: Final = frozenset({"needs", "terms", "planning"})
REQUIRED: Final = ("window_start", "window_end")
"""Unless there is a `service_level`."""
EXAMPLE: Final = "reference,name,address,window_start,window_end,parcels\nA-17,Ann,Mill Street 4,2026-03-02 14:00,2026-03-02 16:00,2\n"
OPENAPI_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string", "description": f"UTF-8, with a header; columns: {', '.join(COLUMNS)}"},
                "example": EXAMPLE,
            }
        },
    }
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GoodLine:
    """A line that reads as an order, and where its address is."""

    line: int
    order: NewOrder
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A file that was read: nothing of it is written down yet."""

    good: list[GoodLine]
    bad: list[BadLine]


async def csv_text(request: Request) -> str:
    """Dependency: the request's body as text.

    Raises
    ------
    Problem
        413 when it is too large, 422 when it is not UTF-8.
    """
    data = await request.body()
    if len(data) > MAX_BYTES:
        raise Problem(
            413, "file-too-large", f"{len(data)} bytes; at most {MAX_BYTES}", next_step="split the file, each part with its header"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Problem(
            422, "not-utf-8", f"line {line} is not UTF-8 text", next_step="save the file as “CSV UTF-8” and send it again"
        ) from None


CsvText = Annotated[str, Depends(csv_text)]


def read(desk: Desk, caller: Caller, text: str) -> Draft:
    """Read a file and look its addresses up. Asks the geocoder: call it outside any transaction.

    Times without an offset are the fleet's own local time.

    Raises
    ------
    Problem
        422 when the header does not name what every order needs.
    """
    with desk.db.tenant(caller.fleet) as cur:
        zone = zone_of(fleet_store.fleet(cur, caller.fleet)["timezone"])
    good, bad = [], []
    for line, parsed in parse(text, zone):
        if isinstance(parsed, NewOrder):
            good.append(GoodLine(line=line, order=parsed, place=place_of(desk, caller, parsed)))
        else:
            bad.extend(parsed)
    return Draft(good=good, bad=bad)


def write(cur: Cursor, desk: Desk, caller: Caller, draft: Draft) -> ImportReport:
    """Write a draft's good lines down in this transaction, and bump each depot's revision once."""
    made: list[str] = []
    bad = list(draft.bad)
    waiting = 0
    placed: Counter[str] = Counter()
    priority: dict[str, int] = {}
    shifts: dict[str, list[Shift]] = {}
    for good in draft.good:
        try:
            depot = depot_for(cur, good.order.depot)
            if depot not in shifts:
                shifts[depot] = shifts_of(cur, desk, depot)
            order = windowed(cur, desk, caller, good.order)
            refuse_outside(*order.window, shifts[depot])
            made.append(accept(cur, desk, caller, order, depot, good.place))
        except Problem as problem:
            bad.append(BadLine(line=good.line, field=_FIELD_OF.get(problem.kind, "line"), detail=problem.detail))
            continue
        if good.place.at is None:
            waiting += 1
        else:
            placed[depot] += 1
            priority[depot] = max(priority.get(depot, 0), good.order.priority)
    for depot, count in placed.items():
        revision.bump(cur, depot, f"{count} orders imported", priority[depot], clock=desk.clock, kind="ordered")
    return ImportReport(imported=len(made), waiting_for_place=waiting, bad=sorted(bad, key=lambda b: b.line), orders=made)


_FIELD_OF: Final = {
    "unknown-depot": "depot",
    "depot-missing": "depot",
    "no-depot": "depot",
    "outside-every-shift": "window_start",
    "reference-taken": "reference",
    "unknown-service-level": "service_level",
    "closed": "service_level",
}


def parse(text: str, zone: ZoneInfo) -> Iterator[tuple[int, NewOrder | list[BadLine]]]:
    """Each line of a file as an order, or as what is wrong with it. Line 1 is the header; empty lines are stepped over.

    Raises
    ------
    Problem
        422 when there is no usable header, or more than `MAX_LINES` lines.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text))
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in REQUIRED if name not in header and "service_level" not in header]
    if not {"address", "lat_deg"} & set(header):
        missing.append("address (or lat_deg and lon_deg)")
    if missing:
        raise Problem(
            422, "header-incomplete", f"the header lacks: {', '.join(missing)}", next_step=f"begin the file as: {EXAMPLE.splitlines()[0]}"
        )
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        yield 1, [BadLine(line=1, field=name, detail=f"no such column; it was ignored. Columns: {', '.join(COLUMNS)}") for name in unknown]
    seen: dict[str, int] = {}
    line = reader.line_num + 1
    try:
        for count, cells in enumerate(reader, 1):
            if count > MAX_LINES:
                raise Problem(413, "file-too-large", f"more than {MAX_LINES} lines", next_step="split the file, each part with its header")
            if any(cell.strip() for cell in cells):
                yield line, _order(line, header, cells, zone, seen)
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, [BadLine(line=line, field="line", detail=f"cannot be read as CSV ({error}); nothing after it was read")]


def _order(line: int, header: list[str], cells: list[str], zone: ZoneInfo, seen: dict[str, int]) -> NewOrder | list[BadLine]:
    if len(cells) > len(header):
        detail = f"{len(cells)} cells under {len(header)} columns: is there a separator inside a text without quotes?"
        return [BadLine(line=line, field="line", detail=detail)]
    fields = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name in COLUMNS and cell.strip()}
    try:
        values = {name: read_cell(name, value, zone) for name, value in fields.items()}
        needs = {name: values.pop(name) for name in NEEDS if name in values}
        order = NewOrder.model_validate({**values, "needs": needs})
    except ValidationError as error:
        return bad_lines(line, error)
    if order.reference and (first := seen.setdefault(order.reference, line)) != line:
        return [BadLine(line=line, field="reference", detail=f"{order.reference!r} is already on line {first}")]
    return order


def bad_lines(line: int, error: ValidationError) -> list[BadLine]:
    """What is wrong with a line, by column."""
    return [
        BadLine(
            line=line, field=".".join(str(at) for at in e["loc"] if at not in GROUPS) or "line", detail=_said(complaint(e), e.get("input"))
        )
        for e in error.errors()
    ]


def _said(said: str, value: object) -> str:
    return f"{said} (here: {value!r})" if isinstance(value, str) else said


def delimiter(text: str) -> str:
    """Comma, semicolon (spreadsheets where the comma is decimal) or tab: whichever the header has most of."""
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)


def zone_of(name: str) -> ZoneInfo:
    """The fleet's time zone; UTC where its name is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
