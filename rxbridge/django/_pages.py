"""Where the pages come from that ``run_reflex`` serves: a bundle that it builds."""

from collections.abc import Callable
from functools import partial

from rxbridge.asgi._types import ASGIApp
from rxbridge.django._build import FIRST_BUILD, Report, build, compile_pages
from rxbridge.django._page_reload import PageReload
from rxbridge.django._project import Project, Stamp


class BundledPages:
    """The production bundle; open pages load again when it is another."""

    def __init__(self, project: Project, say: Report) -> None:
        self._project = project
        self._say = say
        stamp = Stamp.of(project.bundle)
        self._ui = stamp.ui if stamp else ""

    def is_fresh(self) -> bool:
        """Return whether the bundle was made from the code as it is."""
        return self._project.is_fresh()

    async def refresh(self) -> bool:
        """Build the bundle if the code compiles to other pages; raises ``BuildFailed``.

        True when a server that was started before has looked at what is out of date now.
        """
        compiled = await compile_pages(self._project)
        if compiled.ui == self._ui:
            # Other code, the same pages: the bundle counts as made from this code.
            compiled.write(self._project.bundle)
            return False
        self._say("The pages changed; building them." if self._ui else FIRST_BUILD)
        built = await build(self._project, lambda line: self._say(f"  │ {line}"))
        self._ui = built.ui
        # The application looks at the bundle when it is imported.
        return True

    @property
    def wrap(self) -> Callable[[ASGIApp], ASGIApp]:
        """What to put around the application, in another process: it tells pages of the bundle."""
        return partial(PageReload, bundle=self._ui)
