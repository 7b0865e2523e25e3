"""Planning from the command line, checked by a reader of instances that shares nothing with the planner."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roundsman_hub.__main__ import main
from roundsman_hub.planning.instances import parse
from roundsman_hub.planning.portable import plan_from_json, problem_to_json
from roundsman_hub.planning.spoken import NAMES
from roundsman_hub.planning.why import CONSTRAINTS

DATA = Path(__file__).parents[4] / "shared" / "data" / "vrp"
SMALL = """SMALL

VEHICLE
NUMBER     CAPACITY
  3          10

CUSTOMER
CUST NO.  XCOORD.   YCOORD.    DEMAND   READY TIME  DUE DATE   SERVICE TIME

    0      0         0          0          0       200          0
    1     10         0          4          0       100          5
    2     20         0          4         30        60          5
    3      0        10          4          0        15          5
    4      0        20          4         10       100          5
"""
PAIRS = """2 10 1
0 0 0 0 0 200 0 0 0
1 10 0 4 0 100 5 0 2
2 20 0 -4 30 60 5 1 0
3 0 10 4 0 15 5 0 4
4 0 20 -4 10 100 5 3 0
"""


def checked(text: str, routes: list[list[str]]) -> float:
    """Real-numbered length of routes over an instance's own text, every rule of it checked on the way."""
    lines = [[float(word) for word in line.split()] for line in text.splitlines() if re.match(r"^\s*\d[\d\s.-]*$", line)]
    pairs = len(lines[0]) == 3
    rows = {int(row[0]): row for row in lines[1:]}
    most, capacity = lines[0][0], lines[0][1]
    assert len(routes) <= most
    assert sorted(int(step) for route in routes for step in route) == sorted(number for number in rows if number)
    total = 0.0
    for route in routes:
        numbers = [int(step) for step in route]
        clock, at = 0.0, rows[0]
        load = 0.0 if pairs else sum(rows[number][3] for number in numbers)
        for number in numbers:
            row = rows[number]
            leg = math.hypot(row[1] - at[1], row[2] - at[2])
            total, clock = total + leg, max(clock + leg, row[4])
            assert clock <= row[5] + 0.01 * len(route), f"{number} at {clock}, after {row[5]}"
            load += row[3] if pairs else -row[3]
            assert -1e-9 <= load <= capacity
            if pairs and row[7]:
                assert numbers.index(int(row[7])) < numbers.index(number)
            clock, at = clock + row[6], row
        home = math.hypot(at[1] - rows[0][1], at[2] - rows[0][2])
        total, clock = total + home, clock + home
        assert clock <= rows[0][5] + 0.01 * (len(route) + 1)
    return total


