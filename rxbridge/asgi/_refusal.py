"""A plain refusal of an HTTP request or a WebSocket handshake, before any app sees it."""

from http import HTTPStatus

from rxbridge.asgi._types import Receive, Scope, Send


async def refuse(scope: Scope, receive: Receive, send: Send, status: HTTPStatus) -> None:
    """Answer with ``status`` and its phrase, which tell nothing about the reason.

    A WebSocket is closed before it is accepted, which the client sees as HTTP 403 whatever
    ``status`` is.
    """
    if scope["type"] == "http":
        await _respond(send, status)
    elif (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.close"})
        await receive()  # websocket.disconnect: the server has sent the refusal.


async def _respond(send: Send, status: HTTPStatus) -> None:
    body = status.phrase.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
