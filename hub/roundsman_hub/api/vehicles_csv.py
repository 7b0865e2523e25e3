"""Vehicles from a CSV file: every line is taken or reported, like orders'."""

from __future__ import annotations

import csv
import io
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response
from pydantic import ValidationError

from roundsman_hub.api import cells, orders_csv
from roundsman_hub.api.desk import AtDesk, FleetWriter
from roundsman_hub.api.intake import depot_for
from roundsman_hub.api.models import BadLine, NewVehicle, VehiclesReport
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.terms import stored
from roundsman_hub.domain.terms import VehicleTerms, columns
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as store
from roundsman_hub.store.db import Cursor

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 422, 503))

OWN: Final = tuple(name for name in NewVehicle.model_fields if name != "terms")
TERMS: Final = columns(VehicleTerms)
REQUIRED: Final = ("name", "capacity", "shift_start", "shift_end")


@router.post(
    "/vehicles:import",
    response_model=VehiclesReport,
    responses=documented(413),
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def import_vehicles(text: orders_csv.CsvText, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make vehicles from a CSV file. Good lines are taken; every bad line is reported with its number, its column and why."""

    def work(cur: Cursor) -> VehiclesReport:
        zone = orders_csv.zone_of(store.fleet(cur, caller.fleet)["timezone"])
        good, bad = parse(text, zone, "")
        made: list[str] = []
        depots: set[str] = set()
        for line, new in good:
            try:
                depot = depot_for(cur, new.depot or None)
                if new.driver is not None and store.driver(cur, new.driver) is None:
                    raise Problem(422, "unknown-driver", f"no driver {new.driver!r} in this fleet", next_step="GET /v1/drivers")
            except Problem as problem:
                field = "driver" if problem.kind == "unknown-driver" else "depot"
                bad.append(BadLine(line=line, field=field, detail=problem.detail))
                continue
            own = new.model_dump(include={"name", "capacity", "shift_start", "shift_end"})
            made.append(store.add_vehicle(cur, caller.fleet, depot_id=depot, driver_id=new.driver, terms=stored(new.terms), **own))
            depots.add(depot)
        for depot in depots:
            revision.bump(cur, depot, "vehicles imported", clock=desk.clock)
        return VehiclesReport(imported=len(made), bad=sorted(bad, key=lambda one: one.line), vehicles=made)

    return once.run(caller, work)


def parse(text: str, zone: ZoneInfo, depot: str) -> tuple[list[tuple[int, NewVehicle]], list[BadLine]]:
    """(good lines with their numbers, what is wrong with the others). Lines that name no depot are `depot`'s.

    Raises
    ------
    Problem
        422 when the header lacks what every vehicle needs.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=orders_csv.delimiter(text))
    header = [name.strip().lower() for name in next(reader, [])]
    if missing := [name for name in REQUIRED if name not in header]:
        raise Problem(
            422, "header-incomplete", f"the header lacks: {', '.join(missing)}", next_step=f"columns: {', '.join((*OWN, *TERMS))}"
        )
    good: list[tuple[int, NewVehicle]] = []
    bad = [
        BadLine(line=1, field=name, detail=f"no such column; it was ignored. Columns: {', '.join((*OWN, *TERMS))}")
        for name in header
        if name not in OWN and name not in TERMS
    ]
    for row in reader:
        line = reader.line_num
        values = {name: cell.strip() for name, cell in zip(header, row, strict=False) if cell.strip()}
        if not values:
            continue
        own = {name: cells.read(name, cell, zone) for name, cell in values.items() if name in OWN}
        terms = {name: cells.read(name, cell, zone) for name, cell in values.items() if name in TERMS}
        try:
            good.append((line, NewVehicle.model_validate({"depot": depot, **own, "terms": terms})))
        except ValidationError as error:
            bad += orders_csv.bad_lines(line, error)
    return good, bad
