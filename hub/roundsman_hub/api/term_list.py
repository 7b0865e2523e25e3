"""Every term of an order, a vehicle, a driver, a depot, the fleet and its units, described for machines: forms and files are made from it.

There is no second list: names, types, limits, defaults and meanings are read from the classes that take them in (`models`,
`domain.terms`), units from the names' endings, the way to write a cell from `cells`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter

from roundsman_hub.api import cells, models as m
from roundsman_hub.api.desk import OrdersReader
from roundsman_hub.api.problems import documented
from roundsman_hub.api.unit_doors import UnitSettings
from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms

router = APIRouter(prefix="/v1", tags=["planning"], responses=documented(401, 403))
Owner = Literal["order", "vehicle", "driver", "depot", "fleet", "unit"]
Named = Literal["depot", "vehicle", "driver"]


class Term(BaseModel):
    """One thing that can be said. `fields`: of what a record, or each of a list of records, is made."""

    name: str
    label: str = Field(description="the name as people read it, without its unit")
    type: str = Field(
        description="integer, number, text, yes or no, instant, time of day, choice, words, windows, table (name → value; with `fields`:"
        " name → list of records), record, or list"
    )
    unit: str | None = None
    meaning: str = ""
    required: bool = False
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: list[str] | None = None
    of: Named | None = Field(default=None, description="it holds ids of these")
    fields: list[Term] = Field(default_factory=list)


class OwnedTerm(Term):
    owner: Owner
    where: str = Field(description="its path in the JSON of its owner, as `needs.deadline`")
    doors: list[str] = Field(description="addresses that take it")
    changeable: bool = Field(description="it can be said of what is there already, by its owner's PATCH or PUT")
    column: bool = Field(description="a column of its owner's CSV file has the same name")
    cell: str | None = Field(default=None, description="how a cell of that column is written, where that is not plain")


class Terms(BaseModel):
    terms: list[OwnedTerm]


OWNERS: Final[dict[Owner, tuple[tuple[type, str], ...]]] = {
    # owner: (class that takes the terms in, where they stand in the owner's JSON)
    "order": ((m.NewOrder, ""), (OrderNeeds, "needs.")),
    "vehicle": ((m.NewVehicle, ""), (VehicleTerms, "terms.")),
    "driver": ((m.NewDriver, ""), (DriverTerms, "terms.")),
    "depot": ((m.NewDepot, ""), (DepotTerms, "terms.")),
    "fleet": ((FleetPlanning, "planning."),),
    "unit": ((UnitSettings, ""),),
}
CHANGES: Final[Mapping[Owner, type[BaseModel]]] = {
    "order": m.OrderChange,
    "vehicle": m.VehicleChange,
    "driver": m.DriverChange,
    "depot": m.DepotChange,
    "fleet": m.FleetChange,
    "unit": UnitSettings,
}
"""What takes in changes of what is there."""
DOORS: Final[dict[Owner, tuple[str, ...]]] = {
    "order": ("POST /v1/orders", "PATCH /v1/orders/{order}", "POST /v1/orders:import"),
    "vehicle": ("POST /v1/vehicles", "PATCH /v1/vehicles/{vehicle}", "POST /v1/vehicles:import"),
    "driver": ("POST /v1/drivers", "PATCH /v1/drivers/{driver}", "POST /v1/drivers:import"),
    "depot": ("POST /v1/depots", "PATCH /v1/depots/{depot}", "POST /v1/depots:import"),
    "fleet": ("PATCH /v1/fleets/me", "POST /v1/fleets/me:import"),
    "unit": ("PUT /v1/unit-settings", "PUT /v1/vehicles/{vehicle}/unit-settings"),
}
GROUPS: Final = frozenset({"needs", "terms"})
"""Fields that hold the terms listed one by one."""
FILES: Final = frozenset({"order", "vehicle", "driver", "depot", "fleet"})
UNITS: Final = (
    # ending of a name, unit
    ("_cents_per_km_per_1000", "cents a kilometre for each 1,000 units of load"),
    ("_cents_per_hour", "cents an hour"),
    ("_cents_per_min", "cents a minute"),
    ("cents_per_hour", "cents an hour"),
    ("cents_per_km", "cents a kilometre"),
    ("_cents", "cents"),
    ("_min", "minutes"),
    ("_mps", "metres a second"),
    ("_deg", "degrees"),
    ("_ml", "millilitres"),
    ("_s", "seconds"),
    ("_m", "metres"),
    ("_g", "grams"),
)
COUNTED: Final = {
    "parcels": "parcels",
    "capacity": "parcels",
    "max_tasks": "stops",
    "most_attempts": "attempts",
    "floor": "floors",
    "strange": "cents",
    "factor": "times",
}
LABELS: Final = {
    "cents_per_hour": "Wage",
    "cents_per_km": "Price of driving",
    "fixed_cents": "Fixed price",
    "left_out_cents": "Price of leaving it out",
    "reattempt_cents": "Price of a second attempt",
    "fair_cents_per_hour": "Price of unequal hours",
    "churn_cents": "Price of changing the next stops",
    "lat_deg": "Latitude",
    "lon_deg": "Longitude",
    "max_ride_s": "Longest ride",
    "max_wait_s": "Longest wait",
    "floor_s": "Service for each floor",
    "parcel_s": "Service for each parcel",
}
"""Where a name without its unit would not be read as meant."""
PER_VALUE: Final = {"service_by_type": "seconds"}
"""Units of what a table holds, where its name does not end in it."""
NAMED: Final[Mapping[str, Named]] = {
    "depot": "depot",
    "driver": "driver",
    "end_depot": "depot",
    "goods_at": "depot",
    "on_board": "vehicle",
    "reload_depots": "depot",
    "vehicles": "vehicle",
}
"""Names of what holds ids of others."""
MEANINGS: Final[Mapping[tuple[Owner, str], str]] = {
    ("order", "kind"): "a delivery's goods come from a depot, a pickup's go to one",
    ("order", "phone"): "of the recipient; drivers see it while the stop is theirs",
    ("order", "address"): "looked up where no place is given",
    ("order", "instructions"): "what the driver reads at the door",
    ("order", "lat_deg"): "the place, WGS84",
    ("order", "lon_deg"): "the place, WGS84",
    ("order", "window_end"): "service starts no later; later has a price",
    ("order", "promise_end"): "every minute that service starts after it has a price",
    ("order", "service_s"): "at the door; the fleet may add to it by floor and by parcel",
    ("order", "parcels"): "how many; what a vehicle can take is counted in them",
    ("order", "items"): "the parcels one by one; then they are counted from here",
    ("order", "proof"): "what the driver has to take at the door",
    ("order", "contact_free"): "may be left without meeting anybody",
    ("vehicle", "name"): "what people call it",
    ("vehicle", "depot"): "where its round begins, and ends if nothing else is said",
    ("vehicle", "driver"): "who drives it on this shift",
    ("vehicle", "shift_start"): "it can leave the depot from then on",
    ("vehicle", "shift_end"): "it is back by then, or later within its overtime",
    ("driver", "name"): "what people call them",
    ("driver", "phone"): "for the dispatcher",
    ("depot", "name"): "what people call it",
    ("depot", "address"): "for people; the place is what counts",
    ("depot", "lat_deg"): "the place, WGS84",
    ("depot", "lon_deg"): "the place, WGS84",
}
"""Of the fields whose class says nothing about them."""


@router.get("/terms")
def get_terms(caller: OrdersReader) -> Terms:
    """Everything that can be said of orders, vehicles, drivers, depots, the fleet and its units: type, meaning, and where to say it."""
    return Terms(terms=list(all_terms()))


@functools.cache
def all_terms() -> tuple[OwnedTerm, ...]:
    """The list, owner by owner."""
    out = []
    for owner, classes in OWNERS.items():
        for kind, where in classes:
            schema = TypeAdapter(kind).json_schema(mode="validation")
            for name, said in schema["properties"].items():
                if not where and name in GROUPS:
                    continue
                term = _term(name, said, schema, required=name in schema.get("required", ()))
                out.append(
                    OwnedTerm(
                        **(term.model_dump() | {"meaning": term.meaning or MEANINGS.get((owner, name), "")}),
                        owner=owner,
                        where=f"{where}{name}",
                        doors=list(DOORS[owner]),
                        changeable=(where.rstrip(".") or name) in CHANGES[owner].model_fields,
                        column=owner in FILES,
                        cell=cells.HOW.get(cells.CELLS[name]) if owner in FILES and name in cells.CELLS else None,
                    )
                )
    return tuple(out)


def _term(name: str, said: Mapping[str, Any], schema: Mapping[str, Any], *, required: bool) -> Term:
    what = _resolved(said, schema)
    kind = _kind(name, what, schema)
    inner = what
    if kind == "list":
        inner = _resolved(what["items"], schema)
    elif kind == "table":
        inner = _resolved(what["additionalProperties"], schema)
        inner = _resolved(inner["items"], schema) if "items" in inner else inner
    choices = what.get("enum") or _resolved(what.get("items", {}), schema).get("enum") or ([what["const"]] if "const" in what else None)
    limits = inner if kind == "table" else what
    return Term(
        name=name,
        label=_label(name),
        type=kind,
        unit=_unit(name, kind),
        meaning=" ".join((said.get("description") or what.get("description") or "").split()),
        required=required,
        default=said.get("default"),
        least=limits["exclusiveMinimum"] + (kind != "number") if "exclusiveMinimum" in limits else limits.get("minimum"),
        most=limits.get("maximum"),
        choices=choices,
        of=NAMED.get(name),
        fields=[
            _term(inside, words, schema, required=inside in inner.get("required", ()))
            for inside, words in inner.get("properties", {}).items()
        ],
    )


def _resolved(said: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference, or the one choice beside null, stands for."""
    while True:
        if "$ref" in said:
            said = schema["$defs"][said["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in said:
            said = next(one for one in said["anyOf"] if one.get("type") != "null")
        else:
            return said


def _kind(name: str, what: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    plain = {"integer": "integer", "number": "number", "boolean": "yes or no"}
    if "enum" in what:
        return "choice"
    if what.get("type") == "array":
        item = _resolved(what.get("items", {}), schema)
        return "windows" if "prefixItems" in item else "words" if item.get("type") == "string" else "list"
    if what.get("type") == "object":
        return "record" if "properties" in what else "table"
    if what.get("format") == "date-time":
        return "instant"
    return "time of day" if name == "start" else plain.get(what.get("type", ""), "text")


def _unit(name: str, kind: str) -> str | None:
    if name in PER_VALUE or name in COUNTED:
        return PER_VALUE.get(name) or COUNTED[name]
    return next((unit for ending, unit in UNITS if name.endswith(ending)), None) if kind in ("integer", "number") else None


def _label(name: str) -> str:
    if name in LABELS:
        return LABELS[name]
    ending = next((end for end, _ in UNITS if end.startswith("_") and name.endswith(end)), "")
    words = name.removesuffix(ending).replace("_", " ").strip() or name
    return words[0].upper() + words[1:]
