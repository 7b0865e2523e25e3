"""The catalogue of the hub's own sentences against the sources that make them: nothing is missing in any language, nothing is unused.

As a translator's extractor would, the tests read the sources: whatever ends in a problem's detail or next step, in a reason to plan anew,
in a reason why nobody serves an order, or in what a plan changes.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ErrorType

import roundsman_hub
from roundsman_hub.api import problems
from roundsman_hub.domain import afterlife, care, sentences
from roundsman_hub.store.hand_store import OUT_WORDS

HUB: Final = Path(roundsman_hub.__file__).parent
ROOT: Final = HUB.parents[1]
GAP: Final = "\0"
CALLS: Final[dict[str, tuple[int | None, tuple[str, ...]]]] = {
    # callable: (which of its arguments is a sentence, and which keywords are)
    "Problem": (2, ("detail", "next_step")),
    "Refused": (1, ()),
    "Declined": (2, ()),
    "NotAllowed": (0, ()),
    "NotReady": (1, ()),
    "NoTrack": (0, ()),
    "Reason": (None, ("text",)),
    "bump": (2, ("reason",)),
    "_decided": (6, ()),
    "_ask": (5, ()),
    "_impossible": (0, ()),
    "BadLine": (None, ("detail",)),
    "Unknown": (None, ("reason",)),
    "Ambiguous": (None, ("reason",)),
    "Place": (None, ("reason",)),
    "Refusal": (2, ("detail", "next_step")),
    "CannotKeep": (0, ()),
    "ValueError": (0, ()),
    "BadProblem": (0, ()),
    "BadInstance": (0, ()),
}
SAYING: Final = {
    # functions that give sentences, and constants that are some
    "planning/explain.py": ("reason_unassigned", "_nobody_may", "HELD", "NOT_YET"),
    "planning/why.py": ("_standing",),
    "planning/spoken.py": (
        *("summed_up", "share", "left_out", "wrong", "without", "no_plan_for", "no_task", "NAMES", "NOTHING", "NOT_EVEN_SO", "HURRIED"),
    ),
    "planning/candidates.py": ("_refused", "at", "_told", "_broken_rule", "RULES"),
    "planning/evaluate.py": ("_account", "_forbidden"),
    "planning/lookups.py": ("broken_relations", "refusal"),
    "planning/soundness.py": ("_beyond", "_wrong_task", "_wrong_van", "sound"),
    "planning/diff.py": ("diff",),
    "replan/decide.py": ("FIRST", "ENDED", "DECLINED", "TOLD_AGAIN", "_reason", "_waits", "_changes", "_depot_stop", "_later"),
    "replan/consent.py": ("WAITS_FOR_APPROVAL", "PLANNING_IS_OFF"),
    "replan/telling.py": ("OFF_DEPOT", "OFF_ADDRESS"),
    "replan/spare.py": ("SURER", "better_in"),
    "replan/preview.py": ("bound",),
    "replan/story.py": ("_text",),
    "roads/role.py": ("_reason",),
    "domain/shifts.py": ("why_outside",),
    "domain/afterlife.py": ("why_not", "SAYS"),
    "api/problems.py": ("_of_http",),
    "api/windows.py": ("_NONE",),
    "api/orders_csv.py": ("_said",),
}
NO_SENTENCES: Final = re.compile(
    # what stands beside sentences in the same places: other programs' own words, joins, names, benches
    r"[\0 :;,.…()'/%→a-zHMY_-]{0,12}|\0: \0( …)?|\0 is \0|, \0 min (less|more) lateness|.*%[sd].*|[a-z]+_[a-z_]+"
)


def shapes(node: ast.AST, names: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """The texts that an expression can be, gaps for what is put in."""
    if isinstance(node, ast.Constant):
        yield node.value if isinstance(node.value, str) else GAP
    elif isinstance(node, ast.IfExp):
        yield from shapes(node.body, names, depth)
        yield from shapes(node.orelse, names, depth)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from shapes(value, names, depth)
    elif isinstance(node, ast.JoinedStr):
        parts = [
            [value.value] if isinstance(value, ast.Constant) else list(shapes(value.value, names, depth + 1))  # type: ignore[attr-defined]  # the other kind of part
            for value in node.values
        ]
        for chosen in itertools.product(*parts):
            yield "".join(map(str, chosen))
    elif isinstance(node, ast.BinOp):
        for left, right in itertools.product(shapes(node.left, names, depth), shapes(node.right, names, depth)):
            yield GAP if left == right == GAP else left + right  # a sum of numbers is one gap
    elif isinstance(node, ast.Name) and depth < 3 and (node.id in names or node.id in SHARED):
        for value in names.get(node.id) or SHARED[node.id]:
            yield from shapes(value, names, depth + 1)
    elif isinstance(node, ast.Subscript):
        yield from shapes(node.value, names, depth)
    elif isinstance(node, (ast.List, ast.Tuple)):
        for element in node.elts:
            yield from shapes(element, names, depth)
    else:
        yield GAP


SHARED: Final[dict[str, list[ast.expr]]] = {}
"""Constants that one file has from another, by name."""


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and isinstance(node.target, ast.Name) and node.value is not None:
            found.setdefault(node.target.id, []).append(node.value)
    return found


def _called(node: ast.Call) -> str:
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
    first = node.args[0] if node.args else None
    if name == "__init__" and isinstance(first, ast.Constant) and isinstance(first.value, int):
        return "Problem"  # a subclass says its own
    return name


def _of_calls(tree: ast.Module, file: str) -> Iterator[tuple[str, str]]:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    module = _constants(tree)
    for function in functions:
        names = module | _assigned(function)
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or (called := _called(node)) not in CALLS:
                continue
            if called == "ValueError" and not _is_model(file):
                continue
            at, keywords = CALLS[called]
            said = node.args[at : at + 1] if at is not None else []
            if called == "NotReady":
                said = node.args[1:]
            for argument in [*said, *(k.value for k in node.keywords if k.arg in keywords)]:
                for text in shapes(argument, names):
                    yield text, f"{file}:{node.lineno}"


def _is_model(file: str) -> bool:
    """Whether what is raised there is what pydantic tells of a field."""
    return file.startswith("api/") and file != "api/cursors.py"


def of_fields() -> Iterator[str]:
    """What can be wrong with a field: pydantic's own words where `COMPLAINTS` has none."""
    for said in problems.COMPLAINTS.values():
        yield re.sub(r"\{\w+\}", GAP, said)
    for kind in PYDANTICS:
        for count in (1, 3):
            known = dict.fromkeys(("min_length", "max_length", "gt", "ge", "lt", "le"), count) | {"pattern": "^a$"}
            yield PydanticKnownError(kind, known).message()


