"""The customer's forms: each works by plain POST, and says what it would do before it is sent."""

from __future__ import annotations

import secrets
from datetime import datetime, time, timedelta
from html import escape
from typing import Final

from roundsman_hub.api.customer_shown import Shown
from roundsman_hub.domain.afterlife import Choice
from roundsman_hub.domain.care import PATHS, REASONS, TABLE, ended
from roundsman_hub.domain.words import NAMES
from roundsman_hub.notify.outbox import CHANNELS
from roundsman_hub.store.rows import Row

_OPEN: Final = ("taken", "planned", "next")
FATES: Final[tuple[Choice, ...]] = ("depot", "sender")
"""What a customer may choose for goods that nobody took, besides another day."""
KINDS: Final = ("on_the_way", "next", "changed", "done", "case")
"""Notices that a customer may mute; what failed goes with what is done."""


def form(s: Shown, what: str, inside: str, send: str = "", *, files: bool = False, quiet: bool = False) -> str:
    """A form that works by plain POST: it says whose page it is, in which words, and that it is sent once. Without `send` its buttons are
    inside."""
    kind = ' enctype="multipart/form-data"' if files else ""
    style = ' class="quiet"' if quiet else ""
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("lang", s.words.language), ("tz", s.words.zone.key), ("once", secrets.token_urlsafe(9)))
    )
    button = f"<button{style}>{s.t(send)}</button>" if send else ""
    return f'<form method="post" action="{s.base}/{what}"{kind}>{hidden}{inside}{button}</form>'


def fold(s: Shown, title: str, inside: str, *, opened: bool = False, name: str = "") -> str:
    """A part that opens when it is wanted."""
    return f'<details{" open" if opened else ""} id="{name or title}"><summary>{s.t(title)}</summary>{inside}</details>'


def choices(s: Shown) -> str:
    """What can still be changed: the time, the day, the place, what to do at the door, or nothing at all."""
    again = s.seen.stage == "failed"
    if s.seen.stage not in _OPEN and not again:
        return ""
    w = s.words
    tomorrow = s.now.astimezone(s.place_zone).date() + timedelta(days=1)
    elsewhere = s.now.astimezone(s.place_zone).utcoffset() != s.now.astimezone(w.zone).utcoffset()
    whose = f" {escape(w('day_zone', zone=s.place_zone.key.replace('_', ' ')))}" if elsewhere else ""
    day = (
        f'<p class="note">{s.t("day_hint")}{whose}</p><label>{s.t("day_label")}<input type="date" name="day" required min="{tomorrow}"'
        f' max="{tomorrow + timedelta(days=13)}" value="{tomorrow}"></label>'
    )
    inside = _other_days(s) + form(s, "day", day, "day_send")
    if again:
        later = fold(s, "day_title", inside, opened=True) if "tomorrow" in s.open else ""
        fates = "".join(
            f'<button class="quiet" name="fate" value="{fate}">{s.t(f"fate_{fate}")}</button>' for fate in FATES if fate in s.open
        )
        other = fold(s, "fate_title", form(s, "fate", fates), opened=True) if fates else ""
        return f'<section class="card folds">{later}{other}</section>' if later or other else ""
    r = s.recipient
    place = f'<label>{s.t("place_label")}<input name="address" required maxlength="200" autocomplete="street-address"></label>'
    wish = (
        _field(s, "wish_safe", "safe_place", str(r.get("safe_place") or ""))
        + _field(s, "wish_neighbour", "neighbour", str(r.get("neighbour") or ""))
        + _field(s, "wish_note", "note", str(r.get("note") or ""))
        + _check("contact_free", "1", s.t("wish_free"), checked=s.contact_free)
    )
    folds = [
        fold(s, "time_title", _times(s), opened=bool(s.offers) or s.said == "times"),
        fold(s, "day_title", inside, opened=bool(s.other_days)),
        fold(s, "place_title", _instead(s) + form(s, "place", place, "place_send"), opened=bool(s.other_windows or s.other_places)),
        fold(s, "wish_title", form(s, "wish", wish, "wish_send")),
        fold(s, "cancel_title", f'<p class="note">{s.t("cancel_hint")}</p>' + form(s, "cancel", "", "cancel_send", quiet=True)),
    ]
    return f'<section class="card folds">{"".join(folds)}</section>'


