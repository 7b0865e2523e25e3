"""What is wrong with a request of VROOM's clients: its codes, its limits, and whose name is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

MOST: Final = {
    **{"tasks": 10_000, "vehicles": 2_000, "kinds of vehicle times tasks": 1_000_000},
    **{"places without a matrix": 3_000, "matrix cells of all profiles": 64_000_000},
}
"""What is planned at once. Each kind of vehicle has its own view of each stop, of 200 bytes.
Each profile, speed factor and price of driving is a matrix of its own, of 16 bytes a cell at first."""


class VroomError(ValueError):
    """VROOM's code 2: the input is not right, or asks for what is not known here."""


class TooLarge(VroomError):
    """VROOM's code 4, as vroom-express has it."""


@contextmanager
def named(kind: str, at: int, found: Any) -> Iterator[None]:
    """Whatever is of a wrong type there is told with its name."""
    who = f"{kind} {found['id']}" if isinstance(found, dict) and "id" in found else f"{kind}s[{at}]"
    try:
        yield
    except VroomError:
        raise
    except KeyError as error:
        raise VroomError(f"Invalid {who}: {error.args[0]} is missing.") from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise VroomError(f"Invalid {who}: {error}.") from error


def within(what: str, count: int) -> None:
    """Refuse more than is planned at once."""
    if count > MOST[what]:
        raise TooLarge(f"Too many {what} ({count}) in query, maximum is set to {MOST[what]}")
