"""What a connection meets first: plain ASGI parts that need neither Django nor Reflex."""

from rxbridge.asgi.connections import Connection, ConnectionRegistry
from rxbridge.asgi.cookies import CacheTickets, CookieHandoff, MemoryTickets
from rxbridge.asgi.dev_proxy import DevProxy
from rxbridge.asgi.lifespan import LifespanGroup
from rxbridge.asgi.origin import OriginGuard
from rxbridge.asgi.prefix_router import REFLEX_PREFIXES, PrefixRouter, reflex_prefixes
from rxbridge.asgi.spa import SPAStaticApp, find_bundle

__all__ = [
    "REFLEX_PREFIXES",
    "CacheTickets",
    "Connection",
    "ConnectionRegistry",
    "CookieHandoff",
    "DevProxy",
    "LifespanGroup",
    "MemoryTickets",
    "OriginGuard",
    "PrefixRouter",
    "SPAStaticApp",
    "find_bundle",
    "reflex_prefixes",
]
