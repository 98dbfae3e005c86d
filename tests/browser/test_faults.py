"""A visitor clicks while the network or the workers fail: nothing that was shown is taken back."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.faults import faults
from tests.faults.tabs import Tab
from tests.faults.visits import Visit
from tests.faults.workers import Stage, run_stage
from tests.servers import KINDS
from tests.state.redis_server import needs_redis

TABS = 50

TOPOLOGIES = [
    pytest.param((kind, count), id=f"{kind}-{count}", marks=needs_redis if count > 1 else ())
    for kind in KINDS
    for count in (1, 2)
]


@pytest.fixture(scope="module", params=TOPOLOGIES)
def stage(request: pytest.FixtureRequest, members: Path) -> Iterator[Stage]:
    """One worker and two, behind a proxy that can fail."""
    kind, count = request.param
    with run_stage(kind, count, members) as stage:
        yield stage


@pytest.fixture
def visit(stage: Stage, chromium: Browser) -> Iterator[Visit]:
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    yield Visit(context.new_page(), stage)
    context.close()


def test_network_that_dies_in_silence_takes_nothing_back(visit: Visit) -> None:
    visit.sign_in()
    outcome = visit.suffer(faults.fall_silent)
    assert (outcome.taken_back, outcome.users) == (0, {"ada"})
    # Reflex's own, while there is no network.
    assert [toast for toast in outcome.toasts if "Cannot connect to server" not in toast] == []
    assert outcome.stored == outcome.counts[-1]


def test_login_that_ends_without_a_socket_reaches_the_page_and_the_browser(
    visit: Visit, stage: Stage
) -> None:
    page, context = visit.page, visit.page.context
    page.goto(stage.balancer.url)
    page.get_by_test_id("enter-slowly").click()
    expect(page.get_by_test_id("kept")).to_have_text("waits")
    stage.balancer.go_silent()
    context.set_offline(True)
    page.wait_for_timeout(2000)  # The event takes 1.5 s.
    context.set_offline(False)
    expect(page.get_by_test_id("kept")).to_have_text("entered", timeout=20_000)
    expect(page.get_by_test_id("username")).to_have_text("ada")
    page.evaluate("window.rxbridgeHandoff")
    page.reload()
    expect(page.get_by_test_id("username")).to_have_text("ada")
    assert any(each.get("name") == "sessionid" for each in context.cookies())


def test_rolling_restart_takes_no_click_from_fifty_tabs_and_shows_no_error(
    visit: Visit, stage: Stage
) -> None:
    if len(stage.workers) == 1:
        pytest.skip("One worker is away while it is restarted.")
    tabs = [Tab(stage.balancer.url) for _ in range(TABS)]
    is_over = threading.Event()

    async def click(tab: Tab) -> None:
        async with tab.open():
            while not is_over.is_set():
                await tab.click()
                await asyncio.sleep(0.5)

    async def look_once_more(tab: Tab) -> None:
        async with tab.open():
            pass

    async def run() -> None:
        await asyncio.gather(*map(click, tabs))
        await asyncio.gather(*map(look_once_more, tabs))

    crowd = threading.Thread(target=lambda: asyncio.run(run()))
    crowd.start()
    try:
        visit.sign_in()
        outcome = visit.suffer(faults.restart)
    finally:
        is_over.set()
        crowd.join(60)
    assert [tab.taken_back for tab in tabs if tab.taken_back] == []
    assert [tab.errors for tab in tabs if tab.errors] == []
    assert all(tab.came_back > 1 for tab in tabs), "a tab was not restarted under"
    assert all(0 < tab.acknowledged == tab.shown <= tab.sent for tab in tabs)
    assert (outcome.taken_back, outcome.toasts, outcome.users) == (0, set(), {"ada"})
