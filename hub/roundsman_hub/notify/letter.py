"""A notice as a letter in HTML: the brand's name, colour and logo around the same words that the plain text has. Pure.

Nothing in it is fetched from anywhere: the logo travels with the mail (`cid:`), the style is inside, and there is no picture that counts
who reads. Readers that prefer dark see it dark.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Any, Final

COLOUR: Final = "#0b6b4a"
"""Of a fleet that chose none."""
LOGO: Final = re.compile(r"data:(image/(?:png|jpeg));base64,([A-Za-z0-9+/]+=*)")
_LINK: Final = re.compile(r"^(?P<words>.*?):?\s*(?P<url>https?://\S+)$", re.DOTALL)
_ENDINGS: Final = {"image/png": "png", "image/jpeg": "jpg"}

_PAGE: Final = Template("""<!doctype html>
<html lang="$lang">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>$title</title>
<style>
@media (prefers-color-scheme: dark) {
  .ground { background: #0f1412 !important; } .card { background: #18201c !important; border-color: #2c3731 !important; }
  .ink { color: #edf2ef !important; } .quiet, .quiet a { color: #a9b7af !important; }
}
</style>
</head>
<body class="ground" style="margin:0;padding:0;background:#f3f5f2">
<div class="ground" style="background:#f3f5f2;padding:24px 12px;font:17px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
<div class="card" style="max-width:560px;margin:0 auto;background:#ffffff;border:1px solid #d5dcd7;border-radius:14px;overflow:hidden">
<div style="background:$colour;color:$on;padding:16px 24px;font-weight:650">$logo$brand</div>
<div class="ink" style="padding:24px;color:#16211c">
<h1 class="ink" style="margin:0 0 12px;font-size:26px;line-height:1.2;color:#16211c">$headline</h1>
$paragraphs
</div>
</div>
<div class="quiet" style="max-width:560px;margin:12px auto 0;padding:0 24px;color:#4a5750;font-size:14px">$small</div>
</div>
</body>
</html>
""")


@dataclass(frozen=True, kw_only=True)
class Logo:
    """A picture that travels with the mail; `name` is what the letter calls it by."""

    name: str
    media_type: str
    data: bytes


def logo_of(settings: Mapping[str, Any]) -> Logo | None:
    """The fleet's logo, where it has one."""
    found = LOGO.fullmatch(settings.get("logo", ""))
    if found is None:
        return None
    return Logo(name=f"logo.{_ENDINGS[found[1]]}", media_type=found[1], data=base64.b64decode(found[2]))


def on(colour: str) -> str:
    """Ink that can be read on a colour: the one of white and near black with the higher contrast (WCAG 2, relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#0b0f0d"


def letter(subject: str, body: str, *, language: str, brand: str, colour: str, logo: Logo | None) -> str:
    """The mail's HTML.

    Parameters
    ----------
    subject, body : str
        As the plain text has them: paragraphs apart by an empty line; the first says it, one that ends in an address is a link, and
        what follows that one is small.
    colour : str
        "#rrggbb"; empty: the usual one.
    """
    colour = colour or COLOUR
    ink = on(colour)
    large, small, linked = [], [], False
    for paragraph in filter(None, body.split("\n\n")):
        link = _LINK.match(paragraph)
        if link is not None and not linked:
            linked = True
            url, words = escape(link["url"]), escape(link["words"] or link["url"])
            button = f"display:inline-block;background:{colour};color:{ink};text-decoration:none;font-weight:650;padding:12px 18px"
            large.append(f'<p style="margin:20px 0 8px"><a href="{url}" style="{button};border-radius:10px">{words}</a></p>')
            large.append(f'<p class="quiet" style="margin:0;font-size:13px;color:#4a5750;overflow-wrap:anywhere">{url}</p>')
        elif linked:
            small.append(f'<p style="margin:0 0 6px">{escape(paragraph)}</p>')
        else:
            large.append(f'<p style="margin:0 0 12px">{escape(paragraph)}</p>')
    picture = f'<img src="cid:{logo.name}" alt="" height="32" style="height:32px;vertical-align:middle;margin-right:12px">' if logo else ""
    return _PAGE.substitute(
        lang=language or "en",
        title=escape(subject),
        colour=colour,
        on=ink,
        logo=picture,
        brand=escape(brand),
        headline=escape(subject.removeprefix(f"{brand}: ")),
        paragraphs="\n".join(large),
        small="".join(small),
    )
