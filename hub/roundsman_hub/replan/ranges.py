"""How far electric vans can still drive: what they were last said to have, less what their log says they drove since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from roundsman_hub.domain.terms import VehicleTerms
from roundsman_hub.store import told_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.told_store import DepotCalled
from roundsman_hub.store.whereabouts import driven


@dataclass(frozen=True, slots=True, kw_only=True)
class Electric:
    """An electric van's shift. `began`: when its driver came on duty, or None; `not_before`: what was said earlier is of another shift."""

    vehicle_id: str
    terms: VehicleTerms
    began: datetime | None
    not_before: datetime


def ranges_left(cur: Cursor, fleet_id: str, vans: Iterable[Electric], now: datetime) -> dict[str, int]:
    """Metres that each can still drive now; of a van that has no range nothing is said.

    What was told (`range_m`, at `range_as_of`) counts down along the track. A charge that the driver ended on the way fills it; so
    the newest of the two is where counting begins.
    """
    said = [van for van in vans if van.terms.range_m is not None]
    since = {van.vehicle_id: at for van in said if (at := _since(van)) is not None and at < now}
    calls = told_store.depot_calls(cur, list(since), min(since.values())) if since else {}
    out = {}
    for van in said:
        vehicle, full_m = van.vehicle_id, van.terms.full_range_m or van.terms.range_m or 0
        left_m, begins = van.terms.range_m or 0, since.get(vehicle)
        if begins is not None:
            if (charged := _charged(calls, vehicle, begins)) is not None:
                left_m, begins = full_m, charged
            drove_m = round(driven(cur, fleet_id, [vehicle], begins, now)[vehicle].driven_m)
            left_m = left(left_m, full_m, drove_m)
        out[vehicle] = left_m
    return out


def left(range_m: int, full_m: int, drove_m: int) -> int:
    """What is left of a range after some driving. Who drove further than it reached has charged, though nobody said so: when it was
    empty, for all that is known."""
    over_m = drove_m - range_m
    return -over_m if over_m <= 0 or full_m <= 0 else full_m - over_m % full_m


def _since(van: Electric) -> datetime | None:
    told_at = van.terms.range_as_of
    return told_at if told_at is not None and told_at >= van.not_before else van.began


def _charged(calls: Mapping[str, Sequence[DepotCalled]], vehicle: str, since: datetime) -> datetime | None:
    """When the driver last ended a charge; one without a date cannot be counted from."""
    return max(
        (call.at for call in calls.get(vehicle, ()) if call.event == "charged" and call.at is not None and call.at >= since), default=None
    )
