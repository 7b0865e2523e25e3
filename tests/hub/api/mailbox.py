"""Where notices arrive in tests: a real mail server, a shop's webhook, and a fleet that writes to both."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook

from roundsman_hub.broker import free_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Mailbox:
    """A mail server that takes what is sent to it; refuses while it is `shut`. `taken`, `left`: called when it has a mail, and when its
    sender, who knows that, takes leave."""

    def __init__(self) -> None:
        self.mail: list[EmailMessage] = []
        self.shut = False
        self.taken: Callable[[], None] = lambda: None
        self.left: Callable[[], None] = lambda: None
        self.port = free_port()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.shut:
            return "451 not now"
        content = envelope.content
        assert isinstance(content, bytes)
        found = message_from_bytes(content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.mail.append(found)
        self.taken()
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.left()
        return "221 Bye"


@contextmanager
def open_mailbox() -> Iterator[Mailbox]:
    """Open it for the block."""
    # Its log would go to whichever handlers an earlier test left behind, open or not.
    log = logging.getLogger("mail.log")
    was, log.disabled = log.disabled, True
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
        log.disabled = was


class Hook:
    """A shop's webhook: what it was sent, each signature checked by the published library. `taken`: called before it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[dict[str, Any]] = []
        self.taken: Callable[[], None] = lambda: None


@contextmanager
def open_hook() -> Iterator[Hook]:
    """Open it for the block."""
    hook = Hook()

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            Webhook(SECRET).verify(body, {k.lower(): v for k, v in self.headers.items()})
            hook.heard.append({"id": self.headers["webhook-id"], **json.loads(body)})
            hook.taken()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def open_service() -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Some messaging service on loopback: (its port, the path and the body of each request)."""
    heard: list[tuple[str, str]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.path, self.rfile.read(int(self.headers["content-length"])).decode()))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        server.server_close()


def open_shop(shop: Any, mailbox: Mailbox, **also: Any) -> dict[str, Any]:
    """A fleet that writes e-mail, and a customer on the way."""
    url = f"mailto://127.0.0.1:{mailbox.port}/{{to}}?from=parcels@shop.example&mode=insecure"
    chosen = shop.put("/v1/service", json={"brand": "Mill & Sons", "channels": {"email": url}, "public_url": "https://hub.example", **also})
    assert chosen.status_code == 200, chosen.text
    van = shop.van(shop.depot())
    order: dict[str, Any] = shop.order(phone="+44 1")
    assert shop.put(f"/v1/orders/{order['order']}/recipient", json={"email": "kit@home.example", "language": "de"}).status_code == 200
    shop.in_force(van, [order["order"]])
    eta(shop, van, order, 90)
    return order | {"van": van}


def eta(shop: Any, van: str, order: dict[str, Any], minutes: float) -> None:
    at = shop.clock.now() + timedelta(minutes=minutes)
    with shop.db.transaction() as cur:
        cur.execute(
            "INSERT INTO etas (order_id, fleet_id, vehicle_id, plan_version, position, eta, low, high, computed_at, basis)"
            " VALUES (%(o)s, %(f)s, %(v)s, 1, 1, %(at)s, %(low)s, %(high)s, %(now)s, 'osrm') ON CONFLICT (order_id) DO UPDATE SET"
            " eta = excluded.eta, low = excluded.low, high = excluded.high",
            {
                "o": order["order"],
                "f": shop.fleet,
                "v": van,
                "at": at,
                "low": at - timedelta(minutes=5),
                "high": at + timedelta(minutes=5),
                "now": shop.clock.now(),
            },
        )


def outbox(shop: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = shop.get("/v1/notices").json()["items"]
    return items
