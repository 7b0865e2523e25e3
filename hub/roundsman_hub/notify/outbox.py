"""Writes notices down: whom to write to, through what, in which words. The same thing is never written down twice."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from roundsman_hub.domain import sentences
from roundsman_hub.domain.words import Words
from roundsman_hub.notify.matters import not_before
from roundsman_hub.store import customer_store, fleet as fleet_store, orders as order_store, outbox_store as store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

GAP: Final = re.compile(r"\{(\w+)\}")
GAPS: Final = frozenset({"day", "start", "end", "at", "reason", "case", "state", "brand"})
"""What a brand's own text may have gaps for."""
CHANNELS: Final = ("email", "sms", "push", "whatsapp")
_GROUP: Final = {"failed": "done", "unsure": "changed"}
"""What cannot be muted alone: who hears that it is done hears that it failed, who hears of another time hears that there is none."""


def tell_order(
    cur: Cursor, fleet: str, order: Row, kind: str, *, revision: str, at: datetime, fields: Mapping[str, Any], settings: Mapping[str, Any]
) -> int:
    """Write to an order's customer on each of their channels, and to the shop's webhook. Gives how many are new.

    Parameters
    ----------
    order : mapping
        Row of `store.orders.shown`, with `root_id`.
    revision : str
        What tells this notice from another of its kind: "once", or the instant that it tells of.
    fields : mapping
        Instants (`start`, `end`, `at`) and words (`reason`, `case`, `state`) that the text has gaps for.
    """
    recipient = customer_store.recipient(cur, order["root_id"])
    owner = fleet_store.fleet(cur, fleet)
    zone = ZoneInfo(recipient["timezone"] or owner["timezone"])
    words = Words(recipient["language"] or settings.get("language", "en"), zone)
    written = 0
    wanted = [] if recipient["opted_out_at"] is not None or _GROUP.get(kind, kind) in recipient["muted"] else _channels(recipient, settings)
    when = not_before(kind, at, _quiet(settings), zone)
    for channel in wanted:
        address = {"email": recipient["email"], "push": recipient["push_url"]}.get(channel, order["phone"])
        if address and when is not None:
            url = _url(settings) + store.link(cur, order["order_id"])
            own = settings.get("texts", {}).get(words.language, {}).get(kind, {})
            subject, body = text_of(words, _of_kind(words, kind, order), fields, at, brand=_brand(settings, owner), url=url, own=own)
            written += store.add(
                cur,
                fleet,
                {
                    "root_id": order["root_id"],
                    "order_id": order["order_id"],
                    "key": f"{order['order_id']}|{kind}|{revision}|{channel}",
                    "kind": kind,
                    "channel": channel,
                    "address": address,
                    "subject": subject,
                    "body": body,
                    "language": words.language,
                    "written_at": at,
                    "not_before": when,
                },
            )
    if kind != "case":
        written += _hook(cur, fleet, settings, f"order.{kind}", order, revision, at, {**_plain(fields)})
    return written


def tell_case(cur: Cursor, fleet: str, case: Row, state: str, *, at: datetime, answer: str = "") -> None:
    """Write to the customer that something they asked for has moved on."""
    settings = customer_store.settings(cur, fleet)
    order = order_store.shown(cur, order_id=case["order_id"])
    assert order is not None
    fields = {"case": f"case_{case['kind']}", "state": f"state_{state}", "answer": answer}
    named = {**order, "root_id": case["root_id"]}
    tell_order(cur, fleet, named, "case", revision=f"{case['case_id']} {state}", at=at, fields=fields, settings=settings)


def tell_shop(cur: Cursor, fleet: str, event: str, *, case: str, order: Row, at: datetime, **also: Any) -> None:
    """Tell the shop's webhook: a refund or a replacement is the shop's to carry out, a call the telephony's."""
    settings = customer_store.settings(cur, fleet)
    data: dict[str, Any] = {"case": case, **{k: v for k, v in also.items() if v is not None}}
    if event == "call.asked":
        data["numbers"] = {"customer": order["phone"], "driver": _driver_phone(cur, order)}  # to whoever bridges them, and nobody else
    _hook(cur, fleet, settings, event, order, case, at, data)


def text_of(
    words: Words, kind: str, fields: Mapping[str, Any], at: datetime, *, brand: str, url: str, own: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Subject and text of a notice. `own`: the brand's own `subject` and `text` for it; what is empty there stays the usual one."""
    own = own or {}
    told: dict[str, str] = {"day": "", "start": "", "end": "", "at": "", "reason": "", "case": "", "state": ""}
    for name, value in fields.items():
        if isinstance(value, datetime):
            told[name] = words.clock(value)
        elif value is not None and name != "answer":
            told[name] = words(value) if words.has(str(value)) else sentences.told(str(value), words.language)
    day = fields.get("start") or fields.get("at") or at
    told["day"] = words.day(day, at)
    answer = str(fields.get("answer") or "")  # somebody's own words
    text, subject = (filled(own.get(part, ""), {**told, "brand": brand}) for part in ("text", "subject"))
    lines = [text or words(f"note_{kind}", **told), answer, words("note_foot", url=url), words("note_stop"), brand]
    return f"{brand}: {subject or words(f'subject_{kind}')}", "\n\n".join(filter(None, lines))


def filled(template: str, told: Mapping[str, str]) -> str:
    """A brand's own text with its gaps filled: by name alone, so that no template reaches anything else."""
    return GAP.sub(lambda gap: told.get(gap[1], ""), template)


def _of_kind(words: Words, kind: str, order: Row) -> str:
    """A collection is told in words of its own, where the usual ones would not be true of it."""
    own = f"{kind}_{order['kind']}"
    return own if words.has(f"note_{own}") else kind


def _hook(
    cur: Cursor, fleet: str, settings: Mapping[str, Any], event: str, order: Row, revision: str, at: datetime, data: Mapping[str, Any]
) -> int:
    if not settings.get("webhook_url"):
        return 0
    body = {"type": event, "timestamp": at.isoformat(), "data": {"order": order["order_id"], "reference": order["reference"], **data}}
    return store.add(
        cur,
        fleet,
        {
            "root_id": order.get("root_id"),
            "order_id": order["order_id"],
            "key": f"{order['order_id']}|{event}|{revision}|webhook",
            "kind": event,
            "channel": "webhook",
            "address": settings["webhook_url"],
            "subject": event,
            "body": json.dumps(body),
            "written_at": at,
            "not_before": at,
        },
    )


def _channels(recipient: Row, settings: Mapping[str, Any]) -> list[str]:
    """The customer's choice, or the fleet's, of what the fleet has an account for."""
    chosen = recipient["channels"] or settings.get("channels_by_default", ["email"])
    return [channel for channel in CHANNELS if channel in chosen and settings.get("channels", {}).get(channel)]


def _quiet(settings: Mapping[str, Any]) -> tuple[time, time] | None:
    start, end = settings.get("quiet_start"), settings.get("quiet_end")
    return (time.fromisoformat(start), time.fromisoformat(end)) if start and end else None


def _brand(settings: Mapping[str, Any], owner: Row) -> str:
    return str(settings.get("brand") or owner["name"])


def _url(settings: Mapping[str, Any]) -> str:
    return str(settings.get("public_url", "")).rstrip("/")


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in fields.items()}


def _driver_phone(cur: Cursor, order: Row) -> str:
    found = cur.execute(
        "SELECT d.phone FROM vehicles v JOIN drivers d USING (driver_id) WHERE v.vehicle_id = %s", (order["vehicle_id"],)
    ).fetchone()
    return "" if found is None else str(found["phone"])
