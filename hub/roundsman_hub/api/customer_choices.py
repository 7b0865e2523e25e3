"""What a customer sends from their page: plain forms, each answered by the page itself, with what became of it.

One table says what each form does. A form that was sent twice (a second tap, a page loaded again) happens once: it carries a number
of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from roundsman_hub import afterlife
from roundsman_hub.api import customer_cases as asked
from roundsman_hub.api.customer import TALKED_OF, TALKS, LinkExpired, LinkUnknown, Reading, fleet_of, read, windows_of
from roundsman_hub.api.customer_answers import Instead, answered
from roundsman_hub.api.customer_forms import FATES, KINDS
from roundsman_hub.api.customer_sent import PHOTO_BYTES, Meant, Sent, meant, media_type
from roundsman_hub.api.desk import AtDesk, Desk
from roundsman_hub.api.problems import Problem, documented
from roundsman_hub.api.windows import depots_of
from roundsman_hub.care import wishes
from roundsman_hub.domain.afterlife import NotAllowed as TooLate
from roundsman_hub.domain.care import NotAllowed, ended
from roundsman_hub.notify.outbox import CHANNELS
from roundsman_hub.offers import choosing, days
from roundsman_hub.offers.depot import Depots
from roundsman_hub.offers.refused import Refused
from roundsman_hub.store import care_store, customer_store as store, offer_store, talk_store
from roundsman_hub.store.db import Cursor
from roundsman_hub.store.rows import Row

router = APIRouter(prefix="/t", tags=["customer"], responses=documented(404, 409, 410, 413, 422, 503))
MOST_BYTES: Final = 10_000_000
MOST_PHOTOS: Final = 4
MOST_LINES: Final = 40
"""Lines of one customer: more is no conversation."""


def times(sent: Sent) -> str:
    """Windows that can be kept are looked for, and shown with the page that follows."""
    order = sent.reading.order
    wishes.still_open(order)
    now = sent.desk.clock.now()
    offer_store.release_others(sent.cur, order["order_id"], now, offered=True)
    _offer(sent.cur, sent.depots, sent.reading.fleet, order, now)
    return "times"


def _offer(cur: Cursor, depots: Depots, fleet: str, order: Row, now: datetime) -> None:
    """Windows of today; of the next days, where today has no room."""
    if not choosing.offer(cur, depots, fleet, order["depot_id"], order=order["order_id"], now=now):
        choosing.offer_later(cur, depots, fleet, order["depot_id"], order=order, now=now)


def hold(sent: Sent) -> str:
    """One of them is kept for ten minutes."""
    wishes.still_open(sent.reading.order)
    choosing.hold(sent.cur, sent.depots, _chosen(sent), sent.desk.clock.now())
    return "held"


def accept(sent: Sent) -> str:
    """It is the promise from now on."""
    wishes.still_open(sent.reading.order)
    found = choosing.check(sent.cur, sent.depots, _chosen(sent), sent.desk.clock.now())
    choosing.accept_for(sent.cur, sent.reading.fleet, found, sent.reading.order, actor=wishes.BY, clock=sent.desk.clock)
    return "time" if found["arrival_at"] is not None else "day"


def _chosen(sent: Sent) -> Any:
    found = offer_store.find(sent.cur, sent.needed("offer", 40), order=sent.reading.order["order_id"])
    if found is None:
        raise Refused("gone", "that offer is not this order's")
    return found


def day(sent: Sent) -> str:
    """Another day, up to two weeks ahead: with a time of that day's plan, where there is one."""
    try:
        chosen = date.fromisoformat(sent.needed("day", 10))
    except ValueError:
        raise Refused("form", "no such day") from None
    kept = wishes.another_day(sent.cur, sent.depots, sent.reading.fleet, sent.reading.order, chosen, clock=sent.desk.clock)
    return "time" if kept.timed else "day"


def place(sent: Sent) -> str:
    """Another address."""
    at, label = sent.place.at, sent.place.label
    if at is None:
        raise Refused("which" if sent.place.others else "place", "the address is not known")
    window = next(windows_of(sent.text("window", 40)), None)
    wishes.elsewhere(sent.cur, sent.depots, sent.reading.fleet, sent.reading.order, at, label, clock=sent.desk.clock, window=window)
    return "place" if window is None else "time"


