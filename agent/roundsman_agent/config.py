"""The unit's settings: one table says every key, its default and its meaning; every value knows the file and line it came from."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from roundsman_agent import AgentError
from roundsman_core.timebase import TimeBase
from roundsman_wire import WireError, channels

DEFAULT_PATH: Final = Path("/etc/roundsman/agent.toml")
SamplingMode = Literal["full", "evidence", "sparse"]


class BadConfig(AgentError):
    """The settings file cannot be used. `str` names the file, the line and what to write instead."""


class Key(NamedTuple):
    """One row of the table."""

    name: str
    kind: Callable[[Any], Any]
    default: Any
    meaning: str


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError('a text in "quotes"')
    return value


def _vehicle(value: Any) -> str:
    try:
        channels.topic(_text(value), "facts")
    except WireError as error:
        raise ValueError(f"the id that the hub gave this vehicle ({error})") from None
    return _text(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(f'"{a}"' for a in allowed))
        return cast(str, value)

    return check


def _keys(value: Any) -> dict[str, bytes]:
    if not isinstance(value, dict):
        raise ValueError('a table { "KEY-ID" = "64 hex digits" }')
    out = {}
    for key_id, text in value.items():
        if not (isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{64}", text)):
            raise ValueError(f"key {key_id!r} as 64 hex digits (an Ed25519 public key)")
        out[key_id] = bytes.fromhex(text)
    return out


def _base(value: Any) -> TimeBase:
    try:
        return TimeBase.parse(_text(value))
    except ValueError as error:
        raise ValueError(f'"" or "ORIGIN_REAL_MS/ORIGIN_UTC_MS/FACTOR" ({error})') from None


KEYS: Final = (
    #   key                 kind                                       default                 meaning
    Key("vehicle", _vehicle, "", "the id that the hub gave this vehicle"),
    Key("broker.host", _text, "", "the hub's MQTT broker; empty: work alone, and send later"),
    Key("broker.port", _whole(1, 65_535), 8883, "its port"),
    Key("broker.ca", _text, "", "file: the certificate authority that signed the broker's certificate"),
    Key("broker.cert", _text, "", "file: this unit's certificate; its name is the vehicle id"),
    Key("broker.key", _text, "", "file: this unit's private key"),
    Key("broker.keepalive_s", _whole(1, 600), 15, "a dead link is noticed within twice this"),
    Key(
        "receiver.url",
        _text,
        "gpsd://127.0.0.1:2947",
        "gpsd://HOST:PORT · serial:///dev/TTY?baud=9600 · tcp://HOST:PORT · file:///LOG.nmea",
    ),
    Key("motion.url", _text, "", "the engine's state: file:///sys/class/gpio/gpio17/value?active=low · unix:///run/roundsman/motion"),
    Key("store.dir", _text, "/var/lib/roundsman", "where the log and the plan are kept"),
    Key("store.max_mb", _whole(1, 1_000_000), 512, "the log's largest size; keep it below the free space"),
    Key("screen.enabled", _flag, True, "serve the driver's screen"),
    Key("screen.host", _text, "127.0.0.1", "address of the driver's screen"),
    Key("screen.port", _whole(0, 65_535), 8070, "port of the driver's screen"),
    Key("screen.language", _text, "en", "language of the driver's screen"),
    Key(
        "sampling.mode",
        _one_of("full", "evidence", "sparse"),
        "evidence",
        "which fixes are kept: full, evidence (10 s, 100 m, 10°), sparse",
    ),
    Key("hub.keys", _keys, {}, "key id → Ed25519 public key (hex): whose plans this unit obeys"),
    Key("time.base", _base, TimeBase(), "pretend time ORIGIN_REAL_MS/ORIGIN_UTC_MS/FACTOR; empty in life"),
    Key("log.level", _one_of("debug", "info", "warning", "error"), "info", "how much the journal is told"),
)
BY_NAME: Final = {key.name: key for key in KEYS}
TABLES: Final = {"hub.keys"}
"""Keys whose value is itself a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value, and where it came from: `FILE:LINE`, or `default`."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How to reach the hub's broker; certificates are files."""

    host: str
    port: int
    ca: Path
    cert: Path
    key: Path
    keepalive_s: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """All settings of one unit. `settings` says the source of each, by its name in `KEYS`."""

    vehicle: str
    broker: Broker | None
    receiver_url: str
    motion_url: str
    store_dir: Path
    store_max_mb: int
    screen_enabled: bool
    screen_host: str
    screen_port: int
    screen_language: str
    sampling_mode: SamplingMode
    hub_keys: Mapping[str, bytes]
    time_base: TimeBase
    log_level: str
    settings: Mapping[str, Setting]


