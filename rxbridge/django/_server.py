"""The server of ``run_reflex``: the project's application under uvicorn, in a fresh process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rxbridge.django._failure import OneReport, shown
from rxbridge.django._page_reload import PageReload
from rxbridge.errors import RxBridgeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from types import FrameType

    from rxbridge.asgi._types import ASGIApp

# An open page keeps its socket, and would keep the old server for as long.
_GRACE_SECONDS = 1
# More than `reflex_asgi` gives events that run.
_STOP_SECONDS = 10.0
_READ_SECONDS = 0.05

_DIED = "The server's process ended before it had imported the application."


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a browser wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def load_site(path: str, root: Path) -> ASGIApp:
    """Import the application; in ``DEBUG`` it serves ``STATIC_URL`` too, as with ``runserver``."""
    os.chdir(root)
    sys.path[:0] = [str(root)] if str(root) not in sys.path else []
    from django.conf import settings
    from django.urls import get_resolver

    application = load_application(path)
    # Else a mistake in a view would be found by the first request.
    _ = get_resolver().url_patterns
    if not (settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS):
        return application
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    # It takes any ASGI application; the stubs say Django's.
    return cast("ASGIApp", ASGIStaticFilesHandler(cast("Any", application)))


def load_application(path: str) -> ASGIApp:
    """Import the ASGI application at a dotted path; ``RxBridgeError`` when none is there."""
    module, _, name = path.replace(":", ".").rpartition(".")
    found: Any = None
    try:
        found = getattr(import_module(module or name), name, None)
    except ModuleNotFoundError as error:
        # Another one that is missing is the module's own mistake.
        if not f"{module or name}.".startswith(f"{error.name}."):
            raise
    try:
        # A WSGI application takes less, and so does an rx.App.
        inspect.signature(found).bind("scope", "receive", "send")
    except TypeError:
        msg = (
            f"There is no ASGI application at '{path}'. ASGI_APPLICATION in the settings is the "
            "dotted path of what asgi.py calls application: 'mysite.asgi.application'."
        )
        raise RxBridgeError(msg) from None
    return cast("ASGIApp", found)


def serve(application: ASGIApp, listener: socket.socket) -> None:
    """Serve until a signal says to stop; SIGINT does not where this process ignores it."""
    import uvicorn

    ignores_interrupts = signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # uvicorn puts its handler in the place of SIG_IGN.
            if not (ignores_interrupts and sig == signal.SIGINT):
                super().handle_exit(sig, frame)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if isinstance(application, PageReload):
                application.close()
            for server in self.servers:
                server.close()
            # uvicorn would close a connection just taken before it has read the request.
            await asyncio.sleep(_READ_SECONDS)
            await super().shutdown(sockets)

    config = uvicorn.Config(application, timeout_graceful_shutdown=_GRACE_SECONDS)
    # Requests are of interest, not that a server starts and stops again.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").addFilter(_is_of_interest)
    report = OneReport(Path.cwd())
    for name in ("django.request", "reflex.app"):
        logging.getLogger(name).addFilter(report)
    Server(config).run(sockets=[listener])


def _is_of_interest(request: logging.LogRecord) -> bool:
    # Every browser asks for an icon, which no site has at first.
    return "/favicon.ico" not in (request.args or ())


class Site:
    """One server process: it imports the application at once, and serves it when told to.

    All share one listening socket, so a browser that connects between two of them waits.
    ``wrap`` is called with the application, in the process.
    """

    def __init__(
        self,
        application: str,
        root: Path,
        listener: socket.socket,
        *,
        wrap: Callable[[ASGIApp], ASGIApp],
    ) -> None:
        # Spawned, so that it has none of the modules of this process, which may be outdated.
        context = multiprocessing.get_context("spawn")
        self._control, control = context.Pipe()
        arguments = (application, root, listener, wrap, control)
        self._process = context.Process(target=_run, args=arguments)
        self._process.start()
        control.close()
        self.failure = asyncio.create_task(asyncio.to_thread(self._imported))
        """Done when the application is imported: None, or why it cannot be."""

    def _imported(self) -> str | None:
        wait([self._control, self._process.sentinel])
        try:
            failure: str | None = self._control.recv() if self._control.poll() else _DIED
        except EOFError:
            return _DIED
        return failure

    def serve(self) -> None:
        """Begin to accept connections."""
        self._control.send("serve")

    async def stop(self) -> None:
        """End it: politely, so that Reflex can save its states, then by force."""
        self._process.terminate()
        await asyncio.to_thread(self._process.join, _STOP_SECONDS)
        self._process.kill()
        await self.failure


def _run(
    path: str,
    root: Path,
    listener: socket.socket,
    wrap: Callable[[ASGIApp], ASGIApp],
    control: Connection,
) -> None:
    # Ctrl-C reaches the whole group; the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (parent := multiprocessing.parent_process()) is not None:
        threading.Thread(target=_end_with_parent, args=[parent], daemon=True).start()
    try:
        application = wrap(load_site(path, root))
    except Exception as error:
        control.send(shown(error, root))
        sys.exit(1)
    control.send(None)
    try:
        control.recv()
    except EOFError:
        return
    serve(application, listener)


def _end_with_parent(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; ``OSError`` when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def address_of(listener: socket.socket) -> Address:
    """Return where a browser reaches the socket."""
    return Address(*listener.getsockname()[:2])
