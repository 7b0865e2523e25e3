"""Notices on their way: written once, read back from a real SMTP server, signed for the shop, and never sent twice by a program."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import httpx
import pytest
from tests.hub.api.mailbox import SECRET, Hook, Mailbox, eta, open_service, open_shop, outbox

from roundsman_hub.clock import Clock
from roundsman_hub.domain.words import LANGUAGES
from roundsman_hub.notify import sending, worker
from roundsman_hub.notify.letter import on
from roundsman_hub.store.rows import rows


def send_all(shop: Any, clock: Clock) -> None:
    while sending.send_due(shop.db, clock):
        pass


def test_customer_reads_that_it_is_their_turn_and_that_it_is_done(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    order = open_shop(shop, mailbox)
    worker.look(shop.db, clock)
    worker.look(shop.db, clock)
    send_all(shop, clock)
    assert len(mailbox.mail) == 1
    mail = mailbox.mail[0]
    assert (mail["To"], mail["Subject"]) == ("kit@home.example", "Mill & Sons: Sie sind dran")
    text = mail.get_body(("plain",))
    assert text is not None
    assert "Sie sind als Nächstes dran" in text.get_content()
    assert "https://hub.example/t/" in text.get_content()
    shop.resolve(order["van"], order["order"], "delivered", ago_s=120)
    for _ in range(3):
        worker.look(shop.db, clock)
        send_all(shop, clock)
    assert [m["Subject"] for m in mailbox.mail] == ["Mill & Sons: Sie sind dran", "Mill & Sons: Erledigt"]
    assert {notice["state"] for notice in outbox(shop)} == {"sent"}


def test_a_day_as_its_customer_reads_it_in_their_mail(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    """On the way, a little later (which says nothing), much later, next, and not at home with what now: each once, as the mail has it."""
    order, other = open_shop(shop, mailbox), shop.order()
    shop.put(f"/v1/orders/{order['order']}/recipient", json={"email": "kit@home.example", "language": "en", "timezone": "UTC"})
    shop.in_force(order["van"], [other["order"], order["order"]])

    def hear() -> None:
        for _ in range(2):
            worker.look(shop.db, clock)
            send_all(shop, clock)

    hear()
    eta(shop, order["van"], order, 98)
    hear()
    assert len(mailbox.mail) == 1, "inside the range that was told"
    with shop.db.transaction() as cur:  # the last word is some time ago
        cur.execute("UPDATE told SET at = at - interval '1 hour' WHERE order_id = %s", (order["order"],))
    eta(shop, order["van"], order, 118)
    hear()
    shop.resolve(order["van"], other["order"], "delivered", ago_s=120)
    hear()
    shop.resolve(order["van"], order["order"], "failed", ago_s=120, reason="nobody there")
    hear()
    assert [mail["Subject"].removeprefix("Mill & Sons: ") for mail in mailbox.mail] == [
        "On its way", "Another time", "You are next", "We could not do it",
    ]  # fmt: skip
    texts = [body.get_content() for mail in mailbox.mail if (body := mail.get_body(("plain",))) is not None]
    assert "Your order is on its way: expected today between" in texts[0]
    assert "The time has changed: now expected today between" in texts[1]
    assert "You are next: expected between" in texts[2]
    assert "We were there and could not do it: nobody there. Choose on the page what happens now." in texts[3]
    assert all(f"https://hub.example/t/{order['track_url'].split('/t/')[1]}" in text for text in texts)


def test_a_collection_is_announced_as_one(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    order = open_shop(shop, mailbox)
    with shop.db.transaction() as cur:
        cur.execute("UPDATE orders SET kind = 'pickup' WHERE order_id = %s", (order["order"],))
    shop.in_force(order["van"], [shop.order()["order"], order["order"]])
    worker.look(shop.db, clock)
    send_all(shop, clock)
    (mail,) = mailbox.mail
    text = mail.get_body(("plain",))
    assert text is not None
    assert mail["Subject"] == "Mill & Sons: Wir sind unterwegs"
    assert "um abzuholen" in text.get_content()
    assert "Bestellung" not in text.get_content()


def test_a_brand_says_it_in_its_own_words(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    """By language and kind; where it says nothing, and in other languages, the usual words stand."""
    own = {"de": {"next": {"subject": "Gleich da!", "text": "Hallo von {brand}: wir sind {day} ab {start} bei Ihnen."}}}
    order = open_shop(shop, mailbox, texts=own)
    assert shop.get("/v1/service").json()["texts"] == own
    worker.look(shop.db, clock)
    send_all(shop, clock)
    (mail,) = mailbox.mail
    text = mail.get_body(("plain",))
    assert text is not None
    assert mail["Subject"] == "Mill & Sons: Gleich da!"
    assert re.search(r"Hallo von Mill & Sons: wir sind heute ab \d\d:\d\d bei Ihnen\.", text.get_content())
    assert "https://hub.example/t/" in text.get_content(), "the link follows whatever a brand says"
    shop.resolve(order["van"], order["order"], "delivered", ago_s=120)
    worker.look(shop.db, clock)
    send_all(shop, clock)
    assert mailbox.mail[-1]["Subject"] == "Mill & Sons: Erledigt"
    for wrong in ("{phone}", "{start", "{start.__class__}", "{{start}}"):
        refused = shop.put("/v1/service", json={"texts": {"en": {"next": {"text": wrong}}}})
        assert refused.status_code == 422, wrong


def test_a_customer_chooses_among_the_ways_to_be_reached(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    accounts = {"email": f"mailto://127.0.0.1:{mailbox.port}/{{to}}?from=a@b.example&mode=insecure", "sms": "json://127.0.0.1:9/{to}"}
    order = open_shop(shop, mailbox, channels=accounts)
    page = httpx.get(order["track_url"], params={"lang": "en"}, trust_env=False).text
    assert re.findall(r'name="channel" value="(\w+)"( checked)?', page) == [("email", " checked"), ("sms", "")]
    form = {"ways": "1", "channel": ["sms", "fax"], "kind": ["next"], "email": "kit@home.example"}
    assert httpx.post(order["track_url"] + "/prefs", data=form, trust_env=False).status_code == 303
    worker.look(shop.db, clock)
    assert [(notice["kind"], notice["channel"]) for notice in outbox(shop)] == [("next", "sms")]


LOGO = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_mail_is_a_letter_of_the_brands_in_html_and_the_same_in_plain_text(
    shop: Any, mailbox: Mailbox, clock: Clock, language: str
) -> None:
    """Read back from the mail server: nothing is fetched from elsewhere, the logo travels along, and dark is dark."""
    order = open_shop(shop, mailbox, colour="#7a1f5c", logo=LOGO)
    shop.put(f"/v1/orders/{order['order']}/recipient", json={"email": "kit@home.example", "language": language})
    worker.look(shop.db, clock)
    send_all(shop, clock)
    (mail,) = mailbox.mail
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    letter, words = html.get_content(), text.get_content()
    keep(f"mail-{language}", letter)
    assert f'<html lang="{language}">' in letter
    assert "Mill &amp; Sons" in letter
    assert "background:#7a1f5c" in letter
    assert "prefers-color-scheme: dark" in letter
    assert LANGUAGES[language]["subject_next"] in letter
    assert order["track_url"].split("/t/")[1] in letter
    assert re.findall(r'(?:src|background)="?([^" >]+)', letter) == ["cid:logo.png"], "nothing but the logo, and that is in the mail"
    (logo,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert (logo["Content-ID"], logo.get_content_disposition()) == ("<logo.png>", "inline")
    assert logo.get_content()[:4] == b"\x89PNG"
    assert "https://hub.example/t/" in words
    assert "color-scheme" not in words, "the style is no part of the text"


def keep(name: str, letter: str) -> None:
    """For people to look at, where `ROUNDSMAN_PICTURES` says."""
    if folder := os.environ.get("ROUNDSMAN_PICTURES"):
        (Path(folder) / f"{name}.html").write_text(letter, encoding="utf-8")


def test_ink_can_be_read_on_every_brands_colour() -> None:
    for colour in ("#ffffff", "#000000", "#0b6b4a", "#ffd400", "#7a1f5c", "#5fd3a5"):
        ink, ground = luminance(on(colour)), luminance(colour)
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5, colour


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_server_that_refuses_is_asked_again_and_then_left_to_a_person(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    open_shop(shop, mailbox)
    worker.look(shop.db, clock)
    mailbox.shut = True
    for tries in range(1, sending.TRIES + 1):
        send_all(shop, clock)
        notice = outbox(shop)[0]
        assert (notice["tries"], notice["state"]) == (tries, "dead" if tries == sending.TRIES else "waiting")
        with shop.db.transaction() as cur:
            cur.execute("UPDATE outbox SET retry_real_at = %s WHERE retry_real_at IS NOT NULL", (clock.real_now(),))
    assert "did not take it" in notice["last_error"]
    mailbox.shut = False
    send_all(shop, clock)
    assert mailbox.mail == [], "a dead letter stays where it is"
    assert shop.post("/v1/notices:replay", json={"notices": [notice["notice"]]}).json()["notices"] == [notice["notice"]]
    send_all(shop, clock)
    assert len(mailbox.mail) == 1


def test_the_shop_hears_by_signed_webhook_and_knows_a_repeat(shop: Any, mailbox: Mailbox, clock: Clock, hook: Hook) -> None:
    order = open_shop(shop, mailbox, webhook_url=hook.url, webhook_secret=SECRET)
    worker.look(shop.db, clock)
    send_all(shop, clock)
    assert [(event["type"], event["data"]["order"]) for event in hook.heard] == [("order.next", order["order"])]
    with shop.db.transaction() as cur:  # its sender died in the middle
        cur.execute(
            "UPDATE outbox SET state = 'sending', claimed_real_at = %s WHERE channel = 'webhook'",
            (clock.real_now() - sending.IN_DOUBT_AFTER * 2,),
        )
    send_all(shop, clock)
    assert len({event["id"] for event in hook.heard}) == 1
    assert len(hook.heard) == 2


def test_who_opted_out_or_muted_a_kind_hears_nothing_of_it(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    order = open_shop(shop, mailbox)
    with shop.db.transaction() as cur:
        cur.execute("""UPDATE recipients SET muted = '["next"]' WHERE root_id = %s""", (order["order"],))
    worker.look(shop.db, clock)
    assert outbox(shop) == []
    shop.resolve(order["van"], order["order"], "failed", ago_s=120, reason="nobody at home")
    with shop.db.transaction() as cur:
        cur.execute("UPDATE recipients SET opted_out_at = %s WHERE root_id = %s", (clock.now(), order["order"]))
    worker.look(shop.db, clock)
    assert outbox(shop) == []


def test_at_night_only_whose_turn_it_is_is_woken(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    """Quiet hours are the customer's own, by their time zone: the fleet's morning is their night. What is still true then waits for it."""
    night = clock.now().astimezone(ZoneInfo("America/Los_Angeles"))
    quiet = {"quiet_start": f"{(night - timedelta(hours=1)):%H:%M}", "quiet_end": f"{(night + timedelta(hours=2)):%H:%M}"}
    order, other = open_shop(shop, mailbox, **quiet), shop.order()
    there = {"email": "kit@home.example", "timezone": "America/Los_Angeles"}
    assert shop.put(f"/v1/orders/{order['order']}/recipient", json=there).status_code == 200
    shop.in_force(order["van"], [other["order"], order["order"]])
    worker.look(shop.db, clock)
    send_all(shop, clock)
    assert outbox(shop) == [], "on its way: nobody is woken for it, and in the morning it would be stale"
    shop.resolve(order["van"], other["order"], "delivered", ago_s=120)
    worker.look(shop.db, clock)
    send_all(shop, clock)
    assert [mail["Subject"] for mail in mailbox.mail] == ["Mill & Sons: You are next"]
    shop.resolve(order["van"], order["order"], "delivered", ago_s=120)
    worker.look(shop.db, clock)
    send_all(shop, clock)
    (waits,) = [notice for notice in outbox(shop) if notice["kind"] == "done"]
    opens = datetime.fromisoformat(waits["not_before"]).astimezone(ZoneInfo("America/Los_Angeles"))
    assert (waits["state"], f"{opens:%H:%M}") == ("waiting", quiet["quiet_end"])
    assert len(mailbox.mail) == 1


def test_a_step_of_a_return_is_written(shop: Any, mailbox: Mailbox, clock: Clock) -> None:
    order = open_shop(shop, mailbox)
    with shop.db.transaction() as cur:  # the plan of the fixture is no whole plan: the planner's view is asked of the return
        cur.execute("DELETE FROM plan_tasks WHERE vehicle_id = %s", (order["van"],))
        cur.execute("DELETE FROM plan_receipts WHERE vehicle_id = %s", (order["van"],))
        cur.execute("DELETE FROM plans WHERE vehicle_id = %s", (order["van"],))
    shop.resolve(order["van"], order["order"], "delivered", ago_s=120)
    assert httpx.post(order["track_url"] + "/return", data={"reason": "late"}, trust_env=False).status_code == 303
    send_all(shop, clock)
    assert [m["Subject"] for m in mailbox.mail] == ["Mill & Sons: Ihr Anliegen"]
    body = mailbox.mail[0].get_body(("plain",))
    assert body is not None
    assert "Rückgabe: genehmigt" in body.get_content()
    with shop.db.transaction() as cur:
        assert len(rows(cur, "SELECT 1 FROM outbox WHERE fleet_id = %s", (shop.fleet,))) == 1


def test_a_decision_is_written_with_its_answer_and_without_its_note(shop: Any, mailbox: Mailbox, clock: Clock, hook: Hook) -> None:
    order = open_shop(shop, mailbox, webhook_url=hook.url, webhook_secret=SECRET)
    shop.resolve(order["van"], order["order"], "delivered", ago_s=120)
    form = {"kind": "dispute", "text": "Nothing here"}
    assert httpx.post(order["track_url"] + "/wrong", data=form, trust_env=False).status_code == 303
    (case,) = shop.get("/v1/cases", params={"order": order["order"]}).json()["items"]
    told = {"answer": "It went to No. 9; we bring {another}.", "note": "third time this week"}
    assert shop.post(f"/v1/cases/{case['case']}/uphold", json=told).status_code == 200
    send_all(shop, clock)
    (mail,) = mailbox.mail
    text = mail.get_body(("plain",))
    assert text is not None
    assert told["answer"] in text.get_content(), "as it was written, braces and all"
    assert told["note"] not in mail.as_string()
    (heard,) = [event for event in hook.heard if event["type"] == "dispute.upheld"]
    assert heard["data"]["answer"] == told["answer"]
    assert "note" not in heard["data"]


@pytest.mark.parametrize(
    ("channel", "address", "path"),
    [
        ("push", "ntfy://127.0.0.1:{port}/{to}", "/"),
        ("push", "gotify://127.0.0.1:{port}/{to}", "/message"),
        ("sms", "json://127.0.0.1:{port}/sms/{to}", "/sms/+44 1"),
        ("whatsapp", "xml://127.0.0.1:{port}/whatsapp/{to}", "/whatsapp/+44 1"),
    ],
)
def test_other_channels_are_real_requests_to_their_service(
    shop: Any, mailbox: Mailbox, clock: Clock, channel: str, address: str, path: str
) -> None:
    """Over loopback, to services that apprise speaks to by their own protocols. A real SMS or WhatsApp was never sent."""
    with open_service() as (port, heard):
        url = address.replace("{port}", str(port))
        order = open_shop(shop, mailbox, channels={channel: url}, channels_by_default=[channel])
        body = {"push_url": "kits-topic-12345", "language": "en"}
        assert shop.put(f"/v1/orders/{order['order']}/recipient", json=body).status_code == 200
        worker.look(shop.db, clock)
        send_all(shop, clock)
    ((asked, told),) = heard
    assert unquote(asked).startswith(path)
    assert "kits-topic-12345" in told or channel != "push" or address.startswith("gotify"), "gotify has the token in a header"
    assert "You are next" in told
    assert order["track_url"].split("/t/")[1] in told
    assert [(notice["channel"], notice["state"]) for notice in outbox(shop)] == [(channel, "sent")]
    assert mailbox.mail == []
