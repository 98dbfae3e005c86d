"""OriginGuard: refuse sockets and unsafe requests that another site's page has started."""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple, Self

from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_SOCKET_IO = "_event"

# What Django answers on when DEBUG is on and ALLOWED_HOSTS is empty (HttpRequest.get_host).
_DEBUG_HOSTS = (".localhost", "127.0.0.1", "[::1]")
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS = {"http": 80, "https": 443}

_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?"
_NETLOC = rf"({_LABELS}|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?"
_NETLOC_RE = re.compile(_NETLOC, re.ASCII)
_ORIGIN_RE = re.compile(rf"([a-z][a-z0-9+.-]*)://{_NETLOC}", re.ASCII)
_WILDCARD_RE = re.compile(r"([a-z][a-z0-9+.-]*://)\*?\.(.*)", re.ASCII)


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int | None


class OriginGuard:
    """Let a socket's handshake or an unsafe HTTP request through only from an allowed origin.

    A browser names the page that started a request in ``Origin``, and no page can change it.
    CORS does not bind WebSockets, so this check is what stops another site from driving a
    visitor's session. Allowed are the host the request was sent to (scheme, host and port all
    equal) and the origins in ``allowed``. Everything else is answered with 403 before ``app``
    is called. Safe methods, lifespan and unknown scopes pass, but for Socket.IO's ``/_event``: a
    poll of it is a GET, and as good as a WebSocket.

    - ``allowed``: origins such as ``"https://example.com"``, ``"http://localhost:3000"``,
      ``"https://*.example.com"`` or ``"https://.example.com"`` (the domain itself included, as
      in Django), or ``"*"`` for every origin, ``null`` too.
    - ``allow_missing``: let requests without ``Origin`` through; only programs send them.
    - ``hosts``: the hosts the site answers on, in the form of ``ALLOWED_HOSTS``; None is any.
    - ``secure_proxy_ssl_header``: name and value of the header by which a trusted proxy says
      that the browser used https, such as ``("x-forwarded-proto", "https")``.
    - ``use_x_forwarded_host``: the host is in ``X-Forwarded-Host``, set by a trusted proxy.

    Raises ``ValueError`` for an origin that could never match::

        reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))

    Follows RFC 6454 and section 10.2 of RFC 6455.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed: Iterable[str] = (),
        allow_missing: bool = False,
        hosts: Iterable[str] | None = None,
        secure_proxy_ssl_header: tuple[str, str] | None = None,
        use_x_forwarded_host: bool = False,
    ) -> None:
        allowed = _listed("allowed", allowed)
        self._app = app
        self.any_origin = "*" in allowed
        patterns = [_configured(entry) for entry in allowed if entry != "*"]
        self._exact = frozenset(origin for origin in patterns if origin.host[0] != ".")
        self._subdomains = tuple(origin for origin in patterns if origin.host[0] == ".")
        self._allow_missing = allow_missing
        self._hosts = None if hosts is None else tuple(map(str.lower, _listed("hosts", hosts)))
        self._ssl_header = _header_and_value(secure_proxy_ssl_header)
        self._host_headers = (b"x-forwarded-host", b"host") if use_x_forwarded_host else (b"host",)

    @classmethod
    def from_settings(
        cls, app: ASGIApp, *, allowed: Iterable[str] = (), allow_missing: bool = False
    ) -> Self:
        """Build a guard from Django's settings, which are read now and never again.

        ``CSRF_TRUSTED_ORIGINS`` are added to ``allowed``. The request's own host must be in
        ``ALLOWED_HOSTS``; with ``DEBUG`` and an empty list it must be localhost.
        ``SECURE_PROXY_SSL_HEADER`` and ``USE_X_FORWARDED_HOST`` are honoured.
        """
        from django.conf import settings

        hosts = settings.ALLOWED_HOSTS or (_DEBUG_HOSTS if settings.DEBUG else ())
        ssl_header: tuple[str, str] | None = settings.SECURE_PROXY_SSL_HEADER
        return cls(
            app,
            allowed=[*_listed("allowed", allowed), *settings.CSRF_TRUSTED_ORIGINS],
            allow_missing=allow_missing,
            hosts=hosts,
            # Django names the header as it stands in request.META.
            secure_proxy_ssl_header=ssl_header
            and (ssl_header[0].removeprefix("HTTP_"), ssl_header[1]),
            use_x_forwarded_host=settings.USE_X_FORWARDED_HOST,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass ``scope`` on, or refuse it with 403."""
        if not _is_guarded(scope) or (reason := self._reason_to_refuse(scope)) is None:
            await self._app(scope, receive, send)
            return
        _log_refusal(scope, reason)
        await refuse(scope, receive, send, HTTPStatus.FORBIDDEN)

    def _reason_to_refuse(self, scope: Scope) -> str | None:
        own = self._own_origin(scope)
        if own is None:
            return "its Host header is missing, repeated or malformed"
        if not self._answers_on(own.host):
            return "the site does not answer on its Host (ALLOWED_HOSTS)"
        origins = _header_values(scope, b"origin")
        if not origins:
            missing = "it has no Origin header, which programs may with allow_missing=True"
            return None if self._allow_missing else missing
        if len(origins) > 1:
            return "it has several Origin headers"
        return None if self.any_origin else self._reason_to_refuse_origin(origins[0], own)

    def _reason_to_refuse_origin(self, header: str, own: _Origin) -> str | None:
        origin = _parse_origin(header)
        if origin is None:
            return "its Origin is null or malformed"
        if origin == own or self._allows(origin):
            return None
        if origin.host == own.host and (origin.scheme, own.scheme) == ("https", "http"):
            return (
                "its Origin is https and the request came in as http; behind a TLS proxy set "
                "SECURE_PROXY_SSL_HEADER or the server's trusted proxy headers"
            )
        return "its Origin is neither the host itself nor allowed (CSRF_TRUSTED_ORIGINS)"

    def _allows(self, origin: _Origin) -> bool:
        return origin in self._exact or any(
            (origin.scheme, origin.port) == (pattern.scheme, pattern.port)
            and _is_same_domain(origin.host, pattern.host)
            for pattern in self._subdomains
        )

    def _answers_on(self, host: str) -> bool:
        # Django drops one trailing dot before it looks a host up (split_domain_port).
        return self._hosts is None or any(
            pattern == "*" or _is_same_domain(host.removesuffix("."), pattern)
            for pattern in self._hosts
        )

    def _own_origin(self, scope: Scope) -> _Origin | None:
        for name in self._host_headers:
            if hosts := _header_values(scope, name):
                return _parse_host(hosts[0], self._own_scheme(scope)) if len(hosts) == 1 else None
        return None

    def _own_scheme(self, scope: Scope) -> str:
        if self._ssl_header is not None:
            name, secure_value = self._ssl_header
            if values := _header_values(scope, name):
                # The first of a list, as in HttpRequest.scheme; some proxies say wss for https.
                value = values[0].split(",")[0].strip()
                secure = secure_value in (value, _HTTP_SCHEMES.get(value))
                return "https" if secure else "http"
        scheme: str = scope.get("scheme", "http")
        return _HTTP_SCHEMES.get(scheme, scheme)


