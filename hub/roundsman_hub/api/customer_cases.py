"""What customers ask for once it is over, and calls: returns, what is wrong, ratings; each opens a case that they follow on their page."""

from __future__ import annotations

import hashlib

from roundsman_hub.api.customer import TALKS
from roundsman_hub.api.customer_sent import Sent, media_type
from roundsman_hub.care import cases
from roundsman_hub.domain.care import REASONS
from roundsman_hub.offers.refused import Refused
from roundsman_hub.store import care_store


def call(sent: Sent) -> str:
    """Asks whoever bridges calls for one, so that neither side learns the other's number."""
    if not sent.reading.order["phone"] or sent.reading.seen.stage not in TALKS:
        raise Refused("closed", "there is no number to call, or nothing to call about")
    cases.open_case(sent.cur, sent.reading.fleet, sent.reading.order, "call", at=sent.desk.clock.now())
    return "call"


def send_back(sent: Sent) -> str:
    """Asks for a collection of items."""
    reason = sent.text("reason")
    why = cases.ask_return(
        sent.cur,
        sent.depots,
        sent.reading.fleet,
        sent.reading.order,
        items=[str(item) for item in sent.form.getlist("item")][:200],
        reason=reason if reason in REASONS else "unwanted",
        exchange=bool(sent.text("exchange")),
        text=sent.text("text", 1000),
        settings=sent.reading.settings,
        clock=sent.desk.clock,
    )
    if why is not None:
        raise Refused(why, "the rules for returns say no")
    _keep_photos(sent, "return")
    return "case"


def wrong(sent: Sent) -> str:
    """It did not come, it is damaged, or something else is wrong."""
    kind, reading = sent.needed("kind", 20), sent.reading
    if reading.seen.stage not in ("done", "failed") or kind not in ("dispute", "damage", "complaint"):
        raise Refused("form", "what is wrong is not said")
    words = sent.needed("text", 1000)
    cases.open_case(sent.cur, reading.fleet, reading.order, kind, at=sent.desk.clock.now(), text=words)  # type: ignore[arg-type]
    _keep_photos(sent, kind)
    return "case"


def rate(sent: Sent) -> str:
    """One to five stars, once."""
    stars = sent.needed("stars", 1)
    rated = any(case["kind"] == "rating" for case in care_store.of_order(sent.cur, sent.reading.order["root_id"]))
    if sent.reading.seen.stage != "done" or stars not in "12345" or rated:
        raise Refused("form", "one to five stars, once it is done, and once")
    cases.open_case(
        sent.cur, sent.reading.fleet, sent.reading.order, "rating", at=sent.desk.clock.now(), stars=int(stars), text=sent.text("text", 1000)
    )
    return "case"


def withdraw(sent: Sent) -> str:
    """A case of one's own is taken back."""
    case = sent.needed("case", 40)
    if all(found["case_id"] != case for found in care_store.of_order(sent.cur, sent.reading.order["root_id"])):
        raise Refused("form", "that is no case of this order")
    cases.move(sent.cur, sent.depots, sent.reading.fleet, case, "withdraw", actor=cases.BY, note="", clock=sent.desk.clock)
    return "case"


def _keep_photos(sent: Sent, kind: str) -> None:
    case = next(found for found in reversed(care_store.of_order(sent.cur, sent.reading.order["root_id"])) if found["kind"] == kind)
    for data in sent.photos:
        digest, media = hashlib.sha256(data).hexdigest(), media_type(data) or ""
        care_store.add_photo(
            sent.cur, sent.reading.fleet, case["case_id"], sha256=digest, media_type=media, data=data, at=sent.desk.clock.now()
        )
