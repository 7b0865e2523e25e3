"""A fleet's own things from CSV files: vehicles, drivers, depots, and the rules of the whole fleet. Every line is taken or reported."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response
from pydantic import BaseModel, ValidationError

from roundsman_hub.api import cells, models as m, orders_csv
from roundsman_hub.api.desk import AtDesk, FleetWriter
from roundsman_hub.api.fleet import rules_changed
from roundsman_hub.api.intake import depot_for
from roundsman_hub.api.models import BadLine
from roundsman_hub.api.once import OnlyOnce
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.terms import stored
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, VehicleTerms
from roundsman_hub.replan import revision
from roundsman_hub.store import fleet as store
from roundsman_hub.store.db import Cursor

router = APIRouter(prefix="/v1", tags=["fleet"], responses=documented(401, 403, 413, 422, 503))
_CSV: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a line of a file becomes. `group`: the field of `model` that holds what binds plans; `assumed`: what a line need not say."""

    model: type[BaseModel]
    terms: type
    required: tuple[str, ...] = ()
    group: str = "terms"
    assumed: Mapping[str, Any]

    @property
    def own(self) -> tuple[str, ...]:
        """Columns of the model itself."""
        return () if self.model is m.FleetChange else tuple(name for name in self.model.model_fields if name != self.group)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the file."""
        return (*self.own, *(one.name for one in fields(self.terms)))


VEHICLES: Final = Table(
    model=m.NewVehicle, terms=VehicleTerms, required=("name", "capacity", "shift_start", "shift_end"), assumed={"depot": ""}
)
DRIVERS: Final = Table(model=m.NewDriver, terms=DriverTerms, required=("name",), assumed={})
DEPOTS: Final = Table(model=m.NewDepot, terms=DepotTerms, required=("name", "lat_deg", "lon_deg"), assumed={})
RULES: Final = Table(model=m.FleetChange, terms=FleetPlanning, group="planning", assumed={})
"""One line: the rules of the fleet."""
TABLES: Final[Mapping[str, Table]] = {"vehicle": VEHICLES, "driver": DRIVERS, "depot": DEPOTS, "fleet": RULES}
"""By who owns the terms."""


@router.post("/vehicles:import", response_model=m.VehiclesReport, openapi_extra=_CSV)
def import_vehicles(text: orders_csv.CsvText, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make vehicles from a CSV file. Good lines are taken; every bad line is reported with its number, its column and why."""

    def work(cur: Cursor) -> m.VehiclesReport:
        depots: set[str] = set()

        def make(new: Any) -> str:
            depot = depot_for(cur, new.depot or None)
            if new.driver is not None and store.driver(cur, new.driver) is None:
                raise Problem(422, "unknown-driver", f"no driver {new.driver!r} in this fleet", next_step="GET /v1/drivers")
            own = new.model_dump(include={"name", "capacity", "shift_start", "shift_end"})
            depots.add(depot)
            return store.add_vehicle(cur, caller.fleet, depot_id=depot, driver_id=new.driver, terms=stored(new.terms), **own)

        made, bad = _taken(cur, caller.fleet, text, VEHICLES, make)
        for depot in depots:
            revision.bump(cur, depot, "vehicles imported", clock=desk.clock)
        return m.VehiclesReport(imported=len(made), bad=bad, vehicles=made)

    return once.run(caller, work)


