"""Django and Reflex in one process: small ASGI parts the user joins in their own ``asgi.py``."""

from rxbridge.errors import InvalidEvent, RxBridgeError

__all__ = ["InvalidEvent", "RxBridgeError", "__version__"]

__version__ = "0.1.0"
