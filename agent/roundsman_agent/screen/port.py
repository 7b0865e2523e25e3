"""The port of the driver's screen, taken before anything else is started: what cannot be had is told at once."""

from __future__ import annotations

import socket

from roundsman_agent import AgentError
from roundsman_agent.config import AgentConfig


class PortTaken(AgentError):
    """The screen's port cannot be had."""


def listen(config: AgentConfig) -> socket.socket:
    """The screen's socket, listening.

    Raises
    ------
    PortTaken
        Another program has it, or this one may not. `str` names the setting.
    """
    address = (config.screen_host, config.screen_port)
    family = socket.AF_INET6 if ":" in config.screen_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(32)
    except OSError as error:
        listener.close()
        source = config.settings["screen.port"].source
        raise PortTaken(f"screen on {address[0]}:{address[1]}: {error.strerror}; set another screen.port ({source})") from None
    listener.setblocking(False)
    return listener
