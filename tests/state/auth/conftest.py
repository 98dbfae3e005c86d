"""Users and tabs of the auth tests."""

import pytest
from django.contrib.auth.models import User

from rxbridge.testing import EventClient
from tests.state.auth.app import Visit, app

PASSWORD = "correct-horse-1"


@pytest.fixture
async def ada(transactional_db):
    return await User.objects.acreate_user("ada", "ada@example.com", PASSWORD)


@pytest.fixture
async def tab(transactional_db):
    async with EventClient(app) as client:
        await client.load("/")
        yield client


async def open_page(tab: EventClient, opening, path: str, query: str = ""):
    """Open a page whose ``on_load`` is ``opening``."""
    tab.path, tab.query = path, query
    return await tab.fire(opening)


async def whoami(tab: EventClient) -> str:
    """Return who a handler of the application takes the tab's user for."""
    await tab.fire(Visit.look)
    return (await tab.state(Visit)).name
