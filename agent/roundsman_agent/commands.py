"""What the dispatcher asks of the unit itself: where it is, how it is, and to tell the driver something. Answered by facts."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from roundsman_agent.work import Message
from roundsman_wire import WireError
from roundsman_wire.messages import AnyEntry, Command, Note

if TYPE_CHECKING:
    from roundsman_agent.unit import Unit

REMEMBERED: Final = 256


class Commands:
    """Opens commands, and answers each once."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._answered: OrderedDict[str, None] = OrderedDict()

    def answer(self, data: bytes) -> list[AnyEntry]:
        """Facts that answer a sealed command; none for one that was answered already."""
        unit = self._unit
        try:
            envelope = unit.inbox.open_command(data)
        except WireError as error:
            return [self._note("command refused", str(error)[:1000])]
        command, until = envelope.payload, envelope.header.valid_until_utc_ms
        if not isinstance(command, Command) or command.verb == "roll_call" or self._is_answered(command):
            return []
        if until is not None and until < unit.clock.utc_ms():
            return [self._note("command refused", f"{command.verb} {command.command} came too late")]
        if command.verb == "diagnose":
            return [unit.care.health()]
        if command.verb == "message":
            new = unit.inbox.keep_message(Message(command=command, utc_ms=unit.clock.utc_ms()))
            return [self._note(f"message {command.command}", "is on the driver's screen")] if new else []
        return [self._note(f"locate {command.command}", self._located())]

    def here(self, roll_call: Command) -> list[AnyEntry]:
        """The answer to a roll call, behind the receipts of every plan that came before it; none where it was answered already."""
        return [] if self._is_answered(roll_call) else [self._note(f"message {roll_call.command}", "every plan before it is taken")]

    def _is_answered(self, command: Command) -> bool:
        if command.command in self._answered:
            return True
        self._answered[command.command] = None
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        return False

    def _located(self) -> str:
        unit = self._unit
        if unit.board.duty == "off":
            return "refused: off shift, no position is collected"
        if unit.position is None:
            return f"no position; receiver {unit.receiver}"
        at = unit.position
        return f"{at.position.lat_deg:.6f},{at.position.lon_deg:.6f} at mono_ms {at.mono_ms}"

    def _note(self, topic: str, text: str) -> Note:
        return Note(**self._unit.instant(), topic=topic, text=text)
