"""The Reflex side of a Django project: where things lie, and what a bundle was made from."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Self

from django.conf import settings

from rxbridge.errors import RxBridgeError

# A dotfile, so that SPAStaticApp never serves it and it moves with its bundle.
STAMP = ".rxbridge.json"
STAGED = "_reflex"

_UI_FOLDERS = ("app", "app_components", "components", "public", "styles", "utils")
_UI_FILES = ("package.json", "vite.config.js")


class NoProject(RxBridgeError):
    """There is no Reflex project where the command was run."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a bundle was made from: Reflex's version, and a digest of each file."""

    reflex: str
    ui: str
    """The digest of the compiled pages, see ``Project.ui_digest``."""
    sources: Mapping[str, str]

    @classmethod
    def of(cls, bundle: Path) -> Self | None:
        """Return the stamp of a bundle; None when ``export_reflex`` did not build it."""
        try:
            return cls(**json.loads((bundle / STAMP).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, bundle: Path) -> None:
        """Put the stamp into its bundle."""
        (bundle / STAMP).write_text(json.dumps(asdict(self), indent=1))


@dataclass(frozen=True, slots=True)
class Project:
    """The directory with ``rxconfig.py``."""

    root: Path

    @classmethod
    def find(cls) -> Self:
        """Return the project in ``settings.BASE_DIR``, or else in the current directory."""
        base = Path(getattr(settings, "BASE_DIR", None) or "").resolve()
        candidates = dict.fromkeys([base, Path.cwd()])
        for candidate in candidates:
            if (candidate / "rxconfig.py").is_file():
                return cls(candidate)
        msg = (
            f"There is no rxconfig.py in {' or '.join(map(str, candidates))}; "
            "run this from the directory that has it, or make it: manage.py init_reflex."
        )
        raise NoProject(msg)

    @property
    def web(self) -> Path:
        """Where Reflex keeps what it generates."""
        return self.root / os.environ.get("REFLEX_WEB_WORKDIR", ".web")

    @property
    def workshop(self) -> Path:
        """Where bundles are built: apart, so that the one that is served stays whole."""
        return self.web / "rxbridge"

    @property
    def bundle(self) -> Path:
        """Where the bundle is served from."""
        return self.web / "build" / "client"

    def stamp(self, loaded: Iterable[str]) -> Stamp:
        """Return the stamp for a bundle made from the ``loaded`` files as they are now."""
        modules = {*loaded, "rxconfig.py"}
        files = {*modules, *self._assets(), *self._translations(modules)}
        return Stamp(
            reflex=version("reflex"),
            ui=self.ui_digest(),
            sources={name: self._digest(name) for name in sorted(files)},
        )

    def ui_digest(self) -> str:
        """Return a digest of what the last compilation wrote: the input of the build.

        What differs from run to run, such as times, is left out, and so is what the build is
        told only later: the addresses of the backend, which ``rxconfig.py`` stands for.
        """
        folders = [self.workshop / name for name in _UI_FOLDERS]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        files += [*(self.workshop / name for name in _UI_FILES), self.root / "rxconfig.py"]
        digests = {os.path.relpath(path, self.root): self._digest(path) for path in sorted(files)}
        return sha256(json.dumps(digests).encode()).hexdigest()

    def changes_since(self, stamp: Stamp) -> list[str]:
        """Return what makes a bundle older than the code: nothing when it is up to date."""
        present = {*self._assets(), *self._translations(stamp.sources)}
        new = present - stamp.sources.keys()
        changed = {name for name, old in stamp.sources.items() if self._digest(name) != old}
        changes = sorted(new | changed)
        if stamp.reflex != version("reflex"):
            changes.append(f"Reflex {stamp.reflex}, now {version('reflex')}")
        return changes

    def is_fresh(self) -> bool:
        """Return whether there is a bundle that was made from the files as they are."""
        stamp = Stamp.of(self.bundle)
        return stamp is not None and not self.changes_since(stamp)

    def _assets(self) -> list[str]:
        # external/ holds links that Reflex makes while it compiles.
        return [
            path.relative_to(self.root).as_posix()
            for path in (self.root / "assets").rglob("*")
            if path.is_file() and path.relative_to(self.root).parts[1] != "external"
        ]

    def _translations(self, modules: Iterable[str]) -> Iterator[str]:
        """Find the catalogues beside ``modules``: their texts are compiled into the pages."""
        for folder in {(self.root / name).parent for name in modules}:
            for path in folder.glob("locale/*/LC_MESSAGES/*.mo"):
                yield path.relative_to(self.root).as_posix()

    def _digest(self, name: str | Path) -> str:
        try:
            return sha256((self.root / name).read_bytes()).hexdigest()
        except OSError:
            return "missing"
