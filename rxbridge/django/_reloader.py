"""What ``run_reflex`` does when a file changes: bring the pages up to date, and restart."""

import socket
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import Change, DefaultFilter, awatch

from rxbridge.django._build import BuildFailed, Report
from rxbridge.django._project import Project
from rxbridge.django._server import Site

if TYPE_CHECKING:
    from rxbridge.django._pages import BundledPages
    from rxbridge.django._vite import VitePages

_SUFFIXES = (".py", ".html", ".mo", ".txt", ".jinja", ".jinja2")
# What is installed changes no server that runs; Reflex adds a line to the second as it builds.
_NOT_OURS = (".states", ".web", "reflex.lock", "requirements.txt", "site-packages")


class ProjectFiles(DefaultFilter):
    """The files that make a difference to the server or to the pages."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, *_NOT_OURS)

    def __init__(self, project: Project) -> None:
        # external/ holds links that Reflex makes while it compiles.
        self.ignore_paths = (*self.ignore_paths, project.web, project.root / "assets/external")
        super().__init__()
        self._root = project.root

    def __call__(self, change: Change, path: str) -> bool:
        """Tell whether a change counts."""
        if not super().__call__(change, path):
            return False
        asset = Path(path).is_relative_to(self._root / "assets")
        return asset or path.endswith(_SUFFIXES)


@dataclass
class Reloader:
    """Keeps a server running that has the code as it is on disk.

    The old server goes on until the new one is ready to take over, so an error in the code is
    shown and waited out.
    """

    project: Project
    pages: "BundledPages | VitePages"
    application: str
    listener: socket.socket
    _: KW_ONLY
    url: str
    say: Report
    site: Site | None = None
    candidate: Site | None = None

    async def run(self) -> None:
        """Make the pages if they are stale, serve, and follow the changes until cancelled."""
        try:
            changes = awatch(
                self.project.root,
                watch_filter=ProjectFiles(self.project),
                rust_timeout=200,
                yield_on_timeout=True,
            )
            # It watches from its first step on, so no change is missed while we build and start.
            await anext(changes)
            await self._follow(is_stale=not self.pages.is_fresh())
            async for changed in changes:
                if changed:
                    self.say(f"{_names(path for _, path in changed)} changed.")
                    await self._follow(is_stale=True)
        finally:
            for site in filter(None, (self.candidate, self.site)):
                await site.stop()

    async def _follow(self, *, is_stale: bool) -> None:
        """Bring the pages up to date if they are stale, and have a new server take over."""
        # It imports the application while the pages are compiled; mostly that is all there is.
        is_first = not self.project.web.exists()
        candidate = await self._begin()
        try:
            # The first build takes a minute, too long to wait for what is found in a second.
            if is_first and not await self._is_sound(candidate):
                return
            if is_stale and await self.pages.refresh():
                candidate = await self._begin()
        except BuildFailed as error:
            goes_on = "; the server goes on as it was" if self.site else ""
            self.say(f"{error}\nWaiting for a change{goes_on}.")
            return
        if await self._is_sound(candidate):
            # The old one first: Reflex saves its states as it stops, and the new one reads them.
            if self.site is not None:
                await self.site.stop()
            self.site, self.candidate = candidate, None
            candidate.serve()
            self.say(f"Serving at {self.url}/  (Ctrl-C stops it)")

    async def _begin(self) -> Site:
        """Return a new candidate, in the place of one that did not come to serve."""
        if self.candidate is not None:
            await self.candidate.stop()
        root, wrap = self.project.root, self.pages.wrap
        self.candidate = Site(self.application, root, self.listener, wrap=wrap)
        return self.candidate

    async def _is_sound(self, candidate: Site) -> bool:
        """Wait for it; if it cannot be served, say so."""
        failure = await candidate.failure
        if failure:
            self.say(f"{failure}\nThis cannot be served. Waiting for a change.")
        return not failure


def _names(paths: Iterable[str]) -> str:
    return ", ".join(sorted({Path(path).name for path in paths}))