def wish(sent: Sent) -> str:
    """What to do at the door."""
    fields = {name: sent.text(name, 200) for name in ("safe_place", "neighbour", "note", "contact_free")}
    wishes.at_the_door(sent.cur, sent.reading.fleet, sent.reading.order, fields, clock=sent.desk.clock)
    return "wish"


def fate(sent: Sent) -> str:
    """What becomes of goods that nobody took: they wait at the depot, or go back to their sender."""
    wanted = sent.needed("fate", 10)
    chosen = next((one for one in FATES if one == wanted), None)
    if sent.reading.seen.stage != "failed" or chosen is None:
        raise Refused("form", "what becomes of it is not said")
    try:
        afterlife.decide(sent.cur, sent.reading.fleet, sent.reading.order["order_id"], chosen, actor=wishes.BY, clock=sent.desk.clock)
    except TooLate as error:
        raise Refused("closed", str(error)) from None
    return "fate"


def cancel(sent: Sent) -> str:
    """It is not wanted any more."""
    wishes.cancel(sent.cur, sent.reading.fleet, sent.reading.order, clock=sent.desk.clock)
    return "cancel"


def say(sent: Sent) -> str:
    """A line for the driver, where a van has the order, and for the office in any case."""
    reading, now = sent.reading, sent.desk.clock.now()
    order, words = reading.order, sent.needed("text")
    on_the_way = reading.seen.stage in TALKS
    found = care_store.of_order(sent.cur, order["root_id"])
    if (
        not (on_the_way or any(case["kind"] in TALKED_OF and not ended(case["kind"], case["state"]) for case in found))
        or sum(line["said_by"] == "customer" for line in store.thread(sent.cur, order["root_id"])) >= MOST_LINES
    ):
        raise Refused("closed", "the talk is over")
    message = None
    if on_the_way and order["vehicle_id"] is not None:
        text = wishes.drivers_words(sent.cur, reading.fleet)("van_customer", name=order["name"], text=words)
        message = talk_store.say(
            sent.cur, reading.fleet, order["vehicle_id"], text=text[:500], order=order["order_id"], actor=wishes.BY, at=now
        )
    store.say(
        sent.cur,
        reading.fleet,
        root=order["root_id"],
        order=order["order_id"],
        by="customer",
        who=wishes.BY,
        text=words,
        at=now,
        message=message,
    )
    return "talk"


def prefs(sent: Sent) -> str:
    """How this customer wants to hear from us."""
    wanted = {str(kind) for kind in sent.form.getlist("kind")}
    language, units, email = sent.text("language", 2), sent.text("units", 2), sent.text("email", 200)
    changes: dict[str, Any] = {
        "muted": [kind for kind in KINDS if kind not in wanted],
        "opted_out_at": sent.desk.clock.now() if sent.text("none") else None,
        "language": language if language in ("en", "de", "es", "fr") else None,
        "units": units if units in ("km", "mi") else None,
        "timezone": sent.reading.words.zone.key,
    }
    if "ways" in sent.form:
        changes["channels"] = [str(way) for way in sent.form.getlist("channel") if way in CHANNELS]
    if "email" in sent.form and ("@" in email or not email):
        changes["email"] = email
    store.change_recipient(sent.cur, sent.reading.fleet, sent.reading.order["root_id"], changes)
    return "prefs"


FORMS: Final[dict[str, Callable[[Sent], str]]] = {
    "times": times,
    "hold": hold,
    "accept": accept,
    "day": day,
    "place": place,
    "wish": wish,
    "fate": fate,
    "cancel": cancel,
    "say": say,
    "call": asked.call,
    "return": asked.send_back,
    "wrong": asked.wrong,
    "rate": asked.rate,
    "withdraw": asked.withdraw,
    "prefs": prefs,
}


async def form_of(request: Request) -> FormData:
    """The form that was sent; too large a one is refused before it is read."""
    size = request.headers.get("content-length", "")
    if not size.isdigit() or int(size) > MOST_BYTES:
        raise Problem(413, "too-large", "that is too much for one form", next_step="send fewer or smaller pictures")
    return await request.form(max_files=MOST_PHOTOS, max_fields=300)


