"""The open pages: their sockets, who is behind them and until when, and what they did last."""

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import Sessions
from rxbridge.trace import EventTrace

connections = ConnectionRegistry()
sessions = Sessions(connections)
trace = EventTrace()
