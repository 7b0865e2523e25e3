"""Orders from a file: good lines are taken, every bad line is reported."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from roundsman_hub.api.models import NewOrder
from roundsman_hub.api.orders_csv import parse
from roundsman_hub.api.problems import Problem

HEADER = "reference,name,address,window_start,window_end,parcels\n"
WINDOW = "2026-03-02 14:00,2026-03-02 16:00"


def send(shop: Any, text: str | bytes) -> Any:
    return shop.post("/v1/orders:import", content=text, headers={"Content-Type": "text/csv"})


def test_good_lines_are_taken_and_every_bad_line_is_reported(shop: Any) -> None:
    shop.van(shop.depot())
    file = (
        HEADER
        + f"A1,Ann,Mill Street 4,{WINDOW},2\n"
        + f"A2,Bo,Mill Street 4,{WINDOW},none\n"
        + f"A3,Cy,Mill Street 4, Back Door,{WINDOW},1\n"
        + "A4,Di,Mill Street 4,tomorrow,2026-03-02 16:00,1\n"
        + f'A5,"Eve ""E"" Lee","Church Lane 1,\nNewtown",{WINDOW},1\n'
        + f"A1,Flo,Mill Street 4,{WINDOW},1\n"
        + "\n"
        + "A7,Gus,Mill Street 4,2026-03-09 14:00,2026-03-09 16:00,1\n"
        + f"A8,Hal,,{WINDOW},1\n"
    )
    report = send(shop, file).json()
    assert (report["imported"], report["waiting_for_place"]) == (2, 1)
    assert [(bad["line"], bad["field"]) for bad in report["bad"]] == [
        (3, "parcels"),
        (4, "line"),
        (5, "window_start"),
        (8, "reference"),
        (10, "window_start"),
        (11, "line"),
    ]
    assert "'none'" in report["bad"][0]["detail"]
    assert "outside every shift" in report["bad"][4]["detail"]
    taken = {o["reference"]: o for o in shop.get("/v1/orders").json()["items"]}
    assert taken.keys() == {"A1", "A5"}
    assert taken["A1"]["window_start"] == "2026-03-02T12:00:00Z"  # the fleet's own time: Helsinki
    assert taken["A5"]["name"] == 'Eve "E" Lee'


def test_same_file_twice_takes_nothing_twice(shop: Any) -> None:
    depot = shop.depot()
    shop.van(depot)
    before = shop.revision(depot)
    file = "\ufeff" + HEADER.replace(",", ";") + f"A1;Ann;Mill Street 4;{WINDOW.replace(',', ';')};2\n"
    assert send(shop, file).json()["imported"] == 1
    again = send(shop, file).json()
    assert (again["imported"], again["bad"][0]["field"]) == (0, "reference")
    assert shop.revision(depot) == before + 1


@pytest.mark.parametrize(
    ("file", "status", "kind"),
    [
        (b"name,\xff\xfe\n", 422, "not-utf-8"),
        (b"", 422, "header-incomplete"),
        (b"name,address\nAnn,Mill Street\n", 422, "header-incomplete"),
        (b"x" * 5_000_001, 413, "file-too-large"),
    ],
)
def test_file_that_is_none_is_refused_whole(shop: Any, file: bytes, status: int, kind: str) -> None:
    answer = send(shop, file)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:roundsman:problem:{kind}")
    assert answer.json()["next_step"]


@given(st.text(max_size=300))
def test_any_text_is_orders_or_a_report_and_never_an_error(text: str) -> None:
    """Bad input that is expected is stepped over: nothing but `Problem` may come of it."""
    for file in (text, HEADER + text):
        try:
            lines = list(parse(file, ZoneInfo("UTC")))
        except Problem:
            continue
        for _, parsed in lines:
            assert isinstance(parsed, NewOrder) or (parsed and all(bad.detail for bad in parsed))


def test_an_order_without_a_window_gets_the_one_of_its_service_level(shop: Any) -> None:
    """It is Monday noon in Helsinki: in time for the same day, whose window begins an hour from now."""
    depot = shop.depot()
    shop.van(depot)
    levels = {"same-day": {"cut_off": "13:00", "working_days_later": 0}, "late": {"cut_off": "09:00", "working_days_later": 0}}
    for name, level in levels.items():
        assert shop.put(f"/v1/service-levels/{name}", json={**level, "window_start": "10:00", "window_end": "16:00"}).status_code == 200
    shown = shop.get("/v1/service-levels/same-day/window").json()
    report = send(shop, "reference,address,service_level\nA1,Mill Street 4,same-day\nA2,Mill Street 4,nightly\nA3,Mill Street 4,\n").json()
    assert (report["imported"], [(bad["line"], bad["field"]) for bad in report["bad"]]) == (1, [(3, "service_level"), (4, "line")])
    (taken,) = shop.get("/v1/orders").json()["items"]
    assert taken["window_end"] == shown["window_end"] == "2026-03-02T14:00:00Z"
    begins = [datetime.fromisoformat(one["window_start"]) for one in (shown, taken)]
    assert timedelta() <= begins[1] - begins[0] < timedelta(minutes=10), "an hour from the order; the clock goes on between the two"
    assert taken["needs"]["service_level"] == "same-day"
    given = {"address": "Mill Street 4", "needs": {"service_level": "same-day"}}
    kept = shop.post("/v1/orders", json={**given, "window_start": shop.at(hours=3), "window_end": shop.at(hours=5)}).json()
    assert kept["window_end"] > taken["window_end"]
    late = shop.post("/v1/orders", json={"address": "Mill Street 4", "needs": {"service_level": "late"}})
    assert late.json()["type"].endswith("outside-every-shift"), "after its cut-off it is for tomorrow, when no van drives"
    assert shop.post("/v1/orders", json={"address": "Mill Street 4", "window_start": shop.at()}).status_code == 422
