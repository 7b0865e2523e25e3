"""What the hub says, in the language of whoever asks: problems by `Accept-Language`, reasons by code and parameters."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from roundsman_hub.domain import sentences


@pytest.mark.parametrize(
    ("asked", "language", "detail", "step"),
    [
        ("", "en", "no order 'o-1' in this fleet", "look it up with GET /v1/orders"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Bestellung 'o-1' gibt es in dieser Flotte nicht", "sehen Sie nach mit GET /v1/orders"),
        ("es", "es", "no hay pedido 'o-1' en esta flota", "búsquelo con GET /v1/orders"),
        ("pt;q=0.9,fr;q=0.8", "fr", "pas de commande 'o-1' dans cette flotte", "cherchez avec GET /v1/orders"),
    ],
)
def test_a_problem_is_told_in_the_readers_language_and_named_alike_in_all(
    shop: Any, asked: str, language: str, detail: str, step: str
) -> None:
    answer = shop.get("/v1/orders/o-1", headers={"Accept-Language": asked})
    problem = answer.json()
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    assert (problem["detail"], problem["next_step"]) == (detail, step)
    assert (problem["type"], problem["title"]) == ("urn:roundsman:problem:unknown-order", "unknown order")
    assert problem["said"] == [{"code": "no.thing", "params": {"noun": "order", "name": "'o-1'"}}]


@pytest.mark.parametrize(
    ("asked", "detail", "first"),
    [
        ("", "body.name: Input should be a valid string; body.parcels: Input should be greater than 0", "Input should be a valid string"),
        ("de", "body.name: muss ein Text sein; body.parcels: muss größer als 0 sein", "muss ein Text sein"),
        ("es", "body.name: debe ser un texto; body.parcels: debe ser mayor que 0", "debe ser un texto"),
        ("fr", "body.name : doit être un texte; body.parcels : doit être supérieur à 0", "doit être un texte"),
    ],
)
def test_what_is_wrong_with_a_field_is_told_in_the_readers_language(shop: Any, asked: str, detail: str, first: str) -> None:
    refused = shop.post("/v1/orders", json={"name": 7, "parcels": 0}, headers={"Accept-Language": asked})
    problem = refused.json()
    assert (refused.status_code, problem["detail"]) == (422, detail)
    assert problem["errors"][0] == {"field": "body.name", "detail": first}
    assert problem["said"][0] == {
        "code": "wrong.field",
        "params": {"field": "body.name", "complaint_said": [{"code": "wrong.text", "params": {}}]},
    }


def test_what_cannot_be_kept_so_is_told_in_the_readers_language(shop: Any) -> None:
    days = {"raw_days": 30, "track_days": 400, "fact_days": None, "visit_days": 40}
    refused = shop.put("/v1/retention", json=days, headers={"Accept-Language": "de"})
    assert (refused.status_code, "kämen Besuche wieder" in refused.json()["detail"]) == (422, True)


def test_why_an_order_waits_is_told_by_code_and_the_page_has_the_words(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order(address="Nowhere Lane 7")
    assert order["reason"] == "no such street on the map"
    (said,) = order["said"]
    words = shop.get("/v1/sentences", params={"language": "de"}).json()
    assert words["sentences"][said["code"]] == "keine solche Straße auf der Karte"
    assert words["sentences"].keys() == sentences.EN.keys()


def test_the_live_picture_carries_reasons_by_code(shop: Any) -> None:
    van = shop.van(shop.depot())
    order = shop.order(address="Nowhere Lane 7")
    shop.in_force(van, [])
    live = shop.get("/v1/live").json()
    (seen,) = [found for found in live["orders"] if found["order"] == order["order"]]
    assert seen["said"] == [{"code": "place.no_street", "params": {}}]
    (plan,) = [found for found in live["plans"] if found["vehicle"] == van]
    assert plan["said"] == [{"code": "", "params": {"text": "the first"}}]


@pytest.mark.parametrize(("lang", "words"), [("en", "Nobody there"), ("de", "Niemand da"), ("es", "No había nadie"), ("fr", "Personne")])
def test_a_customer_reads_in_their_language_why_it_failed(shop: Any, lang: str, words: str) -> None:
    van = shop.van(shop.depot())
    order = shop.order()
    shop.in_force(van, [order["order"]])
    shop.resolve(van, order["order"], "failed", ago_s=600, reason="nobody there")
    page = httpx.get(order["track_url"], params={"lang": lang}, trust_env=False)
    detail = re.search(r'<p id="detail">(.*?)</p>', page.text)
    assert detail is not None
    assert detail[1].startswith(words)


def test_a_form_that_cannot_be_carried_out_says_why_in_the_pages_language(shop: Any) -> None:
    shop.van(shop.depot())
    order = shop.order()
    asked = {"Accept": "application/json", "Accept-Language": "en"}
    answer = httpx.post(f"{order['track_url']}/place", data={"address": "Nowhere 1", "lang": "fr"}, headers=asked, trust_env=False)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:roundsman:problem:place"
    assert answer.json()["detail"] == "Nous ne trouvons pas cette adresse. Écrivez rue, numéro et ville."


@pytest.mark.parametrize(
    ("language", "lacks", "wrong"),
    [
        ("en", "Expected `array`, got `int` - at `$.tasks`", "task t: its windows are not in order"),
        ("de", "erwartet wird `array`, nicht `int`, bei `$.tasks`", "Aufgabe t: seine Zeitfenster sind nicht in ihrer Reihenfolge"),
        ("es", "se espera `array`, no `int`, en `$.tasks`", "tarea t: sus franjas no están en orden"),
        ("fr", "`array` est attendu, non `int`, à `$.tasks`", "tâche t : ses créneaux ne sont pas dans l’ordre"),
    ],
)
def test_what_is_wrong_with_a_problem_to_solve_is_told_in_the_readers_language(shop: Any, language: str, lacks: str, wrong: str) -> None:
    told = {"Accept-Language": language}
    problem: dict[str, Any] = {"format": "roundsman-problem/1", "origin_utc_s": 1_760_000_000, "vans": [], "tasks": 7}
    problem |= {"durations_s": [[0]], "distances_m": [[0]]}
    refused = shop.post("/v1/solve", json=problem, headers=told)
    assert (refused.status_code, refused.json()["detail"]) == (422, lacks)
    task = {"task": "t", "place": 0, "kind": "delivery", "load": [1], "service_s": 60, "windows_s": [[300, 400], [100, 200]]}
    answer = shop.post("/v1/solve?seconds=0", json=problem | {"tasks": [task]}, headers=told).json()
    assert answer["problems"][0]["detail"] == wrong
    assert wrong.endswith(answer["plan"]["unassigned"]["t"])
