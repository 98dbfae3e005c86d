"""The topologies of `examples/topologies`, built and served."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import httpx

from tests import warm
from tests.servers import REPOSITORY, Server, one_at_a_time, run_server

EXAMPLES = REPOSITORY / "examples" / "topologies"
# What Reflex writes once npm's packages are there, and what of a build is only for its own pages.
_INSTALLED = "reflex.install_frontend_packages.cached"
_OF_THE_PAGES = ("node_modules", "build", "backend", "app_components", ".react-router")
_OF_THE_PAGES += ("env.json", ".memo-manifest.json", "*.sha256")
# Where the pages are, in those that do not have them at the root.
BELOW = {"sub_path": "/garden"}

_MEMBER = """\
import django
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import User
call_command("migrate", verbosity=0)
User.objects.create_superuser("ada", "ada@example.com", "ada-pass")
"""


def folder(name: str) -> Path:
    """Return where a topology's `rxconfig.py` is, and its bundle."""
    own = EXAMPLES / name
    return own if (own / "rxconfig.py").exists() else EXAMPLES


def build(place: Path) -> None:
    """Build the pages unless they are built from these very sources."""
    stamp = place / ".web" / "sources.sha256"
    sources = [*(REPOSITORY / "rxbridge" / "state").rglob("*.py"), *EXAMPLES.rglob("*.py")]
    digest = hashlib.sha256(version("reflex").encode())
    for source in sorted(each for each in sources if ".web" not in each.parts):
        digest.update(source.read_bytes())
    with one_at_a_time(place):
        if stamp.is_file() and stamp.read_text() == digest.hexdigest():
            return
        if place != EXAMPLES:
            lend_packages(place)
        _python("-m", "reflex", "export", "--frontend-only", "--no-zip", cwd=place)
        stamp.write_text(digest.hexdigest())


def lend_packages(project: Path, web: str = ".web") -> None:
    """Begin with npm's packages of the common bundle, most of a build: npm adds what is missing."""
    lent, own = EXAMPLES / ".web", project / web
    if (own / _INSTALLED).exists():
        return
    build(EXAMPLES)
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(EXAMPLES / "reflex.lock", project / "reflex.lock", dirs_exist_ok=True)
    modules = Path("node_modules")
    shutil.copytree(
        lent / modules,
        own / modules,
        ignore=shutil.ignore_patterns(".vite*", ".package-lock.json"),
        copy_function=_link,
        symlinks=True,
    )
    # npm writes into this one.
    shutil.copy2(lent / modules / ".package-lock.json", own / modules)
    shutil.copytree(lent, own, ignore=shutil.ignore_patterns(*_OF_THE_PAGES), dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # They are on two file systems.
        shutil.copy2(source, target)


def found(database: Path) -> None:
    """Make a database with one member, ada."""
    _python("-c", _MEMBER, database=database)


def environment(database: Path, settings: str = "garden.settings") -> dict[str, str]:
    """Return what a topology is to be run with."""
    # Node and npm are in the virtual environment; see the dependency group.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        "PATH": path,
        "PYTHONPATH": os.pathsep.join(map(str, (EXAMPLES, REPOSITORY))),
        "DJANGO_SETTINGS_MODULE": settings,
        "GARDEN_DATABASE": str(database),
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
    }


def _python(*arguments: str, cwd: Path = EXAMPLES, database: Path = Path("unused")) -> None:
    command = [sys.executable, *arguments]
    warm.run(command, cwd=cwd, env={**os.environ, **environment(database)}, check=True)


class Garden:
    """A topology that is served, with a browser's view of it."""

    def __init__(self, name: str, server: Server, env: Mapping[str, str]) -> None:
        self.name = name
        self.server = server
        self.env = env
        self.below = BELOW.get(name, "")
        self.origin = server.url
        self.ws_url = server.ws_url + self.below

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask as a browser that navigates."""
        return httpx.get(
            self.origin + path,
            headers={"accept": "text/html", "sec-fetch-mode": "navigate"} | headers,
        )

    def page(self, path: str, **headers: str) -> httpx.Response:
        """Ask for a page of the Reflex app, wherever it is."""
        return self.get(self.below + path, **headers)

    def script(self) -> str:
        """Return the path of some script that the first page loads."""
        found = re.search(r"[\"'](/[^\"']*assets/[^\"']+\.js)[\"']", self.page("/").text)
        return found[1] if found else ""


@contextlib.contextmanager
def serve(name: str, database: Path) -> Iterator[Garden]:
    """Serve a topology on uvicorn until the block ends."""
    own = (EXAMPLES / name / "settings.py").exists()
    env = environment(database, f"{name}.settings" if own else "garden.settings")
    with run_server("uvicorn", f"{name}.asgi:application", env=env, cwd=folder(name)) as server:
        yield Garden(name, server, env)


@contextlib.contextmanager
def reflex_run(
    *arguments: str, until: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[None]:
    """Run Reflex's own command until the block ends, which begins when all of `until` answer."""
    with log.open("wb") as output:
        process = warm.Popen(
            [sys.executable, "-m", "reflex", "run", *arguments],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        # The first time npm's packages are installed.
        deadline = time.monotonic() + 120
        while not all(map(_is_up, until)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.2)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def sign_in(origin: str) -> dict[str, str]:
    """Sign ada in at the admin's form, and return the browser's cookies."""
    with httpx.Client(base_url=origin, headers={"origin": origin}) as browser:
        form = browser.get("/admin/login/").raise_for_status()
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
        fields = {"username": "ada", "password": "ada-pass", "next": "/api/whoami/"}
        fields["csrfmiddlewaretoken"] = token[1] if token else ""
        answer = browser.post("/admin/login/", data=fields)
        assert answer.headers.get("location") == "/api/whoami/", answer.text
        return dict(browser.cookies)
