"""``run_reflex --with-vite``: hot updates behind one port, on real servers and in a browser."""

import asyncio
import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from rxbridge.asgi import PrefixRouter
from rxbridge.django._project import Project
from rxbridge.django._server import Address
from rxbridge.django._vite import VitePages, through_vite
from tests.django_app.site import Running, copy_site, edit, manage, run_reflex
from tests.django_app.test_run_reflex import SERVING, get, processes, wait_until_gone
from tests.django_app.test_views_in_browser import HEAD, behind_django

pytestmark = pytest.mark.server

FROM_VITE = "virtual:react-router/inject-hmr-runtime"


@pytest.fixture(scope="module")
def running(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests here that do not end it."""
    with run_reflex(copy_site(built, tmp_path_factory.mktemp("vite")), "--with-vite") as run:
        run.wait_for(SERVING)
        yield run


def test_pages_come_from_vite_and_everything_else_from_where_it_does(running: Running):
    assert FROM_VITE in get(running, "/")
    assert get(running, "/logo.txt") == "logo\n"
    assert get(running, "/hello/") == "hello"
    assert "teal" in get(running, "/static/plain.css")


def test_mistake_is_shown_and_waited_out_by_server_and_pages(running: Running):
    seen = len(running.lines)
    edit(running.root, "mysite/ui.py", "def index", "deff index")
    seen = running.wait_for("Waiting for a change", after=seen)
    assert "SyntaxError" in running.output
    assert get(running, "/hello/") == "hello"
    assert FROM_VITE in get(running, "/")
    edit(running.root, "mysite/ui.py", "deff index", "def index")
    running.wait_for(SERVING, after=seen)


@pytest.mark.browser
def test_edit_loop_without_a_reload(running: Running, page: Page):
    page.goto(f"{running.url}/hello/sign-in/")
    page.goto(running.url)
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("1")
    expect(page.locator("#who")).to_have_text("ada")
    page.evaluate("window.untouched = true")

    seen = len(running.lines)
    edit(running.root, "mysite/ui.py", "First", "Second")
    expect(page.locator("h1")).to_have_text("Second")
    running.wait_for(SERVING, after=seen)

    seen = len(running.lines)
    edit(running.root, "mysite/steps.py", "1", "10")
    running.wait_for(SERVING, after=seen)
    assert "hmr update" not in "\n".join(running.lines[seen:])
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("11")
    expect(page.locator("#who")).to_have_text("ada")

    # With another field Reflex begins the state anew; the page and the login stay.
    seen = len(running.lines)
    new = 'who: str = ""\n    mood: str = "glad"'
    edit(running.root, "mysite/ui.py", 'who: str = ""', new)
    edit(running.root, "mysite/ui.py", 'rx.el.h1("Second")', "rx.el.h1(Counter.mood)")
    running.wait_for(SERVING, after=seen)
    expect(page.locator("h1")).to_have_text("glad")
    expect(page.locator("#count")).to_have_text("0")
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("10")
    expect(page.locator("#who")).to_have_text("ada")
    assert page.evaluate("window.untouched"), "the page was loaded again"

    # Vite is another from here on: its client loads the page, state and login stay.
    seen = len(running.lines)
    os.kill(vite_process(running), signal.SIGKILL)
    running.wait_for("starting it again", after=seen)
    page.wait_for_function("window.untouched === undefined")
    expect(page.locator("#count")).to_have_text("10")
    expect(page.locator("#who")).to_have_text("ada")


def test_page_waits_while_vite_is_away(running: Running):
    seen = len(running.lines)
    os.kill(vite_process(running), signal.SIGKILL)
    browser = {"accept": "text/html"}
    statuses = []
    while statuses[-1:] != [200]:
        answer = httpx.get(running.url, headers=browser)
        if answer.status_code not in statuses:
            statuses.append(answer.status_code)
            assert answer.status_code != 503 or 'http-equiv="refresh"' in answer.text
    assert statuses[-2:] == [503, 200]
    running.wait_for("starting it again", after=seen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_it_outlives_the_command(site: Path, number: int):
    with run_reflex(site, "--with-vite") as run:
        run.wait_for(SERVING)
        assert vite_process(run)
        if number == signal.SIGINT:
            run.interrupt()
        else:
            os.kill(run.process.pid, number)
            run.process.wait(20)
        assert wait_until_gone(run) == []
        assert "Traceback" not in run.output


def test_vite_that_is_just_starting_ends_with_the_command(tmp_path: Path):
    async def command() -> None:
        pages = VitePages(Project(tmp_path), public=Address("127.0.0.1", 8000), say=print)
        pages._project.workshop.mkdir(parents=True)
        pages._command = [sys.executable, "-c", "import time; time.sleep(20)"]
        starting.append(asyncio.create_task(pages._keep_running()))
        await asyncio.sleep(0)  # It has asked for the process, which is not there yet.

    starting: list[asyncio.Task[None]] = []
    began = time.monotonic()
    asyncio.run(command())
    assert time.monotonic() - began < 10
    assert starting[0].cancelled()
    ended = SimpleNamespace(root=tmp_path, process=SimpleNamespace(pid=-1))
    assert wait_until_gone(ended) == []


def test_build_after_it_is_a_production_build(site: Path):
    with run_reflex(site, "--with-vite") as run:
        seen = run.wait_for(SERVING)
        edit(site, "mysite/ui.py", "First", "Later")
        run.wait_for(SERVING, after=seen)
        run.interrupt()
    with run_reflex(site) as run:
        run.wait_for(SERVING)
        assert "Later" in get(run, "/")
        assert FROM_VITE not in get(run, "/")


def test_pages_pass_through_django_where_it_serves_them(site: Path):
    behind_django(site, "head_template_name", HEAD)
    with run_reflex(site, "--with-vite") as run:
        run.wait_for(SERVING)
        page = httpx.get(run.url, headers={"accept": "text/html"})
        assert FROM_VITE in page.text
        assert "window.early = true" in page.text
        assert "script-src 'nonce-n1'" in page.headers["content-security-policy"]
        for path in ("/app/root.jsx?t=1", "/@id/__x00__virtual:react-router/hmr-runtime"):
            assert httpx.get(run.url + path).headers["content-type"] == "text/javascript"


def test_it_cannot_follow_and_not_follow(site: Path):
    result = manage(site, "run_reflex", "--with-vite", "--no-reload")
    assert result.returncode != 0
    assert "not allowed with argument" in result.stdout


@pytest.mark.parametrize(
    ("host", "seen"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::", "0.0.0.0")],
)
async def test_other_machine_does_not_pass_for_this_one(tmp_path: Path, host: str, seen: str):
    addresses = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        addresses.append(scope["client"][0])

    pages = VitePages(Project(tmp_path), public=Address(host, 8000), say=print)
    served = pickle.loads(pickle.dumps(pages.wrap))(app)
    # As the server behind the front sees it, wherever the browser is.
    for scope in ({"type": "http"}, {"type": "websocket", "subprotocols": []}):
        await served({**scope, "client": ("127.0.0.1", 1)}, None, None)
    assert addresses == [seen, seen]


@pytest.mark.parametrize(
    ("prefix", "warned"), [("/app", True), ("/styles/x", True), ("/apps", False), ("/api", False)]
)
def test_prefix_that_hides_what_vite_serves_is_named(
    caplog: pytest.LogCaptureFixture, prefix: str, warned: bool
):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Stands for an app."""

    through_vite(PrefixRouter({prefix: app}, default=app), target="http://127.0.0.1:5173")
    assert (f"'{prefix}' hides" in caplog.text) is warned


def vite_process(run: Running) -> int:
    """The id of Vite's process, not of the script of Python's that may have started it."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for number, command in processes(run):
            if "react-router" in command and command.split()[0].endswith("/node"):
                return number
        time.sleep(0.1)
    raise AssertionError("Vite does not run")
