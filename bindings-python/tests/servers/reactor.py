"""A listener of ours in Twisted's reactor."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.tcp import Port

from libzdt.listening import Listener


def port(listener: Listener, factory: Any) -> Port:
    """Accepts from it. `adoptStreamPort` takes a number, and would get around the object; as there, nothing is shut
    down in the end."""
    made = Port(listener.getsockname()[1], factory, reactor=reactor)
    made._preexistingSocket = listener
    made.startListening()
    return made