@router.post("/{token}/{what}", response_class=Response)
def post_choice(token: str, what: str, request: Request, desk: AtDesk, form: Annotated[FormData, Depends(form_of)]) -> Response:
    """Carry out what a customer sent. A browser is led back to the page; a program (`Accept: application/json`) is told in one word."""
    act = FORMS.get(what)
    if act is None:
        raise LinkUnknown
    fleet, lang, tz = fleet_of(desk, token), _plain(form, "lang"), _plain(form, "tz")
    photos = _photos(form)
    where = meant(desk, _plain(form, "address")) if what == "place" else Meant()
    depots = depots_of(request)
    said = refused = ""
    try:
        with desk.db.tenant(fleet) as cur:
            reading = read(cur, desk, request, fleet, token, lang=lang, tz=tz)
            if (again := _once(cur, desk.clock.now(), fleet, token, what, _plain(form, "once"))) is not None:
                said = again
            else:
                said = act(Sent(cur=cur, desk=desk, depots=depots, reading=reading, form=form, photos=photos, place=where))
                _remember(cur, fleet, token, what, _plain(form, "once"), said)
            if what == "prefs":  # answered in the language that was just chosen
                reading = read(cur, desk, request, fleet, token, tz=tz)
    except Refused as error:
        refused = {"window-gone": "gone", "offer-expired": "gone", "offer-settled": "gone"}.get(error.kind, error.kind)
    except NotAllowed:
        refused = "open" if what in ("return", "wrong", "call", "rate") else "closed"
    if refused == "gone":
        _offer_others(desk, depots, request, fleet, token)
    instead = Instead()
    if refused.startswith("day"):
        instead = Instead(days=_other_days(desk, depots, reading, _plain(form, "day")))
    elif refused == "which":
        instead = Instead(places=where.others)
    elif refused == "reach" and where.at is not None:
        with desk.db.tenant(fleet) as cur:
            instead = Instead(
                windows=wishes.windows_there(cur, depots, fleet, reading.order, where.at, clock=desk.clock), place=where.label
            )
    return answered(request, reading, said, refused, instead)


def _other_days(desk: Desk, depots: Depots, reading: Reading, wanted: str) -> list[date]:
    """A clear no, and the days on which it can come."""
    try:
        but = date.fromisoformat(wanted)
    except ValueError:
        but = date.min
    with desk.db.tenant(reading.fleet) as cur:
        work, order = days.work_of(reading.order), reading.order
        found = days.next_days(cur, depots, reading.fleet, order["depot_id"], work, now=desk.clock.now(), but=but)
        return sorted({kept.day for kept in found if kept.day is not None})


def _offer_others(desk: Desk, depots: Depots, request: Request, fleet: str, token: str) -> None:
    """A clear no, and the alternatives: in a transaction of their own, because the one before changed nothing."""
    try:
        with desk.db.tenant(fleet) as cur:
            order = read(cur, desk, request, fleet, token).order
            if order["state"] in wishes.OPEN:
                _offer(cur, depots, fleet, order, desk.clock.now())
    except (LinkUnknown, LinkExpired, Refused):
        return


def _plain(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value[:200] if isinstance(value, str) else ""


def _photos(form: FormData) -> tuple[bytes, ...]:
    uploads = [upload for upload in form.getlist("photo") if isinstance(upload, UploadFile)]
    try:
        found = [data for upload in uploads[:MOST_PHOTOS] if (data := upload.file.read(PHOTO_BYTES + 1))]
    finally:
        for upload in uploads:
            upload.file.close()
    if any(len(data) > PHOTO_BYTES or media_type(data) is None for data in found):
        raise Problem(422, "no-picture", "a picture is too large, or no JPEG or PNG", next_step="send JPEG or PNG up to 4 MB")
    return tuple(found)


def _once(cur: Cursor, now: datetime, fleet: str, token: str, what: str, number: str) -> str | None:
    """What the same form was answered before; None: it is new (and its twin waits from here on)."""
    if not number:
        return None
    key = _key(token, what, number)
    made = cur.execute(
        "INSERT INTO idempotency (fleet_id, key, request_hash, status, body, at) VALUES (%s, %s, '', 0, '', %s) ON CONFLICT DO NOTHING",
        (fleet, key, now),
    )
    if made.rowcount:
        return None
    kept = cur.execute("SELECT body FROM idempotency WHERE fleet_id = %s AND key = %s", (fleet, key)).fetchone()
    return "" if kept is None else str(kept["body"])


def _remember(cur: Cursor, fleet: str, token: str, what: str, number: str, said: str) -> None:
    if number:
        cur.execute("UPDATE idempotency SET body = %s WHERE fleet_id = %s AND key = %s", (said, fleet, _key(token, what, number)))


def _key(token: str, what: str, number: str) -> str:
    return "form " + hashlib.sha256(f"{token} {what} {number}".encode()).hexdigest()
