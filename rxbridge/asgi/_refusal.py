"""A plain refusal of an HTTP request or a WebSocket handshake, before any app sees it."""

from http import HTTPStatus

from starlette.responses import PlainTextResponse

from rxbridge.asgi._types import Receive, Scope, Send

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: HTTPStatus,
    text: str | bytes | None = None,
    **headers: str,
) -> None:
    """Answer with ``status``, and ``text`` or its phrase, which tells nothing about the reason.

    A WebSocket is closed before it is accepted, which the client sees as HTTP 403 whatever
    ``status`` is.
    """
    if scope["type"] == "http":
        answer = PlainTextResponse(text or status.phrase, status, _HEADERS | headers)
        if scope.get("method") == "HEAD":
            answer.body = b""
        await answer(scope, receive, send)
    elif (await receive())["type"] == "websocket.connect":
        await send({"type": "websocket.close"})
        await receive()  # websocket.disconnect: the server has sent the refusal.