@pytest.mark.parametrize("text", [SMALL, PAIRS], ids=["solomon", "li_lim"])
def test_an_instance_is_solved_and_an_independent_reader_confirms_it(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plan = tmp_path / "small.txt", tmp_path / "plan.json"
    file.write_text(text)
    assert main(["solve", str(file), "--seconds", "0", "--json", "--out", str(plan)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert not said["unassigned"]
    assert said["vehicles"] == len(said["routes"])
    length = checked(text, list(said["routes"].values()))
    assert said["cost"] == pytest.approx(length, abs=0.01 * 12)
    assert said["bound_cents"] <= said["cost_cents"]
    assert {van: list(route) for van, route in plan_from_json(plan.read_bytes()).routes.items() if route} == said["routes"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the published instances are not beside the project")
@pytest.mark.parametrize("name", ["vrptw/R112.txt", "vrptw/r1_2_5.txt", "pdptw/lr104.txt"])
def test_published_instances_are_searched_and_confirmed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", str(DATA / name), "--seconds", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert not said["unassigned"]
    length = checked((DATA / name).read_text(), list(said["routes"].values()))
    assert said["cost"] == pytest.approx(length, rel=0.001)


def test_a_problem_saved_from_elsewhere_is_solved_drawn_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A van too few for everything: what is left out is explained with a price, and the picture needs nothing from outside."""
    text = SMALL.replace("  3          10", "  1          10")
    problem, plan, html = tmp_path / "problem.json", tmp_path / "plan.json", tmp_path / "page.html"
    problem.write_bytes(problem_to_json(parse(text)))
    assert main(["solve", str(problem), "--seconds", "0", "--out", str(plan)]) == 0
    assert "left out" in capsys.readouterr().out
    for extra in ([], ["--problem", str(problem)]):
        assert main(["plot", str(plan), "--out", str(html), *extra]) == 0
        drawn = html.read_text()
        assert drawn.count("<svg") >= 3
        assert not re.search(r"https?://|src=|href=|@import|url\(", drawn)
    capsys.readouterr()
    assert main(["explain", str(problem), "--plan", str(plan), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told
    assert any(one["constraints"] == ["capacity"] or one["constraints"] == ["number of vans"] for t in told for one in t["relaxations"])
    assert all(one["price_cents"] > 0 for t in told for one in t["relaxations"])
    assert not any(one["searched"] for t in told for one in t["relaxations"])
    task = told[0]["task"]
    assert main(["explain", str(problem), "--plan", str(plan), "--task", task, "--resolve", "3", "--progress", "--json"]) == 0
    said = capsys.readouterr()
    (anew,) = json.loads(said.out)
    mended = {tuple(one["constraints"]): one["price_cents"] for one in told[0]["relaxations"]}
    assert any(one["searched"] for one in anew["relaxations"])
    assert all(one["price_cents"] <= mended.get(tuple(one["constraints"]), one["price_cents"]) for one in anew["relaxations"])
    assert re.search(rf"s  {task} without (capacity|number of vans): [\d.,]+ more", said.err), said.err


TRUCKS = """NAME : eight
TYPE : CVRP
DIMENSION : 9
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 10 0
3 10 5
4 12 -3
5 -10 0
6 -12 4
7 0 20
8 3 22
9 -2 -15
DEMAND_SECTION
1 0
2 3
3 3
4 3
5 5
6 5
7 4
8 4
9 6
DEPOT_SECTION
1
-1
EOF
"""


def test_a_vrplib_file_is_solved_with_progress_and_an_independent_reader_confirms_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whole numbers of distance, as VRPLIB rounds them; and the terminal is told bound, best and routes."""
    file = tmp_path / "eight.vrp"
    file.write_text(TRUCKS)
    assert main(["solve", str(file), "--seconds", "1", "--json", "--progress"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    lines = [line.split() for line in TRUCKS.splitlines()]
    at, coords, demands = lines.index(["DEMAND_SECTION"]), lines.index(["NODE_COORD_SECTION"]), {}
    places = {words[0]: (float(words[1]), float(words[2])) for words in lines[coords + 1 : at]}
    demands = {words[0]: int(words[1]) for words in lines[at + 1 : at + 1 + len(places)]}
    served = [stop for route in found["routes"].values() for stop in route]
    names = {stop: re.sub(r"\D", "", stop) for stop in served}
    assert sorted(names.values()) == sorted(places.keys() - {"1"})
    length = 0
    for route in found["routes"].values():
        assert sum(demands[names[stop]] for stop in route) <= 10
        way = [places["1"], *(places[names[stop]] for stop in route), places["1"]]
        length += sum(math.floor(math.dist(a, b) + 0.5) for a, b in itertools.pairwise(way))
    assert found["cost"] == length
    told = re.findall(r"^ +[\d.]+ s  bound ([\d.,]+)  best ([\d.,]+)  (\d+) routes", said.err, re.MULTILINE)
    assert told, said.err
    numbers = [[float(word.replace(",", "")) for word in line] for line in told]
    assert all(bound <= best for bound, best, _ in numbers)
    assert numbers[-1][2] == len(found["routes"])


def test_a_warm_plan_is_never_made_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plan = tmp_path / "small.txt", tmp_path / "plan.json"
    file.write_text(SMALL)
    main(["solve", str(file), "--seconds", "1", "--json", "--out", str(plan)])
    first = json.loads(capsys.readouterr().out)["cost"]
    main(["solve", str(file), "--seconds", "0", "--json", "--warm", str(plan)])
    assert json.loads(capsys.readouterr().out)["cost"] <= first


@pytest.mark.parametrize("text", ["", "nothing of the kind", '{"format": "x"}', "VEHICLE\nNUMBER\n1 2\n1 2 3"])
def test_a_file_that_is_none_of_the_forms_is_refused_in_one_sentence(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.txt"
    file.write_text(text)
    assert main(["solve", str(file)]) == 1
    assert "odd.txt" in capsys.readouterr().err


# ── in the reader's language ─────────────────────────────────────────────────────────────────────────────────────────

LEFT_OUT = {
    "en": "left out: t2: no van has the skill crane",
    "de": "bleibt weg: t2: kein Wagen hat die Fähigkeit crane",
    "es": "queda fuera: t2: ninguna furgoneta tiene la capacidad crane",
    "fr": "laissée de côté : t2 : aucun fourgon n'a la compétence crane",
}


def with_a_crane(tmp_path: Path) -> tuple[Path, Path]:
    """A problem of which one task needs what nobody has and another is none, and where its plan goes."""
    body = json.loads(problem_to_json(parse(SMALL)))
    for task in body["tasks"]:
        task["task"] = f"t{task['task']}"
    body["tasks"][1]["skills"] = ["crane"]
    body["tasks"][2]["load"] = [-4]
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(body))
    return file, tmp_path / "plan.json"


def speaks(monkeypatch: pytest.MonkeyPatch, **locale: str) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, said in locale.items():
        monkeypatch.setenv(name, said)


@pytest.mark.parametrize("language", LEFT_OUT)
def test_reasons_are_told_in_the_language_that_was_asked_for(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks(monkeypatch, LANG="it_IT.UTF-8")
    file, plan = with_a_crane(tmp_path)
    assert main(["solve", str(file), "--seconds", "0", "--out", str(plan), "--language", language]) == 2
    said = capsys.readouterr()
    assert LEFT_OUT[language] in said.out.splitlines()
    assert ("wrong: task t3: its load (-4,) is less than nothing" in said.err) == (language == "en")
    assert main(["explain", str(file), "--plan", str(plan), "--task", "t2", "--language", language]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == f"t2: {LEFT_OUT[language].split('t2', 1)[1].lstrip(' :')}"
    without = {"en": "  without skills that it needs: ", "de": "  ohne Fähigkeiten, die er braucht: "}
    without |= {"es": "  sin capacidades que exige: ", "fr": "  sans compétences requises : "}
    assert second.startswith(without[language]), second


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ({"LANG": "de_DE.UTF-8"}, "bleibt weg: t2"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR"}, "laissée de côté : t2"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR", "LC_ALL": "C.UTF-8"}, "left out: t2"),
        ({"LANG": "de_AT", "LC_ALL": ""}, "bleibt weg: t2"),
        ({}, "left out: t2"),
        ({"LANG": "xx_YY"}, "left out: t2"),
    ],
)
def test_else_they_are_told_in_the_locale_s(
    locale: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks(monkeypatch, **locale)
    file, _ = with_a_crane(tmp_path)
    main(["solve", str(file), "--seconds", "0"])
    assert words in capsys.readouterr().out


def test_what_programs_read_is_english_unless_they_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speaks(monkeypatch, LANG="de_DE.UTF-8")
    file, plan = with_a_crane(tmp_path)
    for asked, reason, wrong in (
        ([], "no van has the skill crane", "its load (-4,) is less than nothing"),
        (["--language", "de"], "kein Wagen hat die Fähigkeit crane", "seine Last (-4,) ist weniger als nichts"),
    ):
        main(["solve", str(file), "--seconds", "0", "--json", "--out", str(plan), *asked])
        said = json.loads(capsys.readouterr().out)
        assert (said["unassigned"]["t2"], said["wrong"]) == (reason, {"task t3": wrong})
        main(["explain", str(file), "--plan", str(plan), "--json", "--task", "t2", *asked])
        assert json.loads(capsys.readouterr().out)[0]["reason"] == reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "das ist kein JSON"),
        ('{"format": "roundsman-problem/1", "colour": 1}', "unbekanntes Feld"),
        (
            "NAME : x\nDIMENSION : 2\nCAPACITY : 1\nEDGE_WEIGHT_TYPE : GEO\n",
            "das sah nach einer Instanz aus, aber: EDGE_WEIGHT_TYPE GEO wird",
        ),
        ("hello", "weder eine Datei von Solomon"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_that_language(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.txt"
    file.write_text(text)
    assert main(["solve", str(file), "--language", "de"]) == 1
    assert words in capsys.readouterr().err


def test_every_constraint_that_could_give_way_has_a_name_for_people() -> None:
    assert NAMES.keys() == CONSTRAINTS.keys()
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plan: plan["verdict"]["routes"]["v1"][0].update(arrival_s=10**18), "beyond 100 days"),
        (lambda plan: plan["verdict"]["back_s"].update(v1=-(10**18)), "beyond 100 days"),
        (lambda plan: plan.update(origin_utc_s=10**18), f"origin_utc_s is {10**18}"),
        (lambda plan: plan.update(timezone="Atlantis"), "no time zone Atlantis"),
        (lambda plan: plan["verdict"]["routes"]["v1"][0].update(load_after=[1, 2]), "different dimensions"),
    ],
)
def test_a_plan_of_no_day_is_refused_instead_of_drawn(
    change: Callable[[dict[str, Any]], None], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An axis of 10¹⁸ seconds would have so many marks that drawing it never ends."""
    file, plan = tmp_path / "small.txt", tmp_path / "plan.json"
    file.write_text(SMALL)
    main(["solve", str(file), "--seconds", "0", "--out", str(plan)])
    body = json.loads(plan.read_text())
    change(body)
    plan.write_text(json.dumps(body))
    assert main(["plot", str(plan)]) == 1
    assert words in capsys.readouterr().err
