"""Reflex's own `reflex run` with Vite, and Django on another port, in a real Chromium."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers import free_port, run_server
from tests.topologies.garden import EXAMPLES, environment, lend_packages, reflex_run
from tests.topologies.test_in_browser import click, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.server]


@dataclass
class Ports:
    """Where things are, as a browser names them: cookies are shared by name, not by port."""

    pages: str
    backend: str
    django: str


@pytest.fixture(scope="module")
def ports(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    env = environment(database)
    log = tmp_path_factory.mktemp("two-ports") / "log"
    frontend, backend = free_port(), free_port()
    pages, reflex = f"http://localhost:{frontend}", f"http://localhost:{backend}"
    lend_packages(EXAMPLES / "two_ports")
    arguments = ["--frontend-port", str(frontend), "--backend-port", str(backend)]
    until = [f"{pages}/", f"{reflex}/ping"]
    with (
        run_server("uvicorn", "two_ports.asgi:application", env=env, cwd=EXAMPLES) as django,
        reflex_run(*arguments, until=until, cwd=EXAMPLES / "two_ports", env=env, log=log),
    ):
        yield Ports(pages, reflex, f"http://localhost:{django.port}")


def test_user_of_django_is_in_the_events_of_vites_page(ports: Ports, page: Page):
    page.goto(f"{ports.pages}/")
    click(page, "nobody 1 /")
    sign_in(page, ports.django, "/api/whoami/")
    page.wait_for_url("**/api/whoami/")
    page.goto(f"{ports.pages}/")
    expect(page.locator("#user")).to_have_text("ada")
    click(page, "ada 2 /")
    page.goto(f"{ports.pages}/notes/moss")
    expect(page.locator("h1")).to_have_text("Note: moss")
    click(page, "ada 3 /notes/moss")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", None])
def test_socket_is_for_vites_pages_only(ports: Ports, origin: str | None):
    url = f"{ports.backend.replace('http', 'ws')}/_event/?EIO=4&transport=websocket"
    with connect(url, origin=ports.pages):
        pass
    with pytest.raises(InvalidStatus) as refusal, connect(url, origin=origin):
        pass
    assert refusal.value.response.status_code == 403


def test_django_is_on_its_own_port_only(ports: Ports):
    assert httpx.get(f"{ports.django}/admin/login/").is_success
    assert httpx.get(f"{ports.backend}/admin/login/").status_code == 404
