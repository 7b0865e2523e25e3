"""What binds a plan, between the API's words and the database's JSON: only what differs from the default is kept."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter

from roundsman_hub.domain.terms import DepotTerms, DriverTerms, FleetPlanning, OrderNeeds, VehicleTerms

Terms = OrderNeeds | VehicleTerms | DriverTerms | DepotTerms | FleetPlanning


_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {
    kind: TypeAdapter(kind) for kind in (OrderNeeds, VehicleTerms, DriverTerms, DepotTerms, FleetPlanning)
}


def stored(terms: Terms) -> dict[str, Any]:
    """As the database keeps it."""
    kept: dict[str, Any] = _ADAPTERS[type(terms)].dump_python(terms, mode="json", exclude_defaults=True)
    return kept
