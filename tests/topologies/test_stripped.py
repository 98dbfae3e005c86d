"""Below a path that a real nginx takes off: in a browser, and where the app is not made for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import websockets
from playwright.sync_api import Page, expect
from websockets.sync.client import connect

from tests.nginx import documented, require_nginx, run_nginx
from tests.servers import free_port, run_server
from tests.topologies import garden
from tests.topologies.garden import EXAMPLES, Garden
from tests.topologies.test_in_browser import click, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.server]

# A slash more takes the path off.
STRIPPING = {"location / {": "location /garden/ {", "http://app;": "http://app/;"}


@pytest.fixture
def origin(database: Path, tmp_path: Path) -> Iterator[str]:
    """Serve `stripped` behind nginx, with the pages of `sub_path`: they are the same ones."""
    require_nginx()
    garden.build(garden.folder("sub_path"))
    own = EXAMPLES / "stripped"
    if not (own / ".web").exists():
        (own / ".web").symlink_to("../sub_path/.web")
    server_port, port = free_port(), free_port()
    config = documented(port, f"127.0.0.1:{server_port}", STRIPPING, said="http")
    server = run_server(
        "uvicorn",
        "stripped.asgi:application",
        env=garden.environment(database, "stripped.settings"),
        cwd=own,
        args=("--root-path", "/garden"),
        port=server_port,
    )
    with server, run_nginx(config, port, tmp_path):
        yield f"http://127.0.0.1:{port}"


def test_pages_events_and_the_admin_are_below_the_path(origin: str, page: Page):
    page.goto(f"{origin}/garden/")
    click(page, "nobody 1 /garden/")
    sign_in(page, f"{origin}/garden", "/garden/notes/moss")
    expect(page.locator("h1")).to_have_text("Note: moss")
    expect(page.locator("#user")).to_have_text("ada")
    click(page, "ada 2 /garden/notes/moss")
    assert page.url == f"{origin}/garden/notes/moss"
    styles = httpx.get(f"{origin}/garden/static/admin/css/base.css")
    assert styles.status_code == 200


def test_app_that_is_not_made_for_it_says_what_to_change(
    gardens: Callable[[str], Garden], tmp_path: Path
):
    require_nginx()
    server = gardens("sub_path").server
    port = free_port()
    config = documented(port, f"127.0.0.1:{server.port}", STRIPPING, said="http")
    with run_nginx(config, port, tmp_path):
        url = f"ws://127.0.0.1:{port}/garden/_event/?EIO=4&transport=websocket"
        with pytest.raises(websockets.InvalidStatus) as refusal:
            connect(url, origin=f"http://127.0.0.1:{port}").close()
    assert refusal.value.response.status_code == 403
    server.wait_for_log("the route is /garden/_event")
    server.wait_for_log("let api_url there end with /garden, and route /_event")
