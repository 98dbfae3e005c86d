"""The open pages: their sockets, their cookies, who may sign them out, and what they did last."""

from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.events import SessionRevoker
from rxbridge.trace import EventTrace

connections = ConnectionRegistry()
revoker = SessionRevoker(connections)
handoff = CookieHandoff(connections, on_settled=revoker.settled)
trace = EventTrace()
