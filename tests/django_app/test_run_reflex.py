"""The edit loop, on a real server, with real builds."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.django_app.site import Running, copy_site, edit, manage, run_reflex
from tests.servers import free_port

pytestmark = pytest.mark.server

SERVING = "Serving at"


@pytest.fixture
def running(site: Path) -> Iterator[Running]:
    with run_reflex(site) as run:
        run.wait_for(SERVING)
        yield run


@pytest.fixture(scope="module")
def shared(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """For tests that leave it serving, and that change what no other looks at."""
    with run_reflex(copy_site(built, tmp_path_factory.mktemp("shared"))) as run:
        run.wait_for(SERVING)
        assert "building" not in run.output, "the bundle was up to date"
        yield run


def get(run: Running, path: str) -> str:
    # Vite makes its first page when it is asked for it, on a busy machine in more than 5 s.
    return httpx.get(run.url + path, timeout=30).raise_for_status().text


def test_pages_django_and_static_files_are_served_on_one_port(shared: Running):
    assert "<title>Tiny</title>" in get(shared, "/")
    assert get(shared, "/hello/") == "hello"
    assert "teal" in get(shared, "/static/plain.css")


def test_change_that_does_not_show_restarts_the_server_only(shared: Running):
    seen = len(shared.lines)
    edit(shared.root, "mysite/urls.py", '"welcome"', '"come in"')
    end = shared.wait_for(SERVING, after=seen)
    assert get(shared, "/hello/sign-in/") == "come in"
    assert "building" not in "\n".join(shared.lines[seen:end])


def test_restart_without_a_build_keeps_the_bundle_up_to_date(shared: Running):
    seen = len(shared.lines)
    edit(shared.root, "mysite/steps.py", "1", "2")
    shared.wait_for(SERVING, after=seen)
    assert manage(shared.root, "export_reflex", "--check").returncode == 0


def test_mistake_is_shown_and_waited_out_by_the_old_server(shared: Running):
    for name, old, new in [
        ("mysite/words.py", "= ", "= = "),  # found by the server's process
        ("mysite/ui.py", "def index", "deff index"),  # found by both
    ]:
        began = len(shared.lines)
        edit(shared.root, name, old, new)
        seen = shared.wait_for("Waiting for a change", after=began)
        assert "SyntaxError" in "\n".join(shared.lines[began:seen])
        assert get(shared, "/hello/") == "hello"
        edit(shared.root, name, new, old)
        shared.wait_for(SERVING, after=seen)
        assert get(shared, "/hello/") == "hello"


def test_old_pages_are_served_while_new_ones_are_built(shared: Running):
    seen = len(shared.lines)
    edit(shared.root, "mysite/ui.py", "First", "Second")
    shared.wait_for("building", after=seen)
    statuses = set()
    while not any(SERVING in line for line in shared.lines[seen:]):
        page = httpx.get(shared.url)
        statuses.add(page.status_code)
        scripts = re.findall(r'href="(/assets/[^"]+\.js)"', page.text)[:3]
        found = {httpx.get(shared.url + script).status_code for script in scripts}
        # Between a page and its scripts the new pages may take the old ones' place.
        if httpx.get(shared.url).text == page.text:
            statuses |= found
        time.sleep(0.05)
    assert statuses == {200}
    assert "Second" in get(shared, "/")


def test_build_that_fails_leaves_the_old_pages(running: Running, site: Path):
    seen = len(running.lines)
    # Python has nothing against it; the bundler cannot find it.
    component = 'type("Broken", (rx.Component,), {"library": "$/no/such/file", "tag": "No"})'
    edit(site, "mysite/ui.py", 'rx.el.h1("First")', f'rx.el.h1("First"), {component}.create()')
    running.wait_for("Waiting for a change", after=seen)
    assert "First" in get(running, "/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_no_process_behind(running: Running, number: int):
    assert len(processes(running)) > 1
    if number == signal.SIGINT:
        running.interrupt()
    else:
        running.process.terminate()
        running.process.wait(20)
    assert wait_until_gone(running) == []
    assert "Traceback" not in running.output


def test_interrupt_during_a_build_leaves_no_process_behind(running: Running, site: Path):
    edit(site, "mysite/ui.py", "First", "Third")
    running.wait_for("building")
    time.sleep(1.5)
    running.interrupt()
    assert wait_until_gone(running) == []
    assert "Traceback" not in running.output


@pytest.mark.parametrize("arguments", [(), ("--no-reload",)])
def test_command_in_the_background_of_a_script_keeps_ignoring_interrupts(
    site: Path, arguments: tuple[str, ...]
):
    with run_reflex(site, *arguments, on_sigint=signal.SIG_IGN) as run:
        run.wait_for(SERVING)
        wait_for_answer(run)  # uvicorn has its own handlers by then
        os.killpg(run.process.pid, signal.SIGINT)
        time.sleep(1)
        assert get(run, "/hello/") == "hello"
        run.process.terminate()
        run.process.wait(20)
        assert wait_until_gone(run) == []


def test_server_ends_when_its_parent_was_killed(running: Running):
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert wait_until_gone(running) == []


def test_no_reload_serves_and_does_not_follow(site: Path):
    with run_reflex(site, "--no-reload", "--asgi=mysite.asgi:application") as run:
        run.wait_for(SERVING)
        wait_for_answer(run)
        edit(site, "mysite/words.py", "hello", "goodbye")
        time.sleep(1)
        assert get(run, "/hello/") == "hello"
        assert "EventSource" not in get(run, reload_module(run))
        run.interrupt()
        assert wait_until_gone(run) == []


@pytest.mark.parametrize(
    ("arguments", "settings", "remedy"),
    [
        ([], 'ASGI_APPLICATION = ""\n', "Set ASGI_APPLICATION"),
        (["--host=256.0.0.1"], "", "Cannot listen on 256.0.0.1"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(
    site: Path, arguments: list[str], settings: str, remedy: str
):
    with (site / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
    result = manage(site, "run_reflex", *arguments)
    assert result.returncode == 1
    assert remedy in result.stdout
    assert "Traceback" not in result.stdout


def test_port_in_use_is_said_before_anything_is_built(site: Path):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        result = manage(site, "run_reflex", f"--port={port}")
    assert result.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use." in result.stdout


@pytest.mark.browser
def test_edit_loop_in_a_browser(running: Running, site: Path, page: Page):
    page.goto(f"{running.url}/hello/sign-in/")
    page.goto(running.url)
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("1")
    expect(page.locator("#who")).to_have_text("ada")
    page.evaluate("window.untouched = true")

    seen = len(running.lines)
    edit(site, "mysite/steps.py", "1", "10")
    running.wait_for(SERVING, after=seen)
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("11")
    assert page.evaluate("window.untouched"), "the page was loaded again for a handler"

    edit(site, "mysite/ui.py", "First", "Second")
    expect(page.locator("h1")).to_have_text("Second")
    page.click("text=add")
    expect(page.locator("#count")).to_have_text("21")
    expect(page.locator("#who")).to_have_text("ada")


def reload_module(run: Running) -> str:
    match = re.search(r"/assets/reflex-env-[\w-]+\.js", get(run, "/"))
    assert match
    return match[0]


def wait_for_answer(run: Running) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(run.url)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return


def processes(run: Running) -> list[tuple[int, str]]:
    """What runs for the command: its group, and what has a group of its own but its directory."""
    root = str(run.root)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            cwd, state = os.readlink(entry / "cwd"), (entry / "stat").read_text()
            group = os.getpgid(int(entry.name))
        except OSError:
            continue
        if ") Z" not in state and (cwd.startswith(root) or group == run.process.pid):
            command = (entry / "cmdline").read_text().replace("\0", " ")
            found.append((int(entry.name), command))
    return found


def wait_until_gone(run: Running) -> list[tuple[int, str]]:
    deadline = time.monotonic() + 15
    while (left := processes(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
