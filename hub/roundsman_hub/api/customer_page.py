"""The customer's page as HTML: one headline, one sentence, and a map where a script can draw it."""

from __future__ import annotations

from html import escape
from string import Template
from typing import Final

REFRESH_S: Final = 30
"""Without a script the page loads itself again this often."""

_PAGE: Final = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>$headline</title>
<style>
:root { color-scheme: light dark; --ground: #f6f7f5; --card: #ffffff; --ink: #16211c; --quiet: #4c5a53; --mark: #0b6b4a; --line: #d7ddd9; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #101512; --card: #18201c; --ink: #edf2ef; --quiet: #a9b7af; --mark: #5fd3a5; --line: #2c3731; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 40rem; margin: 0 auto; padding: 1.25rem 1rem 2rem; }
.fleet { margin: 0 0 .75rem; color: var(--quiet); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem; }
h1 { margin: 0 0 .25rem; font-size: clamp(1.6rem, 7vw, 2.25rem); line-height: 1.15; color: var(--mark); overflow-wrap: anywhere; }
#detail { margin: 0; font-size: 1.125rem; }
ol { list-style: none; display: grid; grid-template-columns: repeat(4, 1fr); gap: .375rem; margin: 1.25rem 0 0; padding: 0; }
ol li { font-size: .875rem; }
ol li { border-top: .375rem solid var(--line); padding-top: .375rem; color: var(--quiet); }
ol li.past { border-color: var(--mark); }
ol li[aria-current] { color: var(--ink); font-weight: 600; }
#map { height: 18rem; margin-top: 1rem; border-radius: .75rem; overflow: hidden; border: 1px solid var(--line); }
#map[hidden] { display: none; }
.note { margin: 1rem 0 0; color: var(--quiet); font-size: .9375rem; }
</style>
$head
</head>
<body>
<main>
$fleet
<div class="card" data-stage="$stage">
<div role="status"><h1 id="headline">$headline</h1><p id="detail">$detail</p></div>
$steps
</div>
<div id="map" hidden role="img" aria-label="Map: the van, to about 100 metres, and your address"></div>
$note
</main>
</body>
</html>
""")

_STEPS: Final = (("taken", "Received"), ("planned", "On the way"), ("next", "You are next"), ("done", "Done"))
_REACHED: Final = {"taken": 0, "planned": 1, "next": 2, "here": 2, "done": 3}


def render(*, fleet: str, headline: str, detail: str, updated: str = "", stage: str = "", script: str | None) -> str:
    """The page. Every text is escaped here, and nowhere else."""
    head = f'<noscript><meta http-equiv="refresh" content="{REFRESH_S}"></noscript>' if updated else ""
    if script:
        head += f'\n<script type="module" src="{escape(script)}"></script>'
    note = ""
    if updated:
        note = f'<p class="note">As of <span id="updated">{escape(updated)}</span>. Whoever has this link can see this page.</p>'
    return _PAGE.substitute(
        headline=escape(headline),
        detail=escape(detail),
        stage=escape(stage),
        fleet=f'<p class="fleet">{escape(fleet)}</p>' if fleet else "",
        head=head,
        steps=steps(stage),
        note=note,
    )


def steps(stage: str) -> str:
    """How far it came, as a list; none for an order that ended otherwise."""
    reached = _REACHED.get(stage)
    if reached is None:
        return ""
    items = []
    for at, (_, name) in enumerate(_STEPS):
        past = ' class="past"' if at <= reached else ""
        current = ' aria-current="step"' if at == reached else ""
        items.append(f"<li{past}{current}>{name}</li>")
    return f'<ol id="steps" aria-label="Progress">{"".join(items)}</ol>'
