"""What is no request at all, and files that are no problem: refused with words, at every door of the planner's and at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.hub.api.test_solving import problem

from roundsman_hub.__main__ import main

Shop = Any
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "cut off": json.dumps(problem()).encode()[:-200],
    "no text": b"\xff\xfe\x00{",
    "null": b"null",
    "a word": b'"problem"',
    "a list": b"[]",
    "no number": b'{"format": "roundsman-problem/1", "jobs": NaN}',
    "beyond numbers": b'{"vehicles": [{"id": 1e999, "start_index": 0}], "jobs": [{"id": 1, "location_index": 0}], "matrix": [[0]]}',
    "half a sign": b'{"vehicles": [{"id": 1, "start_index": 0, "description": "\\ud800"}], "jobs": [{"id": 1, "location_index": 0}]}',
    "a well without a bottom": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(("door", "status"), [("/v1/solve", 422), ("/v1/solve/candidates?task=t1", 422), ("/vroom", 400)])
def test_what_is_no_request_at_all_is_refused_with_words(shop: Shop, door: str, status: int, name: str) -> None:
    answer = shop.post(door, content=BODIES[name])
    assert answer.status_code == status, answer.text
    assert answer.json().get("detail") or answer.json()["error"]


@pytest.mark.parametrize(
    ("door", "most"),
    [
        ("/v1/solve", 40),
        ("/v1/solve/candidates?task=t", 40),
        ("/vroom", 40),
        ("/v1/orders:import", 64),
        ("/v1/orders", 64),
        ("/v1/whatif", 64),
    ],
)
def test_a_body_of_200_mb_is_not_read_to_its_end(shop: Shop, door: str, most: int) -> None:
    """Sent in pieces, so that nobody knows before how long it is; whoever sends it, also without a key, fills no memory with it."""
    millions = (b" " * 1_000_000 for _ in range(200))
    refused = shop.post(door, content=millions, headers={"Content-Type": "text/csv" if "import" in door else "application/json"})
    assert refused.status_code == 413, refused.text
    said = refused.json()
    assert said.get("detail", said.get("error")) == f"more than {most},000,000 bytes"


@pytest.mark.parametrize("name", [name for name in BODIES if name != "no text"])
def test_a_file_that_is_no_problem_is_refused_with_words(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "problem.json"
    file.write_bytes(BODIES[name])
    assert main(["solve", str(file), "--seconds", "0"]) == 1
    assert str(file) in capsys.readouterr().err


CUSTOMERS = "VEHICLE\nNUMBER CAPACITY\n{vans} {room}\nCUSTOMER\n0 0 0 0 0 200 0\n1 {x} 0 {load} 0 100 5\n{second} 20 0 4 0 100 5\n"
INSTANCES: dict[str, tuple[dict[str, object], int, str]] = {
    # of a Solomon file: what is wrong, the exit code (2: the rest is planned), and the words
    "a van for every atom": ({"vans": 10**15}, 0, "with 1 vans"),
    "a million kilometres": ({"x": 10**9}, 2, "wrong: task 1: no road reaches this address"),
    "beyond numbers": ({"x": "1e999"}, 2, "wrong: task 1: no road reaches this address"),
    "no number": ({"x": "nan"}, 2, "wrong: task 1: no road reaches this address"),
    "load of infinity": ({"load": "inf"}, 1, "this looked like an instance, but"),
    "room of infinity": ({"room": "inf"}, 1, "this looked like an instance, but"),
    "no vans": ({"vans": 0}, 1, "0 vans of capacity"),
    "room below nothing": ({"room": -1}, 1, "vans of capacity -1"),
    "a customer twice": ({"second": 1}, 1, "task 1 is there 2 times"),
    "a load below nothing": ({"load": -4}, 2, "wrong: task 1: its load (-4,) is less than nothing"),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_that_cannot_be_is_told(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, code, words = INSTANCES[name]
    file = tmp_path / "instance.txt"
    file.write_text(CUSTOMERS.format(**({"vans": 2, "room": 10, "x": 10, "load": 4, "second": 2} | change)))
    assert main(["solve", str(file), "--seconds", "0", "--language", "en"]) == code
    said = capsys.readouterr()
    assert words in said.out + said.err


@pytest.mark.parametrize(
    "text",
    [
        *("VEHICLE\n", "VEHICLE\nNUMBER\n", "1 2 3\n1 2 3 4 5 6 7 8 9\nx\n", "DIMENSION: x", "DIMENSION: 5\nCAPACITY: 1\nEOF"),
        f"DIMENSION: {10**9}\nCAPACITY: 1\nEDGE_WEIGHT_TYPE: EXPLICIT\nEDGE_WEIGHT_FORMAT: LOWER_ROW\nEDGE_WEIGHT_SECTION\n1 2\n",
    ],
)
def test_a_file_that_only_looks_like_an_instance_is_refused_with_words(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "instance.txt"
    file.write_text(text)
    assert main(["solve", str(file), "--seconds", "0"]) == 1
    assert "this looked like an instance, but" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--seconds", "nan"], ["--seconds", "inf"], ["--seconds", "-1"], ["--processes", "0"], ["--seed", "-1"]])
def test_options_that_cannot_be_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["solve", "problem.json", *words])
    assert words[0] in capsys.readouterr().err
