"""What a newcomer does wrong is told once, with the remedy, where they look."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from rxbridge.django._server import load_application
from rxbridge.errors import RxBridgeError
from tests.django_app.site import edit, manage, run_reflex
from tests.events.wire import connect
from tests.servers import free_port

SERVING, WAITING = "Serving at", "Waiting for a change"

ON_THE_TERMINAL = [
    ("django.setup()", "# no setup", "imported before Django was set up"),
    ("Counter.count, id", "Counter.cuont, id", "has no attribute 'cuont'"),
    ("= ConnectionRegistry()", "= ConnectionRegister()", "name 'ConnectionRegister' is not"),
]


@pytest.mark.server
def test_mistake_in_the_pages_is_told_once_and_waited_out(site: Path):
    with run_reflex(site) as run:
        seen = run.wait_for(SERVING)
        for right, wrong, told in ON_THE_TERMINAL:
            edit(site, "mysite/ui.py", right, wrong)
            end = run.wait_for(WAITING, after=seen)
            said = "\n".join(run.lines[seen:end])
            assert said.count(told) == 1, said
            assert 'mysite/ui.py", line' in said
            assert "site-packages" not in said, "frames of what the newcomer did not write"
            edit(site, "mysite/ui.py", wrong, right)
            seen = run.wait_for(SERVING, after=end)


@pytest.mark.server
async def test_mistake_in_a_handler_is_told_once_and_the_page_is_told(site: Path):
    edit(site, "mysite/ui.py", "self.who = current", "self.who = self.user; current")
    with run_reflex(site) as run:
        seen = run.wait_for(SERVING)
        async with connect(run.url.replace("http", "ws"), origin=run.url) as tab:
            await tab.fire("reflex___state____state.mysite___ui____counter.add")
            await tab.text("object has no attribute 'user'")
        run.wait_for("object has no attribute 'user'", after=seen)
        async with connect(run.url.replace("http", "ws"), origin=run.url) as tab:
            await tab.fire("reflex___state____state.mysite___ui____counter.add")
            await tab.text("object has no attribute 'user'")
        run.interrupt()
    said = "\n".join(run.lines[seen:])
    assert said.count("object has no attribute 'user'") == 2
    assert said.count('mysite/ui.py", line') == 2
    assert "site-packages" not in said


@pytest.mark.server
def test_wrong_application_is_told_once_by_run_reflex(site: Path):
    with run_reflex(site, "--asgi=mysite.asgi.app") as run:
        run.wait_for(WAITING)
    assert run.output.count("There is no ASGI application at 'mysite.asgi.app'.") == 1
    assert "Traceback" not in run.output
    result = manage(site, "run_reflex", "--no-reload", "--asgi=mysite.agsi.application")
    assert result.stdout.startswith("CommandError: There is no ASGI application at 'mysite.agsi")


def wsgi(environ: Any, start_response: Any) -> None: ...


class App:
    """Like ``rx.App``: what returns the ASGI application when called."""

    def __call__(self) -> None: ...


app = App()


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize("name", ["nothing", "wsgi", "app", "SERVING", "asgi.sub", "no.such"])
def test_what_is_no_asgi_application(name: str):
    path = f"{__name__}.{name}"
    told = f"There is no ASGI application at '{path}'. ASGI_APPLICATION in the settings is the"
    with pytest.raises(RxBridgeError, match=re.escape(told)):
        load_application(path)


def test_application_is_found_by_a_dot_or_a_colon():
    assert load_application(f"{__name__}.asgi") is load_application(f"{__name__}:asgi") is asgi


def test_what_the_module_itself_lacks_is_told_as_that(tmp_path: Path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        load_application("lacking.application")


def test_runserver_says_that_it_serves_no_pages(built: Path):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        # It checks first, and ends as the port is taken.
        said = manage(built, "runserver", "--noreload", address).stdout
    assert said.count("manage.py run_reflex") == 1
    assert "runserver" not in manage(built, "check").stdout
