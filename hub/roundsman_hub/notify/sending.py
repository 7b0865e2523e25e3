"""Hands one notice over: to a mail, SMS, push or WhatsApp service through apprise, or to a shop's webhook, signed.

One notice at a time is claimed (committed as `sending`), handed over, and marked. What "never twice" means: two hubs never claim one
notice; and a hub that dies between handing over and marking leaves that one in doubt. A person's notice in doubt is not sent again by any
program (at most once): it waits among the dead letters, and a mail that a person sends again has the same `X-Notice-Id`. A webhook in
doubt is sent again under the same `webhook-id`, by which its receiver knows it (at least once).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import apprise
import httpx
from apprise.attachment.memory import AttachMemory
from standardwebhooks import Webhook

from roundsman_core.backoff import pause_s
from roundsman_hub import HubError
from roundsman_hub.clock import Clock
from roundsman_hub.notify.letter import Logo, letter, logo_of
from roundsman_hub.store import customer_store, outbox_store as store
from roundsman_hub.store.db import Database
from roundsman_hub.store.rows import Row

log = logging.getLogger(__name__)

TRIES: Final = 8
"""With the pauses between them, about an hour and a half: then a person should look."""
FIRST_PAUSE_S: Final = 20.0
LONGEST_PAUSE_S: Final = 1800.0
HOOK_WITHIN_S: Final = 10.0
IN_DOUBT_AFTER: Final = timedelta(minutes=5)
"""Nothing takes so long to hand over: whoever claimed it is dead."""
Send = Callable[[Row, Mapping[str, Any]], None]


class Refused(HubError):
    """It was not taken; trying again may help."""


def send(notice: Row, settings: Mapping[str, Any]) -> None:
    """Hand a notice over.

    Raises
    ------
    Refused
        It was not taken.
    """
    if notice["channel"] == "webhook":
        _hook(notice, settings)
    else:
        _person(notice, settings)


def _person(notice: Row, settings: Mapping[str, Any]) -> None:
    """Through apprise. The fleet's address of the service has a gap `{to}` for the recipient's."""
    template = settings.get("channels", {}).get(notice["channel"])
    if not template:
        raise Refused(f"the fleet has no account for {notice['channel']} any more")
    url = template.replace("{to}", quote(notice["address"], safe=""))
    body, form, attached = notice["body"], apprise.NotifyFormat.TEXT, None
    if notice["channel"] == "email":
        url += ("&" if "?" in url else "?") + f"format=html&inline=yes&+X-Notice-Id={notice['notice_id']}"
        logo = logo_of(settings)
        body, form = _letter(notice, settings, logo), apprise.NotifyFormat.HTML
        if logo is not None:
            held = AttachMemory(content=logo.data, name=logo.name, mimetype=logo.media_type)  # type: ignore[no-untyped-call]  # apprise
            attached = apprise.AppriseAttachment(held)
    service = apprise.Apprise()
    if not service.add(url):
        raise Refused(f"the fleet's address for {notice['channel']} is not one that apprise knows")
    if not service.notify(body=body, title=notice["subject"], body_format=form, attach=attached):
        raise Refused(f"the {notice['channel']} service did not take it")


def _letter(notice: Row, settings: Mapping[str, Any], logo: Logo | None) -> str:
    """In HTML, from which apprise makes the plain text beside it."""
    brand = notice["subject"].partition(": ")[0] if not settings.get("brand") else str(settings["brand"])
    return letter(notice["subject"], notice["body"], language=notice["language"], brand=brand, colour=settings.get("colour", ""), logo=logo)


def _hook(notice: Row, settings: Mapping[str, Any]) -> None:
    secret = settings.get("webhook_secret", "")
    body = notice["body"]
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "webhook-id": notice["notice_id"],
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(notice["notice_id"], now, body),
    }
    try:
        answer = httpx.post(
            notice["address"], content=body, headers=headers, timeout=HOOK_WITHIN_S, follow_redirects=False, trust_env=False
        )
    except httpx.HTTPError as error:
        raise Refused(f"the webhook did not answer: {error}") from error
    if not answer.is_success:
        raise Refused(f"the webhook answered {answer.status_code}")


def send_due(db: Database, clock: Clock, *, by: Send = send) -> bool:
    """Send the one that is due first; false where none is. One at a time: whoever dies leaves that one in doubt, and no other."""
    with db.transaction() as cur:
        webhooks, others = store.in_doubt(cur, clock.real_now(), older=IN_DOUBT_AFTER)
        notice = store.claim(cur, clock.now(), clock.real_now())
        settings = {} if notice is None else customer_store.settings(cur, notice["fleet_id"])
    if webhooks or others:
        log.warning("notices in doubt after an end in the middle: %d webhooks sent again, %d wait for a person", webhooks, others)
    if notice is None:
        return False
    try:
        by(notice, settings)
    except Refused as error:
        with db.transaction() as cur:
            if notice["tries"] >= TRIES:
                store.dead(cur, notice["notice_id"], str(error))
            else:
                pause = pause_s(notice["tries"], FIRST_PAUSE_S, LONGEST_PAUSE_S, random.random())
                store.again(cur, notice["notice_id"], str(error), clock.real_now() + timedelta(seconds=pause))
    else:
        with db.transaction() as cur:
            store.sent(cur, notice["notice_id"], clock.now())
    return True
