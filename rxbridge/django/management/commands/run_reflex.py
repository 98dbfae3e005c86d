"""``manage.py run_reflex``: build, serve and watch, on one port."""

import asyncio
import os
import socket
from argparse import ArgumentParser
from contextlib import closing
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rxbridge.django._build import build, terminable
from rxbridge.django._project import Project
from rxbridge.django._server import address_of, listen, load_site, serve
from rxbridge.errors import RxBridgeError

NO_UVICORN = (
    "run_reflex serves with uvicorn and its file watcher, which are not installed. "
    "Install them: pip install 'rxbridge[uvicorn]'"
)
NO_WEBSOCKETS = "--with-vite needs websockets. Install it: pip install 'rxbridge[vite]'"


class Command(BaseCommand):
    """Serve the project's ASGI application for development."""

    help = "Builds the Reflex pages if they changed, serves the project, and follows changes."
    # A check may find missing what this builds.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the address, the application, ``--no-reload`` and ``--with-vite``."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--asgi",
            help="The dotted path of the application; settings.ASGI_APPLICATION without it.",
        )
        either = parser.add_mutually_exclusive_group()
        either.add_argument(
            "--no-reload", dest="reload", action="store_false", help="Do not follow changes."
        )
        either.add_argument(
            "--with-vite",
            action="store_true",
            help="Serve the pages from Vite, which updates components without loading a page.",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Serve until Ctrl-C."""
        if find_spec("uvicorn") is None or find_spec("watchfiles") is None:
            raise CommandError(NO_UVICORN)
        if options["with_vite"] and find_spec("websockets") is None:
            raise CommandError(NO_WEBSOCKETS)
        try:
            path, project = application(options["asgi"]), Project.find()
            with terminable(), listening(options["host"], options["port"]) as listener:
                if options["reload"]:
                    run = self._with_vite if options["with_vite"] else self._with_bundle
                    asyncio.run(run(path, project, listener))
                else:
                    self._serve_once(path, project, listener)
        except RxBridgeError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")

    async def _with_bundle(self, path: str, project: Project, listener: socket.socket) -> None:
        from rxbridge.django._pages import BundledPages
        from rxbridge.django._reloader import Reloader

        pages, url = BundledPages(project, self._say), address_of(listener).url
        await Reloader(project, pages, path, listener, url=url, say=self._say).run()

    async def _with_vite(self, path: str, project: Project, listener: socket.socket) -> None:
        from rxbridge.django._front import front
        from rxbridge.django._reloader import Reloader
        from rxbridge.django._vite import VitePages

        public = address_of(listener)
        pages = VitePages(project, public=public, say=self._say)
        with listen("127.0.0.1", 0) as inner:
            joined = await front(listener, server=address_of(inner), vite=pages.address)
            with closing(joined):
                await Reloader(project, pages, path, inner, url=public.url, say=self._say).run()

    def _serve_once(self, path: str, project: Project, listener: socket.socket) -> None:
        if not project.is_fresh():
            asyncio.run(build(project, self._say))
        served = load_site(path, project.root)
        self._say(f"Serving at {address_of(listener).url}/  (Ctrl-C stops it)")
        serve(served, listener)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def application(named: str | None) -> str:
    """Return the dotted path of what to serve."""
    path: str | None = named or getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        msg = "Set ASGI_APPLICATION = 'mysite.asgi.application' in settings, or pass --asgi."
        raise CommandError(msg)
    return path


def listening(host: str, port: int) -> socket.socket:
    """Return the listening socket, or say why there is none, before anything is built."""
    try:
        return listen(host, port)
    except OSError as error:
        # Not strerror, which says the address once more; a name that is not found has no errno.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        msg = f"Cannot listen on {host}:{port}: {reason}."
        raise CommandError(msg) from None
