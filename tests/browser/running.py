"""The club on real servers: built once, with members in a database that each server copies."""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email import message_from_string
from email.policy import default
from importlib.metadata import version
from pathlib import Path

import django
import redis
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, WebSocketRoute, expect

from tests import warm
from tests.browser.balancer import Balancer, run_balancer
from tests.servers import REPOSITORY, Kind, Server, free_port, run_server
from tests.topologies.garden import lend_packages

CLUB = Path(__file__).parent / "club"
APPLICATION = "tests.browser.club.asgi:application"
SETTINGS = "tests.browser.club.settings"
STAMP = CLUB / ".web" / "sources.sha256"
NOBODY = "nobody"

# What consoles say of any site that has both: the admin's pages name no icon, and the admin and
# Reflex keep "auto" and "system" under the same name in the browser, for the same thing.
_COMMON = ("/favicon.ico", "Got invalid theme mode: system", 'Invalid color mode "auto"')

# Members, made once; a test that changes one takes one of its own.
MEMBERS = ("ada", "bob", "carol", "dora", "emil", "fay", "gus")
_JOIN = f"""\
import django
import redis
django.setup()
from django.core.management import call_command
from django.contrib.auth.models import User
call_command("migrate", verbosity=0)
for name in {MEMBERS!r}:
    User.objects.create_superuser(name, f"{{name}}@example.com", f"{{name}}-pass")
"""


def build() -> None:
    """Build the club's pages unless they are built from these very sources."""
    library = REPOSITORY / "rxbridge"
    sources = [*CLUB.glob("*.py"), *(library / "state").rglob("*.py")]
    sources += [library / "events" / "reflex" / "page.py"]
    digest = hashlib.sha256(version("reflex").encode())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    if STAMP.is_file() and STAMP.read_text() == digest.hexdigest():
        return
    lend_packages(CLUB)
    _python("-m", "reflex", "export", "--frontend-only", "--no-zip")
    STAMP.write_text(digest.hexdigest())


def found(database: Path) -> None:
    """Make a database with the members in it."""
    _python("-c", _JOIN, RXBRIDGE_TEST_DB=str(database))


def _python(*arguments: str, **environment: str) -> None:
    # Node and npm are in the virtual environment; see the dependency group.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    own = {
        "PATH": path,
        "PYTHONPATH": str(REPOSITORY),
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
    }
    command = [sys.executable, *arguments]
    warm.run(command, cwd=CLUB, env={**os.environ, **own, **environment}, check=True)


