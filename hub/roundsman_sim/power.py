"""Power cuts for SQLite: everything that a process asks of the disk is recorded, and disks are made of it as a cut may leave them.

The recorder stands between SQLite and its own `unix` VFS, in the very library that Python's `sqlite3` uses, through `ctypes`: no
compiler and no second SQLite. A disk keeps what was synced; of what was not, each 512-byte sector is there, absent or noise, in no
order: writes that wait for a sync may pass each other, and the last one may be torn. Bytes beside a write in the same sector stay
(SQLite's "powersafe overwrite").
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from roundsman_sim import SimError

SECTOR_BYTES: Final = 512
KEPT_SHARES: Final = (0.0, 0.3, 0.7, 0.95, 1.0)
GARBLED_SHARES: Final = (0.0, 0.0, 0.05, 0.5)


class Op(NamedTuple):
    """One request to the disk. `at`: offset of a write, new length of a truncate."""

    kind: Literal["write", "truncate", "sync", "delete"]
    file: str
    at: int = 0
    data: bytes = b""


@dataclass(kw_only=True)
class Disk:
    """Files as they surely are (`synced`), what waits of each, and what was deleted since the last sync: a cut may bring it back."""

    synced: dict[str, bytearray] = field(default_factory=dict)
    waiting: dict[str, list[Op]] = field(default_factory=dict)
    deleted: dict[str, bytearray] = field(default_factory=dict)

    def apply(self, op: Op) -> None:
        """The next request."""
        if op.kind == "sync":
            for late in self.waiting.pop(op.file, []):
                _write(self.synced.setdefault(op.file, bytearray()), late)
            self.synced.setdefault(op.file, bytearray())
            self.deleted.clear()
        elif op.kind == "delete":
            if op.file in self.synced:
                self.deleted[op.file] = self.synced.pop(op.file)
            self.waiting.pop(op.file, None)
        else:
            self.waiting.setdefault(op.file, []).append(op)

    def cut(self, rng: random.Random) -> dict[str, bytes]:
        """The files after a cut now: what was synced, and some of the rest."""
        left = {name: bytearray(data) for name, data in self.synced.items()}
        left |= {name: bytearray(data) for name, data in self.deleted.items() if rng.random() < 0.5}
        for name, ops in self.waiting.items():
            kept, garbled = rng.choice(KEPT_SHARES), rng.choice(GARBLED_SHARES)
            torn = rng.random() < 0.5
            for number, op in enumerate(ops):
                last = number == len(ops) - 1
                share = 1.0 if torn and not last else kept
                if op.kind == "truncate":
                    if rng.random() < share:
                        _write(left.setdefault(name, bytearray()), op)
                    continue
                ends = rng.randrange(len(op.data) + 1) if torn and last else len(op.data)
                for part in _sectors(op):
                    if part.at - op.at >= ends or rng.random() >= share:
                        continue
                    if rng.random() < garbled and not (torn and not last):
                        part = part._replace(data=rng.randbytes(len(part.data)))
                    _write(left.setdefault(name, bytearray()), part)
        return {name: bytes(data) for name, data in left.items()}


def _sectors(op: Op) -> Iterator[Op]:
    at, end = op.at, op.at + len(op.data)
    while at < end:
        to = min((at // SECTOR_BYTES + 1) * SECTOR_BYTES, end)
        yield Op("write", op.file, at, op.data[at - op.at : to - op.at])
        at = to


def _write(file: bytearray, op: Op) -> None:
    if op.kind == "truncate":
        if op.at < len(file):
            del file[op.at :]
        else:
            file.extend(bytes(op.at - len(file)))
        return
    if len(file) < op.at:
        file.extend(bytes(op.at - len(file)))
    file[op.at : op.at + len(op.data)] = op.data


# ── the recorder ────────────────────────────────────────────────────────────────────────────────────────────────────

_P: Final = ctypes.c_void_p
_I: Final = ctypes.c_int
_L: Final = ctypes.c_int64
_Open = ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)
_Delete = ctypes.CFUNCTYPE(_I, _P, ctypes.c_char_p, _I)
_Write = ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)
_Truncate = ctypes.CFUNCTYPE(_I, _P, _L)
_Sync = ctypes.CFUNCTYPE(_I, _P, _I)


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", _I),
        ("file_bytes", _I),
        ("max_path", _I),
        ("next", _P),
        ("name", ctypes.c_char_p),
        ("data", _P),
        ("open", _P),
        ("delete", _P),
        ("others", _P * 14),
    ]


class _Methods(ctypes.Structure):
    _fields_ = [("version", _I), ("close", _P), ("read", _P), ("write", _P), ("truncate", _P), ("sync", _P), ("others", _P * 13)]


def _library() -> ctypes.CDLL:
    import _sqlite3

    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), _I]
    except (AttributeError, OSError):
        raise SimError(
            "this Python carries SQLite inside itself: its disk cannot be recorded; use a Python that is linked to libsqlite3"
        ) from None
    return library


@contextmanager
def recording() -> Iterator[list[Op]]:
    """Databases opened inside, by a path, are recorded: the list grows with each request. Files are named without their folder.

    Raises
    ------
    SimError
        This Python's SQLite cannot be reached.
    """
    library, ops = _library(), list[Op]()
    real = library.sqlite3_vfs_find(None)
    names: dict[int, str] = {}
    patched: dict[int, _Methods] = {}
    keep: list[Any] = []
    unix = real.contents
    real_open, real_delete = _Open(unix.open), _Delete(unix.delete)

    def methods_of(address: int) -> _Methods:
        if address not in patched:
            before = _Methods.from_address(address)
            real_write, real_truncate, real_sync = _Write(before.write), _Truncate(before.truncate), _Sync(before.sync)

            def write(file: int, data: int, length: int, at: int) -> int:
                done = int(real_write(file, data, length, at))
                if done == 0:
                    ops.append(Op("write", names[file], at, ctypes.string_at(data, length)))
                return done

            def truncate(file: int, length: int) -> int:
                done = int(real_truncate(file, length))
                if done == 0:
                    ops.append(Op("truncate", names[file], length))
                return done

            def sync(file: int, flags: int) -> int:
                done = int(real_sync(file, flags))
                if done == 0:
                    ops.append(Op("sync", names[file]))
                return done

            own = _Methods.from_buffer_copy(before)
            calls = (_Write(write), _Truncate(truncate), _Sync(sync))
            own.write, own.truncate, own.sync = (ctypes.cast(call, _P).value for call in calls)
            keep.extend(calls)
            patched[address] = own
        return patched[address]

    def open_(_vfs: int, path: int | None, file: int, flags: int, out: int | None) -> int:
        done = int(real_open(ctypes.addressof(unix), path, file, flags, out))  # it keeps the pointer to the path: no copy will do
        if done == 0 and path:
            methods = ctypes.cast(file, ctypes.POINTER(_P))
            names[file] = Path(ctypes.string_at(path).decode()).name
            methods[0] = ctypes.addressof(methods_of(int(methods[0] or 0)))
        return done

    def delete(_vfs: int, path: bytes, sync: int) -> int:
        done = int(real_delete(ctypes.addressof(unix), path, sync))
        if done == 0:
            ops.append(Op("delete", Path(path.decode()).name))
        return done

    own = _Vfs.from_buffer_copy(unix)
    calls = (_Open(open_), _Delete(delete))
    own.open, own.delete = (ctypes.cast(call, _P).value for call in calls)
    own.name, own.next = b"recorded", None
    library.sqlite3_vfs_register(ctypes.byref(own), 1)
    try:
        yield ops
    finally:
        library.sqlite3_vfs_unregister(ctypes.byref(own))
        library.sqlite3_vfs_register(real, 1)
