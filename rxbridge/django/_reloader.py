"""What ``run_reflex`` does when a file changes: bring the pages up to date, and restart."""

import socket
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

from rxbridge.django._build import BuildFailed, Report
from rxbridge.django._pages import Pages
from rxbridge.django._project import Project
from rxbridge.django._server import Site, Target

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
    pages: Pages
    target: Target
    listener: socket.socket
    _: KW_ONLY
    url: str
    say: Report
    site: Site | None = None

    def run(self) -> None:
        """Make the pages if they are stale, serve, and follow the changes until interrupted."""
        try:
            changes = watch(
                self.project.root,
                watch_filter=ProjectFiles(self.project),
                rust_timeout=200,
                yield_on_timeout=True,
            )
            # It watches from its first step on, so no change is missed while we build and start.
            next(changes)
            if not self.pages.is_fresh():
                self._update()
            else:
                self._take_over(self._new_site())
            for changed in filter(None, changes):
                self.say(f"{_names(path for _, path in changed)} changed.")
                self._update()
        finally:
            self.stop()

    def stop(self) -> None:
        """Stop the server, if there is one."""
        if self.site is not None:
            self.site.stop()
            self.site = None

    def _update(self) -> None:
        # It imports the application while the pages are compiled; mostly that is all there is.
        is_first = not self.project.web.exists()
        candidate = self._new_site()
        try:
            # The first build takes a minute, too long to wait for what is found in a second.
            if is_first and not self._is_sound(candidate):
                return
            outdated = self.pages.refresh()
        except BuildFailed as error:
            candidate.stop()
            goes_on = "; the server goes on as it was" if self.site else ""
            self.say(f"{error}\nWaiting for a change{goes_on}.")
            return
        except BaseException:
            candidate.stop()
            raise
        if outdated:
            candidate.stop()
            candidate = self._new_site()
        self._take_over(candidate)

    def _new_site(self) -> Site:
        return Site(self.target, self.listener, wrap=self.pages.wrap)

    def _take_over(self, candidate: Site) -> None:
        try:
            if not self._is_sound(candidate):
                return
            # The old one first: Reflex saves its states as it stops, and the new one reads them.
            self.stop()
        except BaseException:
            candidate.stop()
            raise
        self.site = candidate
        candidate.serve()
        self.say(f"Serving at {self.url}/  (Ctrl-C stops it)")

    def _is_sound(self, candidate: Site) -> bool:
        """Wait for it; if it cannot be served, say so and end it."""
        if candidate.failure:
            candidate.stop()
            self.say(f"{candidate.failure}\nThis cannot be served. Waiting for a change.")
        return not candidate.failure


def _names(paths: Iterable[str]) -> str:
    return ", ".join(sorted({Path(path).name for path in paths}))
