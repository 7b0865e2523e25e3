"""The customer's page as HTML: whole without a script. What changes stands in parts with an id, which a script fetches again alone."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import Final

from roundsman_core.geo import distance_m
from roundsman_hub.api.customer_forms import after, cases, choices, lines, prefs, talk
from roundsman_hub.api.customer_look import PAGE
from roundsman_hub.api.customer_shown import Shown
from roundsman_hub.domain.customers import CustomerView
from roundsman_hub.domain.sentences import told
from roundsman_hub.domain.words import NAMES, Words

_NOW: Final = {
    "failed": "now_failed", "missed": "now_missed", "at_depot": "now_at_depot", "to_depot": "now_to_depot", "to_sender": "now_to_sender",
    "returning": "now_to_sender", "returned": "now_returned",
}  # fmt: skip
"""What is said of goods that nobody took, by where they are."""
_CHOOSE: Final = ("failed", "missed", "at_depot")
"""Where that says that there is something to choose."""
_STEPS: Final = ("taken", "planned", "next", "done")
_REACHED: Final = {"taken": 0, "planned": 1, "next": 2, "here": 2, "done": 3}


def headline(w: Words, seen: CustomerView, now: datetime) -> tuple[str, str]:
    """One headline and what there is to say under it."""
    title = w(f"{seen.stage}_{seen.kind}", day=w.day(seen.eta or seen.window_start, now))
    promised = w("promised", day=w.day(seen.window_start, now), start=w.clock(seen.window_start), end=w.clock(seen.window_end))
    done = w("at_clock", day=w.day(seen.done_at, now), at=w.clock(seen.done_at)) if seen.done_at else ""
    if seen.stage in ("planned", "next"):
        parts = [w("expected", start=w.clock(seen.expected[0]), end=w.clock(seen.expected[1])) if seen.expected else promised]
        if seen.van is not None and seen.place is not None:
            away_m = distance_m(seen.van, seen.place)
            parts.append(w("very_near") if away_m < 250 else w("away", distance=w.distance(away_m)))
        return title, " ".join(parts)
    detail = {
        "taken": promised,
        "here": w("here_detail"),
        "done": _upper(done),
        "failed": f"{_upper(told(seen.reason, w.language)) if seen.reason else w('no_reason')}. {_upper(done)}".strip(),
        "cancelled": w("cancelled_detail"),
    }
    return title, detail[seen.stage]


def _upper(text: str) -> str:
    """As a sentence begins."""
    return text[:1].upper() + text[1:]


def page(s: Shown) -> str:
    """The whole page. Every text is escaped where it enters the HTML."""
    body = "\n".join(
        filter(
            None,
            (
                _flash(s),
                live(s),
                f'<div id="map" hidden role="img" aria-label="{s.t("map_label")}"></div><p class="note">{s.t("map_says")}</p>',
                _proof(s),
                choices(s),
                f'<div id="talk">{talk(s)}</div>',
                after(s),
                f'<div id="cases">{cases(s)}</div>',
                prefs(s),
            ),
        )
    )
    title, _ = headline(s.words, s.seen, s.now)
    head = ""
    if s.script:
        head = f'<script type="module" src="{escape(s.script)}"></script>'
    foot = s.words("as_of", at=f'<span id="updated">{s.words.clock(s.now)}</span>', zone=escape(s.words.zone.key.replace("_", " ")))
    address = (
        f"{s.base}?lang={s.words.language}&amp;tz={escape(s.words.zone.key)}"  # a page that loads itself would take what is being typed
    )
    again = f'<noscript><p><a href="{address}">{s.t("load_again")}</a></p></noscript>'
    return _whole(s.words, title, escape(s.fleet), body, f"<p>{foot}</p>{again}{_languages(s)}", head)


def parts(s: Shown) -> str:
    """What a script fetches again: the parts that change."""
    return f'{live(s)}<div id="thread">{lines(s)}</div><div id="cases">{cases(s)}</div><span id="updated">{s.words.clock(s.now)}</span>'


def plain(w: Words, kind: str) -> str:
    """A page for a link that leads nowhere: unknown, expired, or the database is away."""
    card = f'<div class="card"><h1>{escape(w(f"{kind}_title"))}</h1><p id="detail">{escape(w(f"{kind}_detail"))}</p></div>'
    return _whole(w, w(f"{kind}_title"), "", card, "", "")


def live(s: Shown) -> str:
    """The card at the top: what happens now."""
    w, seen = s.words, s.seen
    title, detail = headline(w, seen, s.now)
    before = ""
    if seen.stops_before is not None and seen.stage == "planned":
        n = seen.stops_before
        before = f'<p class="before">{escape(w("stops_n", n=n) if n > 1 else w(f"stops_{n}"))}</p>'
    now = _NOW.get(s.life)
    before += f"<p>{s.t(now)}</p>" if now and (s.life not in _CHOOSE or s.open) else ""
    before += f'<p class="note">{s.t("straight")}</p>' if seen.straight else ""
    late = f'<p class="late">{escape(w(seen.late))}</p>' if seen.late else ""
    where = ""
    if seen.van is not None and seen.place is not None:
        where = (
            f'<span id="where" hidden data-home="{seen.place.lat_deg},{seen.place.lon_deg}"'
            f' data-van="{seen.van.lat_deg},{seen.van.lon_deg}"></span>'
        )
    return (
        f'<div id="live" class="card" data-stage="{seen.stage}" data-near="{int(seen.van is not None)}"'
        f' data-planned="{int(seen.stops_before is not None)}">'
        f'<div role="status"><h1 id="headline">{escape(title)}</h1><p id="detail">{escape(detail)}</p>{before}{late}</div>'
        f"{_steps(s)}{where}</div>"
    )


def _steps(s: Shown) -> str:
    reached = _REACHED.get(s.seen.stage)
    if reached is None:
        return ""
    items = []
    for at, name in enumerate(_STEPS):
        past = ' class="past"' if at <= reached else ""
        current = ' aria-current="step"' if at == reached else ""
        items.append(f"<li{past}{current}>{s.t(f'step_{name}')}</li>")
    return f'<ol id="steps" aria-label="{s.t("progress")}">{"".join(items)}</ol>'


def _flash(s: Shown) -> str:
    """What became of what was just sent."""
    w = s.words
    if s.refused:
        return f'<p class="flash no" role="alert" id="said">{escape(refusal_in(w, s.refused))}</p>'
    if s.said == "time":
        start, end = w.clock(s.seen.window_start), w.clock(s.seen.window_end)
        told = w("said_time", day=w.day(s.seen.window_start, s.now), start=start, end=end)
        return f'<p class="flash" role="status" id="said">{escape(told)}</p>'
    return f'<p class="flash" role="status" id="said">{escape(w(f"said_{s.said}"))}</p>' if w.has(f"said_{s.said}") else ""


def refusal_in(w: Words, refused: str) -> str:
    """Why something cannot be done, in the reader's words."""
    return w(next((key for key in (refused, f"no_{refused}") if w.has(key)), "no_closed"))


