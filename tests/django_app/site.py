"""A small Django project with a Reflex app, written to a directory of its own."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from tests import warm
from tests.servers import REPOSITORY, free_port

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

FILES = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    execute_from_command_line(sys.argv)
""",
    "rxconfig.py": """
import reflex as rx
config = rx.Config(app_name="mysite", app_module_import="mysite.ui", telemetry_enabled=False,
                   show_built_with_reflex=False, disable_plugins=[rx.plugins.SitemapPlugin])
""",
    "assets/logo.txt": "logo\n",
    "mysite/__init__.py": "",
    "mysite/settings.py": """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only a test"
DEBUG = True
ALLOWED_HOSTS = []
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.staticfiles", "rxbridge.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
""",
    "static/plain.css": "body { color: teal }\n",
    "mysite/urls.py": """
from django.contrib.auth import get_user_model, login
from django.http import HttpResponse
from django.urls import path
from mysite.words import GREETING

def sign_in(request):
    user, _ = get_user_model().objects.get_or_create(username="ada")
    login(request, user)
    return HttpResponse("welcome")

urlpatterns = [
    path("hello/", lambda request: HttpResponse(GREETING)),
    path("hello/sign-in/", sign_in),
]
""",
    "mysite/words.py": 'GREETING = "hello"\n',
    "mysite/ui.py": """
import os
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django.setup()
import reflex as rx
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import (
    ContextBinder, EventBridge, MiddlewareRunner, SyntheticRequestFactory, current_user,
)
from mysite.steps import STEP

class Counter(rx.State):
    count: int = 0
    who: str = ""

    @rx.event
    def add(self):
        self.count += STEP
        self.who = current_user().get_username()

def index():
    return rx.el.main(
        rx.el.h1("First"),
        rx.el.button("add", on_click=Counter.add),
        rx.el.p(Counter.count, id="count"),
        rx.el.p(Counter.who, id="who"),
    )

connections = ConnectionRegistry()
app = rx.App()
app.add_middleware(
    EventBridge(connections)
)
app.add_page(index, route="/", title="Tiny")
""",
    "mysite/steps.py": "STEP = 1\n",
    "mysite/asgi.py": """
import os
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django = get_asgi_application()
from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi
from mysite.settings import BASE_DIR
from mysite.ui import app, connections
reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
pages = SPAStaticApp(BASE_DIR / ".web" / "build" / "client", is_route=app.router)
application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/hello": django},
    default=PageHeaders(pages),
    lifespan=reflex,
)
""",
}


def write_site(root: Path) -> Path:
    """Write the project into ``root``."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))
    return root


def copy_site(built: Path, root: Path) -> Path:
    """Copy a project to where it may be changed; npm's packages are shared."""
    shutil.copytree(
        built,
        root,
        ignore=shutil.ignore_patterns("node_modules", "__pycache__"),
        dirs_exist_ok=True,
    )
    modules = ".web/rxbridge/node_modules"
    shutil.copytree(built / modules, root / modules, copy_function=_link, symlinks=True)
    return root


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def edit(root: Path, name: str, old: str, new: str) -> None:
    """Save a file of the project with a change."""
    path = root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def environment() -> dict[str, str]:
    """The environment of a user: nothing of this test suite's own settings."""
    ours = ("DJANGO_SETTINGS_MODULE", "REFLEX_WEB_WORKDIR")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def manage(
    root: Path, *arguments: str, answer: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run ``manage.py`` in the project, and ``answer`` it; what it writes is in ``stdout``."""
    return warm.run(
        [sys.executable, "manage.py", *arguments],
        cwd=root,
        env=environment() | more,
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


class Running:
    """A command that runs, and the lines it has written so far."""

    def __init__(self, process: subprocess.Popen[str], root: Path, url: str) -> None:
        self.process = process
        self.root = root
        self.url = url
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(ValueError):  # It is closed as the block ends.
            for line in self.process.stdout or ():
                self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, *, after: int = 0, timeout: float = 120) -> int:
        """Wait for a line with ``text``; return how many lines there are up to it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for number, line in enumerate(self.lines[after:], after + 1):
                if text in line:
                    return number
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {text!r} in:\n{self.output}")

    def interrupt(self) -> None:
        """Press Ctrl-C: the signal goes to the whole group, as a terminal sends it."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)
        self._reader.join(5)


@contextmanager
def sigint(handler: Handler) -> Iterator[None]:
    """Have this handler; what is started in the block ignores SIGINT only if it is SIG_IGN."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def run_reflex(
    root: Path, *arguments: str, on_sigint: Handler = signal.default_int_handler
) -> Iterator[Running]:
    """Run ``manage.py run_reflex`` on a free port until the block ends."""
    port = free_port()
    # A test run in the background of a script ignores SIGINT, and the command would inherit it.
    with sigint(on_sigint):
        process = warm.Popen(
            [sys.executable, "manage.py", "run_reflex", f"--port={port}", *arguments],
            cwd=root,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield Running(process, root, f"http://127.0.0.1:{port}")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