class _Sent(msgspec.Struct, forbid_unknown_fields=True):
    name: str


def of_files() -> Iterator[str]:
    """What msgspec says of a file that it cannot read."""
    sent: tuple[list[dict[str, Any]], ...] = ([{"name": 1}], [{}], [{"name": "", "more": 1}])
    for wrong in sent:
        try:
            msgspec.convert(wrong, list[_Sent])
        except msgspec.ValidationError as error:
            yield str(error)


PYDANTICS: Final[tuple[ErrorType, ...]] = (
    "missing", "extra_forbidden", "none_required", "list_type", "string_type", "string_too_short", "string_too_long",
    "string_pattern_mismatch", "finite_number", "greater_than", "greater_than_equal", "less_than", "less_than_equal",
)  # fmt: skip
"""Kinds of errors that are told in pydantic's own English."""
NOT_IN_JSON: Final = re.compile(
    # kinds that no model of the API can have: it has no such fields, or JSON no such values
    "no_such|json_type|needs_python|recursion|frozen|invalid_key|get_attribute|dataclass|named_tuple|default_factory|multiple_of|iter|"
    "string_not_ascii|ordered|counter|mapping|deque|tuple|set_|bytes|assertion|missing_|ellipsis|date_past|date_future|datetime_past|"
    "datetime_future|timezone_naive|timezone_offset|time_delta|is_|callable|union|arguments|unexpected|multiple_argument|url|uuid|"
    "decimal|fraction|complex"
)


