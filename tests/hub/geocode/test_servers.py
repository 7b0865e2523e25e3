"""Nominatim and Photon: their answers in our words, and what happens while they are away."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from roundsman_core.geo import LatLon
from roundsman_hub.geocode import Ambiguous, Found, InTurn, Nominatim, Photon, Unknown, open_geocoder

Server = Callable[[object], str]


@pytest.fixture
def server() -> Iterator[Server]:
    """Function: document → URL of an HTTP server that answers every request with it."""
    servers: list[ThreadingHTTPServer] = []

    def serve(document: object) -> str:
        body = json.dumps(document).encode()

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
                pass

        made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"http://127.0.0.1:{made.server_port}"

    yield serve
    for made in servers:
        made.shutdown()
        made.server_close()


def house(lat: float, name: str = "1, Main Street", rank: int = 30) -> dict[str, object]:
    return {"lat": str(lat), "lon": "8.0", "display_name": name, "place_rank": rank}


def feature(lat: float, street: str, number: str) -> dict[str, object]:
    return {
        "geometry": {"type": "Point", "coordinates": [8.0, lat]},
        "properties": {"street": street, "housenumber": number, "postcode": "1234", "city": "Oberdorf"},
    }


def test_a_house_that_nominatim_knows_is_found(server: Server) -> None:
    geocoder = Nominatim(server([house(47.0)]))
    assert geocoder.find("1 Main Street") == Found(position=LatLon(47.0, 8.0), label="1, Main Street")
    geocoder.close()


def test_a_street_without_the_house_is_a_question(server: Server) -> None:
    geocoder = Nominatim(server([house(47.0, "Main Street", rank=26)]))
    answer = geocoder.find("99 Main Street")
    assert isinstance(answer, Ambiguous)
    assert "house number" in answer.reason
    geocoder.close()


def test_two_houses_far_apart_are_a_question(server: Server) -> None:
    geocoder = Nominatim(server([house(47.0), house(48.0)]))
    assert isinstance(geocoder.find("1 Main Street"), Ambiguous)
    geocoder.close()


def test_nothing_found_is_unknown(server: Server) -> None:
    geocoder = Nominatim(server([]))
    assert geocoder.find("1 Main Street") == Unknown(reason="no such address")
    geocoder.close()


def test_photon_finds_the_house_that_was_typed(server: Server) -> None:
    geocoder = Photon(server({"features": [feature(47.0, "Dorfstraße", "1"), feature(47.5, "Dorfgasse", "1")]}))
    assert geocoder.find("Dorfstr. 1") == Found(position=LatLon(47.0, 8.0), label="Dorfstraße 1, 1234 Oberdorf")
    geocoder.close()


def test_what_photon_finds_only_similar_is_a_question(server: Server) -> None:
    geocoder = Photon(server({"features": [feature(47.5, "Dorfgasse", "1")]}))
    assert isinstance(geocoder.find("Dorfstraße 1"), Ambiguous)
    geocoder.close()


@pytest.mark.parametrize("document", [{"error": "overloaded"}, [1, 2], "nonsense", [{"lat": "north", "lon": "8", "display_name": ""}]])
def test_a_server_that_answers_nonsense_makes_the_address_unknown_for_now(server: Server, document: object) -> None:
    for geocoder in (Nominatim(server(document)), Photon(server(document))):
        answer = geocoder.find("1 Main Street")
        assert isinstance(answer, Unknown)
        assert "gives no answer" in answer.reason
        geocoder.close()


def test_a_server_that_is_away_makes_the_address_unknown_for_now() -> None:
    geocoder = Nominatim("http://127.0.0.1:9")
    answer = geocoder.find("1 Main Street")
    assert isinstance(answer, Unknown)
    assert "gives no answer" in answer.reason
    geocoder.close()


def test_geocoders_are_asked_in_turn_until_one_knows(server: Server) -> None:
    vague = Nominatim(server([house(47.0), house(48.0)]))
    knows = Nominatim(server([house(47.0)]))
    nothing = Nominatim(server([]))
    assert isinstance(InTurn([nothing, vague, knows]).find("x 1"), Found)
    assert isinstance(InTurn([vague, nothing]).find("x 1"), Ambiguous)
    assert isinstance(InTurn([nothing]).find("x 1"), Unknown)
    InTurn([vague, knows, nothing]).close()


def test_without_any_geocoder_every_address_waits_for_a_person() -> None:
    answer = open_geocoder().find("1 Main Street")
    assert isinstance(answer, Unknown)
    assert "no geocoder is set up" in answer.reason
