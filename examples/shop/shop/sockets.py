"""The open pages: their sockets, their cookies, and who may sign them out."""

from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.events.revoker import SessionRevoker

connections = ConnectionRegistry()
revoker = SessionRevoker(connections)
handoff = CookieHandoff(connections, on_settled=revoker.settled)