def _of_saying(tree: ast.Module, file: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    module = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names:
            known = module | _assigned(node)
            wholes = [whole for whole in ast.walk(node) if isinstance(whole, ast.JoinedStr)]
            inside = {id(part) for whole in wholes for part in ast.walk(whole) if part is not whole}
            docs = {id(f.body[0].value) for f in ast.walk(node) if isinstance(f, ast.FunctionDef) and isinstance(f.body[0], ast.Expr)}
            for part in itertools.chain.from_iterable(map(ast.walk, node.body)):
                if isinstance(part, (ast.JoinedStr, ast.Constant)) and id(part) not in inside | docs:
                    for text in shapes(part, known):
                        yield text, f"{file}:{part.lineno}"
    for name in names:
        for value in module.get(name, ()):
            for one in value.values if isinstance(value, ast.Dict) else [value]:
                for text in shapes(one, module):
                    yield text, f"{file}:{one.lineno}"


def _constants(tree: ast.Module) -> dict[str, list[ast.expr]]:
    return _assigned(ast.Module(body=[line for line in tree.body if isinstance(line, (ast.Assign, ast.AnnAssign))], type_ignores=[]))


def made() -> dict[str, str]:
    """Every sentence that the sources make, by shape, with the line that makes it."""
    found: dict[str, str] = {}
    paths = {path.relative_to(HUB).as_posix(): path for path in sorted(HUB.rglob("*.py"))}
    trees = {
        file: ast.parse(path.read_text(encoding="utf-8"))
        for file, path in paths.items()
        if not file.startswith(("bench", "domain/sentences"))
    }
    SHARED.update(_constants(trees["replan/build.py"]))
    for file, tree in trees.items():
        for text, where in itertools.chain(_of_calls(tree, file), _of_saying(tree, file, SAYING.get(file, ()))):
            found.setdefault(text.replace("{}", GAP), where)
    at_the_door = (ROOT / "agent/roundsman_agent/screen/static/outcomes.js").read_text(encoding="utf-8")
    reasons = re.search(r"REASONS = \{(.*?)\};", at_the_door, re.DOTALL)
    assert reasons is not None
    found |= dict.fromkeys(of_fields(), "pydantic") | dict.fromkeys(of_files(), "msgspec")
    return found | dict.fromkeys(re.findall(r'"([^"]+)"', reasons[1]), "outcomes.js")


def shape(template: str) -> str:
    return re.sub(r"\{\w+\}", GAP, template)


def codes(text: str) -> set[str]:
    """The codes of all sentences of a text, of those inside others too."""
    found = set()
    for said in sentences.read(text):
        found.add(said.code)
        for name, value in said.params.items():
            if name.endswith("_said"):
                found |= codes(value) - {sentences.AS_SAID}
    return found


TERMS: Final = {code for code in sentences.EN if code.partition(".")[0] in sentences.TERMS}
SHAPES: Final[dict[str, set[str]]] = {}
"""Codes by what their texts look like: several look alike but for what their gaps may hold."""
for _code, _text in sentences.EN.items():
    if _code not in TERMS:
        SHAPES.setdefault(shape(_text), set()).add(_code)


def codes_of(text: str) -> set[str]:
    """The codes of a text that the sources make; AS_SAID among them where a part of it is not known."""
    if text in SHAPES:
        return SHAPES[text]
    text = f"{GAP}{text}" if text.startswith(". It ") else text  # the list before it
    found = codes(text.replace(GAP, "x1"))
    if sentences.AS_SAID in found:  # a gap may take only certain words
        for words in itertools.product(["x1", *(values[0] for values in sentences.TERMS.values())], repeat=min(3, text.count(GAP))):
            filled = iter(words)
            better = codes(re.sub(GAP, lambda _, filled=filled: next(filled, "x1"), text))  # type: ignore[misc]  # a lambda's default
            if sentences.AS_SAID not in better:
                return better
    return found


MADE: Final = made()


def test_every_sentence_that_the_hub_makes_is_in_the_catalogue() -> None:
    missing = {text: where for text, where in MADE.items() if not NO_SENTENCES.fullmatch(text) and sentences.AS_SAID in codes_of(text)}
    assert not missing, f"say them in domain/sentences in four languages: {missing}"


def test_nothing_in_the_catalogue_is_unused() -> None:
    said = set().union(*map(codes_of, MADE))
    unused = sorted(sentences.EN.keys() - TERMS - said)
    assert not unused


@pytest.mark.parametrize("language", sentences.LANGUAGES)
def test_every_language_has_the_same_sentences_with_the_same_parameters(language: str) -> None:
    table = sentences.LANGUAGES[language]
    assert table.keys() == sentences.EN.keys()
    differ = {code for code in table if sorted(sentences.gaps(table[code])) != sorted(sentences.gaps(sentences.EN[code]))}
    assert not differ
    assert not [code for code, text in table.items() if not text.strip() or "{" in re.sub(r"\{\w+\}", "", text)]


def test_every_value_that_is_told_in_words_has_its_words() -> None:
    """The tables of the domain are the values there can be."""
    terms = {name: set(values) for name, values in sentences.TERMS.items()}
    assert terms["choice"] == set(get_args(afterlife.Choice))
    assert {word.replace(" ", "_") for word in terms["event"]} >= set(get_args(afterlife.Fact))
    assert terms["case"] == set(care.TABLE)
    assert terms["out"] == set(OUT_WORDS.values())
    assert terms["mode"] == {"automatic", "ask", "off"}
    nouns = set(re.findall(r'not_found\(\s*"([^"]+)"', "".join(path.read_text(encoding="utf-8") for path in HUB.rglob("*.py"))))
    assert nouns
    assert not nouns - terms["noun"]
    assert sentences.AS_SAID not in set().union(*map(codes, afterlife.SAYS.values()))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), code=st.sampled_from([code for code in sentences.EN if code not in TERMS]))
