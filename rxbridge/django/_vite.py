"""Where the pages come from with ``--with-vite``: Vite's development server."""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from subprocess import PIPE

from rxbridge.asgi import DevProxy
from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send
from rxbridge.django._build import (
    NO_NODE,
    BuildFailed,
    Report,
    compile_for_vite,
    lines_of,
    node_environment,
    running,
    silent,
    write_addresses,
)
from rxbridge.django._project import Project
from rxbridge.django._server import Address, address_of, listen
from rxbridge.django._wiring import routes

logger = logging.getLogger(__name__)

_REACT_ROUTER = "node_modules/.bin/react-router"
# Its input is a pipe from the command, which ends with it even when it was killed.
_END_WITH_INPUT = "data:text/javascript,process.stdin.on('end',()=>process.exit()).resume()"
# As `reflex run` does it; without it, react-router's command starts itself anew.
_CONDITION = "--conditions=development"
# What the modules of pages lie in, below the root of the site.
_VITES_FOLDERS = ("app", "app_components", "components", "node_modules", "styles", "utils")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LIVED_WELL = 10.0
_START_SECONDS, _POLL_SECONDS = 10.0, 0.05


class VitePages:
    """The pages as Vite serves and updates them, compiled again by Reflex at every change.

    Vite is started once they have compiled, and again whenever it ends, until the event loop
    does. Raises ``BuildFailed`` where there is no Node.
    """

    def __init__(self, project: Project, *, public: Address, say: Report) -> None:
        # Free a moment ago.
        with listen("127.0.0.1", 0) as probe:
            self.address = address_of(probe)
        self._project = project
        # Reflex's client puts the page's own host in the place of localhost.
        self._backend = Address("localhost", public.port).url
        self._is_local = ip_address(public.host).is_loopback
        self._say = say
        self._environment = node_environment("dev") | {"NO_COLOR": "1"}
        self._environment["NODE_OPTIONS"] = f"{os.environ.get('NODE_OPTIONS', '')} {_CONDITION}"
        self._command = self._react_router()
        self._vite: asyncio.Task[None] | None = None

    def is_fresh(self) -> bool:
        """Return False: Vite is not started before the pages are compiled."""
        return False

    async def refresh(self) -> bool:
        """Compile, and start Vite when that has succeeded for the first time."""
        if self._vite is not None:
            return await compile_for_vite(self._project, silent)
        self._say("Compiling the pages. The first time, this installs npm packages.")
        outdated = await compile_for_vite(self._project, lambda line: self._say(f"  │ {line}"))
        await write_addresses(self._project, self._backend)
        self._vite = asyncio.create_task(self._keep_running())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until_it_listens(), _START_SECONDS)
        return outdated

    async def _until_it_listens(self) -> None:
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(*self.address)
                writer.close()
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _react_router(self) -> list[str]:
        node = shutil.which("node", path=self._environment["PATH"])
        if node is None:
            raise BuildFailed(NO_NODE)
        # Not as package.json has it: that would listen to the whole network.
        where = ["--host", self.address.host, "--port", str(self.address.port), "--strictPort"]
        return [node, "--import", _END_WITH_INPUT, _REACT_ROUTER, "dev", *where]

    async def _keep_running(self) -> None:
        pause = 0.0
        while True:
            began = time.monotonic()
            with running(
                self._command, self._project.workshop, self._environment, stdin=PIPE
            ) as process:
                async for line in lines_of(process):
                    self._say(f"  vite │ {line.strip()}")
            lived_well = time.monotonic() - began > _LIVED_WELL
            pause = _FIRST_PAUSE if lived_well else min(pause * 2 or _FIRST_PAUSE, _LONGEST_PAUSE)
            self._say(f"Vite has ended with status {process.returncode}; starting it again.")
            await asyncio.sleep(pause)

    @property
    def wrap(self) -> Callable[[ASGIApp], ASGIApp]:
        """Take the pages from Vite."""
        wrap = through_vite if self._is_local else through_vite_for_all
        return partial(wrap, target=self.address.url)


def through_vite(application: ASGIApp, *, target: str) -> ASGIApp:
    """Return the application with its pages served by Vite."""
    for prefix in routes(application):
        if f"{prefix}/".split("/")[1] in _VITES_FOLDERS:
            logger.warning(
                "The prefix '%s' hides what Vite serves there; develop the pages without "
                "--with-vite, or take another prefix.",
                prefix,
            )
    return DevProxy(target).wrap(application)


def through_vite_for_all(application: ASGIApp, *, target: str) -> ASGIApp:
    """Do the same where other machines connect, which ``front`` makes look like this one.

    Nobody is told to be this machine then: ``INTERNAL_IPS`` and the event trace trust it.
    """
    served = through_vite(application, target=target)

    async def of_anybody(scope: Scope, receive: Receive, send: Send) -> None:
        if "client" in scope:
            scope = {**scope, "client": ("0.0.0.0", 0)}  # noqa: S104 - it stands for unknown
        await served(scope, receive, send)

    return of_anybody
