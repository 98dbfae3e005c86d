"""A real Chromium and the example shop on a real server.

Chromium is Debian's, without its windows if that is there: it takes a fifth of the time of the
processor. Where there is none the tests are skipped, except in CI, which installs it.
"""

import contextlib
import functools
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests import warm
from tests.browser import running
from tests.browser.running import Club, Guest
from tests.servers import KINDS, REPOSITORY, Kind, Server, one_at_a_time, run_server
from tests.topologies.garden import lend_packages

SHOP = REPOSITORY / "examples" / "shop"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """A Chromium for the block; where there is none the test is skipped, or fails in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium; .ci/run is to install it.")
        pytest.skip("no Chromium on this machine: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        expect.set_options(timeout=15_000)  # Other workers' tests are beside this one.
        yield browser
        browser.close()


# Not for the session: a running Playwright is a running event loop, and tests after it have theirs.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def bundle() -> None:
    """Build the shop's pages unless they are built from these very sources."""
    script = "import run_demo; run_demo.is_built() or run_demo.build()"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    with one_at_a_time(SHOP):
        lend_packages(SHOP, ".web/rxbridge")
        warm.run([sys.executable, "-c", script], cwd=SHOP, env=environment, check=True)


def shop_environment(database: Path, settings: str) -> dict[str, str]:
    """What the shop is to be run with; settings modules beside this file can be named."""
    return {
        "SHOP_DATABASE": str(database),
        "SHOP_MEDIA": str(database.parent / "media"),
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join(map(str, (SHOP, REPOSITORY, Path(__file__).parent))),
    }


class Shop:
    """The running shop, with its database in reach."""

    def __init__(self, server: Server, database: Path) -> None:
        self.server = server
        self.url = server.url
        self._database = database

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Return what a query finds in the shop's database."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            return connection.execute(query, parameters).fetchall()

    def cart_of(self, username: str) -> list[tuple[object, ...]]:
        """Return name and quantity of what is in a user's cart."""
        return self.rows(
            "SELECT p.name, i.quantity FROM orders_cartitem i"
            " JOIN orders_cart c ON c.id = i.cart_id"
            " JOIN catalogue_product p ON p.id = i.product_id"
            " JOIN auth_user u ON u.id = c.user_id WHERE u.username = ?",
            username,
        )

    def restore(self, seeded: Path) -> None:
        """Put into all tables what the seed has put there, and nothing else."""
        connecting = contextlib.closing(sqlite3.connect(self._database, timeout=20))
        with connecting as connection:
            connection.execute("ATTACH ? AS seed", [str(seeded)])
            # SQLite's own, which counts the rows, comes last.
            tables = "SELECT name FROM seed.sqlite_master WHERE type = 'table'"
            names = [name for (name,) in connection.execute(tables)]
            names.sort(key="sqlite_sequence".__eq__)
            with connection:
                for name in names:
                    connection.execute(f"DELETE FROM main.{name}")
                    connection.execute(f"INSERT INTO main.{name} SELECT * FROM seed.{name}")