def test_what_was_said_in_english_is_read_back(data: Any, code: str) -> None:
    """A sentence is kept in English: reading it gives the code and the parameters that it was made from."""
    names = dict.fromkeys(sentences.gaps(sentences.EN[code]))
    word = st.builds(str.__add__, st.sampled_from(["Kit", "Van", "B-", "Ö"]), st.text("aß7- é", max_size=6)).map(str.strip)
    params = {}
    for name in names:
        if name == "column":
            params[name] = data.draw(st.from_regex(r"[a-z_]{1,9}", fullmatch=True))
        elif name == "field":
            params[name] = f"body.{data.draw(st.from_regex(r'[a-z_]{1,9}([.][0-9])?', fullmatch=True))}"
        elif name in sentences.TERMS:
            params[name] = data.draw(st.sampled_from(sentences.TERMS[name]))
        elif name == "position":
            params[name] = str(data.draw(st.integers(1, 99)))
        else:
            params[name] = "no road reaches this address" if name.endswith("_said") else data.draw(word)
    text = sentences.EN[code].format(**params)
    (said,) = sentences.read(text)
    assert (said.code, dict(said.params)) == (code, params)


def test_every_kind_of_complaint_of_a_field_is_told() -> None:
    """A kind that a later pydantic brings is either told, or named here as one that no request can have."""
    kinds = set(get_args(ErrorType))
    told = set(PYDANTICS) | set(problems.COMPLAINTS)
    assert told <= kinds
    assert not {kind for kind in kinds - told if not NOT_IN_JSON.match(kind)}
    assert not {kind for kind in told if NOT_IN_JSON.match(kind)}


