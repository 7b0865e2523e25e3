"""Google's polyline: places as OSRM reads and writes them compactly. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from roundsman_core.geo import LatLon


def encode_polyline(places: Sequence[LatLon], digits: int) -> str:
    """Places with so many decimal digits."""
    out: list[str] = []
    before = (0, 0)
    scale = 10**digits
    for place in places:
        here = (round(place.lat_deg * scale), round(place.lon_deg * scale))
        for value, last in zip(here, before, strict=True):
            step = value - last
            bits = ~(step << 1) if step < 0 else step << 1
            while bits >= 0x20:
                out.append(chr((0x20 | (bits & 0x1F)) + 63))
                bits >>= 5
            out.append(chr(bits + 63))
        before = here
    return "".join(out)


def decode_polyline(text: str, digits: int) -> list[LatLon]:
    """Positions of a polyline with so many decimal digits."""
    values: list[int] = []
    bits = shift = 0
    for char in text:
        part = ord(char) - 63
        bits |= (part & 0x1F) << shift
        shift += 5
        if part < 0x20:
            values.append(~(bits >> 1) if bits & 1 else bits >> 1)
            bits = shift = 0
    out: list[LatLon] = []
    lat = lon = 0
    for d_lat, d_lon in zip(values[::2], values[1::2], strict=True):
        lat, lon = lat + d_lat, lon + d_lon
        out.append(LatLon(lat / 10**digits, lon / 10**digits))
    return out


def in_url(places: Sequence[LatLon], digits: int = 5) -> str:
    """As a part of an OSRM request: at 10⁻⁵ degree (0.6 m at most), or at 10⁻⁶."""
    name = "polyline" if digits == 5 else "polyline6"
    return f"{name}({quote(encode_polyline(places, digits), safe='')})"
