"""VROOM's plan mode in a process of its own, with limits on time and memory: `choose_ETA` is an integer program, and speaks on stdout."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

MEMORY_MB: Final = 4_096
"""Address space, as of the engines: 1,000 places and a route of 300 took 0.5 GB on two cores, most of it what numpy reserves a core."""
START_S: Final = 30.0
"""On top of the time that is given: starting takes 0.1 s of CPU, and far longer on a busy core."""
REFUSED: Final = 2
"""Exit code: what was sent is wrong, and stdout says why."""


class CheckRefused(Exception):
    """VROOM's own words on what is wrong with the request."""


class CheckFailed(Exception):
    """No answer: out of time or memory, or VROOM ended."""


def checked(body: Mapping[str, Any], budget_s: float) -> dict[str, Any]:
    """VROOM's answer to a request of `vroom_plan.given`.

    Raises
    ------
    CheckRefused, CheckFailed
        See there.
    """
    command = [sys.executable, "-m", __name__, str(MEMORY_MB)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(body).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=budget_s + START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CheckFailed(f"the times of these routes were not found in {budget_s + START_S:g} s") from None
    if done.returncode not in (0, REFUSED):
        raise CheckFailed(f"the process that finds the times ended (code {done.returncode})")
    answer: dict[str, Any] = json.loads(done.stdout)
    if done.returncode == REFUSED:
        raise CheckRefused(answer["error"])
    return answer


class _WithoutPandas(ModuleType):
    DataFrame = object


def main() -> int:
    """Read a request from stdin, and answer on stdout."""
    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # pyvroom has it for tables of routes that nobody asks for here; importing it takes three times as long as all the rest.
    sys.modules.setdefault("pandas", _WithoutPandas("pandas"))
    import vroom

    text = sys.stdin.read()
    problem = vroom.Input()
    try:
        problem._from_json(text, False)
        problem._distances = True
        found = problem.check().to_dict()
    except (vroom._vroom.VroomInputException, vroom._vroom.VroomInternalException) as error:
        print(json.dumps({"error": str(error)}))
        return REFUSED
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
