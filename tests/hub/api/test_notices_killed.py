"""Never twice, and never silently not at all: the notify role as a process of its own, ended by SIGKILL at the worst instants.

The mail server and the webhook are real ones on loopback; they kill their own client: between taking a mail and saying so, after saying
so and before the client has marked it, and between taking a call and answering it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.hub.api.mailbox import SECRET, Hook, Mailbox, open_shop, outbox

from roundsman_hub.clock import Clock
from roundsman_hub.notify import sending
from roundsman_hub.settings import BrokerLogin, Endpoint, Settings
from roundsman_hub.store.db import Database

WITHIN_S = 60.0


@pytest.fixture
def start(plain_database: Database, clock: Clock, tmp_path: Path) -> Callable[[], Any]:
    """A context: `roundsman-hub notify` as a process on the test's database, for as long as the block lasts or it lives."""
    nowhere = Endpoint(host="127.0.0.1", port=1)
    Settings(
        data_dir=tmp_path,
        database_url=plain_database.dsn,
        hub_broker=BrokerLogin(host="127.0.0.1", port=1, username="", password=""),
        vans_broker=nowhere,
        api=nowhere,
        time_base=clock.base,
    ).save()

    @contextmanager
    def running() -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen([sys.executable, "-m", "roundsman_hub", "notify", "--data", str(tmp_path)]) as process:
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    return running


def until(what: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + WITHIN_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def killing(process: subprocess.Popen[bytes]) -> Callable[[], None]:
    return lambda: os.kill(process.pid, signal.SIGKILL)


def later(shop: Any, clock: Clock) -> None:
    """More time goes by than any sending takes."""
    with shop.db.transaction() as cur:
        long_ago = clock.real_now() - sending.IN_DOUBT_AFTER * 2
        cur.execute("UPDATE outbox SET claimed_real_at = %s WHERE state = 'sending' AND fleet_id = %s", (long_ago, shop.fleet))


def states(shop: Any) -> list[str]:
    return sorted(notice["state"] for notice in outbox(shop))


@pytest.mark.parametrize("instant", ["taken", "left"])
def test_a_sender_that_is_killed_writes_no_letter_twice_and_loses_none(
    shop: Any, mailbox: Mailbox, clock: Clock, start: Any, instant: str
) -> None:
    """At most once by programs: what is in doubt waits for a person, who sees that it may have arrived. What waited behind it goes out."""
    first = open_shop(shop, mailbox)
    with shop.db.transaction() as cur:
        cur.execute("UPDATE recipients SET email = 'a@home.example' WHERE root_id = %s", (first["order"],))
    with start() as process:
        setattr(mailbox, instant, killing(process))
        assert process.wait(WITHIN_S) == -signal.SIGKILL
    setattr(mailbox, instant, lambda: None)
    assert [mail["To"] for mail in mailbox.mail] == ["a@home.example"]
    assert states(shop) == ["sending"]
    shop.resolve(first["van"], first["order"], "delivered", ago_s=120)  # the next letter to the same customer
    later(shop, clock)
    with start():
        until(lambda: states(shop) == ["dead", "sent"])
        assert [mail["X-Notice-Id"] for mail in mailbox.mail] == [notice["notice"] for notice in reversed(outbox(shop))]
        in_doubt = next(notice for notice in outbox(shop) if notice["state"] == "dead")
        assert in_doubt["last_error"].startswith("in doubt")
        assert shop.post("/v1/notices:replay", json={"notices": [in_doubt["notice"]]}).status_code == 200
        until(lambda: states(shop) == ["sent", "sent"])
    assert [mail["X-Notice-Id"] for mail in mailbox.mail].count(in_doubt["notice"]) == 2, "a person asked for it; it says which it is"


def test_what_the_killed_sender_had_not_begun_is_in_no_doubt(shop: Any, mailbox: Mailbox, clock: Clock, start: Any) -> None:
    """Three letters are due; the sender dies at the first."""
    open_shop(shop, mailbox)
    with shop.db.transaction() as cur:
        cur.execute("UPDATE vehicle_now SET duty = 'off' WHERE fleet_id = %s", (shop.fleet,))  # nothing new is worth telling
        for number in range(3):
            cur.execute(
                "INSERT INTO outbox (notice_id, fleet_id, key, kind, channel, address, subject, body, state, written_at, not_before,"
                " language) VALUES (%s, %s, %s, 'next', 'email', %s, 'Mill & Sons: next', 'You are next', 'waiting', %s, %s, 'en')",
                (f"n_{shop.fleet}{number}", shop.fleet, f"{shop.fleet}{number}", f"{number}@home.example", clock.now(), clock.now()),
            )
    with start() as process:
        mailbox.taken = killing(process)
        assert process.wait(WITHIN_S) == -signal.SIGKILL
    mailbox.taken = lambda: None
    assert states(shop) == ["sending", "waiting", "waiting"]
    later(shop, clock)
    with start():
        until(lambda: states(shop) == ["dead", "sent", "sent"])
    assert sorted(mail["To"] for mail in mailbox.mail) == ["0@home.example", "1@home.example", "2@home.example"]


def test_a_shop_that_was_called_as_the_sender_died_is_called_again_by_the_same_id(
    shop: Any, mailbox: Mailbox, hook: Hook, clock: Clock, start: Any
) -> None:
    """At least once: the shop knows a repeat by its `webhook-id`."""
    open_shop(
        shop,
        mailbox,
        webhook_url=hook.url,
        webhook_secret=SECRET,
        channels={"email": "mailto://127.0.0.1:9/{to}?mode=insecure"},
        channels_by_default=[],
    )
    with start() as process:
        hook.taken = killing(process)
        assert process.wait(WITHIN_S) == -signal.SIGKILL
    hook.taken = lambda: None
    assert len(hook.heard) == 1
    later(shop, clock)
    with start():
        until(lambda: states(shop) == ["sent"])
    assert len(hook.heard) == 2
    assert hook.heard[0] == hook.heard[1]
