"""The address book: found, ambiguous or unknown, and never a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import osmium
import pytest
from hypothesis import given, strategies as st

from roundsman_core.geo import LatLon, distance_m
from roundsman_hub.geocode import AddressBook, Ambiguous, Found, Unknown
from roundsman_hub.geocode.addresses import Address
from roundsman_hub.geocode.answers import SAME_PLACE_M

Book = Callable[[str], AddressBook]


def address(street: str, number: str, lat_deg: float, city: str = "Oberdorf", postcode: str = "1234") -> tuple[list[str], str, Address]:
    place = LatLon(lat_deg, 8.0)
    return [street], number, Address(position=place, street=street, number=number, postcode=postcode, city=city)


@pytest.fixture
def villages() -> AddressBook:
    return AddressBook(
        [
            address("Dorfstraße", "1", 47.0),
            address("Dorfstraße", "3-7", 47.001),
            address("Dorfstraße", "1", 47.1, city="Unterdorf", postcode="5678"),
            address("Mühle-Weg", "2a; 2b", 47.002),
            address("Kirchplatz", "9", 47.003),
            address("Kirchplatz", "9", 47.0031),  # two shops at one address
            address("North Ferry Street", "12", 47.004),
        ]
    )


@pytest.mark.parametrize(
    "text",
    [
        "Dorfstraße 1, 1234 Oberdorf",
        "dorfstrasse 1 oberdorf",
        "Dorfstr. 1, Oberdorf",
        "1 Dorfstrasse, Oberdorf",
        "Familie Muster, Dorfstraße 1, 1234",
    ],
)
def test_one_address_in_many_spellings(villages: AddressBook, text: str) -> None:
    answer = villages.find(text)
    assert isinstance(answer, Found)
    assert answer.position.lat_deg == 47.0


@pytest.mark.parametrize("text", ["Muhleweg 2B", "Mühle Weg 2 b", "Dorfstrasse 5", "12 N Ferry St", "Kirchplatz 9"])
def test_ranges_letters_abbreviations_and_shops_of_one_house(villages: AddressBook, text: str) -> None:
    assert isinstance(villages.find(text), Found)


def test_the_same_address_in_two_villages_is_a_question(villages: AddressBook) -> None:
    answer = villages.find("Dorfstraße 1")
    assert isinstance(answer, Ambiguous)
    assert [candidate.label for candidate in answer.candidates] == ["Dorfstraße 1, 1234 Oberdorf", "Dorfstraße 1, 5678 Unterdorf"]


def test_an_address_in_a_town_that_the_map_does_not_show_is_a_question(villages: AddressBook) -> None:
    answer = villages.find("Kirchplatz 9, Weitweg")
    assert isinstance(answer, Ambiguous)
    assert "not in weitweg" in answer.reason


def test_an_address_that_only_the_other_village_has_is_a_question(villages: AddressBook) -> None:
    assert isinstance(villages.find("Kirchplatz 9, Unterdorf"), Ambiguous)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Dorfstraße 99", "Dorfstraße has no number 99 on the map; nearest is 7"),
        ("Kirchplaz 9", "no such street on the map; Kirchplatz is similar"),
        ("Am Hafen 3", "no such street on the map"),
        ("Kirchplatz", "no house number in the address"),
        ("", "no house number in the address"),
    ],
)
def test_what_is_not_on_the_map_is_told_with_what_is_near(villages: AddressBook, text: str, reason: str) -> None:
    answer = villages.find(text)
    assert isinstance(answer, Unknown)
    assert answer.reason == reason


@given(text=st.text(max_size=80))
def test_any_text_has_an_answer(text: str) -> None:
    book = AddressBook([address("Dorfstraße", "1", 47.0)])
    assert isinstance(book.find(text), Found | Ambiguous | Unknown)


def test_an_address_without_a_city_belongs_to_the_nearest_village(tmp_path: Path) -> None:
    path = tmp_path / "two.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for index, (name, lat) in enumerate((("Oberdorf", 47.0), ("Unterdorf", 47.1))):
            tags = {"place": "village", "name": name}
            writer.add_node(osmium.osm.mutable.Node(id=1 + index, location=(8.0, lat), tags=tags, version=1))
        tags = {"addr:street": "Gasse", "addr:housenumber": "4"}
        writer.add_node(osmium.osm.mutable.Node(id=10, location=(8.0, 47.09), tags=tags, version=1))
        for index, (lon, lat) in enumerate(((8.0, 47.0), (8.002, 47.0), (8.002, 47.001))):
            writer.add_node(osmium.osm.mutable.Node(id=20 + index, location=(lon, lat), version=1))
        tags = {"building": "yes", "addr:street": "Ring", "addr:housenumber": "5"}
        writer.add_way(osmium.osm.mutable.Way(id=1, nodes=[20, 21, 22, 20], tags=tags, version=1))
    book = AddressBook.from_osm(path)
    assert [found.label for found in book.addresses()] == ["Gasse 4, Unterdorf", "Ring 5, Oberdorf"]
    ring = book.find("ring 5")
    assert isinstance(ring, Found)
    assert distance_m(ring.position, LatLon(47.0005, 8.001)) < 1


@pytest.mark.parametrize("town", ["helsinki", "baltimore", "liechtenstein"])
def test_a_real_towns_own_addresses_are_found_where_they_are(book: Book, town: str) -> None:
    """99 % are found; none of them elsewhere."""
    addresses = book(town).addresses()
    found = 0
    for wanted in addresses:
        answer = book(town).find(wanted.label)
        if isinstance(answer, Found):
            found += 1
            assert distance_m(answer.position, wanted.position) <= 2 * SAME_PLACE_M, wanted.label
    assert len(addresses) > 900
    assert found >= 0.99 * len(addresses)


@pytest.mark.parametrize(
    ("town", "text", "label"),
    [
        ("helsinki", "kaivokatu 1", "Kaivokatu 1, 00100 Helsinki"),
        ("helsinki", "Mikonkatu 18 B 12, Helsinki", "Mikonkatu 18, 00100 Helsinki"),
        ("baltimore", "2120 E Fairmount Ave, Baltimore, MD 21231", "East Fairmount Avenue 2120, 21231 Baltimore"),
        ("baltimore", "615 N. Wolfe St.", "North Wolfe Street 615, 21205 Baltimore"),
        ("baltimore", "226½ Cleveland Ave", "Cleveland Avenue 226 1/2, 21222 Dundalk"),
        ("liechtenstein", "Stadtle 43 9490 vaduz", "Städtle 43, 9490 Vaduz"),
        ("liechtenstein", "Josef-Murr-Weg 4, Mauren", "Josef Murr Weg 4, 9493 Mauren"),
    ],
)
def test_addresses_as_people_write_them(book: Book, town: str, text: str, label: str) -> None:
    answer = book(town).find(text)
    assert isinstance(answer, Found)
    assert answer.label == label
