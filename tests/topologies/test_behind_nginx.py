"""Behind a real nginx: what an event's request says is what a view's says."""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from rxbridge.asgi.cookies import TICKET_HEADER
from tests.events.wire import Socket, connect
from tests.nginx import documented, require_nginx, run_nginx
from tests.servers import free_port, run_server

pytestmark = pytest.mark.server

SITE = "tests.topologies.proxied_site:application"
ASKED = "reflex___state____state.tests___topologies___proxied_site____asked"


class Front:
    """What a browser sees of the site: it takes the address to be https."""

    def __init__(self, port: int, below: str) -> None:
        self.host = f"127.0.0.1:{port}"
        self.below = below

    def view(self) -> dict[str, object]:
        answer = httpx.get(f"http://{self.host}{self.below}/cart")
        assert answer.status_code == 200, answer.headers
        told: dict[str, object] = answer.json()
        return told

    @contextlib.asynccontextmanager
    async def tab(self) -> AsyncIterator[Socket]:
        url, origin = f"ws://{self.host}{self.below}", f"https://{self.host}"
        async with connect(url, origin=origin) as tab:
            yield tab

    async def event(self) -> dict[str, object]:
        async with self.tab() as tab:
            await tab.fire(f"{ASKED}.tell", "/cart")
            await tab.text(r"secure")
            told: dict[str, object] = json.loads(tab.vars()["told"])
            return told


@contextlib.contextmanager
def fronted(
    folder: Path,
    *,
    below: str = "",
    socket: bool = False,
    args: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    changes: Mapping[str, str] | None = None,
    said: str = "https",
    before: str = "",
) -> Iterator[Front]:
    """Serve the site on uvicorn, with nginx in front as the docs say."""
    require_nginx()
    unix = folder / "site.sock"
    if socket:
        args = (*args, "--uds", str(unix))
    server_port, port = free_port(), free_port()
    upstream = f"unix:{unix}" if socket else f"127.0.0.1:{server_port}"
    config = before + documented(port, upstream, changes, said=said)
    env = {"DJANGO_SETTINGS_MODULE": "tests.topologies.proxied_settings", **(env or {})}
    with (
        run_server("uvicorn", SITE, cwd=folder, port=server_port, args=args, env=env),
        run_nginx(config, port, folder),
    ):
        yield Front(port, below)


async def test_over_tcp_an_event_is_as_secure_as_a_view(tmp_path: Path):
    with fronted(tmp_path) as front:
        view = front.view()
        assert await front.event() == view
    assert view["absolute"] == f"https://{front.host}/cart"
    assert view["secure"] is True
    assert view["address"] == "127.0.0.1"


async def test_wss_as_traefik_says_it_of_a_socket_is_https(tmp_path: Path):
    before = "map $http_upgrade $said { default wss; '' https; }\n"
    # The header alone decides: uvicorn is not to read it.
    args = ("--no-proxy-headers",)
    with fronted(tmp_path, args=args, said="$said", before=before) as front:
        view = front.view()
        assert await front.event() == view
    assert view["secure"] is True


async def redeem(tab: Socket, front: Front) -> httpx.Response:
    """Fetch the cookies of an event with its ticket, as the page does."""
    script = next(raw for raw in tab.raw if "_cookies" in raw)
    (ticket,) = re.findall(r"[\w-]{43}", script)
    (known_by,) = tab.handshake.get_all("set-cookie")
    headers = {
        "origin": f"https://{front.host}",
        "cookie": known_by.partition(";")[0],
        TICKET_HEADER: ticket,
    }
    async with httpx.AsyncClient() as browser:
        return await browser.post(f"http://{front.host}/shop/_cookies", headers=headers)


STRIPPED = {"location / {": "location /shop/ {", "http://app;": "http://app/;"}
BELOW_SHOP = {"REFLEX_FRONTEND_PATH": "/shop", "REFLEX_API_URL": "http://localhost:8000/shop"}


async def test_prefix_that_nginx_takes_off_is_on_every_address_once(tmp_path: Path):
    args = ("--root-path", "/shop")
    with fronted(tmp_path, below="/shop", args=args, env=BELOW_SHOP, changes=STRIPPED) as front:
        view = front.view()
        assert await front.event() == view
        async with front.tab() as tab:
            await tab.fire(f"{ASKED}.enter", "/cart")
            await tab.text("/shop/admin/login/?next=/shop/cart")
            await tab.fire(f"{ASKED}.keep", "/cart")
            await tab.text("/shop/_cookies")
            answer = await redeem(tab, front)
    assert answer.status_code == 204
    assert answer.cookies["sessionid"]
    assert view == {
        "path": "/shop/cart",
        "path_info": "/cart",
        "script_name": "/shop",
        "reverse": "/shop/admin/",
        "login": "/shop/admin/login/",
        "absolute": f"https://{front.host}/shop/cart",
        "secure": True,
        "address": "127.0.0.1",
    }


async def test_over_a_unix_socket_there_is_no_address_unless_uvicorn_is_to_believe_nginx(
    tmp_path: Path,
):
    with fronted(tmp_path, socket=True) as front:
        view = front.view()
        assert await front.event() == view
    assert view["secure"] is True
    assert view["address"] is None


async def test_over_a_unix_socket_the_address_is_what_nginx_says(tmp_path: Path):
    args = ("--forwarded-allow-ips", "*")
    with fronted(tmp_path, socket=True, args=args) as front:
        view = front.view()
        assert await front.event() == view
    assert view["address"] == "127.0.0.1"