class Club:
    """The club at an address, with its database and its e-mail in reach."""

    def __init__(self, url: str, database: Path, mail: Path, *servers: Server) -> None:
        self.url = url
        self.servers = servers
        self.redis_url = ""
        self._database = database
        self._mail = mail

    def run_sql(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Run a query where Django sees nothing of it; return what it finds."""
        connecting = contextlib.closing(sqlite3.connect(self._database, timeout=20))
        with connecting as connection, connection:
            return connection.execute(query, parameters).fetchall()

    def id_of(self, username: str) -> int:
        """Return the primary key of a user."""
        ((key,),) = self.run_sql("SELECT id FROM auth_user WHERE username = ?", username)
        return int(str(key))

    def has_session(self, key: str) -> bool:
        """Tell whether a session is in the database."""
        return bool(self.run_sql("SELECT 1 FROM django_session WHERE session_key = ?", key))

    def wait_for_mail(self, address: str) -> str:
        """Return the newest e-mail to ``address`` once it is there, and forget it."""
        return wait_for(lambda: self.mail_to(address))

    def mail_to(self, address: str) -> str:
        """Return the newest e-mail to ``address`` and forget it; empty when there is none."""
        for file in sorted(self._mail.glob("*"), key=lambda file: file.stat().st_mtime)[::-1]:
            text = file.read_text()
            # Of a file that is still being written the end is not there.
            if f"To: {address}" in text and text.rstrip().endswith("-" * 79):
                file.unlink()
                # Long lines come encoded, and which lines are long Django's versions see apart.
                message = message_from_string(text.rstrip().rstrip("-"), policy=default)
                return str(message.get_content())
        return ""


class Guest:
    """A browser: its cookies, its tabs, and what their consoles complained of."""

    def __init__(self, context: BrowserContext, club: Club) -> None:
        context.set_default_timeout(15_000)
        self.context = context
        self.club = club
        self.complaints: list[str] = []
        context.on("console", self._listen)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _listen(self, message: ConsoleMessage) -> None:
        complaint = f"{message.text} ({message.location['url']})"
        if message.type == "error" and not any(each in complaint for each in _COMMON):
            self.complaints.append(complaint)

    def open(self, path: str = "/") -> "Tab":
        """Open a page in a new tab."""
        tab = Tab(self.context.new_page(), self.club)
        tab.go(path)
        return tab

    def cookie(self, name: str = "sessionid") -> dict[str, object] | None:
        """Return a cookie as the browser holds it."""
        cookies = self.context.cookies()
        return next((dict(each) for each in cookies if each.get("name") == name), None)

    @property
    def session(self) -> str:
        """The session key the browser holds, or nothing."""
        cookie = self.cookie()
        return str(cookie["value"]) if cookie else ""

    @session.setter
    def session(self, key: str) -> None:
        self.context.clear_cookies(name="sessionid")
        if key:
            self.context.add_cookies([{"name": "sessionid", "value": key, "url": self.club.url}])


class Tab:
    """A tab with a page of the club, or of its admin."""

    def __init__(self, page: Page, club: Club) -> None:
        self.page = page
        self.club = club
        self._acted_as, self._events = NOBODY, 0

    def go(self, path: str) -> None:
        """Load a page, and mark its document."""
        self.page.goto(self.club.url + path)
        self.page.evaluate("window.__marker = 'the same document'")

    def is_same_document(self) -> bool:
        """Tell whether no page was loaded since ``go``."""
        return bool(self.page.evaluate("window.__marker === 'the same document'"))

    def send(self, form: str, **fields: str) -> None:
        """Fill in a form of the ready pages, and send it once the page listens."""
        for name, value in fields.items():
            self.page.fill(f"#{form}-{name}", value)
        self.page.click("form button[type=submit]")

    def sign_in(self, name: str, password: str = "") -> None:
        """Fill in the login page's form, and send it."""
        self.send("login", username=name, password=password or f"{name}-pass")

    def leave(self) -> None:
        """Sign out by the front page's button."""
        self._acted_as, self._events = NOBODY, 0
        self.page.get_by_test_id("sign-out").click()

    def shows(self, name: str = NOBODY) -> None:
        """Expect that the page says who the user is, without a click."""
        expect(self.page.get_by_test_id("username")).to_have_text(name)

    def acts_as(self, name: str = NOBODY) -> None:
        """Expect that the next event runs as ``name``, in the state of that user's before."""
        if self._acted_as not in (NOBODY, name):
            self._events = 0
        self._acted_as = name
        self._events += 1
        self.page.get_by_test_id("who").click()
        expect(self.page.get_by_test_id("seen")).to_have_text(f"{name} {self._events}")

    def click_for(self, button: str, output: str, text: str) -> None:
        """Click, and expect what the handler tells."""
        self.page.get_by_test_id(button).click()
        expect(self.page.get_by_test_id(output)).to_have_text(text)


def hold_back(page: Page) -> Callable[[], None]:
    """Keep from the page what the server sends, until the returned function is called."""
    held: list[Callable[[], None]] | None = []

    def carry(socket: WebSocketRoute) -> None:
        def deliver(message: str | bytes) -> None:
            deliver_now = functools.partial(socket.send, message)
            deliver_now() if held is None else held.append(deliver_now)

        socket.connect_to_server().on_message(deliver)

    def release() -> None:
        nonlocal held
        for deliver_now in held or ():
            deliver_now()
        held = None

    page.route_web_socket(re.compile("/_event"), carry)
    return release


def wait_for(get: Callable[[], str], *, timeout: float = 10) -> str:
    """Return what ``get`` returns, once that is something."""
    deadline = time.monotonic() + timeout
    while not (result := get()):
        if time.monotonic() > deadline:
            msg = f"Nothing came within {timeout} s."
            raise TimeoutError(msg)
        time.sleep(0.05)
    return result


class Place:
    """A folder for one club: its database, copied from that of the members, and its e-mail."""

    def __init__(self, members: Path, folder: Path) -> None:
        self.database = folder / "club.sqlite3"
        self.mail = folder / "mail"
        self.mail.mkdir()
        shutil.copy(members, self.database)
        # Reflex reads its configuration where it runs, and writes there.
        shutil.copy(CLUB / "rxconfig.py", folder)

    def environment(self, **more: str) -> dict[str, str]:
        """Return what the club is to be run with."""
        return {
            "RXBRIDGE_TEST_DB": str(self.database),
            "CLUB_MAIL": str(self.mail),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            **more,
        }


@contextlib.contextmanager
def run_club(
    kind: Kind,
    members: Path,
    folder: Path,
    *,
    certificate: tuple[Path, Path] | None = None,
    application: str = APPLICATION,
    **environment: str,
) -> Iterator[Club]:
    """Serve the club until the block ends; over https with a key and its certificate."""
    place = Place(members, folder)
    environment = place.environment(**environment)
    arguments: list[str] = []
    if certificate is not None:
        environment |= {"CLUB_HTTPS": "1", "CLUB_SAMESITE": "Strict"}
        names = {
            "uvicorn": ("--ssl-keyfile", "--ssl-certfile"),
            "granian": ("--ssl-keyfile", "--ssl-certificate"),
        }[kind]
        arguments = [names[0], str(certificate[0]), names[1], str(certificate[1])]
        if kind == "granian" and django.VERSION < (6,):
            # It leaves the cookies of HTTP/2 in pieces (RFC 9113, 8.2.3), which Django 5 loses.
            arguments += ["--http", "1"]
    with run_server(kind, application, env=environment, cwd=folder, args=arguments) as server:
        url = server.url if certificate is None else server.url.replace("http:", "https:")
        yield Club(url, place.database, place.mail, server)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key and a certificate that it signed itself, for the loopback address."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[str]:
    """Run a Redis that keeps nothing, and yield its address."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url) as client:
            wait_for(lambda: "up" if _answers(client) else "")
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextlib.contextmanager
def run_workers(
    members: Path, folder: Path, kind: Kind = "uvicorn"
) -> Iterator[tuple[Club, Balancer]]:
    """Serve the club with two workers behind one address; Redis has what they share."""
    place = Place(members, folder)
    with contextlib.ExitStack() as stack:
        redis_url = stack.enter_context(run_redis(folder))
        environment = place.environment(CLUB_REDIS=redis_url)
        servers = [
            stack.enter_context(run_server(kind, APPLICATION, env=environment, cwd=folder))
            for _ in range(2)
        ]
        balancer = stack.enter_context(run_balancer([server.port for server in servers]))
        club = Club(balancer.url, place.database, place.mail, *servers)
        club.redis_url = redis_url
        yield club, balancer
