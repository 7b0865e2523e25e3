"""What vans say besides their log: presence, which is answered lane by lane, and where they are this second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from roundsman_core.lanes import answer_presence
from roundsman_hub.clock import Clock, from_ms, to_ms
from roundsman_hub.ingest.take import FUTURE
from roundsman_hub.store import chain_store, log_store, now_store
from roundsman_hub.store.db import Cursor
from roundsman_wire import WireError
from roundsman_wire.messages import Ack, Now, Presence

EPOCHS_AHEAD: Final = 1_000
"""An epoch costs a restored database; a van that claims more of them is wrong, and must not use the numbers up."""


def hear_presence(
    cur: Cursor, vehicle: str, fleet: str, presence: Presence, clock: Clock, *, retained: bool = False
) -> tuple[list[Ack], bool]:
    """Note that a van is there (or lost), and which sessions it keeps.

    Parameters
    ----------
    retained : bool
        It was said before this hub listened. Frames that followed it at QoS 0 went nowhere: the van is asked to send again from the
        watermark at once, instead of after its patience.

    Returns
    -------
    tuple
        The acks that answer it, to be sent after COMMIT; and whether its being on line changed.

    Raises
    ------
    WireError
        Its epoch cannot be.
    """
    changed = now_store.set_online(cur, vehicle, fleet, online=presence.online, at_real=clock.real_now())
    if not presence.online:
        return [], changed
    log_store.session_numbers(cur, ((vehicle, state.session) for state in presence.sessions))
    chain_store.link(cur, vehicle, {state.session: state.previous for state in presence.sessions})
    before = log_store.epoch(cur)
    if presence.epoch > before + EPOCHS_AHEAD:
        raise WireError(f"a presence of epoch {presence.epoch}; the hub's is {before}")
    epoch, acks = answer_presence(before, log_store.lanes_of(cur, vehicle), presence)
    if epoch > before:
        log_store.raise_epoch(cur, epoch)
        log_store.alarm(cur, "epoch raised", vehicle, f"the van knows more than the hub: epoch {before} → {epoch}", clock.real_now())
    return [replace(ack, rewind=True) for ack in acks] if retained else acks, changed


def hear_now(cur: Cursor, told: Sequence[tuple[str, str, Now]], clock: Clock) -> list[tuple[str, str]]:
    """Move the live markers: `told` is (vehicle, fleet, what it said). Returns (vehicle, fleet) of those that moved."""
    horizon_ms = to_ms(clock.now() + FUTURE)
    timed = [
        (vehicle, fleet, now, None if now.utc_ms is None or not 0 <= now.utc_ms <= horizon_ms else from_ms(now.utc_ms))
        for vehicle, fleet, now in told
    ]
    return now_store.place(cur, timed, at_real=clock.real_now())