def is_same_origin(scope: Scope) -> bool:
    """Tell whether a page of this very origin sent the request.

    Browsers that know ``Sec-Fetch-Site`` say so there; for the others ``Origin`` is compared
    with ``Host``.
    """
    names = (b"origin", b"host", b"sec-fetch-site")
    origins, hosts, sites = (_header_values(scope, name) for name in names)
    origin = _parse_origin(origins[0]) if len(origins) == len(hosts) == 1 else None
    if origin is None or origin.scheme not in _DEFAULT_PORTS:
        return False
    if sites:
        return [site.lower() for site in sites] == ["same-origin"]
    return origin == _parse_host(hosts[0], origin.scheme)


def _is_guarded(scope: Scope) -> bool:
    if scope["type"] == "http":
        return scope["method"] not in SAFE_METHODS or _SOCKET_IO in scope["path"].split("/")
    return bool(scope["type"] == "websocket")


def _header_values(scope: Scope, name: bytes) -> list[str]:
    # Lower-cased here because uvicorn hands a WebSocket's header names on as the client wrote them.
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _parse_origin(header: str) -> _Origin | None:
    match = _ORIGIN_RE.fullmatch(header.lower()) if header.isascii() else None
    return match and _origin(*match.groups())


def _parse_host(header: str, scheme: str) -> _Origin | None:
    match = _NETLOC_RE.fullmatch(header.lower()) if header.isascii() else None
    return match and _origin(scheme, *match.groups())


def _origin(scheme: str, host: str, port: str | None) -> _Origin | None:
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except AddressValueError:
            return None
    number = int(port) if port else _DEFAULT_PORTS.get(scheme)
    return None if number is not None and number > 65535 else _Origin(scheme, host, number)


def _is_same_domain(host: str, pattern: str) -> bool:
    """Compare as ``django.utils.http.is_same_domain`` does: a leading dot includes subdomains."""
    return host == pattern or (
        pattern.startswith(".") and (host == pattern[1:] or host.endswith(pattern))
    )


def _configured(entry: str) -> _Origin:
    """Parse one entry of ``allowed``; the host of a wildcard keeps its leading dot."""
    wildcard = _WILDCARD_RE.fullmatch(entry.lower())
    origin = _parse_origin("".join(wildcard.groups()) if wildcard else entry)
    if origin is None:
        msg = (
            f"{entry!r} is not an origin. Write scheme, host and, if it is not the default, port, "
            "with nothing after them: 'https://example.com', 'http://localhost:3000', "
            "'https://*.example.com', or '*'. An international name is written in its xn-- form."
        )
        raise ValueError(msg)
    return origin._replace(host=f".{origin.host}") if wildcard else origin


def _listed(argument: str, entries: Iterable[str]) -> list[str]:
    if isinstance(entries, str):
        msg = f"{argument} is a list of strings: write [{entries!r}]."
        raise ValueError(msg)
    return list(entries)


def _header_and_value(header: tuple[str, str] | None) -> tuple[bytes, str] | None:
    return header and (header[0].lower().replace("_", "-").encode("ascii"), header[1])


def _log_refusal(scope: Scope, reason: str) -> None:
    logger.warning(
        "Refused %s %s (Origin %s, Host %s): %s.",
        _printable(scope.get("method", "WebSocket")),
        _printable(scope["path"]),
        _printable(", ".join(_header_values(scope, b"origin"))),
        _printable(", ".join(_header_values(scope, b"host"))),
        reason,
    )


def _printable(text: str) -> str:
    """Quote what a client sent so that it can neither forge a log line nor flood the log."""
    return ascii(text[:200])
