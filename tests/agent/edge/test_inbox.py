"""What steers the van: only newer, only for this van, only by a key that it trusts; and whole after a power cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roundsman_agent.inbox import Inbox
from roundsman_wire.messages import Config, Sites

VEHICLE = "v_0123456789ab"


@pytest.fixture
def open_inbox(tmp_path: Path, hub: Any) -> Any:
    return lambda: Inbox(tmp_path / "inbox", vehicle=VEHICLE, keys=hub.keys)


def test_plan_survives_a_power_cut(open_inbox: Any, hub: Any) -> None:
    inbox = open_inbox()
    assert inbox.receive("plan", hub.seal(hub.plan(5, "o_1"))).verdict == "new"
    assert open_inbox().held.header.version == 5
    inbox.put_in_force()
    again = open_inbox()
    assert again.held is None
    assert again.plan.version == 5
    assert again.plan.stops[0].stop == "o_1"


def test_numbers_never_fall(open_inbox: Any, hub: Any) -> None:
    """Invariant 4."""
    inbox = open_inbox()
    inbox.receive("plan", hub.seal(hub.plan(7, "o_1")))
    inbox.put_in_force()
    older = inbox.receive("plan", hub.seal(hub.plan(6, "o_2")))
    same = inbox.receive("plan", hub.seal(hub.plan(7, "o_1")))
    other = inbox.receive("plan", hub.seal(hub.plan(7, "o_2")))
    assert (older.verdict, same.verdict, other.verdict) == ("older", "again", "refused")
    assert "same version" in other.reason
    assert inbox.plan.stops[0].stop == "o_1"
    assert open_inbox().receive("plan", hub.seal(hub.plan(6, "o_2"))).verdict == "older"


def test_documents_that_are_not_for_this_van_are_refused(open_inbox: Any, hub: Any) -> None:
    inbox = open_inbox()
    stranger = type(hub)()
    cases = {
        "another van's": hub.seal(hub.plan(1, "o_1", vehicle="v_ffffffffffff"), vehicle="v_ffffffffffff"),
        "a stranger's": stranger.seal(hub.plan(1, "o_1")),
        "sites as a plan": hub.seal(Sites(version=1, fences=()), kind="sites"),
        "noise": b"\x01\xff\xff" + bytes(200),
        "nothing": b"",
    }
    for what, data in cases.items():
        assert inbox.receive("plan", data).verdict == "refused", what
    assert inbox.plan is None


def test_new_key_comes_in_a_config_of_an_old_one_and_stays(open_inbox: Any, hub: Any) -> None:
    inbox = open_inbox()
    newer = type(hub)(key_id="k2")
    assert inbox.receive("plan", newer.seal(hub.plan(1, "o_1"))).verdict == "refused"
    keys = {"k2": newer.keys["k2"].hex(), "broken": "zz"}
    assert inbox.receive("config", hub.seal(Config(version=1, trusted_keys=keys), kind="config")).verdict == "new"
    assert inbox.receive("plan", newer.seal(hub.plan(1, "o_1"))).verdict == "new"
    # The next config is signed by the new key alone: after a restart it must still be believed.
    assert inbox.receive("config", newer.seal(Config(version=2), kind="config")).verdict == "new"
    again = open_inbox()
    assert again.config.version == 2
    assert not again.damaged


def test_damaged_file_is_noticed_by_its_seal(open_inbox: Any, hub: Any, tmp_path: Path) -> None:
    inbox = open_inbox()
    inbox.receive("plan", hub.seal(hub.plan(3, "o_1")))
    inbox.put_in_force()
    file = tmp_path / "inbox" / "plan.sealed"
    data = bytearray(file.read_bytes())
    data[60] ^= 1
    file.write_bytes(data)
    again = open_inbox()
    assert again.plan is None
    assert again.damaged
    assert again.receive("plan", hub.seal(hub.plan(3, "o_1"))).verdict == "new"