def load(path: Path) -> AgentConfig:
    """Read a settings file.

    Raises
    ------
    BadConfig
        The file is absent, is not TOML, holds an unknown key or a value that does not fit; file and line are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadConfig(
            f"{path}: {error.strerror}; write one, or have the hub make one: roundsman-hub provision VEHICLE --out DIR"
        ) from None
    except UnicodeDecodeError as error:
        raise BadConfig(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path}: not TOML: {error}") from None
    lines = _lines(text)
    settings = {key.name: Setting(value=key.default, source="default") for key in KEYS}
    for name, value in _flatten(document):
        source = f"{path}:{lines.get(name, 1)}"
        key = BY_NAME.get(name)
        if key is None:
            near = difflib.get_close_matches(name, BY_NAME, n=1)
            raise BadConfig(
                f"{source}: no setting {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see `roundsman-agent config`")
            )
        try:
            settings[name] = Setting(value=key.kind(value), source=source)
        except ValueError as error:
            raise BadConfig(f"{source}: {name} must be {error}, not {value!r}") from None
    return build(settings, directory=path.parent)


def build(settings: Mapping[str, Setting], *, directory: Path) -> AgentConfig:
    """Settings as one object; relative file names are relative to `directory`."""
    value = {name: setting.value for name, setting in settings.items()}
    if not value["vehicle"]:
        raise BadConfig('no `vehicle = "…"`: the id that the hub gave this vehicle')
    broker = None
    if value["broker.host"]:
        for name in ("broker.ca", "broker.cert", "broker.key"):
            if not value[name]:
                raise BadConfig(f"{settings['broker.host'].source}: a broker needs {name} too (the link is closed by mutual TLS)")
        broker = Broker(
            host=value["broker.host"],
            port=value["broker.port"],
            ca=directory / value["broker.ca"],
            cert=directory / value["broker.cert"],
            key=directory / value["broker.key"],
            keepalive_s=value["broker.keepalive_s"],
        )
    return AgentConfig(
        vehicle=value["vehicle"],
        broker=broker,
        receiver_url=value["receiver.url"],
        motion_url=value["motion.url"],
        store_dir=directory / value["store.dir"],
        store_max_mb=value["store.max_mb"],
        screen_enabled=value["screen.enabled"],
        screen_host=value["screen.host"],
        screen_port=value["screen.port"],
        screen_language=value["screen.language"],
        sampling_mode=value["sampling.mode"],
        hub_keys=value["hub.keys"],
        time_base=value["time.base"],
        log_level=value["log.level"],
        settings=settings,
    )


def describe(config: AgentConfig) -> str:
    """Every setting as `key = value    # source: meaning`, for people."""
    rows = []
    for key in KEYS:
        setting = config.settings[key.name]
        value = setting.value
        shown = ", ".join(sorted(value)) or "none" if key.name == "hub.keys" else str(value)
        rows.append((key.name, shown, setting.source, key.meaning))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows)


def _flatten(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in document.items():
        name = prefix + key
        if isinstance(value, dict) and name not in TABLES:
            out += _flatten(value, name + ".")
        else:
            out.append((name, value))
    return out


_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_.\-]+)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\-]+)\s*=")


def _lines(text: str) -> dict[str, int]:
    """Line of each key. tomllib does not tell; a settings file is simple enough to look."""
    table, found = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            table = match[1] + "."
            found.setdefault(match[1], number)
        elif match := _KEY.match(line):
            found.setdefault(table + match[1], number)
    return found