def _other_days(s: Shown) -> str:
    """Buttons for the days on which it can come."""
    if not s.other_days:
        return ""
    noon = time(12, tzinfo=s.words.zone)
    days = "".join(
        f'<button class="quiet" name="day" value="{day}">{escape(s.words.day(datetime.combine(day, noon), s.now))}</button>'
        for day in s.other_days
    )
    told = s.t("day_instead")
    return form(s, "day", f"<p>{told}</p>{days}")


def _instead(s: Shown) -> str:
    """Buttons for the places that may be meant, or for the windows in which it can be brought to the other place."""
    if s.other_places:
        buttons = "".join(
            f'<button class="quiet" name="address" value="{escape(label)}">{escape(label)}</button>' for label in s.other_places
        )
        return form(s, "place", f"<p>{s.t('place_which')}</p>{buttons}")
    if not s.other_windows:
        return ""
    buttons = "".join(
        f'<button class="quiet" name="window" value="{window_text(window)}">{escape(_span_of(s, *window))}</button>'
        for window in s.other_windows
    )
    address = f'<input type="hidden" name="address" value="{escape(s.other_place)}">'
    return form(s, "place", f"<p><strong>{escape(s.other_place)}</strong><br>{s.t('place_instead')}</p>{address}{buttons}")


def window_text(window: tuple[datetime, datetime]) -> str:
    """A window in a form or an address, in minutes since 1970."""
    return "-".join(str(int(at.timestamp()) // 60) for at in window)


def _times(s: Shown) -> str:
    w = s.words
    held = next((offer for offer in s.offers if offer["state"] == "held"), None)
    if held is not None:
        told = _span(s, held)
        inside = f'<p><strong>{escape(told)}</strong></p><p class="note">{escape(w("time_held", at=w.clock(held["held_until"])))}</p>'
        inside += f'<input type="hidden" name="offer" value="{held["offer_id"]}">'
        return form(s, "accept", inside, "time_confirm") + form(s, "times", "", "time_show", quiet=True)
    if not s.offers:
        none = f'<p class="note">{s.t("time_none")}</p>' if s.said == "times" else ""
        return none + form(s, "times", "", "time_show", quiet=True)
    radios = []
    for at, offer in enumerate(s.offers):
        green = f' <span class="green">{s.t("time_green")}</span>' if offer["green"] else ""
        checked = " checked" if at == 0 else ""
        radios.append(
            f'<label class="check"><input type="radio" name="offer" value="{offer["offer_id"]}"{checked} required>'
            f" <span>{escape(_span(s, offer))}{green}</span></label>"
        )
    later = f'<p class="note">{s.t("time_none")} {s.t("day_instead")}</p>' if all(offer["day"] for offer in s.offers) else ""
    return later + form(s, "hold", f'<fieldset><legend class="hide">{s.t("time_title")}</legend>{"".join(radios)}</fieldset>', "time_pick")


def _span(s: Shown, offer: Row) -> str:
    return _span_of(s, offer["window_start"], offer["window_end"])


def _span_of(s: Shown, start: datetime, end: datetime) -> str:
    w = s.words
    return w("time_span", day=w.day(start, s.now), start=w.clock(start), end=w.clock(end))


def _check(name: str, value: str, label: str, *, checked: bool = False) -> str:
    """A box to tick. `label` is HTML."""
    on = " checked" if checked else ""
    return f'<label class="check"><input type="checkbox" name="{name}" value="{escape(value)}"{on}> <span>{label}</span></label>'


def _field(s: Shown, label: str, name: str, value: str) -> str:
    return f'<label>{s.t(label)}<input name="{name}" maxlength="200" value="{escape(value)}"></label>'


def talk(s: Shown) -> str:
    """What was said, and a line more; a call where there is a number."""
    if not (s.may_talk or s.thread):
        return ""
    inside = f'<div id="thread">{lines(s)}</div>'
    if s.may_talk:
        text = f'<label>{s.t("talk_label")}<textarea name="text" required maxlength="400" rows="2"></textarea></label>'
        on_the_way = s.seen.stage in (*_OPEN, "here")
        inside += (f'<p class="note">{s.t("talk_hint")}</p>' if on_the_way else "") + form(s, "say", text, "talk_send")
        if s.phone and on_the_way:
            inside += form(s, "call", "", "call_send", quiet=True)
    return f'<section class="card folds">{fold(s, "talk_title", inside, opened=bool(s.thread))}</section>'


def lines(s: Shown) -> str:
    """The talk so far."""
    names = {"customer": "talk_you", "driver": "talk_driver", "dispatch": "talk_dispatch"}
    return "".join(
        f'<p class="line {line["said_by"]}"><b>{s.t(names[line["said_by"]])}</b>'
        f" {s.words.clock(line['at']) if line['at'] else ''}<br>{escape(line['text'])}</p>"
        for line in s.thread
    )


def after(s: Shown) -> str:
    """What can be asked for once it is done: give it back, say that something is wrong, rate it."""
    if s.seen.stage not in ("done", "failed"):
        return ""
    folds = []
    under_way = {case["kind"] for case in s.cases if not ended(case["kind"], case["state"])}
    if s.seen.stage == "done" and s.seen.kind == "delivery" and "return" not in under_way:
        folds.append(fold(s, "return_title", form(s, "return", _return_fields(s), "return_send", files=True)))
    wrong = "".join(
        f'<label class="check"><input type="radio" name="kind" value="{kind}" required> {s.t(f"wrong_{kind}")}</label>'
        for kind in ("dispute", "damage", "complaint")
        if kind not in under_way and (s.seen.stage == "done" or kind == "complaint")
    )
    if wrong:
        legend = f'<legend class="hide">{s.t("wrong_title")}</legend>'
        text = f'<label>{s.t("wrong_text")}<textarea name="text" required maxlength="1000" rows="3"></textarea></label>'
        proof = f'<p><a href="#proof">{s.t("wrong_proof")}</a></p>' if s.has_proof else ""
        fields = f"{proof}<fieldset>{legend}{wrong}</fieldset>{text}{_photos(s)}"
        folds.append(fold(s, "wrong_title", form(s, "wrong", fields, "wrong_send", files=True)))
    if s.seen.stage == "done" and all(case["kind"] != "rating" for case in s.cases):
        stars = "".join(f'<label class="star"><input type="radio" name="stars" value="{n}" required> {n}</label>' for n in range(1, 6))
        fields = f'<fieldset class="row"><legend>{s.t("rate_label")}</legend>{stars}</fieldset>'
        folds.append(fold(s, "rate_title", form(s, "rate", fields, "rate_send")))
    return f'<section class="card folds">{"".join(folds)}</section>' if folds else ""


def _return_fields(s: Shown) -> str:
    boxes = "".join(_check("item", item["parcel"], escape(item.get("name") or item["parcel"])) for item in s.items)
    legend = f"<legend>{s.t('return_items')}</legend>"
    items = f"<fieldset>{legend}{boxes}</fieldset>" if boxes else ""
    reasons = "".join(f'<option value="{reason}">{s.t(f"reason_{reason}")}</option>' for reason in REASONS)
    return (
        f'{items}<label>{s.t("return_reason")}<select name="reason">{reasons}</select></label>'
        f"{_check('exchange', '1', s.t('return_exchange'))}{_photos(s)}"
    )


def _photos(s: Shown) -> str:
    return f'<label>{s.t("return_photos")}<input type="file" name="photo" accept="image/jpeg,image/png" multiple></label>'


def cases(s: Shown) -> str:
    """What this customer asked for, and how far each has come."""
    if not s.cases:
        return ""
    told = "".join(f'<div class="case"><h3>{_title(s, case)}</h3>{_way(s, case)}{_more(s, case)}</div>' for case in s.cases)
    return f'<section class="card"><h2>{s.t("cases_title")}</h2>{told}</section>'


def _title(s: Shown, case: Row) -> str:
    w = s.words
    return escape(w("note_case", case=w(f"case_{case['kind']}"), state=w(f"state_{case['state']}")).rstrip("."))


def _way(s: Shown, case: Row) -> str:
    path = PATHS[case["kind"]]
    if len(path) > 2:
        ends = TABLE[case["kind"]][path[-2]].values()
        last = case["state"] if case["state"] in ends else "replaced" if case["exchange"] and "replaced" in ends else path[-1]
        path = (*path[:-1], last)
    if case["state"] not in path or len(path) <= 2:
        return ""
    at, steps = path.index(case["state"]), []
    for n, state in enumerate(path):
        past, current = ' class="past"' if n <= at else "", ' aria-current="step"' if n == at else ""
        steps.append(f"<li{past}{current}>{s.t(f'state_{state}')}</li>")
    return f'<ol class="way">{"".join(steps)}</ol>'


def _more(s: Shown, case: Row) -> str:
    more = ""
    if case["kind"] == "return" and case["state"] == "approved":
        more = f"<p><strong>{escape(s.words('return_code', code=case['code']))}</strong></p>"
        if link := s.links.get(case["pickup_id"] or ""):
            more += f'<p><a href="{escape(link)}">{s.t("return_see")}</a></p>'
    if case["answer"]:
        more += f"<p>{escape(s.words('case_answer', text=case['answer']))}</p>"
    if case["state"] == "refunded" and case["refund_cents"]:
        more += f"<p>{escape(s.words('refund_amount', amount=s.words.money(case['refund_cents'], s.currency)))}</p>"
    if "withdraw" in TABLE[case["kind"]].get(case["state"], {}):
        more += form(s, "withdraw", f'<input type="hidden" name="case" value="{escape(case["case_id"])}">', "case_withdraw", quiet=True)
    return more


def reached_by(s: Shown) -> list[str]:
    """Channels that the fleet has an account for, and this customer an address."""
    has = {"email": True, "sms": s.phone, "whatsapp": s.phone, "push": bool(s.recipient.get("push_url"))}
    return [channel for channel in CHANNELS if channel in s.channels and has[channel]]


def _channels(s: Shown) -> str:
    """Through which of them; where there is one alone, there is nothing to choose."""
    ways = reached_by(s)
    if len(ways) < 2:
        return ""
    chosen = s.recipient.get("channels") or s.channels_by_default
    boxes = "".join(_check("channel", way, s.t(f"channel_{way}"), checked=way in chosen) for way in ways)
    return f'<fieldset><legend>{s.t("prefs_channels")}</legend><input type="hidden" name="ways" value="1">{boxes}</fieldset>'


def prefs(s: Shown) -> str:
    """How this customer hears from us, and reads."""
    if not s.base:
        return ""
    r, w = s.recipient, s.words
    muted = r.get("muted") or []
    kinds = "".join(_check("kind", kind, s.t(f"kind_{kind}"), checked=kind not in muted) for kind in KINDS)
    languages = "".join(
        f'<option value="{code}" lang="{code}"{" selected" if code == w.language else ""}>{name}</option>' for code, name in NAMES.items()
    )
    units = "".join(f'<option value="{unit}"{" selected" if unit == w.units else ""}>{unit}</option>' for unit in ("km", "mi"))
    email = ""
    if "email" in s.channels:
        value = escape(str(r.get("email") or ""))
        box = f'<input type="email" name="email" maxlength="200" autocomplete="email" value="{value}">'
        email = f"<label>{s.t('prefs_email')}{box}</label>"
    fields = (
        f"{email}{_channels(s)}<fieldset><legend>{s.t('prefs_kinds')}</legend>{kinds}</fieldset>"
        f"{_check('none', '1', s.t('prefs_none'), checked=bool(r.get('opted_out_at')))}"
        f'<label>{s.t("prefs_language")}<select name="language">{languages}</select></label>'
        f'<label>{s.t("prefs_units")}<select name="units">{units}</select></label>'
    )
    return f'<section class="card folds">{fold(s, "prefs_title", form(s, "prefs", fields, "prefs_send"))}</section>'