def _proof(s: Shown) -> str:
    if s.seen.stage not in ("done", "failed") or not s.has_proof:
        return ""
    w, inside = s.words, []
    if s.handover and s.handover.get("received_by"):
        inside.append(f"<p>{escape(w('proof_by', name=s.handover['received_by']))}</p>")
    if s.handover and s.handover.get("code"):
        inside.append(f"<p>{s.t('proof_code')}</p>")
    if s.stood:
        start, end = w.clock(s.stood["arrived_at"]), w.clock(s.stood["left_at"])
        told = w("proof_stood", distance=w.distance(s.stood["m"]), day=w.day(s.stood["arrived_at"], s.now), start=start, end=end)
        inside.append(f"<p>{escape(told)}</p>")
    for proof in s.proofs:
        if proof["whole"]:
            label = w(f"proof_{proof['kind']}")
            image = f'<img src="{s.base}/proof/{proof["sha256"]}" alt="{escape(label)}" loading="lazy">'
            inside.append(f"<figure>{image}<figcaption>{escape(label)}</figcaption></figure>")
    if any(not proof["whole"] for proof in s.proofs):
        inside.append(f"<p>{s.t('proof_pending')}</p>")
    title = "proof_of_failed" if s.seen.stage == "failed" else "proof_of_pickup" if s.seen.kind == "pickup" else "proof_title"
    return f'<section class="card" id="proof"><h2>{s.t(title)}</h2>{"".join(inside)}</section>' if inside else ""


def _languages(s: Shown) -> str:
    here = ' aria-current="true"'
    zone = escape(s.words.zone.key)
    links = " · ".join(
        f'<a href="{s.base}?lang={code}&amp;tz={zone}" hreflang="{code}" lang="{code}"{here if code == s.words.language else ""}>{name}</a>'
        for code, name in NAMES.items()
    )
    return f'<nav aria-label="{s.t("prefs_language")}">{links}</nav>' if s.base else ""


def _whole(w: Words, title: str, fleet: str, body: str, foot: str, head: str) -> str:
    return PAGE.substitute(
        lang=w.language,
        zone=escape(w.zone.key),
        title=escape(title),
        head=head,
        fleet=f'<p class="fleet">{fleet}</p>' if fleet else "",
        body=body,
        foot=foot,
    )
