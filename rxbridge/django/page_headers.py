"""PageHeaders: what Django's settings ask for on every answer, on the pages of the bundle."""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from rxbridge.asgi._refusal import refuse

if TYPE_CHECKING:
    from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send


class PageHeaders:
    """Serve ``app`` with the headers and the redirect to https of Django's settings.

    They are those of ``SecurityMiddleware`` and ``XFrameOptionsMiddleware``, whether or not
    ``MIDDLEWARE`` has these: ``SECURE_HSTS_SECONDS``, ``SECURE_SSL_REDIRECT``,
    ``X_FRAME_OPTIONS`` and so on. A header that ``app`` sets itself stays::

        pages = PageHeaders(SPAStaticApp(is_route=app.router))
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._security = SecurityMiddleware(_answer)
        self._frames = XFrameOptionsMiddleware(_answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page, or redirect to it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = ASGIRequest(scope, BytesIO())
        try:
            redirect = self._security.process_request(request)
        except DisallowedHost:
            await refuse(scope, receive, send, HTTPStatus.BAD_REQUEST)
            return
        headers = self._headers(request, redirect or HttpResponse())
        if redirect is not None:
            await Response(None, redirect.status_code, headers)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # In lower case, as Django does not write names, and Starlette compares them.
                sent = [(name.lower(), value) for name, value in message.get("headers", ())]
                own = MutableHeaders(raw=sent)
                for name, value in headers.items():
                    own.setdefault(name, value)
                message = {**message, "headers": own.raw}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _headers(self, request: HttpRequest, response: HttpResponse) -> dict[str, str]:
        secured = self._security.process_response(request, response)
        framed = self._frames.process_response(request, secured)
        return {name: value for name, value in framed.items() if name != "Content-Type"}


def _answer(_: HttpRequest) -> HttpResponse:
    return HttpResponse()