@pytest.fixture(scope="session")
def seeded(bundle: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the demo's goods and accounts, to be copied."""
    database = tmp_path_factory.mktemp("seed") / "shop.sqlite3"
    environment = shop_environment(database, "settings_shop")
    for command in ("migrate", "seed"):
        manage = [sys.executable, "manage.py", command, "--verbosity=0"]
        warm.run(manage, cwd=SHOP, env={**os.environ, **environment}, check=True)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


@pytest.fixture(scope="package")
def shops(
    seeded: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Kind, str], Shop]]:
    """Return the shop on a server of some kind, as after the seed; each is started but once."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(kind: Kind, settings: str) -> Shop:
            database = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
            shutil.copy(seeded, database)
            environment = shop_environment(database, settings)
            server = run_server(kind, "shop.asgi:application", env=environment, cwd=SHOP)
            return Shop(stack.enter_context(server), database)

        def shop(kind: Kind, settings: str = "settings_shop") -> Shop:
            shop = start(kind, settings)
            shop.restore(seeded)
            return shop

        yield shop


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, shops: Callable[..., Shop]) -> Shop:
    """The shop on uvicorn and on granian; a module is named by ``pytest.mark.settings``."""
    marker = request.node.get_closest_marker("settings")
    return shops(request.param, *(marker.args if marker else ()))


# Socket.IO by hand, with this browser's cookies: a page is loaded, then the events are sent.
_FIRE = """events => new Promise((resolve, reject) => {
  const url = location.origin.replace("http", "ws") + "/_event/?EIO=4&transport=websocket&token=";
  const heard = [];
  const fail = reason => reject(new Error(`${reason}; heard: ${heard.join(" ")}`));
  const emit = (name, payload) => ({
    name, payload, router_data: {pathname: "/", asPath: "/"},
  });
  let silence;
  const open = () => {
    const socket = new WebSocket(url + crypto.randomUUID());
    // The page beside it may just be given a session: this one comes back with it, as pages do.
    socket.onclose = ({code}) => code === 1012 && events ? open() : fail(`closed with ${code}`);
    socket.onmessage = ({data}) => {
      if (data === "2") return socket.send("3");
      heard.push(data);
      if (data[0] === "0") {
        const event = emit("reflex___state____state.hydrate_and_load", {});
        return socket.send("40/_event," + JSON.stringify({event}));
      }
      if (events && data.includes('"is_hydrated_rx_state_":true')) {
        for (const [name, payload] of events)
          socket.send("42/_event," + JSON.stringify(["event", emit(name, payload)]));
        events = null;
        heard.length = 0;
      }
      clearTimeout(silence);
      if (!events) silence = setTimeout(() => { resolve(heard.join(" ")); socket.close(); }, 1500);
    };
  };
  setTimeout(() => fail("no end of it within 60 s"), 60000);
  open();
})"""


class Visitor:
    """One browser with one tab, and what its console complained of."""

    def __init__(self, page: Page, shop: Shop) -> None:
        self.page = page
        self.shop = shop
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(15_000)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} {json.dumps(message.location)}")

    def open(self, path: str = "/") -> None:
        """Load a page of the shop and wait until it is alive."""
        self.page.goto(self.shop.url + path)

    def second_tab(self, path: str) -> "Visitor":
        """Open another tab of the same browser at a page."""
        other = Visitor(self.page.context.new_page(), self.shop)
        other.complaints = self.complaints
        other.open(path)
        return other

    def fire(self, *events: tuple[str, dict[str, object]]) -> str:
        """Fire handlers at a socket of this browser that is no page's; return all it heard."""
        return str(self.page.evaluate(_FIRE, events))

    def sign_in(self, name: str, *, next_page: str = "/") -> None:
        """Sign in at the admin, as anyone would."""
        self.open(f"/admin/login/?next={next_page}")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", f"{name}-pass")
        self.page.click("input[type=submit], button[type=submit]")
        self.page.wait_for_url(self.shop.url + next_page)


@pytest.fixture
def visitor(chromium: Browser, shop: Shop) -> Iterator[Visitor]:
    context = chromium.new_context()
    yield Visitor(context.new_page(), shop)
    context.close()


@pytest.fixture(scope="session")
def members(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The club's pages built, and a database with its members, to be copied."""
    with one_at_a_time(running.CLUB):
        running.build()
    database = tmp_path_factory.mktemp("members") / "club.sqlite3"
    running.found(database)
    return database


@pytest.fixture(scope="package")
def clubs(
    members: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Kind], Club]]:
    """Return the club on a server of some kind; each is started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def club(kind: Kind) -> Club:
            served = running.run_club(kind, members, tmp_path_factory.mktemp("club"))
            return stack.enter_context(served)

        yield club


@pytest.fixture
def club(request: pytest.FixtureRequest, clubs: Callable[[Kind], Club]) -> Club:
    """The club, which tests share: on uvicorn, or as ``both_servers`` says."""
    return clubs(getattr(request, "param", "uvicorn"))


@pytest.fixture
def arrive(chromium: Browser) -> Iterator[Callable[[Club], Guest]]:
    """Open a browser at a club; at the end of the test no console may have complained."""
    guests: list[Guest] = []

    def arrive(club: Club) -> Guest:
        guests.append(Guest(chromium.new_context(ignore_https_errors=True), club))
        return guests[-1]

    yield arrive
    for guest in guests:
        guest.context.close()
    complaints = [complaint for guest in guests for complaint in guest.complaints]
    assert complaints == [], complaints


@pytest.fixture
def enter(
    chromium: Browser, shops: Callable[[Kind], Shop]
) -> Iterator[Callable[[str, str], Visitor]]:
    """Open a browser at a page of the shop on uvicorn, as a user or as nobody.

    At the end no console may have complained.
    """
    shop = shops("uvicorn")
    visitors: list[Visitor] = []

    def enter(name: str, path: str) -> Visitor:
        visitors.append(Visitor(chromium.new_context().new_page(), shop))
        if name:
            visitors[-1].sign_in(name, next_page=path)
        else:
            visitors[-1].open(path)
        return visitors[-1]

    yield enter
    for visitor in visitors:
        visitor.page.context.close()
    assert [each for visitor in visitors for each in visitor.complaints] == []
