"""What every door of the API needs: the adapters that the root chose, and who is asking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from roundsman_hub.api import keys
from roundsman_hub.api.keys import Caller
from roundsman_hub.api.problems import Problem
from roundsman_hub.domain.roles import Permission, may, who_may

if TYPE_CHECKING:
    from roundsman_hub.clock import Clock
    from roundsman_hub.geocode import Geocoder
    from roundsman_hub.replan.matrix import Matrices
    from roundsman_hub.roads import RoadNetwork
    from roundsman_hub.store.db import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """The adapters behind the API. `ways`: what is kept of the roads between depots' work.

    `geocoder` is None where no extract and no service is set up: addresses then wait for a pin.
    """

    db: Database
    clock: Clock
    geocoder: Geocoder | None
    roads: RoadNetwork
    ways: Matrices


def desk_of(request: Request) -> Desk:
    """The desk of the app that serves this request."""
    desk: Desk = request.app.state.desk
    return desk


_bearer = HTTPBearer(auto_error=False, description="an API key, `rk_<id>_<secret>`")


def allow(permission: Permission) -> Callable[..., Caller]:
    """Dependency: the caller, if the table of roles lets them in."""

    def caller(request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
        if shown is None:
            raise Problem(
                401,
                "key-missing",
                "this address needs an API key",
                next_step="send `Authorization: Bearer rk_…`; the first key is in the hub's data folder (admin.key)",
                headers={"WWW-Authenticate": "Bearer"},
            )
        found = keys.caller_of(desk_of(request).db, shown.credentials)
        if found is None:
            raise Problem(
                401,
                "key-refused",
                "that API key is unknown or revoked",
                next_step="ask an admin of your fleet for a new key",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        if not may(found.role, permission):
            raise Problem(
                403,
                "role-refused",
                f"the role {found.role!r} may not do this (it needs {permission})",
                next_step=f"use a key with one of the roles: {', '.join(who_may(permission))}",
            )
        return found

    caller.__name__ = f"allow_{permission.replace('.', '_')}"
    return caller


AtDesk = Annotated[Desk, Depends(desk_of)]
OrdersReader = Annotated[Caller, Depends(allow("orders.read"))]
OrdersWriter = Annotated[Caller, Depends(allow("orders.write"))]
PlacesWriter = Annotated[Caller, Depends(allow("places.write"))]
FleetReader = Annotated[Caller, Depends(allow("fleet.read"))]
FleetWriter = Annotated[Caller, Depends(allow("fleet.write"))]
LiveReader = Annotated[Caller, Depends(allow("live.read"))]
DriversWriter = Annotated[Caller, Depends(allow("drivers.write"))]
PlansWriter = Annotated[Caller, Depends(allow("plans.write"))]
MetricsReader = Annotated[Caller, Depends(allow("metrics.read"))]
KeysWriter = Annotated[Caller, Depends(allow("keys.write"))]