@router.post("/drivers:import", response_model=m.DriversReport, openapi_extra=_CSV)
def import_drivers(text: orders_csv.CsvText, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make drivers from a CSV file: what they can, where a stop costs more with them, their hours. Vehicles name them by id."""

    def work(cur: Cursor) -> m.DriversReport:
        made, bad = _taken(
            cur,
            caller.fleet,
            text,
            DRIVERS,
            lambda new: store.add_driver(cur, caller.fleet, name=new.name, phone=new.phone, terms=stored(new.terms)),
        )
        return m.DriversReport(imported=len(made), bad=bad, drivers=made)

    return once.run(caller, work)


@router.post("/depots:import", response_model=m.DepotsReport, openapi_extra=_CSV)
def import_depots(text: orders_csv.CsvText, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Make depots from a CSV file: where they are, when and how long vehicles load again there."""

    def work(cur: Cursor) -> m.DepotsReport:
        def make(new: Any) -> str:
            at = {"lat_e6": round(new.lat_deg * 1e6), "lon_e6": round(new.lon_deg * 1e6)}
            return store.add_depot(cur, caller.fleet, name=new.name, address=new.address, **at, terms=stored(new.terms))

        made, bad = _taken(cur, caller.fleet, text, DEPOTS, make)
        return m.DepotsReport(imported=len(made), bad=bad, depots=made)

    return once.run(caller, work)


@router.post("/fleets/me:import", response_model=m.RulesReport, openapi_extra=_CSV)
def import_rules(text: orders_csv.CsvText, desk: AtDesk, once: OnlyOnce, caller: FleetWriter) -> Response:
    """Set prices and rules of the whole fleet from a CSV file of one line: its columns are set, all others stay as they are."""

    def work(cur: Cursor) -> m.RulesReport:
        held = store.fleet(cur, caller.fleet)
        good, bad = parse(text, orders_csv.zone_of(held["timezone"]), RULES, held["planning"])
        bad += [BadLine(line=line, field="line", detail="the fleet has one line of rules; this one was ignored") for line, _ in good[1:]]
        if good:
            said: FleetPlanning = good[0][1].planning  # type: ignore[attr-defined]  # of RULES
            store.change_fleet(cur, caller.fleet, {"planning": stored(said)})
            rules_changed(cur, desk)
        return m.RulesReport(imported=len(good[:1]), bad=bad)

    return once.run(caller, work)


_FIELD_OF: Final = {"unknown-driver": "driver"}


def _taken(cur: Cursor, fleet: str, text: str, table: Table, make: Callable[[Any], str]) -> tuple[list[str], list[BadLine]]:
    """Ids of what was made, in the file's order, and what is wrong with the other lines."""
    good, bad = parse(text, orders_csv.zone_of(store.fleet(cur, fleet)["timezone"]), table)
    made: list[str] = []
    for line, new in good:
        try:
            made.append(make(new))
        except Problem as problem:
            bad.append(BadLine(line=line, field=_FIELD_OF.get(problem.kind, "depot"), detail=problem.detail))
    return made, sorted(bad, key=lambda one: one.line)


def parse(
    text: str, zone: ZoneInfo, table: Table, held: Mapping[str, Any] = MappingProxyType({})
) -> tuple[list[tuple[int, BaseModel]], list[BadLine]]:
    """(good lines with their numbers, what is wrong with the others). `held`: terms that hold where a line says nothing.

    Raises
    ------
    Problem
        422 when the header lacks what every line needs.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=orders_csv.delimiter(text))
    header = [name.strip().lower() for name in next(reader, [])]
    own, columns = frozenset(table.own), frozenset(table.columns)
    if missing := [name for name in table.required if name not in header]:
        raise Problem(422, "header-incomplete", f"the header lacks: {', '.join(missing)}", next_step=f"columns: {', '.join(table.columns)}")
    good: list[tuple[int, BaseModel]] = []
    bad = [
        BadLine(line=1, field=name, detail=f"no such column; it was ignored. Columns: {', '.join(table.columns)}")
        for name in header
        if name not in columns
    ]
    for row in reader:
        line = reader.line_num
        values = {name: cells.read(name, cell.strip(), zone) for name, cell in zip(header, row, strict=False) if cell.strip()}
        if not values:
            continue
        said = {name: value for name, value in values.items() if name in own}
        terms = {name: value for name, value in values.items() if name in columns - own}
        try:
            good.append((line, table.model.model_validate({**table.assumed, **said, table.group: {**held, **terms}})))
        except ValidationError as error:
            bad += orders_csv.bad_lines(line, error)
    return good, bad
