"""The topologies, each served once."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.conftest import launched
from tests.topologies import garden
from tests.topologies.garden import Garden


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with ada in it, for all topologies."""
    database = tmp_path_factory.mktemp("garden") / "garden.sqlite3"
    garden.found(database)
    return database


@pytest.fixture(scope="package")
def gardens(database: Path) -> Iterator[Callable[[str], Garden]]:
    """Return a topology that is served; each is started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(name: str) -> Garden:
            garden.build(garden.folder(name))
            return stack.enter_context(garden.serve(name, database))

        yield start


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A tab of a new browser, whose console may not have complained at the end."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # The admin names no icon; and it and Reflex call the automatic colours differently.
        text = f"{message.text} {message.location['url']}"
        if message.type == "error" and "favicon" not in text and "mode" not in text:
            complaints.append(text)

    context = chromium.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []
