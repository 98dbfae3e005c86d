"""The errors rxbridge raises of its own."""

from typing import Any

from rxbridge._renamed import warn_of_former


class RxBridgeError(Exception):
    """The base of every error rxbridge raises; the message names the remedy."""


class InvalidEvent(RxBridgeError):
    """An event whose routing data or headers cannot be made into a request.

    The event is refused and its handler does not run.
    """


class PoolExhausted(RxBridgeError):
    """No thread came free for an event in time; the event is refused with a 503."""


class NotAllowed(RxBridgeError):
    """A background task goes on where the chain, or who is there by now, does not let it."""


class NotShown(RxBridgeError):
    """What a tab would be sent could not be computed as its own user's."""


def __getattr__(name: str) -> Any:
    if name != "NotAdmitted":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    warn_of_former("rxbridge.errors.NotAdmitted", "NotAllowed")
    return NotAllowed