def test_what_is_wrong_with_fields_is_told_in_the_readers_language() -> None:
    text = "body.items.0.name: Field required; body.lat_deg: Input should be less than or equal to 90; …"
    assert sentences.told(text, "de") == "body.items.0.name: das Feld fehlt; body.lat_deg: darf höchstens 90 sein; …"
    assert sentences.told("a note: of my own", "de") == "a note: of my own"
    assert [one["code"] for one in sentences.plain("a note: of my own")] == [sentences.AS_SAID]


def test_a_story_is_told_whole_in_the_readers_language() -> None:
    text = (
        "Kit: taken from Van 1 (no van is free: other work fills every route); Bo: new for Van 2 as stop 3 (10:01)."
        " It saves 3.20, 5 min less lateness. Why: Van 1 is out: broken down; delivery B-7 ordered."
    )
    assert sentences.told(text, "de") == (
        "Kit: Van 1 abgenommen (kein Wagen ist frei: andere Aufträge füllen jede Tour); Bo: neu für Van 2 als Halt 3 (10:01)."
        " Das spart 3.20, 5 min weniger Verspätung. Grund: Van 1 fällt aus: Panne; Zustellung B-7 bestellt."
    )
    assert sentences.told(text, "en") == text
    assert sentences.plain(text)[0]["params"]["why_said"][0] == {"code": "plan.is_out", "params": {"name": "Van 1", "out": "broken down"}}


@pytest.mark.parametrize("only", [
    "Kit: new for Van 2 as stop 5 (10:54)", "Kit: new for Van 2 as stop 5", "Kit: taken from Van 1 (Van 1 is out: broken down)",
    "Kit: from Van 1 to Van 2, stop 5 (10:54)", "Kit: from Van 1 to Van 2, stop 5", "Kit: Van 2 stop 3 → 5 (10:54)",
    "Kit: Van 2 stop 3 → 5", "Kit: what Van 2 knows of it changed", "Kit: 10:50 → 10:54 (Van 2)", "only times change",
    "Kit: its position in Van 2 cannot be kept, the van can",
])  # fmt: skip
@pytest.mark.parametrize("price", ["It costs 4.71 more.", "It saves 4.71.", "It costs the same, 5 min more lateness."])
@pytest.mark.parametrize("why", ["delivery P-1 ordered", "as the chief wished"])
def test_a_plan_that_changes_one_thing_is_told_with_its_price_and_reason(only: str, price: str, why: str) -> None:
    """The change ends in no word of its own where it ends in a number: the price after it is not part of that. Also where the reason is
    a person's own words."""
    (whole,) = sentences.plain(f"{only}. {price} Why: {why}.")
    assert whole["code"].startswith("story.whole")
    assert whole["params"]["changes_said"] == sentences.plain(only)
    assert whole["params"]["changes_said"][0]["code"].startswith("story.")


def test_a_call_on_the_way_is_told_in_the_readers_language_wherever_its_name_stands() -> None:
    """A plan names it in English ("Charge: fast"), and says of it what it says of customers' stops."""
    assert sentences.told("Charge: fast", "fr") == "Charger la batterie : fast"
    text = "Added: Charge: fast as stop 3; Moved: Load again: North; east is now stop 2; Removed: Kit"
    assert sentences.told("Added: Charge: fast as stop 3", "de") == "Neu: Aufladen: fast als Halt 3"
    assert sentences.told("Moved: Load again: North is now stop 2", "es") == "Movido: Cargar de nuevo: North es ahora la parada 2"
    (added, *_) = sentences.plain(text)
    assert added["params"] == {"name": [{"code": "change.charge", "params": {"name": "fast"}}], "position": "3"}
    assert sentences.plain("Removed: Kit")[0]["params"] == {"name": "Kit"}


def test_a_persons_own_words_stay_as_they_were_said() -> None:
    assert sentences.told("the dog bit me; no road reaches this address", "fr") == "the dog bit me; aucune route ne mène à cette adresse"
    assert sentences.plain("the dog bit me") == [{"code": "", "params": {"text": "the dog bit me"}}]
