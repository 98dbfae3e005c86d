"""Each topology on a real server: pages, Django, events with the user, and what is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import websockets

from tests import warm
from tests.events.wire import connect
from tests.servers import free_port
from tests.topologies.garden import EXAMPLES, Garden, folder, reflex_run, sign_in

pytestmark = pytest.mark.server

ALL = ("spa_default", "django_outside", "reflex_outside", "sub_path", "beside")
WHO = "reflex___state____state.notes___pages____notes.who"


@pytest.fixture(params=ALL)
def garden(request: pytest.FixtureRequest, gardens: Callable[[str], Garden]) -> Garden:
    return gardens(request.param)


def test_pages_and_deep_links_are_served(garden: Garden):
    front, deep = garden.page("/"), garden.page("/notes/moss")
    assert (front.status_code, deep.status_code) == (200, 200)
    assert "<title>Garden</title>" in front.text
    assert deep.headers["content-type"].startswith("text/html")


def test_unknown_page_is_the_apps_404(garden: Garden):
    answer = garden.page("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "/assets/" in answer.text, "the app's own page, which starts the app"


def test_missing_script_is_never_a_page(garden: Garden):
    present = garden.get(garden.script(), accept="*/*")
    gone = garden.page("/assets/gone-123.js", accept="*/*")
    assert (present.status_code, gone.status_code) == (200, 404)
    assert "javascript" in present.headers["content-type"]
    assert "<html" not in gone.text.lower()


def test_django_answers_its_own_urls(garden: Garden):
    assert garden.get("/admin/").headers["location"] == "/admin/login/?next=/admin/"
    assert garden.get("/api/whoami/").json() == {"user": ""}
    assert garden.get("/static/admin/css/base.css").status_code == 200
    cookies = sign_in(garden.origin)
    answer = httpx.get(f"{garden.origin}/api/whoami/", cookies=cookies)
    assert answer.json() == {"user": "ada"}


async def test_event_runs_as_the_user_of_the_admin(garden: Garden):
    cookies = sign_in(garden.origin)
    async with connect(garden.ws_url, cookies=cookies, origin=garden.origin) as ada:
        assert ada.vars()["username"] == "ada"
        await ada.fire(WHO, "/")
        await ada.var("seen", f"ada 1 {garden.below}/")
    async with connect(garden.ws_url, origin=garden.origin) as nobody:
        await nobody.fire(WHO, "/notes/moss")
        await nobody.var("seen", f"nobody 1 {garden.below}/notes/moss")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:1", "null", None])
async def test_socket_from_a_foreign_origin_is_refused(garden: Garden, origin: str | None):
    url = f"{garden.ws_url}/_event/?EIO=4&transport=websocket"
    cookies = sign_in(garden.origin)
    headers = {"Cookie": f"sessionid={cookies['sessionid']}"}
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with websockets.connect(url, origin=origin, additional_headers=headers):
            pass
    assert refusal.value.response.status_code == 403


def test_answers_of_django_may_not_be_read_by_another_origin(garden: Garden):
    answer = garden.get("/api/whoami/", origin="https://evil.example", cookie="sessionid=x")
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_health_check_that_asks_by_ip_address_is_answered(gardens: Callable[[str], Garden]):
    garden = gardens("spa_default")
    assert garden.get("/ping", host="10.0.0.7:8000").json() == "pong"
    assert garden.get("/_health", host="10.0.0.7:8000").json()["status"] is True
    assert garden.get("/api/whoami/", host="10.0.0.7:8000").status_code == 400


def test_checks_find_nothing(garden: Garden):
    script = (
        f"from {garden.name}.asgi import application\n"
        "from django.core.checks import run_checks\n"
        "from rxbridge.django import check_application\n"
        "print([*check_application(application), *run_checks()])"
    )
    checked = warm.run(
        [sys.executable, "-c", script],
        cwd=folder(garden.name),
        env={**os.environ, **garden.env},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert checked.stdout == "[]\n"


def test_every_example_is_tested():
    examples = {path.parent.name for path in EXAMPLES.glob("*/asgi.py")}
    assert examples == {*ALL, "stripped", "two_ports"}


class TestDjangoOutside:
    def test_page_passes_through_the_middleware_and_scripts_need_not(
        self, gardens: Callable[[str], Garden]
    ):
        garden = gardens("django_outside")
        assert garden.page("/").headers["x-frame-options"] == "DENY"
        assert "x-frame-options" not in garden.get(garden.script()).headers
        assert gardens("spa_default").page("/").headers["x-frame-options"] == "DENY"

    def test_admin_without_its_slash_is_the_admin(self, gardens: Callable[[str], Garden]):
        assert gardens("django_outside").get("/admin").headers["location"] == "/admin/"


class TestReflexOutside:
    def test_reflexs_own_command_serves_django_and_the_pages(
        self, gardens: Callable[[str], Garden], tmp_path: Path
    ):
        garden = gardens("reflex_outside")
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        arguments = ["--env", "prod", "--backend-only", "--backend-port", str(port)]
        env = {**garden.env, "REFLEX_APP_MODULE_IMPORT": "reflex_outside.ui"}
        log = tmp_path / "log"
        with reflex_run(*arguments, until=[f"{url}/ping"], cwd=EXAMPLES, env=env, log=log):
            assert httpx.get(f"{url}/api/whoami/").json() == {"user": ""}
            assert "<title>Garden</title>" in httpx.get(url).text


class TestSubPath:
    @pytest.mark.parametrize("path", ["/", "/notes/moss", "/gardens"])
    def test_what_is_not_below_the_path_is_djangos(
        self, gardens: Callable[[str], Garden], path: str
    ):
        answer = gardens("sub_path").get(path)
        assert answer.status_code == 404
        assert answer.headers["x-frame-options"] == "DENY"

    def test_path_itself_is_the_first_page(self, gardens: Callable[[str], Garden]):
        assert "<title>Garden</title>" in gardens("sub_path").get("/garden").text

    async def test_no_socket_outside_of_the_path(self, gardens: Callable[[str], Garden]):
        garden = gardens("sub_path")
        url = f"{garden.server.ws_url}/_event/?EIO=4&transport=websocket"
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(url, origin=garden.origin):
                pass


class TestBeside:
    def test_starlette_is_mounted_and_started(self, gardens: Callable[[str], Garden]):
        answer = gardens("beside").get("/tools/reports/")
        assert answer.json() == {"here": "/tools/reports/", "started": True}

    async def test_channels_has_the_same_user(self, gardens: Callable[[str], Garden]):
        garden = gardens("beside")
        cookies = sign_in(garden.origin)
        headers = {"Cookie": f"sessionid={cookies['sessionid']}"}
        url = f"{garden.ws_url}/echo/"
        async with websockets.connect(
            url, origin=garden.origin, additional_headers=headers
        ) as socket:
            await socket.send('"hello"')
            assert json.loads(await socket.recv()) == {"user": "ada", "said": "hello"}

    async def test_channels_is_guarded_too(self, gardens: Callable[[str], Garden]):
        garden = gardens("beside")
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with websockets.connect(f"{garden.ws_url}/echo/", origin="https://evil.example"):
                pass
        assert refusal.value.response.status_code == 403
