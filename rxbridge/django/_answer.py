"""What an ASGI app answers, as a response of Django's."""

import asyncio

from django.http import HttpResponse

from rxbridge.asgi._types import ASGIApp, Message, Scope

# What would make an answer less than the whole, or another than the text.
_CONDITIONS = (b"accept-encoding", b"if-", b"range")


def unconditional(scope: Scope) -> Scope:
    """Return a scope that asks for all of what is at its path, as it is."""
    headers = [pair for pair in scope["headers"] if not pair[0].startswith(_CONDITIONS)]
    # Without extensions: pathsend names a file instead of sending what is in it.
    return {**scope, "headers": headers, "extensions": {}}


async def answer_of(app: ASGIApp, scope: Scope) -> HttpResponse:
    """Ask ``app`` as a server would, without a body."""
    response, body = HttpResponse(), bytearray()
    # An app that listens for a disconnect is cancelled once it has answered.
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status_code = message["status"]
            del response.headers["Content-Type"]
            for name, value in message["headers"]:
                response.headers[name.decode("latin-1")] = value.decode("latin-1")
        body.extend(message.get("body", b""))

    await app(scope, incoming.get, send)
    response.content = bytes(body)
    return response
